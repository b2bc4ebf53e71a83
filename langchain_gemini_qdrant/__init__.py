"""Gemini embeddings and Qdrant for LangChain.

Everything is imported on first use, so importing this package loads no SDK and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant._usage import EmbeddingUsage
    from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
    from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
    from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
    from langchain_gemini_qdrant.errors import (
        CollectionMismatchError,
        ConfigurationError,
        DailyQuotaError,
        EmbeddingError,
        GeminiQdrantError,
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
    from langchain_gemini_qdrant.factory import acreate_vector_store, create_vector_store
    from langchain_gemini_qdrant.gemini_models import GEMINI_MODELS, GeminiModel
    from langchain_gemini_qdrant.ingestion import IngestProgress, IngestReport, ingest
    from langchain_gemini_qdrant.tasks import TaskType
    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore

__all__ = [
    "GEMINI_MODELS",
    "AsyncEdgeClient",
    "CollectionMismatchError",
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
    "IngestProgress",
    "IngestReport",
    "InvalidInputError",
    "PartialEmbeddingError",
    "PartialWriteError",
    "RateLimitError",
    "RequestRejectedError",
    "ResponseMismatchError",
    "ServiceError",
    "StorageError",
    "TaskType",
    "TextTooLongError",
    "acreate_vector_store",
    "create_vector_store",
    "ingest",
]

_MODULES = {
    "_usage": ("EmbeddingUsage",),
    "edge": ("AsyncEdgeClient", "EdgeClient"),
    "edge.bm25": ("EdgeBm25",),
    "embeddings": ("GeminiEmbeddings",),
    "factory": ("acreate_vector_store", "create_vector_store"),
    "gemini_models": ("GEMINI_MODELS", "GeminiModel"),
    "ingestion": ("IngestProgress", "IngestReport", "ingest"),
    "tasks": ("TaskType",),
    "vectorstores": ("GeminiQdrantVectorStore",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
