"""From an HTTP status and Google's error body to our errors; the same for both SDKs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant._retry_policy import (
    DURATION,
    read_number,
    read_seconds,
    uncut,
)
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, GEMINI_MODELS, find_model
from langchain_gemini_qdrant.errors import (
    BillingError,
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_TOO_MANY_REQUESTS = 429
_NOT_FOUND = 404
# The Developer API's words and Vertex AI's; other 404s are a proxy's, or about something else.
_NO_SUCH_MODEL = re.compile("is not found for API version|Publisher Model .* not found", re.DOTALL)
_CLIENT_ERRORS = range(400, 500)
_NOT_IMPLEMENTED = 501
# 408 and 499 say that the request ended before its answer, not that it was wrong.
_UNANSWERED = frozenset({408, 499})
# Where the API answers so, it would answer the same to every other request of the call.
_REFUSES_ALL = frozenset({401, 403, 404, _NOT_IMPLEMENTED})
_HOUR = 3600.0  # seconds; a minute's quota never asks for as much

_RETRY_IN_MESSAGE = re.compile(rf"retry in ({DURATION})", re.IGNORECASE)
# "metric: .../embed_content_free_tier_requests, limit: 100", and without a limit on Vertex AI
_QUOTA_IN_MESSAGE = re.compile(
    r"Quota exceeded for (?:metric: )?([\w./-]+)(?:, limit: ([\d.,]*\d))?", re.IGNORECASE
)
_UNPAID = re.compile(r"credits are depleted|spending (?:cap|limit)", re.IGNORECASE)
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
    retry_after = details.delay(message)
    if status_code == _TOO_MANY_REQUESTS:
        quotas = details.quotas(message)
        if any(quota.limit == 0 for quota in quotas) or _UNPAID.search(message):
            kind: type[RateLimitError] = BillingError
        elif any(quota.per_day for quota in quotas) or (retry_after or 0.0) > _HOUR:
            kind = DailyQuotaError
        else:
            kind = RateLimitError
        return kind(text, model=model, retry_after=retry_after, limits=_limits(quotas, kind))
    is_refusal = status_code in _CLIENT_ERRORS or status_code == _NOT_IMPLEMENTED
    if is_refusal and status_code not in _UNANSWERED:
        bad_key = "API_KEY_INVALID" in details.reasons or "API key not valid" in message
        text += _advice(status_code, message, model, details.reasons)
        refuses_all = (
            bad_key or status_code in _REFUSES_ALL or details.status == "FAILED_PRECONDITION"
        )
        return RequestRejectedError(
            text, model=model, status_code=status_code, refuses_all=refuses_all
        )
    return ServiceError(text, model=model, status_code=status_code, retry_after=retry_after)


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


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedUp:
    """A quota that a 429 names.

    Attributes:
        unit: What it counts; each text of a batch counts as one request.
        limit: Its size, None where the body does not say it.
        per_day: It is a day's and not a minute's.
    """

    unit: Literal["texts", "tokens"]
    limit: float | None
    per_day: bool


def used_up(name: object, value: object = None) -> UsedUp:
    """Return the quota of an id or a metric; the name alone says what is counted, and how long."""
    text = str(name)
    return UsedUp(
        unit="tokens" if "token" in text.lower() else "texts",
        limit=read_number(value),
        per_day=re.search(r"per_?day", text, re.IGNORECASE) is not None,
    )


@dataclass(kw_only=True, slots=True)
class ErrorDetails:
    """What Google's error body says beside its message.

    Attributes:
        status: The name of its code, such as `FAILED_PRECONDITION`.
        reasons: Of its ErrorInfo.
        retry_after: Seconds, of its RetryInfo or of the header Retry-After; they may be cut.
        violations: Quotas that are used up, of its QuotaFailure and ErrorInfo, with their metrics.
    """

    status: str = ""
    reasons: set[str] = field(default_factory=set)
    retry_after: float | None = None
    violations: list[tuple[str, UsedUp]] = field(default_factory=list)

    def delay(self, message: str) -> float | None:
        """Return the seconds after which the server takes requests again, None if it is silent.

        The message has the whole of what RetryInfo cuts to seconds, where it has it at all.
        """
        match = _RETRY_IN_MESSAGE.search(message)
        whole = None if match is None else read_seconds(match[1])
        cut = self.retry_after
        if cut is None or whole is None:
            return whole if cut is None else uncut(cut)
        return whole if cut <= whole < cut + 1.0 else max(uncut(cut), whole)

    def quotas(self, message: str) -> list[UsedUp]:
        """Return the quotas that are used up; where the details lack a limit, the message's."""
        found: list[tuple[str, str]] = _QUOTA_IN_MESSAGE.findall(message)
        if not self.violations:
            return [used_up(metric, value) for metric, value in found]
        metrics = [metric for metric, _ in found]
        # A day's quota and a minute's may have one metric: then no limit is either's for sure.
        named = {metric: value for metric, value in found if metrics.count(metric) == 1}
        return [
            quota
            if quota.limit is not None
            else replace(quota, limit=read_number(named.get(metric)))
            for metric, quota in self.violations
        ]


def _limits(
    quotas: Sequence[UsedUp], kind: type[RateLimitError]
) -> dict[Literal["texts", "tokens"], float | None]:
    """Return the smallest limit of each unit; of a day's quotas alone where the day's is over."""
    limits: dict[Literal["texts", "tokens"], float | None] = {}
    for quota in quotas:
        if quota.per_day == (kind is DailyQuotaError) or kind is BillingError:
            known = [x for x in (limits.get(quota.unit), quota.limit) if x is not None]
            limits[quota.unit] = min(known, default=None)
    return dict(sorted(limits.items(), key=lambda item: item[1] is None))  # named ones first


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
    details = read_error_details(error.get("details"))
    details.status = _words(error.get("status"))
    return message, details


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
        metadata = detail.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("quota_limit"), str):
            quota = used_up(metadata["quota_limit"], metadata.get("quota_limit_value"))
            read.violations.append((_words(metadata.get("quota_metric")), quota))
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                metric = _words(violation.get("quotaMetric"))
                quota_id = violation.get("quotaId") or metric
                read.violations.append((metric, used_up(quota_id, violation.get("quotaValue"))))
    return read


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
