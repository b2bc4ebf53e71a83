"""What a store does, step by step, and how the steps are carried out, waiting or awaiting.

Each operation of the store is a generator that yields steps and is sent their results, so that
sync and async use differ only in the line that carries a step out.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import grpc
import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from langchain_gemini_qdrant._retry_policy import RetryPolicy
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.ingestion._embedding_session import Pending
    from langchain_gemini_qdrant.vectorstores._connection import Engine

T = TypeVar("T")


class Call(NamedTuple):
    """Call a method of the Qdrant client; the asynchronous client has it by the same name.

    `engine` is another one than that of the run.
    """

    method: str
    args: tuple[object, ...]
    options: dict[str, Any]
    engine: Engine | None = None


class Embed(NamedTuple):
    """Call a method of an embedding, whose asynchronous twin has the prefix `a`."""

    embedding: object
    method: str
    texts: str | list[str]
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Stream(NamedTuple):
    """Begin to embed many texts; the result is for `Next`, and closed at the end."""

    embedding: GeminiEmbeddings
    texts: Sequence[str]
    titles: Sequence[str | None] | None


class Next(NamedTuple):
    """Take the next vector of a stream."""

    vectors: Any


class Open(NamedTuple):
    """Open a session of an embedding, closed at the end; see `_sessions`."""

    embedding: Embeddings | None


class Settle(NamedTuple):
    """Wait until one of some requests of a session has ended."""

    pending: Sequence[Pending]


class Read(NamedTuple):
    """Read some values, or `most` if they come quickly, into a list that keeps them on failure."""

    values: Iterator[Any] | AsyncIterator[Any]
    some: int
    most: int
    into: list[Any]


class Wait(NamedTuple):
    """Let some time pass."""

    seconds: float


Step: TypeAlias = Call | Embed | Stream | Next | Open | Settle | Read | Wait
Steps: TypeAlias = Generator[Step, Any, T]

_QUICK_S = 0.02  # of reading: a document as Python has it takes microseconds, a file's much longer

IDS_AT_A_TIME = 1_000  # in one request: some 40 kB of UUIDs

# A write of these kinds may be sent again, as the second one changes nothing; three times, so that
# a restart of the server or of a proxy is lived through and a wrong address soon told.
_RETRIES = RetryPolicy(max_retries=3, initial_delay=0.5, max_delay=10.0)
_WRITES = frozenset({"batch_update_points", "delete", "set_payload", "upsert"})
_TRANSIENT_STATUS = frozenset({502, 503, 504})
_TOO_MANY_REQUESTS = 429
# A wrong key, no right to write, no such collection.
_REFUSED_STATUS = frozenset({401, 403, 404})
_REFUSED_CODES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
    }
)


def send(
    random: Random, method: str, *args: object, engine: Engine | None = None, **options: Any
) -> Steps[Any]:
    """Call a method of the Qdrant client that may be called twice; on a lost connection, again."""
    attempt = 0
    while True:
        try:
            return (yield Call(method, args, options, engine))
        except Exception as error:
            retry_after = _retry_after(error)
            may_help = retry_after is not None or is_lost(error, is_write=method in _WRITES)
            if attempt == _RETRIES.max_retries or not may_help:
                raise
        yield Wait(_RETRIES.delay(attempt, retry_after=retry_after, random=random))
        attempt += 1


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that a server asks to wait, None if it does not ask."""
    return error.retry_after_s if isinstance(error, ResourceExhaustedResponse) else None


def is_lost(error: Exception, *, is_write: bool) -> bool:
    """Say whether the request, or its answer, was lost on the way.

    A search that took too long would take as long again; a write may have been done meanwhile.
    """
    if isinstance(error, ResponseHandlingException):
        source = error.source
        return isinstance(source, httpx.TransportError) and (
            is_write or not isinstance(source, httpx.TimeoutException)
        )
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _TRANSIENT_STATUS or error.status_code == _TOO_MANY_REQUESTS
    if isinstance(error, grpc.RpcError):
        timeout = is_write and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        return timeout or error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def refuses_all(error: Exception) -> bool:
    """Say whether any other write would meet this error, too, after all retries of this one."""
    if isinstance(error, UnexpectedResponse) and error.status_code in _REFUSED_STATUS:
        return True
    if isinstance(error, grpc.RpcError) and error.code() in _REFUSED_CODES:
        return True
    hopeless = (ResourceExhaustedResponse, StorageError)
    return isinstance(error, hopeless) or is_lost(error, is_write=True)


