"""From an HTTP status and Google's error body to our errors; the same for both SDKs."""

from __future__ import annotations

import math
import os
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Literal

from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, GEMINI_MODELS, find_model
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_CLIENT_ERRORS = range(400, 500)
# 408 and 499 say that the request ended before its answer, not that it was wrong.
_UNANSWERED = frozenset({408, 499})
_DURATION = r"(?:[0-9.]+\s*(?:ms|h|m|s)\s*)+"
_RETRY_IN_MESSAGE = re.compile(rf"retry in ({_DURATION})", re.IGNORECASE)
_DURATION_PART = re.compile(r"([0-9.]+)\s*(ms|h|m|s)", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LONGEST_MESSAGE = 2_000  # characters of a body's own words; a proxy's page may have thousands

UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What SDKs raise from answers that are not the API's."""


def error_for_status(
    *,
    status_code: int,
    message: str,
    model: str,
    details: ErrorDetails,
) -> EmbeddingError:
    """Return the error of ours that an answer other than 200 stands for."""
    message = message.strip()[:_LONGEST_MESSAGE] or "no message"
    text = f"{model}: the API answered {status_code}: {message}"
    if status_code == _TOO_MANY_REQUESTS:
        retry_after = details.retry_after
        if retry_after is None and (match := _RETRY_IN_MESSAGE.search(message)):
            retry_after = read_seconds(match[1])
        error = DailyQuotaError if details.per_day else RateLimitError
        return error(
            text, model=model, retry_after=retry_after, limit=details.limit, unit=details.unit
        )
    if status_code in _CLIENT_ERRORS and status_code not in _UNANSWERED:
        text += _advice(status_code, message, model, details.reasons)
        return RequestRejectedError(text, model=model, status_code=status_code)
    return ServiceError(text, model=model, status_code=status_code)


def unreachable(error: BaseException, *, model: str) -> ServiceError | ConfigurationError:
    """Return the error for a connection that was refused, lost or too slow.

    It says what the operating system says. The library's own words stay out: they may hold a key,
    a proxy's password or an address with either.
    """
    reason = ""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            # aiohttp's is one too, without the words
            return untrusted(getattr(cause, "verify_message", "CERTIFICATE_VERIFY_FAILED"))
        reason = _system_s_words(cause) or reason
        cause = cause.__cause__ or cause.__context__
    return ServiceError(
        f"{model}: no answer from the API: {type(error).__name__}{reason}. Check the network, "
        "base_url and timeout",
        model=model,
    )


def _system_s_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError):  # its number is none of the system's
        return f": {error.reason}" if error.reason else ""
    if isinstance(error, socket.gaierror):
        return f": {error.strerror}"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return f": {os.strerror(error.errno)}"
    return ""


def untrusted(reason: str) -> ConfigurationError:
    """Return the error for a server that cannot prove who it is."""
    return ConfigurationError(
        f"the server's TLS certificate is not trusted ({reason}): check base_url, or name the "
        "certificates that you trust by SSL_CERT_FILE (GRPC_DEFAULT_SSL_ROOTS_FILE_PATH for gRPC, "
        "REQUESTS_CA_BUNDLE for google-generativeai over REST)"
    )


def unsendable(error: BaseException) -> ConfigurationError:
    """Return the error for a setting with which nothing can be sent.

    Raise it `from None`: what it replaces may quote a key or a password.
    """
    return ConfigurationError(
        f"nothing can be sent with these settings ({type(error).__name__}): the API key must be "
        "printable ASCII, base_url, what it redirects to and the proxy (HTTP_PROXY, HTTPS_PROXY, "
        "ALL_PROXY) must be addresses, SSL_CERT_FILE a file of certificates, and a SOCKS proxy "
        "needs a package of its own (pip install 'httpx2[socks]', 'httpx[socks]' or "
        "'requests[socks]')"
    )


def unreadable(error: BaseException, *, model: str) -> ServiceError:
    """Return the error for an answer that is not what the API sends."""
    return ServiceError(
        f"{model}: the API answered with a body that cannot be read ({type(error).__name__}). "
        "Check that base_url is the Gemini API and not a proxy's page",
        model=model,
        status_code=200,
    )


