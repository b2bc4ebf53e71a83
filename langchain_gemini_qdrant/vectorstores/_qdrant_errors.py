"""Read the errors of a Qdrant client, over REST and gRPC in the same way.

Qdrant has one list of errors and gives each an HTTP status and a gRPC code, so the rules here are
about statuses only. Source: `StorageError` in
https://github.com/qdrant/qdrant/blob/v1.19.0/src/actix/helpers.rs and
https://github.com/qdrant/qdrant/blob/v1.19.0/lib/storage/src/content_manager/conversions.rs
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)

from langchain_gemini_qdrant._retry_policy import read_retry_after, uncut
from langchain_gemini_qdrant.errors import GeminiQdrantError, InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPECTED_ERRORS = (GeminiQdrantError, OSError, ApiException, QdrantException, grpc.RpcError)
"""Errors of this package, of the system and of Qdrant's clients. The others are bugs."""

_MAX_WORDS = 300  # characters of an answer that are quoted at most

_UNREADABLE = 200  # it may have succeeded, but the answer is not one of Qdrant's
_REFUSED = 400
_TIMEOUT, _TOO_LARGE, _TOO_MANY, _INTERNAL, _DISK_FULL = 408, 413, 429, 500, 507
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.DEADLINE_EXCEEDED: _TIMEOUT,
    grpc.StatusCode.CANCELLED: _TIMEOUT,  # from the gRPC server, after our deadline
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.OUT_OF_RANGE: _TOO_LARGE,  # the gRPC server's code for a long message
    grpc.StatusCode.RESOURCE_EXHAUSTED: _TOO_MANY,
    grpc.StatusCode.INTERNAL: _INTERNAL,
    grpc.StatusCode.UNIMPLEMENTED: 501,
}
# In a 500: a node of the cluster is not available, or too few replicas accepted a write.
_REPLICA_AWAY = re.compile("please retry|tonic|unavailable", re.IGNORECASE)
# Connection errors that do not disappear with time.
_NEVER = re.compile("certificate|wrong[_ ]version[_ ]number|illegal request line", re.IGNORECASE)
# In a 429 without a delay, and in a 400: limits of the rate, of a message, of points, of JSON, and
# of values or conditions in a filter.
_TOO_LARGE_AS_A_WHOLE = re.compile(
    'larger than (?:rate limiter|max|allowed)|for "upsert limit"|condition (?:size )?limit',
    re.IGNORECASE,
)
_FORBIDDEN = frozenset({401, 403})
_AWAY = frozenset({_UNREADABLE, _TOO_MANY, 502, 503, 504})
_REFUSES_ALL = _FORBIDDEN | _AWAY | {404, _DISK_FULL}


class Failure(NamedTuple):
    """A failed call.

    Attributes:
        status: HTTP status, or a gRPC code translated to one; None if no answer came.
        name: The status or gRPC code, or the class of the connection's error.
        words: Qdrant's message, or the connection's; it may quote settings, but no keys or texts.
        retry_after: Seconds that the server asks to wait, None if it sent no delay.
        timed_out: Whether our own timeout ended the call; Qdrant may still execute it.
    """

    status: int | None
    name: str
    words: str = ""
    retry_after: float | None = None
    timed_out: bool = False

    @property
    def is_away(self) -> bool:
        """Whether the server or the connection is not available, for example during a restart."""
        if self.status == _INTERNAL:
            return _REPLICA_AWAY.search(self.words) is not None
        if self.status is None:
            return _NEVER.search(self.words) is None
        return self.status in _AWAY

    @property
    def may_pass(self) -> bool:
        """Whether the server is available, and a retry of this request may succeed."""
        return self.status in {_TIMEOUT, _INTERNAL} and not self.is_away

    @property
    def asks_to_split(self) -> bool:
        """Whether the request is too large, so that parts of it may be accepted."""
        return self.status == _TOO_LARGE


