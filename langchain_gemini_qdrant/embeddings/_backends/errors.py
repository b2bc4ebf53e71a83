"""From an HTTP status and Google's error body to our errors; the same for both SDKs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, GEMINI_MODELS, find_model
from langchain_gemini_qdrant.errors import (
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
_CLIENT_ERRORS = range(400, 500)
# 408 and 499 say that the request ended before its answer, not that it was wrong.
_UNANSWERED = frozenset({408, 499})
_RETRY_IN_MESSAGE = re.compile(r"retry in ([0-9.]+)\s*s", re.IGNORECASE)


def error_for_status(
    *,
    status_code: int,
    message: str,
    model: str,
    details: ErrorDetails,
) -> EmbeddingError:
    """Return the error of ours that an answer other than 200 stands for."""
    text = f"{model}: the API answered {status_code}: {message.strip()}"
    if status_code == _TOO_MANY_REQUESTS:
        retry_after = details.retry_after
        if retry_after is None and (match := _RETRY_IN_MESSAGE.search(message)):
            retry_after = float(match[1])
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


def unreadable(error: BaseException, *, model: str) -> ServiceError:
    """Return the error for a 200 whose body is not what the API sends."""
    return ServiceError(
        f"{model}: the API answered 200 with a body that cannot be read ({type(error).__name__}). "
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

    def add_violation(self, quota_id: str, quota_value: object) -> None:
        """Take in one violated quota; the id alone tells a day's from a minute's."""
        self.per_day = self.per_day or "PerDay" in quota_id
        self.unit = "tokens" if "token" in quota_id.lower() else "texts"
        self.limit = float(str(quota_value)) if quota_value else self.limit


def read_error_details(details: Iterable[Mapping[str, Any]]) -> ErrorDetails:
    """Read the JSON form of an error's `details`."""
    read = ErrorDetails()
    for detail in details:
        if "reason" in detail:
            read.reasons.add(str(detail["reason"]))
        if detail.get("retryDelay"):
            read.retry_after = float(str(detail["retryDelay"]).removesuffix("s"))
        for violation in detail.get("violations") or ():
            read.add_violation(str(violation.get("quotaId", "")), violation.get("quotaValue"))
    return read


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
