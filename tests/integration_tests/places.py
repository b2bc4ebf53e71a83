"""The back ends themselves, each by the settings that lead to it."""

from __future__ import annotations

import subprocess
import sys

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
    "grpc": {"name": "grpc"},
}


class Unrefreshable(Credentials):
    """Has no token, and meets an error on its way to one, which may hold a secret."""

    def __init__(self, error):
        super().__init__(token=None)
        self._error = error

    def refresh(self, request):  # noqa: ARG002
        raise self._error


def options_of(embeddings):
    """Return the options that make the same embeddings in another process."""
    fields = ("backend", "transport", "base_url", "output_dimensionality")
    options = {name: getattr(embeddings, name) for name in fields}
    return options | {"api_key": embeddings.api_key.get_secret_value()}


def run_elsewhere(script, embeddings):
    """Run a script in a process of its own, with these embeddings' options in `{options!r}`."""
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script.replace("{options!r}", repr(options_of(embeddings)))],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
