"""When a request may go out, and when a refused one goes out again.

Pure but for its lock: it never waits and never reads a clock, callers pass `now`.

```python
since = clock.now()
while not isinstance(turn := limiter.try_acquire(clock.now(), ..., since=since), Reservation):
    clock.sleep(turn, cancelled)
```

Every reservation ends in one of four ways: `settle` (200), `rate_limited` (429), `release` (it
never reached the API) or nothing at all (any other answer: it counted against the quota).
"""

from __future__ import annotations

import hashlib
import math
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from langchain_gemini_qdrant._forks import MAKING, renew_lock_in_children
from langchain_gemini_qdrant.errors import ConfigurationError

Unit = Literal["texts", "tokens"]

MINUTE: Final = 60.0
WINDOW: Final = 61.0
"""Seconds in which at most one minute's quota goes out; 1 s is for requests that travel longer."""
BURST: Final = 6.0
"""Seconds of quota that may go out at once: a tenth of a minute, a server's bucket may be small."""
FREE_TIER: Final[dict[Unit, int]] = {"texts": 100, "tokens": 30_000}
"""The smallest quotas per minute that Google gives; a guess is never lower.

Source: Google AI Studio and 429 bodies, 2026; https://ai.google.dev/gemini-api/docs/rate-limits
"""

_SHORTEST_WAIT = 0.01  # seconds; below it, rounding could make a caller spin
_GRACE = 1.0  # seconds for the longest waiting caller to wake up before others pass it
_GAIN = 0.02  # what an accepted text adds to a lowered limit: 2 % a minute at full use


@dataclass(slots=True, eq=False, kw_only=True)
class Reservation:
    """Permission to send one request; owned by the limiter."""

    granted: float
    estimate: int
    texts: int
    tokens: int
    answered: bool = False
    expired: bool = False


@dataclass(slots=True, eq=False)
class _Quota:
    """The limit of one unit: who set it, how much of it is in force, how much of it is used."""

    unit: Unit
    configured: float | None = None
    server_limit: float | None = None
    limit: float | None = None
    gain: float = 1.0  # for a guess: doubles in a minute at first, a quarter of it after each 429
    sent: int = 0
    clear_at: float = -math.inf  # when all that went out is paid for at `limit` a minute

    @property
    def ceiling(self) -> float | None:
        return min((x for x in (self.configured, self.server_limit) if x is not None), default=None)

    def know(self, *, configured: float | None = None, server_limit: float | None = None) -> bool:
        """Take a limit that somebody named; return whether that changed anything."""
        before = self.ceiling
        self.configured = self.configured if configured is None else configured
        self.server_limit = self.server_limit if server_limit is None else server_limit
        if self.ceiling == before:
            return False
        self.limit = self.ceiling
        return True

    def cost(self, amount: float) -> float:
        """Return the seconds that `amount` takes at the limit, for an oversized one a minute."""
        return 0.0 if self.limit is None else min(amount / self.limit, 1.0) * MINUTE

    def wait(self, now: float, amount: int, window: deque[Reservation]) -> float:
        """Return the seconds until pace and window both let `amount` through."""
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

    def lower(self, accepted: int) -> None:
        """Answer a 429 that named no new limit; `accepted` went through in the last minute."""
        floor = FREE_TIER[self.unit]
        if self.limit is not None and self.ceiling is not None:
            self.limit = max(0.9 * self.limit, 0.1 * self.ceiling)
        elif self.limit is not None:
            self.limit = max(min(max(accepted, self.limit / 1.8), self.limit) * 0.9, floor)
            self.gain = max(self.gain / 4, _GAIN)
        elif accepted >= floor:  # less cannot have used up any quota: others did, or it is a day's
            self.limit = max(0.9 * accepted, floor)

    def grow(self, amount: int) -> None:
        """Win back what 429s took; only while the limit is used, as else nothing is proved."""
        if self.limit is None or self.sent <= self.limit / 2:
            return
        if self.ceiling is None:
            self.limit += self.gain * amount
        else:
            self.limit = min(self.limit + _GAIN * amount, self.ceiling)


