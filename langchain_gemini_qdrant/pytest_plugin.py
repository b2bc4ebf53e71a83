"""Fixtures for tests of applications; pytest finds them wherever this package is installed.

This module is loaded in every pytest run, used or not. So it imports nothing slow, and nothing of
the package, before a fixture is requested.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant import GeminiEmbeddings, GeminiQdrantVectorStore
    from langchain_gemini_qdrant.testing import GeminiEmulator

_MARKERS = {
    "gemini_emulator": "options of GeminiEmulator, for the fixture of this name",
    "gemini_embeddings": "options of GeminiEmbeddings, for the fixture of this name",
    "gemini_qdrant_store": "options of create_vector_store, for the fixture of this name",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for name, what in _MARKERS.items():
        config.addinivalue_line("markers", f"{name}(**options): {what}")


def _options(request: pytest.FixtureRequest, marker: str) -> dict[str, Any]:
    """Return the options of all markers with this name; those nearest to the test override."""
    options: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers(marker))):
        if mark.args:
            pytest.fail(f"the marker {marker} takes keyword arguments only", pytrace=False)
        options.update(mark.kwargs)
    return options


def _over_grpc(request: pytest.FixtureRequest) -> bool:
    """Return whether the embeddings of a test send over gRPC."""
    options = _options(request, "gemini_embeddings")
    backend, transport = options.get("backend"), options.get("transport")
    return backend == "grpc" or (backend == "google-generativeai" and transport != "rest")


@pytest.fixture
def gemini_emulator(request: pytest.FixtureRequest) -> Iterator[GeminiEmulator]:
    """Serve a fresh Gemini API for one test, over REST on a free port.

    It serves gRPC, too, if the marker `gemini_embeddings` of the test has `backend="grpc"`.
    `@pytest.mark.gemini_emulator(requests_per_minute=100, grpc=True)` sets options of
    `GeminiEmulator`. A test that sent a request unknown to the emulator fails at its end.
    """
    from langchain_gemini_qdrant.testing import GeminiEmulator  # noqa: PLC0415 - not in every run

    # A key per test, so that what clients remember about a key does not reach the next test.
    keys = [f"emulator-key-{uuid.uuid4().hex}", "emulator-key"]
    defaults = {"api_keys": keys, "grpc": _over_grpc(request)}
    with GeminiEmulator(**{**defaults, **_options(request, "gemini_emulator")}) as emulator:
        yield emulator
    unknown = [request for request in emulator.requests if request.method is None]
    if unknown:
        pytest.fail("\n".join(request.answer_message for request in unknown), pytrace=False)


@pytest.fixture
def gemini_embeddings(
    request: pytest.FixtureRequest, gemini_emulator: GeminiEmulator
) -> Iterator[GeminiEmbeddings]:
    """Make embeddings that use the emulator of this test.

    `@pytest.mark.gemini_embeddings(model="gemini-embedding-001")` sets options of
    `GeminiEmbeddings`.
    """
    from langchain_gemini_qdrant import GeminiEmbeddings  # noqa: PLC0415 - not in every run

    options = _options(request, "gemini_embeddings")
    reached = {
        "api_key": gemini_emulator.api_key,
        "base_url": gemini_emulator.grpc_url if _over_grpc(request) else gemini_emulator.base_url,
        "vertexai": False,  # overrides the developer's environment
    }
    with GeminiEmbeddings(**{**reached, **options}) as embeddings:
        yield embeddings


@pytest.fixture
def gemini_qdrant_store(
    request: pytest.FixtureRequest, gemini_embeddings: GeminiEmbeddings
) -> Iterator[GeminiQdrantVectorStore]:
    """Open an empty store with these embeddings, in a temporary embedded engine.

    `@pytest.mark.gemini_qdrant_store(quantization="binary")` sets options of
    `create_vector_store`; `location=":memory:"` or `url=` selects a different engine.
    """
    from langchain_gemini_qdrant import create_vector_store  # noqa: PLC0415 - not in every run

    options = _options(request, "gemini_qdrant_store")
    if not options.keys() & {"path", "url", "location", "client"}:
        options["path"] = ":temporary:"
    options.setdefault("collection_name", "test")
    with create_vector_store(gemini_embeddings, **options) as store:
        yield store
