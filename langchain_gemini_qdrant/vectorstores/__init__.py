"""The vector store, its factories and its filters."""

from __future__ import annotations

from langchain_gemini_qdrant.vectorstores._optimize import OptimizeProgress
from langchain_gemini_qdrant.vectorstores._payload_indexes import PayloadIndex
from langchain_gemini_qdrant.vectorstores._scores import Fusion
from langchain_gemini_qdrant.vectorstores._self_query import GeminiQdrantTranslator
from langchain_gemini_qdrant.vectorstores.factory import acreate_vector_store, create_vector_store
from langchain_gemini_qdrant.vectorstores.filters import Filter
from langchain_gemini_qdrant.vectorstores.score_factors import (
    ScoreFactor,
    ScoreFormula,
    boost,
    newer_first,
)
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

__all__ = [
    "Filter",
    "Fusion",
    "GeminiQdrantTranslator",
    "GeminiQdrantVectorStore",
    "OptimizeProgress",
    "PayloadIndex",
    "ScoreFactor",
    "ScoreFormula",
    "acreate_vector_store",
    "boost",
    "create_vector_store",
    "newer_first",
]
