"""The two Google SDKs behind one small protocol: one request in, its vectors out.

A back end sends one request and translates the SDK's errors. It does not split, retry or check:
`embeddings` does that for both.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant.embeddings._backends.errors import hide
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend, BackendSettings

BackendName = Literal["google-genai", "google-generativeai"]


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
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("google"):
            raise
        extra = "[google-generativeai]" if name == "google-generativeai" else ""
        raise ConfigurationError(
            f"backend={name!r} needs a package that is not installed ({error.name}): "
            f"pip install 'langchain-gemini-qdrant{extra}'"
        ) from error
    backend: Backend = module.create(settings)
    return backend
