"""Make our errors from those of gRPC: statuses, their details and what gRPC itself reports."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from langchain_gemini_qdrant._retry_policy import read_retry_after
from langchain_gemini_qdrant.embeddings._backends.error_details import ErrorDetails, used_up
from langchain_gemini_qdrant.embeddings._backends.errors import (
    NO_TLS,
    UNREADABLE,
    error_for_status,
    no_answer,
    not_grpc,
    says_closed,
    unreadable,
    unsendable,
    untrusted,
    unusable_client,
    without_tls,
)
from langchain_gemini_qdrant.errors import GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.errors import ConfigurationError, EmbeddingError

_DETAILS = "grpc-status-details-bin"
_TOO_LARGE = 413
# Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_HTTP_STATUSES = {
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_SERVER_ERROR = 500
_MAYBE_UNANSWERED = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

# gRPC's own words, for which it has no codes: for an answer of a proxy, for a server without TLS or
# of another protocol, for a certificate, for an answer that it cannot read, for a message beyond
# the limit of either side, and for want of a connection or of time.
_STATUS_OF_PROXY = re.compile(r"Received http2 header with status: (\d{3})")
_WITHOUT_TLS = re.compile(f"failed to connect .*{NO_TLS}")
_NOT_GRPC = re.compile(
    r"failed to connect .*(?:Failed parsing HTTP/2|http1\.x server|missing selected ALPN)"
)
# A proxy may answer in HTTP/1 that a server fails for a time.
_PASSING = re.compile(r"HTTP status (?:429|50[0234])\)")
_UNTRUSTED = re.compile(
    "failed to connect .*(CERTIFICATE_VERIFY_FAILED|Hostname Verification Check failed)"
)
_UNREADABLE = re.compile("Exception deserializing response|metadata size exceeds hard limit")
_LARGER_THAN_MAX = "message larger than max"
_NO_ANSWER = re.compile(
    "deadline exceeded|failed to connect|resolv|resolution|socket closed|stream removed"
    "|ping timeout|goaway|end of tcp stream|recvmsg|sendmsg|broken pipe"
    "|connection (?:refused|reset)|handshake",
    re.IGNORECASE,
)


@contextmanager
def translated_errors(model: str) -> Iterator[None]:
    """Raise our errors in place of gRPC's."""
    try:
        yield
    except GeminiQdrantError:
        raise
    except grpc.RpcError as error:
        raise error_of_rpc(error, model) from error
    except (*UNREADABLE, RuntimeError, grpc.aio.UsageError) as error:
        raise _error_of_use(error, model) from error


def _error_of_use(error: Exception, model: str) -> GeminiQdrantError:
    """Return the error for a failure of gRPC with a request or with its answer."""
    if isinstance(error, UnicodeEncodeError):
        if error.encoding == "utf-8":  # about a text that is sent
            raise error
        raise unsendable(error) from None
    if isinstance(error, ValueError) and "closed channel" in str(error):
        return unusable_client()
    if isinstance(error, UNREADABLE):
        return unreadable(error, model=model)
    if says_closed(error):
        return unusable_client()
    raise error


def error_of_rpc(error: grpc.RpcError, model: str) -> EmbeddingError | ConfigurationError:
    """Return our error for a call that ended with another status than OK."""
    code, message = error.code(), error.details() or ""
    if found := _UNTRUSTED.search(message):
        return untrusted(found[1])
    if _UNREADABLE.search(message):
        return unreadable(error, model=model)
    if _WITHOUT_TLS.search(message):
        return without_tls()
    if _NOT_GRPC.search(message) and not _PASSING.search(message):
        return not_grpc()
    if _LARGER_THAN_MAX in message:
        status = _TOO_LARGE  # its halves may be accepted; a quota's 429 would be waited for
    elif found := _STATUS_OF_PROXY.search(message):
        status = int(found[1])
    elif code in _MAYBE_UNANSWERED and _NO_ANSWER.search(message):
        return no_answer(f"{code.name}: {message}", model=model)
    else:
        status = _HTTP_STATUSES.get(code, _SERVER_ERROR)
    details = _details_of(error)
    details.status = code.name
    return error_for_status(status_code=status, message=message, model=model, details=details)


def _details_of(error: grpc.RpcError) -> ErrorDetails:
    """Read the typed details of an error; anything that is not Google's is ignored."""
    details = ErrorDetails()
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]  # pairs
    try:
        packed = Status.FromString(trailers.get(_DETAILS, b"")).details
    except DecodeError:
        packed = []
    for detail in packed:
        try:
            _add(details, detail)
        except (DecodeError, OverflowError, ValueError):
            continue
    if details.retry_after is None:
        details.retry_after = read_retry_after(trailers)
    return details


def _add(details: ErrorDetails, detail: Any) -> None:  # noqa: ANN401 - protobuf's Any
    info, retry, failure = ErrorInfo(), RetryInfo(), QuotaFailure()
    if detail.Unpack(info):
        details.reasons.add(info.reason)
        if limit := info.metadata.get("quota_limit"):
            quota = used_up(limit, info.metadata.get("quota_limit_value"))
            details.violations.append((info.metadata.get("quota_metric", ""), quota))
    elif detail.Unpack(retry):
        delay = retry.retry_delay.ToTimedelta().total_seconds()
        if delay >= 0.0:
            details.retry_after = max(delay, details.retry_after or 0.0)
    elif detail.Unpack(failure):
        for violation in failure.violations:
            metric, quota_id = violation.quota_metric, violation.quota_id
            # In protobuf, 0 means that there is no value.
            quota = used_up(quota_id or metric, violation.quota_value or None)
            details.violations.append((metric, quota))
