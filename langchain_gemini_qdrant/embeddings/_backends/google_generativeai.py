"""google-generativeai: the SDK that Google ended in 2025, for applications that still depend on it.

Requests over gRPC use the API client on which the SDK is built (`google.ai.generativelanguage`):
the SDK's own `embed_content` has one title for the whole list and spends 9 to 15 ms of CPU time on
converting each vector's protobuf to a dict. Requests over REST do not use that client either,
unless it is the user's own: see `google_generativeai_rest`. This module does not call the SDK's
process-wide `configure()`.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import grpc
import numpy as np
import requests
from google.ai.generativelanguage_v1beta import (
    GenerativeServiceAsyncClient,
    GenerativeServiceClient,
)
from google.ai.generativelanguage_v1beta.services.generative_service import transports
from google.ai.generativelanguage_v1beta.types import (
    BatchEmbedContentsRequest,
    BatchEmbedContentsResponse,
    Content,
    CountTokensRequest,
    Part,
)
from google.api_core import exceptions
from google.api_core.gapic_v1.client_info import ClientInfo
from google.auth.exceptions import GoogleAuthError
from google.protobuf.json_format import ParseError
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant._retry_policy import read_retry_after
from langchain_gemini_qdrant.embeddings._backends.error_details import (
    ErrorDetails,
    read_error_body,
    used_up,
)
from langchain_gemini_qdrant.embeddings._backends.errors import (
    UNREADABLE,
    error_for_status,
    says_closed,
    unreachable,
    unreadable,
    unsendable,
    untrusted,
    unusable_client,
)
from langchain_gemini_qdrant.embeddings._backends.google_generativeai_rest import (
    RestClient,
    body_of,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, shortest
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.embeddings.tasks import TASK_TYPES
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
    from langchain_gemini_qdrant.errors import EmbeddingError

C = TypeVar("C")

_HOST = "generativelanguage.googleapis.com"
_CLIENT_INFO = ClientInfo(user_agent="langchain-gemini-qdrant")
_MAX_MESSAGE_BYTES = 64 * 2**20  # 100 vectors of 3,072 floats are 1.2 MB; gRPC's default is 4 MB


class GoogleGenerativeaiBackend:
    """Sends BatchEmbedContents over gRPC or REST, with a client for each process and event loop.

    The SDK has no asynchronous REST: with `transport="rest"` an asynchronous call runs the
    synchronous one in a thread.
    """

    def __init__(self, settings: BackendSettings) -> None:
        _check_client(settings.client, GenerativeServiceClient, "client")
        _check_client(settings.async_client, GenerativeServiceAsyncClient, "async_client")
        self._settings = settings
        self._clients = Clients(self._new_client, self._new_async_client, _close_async)

    def max_batch_size(self, model: str) -> int:  # noqa: ARG002 - the same for all models
        """Return how many texts one request may have."""
        return MAX_BATCH_SIZE

    def max_batch_tokens(self, model: str) -> int | None:
        """Return None: no bound is documented."""

    def prepare(self) -> None:
        """Create the client of this process, so that no request waits for it."""
        if self._settings.client is None:
            self._clients.of_process()

    async def aprepare(self) -> None:
        """Create the client of the running event loop, or of the process if that one is used."""
        if self._is_sync_only:
            self.prepare()
        elif self._settings.async_client is None:
            self._clients.of_loop()

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        timeout = shortest(timeout, self._settings.timeout)
        with _translated_errors(request.model):
            client: Any = self._settings.client or self._clients.of_process()
            if isinstance(client, RestClient):
                return client.embed(request, timeout=timeout)
            response = client.batch_embed_contents(_message(request), **self._options(timeout))
            return _read(response, request.model)

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        if self._is_sync_only:
            return await asyncio.to_thread(self.embed, request, timeout=timeout)
        options = self._options(shortest(timeout, self._settings.timeout))
        with _translated_errors(request.model):
            client: Any = self._settings.async_client or self._clients.of_loop()
            response = await client.batch_embed_contents(_message(request), **options)
            return _read(response, request.model)

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        timeout = shortest(timeout, self._settings.timeout)
        with _translated_errors(model):
            client: Any = self._settings.client or self._clients.of_process()
            if isinstance(client, RestClient):
                return client.count_tokens(model, text, timeout=timeout)
            counted = client.count_tokens(_count_message(model, text), **self._options(timeout))
        return int(counted.total_tokens)

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        if self._is_sync_only:
            return await asyncio.to_thread(self.count_tokens, model, text, timeout=timeout)
        options = self._options(shortest(timeout, self._settings.timeout))
        with _translated_errors(model):
            client: Any = self._settings.async_client or self._clients.of_loop()
            counted = await client.count_tokens(_count_message(model, text), **options)
        return int(counted.total_tokens)

    def close(self) -> None:
        """Close the connections of synchronous use."""
        client = self._clients.take_of_process()
        if isinstance(client, RestClient):
            client.close()
        elif client is not None:
            client.transport.close()

    async def aclose(self) -> None:
        """Close the connections that the running event loop has used."""
        await self._clients.close_of_loop()

    @property
    def _is_sync_only(self) -> bool:
        settings = self._settings
        return settings.async_client is None and (
            settings.client is not None or settings.transport == "rest"
        )

    def _options(self, timeout: float | None) -> dict[str, Any]:
        # retry=None: only our own layer retries. The key is sent in the metadata, which works on a
        # plaintext channel, too.
        options: dict[str, Any] = {"retry": None}
        if timeout is not None:
            options["timeout"] = timeout
        if self._settings.api_key is not None:
            options["metadata"] = [("x-goog-api-key", self._settings.api_key)]
        return options

    def _new_client(self) -> GenerativeServiceClient | RestClient:
        if self._settings.transport == "rest":
            return self._new_rest_client()
        transport = transports.GenerativeServiceGrpcTransport(
            channel=self._channel(grpc.secure_channel, grpc.insecure_channel)
        )
        return GenerativeServiceClient(transport=transport, client_info=_CLIENT_INFO)

    def _new_rest_client(self) -> RestClient:
        metadata, value = _CLIENT_INFO.to_grpc_metadata()
        headers = {"content-type": "application/json", metadata: value}
        if self._settings.api_key is not None:
            headers["x-goog-api-key"] = self._settings.api_key
        return RestClient(
            base_url=self._settings.base_url or _HOST,
            headers=headers,
        )

    def _new_async_client(self) -> GenerativeServiceAsyncClient:
        transport = transports.GenerativeServiceGrpcAsyncIOTransport(
            channel=self._channel(grpc.aio.secure_channel, grpc.aio.insecure_channel)
        )
        return GenerativeServiceAsyncClient(transport=transport, client_info=_CLIENT_INFO)

    def _channel(self, secure: Callable[..., C], insecure: Callable[..., C]) -> C:
        """Return a channel with TLS, or in plaintext for `http://`."""
        address = self._settings.base_url or _HOST
        url = urlsplit(address if "://" in address else f"https://{address}")
        if url.path.strip("/"):
            raise ConfigurationError(
                f"base_url must be a host and port for gRPC, got the path {url.path!r}: use "
                "transport='rest' for an address with a path"
            )
        options = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
        host = url.netloc.rpartition("@")[2]  # gRPC's messages would show a password
        if url.scheme == "http":
            return insecure(host, options=options)
        target = host if url.port else f"{host}:443"
        return secure(target, grpc.ssl_channel_credentials(), options=options)


create = GoogleGenerativeaiBackend


async def _close_async(client: GenerativeServiceAsyncClient) -> None:
    await client.transport.close()


def _check_client(client: object, expected: type, field: str) -> None:
    if client is not None and not isinstance(client, expected):
        raise ConfigurationError(
            f"{field} must be a google.ai.generativelanguage.{expected.__name__} for "
            f"backend='google-generativeai', got {type(client).__name__}"
        )


def _message(request: EmbedRequest) -> BatchEmbedContentsRequest:
    """Build the plain protobuf: the wrapper around it costs more time than sending."""
    wrapper = BatchEmbedContentsRequest(model=request.model)
    message = BatchEmbedContentsRequest.pb(wrapper)
    for text, title in zip(request.texts, request.titles, strict=True):
        embed = message.requests.add(model=request.model)
        embed.content.parts.add(text=text)
        if title:
            embed.title = title
        if request.task_type is not None:
            # By number: the SDK's enum ends before CODE_RETRIEVAL_QUERY, the API's does not.
            embed.task_type = TASK_TYPES.index(request.task_type)
        if request.output_dimensionality is not None:
            embed.output_dimensionality = request.output_dimensionality
    return wrapper


def _count_message(model: str, text: str) -> CountTokensRequest:
    content = Content(parts=[Part(text=text)])
    return CountTokensRequest(model=model, contents=[content])


def _read(response: object, model: str) -> EmbedAnswer:
    # For bytes that are not protobuf, grpc.aio returns its end-of-stream mark and no error.
    if not isinstance(response, BatchEmbedContentsResponse):
        raise unreadable(TypeError(f"got {response!r}"), model=model)
    message = BatchEmbedContentsResponse.pb(response)
    vectors = [np.array(embedding.values, dtype=np.float32) for embedding in message.embeddings]
    return EmbedAnswer(vectors=vectors, tokens=None)


@contextmanager
def _translated_errors(model: str) -> Iterator[None]:
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise _error_of_answer(error, model) from error
    except GoogleAuthError as error:
        # A 401 makes google-auth renew credentials, which an API key does not have.
        raise error_for_status(
            status_code=401, message="the key was not accepted", model=model, details=ErrorDetails()
        ) from error
    except GeminiQdrantError:
        raise
    except (requests.exceptions.RequestException, exceptions.RetryError, TimeoutError) as error:
        if _is_of_settings(error):
            raise unsendable(error) from None
        raise unreachable(error, model=model) from error
    except (ParseError, *UNREADABLE, RuntimeError, grpc.aio.UsageError) as error:
        raise _error_of_use(error, model) from error


def _error_of_use(error: Exception, model: str) -> GeminiQdrantError:
    """Return the error for a failure of the SDK with a request or with its answer."""
    if isinstance(error, UnicodeEncodeError):
        if error.encoding == "utf-8":  # about a text that is sent
            raise error
        raise unsendable(error) from None
    if isinstance(error, ValueError) and "closed channel" in str(error):
        return unusable_client()
    if isinstance(error, (ParseError, *UNREADABLE)):
        return unreadable(error, model=model)
    if says_closed(error):
        return unusable_client()
    raise error


def _is_of_settings(error: BaseException) -> bool:
    """Return whether an address, a proxy or a header is wrong; requests quotes them."""
    if isinstance(error, requests.exceptions.InvalidHeader):
        return error.request is None  # otherwise it is in the answer
    return isinstance(error, ValueError)


def _error_of_answer(
    error: exceptions.GoogleAPICallError, model: str
) -> EmbeddingError | ConfigurationError:
    message, details = error.message or "", ErrorDetails()
    if "CERTIFICATE_VERIFY_FAILED" in message:  # gRPC has no other sign of it
        return untrusted("CERTIFICATE_VERIFY_FAILED")
    if isinstance(error.response, requests.Response):
        message, details = read_error_body(body_of(error.response))
        if details.retry_after is None:
            details.retry_after = read_retry_after(error.response.headers)
    elif error.grpc_status_code is not None:
        details.status = error.grpc_status_code.name
    _add_grpc_details(details, error.details or ())
    return error_for_status(
        status_code=int(error.code or 500),
        message=message,
        model=model,
        details=details,
    )


def _add_grpc_details(details: ErrorDetails, messages: Iterable[object]) -> None:
    """Add the protobuf messages of an error; over REST there are none."""
    for detail in messages:
        if isinstance(detail, ErrorInfo):
            details.reasons.add(detail.reason)
            if limit := detail.metadata.get("quota_limit"):
                quota = used_up(limit, detail.metadata.get("quota_limit_value"))
                details.violations.append((detail.metadata.get("quota_metric", ""), quota))
        elif isinstance(detail, RetryInfo):
            details.retry_after = detail.retry_delay.ToTimedelta().total_seconds()
        elif isinstance(detail, QuotaFailure):
            for violation in detail.violations:
                metric, quota_id = violation.quota_metric, violation.quota_id
                # In protobuf, 0 means that there is no value.
                quota = used_up(quota_id or metric, violation.quota_value or None)
                details.violations.append((metric, quota))
