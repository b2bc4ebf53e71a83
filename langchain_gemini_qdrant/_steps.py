"""What a store does, step by step, and how the steps are carried out, waiting or awaiting.

Each operation of the store is a generator that yields steps and is sent their results, so that
sync and async use differ only in the line that carries a step out.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import AsyncExitStack, ExitStack, aclosing, closing
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import grpc
import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from langchain_gemini_qdrant._throttle import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant._engines import Engine
    from langchain_gemini_qdrant.embeddings import GeminiEmbeddings

T = TypeVar("T")


class Call(NamedTuple):
    """Call a method of the Qdrant client; the asynchronous client has it by the same name."""

    method: str
    args: tuple[object, ...]
    options: dict[str, Any]


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


class Wait(NamedTuple):
    """Let some time pass."""

    seconds: float


Step: TypeAlias = Call | Embed | Stream | Next | Wait
Steps: TypeAlias = Generator[Step, Any, T]

# An upsert and a delete may be sent again, as the second one changes nothing; three times, so that
# a restart of the server or of a proxy is lived through and a wrong address soon told.
_RETRIES = RetryPolicy(max_retries=3, initial_delay=0.5, max_delay=10.0)
_WRITES = frozenset({"delete", "upsert"})
_TRANSIENT_STATUS = frozenset({502, 503, 504})
_TOO_MANY_REQUESTS = 429


def send(random: Random, method: str, *args: object, **options: Any) -> Steps[Any]:
    """Call a method of the Qdrant client that may be called twice; on a lost connection, again."""
    attempt = 0
    while True:
        try:
            return (yield Call(method, args, options))
        except Exception as error:
            retry_after = _retry_after(error)
            is_lost = _is_lost(error, is_write=method in _WRITES)
            if attempt == _RETRIES.max_retries or not (is_lost or retry_after is not None):
                raise
        yield Wait(_RETRIES.delay(attempt, retry_after=retry_after, random=random))
        attempt += 1


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that a server asks to wait, None if it does not ask."""
    return error.retry_after_s if isinstance(error, ResourceExhaustedResponse) else None


def _is_lost(error: Exception, *, is_write: bool) -> bool:
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


def _perform(engine: Engine, clock: Clock, streams: ExitStack, step: Step) -> Any:  # noqa: ANN401 - by step
    match step:
        case Call():
            return getattr(engine.client, step.method)(*step.args, **step.options)
        case Embed():
            return getattr(step.embedding, step.method)(step.texts, **step.options)
        case Stream():
            stream: Any = step.embedding.stream_documents(step.texts, titles=step.titles)
            return streams.enter_context(closing(stream))
        case Next():
            return next(step.vectors)
        case Wait():
            return clock.sleep(step.seconds, threading.Event())


async def _aperform(engine: Engine, clock: Clock, streams: AsyncExitStack, step: Step) -> Any:  # noqa: ANN401 - by step
    match step:
        case Call():
            return await getattr(engine.async_client, step.method)(*step.args, **step.options)
        case Embed():
            twin = getattr(step.embedding, f"a{step.method}")
            return await twin(step.texts, **step.options)
        case Stream():
            stream: Any = step.embedding.astream_documents(step.texts, titles=step.titles)
            return await streams.enter_async_context(aclosing(stream))
        case Next():
            return await anext(step.vectors)
        case Wait():
            return await clock.asleep(step.seconds)
