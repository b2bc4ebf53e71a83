"""google-genai 2.x and 3.x: the SDK that Google maintains."""

from __future__ import annotations

import asyncio
import re
import weakref
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple

from google import genai
from google.genai import types
from pydantic import BaseModel

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant._forks import MAKING
from langchain_gemini_qdrant.embeddings._backends.errors import unsendable
from langchain_gemini_qdrant.embeddings._backends.extraction import aextract, extract, extracting
from langchain_gemini_qdrant.embeddings._backends.google_genai_errors import (
    errors_of_making,
    translated_errors,
)
from langchain_gemini_qdrant.embeddings._backends.google_genai_parts import (
    by_modality,
    json_parts,
    sdk_part,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import (
    SHORTEST_DEADLINE,
    DeveloperApi,
    EmbedAnswer,
    shortest,
)
from langchain_gemini_qdrant.embeddings._backends.total_time import begin, limit
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest

# Always passed: without a key the SDK reads the environment whenever a client is made.
_ADDRESS = "https://generativelanguage.googleapis.com/"

# The SDK completes its models on first use, under a lock of pydantic's on which a forked child
# could wait for ever. Those that our requests use are completed here: a fork waits for an import.
_USED = re.compile(
    "EmbedContent|ContentEmbedding|CountTokens|UsageMetadata|ModalityTokenCount"
    "|Http(Retry)?Options|HttpResponse|^(User)?Content$|^Part$|^Blob$|^FileData$"
    "|^File(Status)?$|(Create|Delete|Get|Upload)File(Config|Parameters|Response)"
)
for _name, _model in vars(types).items():
    if _USED.search(_name) and isinstance(_model, type) and issubclass(_model, BaseModel):
        _model.model_rebuild()

# The SDK requires contents even if extra_body has the whole list of requests.
_PLACEHOLDER = "-"


class GenaiConnections:
    """The google-genai clients, the user's own or ours, and how each request is sent."""

    def __init__(
        self,
        settings: BackendSettings,
        own: genai.Client | None,
        new_client: Callable[[], genai.Client],
    ) -> None:
        self._settings = settings
        self._own = own
        theirs = _options_of(own)
        self.timeout = settings.timeout if settings.timeout is not None else theirs.timeout
        self.base_url = settings.base_url or theirs.base_url or _ADDRESS
        self._make = new_client
        # Clients made for event loops that have not used them yet.
        self._ahead: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, genai.Client] = (
            weakref.WeakKeyDictionary()
        )
        # Until 3.3, a client that is garbage-collected closes itself in the loop that is running.
        self._clients = Clients(self._new, self._new_async, _close_async, close_ended=_close_async)

    @property
    def client_of_process(self) -> genai.Client:
        """The client for sync use."""
        return self._own or self._clients.of_process()

    @property
    def client_of_loop(self) -> genai.Client:
        """The client for async use, of the running event loop."""
        return self._own or self._clients.of_loop()

    def prepare(self) -> None:
        """Create the client of this process, so that no request waits for it."""
        if self._own is None:
            self._clients.of_process()

    async def aprepare(self) -> None:
        """Create the event loop's client, in a thread because it takes a third of a second."""
        loop = asyncio.get_running_loop()
        if self._own is None and not self._clients.has_one_of(loop):
            await asyncio.to_thread(self._make_ahead, loop)
            self._clients.of_loop()

    def _make_ahead(self, loop: asyncio.AbstractEventLoop) -> None:
        """Create one client for all waiting requests of a loop; it is not bound to a loop yet."""
        with MAKING:
            if loop not in self._ahead and not self._clients.has_one_of(loop):
                self._ahead[loop] = self._new()

    def _new_async(self) -> genai.Client:
        return self._ahead.pop(asyncio.get_running_loop(), None) or self._new()

    def _new(self) -> genai.Client:
        try:
            return self._make()
        except GeminiQdrantError:
            raise
        except errors_of_making() as error:
            raise unsendable(error) from None

    def close(self) -> None:
        """Close the connections of synchronous use."""
        if client := self._clients.take_of_process():
            client.close()

    async def aclose(self) -> None:
        """Close the connections that the running event loop has used."""
        await self._clients.close_of_loop()

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        with self._translated(request.model):
            embed_content = self.client_of_process.models.embed_content
            is_watched = _is_watched(embed_content)
            timeout = shortest(timeout, self.timeout)
            arguments = self._arguments(request, timeout, is_watched=is_watched)
            with extracting(enabled=not is_watched) as extracted:
                response = embed_content(**arguments)
            return extracted.complete(self._read(response))

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        timeout = shortest(timeout, self.timeout)
        with self._translated(request.model):
            embed_content = self.client_of_loop.aio.models.embed_content
            is_watched = _is_watched(embed_content)
            build = partial(self._arguments, request, timeout, is_watched=is_watched)
            arguments = await asyncio.to_thread(build) if request.parts else build()
            with extracting(enabled=not is_watched) as extracted:
                response = await asyncio.wait_for(embed_content(**arguments), timeout)
            return extracted.complete(self._read(response))

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        with self._translated(model):
            arguments = self._counting(model, text, shortest(timeout, self.timeout))
            return self.client_of_process.models.count_tokens(**arguments).total_tokens or 0

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        timeout = shortest(timeout, self.timeout)
        with self._translated(model):
            arguments = self._counting(model, text, timeout)
            sending = self.client_of_loop.aio.models.count_tokens(**arguments)
            return (await asyncio.wait_for(sending, timeout)).total_tokens or 0

    def _arguments(
        self, request: EmbedRequest, timeout: float | None, *, is_watched: bool
    ) -> dict[str, Any]:
        """Return the arguments of `embed_content`; the files of media are read."""
        return {
            "model": self._name(request.model),
            "contents": self._contents(request, is_watched=is_watched),
            "config": self._config(request, timeout),
        }

    def _config(self, request: EmbedRequest, timeout: float | None) -> types.EmbedContentConfig:
        """Return the request's parameters, except the model."""
        raise NotImplementedError

    def _contents(self, request: EmbedRequest, *, is_watched: bool) -> types.ContentListUnion:
        """Return the contents for tracers that watch the call; `extra_body` is what is sent."""
        if not is_watched:
            return _PLACEHOLDER
        return [types.Content(parts=[*map(sdk_part, parts)]) for parts in request.contents]

    def _counting(self, model: str, text: str, timeout: float | None) -> dict[str, Any]:
        """Return the arguments of `count_tokens`."""
        config = types.CountTokensConfig(http_options=http_options(timeout))
        return {"model": self._name(model), "contents": text, "config": config}

    def _name(self, model: str) -> str:
        return model

    def _translated(self, model: str) -> AbstractContextManager[None]:
        return translated_errors(model)

    def _read(self, response: types.EmbedContentResponse) -> EmbedAnswer:
        usage = getattr(response, "usage_metadata", None)  # since 3.1
        return EmbedAnswer(
            vectors=[embedding.values or [] for embedding in response.embeddings or []],
            tokens=usage.prompt_token_count if usage else None,
            tokens_by_modality=by_modality(usage.prompt_tokens_details or ()) if usage else {},
        )


