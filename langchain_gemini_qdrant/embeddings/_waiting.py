"""Waiting that can be seen: in the log, and by whoever shows the progress of a run."""

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

_SAME = 1.0  # seconds by which the ends of waits differ that are one pause
_STEP = 1.0  # seconds of a long wait, between two looks at whether it is still to be waited
_EXACT = 10.0  # seconds; below, tenths are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What a run waits for.

    Attributes:
        seconds: How long it still waits, as far as is known.
        reason: What it waits for, such as `the quota: 300 texts a minute`.
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        """Return it as `waiting 38 s for the quota: 300 texts a minute`."""
        decimals = 0 if self.seconds >= _EXACT else 1
        return f"waiting {self.seconds:.{decimals}f} s for {self.reason}"


class Waits:
    """The waits of one call, which may be several side by side.

    Args:
        model: In words to the user.
        clock: What waits.
        is_over: Ends all waiting within a second once it returns True.

    Attributes:
        on_wait: Called as a long wait begins, and every second of it, by whatever thread waits.
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
        """Wait for room in the quota, a second of it if that is far away: limits may be raised.

        A short wait, or the rest of one told, is quiet.

        Args:
            seconds: Until there is room.
            limits: What is known of the quota, in words.
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
        """Wait for `seconds`, or a part of them if they are many; return how long."""
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
        """Let the caller know of a long wait, once a second."""
        now = self._clock.now()
        with self._lock:
            if self.on_wait is None or now < self._noted_at + _STEP:
                return
            self._noted_at = now
        self.on_wait()

    @property
    def current(self) -> Waiting | None:
        """The long wait that was told last, None if it is over."""
        seconds = self._until - self._clock.now()
        return Waiting(seconds=seconds, reason=self._reason) if seconds > 0 else None
