"""The destination and account of requests, determined once from options and environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.embeddings._backends import create_backend
from langchain_gemini_qdrant.embeddings._backends.addresses import (
    check_base_url,
    check_grpc_address,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings
from langchain_gemini_qdrant.embeddings._options import variable
from langchain_gemini_qdrant.embeddings._rate_limiter import LIMITERS
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings

OPTIONS = frozenset(
    {
        "api_key",
        "async_client",
        "backend",
        "base_url",
        "client",
        "credentials",
        "location",
        "project",
        "transport",
        "vertexai",
    }
)
"""The options of `GeminiEmbeddings` that determine a connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """The destination and credentials of an instance; copies and pickles keep them.

    Attributes:
        is_vertex: Whether requests go to Vertex AI, not to the Gemini Developer API.
        takes_key: Whether requests carry the instance's API key.
        address: The base URL, None for Google's own.
        project: The Google Cloud project, for Vertex AI.
    """

    is_vertex: bool
    takes_key: bool
    address: str | None
    project: str | None


def connect(options: GeminiEmbeddings) -> Connection:
    """Determine where an instance's requests go, by the rules of langchain-google-genai.

    Raises:
        ConfigurationError: Options contradict each other, or there is no API key.
    """
    is_vertex = _is_vertex(options)
    address = options.base_url
    if is_vertex and "base_url" not in options.model_fields_set:
        address = variable("GOOGLE_VERTEX_BASE_URL")
    # On Vertex AI, options given in code override the environment: a key overrides its project, and
    # a project overrides its key. If neither is given, its project has precedence.
    is_express = is_vertex and _is_given(options, "api_key") and not _is_given(options, "project")
    project = None if is_express else options.project
    beside = is_vertex and (project or options.credentials is not None)
    connection = Connection(
        is_vertex=is_vertex,
        takes_key=not has_own_client(options) and (_is_given(options, "api_key") or not beside),
        address=address,
        project=project or getattr(options.credentials, "project_id", None),
    )
    check_connection(options, connection)
    return connection


def _is_vertex(options: GeminiEmbeddings) -> bool:
    if options.vertexai is not None:
        return options.vertexai
    if has_own_client(options):
        return bool(getattr(options.client, "vertexai", False))
    switch = (variable("GOOGLE_GENAI_USE_VERTEXAI") or "").lower()
    if switch in {"true", "1", "yes", "false", "0", "no"}:
        return switch in {"true", "1", "yes"}
    return _is_given(options, "credentials") or _is_given(options, "project")


def _is_given(options: GeminiEmbeddings, name: str) -> bool:
    """Return whether an option was given in code and not by the environment."""
    return name in options.model_fields_set and getattr(options, name) is not None


def as_decided(options: Mapping[str, Any], connection: Connection) -> dict[str, Any]:
    """Return dumped options with the connection's, to make the same instance in any environment."""
    decided = {
        "vertexai": connection.is_vertex,
        "base_url": connection.address,
        "project": connection.project,
    }
    if not connection.takes_key:
        decided["api_key"] = None
    return {name: decided.get(name, value) for name, value in options.items()}


def has_own_client(options: GeminiEmbeddings) -> bool:
    """Return whether requests go through a client of the user's own."""
    return options.client is not None or options.async_client is not None


def check_connection(options: GeminiEmbeddings, connection: Connection) -> None:
    """Refuse options that contradict each other.

    Raises:
        ConfigurationError: Options contradict each other, or there is no API key.
    """
    own = has_own_client(options)
    if options.backend == "google-genai" and options.async_client is not None:
        raise ConfigurationError(
            "async_client is for backend='grpc' and 'google-generativeai': a google.genai.Client "
            "given as client serves both sync and async"
        )
    if options.backend == "google-genai" and options.transport is not None:
        raise ConfigurationError(
            f"transport={options.transport!r} is for backend='grpc' and 'google-generativeai': "
            "google-genai has REST alone"
        )
    if options.backend == "grpc" and options.transport == "rest":
        raise ConfigurationError(
            "transport='rest' contradicts backend='grpc': use backend='google-genai' for REST"
        )
    if own and any(_is_given(options, name) for name in ("api_key", "base_url", "transport")):
        raise ConfigurationError(
            "client and async_client bring their own key, address and transport: leave out "
            "api_key, base_url and transport, or leave out the clients"
        )
    if connection.address and not own:
        _check_address(options, connection.address)
    if not connection.is_vertex and options.model.startswith(("projects/", "publishers/")):
        raise ConfigurationError(
            f"model={options.model!r} is a name of Vertex AI: pass vertexai=True and project, or "
            f"model={model_id(options.model)!r} for the Gemini API"
        )
    if connection.is_vertex:
        _check_vertex(options)
    elif not own and not _key(options, connection):
        raise ConfigurationError(
            "an API key is needed: pass api_key or set GOOGLE_API_KEY or GEMINI_API_KEY "
            "(https://aistudio.google.com/apikey)"
        )


def _check_address(options: GeminiEmbeddings, address: str) -> None:
    if options.backend == "google-genai" or options.transport == "rest":
        check_base_url(address, scheme_needed=options.backend == "google-genai")
        return
    rest = "backend='google-genai'" if options.backend == "grpc" else "transport='rest'"
    check_grpc_address(address, advice=rest)


def _check_vertex(options: GeminiEmbeddings) -> None:
    if options.backend != "google-genai":
        raise ConfigurationError(f"Vertex AI needs backend='google-genai', got {options.backend!r}")
    if _is_given(options, "api_key") and (
        _is_given(options, "project") or options.credentials is not None
    ):
        raise ConfigurationError(
            "Vertex AI takes an API key (express mode) or a project with credentials, got both: "
            "leave out api_key, or leave out project and credentials"
        )


def open_backend(options: GeminiEmbeddings, connection: Connection) -> Backend:
    """Import the SDK and return its back end; nothing is sent.

    Raises:
        ConfigurationError: The SDK is not installed, or does not accept the options.
    """
    own = has_own_client(options)
    return create_backend(
        options.backend,
        BackendSettings(
            api_key=_key(options, connection),
            base_url=connection.address,
            timeout=None if own and "timeout" not in options.model_fields_set else options.timeout,
            transport=options.transport,
            client=options.client,
            async_client=options.async_client,
            vertexai=connection.is_vertex,
            project=connection.project,
            location=options.location,
            credentials=options.credentials,
            auto_truncate=options.on_too_long != "error",
        ),
    )


def limiter_of(options: GeminiEmbeddings, connection: Connection) -> Limiter:
    """Return the limiter that all instances of one account and model share."""
    model = model_id(options.model)
    own = options.client or options.async_client
    if own is not None:
        limiter = LIMITERS.of_client(own, model)
    else:
        account = (
            connection.address,
            _key(options, connection),
            connection.project,
            options.location,
        )
        limiter = LIMITERS.of_account(repr(account), model)
    limiter.configure(
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
    )
    return limiter


def _key(options: GeminiEmbeddings, connection: Connection) -> str | None:
    if not connection.takes_key or options.api_key is None:
        return None
    return options.api_key.get_secret_value()
