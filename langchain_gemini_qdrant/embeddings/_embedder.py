"""All texts of a call: lengths checked, batches run side by side, vectors collected."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from concurrent.futures import CancelledError
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from langchain_gemini_qdrant._clock import BlockingClock
from langchain_gemini_qdrant._runtime import Blocking
from langchain_gemini_qdrant.embeddings._batching import batches, read_ahead
from langchain_gemini_qdrant.embeddings._concurrency import Tasks, Threads
from langchain_gemini_qdrant.embeddings._request import check_texts
from langchain_gemini_qdrant.embeddings._send import (
    CallContext,
    Services,
    count_tokens,
    embed_batch,
)
from langchain_gemini_qdrant.errors import (
    EmbeddingError,
    GeminiQdrantError,
    InvalidInputError,
    PartialEmbeddingError,
    RequestRejectedError,
)

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Sequence,
    )

    from langchain_core.rate_limiters import BaseRateLimiter
    from langchain_core.stores import ByteStore

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant.embeddings._backends.protocol import Backend, Vector
    from langchain_gemini_qdrant.embeddings._concurrency import Pending, SideBySide
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec

T = TypeVar("T")

_REFUSALS = 8  # of single texts, all that were sent
_STACKLEVEL = 6  # past the coroutines and context managers of a call, to the line that calls


@dataclass(frozen=True, kw_only=True, slots=True)
class Result(Generic[T]):
    """What an operation came to: a value, or an error of this package."""

    value: T | None = None
    error: GeminiQdrantError | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # one of both is set


class BlockingRateLimiter:
    """A rate limiter of LangChain's for operations without an event loop."""

    def __init__(self, limiter: BaseRateLimiter, cancelled: threading.Event) -> None:
        self._limiter = limiter
        self._cancelled = cancelled

    async def aacquire(self) -> None:
        """Block until a text may be sent.

        Raises:
            CancelledError: Nobody waits for its vector any more.
        """
        if self._cancelled.is_set():
            raise CancelledError
        self._limiter.acquire()


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedder:
    """How an instance embeds the texts of any call.

    Attributes:
        max_texts: In one request.
        max_tokens: In one request, None for no bound.
        max_concurrency: Requests under way at a time, in one call.
        on_too_long: What to do with texts that the model would cut.
        deadline: Seconds for a call.
    """

    backend: Backend
    clock: Clock
    cache: ByteStore | None
    rate_limiter: BaseRateLimiter | None
    limiter: Limiter
    policy: RetryPolicy
    deadline: float | None
    usd_per_token: float | None
    max_texts: int
    max_tokens: float | None
    max_concurrency: int
    on_too_long: Literal["error", "warn", "truncate"]

    def call(self, spec: RequestSpec, *, blocking: bool) -> CallContext:
        """Begin a call, with an event loop or without."""
        return CallContext(
            spec=spec,
            services=self._blocking_services() if blocking else self._async_services(),
            limiter=self.limiter,
            policy=self.policy,
            deadline=None if self.deadline is None else self.clock.now() + self.deadline,
            usd_per_token=self.usd_per_token,
        )

    def _blocking_services(self) -> Services:
        cancelled = threading.Event()
        limiter = self.rate_limiter
        return Services(
            backend=Blocking(self.backend, "a"),
            clock=BlockingClock(self.clock, cancelled),
            cache=None if self.cache is None else Blocking(self.cache, "a"),
            rate_limiter=None if limiter is None else BlockingRateLimiter(limiter, cancelled),
            side_by_side=partial(Threads, cancelled=cancelled),
        )

    def _async_services(self) -> Services:
        return Services(
            backend=self.backend,
            clock=self.clock,
            cache=self.cache,
            rate_limiter=self.rate_limiter,
            side_by_side=Tasks,
        )

    async def embed_one(self, call: CallContext, text: str) -> Vector:
        """Return the vector of one text."""
        check_texts([text])
        content = call.spec.content(text)
        if self.on_too_long != "truncate" and call.spec.may_be_too_long(content):
            await self._check_lengths(call, Vectors(call.spec, [content]))
        return (await embed_batch(call, [content]))[0]

    async def embed(self, call: CallContext, wanted: Vectors) -> list[Vector]:
        """Return the vectors of all contents; what is known already is not sent."""
        await self._check_lengths(call, wanted)
        todo = list(self._batches(wanted.missing))
        results = await self._results(call, embed_batch, todo)
        for batch, result in zip(todo, results, strict=True):
            wanted.collect(batch, result)
        return wanted.all()

    async def stream(
        self,
        call: CallContext,
        texts: AsyncIterable[str],
        titles: Iterable[str | None] | None,
    ) -> AsyncGenerator[list[Vector], None]:
        """Yield the vectors of any number of texts in order, by the batch, as they come."""
        source = self._read(call.spec, texts, titles)
        problem: Exception | None = None
        if self.max_concurrency == 1:
            async for wanted in source:
                yield await self._embed_wanted(call, wanted)
            return
        running: deque[Pending[list[Vector]]] = deque()
        async with aclosing(call.services.side_by_side(self.max_concurrency)) as jobs:
            while problem is None:
                try:
                    wanted = await anext(source)
                except StopAsyncIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised behind the vectors before it
                    problem = error
                    break
                running.append(jobs.start(self._embed_wanted, call, wanted))
                if len(running) >= 2 * self.max_concurrency:
                    yield await _ended(jobs, running.popleft())
            while running:
                yield await _ended(jobs, running.popleft())
        if problem is not None:
            raise problem

    async def each(
        self, call: CallContext, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> list[list[float] | Exception | None]:
        """Return a vector for each text, or why there is none.

        Where the API refuses a request, its halves are sent, down to the text that it refuses.
        """
        contents = list(call.spec.contents(texts, titles))
        found: dict[Content, Vector | GeminiQdrantError] = {}
        for content in dict.fromkeys(contents):
            try:
                await self._check_lengths(call, Vectors(call.spec, [content]))
            except GeminiQdrantError as error:
                found[content] = error
        todo = deque(self._batches(c for c in dict.fromkeys(contents) if c not in found))
        refusals = 0
        while todo:
            batch = todo.popleft()
            try:
                found.update(zip(batch, await embed_batch(call, batch), strict=True))
            except EmbeddingError as error:
                refused = isinstance(error, RequestRejectedError) and call.fatal_error is None
                if refused and len(batch) > 1:
                    half = len(batch) // 2
                    todo.extendleft((batch[half:], batch[:half]))
                    continue
                found.update(dict.fromkeys(batch, error))
                refusals += refused
                # Nothing of the whole call was taken: the texts are not what is wrong.
                if refusals == _REFUSALS and call.usage.requests == 0:
                    call.fatal_error = error
        return [found[content] for content in contents]

    async def _results(
        self,
        call: CallContext,
        operation: Callable[[CallContext, Any], Coroutine[Any, Any, T]],
        jobs: Sequence[Any],
    ) -> list[Result[T]]:
        """Run an operation for each job, side by side, and return what each came to, in order."""
        concurrency = min(self.max_concurrency, len(jobs))
        if concurrency <= 1:
            return [await _result(operation, call, job) for job in jobs]
        async with aclosing(call.services.side_by_side(concurrency)) as side_by_side:
            pendings = [side_by_side.start(_result, operation, call, job) for job in jobs]
            return [await _ended(side_by_side, pending) for pending in pendings]

    def _batches(self, contents: Iterable[Content]) -> Iterator[list[Content]]:
        return batches(contents, max_texts=self.max_texts, max_tokens=self.max_tokens)

    async def _check_lengths(self, call: CallContext, wanted: Vectors) -> None:
        """Have the API count where an estimate is near the limit.

        Raises:
            TextTooLongError: Texts are too long, and not to be cut.
        """
        if self.on_too_long == "truncate":
            return
        spec = call.spec
        doubtful = [content for content in wanted.missing if spec.may_be_too_long(content)]
        if not doubtful:
            return
        sure = {content for content in doubtful if spec.is_surely_too_long(content)}
        if sure and self.on_too_long == "error":
            raise spec.too_long(wanted.indices(sure))
        counts = await self._results(call, count_tokens, doubtful)
        limit = spec.max_input_tokens or 0
        pairs = zip(doubtful, counts, strict=True)
        if too_long := {content for content, count in pairs if count.unwrap() > limit}:
            error = spec.too_long(wanted.indices(too_long))
            if self.on_too_long == "error":
                raise error
            warnings.warn(str(error), stacklevel=_STACKLEVEL)

    async def _read(
        self,
        spec: RequestSpec,
        texts: AsyncIterable[str],
        titles: Iterable[str | None] | None,
    ) -> AsyncIterator[Vectors]:
        """Yield the batches of a stream; one that is wrong ends it, after those before it."""
        async for first, run in read_ahead(texts, titles, self.max_texts):
            problem: InvalidInputError | None = None
            good = run
            try:
                check_texts([text for text, _ in run], first=first)
            except InvalidInputError as error:
                problem = error
                good = run[: error.indices[0] - first]
            contents = spec.contents([text for text, _ in good], [title for _, title in good])
            for batch in self._batches(contents):
                yield Vectors(spec, batch, first=first)
                first += len(batch)  # noqa: PLW2901 - the position of the next batch
            if problem is not None:
                raise problem

    async def _embed_wanted(self, call: CallContext, wanted: Vectors) -> list[Vector]:
        """Return the vectors of one batch of a stream."""
        await self._check_lengths(call, wanted)
        batch = wanted.missing
        wanted.collect(batch, Result(value=await embed_batch(call, batch)))
        return wanted.all()


async def _result(
    operation: Callable[[CallContext, Any], Coroutine[Any, Any, T]], call: CallContext, job: object
) -> Result[T]:
    try:
        return Result(value=await operation(call, job))
    except GeminiQdrantError as error:
        return Result(error=error)


async def _ended(side_by_side: SideBySide, pending: Pending[T]) -> T:
    await side_by_side.wait_any([pending])
    return pending.result()


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """What a `PartialEmbeddingError` remembers, so that only its failures are sent again."""

    spec: RequestSpec
    contents: Sequence[Content]


class Vectors:
    """The vectors of a call's contents, which may repeat and are each sent once."""

    def __init__(
        self,
        spec: RequestSpec,
        contents: Sequence[Content],
        known: Sequence[Vector | None] | None = None,
        *,
        first: int = 0,
    ) -> None:
        """Start with the vectors that are known; `first` is the position of the first content."""
        self._spec = spec
        self._first = first
        self._contents = contents
        self._vectors: dict[Content, Vector] = {}
        self._errors: dict[Content, GeminiQdrantError] = {}
        if known is not None:
            pairs = zip(contents, known, strict=True)
            self._vectors = {content: vector for content, vector in pairs if vector is not None}

    @property
    def missing(self) -> list[Content]:
        """Contents without a vector, each once, in order."""
        return [
            content for content in dict.fromkeys(self._contents) if content not in self._vectors
        ]

    def indices(self, contents: set[Content]) -> list[int]:
        """Return the positions at which these contents were given."""
        return [i for i, c in enumerate(self._contents, self._first) if c in contents]

    def collect(self, batch: Sequence[Content], result: Result[list[Vector]]) -> None:
        """Keep what became of a batch."""
        if result.error is None:
            self._vectors.update(zip(batch, result.unwrap(), strict=True))
        else:
            self._errors.update(dict.fromkeys(batch, result.error))

    def all(self) -> list[Vector]:
        """Return one vector for each content, in order.

        Raises:
            GeminiQdrantError: Nothing came back, for one reason.
            PartialEmbeddingError: Some failed, or for several reasons.
        """
        if not self._errors:
            return [self._vectors[content] for content in self._contents]
        # Requests under way together may each have met it.
        causes = list({str(error): error for error in self._errors.values()}.values())
        if not self._vectors and len(causes) == 1:
            raise causes[0]
        failures = {
            i: self._failure(self._errors[content])
            for i, content in enumerate(self._contents)
            if content in self._errors
        }
        first = next(iter(failures.values()))
        error = PartialEmbeddingError(
            f"{self._spec.model}: {len(failures)} of {len(self._contents)} texts could not be "
            f"embedded, at index {_ranges(list(failures))}; `vectors` has the others and "
            f"`retry_failed` sends these again. The first failure: {first}",
            model=self._spec.model,
            vectors=[self._vectors.get(content) for content in self._contents],
            failures=failures,
        )
        error.unfinished = Unfinished(spec=self._spec, contents=self._contents)
        raise error from first

    def _failure(self, error: GeminiQdrantError) -> EmbeddingError:
        if isinstance(error, EmbeddingError):
            return error
        failure = EmbeddingError(f"{self._spec.model}: {error}", model=self._spec.model)
        failure.__cause__ = error
        return failure


def _ranges(indices: Sequence[int]) -> str:
    """Return `0-99, 120` for the sorted numbers 0 to 99 and 120."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