def run(engine: Engine, clock: Clock, steps: Steps[T]) -> T:
    """Carry out the steps, and wait for each."""
    with ExitStack() as streams:
        try:
            step = next(steps)
            while True:
                try:
                    result = _perform(engine, clock, streams, step)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as stop:
            done: T = stop.value
            return done


async def arun(engine: Engine, clock: Clock, steps: Steps[T]) -> T:
    """Carry out the steps, and let the event loop go on meanwhile."""
    async with AsyncExitStack() as streams:
        try:
            step = next(steps)
            while True:
                try:
                    result = await _aperform(engine, clock, streams, step)
                except Exception as error:  # noqa: BLE001 - the operation decides
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as stop:
            done: T = stop.value
            return done


def _perform(engine: Engine, clock: Clock, streams: ExitStack, step: Step) -> Any:  # noqa: ANN401, PLR0911 - by step
    match step:
        case Call():
            client = (step.engine or engine).client
            return getattr(client, step.method)(*step.args, **step.options)
        case Embed():
            return getattr(step.embedding, step.method)(step.texts, **step.options)
        case Stream():
            stream: Any = step.embedding.stream_documents(step.texts, titles=step.titles)
            return streams.enter_context(closing(stream))
        case Next():
            return next(step.vectors)
        case Open():
            from langchain_gemini_qdrant.ingestion._embedding_session import in_threads  # noqa: PLC0415

            return streams.enter_context(in_threads(step.embedding))
        case Settle():
            pending: Any = step.pending
            return concurrent.futures.wait(pending, return_when="FIRST_COMPLETED")
        case Read():
            return _read(step, clock)
        case Wait():
            return clock.sleep(step.seconds, threading.Event())


async def _aperform(engine: Engine, clock: Clock, streams: AsyncExitStack, step: Step) -> Any:  # noqa: ANN401, PLR0911 - by step
    match step:
        case Call():
            async_client = (step.engine or engine).async_client
            return await getattr(async_client, step.method)(*step.args, **step.options)
        case Embed():
            twin = getattr(step.embedding, f"a{step.method}")
            return await twin(step.texts, **step.options)
        case Stream():
            stream: Any = step.embedding.astream_documents(step.texts, titles=step.titles)
            return await streams.enter_async_context(aclosing(stream))
        case Next():
            return await anext(step.vectors)
        case Open():
            from langchain_gemini_qdrant.ingestion._embedding_session import in_tasks  # noqa: PLC0415

            return await streams.enter_async_context(in_tasks(step.embedding))
        case Settle():
            pending: Any = step.pending
            return await asyncio.wait(pending, return_when="FIRST_COMPLETED")
        case Read():
            return await _aread(step, clock)
        case Wait():
            return await clock.asleep(step.seconds)


def _read(step: Read, clock: Clock) -> None:
    values: Any = step.values
    began = clock.now()
    while True:
        before = len(step.into)
        step.into.extend(islice(values, step.some))
        if len(step.into) - before < step.some or not _goes_on(step, clock.now() - began):
            return


async def _aread(step: Read, clock: Clock) -> None:
    if not isinstance(step.values, AsyncIterator):
        _read(step, clock)
        return
    began = clock.now()
    while True:
        for _ in range(step.some):
            try:
                step.into.append(await anext(step.values))
            except StopAsyncIteration:
                return
        if not _goes_on(step, clock.now() - began):
            return


def _goes_on(step: Read, seconds: float) -> bool:
    """Say whether to read more; asked after some were read, as nothing read means the end."""
    return len(step.into) < step.most and seconds < _QUICK_S
