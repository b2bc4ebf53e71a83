"""Carry out the steps of many batches, in threads or in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_gemini_qdrant._sending import AskLeave, Count, Load, Prepare, Save, Send, Step, Wait
from langchain_gemini_qdrant.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable

    from langchain_core.rate_limiters import BaseRateLimiter
    from langchain_core.stores import ByteStore

    from langchain_gemini_qdrant._backends.protocol import Backend
    from langchain_gemini_qdrant._clock import Clock

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
                for _ in range(step.texts):
                    self.rate_limiter.acquire()
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
    cancelled = threading.Event()
    if max_concurrency == 1:
        for job in jobs:
            yield _run(tools, job, cancelled)
        return
    pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="gemini-embeddings")
    running: deque[Any] = deque()
    try:
        for job in jobs:
            running.append(pool.submit(_run, tools, job, cancelled))
            if max_waiting is not None and len(running) >= max_waiting:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        cancelled.set()
        # Waits for the requests under way: after this nobody uses the connections any more.
        pool.shutdown(wait=True, cancel_futures=True)


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
    room = asyncio.Semaphore(max_concurrency)

    async def run(job: Generator[Step, Any, T]) -> Outcome[T]:
        async with room:
            return await _arun(tools, job)

    running: deque[asyncio.Task[Outcome[T]]] = deque()
    try:
        async for job in jobs:
            running.append(asyncio.create_task(run(job)))
            if max_waiting is not None and len(running) >= max_waiting:
                yield await running[0]
                running.popleft()
        while running:
            yield await running[0]
            running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
