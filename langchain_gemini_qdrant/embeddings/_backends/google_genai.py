"""google-genai 2.x and 3.x: the SDK that Google maintains."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from google import genai
from google.auth.exceptions import GoogleAuthError
from google.genai import errors, types
from pydantic import BaseModel

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant._retry_policy import read_retry_after
from langchain_gemini_qdrant.embeddings._backends.errors import (
    UNREADABLE,
    error_for_status,
    read_error_body,
    says_closed,
    unreachable,
    unreadable,
    unusable_client,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, shortest
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
    from langchain_gemini_qdrant.errors import EmbeddingError

# Given in any case: without one the SDK looks into the environment whenever a client is made.
_ADDRESS = "https://generativelanguage.googleapis.com/"

# The SDK completes its models on first use, under a lock of pydantic's for which a forked child
# would wait forever. Those that our requests use are completed here: a fork waits for an import.
_USED = re.compile(
    "EmbedContent|ContentEmbedding|CountTokens|UsageMetadata|ModalityTokenCount|Http(Options|Response)"
)
for _name, _model in vars(types).items():
    if _USED.search(_name) and isinstance(_model, type) and issubclass(_model, BaseModel):
        _model.model_rebuild()

_SHORTEST_DEADLINE = 10  # seconds that the API can be told; see `http_options`

# The SDK asks for contents even where extra_body brings the whole list of requests.
_PLACEHOLDER = types.Content(parts=[types.Part(text="-")])


class GenaiConnections:
    """The clients of google-genai: the user's own, or ours, and how each request is sent."""

    def __init__(
        self,
        settings: BackendSettings,
        own: genai.Client | None,
        new_client: Callable[[], genai.Client],
    ) -> None:
        self._settings = settings
        self._own = own
        self._timeout = settings.timeout if settings.timeout is not None else _timeout_of(own)
        # Until 3.3, a client that is collected closes itself in whichever loop is running.
        self._clients = Clients(new_client, new_client, _close_async, close_ended=_close_async)

    def prepare(self) -> None:
        """Make the client of this process, so that no request waits for it."""
        if self._own is None:
            self._clients.of_process()

    async def aprepare(self) -> None:
        """Make the client of the running event loop."""
        if self._own is None:
            self._clients.of_loop()

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
            client = self._own or self._clients.of_process()
            arguments = self._embedding(request, shortest(timeout, self._timeout))
            return self._read(client.models.embed_content(**arguments))

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        timeout = shortest(timeout, self._timeout)
        with self._translated(request.model):
            client = self._own or self._clients.of_loop()
            sending = client.aio.models.embed_content(**self._embedding(request, timeout))
            return self._read(await asyncio.wait_for(sending, timeout))

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        with self._translated(model):
            client = self._own or self._clients.of_process()
            arguments = self._counting(model, text, shortest(timeout, self._timeout))
            return client.models.count_tokens(**arguments).total_tokens or 0

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        timeout = shortest(timeout, self._timeout)
        with self._translated(model):
            client = self._own or self._clients.of_loop()
            sending = client.aio.models.count_tokens(**self._counting(model, text, timeout))
            return (await asyncio.wait_for(sending, timeout)).total_tokens or 0

    def _embedding(self, request: EmbedRequest, timeout: float | None) -> dict[str, Any]:
        """Return the arguments of `embed_content`."""
        raise NotImplementedError

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
        )


class GoogleGenaiBackend(GenaiConnections):
    """Sends through `models.embed_content`, one client for each process and event loop."""

    def __init__(self, settings: BackendSettings) -> None:
        own = None if settings.client is None else _checked_client(settings.client)
        super().__init__(settings, own, self._new_client)

    def max_batch_size(self, model: str) -> int:  # noqa: ARG002 - the same for all
        """Return how many texts one request may carry."""
        return MAX_BATCH_SIZE

    def max_batch_tokens(self, model: str) -> int | None:
        """Return None: no bound is documented."""

    def _new_client(self) -> genai.Client:
        return genai.Client(
            api_key=self._settings.api_key,
            vertexai=False,
            http_options=types.HttpOptions(base_url=self._settings.base_url or _ADDRESS),
        )

    def _embedding(self, request: EmbedRequest, timeout: float | None) -> dict[str, Any]:
        """Carry the texts in `extra_body`.

        `contents` merges texts into one vector with some models and versions, has no title for
        each text, and builds four pydantic objects a text; the list goes out as it stands.
        """
        common: dict[str, object] = {"model": request.model}
        if request.task_type is not None:
            common["taskType"] = request.task_type
        if request.output_dimensionality is not None:
            common["outputDimensionality"] = request.output_dimensionality
        requests = [
            {"content": {"parts": [{"text": text}]}} | ({"title": title} if title else {}) | common
            for text, title in zip(request.texts, request.titles, strict=True)
        ]
        options = http_options(timeout, {"requests": requests})
        config = types.EmbedContentConfig(http_options=options)
        return {"model": request.model, "contents": _PLACEHOLDER, "config": config}


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


def _timeout_of(own: genai.Client | None) -> float | None:
    """Return the seconds that a client of the user's own gives a request, where they can be seen.

    A request that says how long it may take has no other timeout.
    """
    options = getattr(getattr(own, "_api_client", None), "_http_options", None)
    milliseconds: int | None = getattr(options, "timeout", None)
    return milliseconds / 1000 if milliseconds else None


def http_options(
    timeout: float | None, extra_body: dict[str, Any] | None = None
) -> types.HttpOptions:
    """Return how a request is sent.

    The SDK tells the server the timeout, rounded up to seconds. The Developer API refuses less than
    10 s with "Manually set deadline 5s is too short", whatever the client waits.
    """
    options = types.HttpOptions(extra_body=extra_body)
    if timeout is not None:
        options.timeout = max(1, round(timeout * 1000))
        if timeout < _SHORTEST_DEADLINE:
            options.headers = {"X-Server-Timeout": str(_SHORTEST_DEADLINE)}
    return options


@contextmanager
def translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of the SDK's and its HTTP library's."""
    try:
        yield
    except errors.APIError as error:
        raise _error_of_answer(error, model) from error
    except (GeminiQdrantError, GoogleAuthError):
        raise
    except _transport_errors() as error:
        raise unreachable(error, model=model) from error
    except UnicodeEncodeError:  # of a text that is sent
        raise
    except UNREADABLE as error:
        raise unreadable(error, model=model) from error
    except RuntimeError as error:
        if says_closed(error):
            raise unusable_client() from error
        raise


def _error_of_answer(error: errors.APIError, model: str) -> EmbeddingError:
    message, details = read_error_body(error.details)
    if details.retry_after is None:
        details.retry_after = read_retry_after(getattr(error.response, "headers", None) or {})
    return error_for_status(status_code=error.code, message=message, model=model, details=details)


def _transport_errors() -> tuple[type[BaseException], ...]:
    """Return the connection errors of whichever HTTP library the SDK chose to load."""
    names = {"httpx": "RequestError", "httpx2": "RequestError", "aiohttp": "ClientError"}
    loaded = [
        getattr(sys.modules[module], name)
        for module, name in names.items()
        if module in sys.modules
    ]
    return (*loaded, asyncio.TimeoutError, TimeoutError, ConnectionError)
