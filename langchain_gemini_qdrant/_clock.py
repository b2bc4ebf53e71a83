"""The only module that waits; a test passes a clock that only counts."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError
from typing import Protocol


class AsyncClock(Protocol):
    """The time of shared operations: `SystemClock`, or a `BlockingClock` in sync use."""

    def now(self) -> float:
        """Return monotonic seconds since an arbitrary start."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class Clock(Protocol):
    """The time of the rest of the package."""

    def now(self) -> float:
        """Return monotonic seconds since an arbitrary start."""
        ...

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for `seconds`, or until `cancelled` is set if that is sooner."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait for `seconds` and let the event loop run; cancel the task to end it sooner."""
        ...


class SystemClock:
    """The clock of this machine."""

    now = staticmethod(time.monotonic)

    def sleep(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for `seconds`, or until `cancelled` is set if that is sooner."""
        cancelled.wait(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait for `seconds` and let the event loop run."""
        await asyncio.sleep(seconds)


class BlockingClock:
    """A clock for shared operations that run without an event loop; see `_runtime`.

    Args:
        clock: The clock that does the waiting.
        cancelled: Ends a wait as soon as it is set; None for waits that cannot be ended early.
    """

    def __init__(self, clock: Clock, cancelled: threading.Event | None = None) -> None:
        self.now = clock.now
        self._sleep = clock.sleep
        self._cancelled = threading.Event() if cancelled is None else cancelled

    async def asleep(self, seconds: float) -> None:
        """Block the thread for `seconds`.

        Raises:
            CancelledError: `cancelled` was set during the wait.
        """
        self._sleep(seconds, self._cancelled)
        if self._cancelled.is_set():
            raise CancelledError


SYSTEM_CLOCK: Clock = SystemClock()
