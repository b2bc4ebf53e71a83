"""The script of faults and wrong answers for the next requests."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from langchain_gemini_qdrant.testing._api._errors import (
    RATE_LIMITS_URL,
    SERVICE,
    TYPE_URL,
    ApiError,
    error_info,
    retry_info,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_gemini_qdrant.testing._api._errors import Detail
    from langchain_gemini_qdrant.testing._api._records import RecordedText

Quota = Literal["requests_per_minute", "requests_per_day", "tokens_per_minute"]
WrongAnswer = Literal[
    "short",
    "long",
    "empty",
    "no-values",
    "nan",
    "size",
    "not-json",
    "cut",
    "reset",
    "disconnect",
    "slow",
    "hang",
]
ERROR_STATUSES = range(400, 600)

# quota -> (metric, id, limit) of the free tier.
_QUOTAS: dict[Quota, tuple[str, str, int]] = {
    "requests_per_minute": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier",
        100,
    ),
    "requests_per_day": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier",
        1000,
    ),
    "tokens_per_minute": (
        "embed_content_free_tier_input_token_count",
        "EmbedContentInputTokensPerMinutePerUserPerProjectPerModel-FreeTier",
        30000,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An error to answer with; None stands for what the API says by default."""

    status: int
    message: str | None = None
    retry_after: float | None = None
    quota: Quota | None = None
    reason: str | None = None
    headers: Mapping[str, str] | None = None
    body: bytes | None = None

    def error(self, model: str) -> ApiError:
        """The answer to a request for `model`, under its name in quota errors."""
        if self.quota is not None:
            error = quota_error(self.quota, model, retry_after=self.retry_after)
            return ApiError(
                self.status,
                self.message or error.message,
                details=error.details,
                headers=self.headers,
                raw=self.body,
            )
        details: list[Detail] = []
        if self.reason is not None:
            details.append(error_info(self.reason))
        if self.retry_after is not None:
            details.append(retry_info(self.retry_after))
        return ApiError(
            self.status, self.message, details=details, headers=self.headers, raw=self.body
        )


def quota_error(
    quota: Quota, model: str, *, retry_after: float | None, limit: int | None = None
) -> ApiError:
    """429 in the words of the API, with the violated quota among its details.

    Args:
        quota: The quota that is used up.
        model: The model's name in quota errors.
        retry_after: Seconds to wait; None leaves the delay out.
        limit: What the quota allows; None for what the free tier has.
    """
    metric, quota_id, free_limit = _QUOTAS[quota]
    limit = free_limit if limit is None else limit
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more "
        f"information on this error, head to: {RATE_LIMITS_URL}. To monitor your current usage, "
        "head to: https://ai.dev/rate-limit. "
        f"\n* Quota exceeded for metric: {SERVICE}/{metric}, limit: {limit}, model: {model}"
    )
    violation = {
        "quotaMetric": f"{SERVICE}/{metric}",
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    link = {"description": "Learn more about Gemini API quotas", "url": RATE_LIMITS_URL}
    details: list[Detail] = [
        {"@type": f"{TYPE_URL}Help", "links": [link]},
        {"@type": f"{TYPE_URL}QuotaFailure", "violations": [violation]},
    ]
    if retry_after is not None:
        message += f"\nPlease retry in {retry_after:g}s."
        details.append(retry_info(retry_after))
    return ApiError(429, message, details=details)


@dataclass(frozen=True, slots=True)
class Act:
    """What happens to a request: an error, or an answer that is wrong.

    Attributes:
        delay: Seconds that it waits, beyond the latency.
    """

    what: Fault | WrongAnswer
    delay: float = 0.0


@dataclass(kw_only=True, slots=True)
class _Step:
    act: Act
    times: int | None
    containing: str | None

    def concerns(self, texts: Sequence[RecordedText]) -> bool:
        containing = self.containing
        return containing is None or any(containing in text.text for text in texts)


class _Chance:
    """Acts by chance; each request takes two numbers, whatever becomes of it."""

    def __init__(
        self, rate: float, seed: int, kinds: Sequence[int | WrongAnswer], delay: float
    ) -> None:
        if not 0 <= rate <= 1:
            message = f"rate must be in 0..1, got {rate!r}"
            raise ValueError(message)
        if isinstance(kinds, str) or not kinds:
            message = f"kinds must be a non-empty sequence, such as [503, 'short'], got {kinds!r}"
            raise ValueError(message)
        for kind in kinds:
            if kind not in ERROR_STATUSES and kind not in get_args(WrongAnswer):
                message = f"kinds must hold statuses in 400..599 and wrong answers, got {kind!r}"
                raise ValueError(message)
        self._rate = rate
        self._acts = [
            Act(Fault(status=kind))
            if isinstance(kind, int)
            else Act(kind, delay if kind == "slow" else 0.0)
            for kind in kinds
        ]
        self._random = random.Random(seed)  # noqa: S311  it keeps no secret

    def draw(self) -> Act | None:
        hit, which = self._random.random(), self._random.random()
        return self._acts[int(which * len(self._acts))] if hit < self._rate else None


class Script:
    """Steps that requests use up, oldest first, then chance; safe to use from several threads."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._chance: _Chance | None = None
        self._lock = threading.Lock()

    def add(self, act: Act, *, times: int | None, containing: str | None) -> None:
        if times is not None and times < 1:
            message = f"times must be at least 1, or None for every request, got {times}"
            raise ValueError(message)
        with self._lock:
            self._steps.append(_Step(act=act, times=times, containing=containing))

    def misbehave(
        self, rate: float, *, seed: int, kinds: Sequence[int | WrongAnswer], delay: float = 0.0
    ) -> None:
        with self._lock:
            self._chance = _Chance(rate, seed, kinds, delay)

    def take(self, texts: Sequence[RecordedText]) -> Act | None:
        """Use up one step for a request with these texts."""
        with self._lock:
            for step in self._steps:
                if not step.concerns(texts):
                    continue
                if step.times is not None:
                    step.times -= 1
                    if step.times == 0:
                        self._steps.remove(step)
                return step.act
            return self._chance.draw() if texts and self._chance else None

    def clear(self) -> None:
        with self._lock:
            self._steps.clear()
            self._chance = None
