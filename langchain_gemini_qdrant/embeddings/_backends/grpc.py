"""gRPC: vectors as binary numbers, with the messages of Google's own client.

Requests use the messages of `google.ai.generativelanguage` on a channel of their own: the methods
of its generated client take a third of the CPU time of a query, and would retry.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
from google.ai.generativelanguage_v1beta import gapic_version
from google.ai.generativelanguage_v1beta.types import (
    BatchEmbedContentsRequest,
    BatchEmbedContentsResponse,
    CountTokensRequest,
    CountTokensResponse,
)
from google.api_core.gapic_v1.client_info import ClientInfo
from google.api_core.gapic_v1.routing_header import to_grpc_metadata

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant.embeddings._backends import grpc_forks
from langchain_gemini_qdrant.embeddings._backends.errors import (
    no_answer,
    says_closed,
    unreadable,
    unsendable,
)
from langchain_gemini_qdrant.embeddings._backends.grpc_channels import open_channel
from langchain_gemini_qdrant.embeddings._backends.grpc_errors import translated_errors
from langchain_gemini_qdrant.embeddings._backends.protocol import (
    DeveloperApi,
    EmbedAnswer,
    shortest,
)
from langchain_gemini_qdrant.embeddings.tasks import TASK_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        Backend,
        BackendSettings,
        EmbedRequest,
    )

CLIENT_INFO = ClientInfo(
    user_agent="langchain-gemini-qdrant", gapic_version=gapic_version.__version__
)
_SERVICE = "/google.ai.generativelanguage.v1beta.GenerativeService"

# The plain protobuf classes: the wrappers around them cost more time than sending.
_EmbedMessage: Any = BatchEmbedContentsRequest.pb()
_EmbedResponse: Any = BatchEmbedContentsResponse.pb()
_CountMessage: Any = CountTokensRequest.pb()
_CountResponse: Any = CountTokensResponse.pb()


def create(settings: BackendSettings) -> Backend:
    """Return the back end for our own channels, or for the user's own client."""
    if settings.client is None and settings.async_client is None:
        return GrpcBackend(settings)
    from langchain_gemini_qdrant.embeddings._backends.own_clients import (  # noqa: PLC0415
        OwnClientBackend,
    )

    return OwnClientBackend(settings, backend="grpc")


class Connection:
    """A channel with its two methods, of grpc or of grpc.aio."""

    def __init__(self, channel: Any, api_key: str | None) -> None:  # noqa: ANN401 - of two kinds
        self.channel = channel
        self.embed = channel.unary_unary(
            f"{_SERVICE}/BatchEmbedContents",
            request_serializer=_EmbedMessage.SerializeToString,
            response_deserializer=_EmbedResponse.FromString,
        )
        self.count_tokens = channel.unary_unary(
            f"{_SERVICE}/CountTokens",
            request_serializer=_CountMessage.SerializeToString,
            response_deserializer=_CountResponse.FromString,
        )
        # In the metadata, the key is also sent on a plaintext channel.
        key = () if api_key is None else (("x-goog-api-key", api_key),)
        self._metadata = (CLIENT_INFO.to_grpc_metadata(), *key)

    def metadata(self, model: str) -> tuple[tuple[str, str], ...]:
        """Return what is sent beside a message, as Google's client sends it."""
        return (*self._metadata, to_grpc_metadata({"model": model}))


class GrpcBackend(DeveloperApi):
    """Sends BatchEmbedContents, with a channel for each process and event loop."""

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings
        self._clients = Clients(self._open, self._open_async, _close_async)

    def prepare(self) -> None:
        """Create the channel of this process."""
        self._clients.of_process()

    async def aprepare(self) -> None:
        """Create the channel of the running event loop."""
        self._clients.of_loop()

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        model, timeout = request.model, shortest(timeout, self._settings.timeout)
        with _translated_errors(model), grpc_forks.calling():
            api = self._clients.of_process()
            answer = api.embed(embed_message(request), timeout, api.metadata(model))
            return read_answer(answer, model)

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        model, timeout = request.model, shortest(timeout, self._settings.timeout)
        with translated_errors(model):
            api = self._clients.of_loop()
            message = embed_message(request)
            answer = await api.embed(message, timeout=timeout, metadata=api.metadata(model))
            return read_answer(answer, model)

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        timeout = shortest(timeout, self._settings.timeout)
        with _translated_errors(model), grpc_forks.calling():
            api = self._clients.of_process()
            answer = api.count_tokens(count_message(model, text), timeout, api.metadata(model))
            return int(answer.total_tokens)

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        timeout = shortest(timeout, self._settings.timeout)
        with translated_errors(model):
            api = self._clients.of_loop()
            message = count_message(model, text)
            answer = await api.count_tokens(message, timeout=timeout, metadata=api.metadata(model))
            return int(answer.total_tokens)

    def close(self) -> None:
        """Close the connections of synchronous use."""
        api = self._clients.take_of_process()
        if api is not None:
            api.channel.close()
            grpc_forks.note_closing()

    async def aclose(self) -> None:
        """Close the connections that the running event loop has used."""
        await self._clients.close_of_loop()

    def _open(self) -> Connection:
        return self._connection(grpc)

    def _open_async(self) -> Connection:
        grpc_forks.use_asyncio()
        return self._connection(grpc.aio)

    def _connection(self, library: Any) -> Connection:  # noqa: ANN401 - a module
        key = self._settings.api_key
        if key is not None and not (key.isascii() and key.isprintable()):
            raise unsendable(ValueError())
        channel = open_channel(
            self._settings.base_url,
            secure=library.secure_channel,
            insecure=library.insecure_channel,
        )
        return Connection(channel, key)


@contextmanager
def _translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of gRPC's, also if another thread closes the channel."""
    with translated_errors(model):
        try:
            yield
        except ValueError as error:
            if not says_closed(error):
                raise
            raise no_answer("the connections were closed", model=model) from error


async def _close_async(api: Connection) -> None:
    await api.channel.close()


def embed_message(request: EmbedRequest) -> Any:  # noqa: ANN401 - generated at run time
    """Return the protobuf message of a request."""
    message = _EmbedMessage(model=request.model)
    for text, title in zip(request.texts, request.titles, strict=True):
        embed = message.requests.add(model=request.model)
        embed.content.parts.add(text=text)
        if title:
            embed.title = title
        if request.task_type is not None:
            # By number: the oldest enum ends before CODE_RETRIEVAL_QUERY, the API's does not.
            embed.task_type = TASK_TYPES.index(request.task_type)
        if request.output_dimensionality is not None:
            embed.output_dimensionality = request.output_dimensionality
    return message


def count_message(model: str, text: str) -> Any:  # noqa: ANN401 - generated at run time
    """Return the protobuf message that asks for the tokens of a text."""
    message = _CountMessage(model=model)
    message.contents.add().parts.add(text=text)
    return message


def read_answer(message: Any, model: str) -> EmbedAnswer:  # noqa: ANN401 - generated at run time
    """Return the vectors of an answer, and its tokens if the message has a field for them.

    Google's messages have none yet. What a server sends in a field that they do not know is not
    read: its number is not published, and another field could be mistaken for it.
    """
    # For bytes that are not protobuf, grpc.aio returns its end-of-stream mark and no error.
    if not isinstance(message, _EmbedResponse):
        raise unreadable(TypeError(f"got {message!r}"), model=model)
    usage = getattr(message, "usage_metadata", None)
    return EmbedAnswer(
        vectors=[np.array(embedding.values, dtype=np.float32) for embedding in message.embeddings],
        tokens=(usage.prompt_token_count or None) if usage else None,
    )