class Limiter:
    """Spread the requests of all threads and event loops over the quota of one key and model.

    A text is one request in Google's count, also within a batch. In any `WINDOW` seconds at most
    one minute's quota goes out, `BURST` seconds' worth at once and then evenly; a single request
    that is bigger than this goes out alone. An unknown limit holds nothing back until a 429 names
    it or, without a body, makes us guess it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._window: deque[Reservation] = deque()
        self._texts = _Quota("texts")
        self._tokens = _Quota("tokens")
        self._true_tokens = self._estimated_tokens = 0.0  # fading sums
        self._paused_until = self._slowed_at = -math.inf
        self._reminded_at = -math.inf
        self._pauses = 0  # since the last success
        self._longest_waiting: tuple[float, float] | None = (
            None  # waits since, told to come back at
        )

    def configure(
        self, *, requests_per_minute: float | None, tokens_per_minute: float | None
    ) -> None:
        """Set what the user knows of the quota; None leaves a limit as it is.

        Raises:
            ConfigurationError: A limit is not a finite number above 0.
        """
        named = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
        for name, value in named.items():
            if value is not None and not 0 < value < math.inf:
                msg = f"{name} must be a finite number above 0, got {value!r}"
                raise ConfigurationError(msg)
        with self._lock:
            self._texts.know(configured=requests_per_minute)
            self._tokens.know(configured=tokens_per_minute)

    def try_acquire(
        self, now: float, *, texts: int, tokens: int, since: float | None = None
    ) -> Reservation | float:
        """Let a request out, or say when to ask again.

        Args:
            now: Monotonic seconds.
            texts: Texts in the request.
            tokens: Their tokens, estimated; what `settle` learnt is applied here.
            since: When the caller first asked. Small requests pass big ones that wait, until one
                has waited for a whole window: then it is next. None: the caller may be passed.

        Returns:
            A reservation, or the seconds (> 0) to wait before asking again.
        """
        since = now if since is None else since
        with self._lock:
            self._expire(now)
            booked = math.ceil(tokens * self._ratio())
            wait = max(
                self._paused_until - now,
                self._texts.wait(now, texts, self._window),
                self._tokens.wait(now, booked, self._window),
            )
            if self._longest_waiting is not None:
                began, back_at = self._longest_waiting
                if since > began and now <= back_at + _GRACE:
                    return max(wait, back_at - now, _SHORTEST_WAIT)
            self._longest_waiting = None
            if wait > 0:
                wait = max(wait, _SHORTEST_WAIT)
                if now - since > WINDOW:
                    self._longest_waiting = since, now + wait
                return wait
            reservation = Reservation(granted=now, estimate=tokens, texts=0, tokens=0)
            self._window.append(reservation)
            self._book(reservation, texts, booked, now)
            return reservation

    def settle(self, reservation: Reservation, *, tokens: int | None) -> None:
        """Take note of a success, and of its true token count unless that is None."""
        with self._lock:
            if tokens is not None:
                self._book(reservation, reservation.texts, tokens)
                self._true_tokens = 0.9 * self._true_tokens + tokens
                self._estimated_tokens = 0.9 * self._estimated_tokens + reservation.estimate
            reservation.answered = True
            if reservation.granted > self._slowed_at:  # else it went out before the last 429
                self._pauses = 0
                self._texts.grow(reservation.texts)
                self._tokens.grow(reservation.tokens)

    def release(self, reservation: Reservation) -> None:
        """Take back a request that never reached the API."""
        with self._lock:
            self._book(reservation, 0, 0)

    def rate_limited(
        self,
        now: float,
        *,
        retry_after: float | None,
        unit: Unit | None,
        limit: float | None,
        reservation: Reservation | None = None,
    ) -> float:
        """Pause everybody after a 429, and learn from it.

        Requests that were under way together are refused together: only the first of them lowers
        the limits and lengthens the pause.

        Args:
            now: Monotonic seconds.
            retry_after: Seconds that the server asked to wait; None: 1 s, doubled until a success.
            unit: The quota that is used up, None if the body does not say.
            limit: Its value per minute (never a day's), None if the body does not say.
            reservation: The refused request: it did not count against the quota.

        Returns:
            Seconds until the pause ends.
        """
        with self._lock:
            self._expire(now)
            is_first = (
                now >= self._paused_until
                if reservation is None
                else (reservation.granted > self._slowed_at)
            )
            if reservation is not None:
                self._book(reservation, 0, 0)
            quotas = [q for q in (self._texts, self._tokens) if unit in {q.unit, None}]
            is_news = bool(unit and limit and limit > 0 and quotas[0].know(server_limit=limit))
            if is_first:
                self._slowed_at = now
                self._pauses += 1
                # The limit we keep to, and how long to wait: that alone puts right a count that
                # was a little off. Again within a window, the limit itself is too high.
                is_known = bool(unit and limit and retry_after is not None)
                is_second = now - self._reminded_at <= WINDOW
                self._reminded_at = now
                if not is_news and (is_second or not is_known):
                    self._lower(quotas)
            pause = min(2.0 ** min(self._pauses - 1, 6), MINUTE)
            pause = pause if retry_after is None else max(retry_after, 0.0)
            self._paused_until = max(self._paused_until, now + pause)
            for quota in quotas:  # the server's bucket is empty, so after the pause no burst
                quota.clear_at = max(quota.clear_at, self._paused_until + BURST)
            return self._paused_until - now

    def _lower(self, quotas: list[_Quota]) -> None:
        """Lower the limits that are known; if none is, guess the first that can be guessed."""
        known = [quota for quota in quotas if quota.limit is not None]
        for quota in known or quotas:
            quota.lower(sum(getattr(t, quota.unit) for t in self._window if t.answered))
            if not known and quota.limit is not None:
                break

    def _ratio(self) -> float:
        """Return true tokens per estimated token."""
        if not self._true_tokens or not self._estimated_tokens:
            return 1.0
        return self._true_tokens / self._estimated_tokens

    def _expire(self, now: float) -> None:
        """Forget what went out before the window."""
        while self._window and self._window[0].granted + WINDOW <= now:
            reservation = self._window.popleft()
            reservation.expired = True
            self._texts.sent -= reservation.texts
            self._tokens.sent -= reservation.tokens

    def _book(
        self, reservation: Reservation, texts: int, tokens: int, now: float = -math.inf
    ) -> None:
        """Let a reservation count for this much, in the window and in the pace."""
        if reservation.expired:
            return
        for quota, old, new in (
            (self._texts, reservation.texts, texts),
            (self._tokens, reservation.tokens, tokens),
        ):
            quota.sent += new - old
            if quota.limit is not None:
                quota.clear_at = max(quota.clear_at, now) + quota.cost(new) - quota.cost(old)
        reservation.texts, reservation.tokens = texts, tokens


class LimiterRegistry:
    """The limiters of this process, one for each account and model.

    A limiter lives as long as any embeddings that use it. What those have learnt that were used
    last is kept beyond that, for applications that make an instance for each request.
    """

    def __init__(self, kept: int = 256) -> None:
        self._kept = kept
        self._by_account: weakref.WeakValueDictionary[tuple[str, str], Limiter] = (
            weakref.WeakValueDictionary()
        )
        self._by_client: weakref.WeakKeyDictionary[object, dict[str, Limiter]] = (
            weakref.WeakKeyDictionary()
        )
        self._last: dict[tuple[str, str], Limiter] = {}  # the oldest first

    def of_account(self, identity: str, model: str) -> Limiter:
        """Return the limiter of an API key or project (kept as its SHA-256) and model."""
        key = hashlib.sha256(identity.encode()).hexdigest(), model
        with MAKING:
            limiter = self._by_account.get(key) or Limiter()
            self._by_account[key] = limiter
            self._last.pop(key, None)
            self._last[key] = limiter
            if len(self._last) > self._kept:
                del self._last[next(iter(self._last))]
            return limiter

    def of_client(self, client: object, model: str) -> Limiter:
        """Return the limiter of a user's own client and model; it goes when the client goes."""
        try:
            with MAKING:
                return self._by_client.setdefault(client, {}).setdefault(model, Limiter())
        except TypeError:  # no weak references, or no hash: it cannot be told from a later one
            return Limiter()


LIMITERS = LimiterRegistry()
