"""One quota per minute: where its limit came from, how much is used, what 429s showed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from langchain_gemini_qdrant._words import counted

if TYPE_CHECKING:
    from collections import deque

Unit = Literal["texts", "tokens"]

OPTIONS: Final[dict[Unit, str]] = {"texts": "requests_per_minute", "tokens": "tokens_per_minute"}
"""The options of `GeminiEmbeddings` that set each unit's limit."""

MINUTE: Final = 60.0
WINDOW: Final = 61.0
"""Seconds in which at most one minute's quota is sent; 1 s is a margin for network delays."""
BURST: Final = 6.0
"""Seconds of quota that may be sent at once: a tenth of a minute, as buckets may be small."""
FREE_TIER: Final[dict[Unit, int]] = {"texts": 100, "tokens": 30_000}
"""The smallest quotas per minute that Google grants; a guess is never lower.

Source: Google AI Studio and 429 bodies, 2026; https://ai.google.dev/gemini-api/docs/rate-limits
"""

_GAIN = 0.02  # share by which a lowered limit grows: 2 % a minute at full use
# Seconds after which a learned limit is tested; they double each time it proves right.
_FIRST_DOUBT = 600.0
_LAST_DOUBT = 3600.0


@dataclass(slots=True, eq=False, kw_only=True)
class Reservation:
    """Permission to send one request; owned by the limiter."""

    granted: float
    estimate: int
    media_tokens: int
    texts: int
    tokens: int
    after_pause: float = math.inf  # seconds from the end of the last pause to `granted`
    answered: bool = False
    expired: bool = False


@dataclass(slots=True, eq=False)
class Quota:
    """The limit of one unit: its source, its current value and its use."""

    unit: Unit
    configured: float | None = None
    server_limit: float | None = None
    limit: float | None = None
    gain: float = 1.0  # for a guess: doubles in a minute at first, a quarter of it after each 429
    doubted_at: float = math.inf  # when the last learned limit is to be tested
    doubt: float = _FIRST_DOUBT  # seconds from learning a limit to its test
    sent: int = 0
    clear_at: float = -math.inf  # when everything sent so far is paid for at `limit` a minute

    @property
    def ceiling(self) -> float | None:
        return min((x for x in (self.configured, self.server_limit) if x is not None), default=None)

    @property
    def amount(self) -> str:
        """The limit in words, such as `300 texts`."""
        return counted(round(self.limit or 0), self.unit.removesuffix("s"))

    def configure(self, value: float) -> float | None:
        """Set the user's limit; return the server's limit that it overrides, if any."""
        if value == self.configured:
            return None
        self.configured, put_aside = value, self.server_limit
        self.server_limit, self.limit, self.doubted_at = None, value, math.inf
        self.clear_at = -math.inf  # of the old limit; the window enforces the new one
        return put_aside if put_aside is not None and put_aside < value else None

    def learn(self, server_limit: float, now: float) -> bool:
        """Set the limit that a 429 reported; return whether that changed anything."""
        before, self.server_limit = self.ceiling, server_limit
        is_news = self.ceiling != before or self.limit is None
        if is_news:
            self.limit, self.gain = self.ceiling, _GAIN
        if server_limit == self.ceiling:
            self.doubted_at = now + self.doubt
        return is_news

    def forget(self, now: float) -> bool:
        """Start to test a learned limit if it is time; return whether it is."""
        if now < self.doubted_at:
            return False
        if self.limit == self.configured:  # it has grown back
            self.doubted_at = math.inf
            return False
        self.server_limit, self.gain, self.doubted_at = None, 1.0, math.inf
        self.doubt = min(2 * self.doubt, _LAST_DOUBT)
        return True

    def cost(self, amount: float) -> float:
        """Return the seconds that `amount` takes at the limit, at most a minute."""
        return 0.0 if self.limit is None else min(amount / self.limit, 1.0) * MINUTE

    def wait(self, now: float, amount: int, window: deque[Reservation]) -> float:
        """Return the seconds until both pace and window admit `amount`."""
        if self.limit is None:
            return 0.0
        cost = self.cost(amount)
        wait = max(self.clear_at - now, 0.0) + cost - max(BURST, cost)
        excess = self.sent + amount - max(self.limit, amount)
        for reservation in window:
            if excess <= 0:
                break
            excess -= getattr(reservation, self.unit)
            wait = max(wait, reservation.granted + WINDOW - now)
        return wait

    def lower(self, accepted: int, now: float) -> None:
        """React to a 429 that reported no new limit; `accepted` were sent in the last minute."""
        floor = FREE_TIER[self.unit]
        if self.limit is not None and self.ceiling is not None:
            self.limit = max(0.9 * self.limit, 0.1 * self.ceiling)
            self.gain = _GAIN
        elif self.limit is not None:
            self.limit = max(min(max(accepted, self.limit / 1.8), self.limit) * 0.9, floor)
            self.gain = max(self.gain / 4, _GAIN)
        elif accepted >= floor:  # less cannot exhaust a quota: others did, or it is a daily one
            self.limit = max(0.9 * accepted, floor)
        if self.limit is not None:
            self.doubted_at = now + self.doubt

    def grow(self, amount: int) -> None:
        """Raise a lowered limit; only while it is used, as otherwise nothing is proved."""
        if self.limit is None or self.sent <= self.limit / 2:
            return
        grown = self.limit + self.gain * amount
        self.limit = grown if self.ceiling is None else min(grown, self.ceiling)
