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
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant._forks import MAKING, renew_lock_in_children
from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant.embeddings._quota import (
    BURST,
    MINUTE,
    OPTIONS,
    WINDOW,
    Quota,
    Reservation,
    Unit,
)
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST_WAIT = 0.01  # seconds; below it, rounding could make a caller spin
_GRACE = 1.0  # seconds for the longest waiting caller to wake up before others pass it
# A 429 right behind a pause that asks for this many seconds more: the pause was too short, which
# happens where a server cuts its delays. Twice in a row is no cut any more.
_CUT = 2.0
_MOST_CUTS = 2
_REQUESTS_A_MINUTE = 4  # at least, of several texts, where a limit of tokens holds
# Answers without a count, after which the tokens of a request are counted beforehand.
_COUNT_EVERY = 20


class Pause(NamedTuple):
    """What follows from a 429.

    Attributes:
        seconds: Until requests may go out again.
        was_too_short: The pause before this 429 ended too early, which is no failed attempt.
        lesson: What was learnt, in words for a log; empty if nothing was.
    """

    seconds: float
    was_too_short: bool
    lesson: str


class Limiter:
    """Spread the requests of all threads and event loops over the quota of one key and model.

    A text is one request in Google's count, also within a batch. In any `WINDOW` seconds at most
    one minute's quota goes out, `BURST` seconds' worth at once and then evenly; a single request
    that is bigger than this goes out alone. An unknown limit holds nothing back until a 429 names
    it or, without a body, makes us guess it. What 429s taught is doubted after some minutes: then
    the limit grows, until the next 429. A limit of the user's own wins over an earlier lesson.

    Args:
        model: The model it is for, in words to the user.
    """

    def __init__(self, model: str = "") -> None:
        self._model = model
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._window: deque[Reservation] = deque()
        self._texts = Quota("texts")
        self._tokens = Quota("tokens")
        self._true_tokens = self._estimated_tokens = 0.0  # fading sums
        self._uncounted = _COUNT_EVERY - 1  # answers since one whose tokens are known
        self._paused_until = self._slowed_at = -math.inf
        self._reminded_at = -math.inf
        self._pauses = 0  # since the last success
        self._cuts = 0  # pauses that were too short, since the last success
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
            for quota in (self._texts, self._tokens):
                value = named[OPTIONS[quota.unit]]
                learnt = None if value is None else quota.configure(value)
                if learnt is not None:
                    LOGGER.warning(
                        "%s: the API has named a limit of %s %s a minute; %s=%s, which is set now, "
                        "is kept to until the API refuses again",
                        self._model,
                        f"{learnt:,.0f}",
                        quota.unit,
                        OPTIONS[quota.unit],
                        f"{value:,.0f}",
                    )

    @property
    def limits(self) -> str:
        """The limits in force, as `300 texts and 30,000 tokens a minute`; empty for none."""
        with self._lock:
            known = [
                quota.amount for quota in (self._texts, self._tokens) if quota.limit is not None
            ]
        return f"{' and '.join(known)} a minute" if known else ""

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
            self._doubt(now)
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
            reservation = Reservation(
                granted=now,
                estimate=tokens,
                texts=0,
                tokens=0,
                after_pause=now - self._paused_until,
            )
            self._window.append(reservation)
            self._book(reservation, texts, booked, now)
            return reservation

    def settle(self, reservation: Reservation, *, tokens: int | None) -> None:
        """Take note of a success, and of its true token count unless that is None."""
        with self._lock:
            if tokens is not None:
                self._book(reservation, reservation.texts, tokens)
                self._learn_ratio(reservation.estimate, tokens)
            self._uncounted = 0 if tokens is not None else self._uncounted + 1
            reservation.answered = True
            if reservation.granted > self._slowed_at:  # else it went out before the last 429
                self._pauses = self._cuts = 0
                self._texts.grow(reservation.texts)
                self._tokens.grow(reservation.tokens)

    def fits(self, *, texts: int, tokens: int) -> bool:
        """Return whether a request of several texts is small enough for the limits that are known.

        One that is bigger than a limit would never be let through, and of tokens, which differ
        from batch to batch, several should fit into a minute.
        """
        with self._lock:
            most = self._texts.ceiling or math.inf
            room = self._tokens.ceiling or math.inf
            return texts <= most and tokens * self._ratio() <= room / _REQUESTS_A_MINUTE

    def wants_count(self) -> bool:
        """Return whether the tokens of a request should be counted beforehand, once each time.

        Some models report none in their answers. Only a limit of tokens needs to know them, and a
        sample is enough: see `calibrate`.
        """
        with self._lock:
            wanted = self._uncounted >= _COUNT_EVERY and self._tokens.limit is not None
            if wanted:
                self._uncounted = 0
            return wanted

    def calibrate(self, *, estimate: int, tokens: int) -> None:
        """Take note of the true token count of some texts."""
        with self._lock:
            self._learn_ratio(estimate, tokens)

    def release(self, reservation: Reservation) -> None:
        """Take back a request that never reached the API."""
        with self._lock:
            self._book(reservation, 0, 0)

    def rate_limited(
        self,
        now: float,
        *,
        retry_after: float | None,
        limits: Mapping[Unit, float | None],
        reservation: Reservation | None = None,
    ) -> Pause:
        """Pause everybody after a 429, and learn from it.

        Requests that were under way together are refused together: only the first of them lowers
        the limits and lengthens the pause.

        Args:
            now: Monotonic seconds.
            retry_after: Seconds that the server asked to wait; None: 1 s, doubled until a success.
            limits: The quotas that are used up, empty if the body names none: each with its value
                per minute (never a day's), None if the body does not say it.
            reservation: The refused request: it did not count against the quota.
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
            quotas = [q for q in (self._texts, self._tokens) if q.unit in limits or not limits]
            before = [quota.limit for quota in quotas]
            news = [q for q in quotas if (named := limits.get(q.unit)) and q.learn(named, now)]
            was_too_short = not news and self._was_too_short(retry_after, reservation)
            if is_first:
                self._cuts += was_too_short
                self._slowed_at = now
                if not was_too_short:
                    self._pauses += 1
                    self._learn(quotas, limits, now, retry_after=retry_after, is_news=bool(news))
            pause = min(2.0 ** min(max(self._pauses - 1, 0), 6), MINUTE)
            pause = pause if retry_after is None else max(retry_after, _SHORTEST_WAIT)
            self._paused_until = max(self._paused_until, now + pause)
            for quota in quotas:  # the server's bucket is empty, so after the pause no burst
                quota.clear_at = max(quota.clear_at, self._paused_until + BURST)
            lesson = ", ".join(
                f"{quota.amount} a minute ({'named by the API' if quota in news else 'a guess'})"
                for quota, was in zip(quotas, before, strict=True)
                if quota.limit is not None and quota.limit != was
            )
            return Pause(self._paused_until - now, was_too_short, lesson)

    def _was_too_short(self, retry_after: float | None, reservation: Reservation | None) -> bool:
        """Return whether a 429 asks for nothing but the rest of the pause before it."""
        if reservation is None or retry_after is None or retry_after > _CUT:
            return False
        return 0 <= reservation.after_pause <= _CUT and self._cuts < _MOST_CUTS

    def _learn(
        self,
        quotas: list[Quota],
        limits: Mapping[Unit, float | None],
        now: float,
        *,
        retry_after: float | None,
        is_news: bool,
    ) -> None:
        """Lower limits, unless the 429 only says that a count was a little off.

        The limit that we keep to and how long to wait: that alone puts such a count right. Again
        within a window, the limit itself is too high.
        """
        is_known = any(limits.values()) and retry_after is not None
        is_second = now - self._reminded_at <= WINDOW
        self._reminded_at = now
        if not is_news and (is_second or not is_known):
            self._lower(quotas, now)

    def _lower(self, quotas: list[Quota], now: float) -> None:
        """Lower the limits that are known; if none is, guess the first that can be guessed."""
        known = [quota for quota in quotas if quota.limit is not None]
        for quota in known or quotas:
            quota.lower(sum(getattr(t, quota.unit) for t in self._window if t.answered), now)
            if not known and quota.limit is not None:
                break

    def _doubt(self, now: float) -> None:
        """Let limits grow that were learnt long ago."""
        for quota in (self._texts, self._tokens):
            if quota.forget(now):
                LOGGER.info(
                    "%s: the limit of %s %s a minute was learnt some time ago; it is raised until "
                    "the API refuses again",
                    self._model,
                    f"{quota.limit:,.0f}",
                    quota.unit,
                )

    def _learn_ratio(self, estimate: int, tokens: int) -> None:
        self._true_tokens = 0.9 * self._true_tokens + tokens
        self._estimated_tokens = 0.9 * self._estimated_tokens + estimate

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
            limiter = self._by_account.get(key) or Limiter(model)
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
                return self._by_client.setdefault(client, {}).setdefault(model, Limiter(model))
        except TypeError:  # no weak references, or no hash: it cannot be told from a later one
            return Limiter(model)


LIMITERS = LimiterRegistry()
