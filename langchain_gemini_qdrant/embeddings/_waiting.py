"""Waiting that can be seen: in the log, and by whoever shows the progress of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._logging import LOGGER

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant._clock import AsyncClock

_WORTH_SAYING = 2.0  # seconds; shorter ones are the steady pace of a quota that is kept to
_SAME = 1.0  # seconds by which the ends of waits differ that are one pause


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """What a call waits for.

    Attributes:
        seconds: How long it still waits, as far as is known.
        reason: What it waits for, such as `the quota`.
    """

    seconds: float
    reason: str

    def __str__(self) -> str:
        return f"waiting {self.seconds:.0f} s for {self.reason}"


class Waits:
    """The waits of one call, which may be several side by side.

    Args:
        model: In words to the user.
        clock: What waits.
    """

    def __init__(self, model: str, clock: AsyncClock) -> None:
        self.on_wait: Callable[[], None] | None = None
        self._model = model
        self._clock = clock
        self._until = -math.inf
        self._reason = ""

    async def wait(self, seconds: float, reason: str) -> None:
        """Wait, and say so if that is long and not said already of the same pause."""
        until = self._clock.now() + seconds
        if seconds >= _WORTH_SAYING and until > self._until + _SAME:
            self._until, self._reason = until, reason
            LOGGER.info("%s: %s", self._model, Waiting(seconds=seconds, reason=reason))
            if self.on_wait is not None:
                self.on_wait()
        await self._clock.asleep(seconds)

    @property
    def current(self) -> Waiting | None:
        """The wait that lasts longest, None if none does that is worth saying."""
        seconds = self._until - self._clock.now()
        return Waiting(seconds=seconds, reason=self._reason) if seconds > 0 else None
