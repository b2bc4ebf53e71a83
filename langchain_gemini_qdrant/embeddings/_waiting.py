"""Waits that are reported in the log and in the progress of a run."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._forks import renew_lock_in_children
from langchain_gemini_qdrant._logging import LOGGER, LONG_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant._clock import AsyncClock

_SAME = 1.0  # seconds; waits whose ends differ by less belong to one pause
_STEP = 1.0  # seconds between two checks of whether a long wait is still necessary
_EXACT = 10.0  # seconds; tenths are shown for shorter waits


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A wait of a run: for a quota or before a retry.

    Attributes:
        seconds: The remaining seconds, as far as they are known.
        reason: What the run waits for, such as `the quota: 300 texts a minute`.
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        """Return a text such as `waiting 38 s for the quota: 300 texts a minute`."""
        decimals = 0 if self.seconds >= _EXACT else 1
        return f"waiting {self.seconds:.{decimals}f} s for {self.reason}"


class Waits:
    """The waits of one call; several may be concurrent.

    Args:
        model: The model's name, for messages.
        clock: The clock that does the waiting.
        is_over: All waits end within a second once it returns True.

    Attributes:
        on_wait: Called when a long wait begins and then every second, in the thread that waits.
    """

    def __init__(
        self, model: str, clock: AsyncClock, is_over: Callable[[], bool] = lambda: False
    ) -> None:
        self.on_wait: Callable[[], None] | None = None
        self._model = model
        self._clock = clock
        self._is_over = is_over
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._until = self._noted_at = -math.inf
        self._reason = ""

    async def for_quota(self, seconds: float, limits: str = "") -> None:
        """Wait for the quota; a long wait returns after a second, as limits may have been raised.

        A short wait, or the rest of a wait that was reported, is not reported.

        Args:
            seconds: Seconds until the quota admits the request.
            limits: The known limits, in words.
        """
        if seconds >= LONG_WAIT:
            reason = f"the quota: {limits}" if limits else "the quota"
            self._tell(Waiting(seconds=seconds, reason=reason), once=True)
        await self._wait(seconds)

    async def for_retry(self, seconds: float, reason: str) -> None:
        """Wait before a request is sent again."""
        self._tell(Waiting(seconds=seconds, reason=reason), once=False)
        while seconds > 0 and not self._is_over():
            seconds -= await self._wait(seconds)

    async def _wait(self, seconds: float) -> float:
        """Wait for `seconds`, or for one step of a long wait; return the seconds waited."""
        step = seconds if seconds < LONG_WAIT else _STEP
        await self._clock.asleep(step)
        if self.current is not None:
            self._note()
        return step

    def _tell(self, waiting: Waiting, *, once: bool) -> None:
        until = self._clock.now() + waiting.seconds
        with self._lock:
            if once and until <= self._until + _SAME:
                return
            is_long = waiting.seconds >= LONG_WAIT
            if is_long:
                self._until, self._reason, self._noted_at = until, waiting.reason, -math.inf
        if is_long:
            self._note()
        LOGGER.info("%s: %s", self._model, waiting, extra={"waiting": waiting})

    def _note(self) -> None:
        """Report a long wait to the caller, once a second."""
        now = self._clock.now()
        with self._lock:
            if self.on_wait is None or now < self._noted_at + _STEP:
                return
            self._noted_at = now
        self.on_wait()

    @property
    def current(self) -> Waiting | None:
        """The long wait that was reported last, None if it is over."""
        seconds = self._until - self._clock.now()
        return Waiting(seconds=seconds, reason=self._reason) if seconds > 0 else None
