"""A client of the user's own: one of `google.ai.generativelanguage`, over gRPC or REST."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from google.ai.generativelanguage_v1beta import (
    GenerativeServiceAsyncClient,
    GenerativeServiceClient,
)
from google.ai.generativelanguage_v1beta.types import (
    BatchEmbedContentsRequest,
    BatchEmbedContentsResponse,
    CountTokensRequest,
)
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.protobuf.message import DecodeError

from langchain_gemini_qdrant.embeddings._backends import google_generativeai_rest as rest
from langchain_gemini_qdrant.embeddings._backends import grpc_forks
from langchain_gemini_qdrant.embeddings._backends.error_details import ErrorDetails
from langchain_gemini_qdrant.embeddings._backends.errors import UNREADABLE, error_for_status
from langchain_gemini_qdrant.embeddings._backends.grpc import (
    count_message,
    embed_message,
    read_answer,
)
from langchain_gemini_qdrant.embeddings._backends.grpc_errors import (
    error_of_rpc,
    translated_errors,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import DeveloperApi, shortest
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        BackendSettings,
        EmbedAnswer,
        EmbedRequest,
    )

_TIMEOUT = 60.0  # seconds, the default of the generated methods


class OwnClientBackend(DeveloperApi):
    """Sends with the methods of the user's clients, within their timeout and without their retries.

    With a sync client alone, an asynchronous call runs in a thread.
    """

    def __init__(self, settings: BackendSettings, *, backend: str) -> None:
        self._client = _checked(settings.client, GenerativeServiceClient, "client", backend)
        self._async_client = _checked(
            settings.async_client, GenerativeServiceAsyncClient, "async_client", backend
        )
        self._timeout = settings.timeout or _TIMEOUT

    def prepare(self) -> None:
        """Do nothing: the clients are there."""

    async def aprepare(self) -> None:
        """Do nothing: the clients are there."""

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        with self._calling(request.model):
            message = BatchEmbedContentsRequest.wrap(embed_message(request))
            sending = self._client.batch_embed_contents(message, **self._options(timeout))
            return _read(sending, request.model)

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        if self._async_client is None:
            return await asyncio.to_thread(self.embed, request, timeout=timeout)
        grpc_forks.use_asyncio()
        with _translated_errors(request.model):
            message = BatchEmbedContentsRequest.wrap(embed_message(request))
            sending = self._async_client.batch_embed_contents(message, **self._options(timeout))
            return _read(await sending, request.model)

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        with self._calling(model):
            message = CountTokensRequest.wrap(count_message(model, text))
            return int(self._client.count_tokens(message, **self._options(timeout)).total_tokens)

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        if self._async_client is None:
            return await asyncio.to_thread(self.count_tokens, model, text, timeout=timeout)
        grpc_forks.use_asyncio()
        with _translated_errors(model):
            message = CountTokensRequest.wrap(count_message(model, text))
            sending = self._async_client.count_tokens(message, **self._options(timeout))
            return int((await sending).total_tokens)

    def close(self) -> None:
        """Do nothing: the clients are the user's."""

    async def aclose(self) -> None:
        """Do nothing: the clients are the user's."""

    def _options(self, timeout: float | None) -> dict[str, Any]:
        return {"retry": None, "timeout": shortest(timeout, self._timeout)}

    @contextmanager
    def _calling(self, model: str) -> Iterator[None]:
        if self._client is None:
            raise ConfigurationError(
                "a synchronous call needs client, got async_client alone: pass both clients, or "
                "call the async methods"
            )
        if self._client.transport.kind == "rest":
            with rest.translated_errors(model), _unauthenticated(model):
                yield
        else:
            with _translated_errors(model), grpc_forks.calling():
                yield


def _checked(client: Any, expected: type[Any], field: str, backend: str) -> Any:  # noqa: ANN401
    if client is None:
        return None
    if not isinstance(client, expected):
        raise ConfigurationError(
            f"{field} must be a google.ai.generativelanguage.{expected.__name__} for "
            f"backend={backend!r}, got {type(client).__module__}.{type(client).__qualname__}"
        )
    if backend == "grpc" and client.transport.kind == "rest":
        raise ConfigurationError(
            f"{field} must send over gRPC for backend='grpc', got a client whose transport is "
            "REST: pass backend='google-generativeai' with it"
        )
    return client


def _read(response: object, model: str) -> EmbedAnswer:
    is_known = isinstance(response, BatchEmbedContentsResponse)
    return read_answer(BatchEmbedContentsResponse.pb(response) if is_known else response, model)


@contextmanager
def _translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of those of a generated client over gRPC."""
    with translated_errors(model), _unauthenticated(model):
        try:
            yield
        except GoogleAPICallError as error:
            if isinstance(error.response, grpc.RpcError):
                raise error_of_rpc(error.response, model) from error
            raise
        except (DecodeError, *UNREADABLE) as error:
            # Details that cannot be read, for which the client lost the error itself
            if isinstance(error.__context__, grpc.RpcError):
                raise error_of_rpc(error.__context__, model) from error
            raise


@contextmanager
def _unauthenticated(model: str) -> Iterator[None]:
    """Raise our error for a 401, after which google-auth renews credentials: a key has none."""
    try:
        yield
    except GoogleAuthError as error:
        raise error_for_status(
            status_code=401, message="the key was not accepted", model=model, details=ErrorDetails()
        ) from error
