"""Gemini embeddings and Qdrant for LangChain.

Everything is imported on first use, so importing this package loads no SDK and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
    from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
    from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.embeddings.models import GEMINI_MODELS, GeminiModel
    from langchain_gemini_qdrant.embeddings.tasks import TaskType
    from langchain_gemini_qdrant.errors import (
        CollectionMismatchError,
        ConfigurationError,
        DailyQuotaError,
        EmbeddingError,
        GeminiQdrantError,
        IngestError,
        InvalidInputError,
        PartialEmbeddingError,
        PartialWriteError,
        RateLimitError,
        RequestRejectedError,
        ResponseMismatchError,
        ServiceError,
        StorageError,
        TextTooLongError,
    )
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.ingestion.ingest import aingest, ingest
    from langchain_gemini_qdrant.migration.migrate import MigrationReport, amigrate, migrate
    from langchain_gemini_qdrant.migration.reembed import ReembedReport, areembed, reembed
    from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS, QuantizationPreset
    from langchain_gemini_qdrant.recall import (
        ComparisonRow,
        QuantizationComparison,
        RecallProgress,
        RecallReport,
        RecallRow,
        Recommendation,
        acompare_quantizations,
        ameasure_recall,
        compare_quantizations,
        measure_recall,
        recommend,
    )
    from langchain_gemini_qdrant.sizing import MemoryEstimate, memory_size
    from langchain_gemini_qdrant.vectorstores.factory import (
        acreate_vector_store,
        create_vector_store,
    )
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

__all__ = [
    "GEMINI_MODELS",
    "QUANTIZATION_PRESETS",
    "AsyncEdgeClient",
    "CollectionMismatchError",
    "ComparisonRow",
    "ConfigurationError",
    "DailyQuotaError",
    "EdgeBm25",
    "EdgeClient",
    "EmbeddingError",
    "EmbeddingUsage",
    "GeminiEmbeddings",
    "GeminiModel",
    "GeminiQdrantError",
    "GeminiQdrantVectorStore",
    "IngestError",
    "IngestProgress",
    "IngestReport",
    "InvalidInputError",
    "MemoryEstimate",
    "MigrationReport",
    "PartialEmbeddingError",
    "PartialWriteError",
    "QuantizationComparison",
    "QuantizationPreset",
    "RateLimitError",
    "RecallProgress",
    "RecallReport",
    "RecallRow",
    "Recommendation",
    "ReembedReport",
    "RequestRejectedError",
    "ResponseMismatchError",
    "ServiceError",
    "StorageError",
    "TaskType",
    "TextTooLongError",
    "acompare_quantizations",
    "acreate_vector_store",
    "aingest",
    "ameasure_recall",
    "amigrate",
    "areembed",
    "compare_quantizations",
    "create_vector_store",
    "ingest",
    "measure_recall",
    "memory_size",
    "migrate",
    "recommend",
    "reembed",
]

_MODULES = {
    "edge": ("AsyncEdgeClient", "EdgeClient"),
    "edge.bm25": ("EdgeBm25",),
    "embeddings": (
        "GEMINI_MODELS",
        "EmbeddingUsage",
        "GeminiEmbeddings",
        "GeminiModel",
        "TaskType",
    ),
    "ingestion": ("IngestProgress", "IngestReport", "aingest", "ingest"),
    "migration": ("MigrationReport", "ReembedReport", "amigrate", "areembed", "migrate", "reembed"),
    "quantization": ("QUANTIZATION_PRESETS", "QuantizationPreset"),
    "recall": (
        *("ComparisonRow", "QuantizationComparison"),
        *("RecallProgress", "RecallReport", "RecallRow", "Recommendation", "recommend"),
        *("acompare_quantizations", "compare_quantizations"),
        *("ameasure_recall", "measure_recall"),
    ),
    "sizing": ("MemoryEstimate", "memory_size"),
    "vectorstores": ("GeminiQdrantVectorStore", "acreate_vector_store", "create_vector_store"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
