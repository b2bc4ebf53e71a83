"""Import path for older code of `langchain_gemini_qdrant.embeddings.models`."""

from __future__ import annotations

from langchain_gemini_qdrant.embeddings.models import (
    DEFAULT_MODEL,
    GEMINI_MODELS,
    MAX_BATCH_SIZE,
    Conditioning,
    GeminiModel,
    find_model,
    guess_conditioning,
)

__all__ = [
    "DEFAULT_MODEL",
    "GEMINI_MODELS",
    "MAX_BATCH_SIZE",
    "Conditioning",
    "GeminiModel",
    "find_model",
    "guess_conditioning",
]
