"""google-generativeai: the SDK that Google ended in 2025, for applications that still depend on it.

It is not imported: over gRPC, requests use the client on which it is built, as `backend="grpc"`
does, and over REST its address and JSON. Its own `embed_content` has one title for the whole list
and spends 9 to 15 ms of CPU time on each vector.
"""

# ruff: noqa: PLC0415 - only the back end that is used is imported

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend, BackendSettings


def create(settings: BackendSettings) -> Backend:
    """Return the back end of a transport, or of the user's own client."""
    if settings.client is not None or settings.async_client is not None:
        from langchain_gemini_qdrant.embeddings._backends.own_clients import OwnClientBackend

        return OwnClientBackend(settings, backend="google-generativeai")
    if settings.transport == "rest":
        from langchain_gemini_qdrant.embeddings._backends.google_generativeai_rest import (
            RestBackend,
        )

        return RestBackend(settings)
    from langchain_gemini_qdrant.embeddings._backends.grpc import GrpcBackend

    return GrpcBackend(settings)
