"""From an HTTP status and Google's error body to our errors; the same for both SDKs."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
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
# The Developer API's words and Vertex AI's; other 404s are a proxy's, or about something else.
_NO_SUCH_MODEL = re.compile("is not found for API version|Publisher Model .* not found", re.DOTALL)
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


def unreachable(error: BaseException, *, model: str) -> ServiceError:
    """Return the error for a connection that was refused, lost or too slow."""
    return ServiceError(
        f"{model}: no answer from the API: {type(error).__name__}: {error}. Check the network, "
        "base_url and timeout",
        model=model,
    )


def says_closed(error: BaseException) -> bool:
    """Say whether an error is of a client that cannot send: these have no class of their own."""
    return re.search(r"clos|event loop|different loop", str(error), re.IGNORECASE) is not None


def unusable_client() -> ConfigurationError:
    """Return the error for a client that cannot send."""
    return ConfigurationError(
        "the SDK's client cannot send: it is closed, or its connections belong to another event "
        "loop. Pass a client that is open and of the running loop, or none: embeddings make one "
        "for each loop"
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
    if status_code == _NOT_FOUND and _NO_SUCH_MODEL.search(message):
        return _advice_on_model(model, of_developer_api="API version" in message)
    return ""


def _advice_on_model(model: str, *, of_developer_api: bool) -> str:
    known = find_model(model)
    if known is None:
        return f" Known models: {', '.join(sorted(GEMINI_MODELS))}."
    if of_developer_api and known.vertex_only:
        return f" {known.name} is served by Vertex AI alone: pass vertexai=True and project."
    if of_developer_api and known.is_shut_down(datetime.now(timezone.utc).date()):
        return (
            f" {known.name} was shut down on {known.shutdown}. Use {known.replacement!r}"
            f"{' (the default)' if known.replacement == DEFAULT_MODEL else ''} and embed the "
            "stored texts again: vectors of two models cannot be compared."
        )
    return ""