@dataclass(kw_only=True, slots=True)
class ErrorDetails:
    """What the `details` of Google's error body say.

    Attributes:
        reasons: Of its ErrorInfo.
        retry_after: Seconds, of its RetryInfo.
        limit: The quota that is used up, of its QuotaFailure.
        unit: What that quota counts.
        per_day: It is a day's and not a minute's.
    """

    reasons: set[str] = field(default_factory=set)
    retry_after: float | None = None
    limit: float | None = None
    unit: Literal["texts", "tokens"] | None = None
    per_day: bool = False

    def add_violation(self, quota_id: object, quota_value: object) -> None:
        """Take in one violated quota; the id alone tells a day's from a minute's.

        Unit and limit are those of one quota: the first that names a limit, else the last.
        """
        name = str(quota_id)
        self.per_day = self.per_day or "PerDay" in name
        if self.limit is None:
            self.unit = "tokens" if "token" in name.lower() else "texts"
            self.limit = read_number(quota_value)


def read_error_body(body: object) -> tuple[str, ErrorDetails]:
    """Read the words and details of any error body: Google's, a proxy's, or none at all.

    Args:
        body: Its JSON, or its text where it is none.
    """
    error = _first(body)
    if isinstance(error, dict) and "error" in error:
        error = _first(error["error"])
    if not isinstance(error, dict):
        return _words(error), ErrorDetails()
    names = ("message", "detail", "error_description", "title", "status")
    message = next((words for name in names if (words := _words(error.get(name)))), "")
    return message, read_error_details(error.get("details"))


def read_error_details(details: object) -> ErrorDetails:
    """Read the JSON form of an error's `details`; what is not Google's is passed over."""
    read = ErrorDetails()
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if isinstance(detail.get("reason"), str):
            read.reasons.add(detail["reason"])
        delay = read_seconds(detail.get("retryDelay"))
        read.retry_after = read.retry_after if delay is None else delay
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                read.add_violation(violation.get("quotaId", ""), violation.get("quotaValue"))
    return read


def read_seconds(value: object) -> float | None:
    """Read a duration: seconds, `"33s"`, `"1m12.5s"`, `"850ms"` or protobuf's JSON object."""
    if isinstance(value, dict):
        seconds, nanos = read_number(value.get("seconds")), read_number(value.get("nanos"))
        if seconds is None and nanos is None:
            return None
        return (seconds or 0.0) + (nanos or 0.0) / 1e9
    if isinstance(value, str) and re.fullmatch(_DURATION, value.strip(), re.IGNORECASE):
        parts = [(read_number(n), unit.lower()) for n, unit in _DURATION_PART.findall(value)]
        if any(number is None for number, _ in parts):
            return None
        return sum((number or 0.0) * _SECONDS[unit] for number, unit in parts)
    return read_number(value)


def read_number(value: object) -> float | None:
    """Read a number that is not below 0; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < math.inf else None


def _first(value: object) -> object:
    """Return the first of a list: Vertex AI sends its error as a list of one."""
    return value[0] if isinstance(value, list) and value else value


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""


def _advice(status_code: int, message: str, model: str, reasons: set[str]) -> str:
    if "API_KEY_INVALID" in reasons or "API key not valid" in message:
        return " Check api_key, GOOGLE_API_KEY or GEMINI_API_KEY."
    if status_code != _NOT_FOUND:
        return ""
    known = find_model(model)
    if known is None:
        return f" Known models: {', '.join(sorted(GEMINI_MODELS))}."
    if known.vertex_only:
        return f" {known.name} is served by Vertex AI alone: pass vertexai=True and project."
    if known.replacement is None or known.shutdown is None:
        return ""
    return (
        f" {known.name} has a shutdown date of {known.shutdown}. Use {known.replacement!r}"
        f"{' (the default)' if known.replacement == DEFAULT_MODEL else ''} and embed the stored "
        "texts again: vectors of two models cannot be compared."
    )