def read_failure(error: Exception | None) -> Failure | None:
    """Return the failure of a Qdrant client's error; None for any other error."""
    if isinstance(error, UnexpectedResponse):
        status = error.status_code or 0
        return _failure(status, str(status), _words(status, error.content), error.headers)
    if isinstance(error, ResourceExhaustedResponse):
        return Failure(_TOO_MANY, str(_TOO_MANY), _cut(str(error)), uncut(error.retry_after_s))
    if type(error) is QdrantException:  # raised for a Retry-After that is a date, which it quotes
        headers = {"retry-after": str(error).partition(": ")[2]}
        return _failure(_TOO_MANY, str(_TOO_MANY), "", headers)
    if isinstance(error, ResponseHandlingException):
        return _of_connection(error.source)
    if isinstance(error, grpc.RpcError):
        return _of_grpc(error)
    return None


def reason(error: Exception | None) -> str:
    """Return a safe description of an error: other libraries' messages may quote requests."""
    if isinstance(error, GeminiQdrantError):
        return str(error)
    failure = read_failure(error)
    if failure is None:
        return type(error).__name__
    said = "no answer from Qdrant," if failure.status is None else "Qdrant answered"
    return f"{said} {failure.name}: {failure.words}".removesuffix(": ")


def refuses_all(error: Exception) -> bool:
    """Return whether any other write would fail in the same way, even after retries."""
    failure = read_failure(error)
    if failure is None:
        return isinstance(error, StorageError)
    if "No point with id" in failure.words:  # a 404 about one document
        return False
    is_other_collection = "Vector dimension error" in failure.words
    is_known = failure.status is None or failure.status in _REFUSES_ALL
    return failure.is_away or is_known or is_other_collection


def is_forbidden(error: Exception) -> bool:
    """Return whether the key does not allow this call; it may allow others."""
    failure = read_failure(error)
    return failure is not None and failure.status in _FORBIDDEN


def asks_to_split(error: Exception) -> bool:
    """Return whether a request was too large for the server or its rate limits as a whole."""
    failure = read_failure(error)
    return failure is not None and failure.asks_to_split


def is_refused(error: Exception) -> bool:
    """Return whether an engine refused the request itself: a server, or the embedded one."""
    failure = read_failure(error)
    return isinstance(error, InvalidInputError) if failure is None else failure.status == _REFUSED


def _failure(status: int, name: str, words: str, headers: Mapping[str, str]) -> Failure:
    """Return the failure with the status that its message implies."""
    if "No space left on device" in words or "qdrant-insufficient-storage" in headers:
        status = _DISK_FULL
    elif status in {400, _TOO_MANY} and _TOO_LARGE_AS_A_WHOLE.search(words):
        status = _TOO_LARGE
    seconds = read_retry_after(headers)
    return Failure(status, name, words, None if seconds is None else uncut(seconds))


def _of_connection(source: Exception) -> Failure | None:
    """Return the failure of an httpx error or of an unreadable answer."""
    name = type(source).__name__
    if isinstance(source, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return None  # nothing can be sent; the message may quote a header
    if isinstance(source, httpx.TransportError):
        timed_out = isinstance(source, httpx.TimeoutException)
        return Failure(None, name, _cut(str(source)), timed_out=timed_out)
    if isinstance(source, ValueError):  # from pydantic and json, which quote the answer
        return Failure(_UNREADABLE, str(_UNREADABLE), "an answer that is not Qdrant's JSON")
    return None


def _of_grpc(error: grpc.RpcError) -> Failure:
    code, words = error.code(), _cut(error.details() or "")
    # The message of Qdrant's own timeout begins with "Timeout"; any other is our deadline.
    timed_out = code is grpc.StatusCode.DEADLINE_EXCEEDED and not words.startswith("Timeout")
    if code is grpc.StatusCode.UNAVAILABLE or timed_out:
        return Failure(None, code.name, words, timed_out=timed_out)
    trailers: Any = error.trailing_metadata() or ()  # pairs, in any class
    headers = {key: str(value) for key, value in trailers}
    return _failure(_STATUS.get(code, _INTERNAL), code.name, words, headers)


def _words(status: int, content: bytes) -> str:
    """Return Qdrant's message: `status.error` of its JSON, or its plain text about a key.

    Messages of other programs are left out, as they may quote the request.
    """
    text = content.decode(errors="replace").strip()
    try:
        return _cut(str(json.loads(text)["status"]["error"]))
    except (ValueError, LookupError, TypeError):
        is_page = text.startswith("<")
    if is_page:
        return "an HTML page, which Qdrant does not send; it may come from a proxy"
    return _cut(text) if status in _FORBIDDEN else ""


def _cut(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]}..."
