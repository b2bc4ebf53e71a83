"""Gemini embeddings for LangChain, and the tables of models and tasks."""

from __future__ import annotations

from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings._waiting import Waiting
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import GEMINI_MODELS, GeminiModel
from langchain_gemini_qdrant.embeddings.tasks import TaskType

__all__ = [
    "GEMINI_MODELS",
    "EmbeddingUsage",
    "GeminiEmbeddings",
    "GeminiModel",
    "TaskType",
    "Waiting",
]