class GoogleGenaiBackend(DeveloperApi, GenaiConnections):
    """Sends with `models.embed_content`, with one client for each process and event loop."""

    def __init__(self, settings: BackendSettings) -> None:
        own = None if settings.client is None else _checked_client(settings.client)
        super().__init__(settings, own, self._new_client)

    def _new_client(self) -> genai.Client:
        return genai.Client(
            api_key=self._settings.api_key,
            vertexai=False,
            http_options=client_options(self._settings.base_url or _ADDRESS),
        )

    def _config(self, request: EmbedRequest, timeout: float | None) -> types.EmbedContentConfig:
        """Return the request's parameters with the texts in `extra_body`.

        With some models and versions, `contents` would merge texts into one vector; it has no
        titles for single texts, and builds four pydantic objects per text. The list is sent
        unchanged.
        """
        common: dict[str, object] = {"model": request.model}
        if request.task_type is not None:
            common["taskType"] = request.task_type
        if request.output_dimensionality is not None:
            common["outputDimensionality"] = request.output_dimensionality
        requests = [
            {"content": {"parts": json_parts(parts)}} | ({"title": title} if title else {}) | common
            for parts, title in zip(request.contents, request.titles, strict=True)
        ]
        return types.EmbedContentConfig(http_options=http_options(timeout, {"requests": requests}))


create = GoogleGenaiBackend


async def _close_async(client: genai.Client) -> None:
    await client.aio.aclose()


def _checked_client(client: object) -> genai.Client:
    if not isinstance(client, genai.Client):
        raise ConfigurationError(
            "client must be a google.genai.Client for backend='google-genai', got "
            f"{type(client).__name__}"
        )
    return client


def _is_watched(method: object) -> bool:
    """Return whether a method of the SDK is wrapped, overridden or replaced, as tracers do."""
    function = getattr(method, "__func__", None)
    return (
        type(method) is not MethodType
        or getattr(function, "__module__", None) != "google.genai.models"
        or hasattr(function, "__wrapped__")
    )


class _Options(NamedTuple):
    """Options of a user's own client; None for those that cannot be read.

    Attributes:
        timeout: In seconds; a timeout of the request would replace it.
        base_url: The address.
    """

    timeout: float | None
    base_url: str | None


def _options_of(own: genai.Client | None) -> _Options:
    options = getattr(getattr(own, "_api_client", None), "_http_options", None)
    milliseconds: int | None = getattr(options, "timeout", None)
    seconds = milliseconds / 1000 if milliseconds else None
    return _Options(seconds, getattr(options, "base_url", None))


def client_options(base_url: str | None) -> types.HttpOptions:
    """Return how our own client sends: within the timeout, and without the SDK's retries.

    Over aiohttp, the SDK retries by default after a random wait of up to 10 s.
    """
    return types.HttpOptions(
        base_url=base_url,
        client_args={"event_hooks": {"request": [begin], "response": [limit, extract]}},
        async_client_args={"event_hooks": {"response": [aextract]}},  # not over aiohttp
        retry_options=types.HttpRetryOptions(attempts=1),
    )


def http_options(
    timeout: float | None, extra_body: dict[str, Any] | None = None
) -> types.HttpOptions:
    """Return how a request is sent.

    The SDK sends the timeout to the server, rounded up to seconds, and the Developer API refuses
    less than `SHORTEST_DEADLINE`, however long the client waits.
    """
    options = types.HttpOptions(extra_body=extra_body)
    if timeout is not None:
        options.timeout = max(1, round(timeout * 1000))
        if timeout < SHORTEST_DEADLINE:
            options.headers = {"X-Server-Timeout": str(SHORTEST_DEADLINE)}
    return options
