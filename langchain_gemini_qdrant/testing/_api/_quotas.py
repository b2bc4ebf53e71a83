"""Quotas: the texts and tokens that each model may still take.

Each text counts as one request, however many come in one batch. All keys belong to one project,
so they share the quotas. https://ai.google.dev/gemini-api/docs/rate-limits
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_gemini_qdrant.testing._api._quota_errors import Quota

_DAY = 24 * 60  # minutes
_DAY_DELAY = 0.75  # share of a minute: the API names 45 s, though waiting that long does not help
_NOISE = 1e-5  # seconds: the rounding error of sums of floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The quotas of each model; None for no limit.

    Attributes:
        window: Length of a quota minute, in seconds.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    requests_per_day: int | None = None
    window: float = 60.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "requests_per_day"):
            value = getattr(self, name)
            if value is not None and value < 0:
                message = f"{name} must be at least 0, or None for no limit, got {value!r}"
                raise ValueError(message)
        if not self.window > 0:
            message = f"quota_window must be more than 0 seconds, got {self.window!r}"
            raise ValueError(message)


class Excess(NamedTuple):
    """A quota that a request exceeds, and the seconds until the request fits."""

    quota: Quota
    limit: int
    retry_after: float


class _Use(NamedTuple):
    at: float
    requests: int
    tokens: int


@dataclass(slots=True)
class _Usage:
    """Use of one model in the last minute, oldest first, and since its day began."""

    minute: deque[_Use] = field(default_factory=deque)
    day_began: float = -math.inf
    requests_today: int = 0


class Quotas:
    """Counts the use of quotas; safe to use from several threads.

    Attributes:
        limits: Can be replaced at any time.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._first_limits = limits
        self._clock = clock
        self._usage: dict[str | None, _Usage] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Reset each model's use, and the limits to the initial ones."""
        with self._lock:
            self._usage.clear()
            self.limits = self._first_limits

    def take(self, model: str | None, requests: int, tokens: Callable[[], int]) -> Excess | None:
        """Take the quota for a request; if it exceeds one, take nothing and return that quota.

        `tokens` counts the tokens, and is called only if there is a token limit.
        """
        with self._lock:
            limits, now = self.limits, self._clock()
            used = self._usage.setdefault(model, _Usage())
            _forget(used, now, limits.window)
            use = _Use(now, requests, 0 if limits.tokens_per_minute is None else tokens())
            excess = _excess(used, use, limits)
            if excess is None:
                used.minute.append(use)
                used.requests_today += requests
            return excess


def _forget(used: _Usage, now: float, window: float) -> None:
    while used.minute and now - used.minute[0].at >= window - _NOISE:
        used.minute.popleft()
    if now - used.day_began >= _DAY * window - _NOISE:  # the day begins with its first request
        used.day_began, used.requests_today = now, 0


def _excess(used: _Usage, use: _Use, limits: Limits) -> Excess | None:
    day = limits.requests_per_day
    if day is not None and used.requests_today + use.requests > day:
        return Excess("requests_per_day", day, _DAY_DELAY * limits.window)
    found: list[Excess] = []
    if (limit := limits.requests_per_minute) is not None:
        uses = [(earlier.at, earlier.requests) for earlier in used.minute]
        delay = _delay(uses, use.requests, use.at, limit, limits.window)
        found.append(Excess("requests_per_minute", limit, delay))
    if (limit := limits.tokens_per_minute) is not None:
        uses = [(earlier.at, earlier.tokens) for earlier in used.minute]
        delay = _delay(uses, use.tokens, use.at, limit, limits.window)
        found.append(Excess("tokens_per_minute", limit, delay))
    longest = max(found, key=lambda excess: excess.retry_after, default=None)
    return longest if longest is not None and longest.retry_after else None


def _delay(
    uses: Iterable[tuple[float, int]], needed: int, now: float, limit: int, window: float
) -> float:
    """Return the seconds until the use fits, in whole milliseconds; a window if it never fits."""
    uses = list(uses)
    over = sum(amount for _, amount in uses) + needed - limit
    if over <= 0:
        return 0.0
    delay = window
    for at, amount in uses:
        over -= amount
        if over <= 0:
            delay = at + window - now
            break
    return max(1, math.ceil((delay - _NOISE / 2) * 1000)) / 1000
