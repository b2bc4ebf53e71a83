"""Decides when a request may be sent, and when a refused one may be sent again.

Apart from its lock it is pure: it never waits and never reads a clock; callers pass `now`.

```python
since = clock.now()
while not isinstance(turn := limiter.try_acquire(clock.now(), ..., since=since), Reservation):
    clock.sleep(turn, cancelled)
```

Every reservation ends in one of four ways: `settle` (200), `rate_limited` (429), `release` (the
request never reached the API), or no call (any other answer: it counted against the quota).
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

_SHORTEST_WAIT = 0.01  # seconds; with less, rounding could make a caller spin
_GRACE = 1.0  # seconds for the longest waiting caller to wake up before others pass it
# A 429 directly after a pause that asks for at most this many seconds more: the pause was too
# short, because the server truncates its delays. Twice in a row is no longer explained by that.
_CUT = 2.0
_MOST_CUTS = 2
_REQUESTS_A_MINUTE = 4  # at least, for requests of several texts under a limit of tokens
# Answers without a token count, after which the tokens of a request are counted in advance.
_COUNT_EVERY = 20


class Pause(NamedTuple):
    """The consequences of a 429.

    Attributes:
        seconds: Seconds until requests may be sent again.
        was_too_short: Whether the previous pause ended too early; then no attempt is counted.
        lesson: What was learned, in words for the log; empty if nothing was.
    """

    seconds: float
    was_too_short: bool
    lesson: str


class Limiter:
    """Spreads the requests of all threads and event loops over the quota of one key and model.

    Google counts each text as one request, also within a batch. In any `WINDOW` seconds at most one
    minute's quota is sent, `BURST` seconds' worth at once and then evenly. A single request that is
    larger than this is sent alone. An unknown limit delays nothing until a 429 reports it or, if
    its body does not, until it is guessed. A learned limit is tested after some minutes: it grows
    until the next 429. A limit that the user sets overrides a learned one.

    Args:
        model: Name of the model, for messages.
    """

    def __init__(self, model: str = "") -> None:
        self._model = model
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._window: deque[Reservation] = deque()
        self._texts = Quota("texts")
        self._tokens = Quota("tokens")
        self._true_tokens = self._estimated_tokens = 0.0  # fading sums
        self._uncounted = _COUNT_EVERY - 1  # answers since the last one with known tokens
        self._paused_until = self._slowed_at = -math.inf
        self._reminded_at = -math.inf
        self._pauses = 0  # since the last success
        self._cuts = 0  # pauses that were too short, since the last success
        self._longest_waiting: tuple[float, float] | None = None  # waiting since, told to return at

    def configure(
        self, *, requests_per_minute: float | None, tokens_per_minute: float | None
    ) -> None:
        """Set the limits that the user has configured; None leaves a limit unchanged.

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
                        "%s: the API reported a limit of %s %s a minute; %s=%s, which is set now, "
                        "overrides it until the API refuses again",
                        self._model,
                        f"{learnt:,.0f}",
                        quota.unit,
                        OPTIONS[quota.unit],
                        f"{value:,.0f}",
                    )

    @property
    def limits(self) -> str:
        """The current limits, such as `300 texts and 30,000 tokens a minute`; empty for none."""
        with self._lock:
            known = [
                quota.amount for quota in (self._texts, self._tokens) if quota.limit is not None
            ]
        return f"{' and '.join(known)} a minute" if known else ""

    def try_acquire(
        self,
        now: float,
        *,
        texts: int,
        tokens: int,
        media_tokens: int = 0,
        since: float | None = None,
    ) -> Reservation | float:
        """Admit a request, or return when to ask again.

        Args:
            now: Monotonic seconds.
            texts: Texts in the request.
            tokens: Their estimated tokens; they are corrected by what `settle` has learned.
            media_tokens: The tokens of media beside them, which need no correction.
            since: When the caller first asked. Small requests overtake large ones that wait, until
                a large one has waited for a whole window: then it is next. None: the caller may
                always be overtaken.

        Returns:
            A reservation, or the seconds (> 0) to wait before asking again.
        """
        since = now if since is None else since
        with self._lock:
            self._expire(now)
            self._doubt(now)
            booked = math.ceil(tokens * self._ratio()) + media_tokens
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
                media_tokens=media_tokens,
                texts=0,
                tokens=0,
                after_pause=now - self._paused_until,
            )
            self._window.append(reservation)
            self._book(reservation, texts, booked, now)
            return reservation

    def settle(self, reservation: Reservation, *, tokens: int | None) -> None:
        """Record a success, and its true token count unless that is None."""
        with self._lock:
            if tokens is not None:
                self._book(reservation, reservation.texts, tokens)
                if not reservation.media_tokens:
                    self._learn_ratio(reservation.estimate, tokens)
            self._uncounted = 0 if tokens is not None else self._uncounted + 1
            reservation.answered = True
            if reservation.granted > self._slowed_at:  # otherwise it was sent before the last 429
                self._pauses = self._cuts = 0
                self._texts.grow(reservation.texts)
                self._tokens.grow(reservation.tokens)

    def fits(self, *, texts: int, tokens: int, media_tokens: int = 0) -> bool:
        """Return whether a request of several texts is small enough for the known limits.

        A request over a limit would never be admitted. As batches differ in tokens, several should
        fit into a minute's tokens.
        """
        with self._lock:
            most = self._texts.ceiling or math.inf
            room = self._tokens.ceiling or math.inf
            booked = tokens * self._ratio() + media_tokens
            return texts <= most and booked <= room / _REQUESTS_A_MINUTE

    def wants_count(self) -> bool:
        """Return whether the tokens of the next request should be counted; then start again.

        Some models report no tokens in their answers. They are needed only for a limit of tokens,
        and a sample is enough: see `calibrate`.
        """
        with self._lock:
            wanted = self._uncounted >= _COUNT_EVERY and self._tokens.limit is not None
            if wanted:
                self._uncounted = 0
            return wanted

    def calibrate(self, *, estimate: int, tokens: int) -> None:
        """Record the true token count of some texts."""
        with self._lock:
            self._learn_ratio(estimate, tokens)

    def release(self, reservation: Reservation) -> None:
        """Cancel the reservation of a request that never reached the API."""
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
        """Pause all callers after a 429, and learn from it.

        Requests that were in flight together are refused together: only the first of them lowers
        the limits and lengthens the pause.

        Args:
            now: Monotonic seconds.
            retry_after: Seconds that the server asked to wait; None: 1 s, doubled until a success.
            limits: The quotas that are used up, empty if the body names none: each with its limit
                per minute (never per day), None if the body does not report it.
            reservation: The refused request, which did not count against the quota.
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
            for quota in quotas:  # the server's bucket is empty, so no burst follows the pause
                quota.clear_at = max(quota.clear_at, self._paused_until + BURST)
            lesson = ", ".join(
                f"{quota.amount} a minute ({'reported by the API' if quota in news else 'a guess'})"
                for quota, was in zip(quotas, before, strict=True)
                if quota.limit is not None and quota.limit != was
            )
            return Pause(self._paused_until - now, was_too_short, lesson)

    def _was_too_short(self, retry_after: float | None, reservation: Reservation | None) -> bool:
        """Return whether a 429 only asks for the rest of the pause before it."""
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
        """Lower limits, unless the 429 only shows that a count was slightly off.

        It does if it reports the limit that is in force, and a delay: waiting corrects the count.
        If it happens again within a window, the limit itself is too high.
        """
        is_known = any(limits.values()) and retry_after is not None
        is_second = now - self._reminded_at <= WINDOW
        self._reminded_at = now
        if not is_news and (is_second or not is_known):
            self._lower(quotas, now)

    def _lower(self, quotas: list[Quota], now: float) -> None:
        """Lower the known limits; if there are none, guess the first that can be guessed."""
        known = [quota for quota in quotas if quota.limit is not None]
        for quota in known or quotas:
            quota.lower(sum(getattr(t, quota.unit) for t in self._window if t.answered), now)
            if not known and quota.limit is not None:
                break

    def _doubt(self, now: float) -> None:
        """Raise limits that were learned long ago."""
        for quota in (self._texts, self._tokens):
            if quota.forget(now):
                LOGGER.info(
                    "%s: the limit of %s %s a minute was learned some time ago; it is raised until "
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
        """Forget what was sent before the window."""
        while self._window and self._window[0].granted + WINDOW <= now:
            reservation = self._window.popleft()
            reservation.expired = True
            self._texts.sent -= reservation.texts
            self._tokens.sent -= reservation.tokens

    def _book(
        self, reservation: Reservation, texts: int, tokens: int, now: float = -math.inf
    ) -> None:
        """Set how much a reservation counts, in the window and in the pace."""
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

    A limiter exists as long as any embeddings that use it. The limiters used last are kept longer,
    for applications that make an instance for each request.
    """

    def __init__(self, kept: int = 256) -> None:
        self._kept = kept
        self._by_account: weakref.WeakValueDictionary[tuple[str, str], Limiter] = (
            weakref.WeakValueDictionary()
        )
        self._by_client: weakref.WeakKeyDictionary[object, dict[str, Limiter]] = (
            weakref.WeakKeyDictionary()
        )
        self._last: dict[tuple[str, str], Limiter] = {}  # oldest first

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
        """Return the limiter of a user's client and a model; it is dropped with the client."""
        try:
            with MAKING:
                return self._by_client.setdefault(client, {}).setdefault(model, Limiter(model))
        except TypeError:  # no weak references or hash: a later client could be mistaken for it
            return Limiter(model)


LIMITERS = LimiterRegistry()
