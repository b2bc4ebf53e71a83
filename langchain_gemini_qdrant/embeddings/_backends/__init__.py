"""The Google SDKs behind one small protocol: one request in, its vectors out.

A back end sends one request and translates the SDK's errors. It does not split, retry or check:
`embeddings` does that for all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant.embeddings._backends.errors import hide
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._backends.files import FilesApi
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend, BackendSettings

BackendName = Literal["google-genai", "grpc", "google-generativeai"]

_EXTRAS = {"grpc": "[grpc]", "google-generativeai": "[google-generativeai]"}
_PACKAGES = {"google", "grpc", "grpc_status", "proto", "requests"}


def create_backend(name: BackendName, settings: BackendSettings) -> Backend:
    """Import one SDK and return its back end; nothing is sent.

    Raises:
        ConfigurationError: The SDK is not installed.
    """
    hide(settings.api_key)
    own = settings.client
    is_vertex = settings.vertexai or (name == "google-genai" and getattr(own, "vertexai", False))
    module_name = f"{__name__}.{'vertex' if is_vertex else name.replace('-', '_')}"
    try:
        backend: Backend = importlib.import_module(module_name).create(settings)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise ConfigurationError(
            f"backend={name!r} needs a package that is not installed ({error.name}): "
            f"pip install 'langchain-gemini-qdrant{_EXTRAS.get(name, '')}'"
        ) from error
    return backend


def files_api(name: BackendName, backend: Backend, *, is_vertex: bool) -> FilesApi | None:
    """Return the Files API over the connections of a back end, None if it has none."""
    if name != "google-genai" or is_vertex:
        return None
    api: FilesApi = importlib.import_module(f"{__name__}.files").FilesApi(backend)
    return api
