"""The objects that a call awaits: asynchronous ones, and blocking ones for sync calls."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_gemini_qdrant._clock import BlockingClock
from langchain_gemini_qdrant._runtime import Blocking
from langchain_gemini_qdrant.embeddings._concurrency import Threads, wait_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from langchain_core.rate_limiters import BaseRateLimiter
    from langchain_core.stores import ByteStore

    from langchain_gemini_qdrant._clock import AsyncClock, Clock
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend
    from langchain_gemini_qdrant.embeddings._concurrency import SideBySide
    from langchain_gemini_qdrant.embeddings._uploads import Files

T = TypeVar("T")

POLL = 0.01
"""Seconds between two requests to the user's rate limiter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The objects that a call awaits: asynchronous ones, or blocking ones with the same methods.

    Attributes:
        backend: A `Backend`, of which the asynchronous methods are called.
        cache: A LangChain `ByteStore`, used in the same way; None for no cache.
        rate_limiter: A LangChain rate limiter, used in the same way; None for none.
        files: Sends large media through the Files API.
        apart: Calls a function that reads files: in a thread, or here if all calls block.
        side_by_side: Makes a runner for the given number of concurrent batches.
    """

    backend: Any
    clock: AsyncClock
    cache: Any
    rate_limiter: Any
    files: Files
    apart: Callable[..., Awaitable[Any]]
    side_by_side: Callable[[int], SideBySide]


class BlockingRateLimiter:
    """A LangChain rate limiter for operations without an event loop."""

    def __init__(self, limiter: BaseRateLimiter, cancelled: threading.Event) -> None:
        self._limiter = limiter
        self._cancelled = cancelled

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """Block until a text may be sent; if not `blocking`, return whether it may.

        Raises:
            CancelledError: The call has ended.
        """
        while True:
            if self._cancelled.is_set():
                raise CancelledError
            admitted = self._limiter.acquire(blocking=False)
            if admitted or not blocking:
                return admitted
            self._cancelled.wait(POLL)


def blocking_services(
    backend: Backend,
    clock: Clock,
    cache: ByteStore | None,
    rate_limiter: BaseRateLimiter | None,
    files: Files,
) -> Services:
    """Return the services of sync calls; closing their `side_by_side` ends all waits."""
    cancelled = threading.Event()
    return Services(
        backend=Blocking(backend, "a"),
        clock=BlockingClock(clock, cancelled),
        cache=None if cache is None else Blocking(cache, "a"),
        rate_limiter=None if rate_limiter is None else BlockingRateLimiter(rate_limiter, cancelled),
        files=replace(
            files,
            api=files.api and Blocking(files.api, "a"),
            wait=wait_in_thread,
            cancelled=cancelled,
        ),
        apart=_at_once,
        side_by_side=partial(Threads, cancelled=cancelled),
    )


async def _at_once(function: Callable[..., T], *args: object) -> T:
    return function(*args)
