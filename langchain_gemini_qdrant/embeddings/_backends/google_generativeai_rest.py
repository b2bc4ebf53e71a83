"""The old SDK's REST requests without its protobuf, which takes 3 to 9 ms of CPU for each vector.

Address, query and JSON are those of the SDK's REST transport. So are the errors: those of
`google.api_core.exceptions` and of requests.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from google.api_core import exceptions
from google.api_core.client_info import ClientInfo
from google.protobuf.json_format import ParseError
from pydantic_core import from_json

from langchain_gemini_qdrant._clients import Clients
from langchain_gemini_qdrant._retry_policy import read_retry_after
from langchain_gemini_qdrant.embeddings._backends.error_details import ErrorDetails, read_error_body
from langchain_gemini_qdrant.embeddings._backends.errors import (
    UNREADABLE,
    error_for_status,
    unreachable,
    unreadable,
    unsendable,
)
from langchain_gemini_qdrant.embeddings._backends.protocol import (
    DeveloperApi,
    EmbedAnswer,
    shortest,
)
from langchain_gemini_qdrant.embeddings._backends.total_time import in_time
from langchain_gemini_qdrant.embeddings.tasks import TASK_TYPES
from langchain_gemini_qdrant.errors import GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
    from langchain_gemini_qdrant.errors import EmbeddingError

_ADDRESS = "https://generativelanguage.googleapis.com"
_USER_AGENT = ClientInfo(user_agent="langchain-gemini-qdrant").to_user_agent()
_QUERY = "%24alt=json%3Benum-encoding%3Dint"
_POOL_SIZE = 64  # threads whose connections are kept; the default of requests is 10
_MIN_ERROR_STATUS = 400
_PIECE = 2**18  # bytes of an answer, at most


class RestBackend(DeveloperApi):
    """Sends batchEmbedContents, with a pool of connections for each process.

    requests has no asynchronous side: an asynchronous call runs in a thread.
    """

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings
        self._clients = Clients(self._open, self._open, _close_async)  # no loop has its own

    def prepare(self) -> None:
        """Create the client of this process, so that no request waits for it."""
        self._clients.of_process()

    async def aprepare(self) -> None:
        """Create the client of this process."""
        self.prepare()

    def embed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        timeout = shortest(timeout, self._settings.timeout)
        with translated_errors(request.model):
            return self._clients.of_process().embed(request, timeout=timeout)

    async def aembed(self, request: EmbedRequest, *, timeout: float | None = None) -> EmbedAnswer:
        """Send one request without blocking the event loop."""
        return await asyncio.to_thread(self.embed, request, timeout=timeout)

    def count_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask the API how many tokens a text has."""
        timeout = shortest(timeout, self._settings.timeout)
        with translated_errors(model):
            return self._clients.of_process().count_tokens(model, text, timeout=timeout)

    async def acount_tokens(self, model: str, text: str, *, timeout: float | None = None) -> int:
        """Ask without blocking the event loop."""
        return await asyncio.to_thread(self.count_tokens, model, text, timeout=timeout)

    def close(self) -> None:
        """Close the connections."""
        client = self._clients.take_of_process()
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Do nothing: no connection belongs to an event loop."""

    def _open(self) -> RestClient:
        headers = {"content-type": "application/json", "x-goog-api-client": _USER_AGENT}
        if self._settings.api_key is not None:
            headers["x-goog-api-key"] = self._settings.api_key
        return RestClient(base_url=self._settings.base_url or _ADDRESS, headers=headers)


async def _close_async(client: RestClient) -> None:
    client.close()


class RestClient:
    """Sends from any number of threads through one pool of connections, without retries."""

    def __init__(self, *, base_url: str, headers: Mapping[str, str]) -> None:
        has_scheme = base_url.startswith(("http://", "https://"))
        self._base_url = (base_url if has_scheme else f"https://{base_url}").rstrip("/")
        # Not google-auth's session: after a 401 it renews credentials, which an API key lacks.
        self._session = requests.Session()
        self._session.headers.update(headers)
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=_POOL_SIZE)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def embed(self, request: EmbedRequest, *, timeout: float | None) -> EmbedAnswer:
        """Send one request and wait for its answer."""
        response = self._post(request.model, "batchEmbedContents", _embed_body(request), timeout)
        try:
            answer = from_json(response.content)
            vectors = [_values(embedding) for embedding in answer.get("embeddings") or ()]
        except UNREADABLE as error:
            raise unreadable(error, model=request.model) from error
        return EmbedAnswer(vectors=vectors, tokens=None)

    def count_tokens(self, model: str, text: str, *, timeout: float | None) -> int:
        """Ask the API how many tokens a text has."""
        response = self._post(model, "countTokens", {"contents": [_content(text)]}, timeout)
        try:
            return int(from_json(response.content).get("totalTokens") or 0)
        except UNREADABLE as error:
            raise unreadable(error, model=model) from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _post(
        self, model: str, method: str, body: dict[str, Any], timeout: float | None
    ) -> requests.Response:
        end = math.inf if timeout is None else time.monotonic() + timeout
        response = self._session.post(
            f"{self._base_url}/v1beta/{quote(model)}:{method}?{_QUERY}",
            data=json.dumps(body, separators=(",", ":")).encode(),
            timeout=timeout,
            stream=True,
        )
        if hasattr(response.raw, "read1"):  # urllib3 2
            response.raw = _Body(response.raw, end)
        _ = response.content  # reads the body
        if response.status_code >= _MIN_ERROR_STATUS:
            raise _error(response)
        return response


class _Body:
    """The body from which requests reads an answer, in pieces as they arrive."""

    def __init__(self, body: Any, end: float) -> None:  # noqa: ANN401 - urllib3's
        self._body = body
        self._end = end

    def stream(self, *_: object, **options: Any) -> Iterator[bytes]:
        try:
            yield from in_time(iter(lambda: self._body.read1(_PIECE, **options), b""), self._end)
        except TimeoutError:
            self._body.close()
            raise

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._body, name)


def _embed_body(request: EmbedRequest) -> dict[str, Any]:
    common: dict[str, object] = {"model": request.model}
    if request.task_type is not None:
        common["taskType"] = TASK_TYPES.index(request.task_type)
    if request.output_dimensionality is not None:
        common["outputDimensionality"] = request.output_dimensionality
    return {
        "requests": [
            {"content": _content(text)} | ({"title": title} if title else {}) | common
            for text, title in zip(request.texts, request.titles, strict=True)
        ]
    }


def _content(text: str) -> dict[str, Any]:
    return {"parts": [{"text": text}]}


def _values(embedding: Any) -> list[float]:  # noqa: ANN401 - unchecked JSON
    values = embedding.get("values") or []
    if not isinstance(values, list):
        raise TypeError(f"got {type(values).__name__} for values")
    return list(map(float, values))  # protobuf's JSON has "NaN" and "Infinity" as strings


@contextmanager
def translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of those of requests and of Google's REST clients."""
    try:
        yield
    except GeminiQdrantError:
        raise
    except exceptions.GoogleAPICallError as error:
        raise _error_of_answer(error, model) from error
    except (requests.exceptions.RequestException, TimeoutError) as error:
        if _is_of_settings(error):
            raise unsendable(error) from None
        raise unreachable(error, model=model) from error
    except UnicodeEncodeError as error:
        if error.encoding == "utf-8":  # about a text that is sent
            raise
        raise unsendable(error) from None
    except (ParseError, *UNREADABLE) as error:
        raise unreadable(error, model=model) from error


def _is_of_settings(error: BaseException) -> bool:
    """Return whether an address, a proxy or a header is wrong; requests quotes them."""
    if isinstance(error, requests.exceptions.InvalidHeader):
        return error.request is None  # otherwise it is in the answer
    return isinstance(error, ValueError)


def _error_of_answer(error: exceptions.GoogleAPICallError, model: str) -> EmbeddingError:
    message, details = error.message or "", ErrorDetails()
    if error.response is not None:
        message, details = read_error_body(body_of(error.response))
        if details.retry_after is None:
            details.retry_after = read_retry_after(error.response.headers)
    return error_for_status(
        status_code=int(error.code or 500), message=message, model=model, details=details
    )


def body_of(response: requests.Response) -> object:
    """Return the JSON of an answer, or its text if it is not JSON."""
    try:
        return from_json(response.content)
    except ValueError:
        return response.content.decode(errors="replace")


def _error(response: requests.Response) -> exceptions.GoogleAPICallError:
    # The SDK's own parser fails on bodies that are not Google's; the body is read when the error is
    # translated.
    message, _ = read_error_body(body_of(response))
    error: exceptions.GoogleAPICallError = exceptions.from_http_status(
        response.status_code, message or "unknown error", response=response
    )
    return error
