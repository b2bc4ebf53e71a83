"""Carry out the steps of many batches, in threads or in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_gemini_qdrant.embeddings._send import (
    AskLeave,
    Count,
    Load,
    Prepare,
    Save,
    Send,
    Step,
    Wait,
)
from langchain_gemini_qdrant.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable
    from concurrent.futures import Future

    from langchain_core.rate_limiters import BaseRateLimiter
    from langchain_core.stores import ByteStore

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome(Generic[T]):
    """What a job came to: a value, or an error of the API's."""

    value: T | None = None
    error: EmbeddingError | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # one of both is set


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What steps are carried out with."""

    backend: Backend
    clock: Clock
    cache: ByteStore | None
    rate_limiter: BaseRateLimiter | None

    def execute(self, step: Step, cancelled: threading.Event) -> Any:  # noqa: ANN401 - by step
        """Carry out one step and wait for it."""
        match step:
            case Prepare():
                self.backend.prepare()
            case Send():
                return self.backend.embed(step.request)
            case Wait():
                self.clock.sleep(step.seconds, cancelled)
                if cancelled.is_set():
                    raise CancelledError
            case Count():
                return self.backend.count_tokens(step.model, step.text)
            case Load() if self.cache is not None:
                return self.cache.mget(step.keys)
            case Save() if self.cache is not None:
                self.cache.mset(step.pairs)
            case AskLeave() if self.rate_limiter is not None:
                _ask_leave(self.rate_limiter, step.texts, cancelled)
        return None

    async def aexecute(self, step: Step) -> Any:  # noqa: ANN401 - by step
        """Carry out one step without blocking the event loop."""
        match step:
            case Prepare():
                await self.backend.aprepare()
            case Send():
                return await self.backend.aembed(step.request)
            case Wait():
                await self.clock.asleep(step.seconds)
            case Count():
                return await self.backend.acount_tokens(step.model, step.text)
            case Load() if self.cache is not None:
                return await self.cache.amget(step.keys)
            case Save() if self.cache is not None:
                await self.cache.amset(step.pairs)
            case AskLeave() if self.rate_limiter is not None:
                for _ in range(step.texts):
                    await self.rate_limiter.aacquire()
        return None


def _ask_leave(limiter: BaseRateLimiter, texts: int, cancelled: threading.Event) -> None:
    for _ in range(texts):
        if cancelled.is_set():
            raise CancelledError
        limiter.acquire()


def _run(tools: Tools, job: Generator[Step, Any, T], cancelled: threading.Event) -> Outcome[T]:
    try:
        step = next(job)
        while True:
            try:
                result = tools.execute(step, cancelled)
            except EmbeddingError as error:
                step = job.throw(error)
            else:
                step = job.send(result)
    except StopIteration as stop:
        return Outcome(value=stop.value)
    except EmbeddingError as error:
        return Outcome(error=error)


async def _arun(tools: Tools, job: Generator[Step, Any, T]) -> Outcome[T]:
    try:
        step = next(job)
        while True:
            try:
                result = await tools.aexecute(step)
            except EmbeddingError as error:
                step = job.throw(error)
            else:
                step = job.send(result)
    except StopIteration as stop:
        return Outcome(value=stop.value)
    except EmbeddingError as error:
        return Outcome(error=error)


class Threads:
    """Jobs side by side, in threads; `close` ends their waiting and waits for their requests."""

    def __init__(self, tools: Tools, max_concurrency: int) -> None:
        self._tools = tools
        self._cancelled = threading.Event()
        self._pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="gemini-embeddings")

    def start(self, job: Generator[Step, Any, T]) -> Future[Outcome[T]]:
        """Have a job done as soon as a thread is free."""
        return self._pool.submit(_run, self._tools, job, self._cancelled)

    def close(self) -> None:
        """Start no more jobs; afterwards nobody uses the connections any more."""
        self._cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


class Tasks:
    """Jobs side by side, in tasks of the running event loop; `aclose` cancels what is under way."""

    def __init__(self, tools: Tools, max_concurrency: int) -> None:
        self._tools = tools
        self._room = asyncio.Semaphore(max_concurrency)
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, job: Generator[Step, Any, T]) -> asyncio.Task[Outcome[T]]:
        """Have a job done as soon as there is room."""
        task = asyncio.create_task(self._run(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _run(self, job: Generator[Step, Any, T]) -> Outcome[T]:
        async with self._room:
            return await _arun(self._tools, job)

    async def aclose(self) -> None:
        """Cancel the jobs and wait until they have ended."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def run_in_threads(
    tools: Tools,
    jobs: Iterable[Generator[Step, Any, T]],
    *,
    max_concurrency: int,
    max_waiting: int | None,
) -> Generator[Outcome[T], None, None]:
    """Run jobs side by side and yield their outcomes in order, as they come.

    Args:
        tools: For their steps.
        jobs: Taken one by one, when there is room.
        max_concurrency: Jobs that run at a time; 1 runs them here, without a thread.
        max_waiting: Jobs taken and not yet yielded, which bounds memory; None for all at once.
    """
    if max_concurrency == 1:
        for job in jobs:
            yield _run(tools, job, threading.Event())
        return
    running: deque[Future[Outcome[T]]] = deque()
    with closing(Threads(tools, max_concurrency)) as threads:
        for job in jobs:
            running.append(threads.start(job))
            if max_waiting is not None and len(running) >= max_waiting:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


async def run_in_tasks(
    tools: Tools,
    jobs: AsyncIterator[Generator[Step, Any, T]],
    *,
    max_concurrency: int,
    max_waiting: int | None,
) -> AsyncGenerator[Outcome[T], None]:
    """Run jobs side by side and yield their outcomes in order; see `run_in_threads`.

    Leaving it, by cancellation too, cancels what is under way and waits until that has ended.
    """
    running: deque[asyncio.Task[Outcome[T]]] = deque()
    async with aclosing(Tasks(tools, max_concurrency)) as tasks:
        async for job in jobs:
            running.append(tasks.start(job))
            if max_waiting is not None and len(running) >= max_waiting:
                yield await running.popleft()
        while running:
            yield await running.popleft()
