"""The back ends themselves, each by the settings that lead to it."""

from __future__ import annotations

from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedRequest

MODEL = "models/gemini-embedding-2"
REQUEST = EmbedRequest(
    model=MODEL, texts=["a"], titles=[None], task_type=None, output_dimensionality=128
)
METHODS = {"embed": (REQUEST,), "count_tokens": (MODEL, "a")}


PLACES = {
    "google-genai": {"name": "google-genai"},
    "vertex": {
        "name": "google-genai",
        "vertexai": True,
        "api_key": None,
        "project": "p",
        "credentials": Credentials("an-access-token"),
    },
    "google-generativeai-rest": {"name": "google-generativeai", "transport": "rest"},
    "google-generativeai-grpc": {"name": "google-generativeai", "transport": "grpc"},
}
