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
_EXACT = 10.0  # seconds; below, tenths are shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What a run waits for.

    Attributes:
        seconds: How long it still waits, as far as is known.
        reason: What it waits for, such as `the quota`.
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        """Return it as `waiting 38 s for the quota`."""
        decimals = 0 if self.seconds >= _EXACT else 1
        return f"waiting {self.seconds:.{decimals}f} s for {self.reason}"


class Waits:
    """The waits of one call, which may be several side by side.

    Args:
        model: In words to the user.
        clock: What waits.

    Attributes:
        on_long_wait: Called as a long wait begins, by whatever thread waits.
    """

    def __init__(self, model: str, clock: AsyncClock) -> None:
        self.on_long_wait: Callable[[], None] | None = None
        self._model = model
        self._clock = clock
        self._lock = threading.Lock()
        renew_lock_in_children(self)
        self._until = -math.inf
        self._reason = ""

    async def for_quota(self, seconds: float) -> None:
        """Wait until the quota has room; a short wait, or the rest of one told, is quiet."""
        if seconds >= LONG_WAIT:
            self._tell(Waiting(seconds=seconds, reason="the quota"), once=True)
        await self._clock.asleep(seconds)

    async def for_retry(self, seconds: float, reason: str) -> None:
        """Wait before a request is sent again."""
        self._tell(Waiting(seconds=seconds, reason=reason), once=False)
        await self._clock.asleep(seconds)

    def _tell(self, waiting: Waiting, *, once: bool) -> None:
        until = self._clock.now() + waiting.seconds
        with self._lock:
            if once and until <= self._until + _SAME:
                return
            if waiting.seconds >= LONG_WAIT:
                self._until, self._reason = until, waiting.reason
                if self.on_long_wait is not None:
                    self.on_long_wait()
        LOGGER.info("%s: %s", self._model, waiting, extra={"waiting_s": waiting.seconds})

    @property
    def current(self) -> Waiting | None:
        """The long wait that was told last, None if it is over."""
        seconds = self._until - self._clock.now()
        return Waiting(seconds=seconds, reason=self._reason) if seconds > 0 else None
