"""The only module that waits; a test passes a clock that only counts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """What the rest of the package knows of time."""

    def now(self) -> float:
        """Return seconds that never go backwards, from a start that means nothing."""
        ...

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for `seconds`, or until `cancelled` is set if that is sooner."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait for `seconds` and let the event loop go on; cancel the task to end it sooner."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return `time.monotonic()`."""
        return time.monotonic()

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for `seconds`, or until `cancelled` is set if that is sooner."""
        cancelled.wait(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait for `seconds` and let the event loop go on."""
        await asyncio.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
