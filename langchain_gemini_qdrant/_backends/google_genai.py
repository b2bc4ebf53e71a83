"""google-genai 2.x and 3.x: the SDK that Google maintains."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from google import genai
from google.genai import errors, types
from pydantic import ValidationError

from langchain_gemini_qdrant._backends.clients import Clients
from langchain_gemini_qdrant._backends.errors import (
    error_for_status,
    read_error_details,
    unreachable,
    unreadable,
)
from langchain_gemini_qdrant._backends.protocol import EmbedAnswer
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant._backends.protocol import BackendSettings, EmbedRequest
    from langchain_gemini_qdrant.errors import EmbeddingError

# The SDK asks for contents even where extra_body brings the whole list of requests.
_PLACEHOLDER = types.Content(parts=[types.Part(text="-")])


class GoogleGenaiBackend:
    """Sends through `models.embed_content`, one client for each process and event loop."""

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings
        self._own = None if settings.client is None else _checked_client(settings.client)
        self._clients = Clients(self._new_client, self._new_client)

    def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        with _translated_errors(request.model):
            client = self._own or self._clients.of_process()
            response = client.models.embed_content(
                model=request.model, contents=_PLACEHOLDER, config=self._config(request)
            )
        return _read(response)

    async def aembed(self, request: EmbedRequest) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        with _translated_errors(request.model):
            client = self._own or self._clients.of_loop()
            response = await client.aio.models.embed_content(
                model=request.model, contents=_PLACEHOLDER, config=self._config(request)
            )
        return _read(response)

    def close(self) -> None:
        """Close the connections of synchronous use."""
        if client := self._clients.take_of_process():
            client.close()

    async def aclose(self) -> None:
        """Close the connections that the running event loop has used."""
        if client := self._clients.take_of_loop():
            await client.aio.aclose()

    def _new_client(self) -> genai.Client:
        return genai.Client(
            api_key=self._settings.api_key,
            vertexai=False,
            http_options=types.HttpOptions(base_url=self._settings.base_url),
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
        timeout = self._settings.timeout
        return types.EmbedContentConfig(
            http_options=types.HttpOptions(
                extra_body={"requests": requests},
                timeout=None if timeout is None else max(1, round(timeout * 1000)),
            )
        )


create = GoogleGenaiBackend


def _checked_client(client: object) -> genai.Client:
    if not isinstance(client, genai.Client):
        raise ConfigurationError(
            "client must be a google.genai.Client for backend='google-genai', got "
            f"{type(client).__name__}"
        )
    if client.vertexai:
        raise ConfigurationError(
            "client must talk to the Gemini Developer API, got one for Vertex AI, whose "
            "requests differ: make it with google.genai.Client(api_key=...)"
        )
    return client


def _read(response: types.EmbedContentResponse) -> EmbedAnswer:
    usage = getattr(response, "usage_metadata", None)  # since 3.1
    return EmbedAnswer(
        vectors=[embedding.values or [] for embedding in response.embeddings or []],
        tokens=usage.prompt_token_count if usage else None,
    )


@contextmanager
def _translated_errors(model: str) -> Iterator[None]:
    try:
        yield
    except errors.APIError as error:
        raise _error_of_answer(error, model) from error
    except (json.JSONDecodeError, ValidationError) as error:
        raise unreadable(error, model=model) from error
    except _transport_errors() as error:
        raise unreachable(error, model=model) from error


def _error_of_answer(error: errors.APIError, model: str) -> EmbeddingError:
    body = error.details if isinstance(error.details, dict) else {}
    reasons, retry_after = read_error_details(body.get("error", body).get("details") or [])
    header = (getattr(error.response, "headers", None) or {}).get("retry-after", "")
    if retry_after is None and header.isdigit():
        retry_after = float(header)
    return error_for_status(
        status_code=error.code,
        message=error.message or error.status or "no message",
        model=model,
        reasons=reasons,
        retry_after=retry_after,
    )


def _transport_errors() -> tuple[type[BaseException], ...]:
    """Return the connection errors of whichever HTTP library the SDK chose to load."""
    names = {"httpx": "TransportError", "httpx2": "TransportError", "aiohttp": "ClientError"}
    loaded = [
        getattr(sys.modules[module], name)
        for module, name in names.items()
        if module in sys.modules
    ]
    return (*loaded, asyncio.TimeoutError, TimeoutError, ConnectionError)
