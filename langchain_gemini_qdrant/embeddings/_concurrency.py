"""Run operations concurrently, in threads or in tasks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from langchain_gemini_qdrant._runtime import run

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """A running operation: a `concurrent.futures.Future` or an `asyncio.Task`."""

    def done(self) -> bool:
        """Return whether it has ended."""
        ...

    def result(self) -> T_co:
        """Return what it returned or raise what it raised, once it has ended."""
        ...


class Signal(Pending[None], Protocol):
    """A pending object that ends when its result is set."""

    def set_result(self, result: None) -> None:
        """End it."""
        ...


class SideBySide(Protocol):
    """Runs operations concurrently, in the order in which they are started."""

    def start(self, operation: Callable[..., Coroutine[Any, Any, T]], *args: object) -> Pending[T]:
        """Run `operation(*args)` as soon as a slot is free."""
        ...

    async def wait_any(self, pendings: Sequence[Pending[Any]]) -> None:
        """Wait until at least one has ended."""
        ...

    def signal(self) -> Signal:
        """Return a new signal, which `wait_any` accepts like an operation."""
        ...

    async def aclose(self) -> None:
        """End all waiting, drop operations that have not begun, and wait for the running ones."""
        ...


class Threads:
    """Runs operations over blocking objects, each in a thread.

    Args:
        max_concurrency: Number of threads.
        cancelled: An event that is set on closing; it ends the waits of clocks that were given it.
    """

    def __init__(self, max_concurrency: int, cancelled: threading.Event | None = None) -> None:
        self._cancelled = threading.Event() if cancelled is None else cancelled
        self._pool = concurrent.futures.ThreadPoolExecutor(
            max_concurrency, thread_name_prefix="gemini-embeddings"
        )

    def start(
        self, operation: Callable[..., Coroutine[Any, Any, T]], *args: object
    ) -> concurrent.futures.Future[T]:
        """Run `operation(*args)` as soon as a thread is free."""
        return self._pool.submit(_run, operation, args)

    async def wait_any(self, pendings: Sequence[Pending[Any]]) -> None:
        """Block until at least one has ended."""
        futures: Any = pendings
        if any(future.done() for future in futures):
            return  # `wait` never returns for one that was cancelled before it began
        concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_COMPLETED)

    def signal(self) -> Signal:
        """Return a new signal; any thread may end it."""
        return concurrent.futures.Future()

    def close(self) -> None:
        """Start no more operations and wait until none uses the connections."""
        self._cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def aclose(self) -> None:
        """Close, as `close` does."""
        self.close()


class Tasks:
    """Runs operations in tasks of the running event loop."""

    def __init__(self, max_concurrency: int) -> None:
        self._room = asyncio.Semaphore(max_concurrency)
        self._running: set[asyncio.Task[Any]] = set()

    def start(
        self, operation: Callable[..., Coroutine[Any, Any, T]], *args: object
    ) -> asyncio.Task[T]:
        """Run `operation(*args)` as soon as a slot is free."""
        task = asyncio.create_task(self._run(operation, args))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(
        self, operation: Callable[..., Coroutine[Any, Any, T]], args: tuple[object, ...]
    ) -> T:
        async with self._room:
            return await operation(*args)

    async def wait_any(self, pendings: Sequence[Pending[Any]]) -> None:
        """Let the event loop run until at least one operation has ended."""
        tasks: Any = pendings
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    def signal(self) -> Signal:
        """Return a new signal of the running event loop."""
        return asyncio.get_running_loop().create_future()

    async def aclose(self) -> None:
        """Cancel the operations and wait until they have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _run(operation: Callable[..., Coroutine[Any, Any, T]], args: tuple[object, ...]) -> T:
    return run(operation(*args))


async def wait_in_thread(future: concurrent.futures.Future[None], seconds: float) -> None:
    """Block until a future has ended, or for some seconds; `wait_in_loop` without an event loop."""
    concurrent.futures.wait([future], timeout=seconds)


async def wait_in_loop(future: concurrent.futures.Future[None], seconds: float) -> None:
    """Let the event loop run until a future of any thread has ended, or for some seconds."""
    await asyncio.wait([asyncio.wrap_future(future)], timeout=seconds)
