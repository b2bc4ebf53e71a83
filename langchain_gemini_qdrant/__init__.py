"""Gemini embeddings and Qdrant for LangChain.

Everything is imported on first use, so importing this package loads no SDK and no engine.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant._usage import EmbeddingUsage
    from langchain_gemini_qdrant.edge import EdgeClient
    from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
    from langchain_gemini_qdrant.errors import (
        CollectionMismatchError,
        ConfigurationError,
        DailyQuotaError,
        EmbeddingError,
        GeminiQdrantError,
        InvalidInputError,
        PartialEmbeddingError,
        RateLimitError,
        RequestRejectedError,
        ResponseMismatchError,
        ServiceError,
        StorageError,
        TextTooLongError,
    )
    from langchain_gemini_qdrant.gemini_models import GEMINI_MODELS, GeminiModel
    from langchain_gemini_qdrant.ingestion import IngestProgress, IngestReport, ingest
    from langchain_gemini_qdrant.tasks import TaskType
    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore, create_vector_store

__all__ = [
    "GEMINI_MODELS",
    "CollectionMismatchError",
    "ConfigurationError",
    "DailyQuotaError",
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
    "RateLimitError",
    "RequestRejectedError",
    "ResponseMismatchError",
    "ServiceError",
    "StorageError",
    "TaskType",
    "TextTooLongError",
    "create_vector_store",
    "ingest",
]

_MODULES = {
    "_usage": ("EmbeddingUsage",),
    "edge": ("EdgeClient",),
    "embeddings": ("GeminiEmbeddings",),
    "gemini_models": ("GEMINI_MODELS", "GeminiModel"),
    "ingestion": ("IngestProgress", "IngestReport", "ingest"),
    "tasks": ("TaskType",),
    "vectorstores": ("GeminiQdrantVectorStore", "create_vector_store"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF.get(name, 'errors')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
