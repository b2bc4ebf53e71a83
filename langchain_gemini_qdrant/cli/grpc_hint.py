"""A recommendation of gRPC after a run that would have been shorter with it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from langchain_gemini_qdrant.cli.progress import console

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.ingestion._report import RunCost

_PACKAGE = "google-ai-generativelanguage"
_INSTALL = "pip install 'langchain-gemini-qdrant[grpc]', then "

_SAVED_PER_VECTOR = 6.5e-5
_SAVED_PER_NUMBER = 1.3e-8
"""Seconds of CPU time that gRPC saves for each vector and for each of its numbers, about: the line
through both sizes in the CPU columns of `make bench-embeddings`.
"""
_LEAST_SECONDS = 1.0
_LEAST_SHARE = 0.1


def print_grpc_hint(done: RunCost, embeddings: GeminiEmbeddings) -> None:
    """Print the line of `grpc_hint`, if there is one."""
    hint = grpc_hint(done, embeddings)
    if hint is not None:
        console.print(hint, markup=False, soft_wrap=True)


def grpc_hint(done: RunCost, embeddings: GeminiEmbeddings) -> str | None:
    """Return a line that recommends gRPC, None if the run would hardly have been shorter.

    The vectors, their size and the time of the run decide: gRPC is recommended if it would have
    saved more than one second of CPU time and a tenth of the run's time. A run that mostly waits
    for a quota does not get faster.

    Args:
        done: What the run has sent, and how long it took.
        embeddings: The embeddings that it used.
    """
    size = embeddings.vector_size or 0
    saved = done.texts * (_SAVED_PER_VECTOR + size * _SAVED_PER_NUMBER)
    if saved <= max(_LEAST_SECONDS, _LEAST_SHARE * done.seconds) or not _can_switch(embeddings):
        return None
    address = ", and the address of gRPC as --base-url" if embeddings.base_url else ""
    return (
        f"{done.texts:,} vectors of size {size:,} in {done.seconds:,.0f} s: gRPC saves about "
        f"{saved:,.0f} s of CPU time. To use it: {'' if _has_package() else _INSTALL}"
        f"add --backend grpc{address}"
    )


def _can_switch(embeddings: GeminiEmbeddings) -> bool:
    """Return whether the same API may be reached over gRPC: not Vertex AI, no path of a gateway."""
    is_vertex = embeddings.model_dump()["vertexai"]
    path = urlsplit(embeddings.base_url or "").path.strip("/")
    return embeddings.backend == "google-genai" and not is_vertex and not path


def _has_package() -> bool:
    try:
        distribution(_PACKAGE)
    except PackageNotFoundError:
        return False
    return True
