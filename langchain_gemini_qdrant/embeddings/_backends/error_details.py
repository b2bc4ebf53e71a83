"""Read the body of an error, Google's, a proxy's or an empty one, in the same way for both SDKs.

Anything that is not Google's is ignored: it may have any type, size and depth.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field, replace
from typing import Literal

from langchain_gemini_qdrant._retry_policy import (
    DURATION,
    read_number,
    read_seconds,
    uncut,
)

_RETRY_IN_MESSAGE = re.compile(rf"retry in ({DURATION})", re.IGNORECASE)
# "metric: .../embed_content_free_tier_requests, limit: 100", and without a limit on Vertex AI
_QUOTA_IN_MESSAGE = re.compile(
    r"Quota exceeded for (?:metric: )?([\w./-]+)(?:, limit: ([\d.,]*\d))?", re.IGNORECASE
)

_PAGE = re.compile(r"\s*<(?:!doctype\s+html|\?xml|html|head|body)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_MARKUP = re.compile(
    r"<(script|style)\b.*?(?:</\1>|\Z)|<!--.*?(?:-->|\Z)|<[^>]*(?:>|\Z)", re.IGNORECASE | re.DOTALL
)
_READ_OF_TEXT = 20_000  # characters
_SHOWN_OF_PAGE = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedUp:
    """A quota that a 429 names.

    Attributes:
        unit: What it counts; each text of a batch counts as one request.
        limit: Its size, None if the body does not report it.
        per_day: Whether it is a quota per day and not per minute.
    """

    unit: Literal["texts", "tokens"]
    limit: float | None
    per_day: bool


def used_up(name: object, value: object = None) -> UsedUp:
    """Return the quota of an id or a metric, whose name says what is counted and over what time."""
    text = str(name)
    if re.search(r"per_?(?:second|hour)|enqueued", text, re.IGNORECASE):
        value = None  # not a limit per minute
    return UsedUp(
        unit="tokens" if "token" in text.lower() else "texts",
        limit=read_number(value),
        per_day=re.search(r"per_?day", text, re.IGNORECASE) is not None,
    )


@dataclass(kw_only=True, slots=True)
class ErrorDetails:
    """The contents of Google's error body, except its message.

    Attributes:
        status: The name of its code, such as `FAILED_PRECONDITION`.
        reasons: The reasons of its ErrorInfo.
        retry_after: Seconds from its RetryInfo or the header Retry-After; they may be truncated.
        violations: Quotas that are used up, from its QuotaFailure and ErrorInfo, with metrics.
    """

    status: str = ""
    reasons: set[str] = field(default_factory=set)
    retry_after: float | None = None
    violations: list[tuple[str, UsedUp]] = field(default_factory=list)

    def delay(self, message: str) -> float | None:
        """Return the seconds until the server accepts requests again, None if it does not say.

        The message, if it has the delay, has the fractions of a second that RetryInfo lacks.
        """
        match = _RETRY_IN_MESSAGE.search(message)
        whole = None if match is None else read_seconds(match[1])
        cut = self.retry_after
        if cut is None or whole is None:
            seconds = whole if cut is None else cut
            return None if seconds is None else uncut(seconds)
        return whole if cut <= whole < cut + 1.0 else max(uncut(cut), whole)

    def quotas(self, message: str) -> list[UsedUp]:
        """Return the quotas that are used up; a limit missing in the details is the message's."""
        found: list[tuple[str, str]] = _QUOTA_IN_MESSAGE.findall(message)
        if not self.violations:
            return [used_up(metric, value) for metric, value in found]
        metrics = [metric for metric, _ in found]
        # Quotas per day and per minute may share a metric: then a limit may belong to either.
        named = {metric: value for metric, value in found if metrics.count(metric) == 1}
        return [
            quota
            if quota.limit is not None
            else replace(quota, limit=read_number(named.get(metric)))
            for metric, quota in self.violations
        ]


def read_error_body(body: object) -> tuple[str, ErrorDetails]:
    """Return the message and the details of any error body: Google's, a proxy's or an empty one.

    Args:
        body: The body's JSON, or its text if it is not JSON.
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
    """Read the JSON form of an error's `details`; anything that is not Google's is ignored."""
    read = ErrorDetails()
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if isinstance(detail.get("reason"), str):
            read.reasons.add(detail["reason"])
        delay = read_seconds(detail.get("retryDelay"))
        known = [seconds for seconds in (read.retry_after, delay) if seconds is not None]
        read.retry_after = max(known, default=None)
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


def without_markup(text: str) -> str:
    """Return a web page's title or its first words; any other text on one line.

    Proxies answer with web pages, whose markup would fill the screen.
    """
    text = text[:_READ_OF_TEXT]
    if _PAGE.match(text) is None:
        return " ".join(text.split())
    title = _TITLE.search(text)
    words = text if title is None else title[1]
    shown = " ".join(html.unescape(_MARKUP.sub(" ", words)).split())
    return f"a web page, {shown[:_SHOWN_OF_PAGE]!r}" if shown else "a web page without text"


def _first(value: object) -> object:
    """Return the first element of a list: Vertex AI sends its error in a list of one."""
    return value[0] if isinstance(value, list) and value else value


def _words(value: object) -> str:
    return value if isinstance(value, str) else ""
