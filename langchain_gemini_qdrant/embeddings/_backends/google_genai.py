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
from langchain_gemini_qdrant.embeddings._backends.errors import (
    UNREADABLE,
    error_for_status,
    read_error_body,
    read_seconds,
    says_closed,
    unreachable,
    unreadable,
    unusable_client,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

    def _http_options(self, extra_body: dict[str, Any] | None = None) -> types.HttpOptions:
        timeout = self._settings.timeout
        return types.HttpOptions(
            extra_body=extra_body,
            timeout=None if timeout is None else max(1, round(timeout * 1000)),
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

    def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        with translated_errors(request.model):
            client = self._own or self._clients.of_process()
            response = client.models.embed_content(
                model=request.model, contents=_PLACEHOLDER, config=self._config(request)
            )
            return _read(response)

    async def aembed(self, request: EmbedRequest) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        with translated_errors(request.model):
            client = self._own or self._clients.of_loop()
            response = await client.aio.models.embed_content(
                model=request.model, contents=_PLACEHOLDER, config=self._config(request)
            )
            return _read(response)

    def count_tokens(self, model: str, text: str) -> int:
        """Ask the API how many tokens a text has."""
        with translated_errors(model):
            client = self._own or self._clients.of_process()
            counted = client.models.count_tokens(
                model=model, contents=text, config=self._count_config()
            )
        return counted.total_tokens or 0

    async def acount_tokens(self, model: str, text: str) -> int:
        """Ask without blocking the event loop."""
        with translated_errors(model):
            client = self._own or self._clients.of_loop()
            counted = await client.aio.models.count_tokens(
                model=model, contents=text, config=self._count_config()
            )
        return counted.total_tokens or 0

    def _new_client(self) -> genai.Client:
        return genai.Client(
            api_key=self._settings.api_key,
            vertexai=False,
            http_options=types.HttpOptions(base_url=self._settings.base_url or _ADDRESS),
        )

    def _config(self, request: EmbedRequest) -> types.EmbedContentConfig:
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
        return types.EmbedContentConfig(http_options=self._http_options({"requests": requests}))

    def _count_config(self) -> types.CountTokensConfig:
        return types.CountTokensConfig(http_options=self._http_options())


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


def _read(response: types.EmbedContentResponse) -> EmbedAnswer:
    usage = getattr(response, "usage_metadata", None)  # since 3.1
    return EmbedAnswer(
        vectors=[embedding.values or [] for embedding in response.embeddings or []],
        tokens=usage.prompt_token_count if usage else None,
    )


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
        headers = getattr(error.response, "headers", None) or {}
        details.retry_after = read_seconds(headers.get("retry-after"))
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
