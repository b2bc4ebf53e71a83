"""Gemini embeddings and Qdrant for LangChain.

`__all__` lists what most programs use. Errors, reports, tables of models and the rest are in
`errors`, `embeddings`, `ingestion`, `migration`, `quantization`, `recall` and `sizing`.
Everything is imported on first use, so importing this package loads no SDK and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeBm25, EdgeClient
    from langchain_gemini_qdrant.embeddings import (
        GEMINI_MODELS as GEMINI_MODELS,
    )
    from langchain_gemini_qdrant.embeddings import (
        EmbeddingUsage as EmbeddingUsage,
    )
    from langchain_gemini_qdrant.embeddings import (
        GeminiEmbeddings,
    )
    from langchain_gemini_qdrant.embeddings import (
        GeminiModel as GeminiModel,
    )
    from langchain_gemini_qdrant.embeddings import (
        TaskType as TaskType,
    )
    from langchain_gemini_qdrant.errors import (
        CollectionMismatchError as CollectionMismatchError,
    )
    from langchain_gemini_qdrant.errors import (
        ConfigurationError as ConfigurationError,
    )
    from langchain_gemini_qdrant.errors import (
        DailyQuotaError as DailyQuotaError,
    )
    from langchain_gemini_qdrant.errors import (
        EmbeddingError as EmbeddingError,
    )
    from langchain_gemini_qdrant.errors import (
        GeminiQdrantError,
        IngestError,
    )
    from langchain_gemini_qdrant.errors import (
        InvalidInputError as InvalidInputError,
    )
    from langchain_gemini_qdrant.errors import (
        PartialEmbeddingError as PartialEmbeddingError,
    )
    from langchain_gemini_qdrant.errors import (
        PartialWriteError as PartialWriteError,
    )
    from langchain_gemini_qdrant.errors import (
        RateLimitError as RateLimitError,
    )
    from langchain_gemini_qdrant.errors import (
        RequestRejectedError as RequestRejectedError,
    )
    from langchain_gemini_qdrant.errors import (
        ResponseMismatchError as ResponseMismatchError,
    )
    from langchain_gemini_qdrant.errors import (
        ServiceError as ServiceError,
    )
    from langchain_gemini_qdrant.errors import (
        StorageError as StorageError,
    )
    from langchain_gemini_qdrant.errors import (
        TextTooLongError as TextTooLongError,
    )
    from langchain_gemini_qdrant.ingestion import (
        IngestProgress as IngestProgress,
    )
    from langchain_gemini_qdrant.ingestion import (
        IngestReport as IngestReport,
    )
    from langchain_gemini_qdrant.ingestion import (
        aingest,
        ingest,
    )
    from langchain_gemini_qdrant.migration import (
        MigrationReport as MigrationReport,
    )
    from langchain_gemini_qdrant.migration import (
        ReembedReport as ReembedReport,
    )
    from langchain_gemini_qdrant.migration import (
        amigrate,
        areembed,
        migrate,
        reembed,
    )
    from langchain_gemini_qdrant.quantization import (
        QUANTIZATION_PRESETS as QUANTIZATION_PRESETS,
    )
    from langchain_gemini_qdrant.quantization import (
        QuantizationPreset,
    )
    from langchain_gemini_qdrant.recall import (
        ComparisonRow as ComparisonRow,
    )
    from langchain_gemini_qdrant.recall import (
        QuantizationComparison as QuantizationComparison,
    )
    from langchain_gemini_qdrant.recall import (
        RecallProgress as RecallProgress,
    )
    from langchain_gemini_qdrant.recall import (
        RecallReport as RecallReport,
    )
    from langchain_gemini_qdrant.recall import (
        RecallRow as RecallRow,
    )
    from langchain_gemini_qdrant.recall import (
        Recommendation as Recommendation,
    )
    from langchain_gemini_qdrant.recall import (
        acompare_quantizations as acompare_quantizations,
    )
    from langchain_gemini_qdrant.recall import (
        ameasure_recall,
        measure_recall,
        recommend,
    )
    from langchain_gemini_qdrant.recall import (
        compare_quantizations as compare_quantizations,
    )
    from langchain_gemini_qdrant.sizing import (
        MemoryEstimate as MemoryEstimate,
    )
    from langchain_gemini_qdrant.sizing import (
        memory_size as memory_size,
    )
    from langchain_gemini_qdrant.vectorstores import (
        GeminiQdrantVectorStore,
        acreate_vector_store,
        create_vector_store,
    )

__version__: str
"""Version of the installed distribution, such as `0.1.0`."""

__all__ = [
    "AsyncEdgeClient",
    "EdgeBm25",
    "EdgeClient",
    "GeminiEmbeddings",
    "GeminiQdrantError",
    "GeminiQdrantVectorStore",
    "IngestError",
    "QuantizationPreset",
    "acreate_vector_store",
    "aingest",
    "ameasure_recall",
    "amigrate",
    "areembed",
    "create_vector_store",
    "ingest",
    "measure_recall",
    "migrate",
    "recommend",
    "reembed",
]

# The module of each name. Names that are not in `__all__` keep older programs working; the next
# minor version removes them.
_HOMES = {
    "edge": (
        "AsyncEdgeClient",
        "EdgeBm25",
        "EdgeClient",
    ),
    "embeddings": (
        "GEMINI_MODELS",
        "EmbeddingUsage",
        "GeminiEmbeddings",
        "GeminiModel",
        "TaskType",
    ),
    "errors": (
        "CollectionMismatchError",
        "ConfigurationError",
        "DailyQuotaError",
        "EmbeddingError",
        "GeminiQdrantError",
        "IngestError",
        "InvalidInputError",
        "PartialEmbeddingError",
        "PartialWriteError",
        "RateLimitError",
        "RequestRejectedError",
        "ResponseMismatchError",
        "ServiceError",
        "StorageError",
        "TextTooLongError",
    ),
    "ingestion": (
        "IngestProgress",
        "IngestReport",
        "aingest",
        "ingest",
    ),
    "migration": (
        "MigrationReport",
        "ReembedReport",
        "amigrate",
        "areembed",
        "migrate",
        "reembed",
    ),
    "quantization": (
        "QUANTIZATION_PRESETS",
        "QuantizationPreset",
    ),
    "recall": (
        "ComparisonRow",
        "QuantizationComparison",
        "RecallProgress",
        "RecallReport",
        "RecallRow",
        "Recommendation",
        "acompare_quantizations",
        "ameasure_recall",
        "compare_quantizations",
        "measure_recall",
        "recommend",
    ),
    "sizing": (
        "MemoryEstimate",
        "memory_size",
    ),
    "vectorstores": (
        "GeminiQdrantVectorStore",
        "acreate_vector_store",
        "create_vector_store",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - some milliseconds

        return version("langchain-gemini-qdrant")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
