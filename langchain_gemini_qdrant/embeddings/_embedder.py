"""Embeds all texts of a call: checks lengths, runs batches concurrently, collects vectors."""

from __future__ import annotations

from collections import deque
from concurrent.futures import CancelledError
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._warnings import warn, warn_in_passing
from langchain_gemini_qdrant.embeddings._batching import batches, read_ahead
from langchain_gemini_qdrant.embeddings._call import CallContext
from langchain_gemini_qdrant.embeddings._checks import check_titles
from langchain_gemini_qdrant.embeddings._halving import after_failure, halves_may_pass
from langchain_gemini_qdrant.embeddings._lengths import too_long
from langchain_gemini_qdrant.embeddings._request import Content
from langchain_gemini_qdrant.embeddings._send import count_tokens, embed_at_once, embed_batch
from langchain_gemini_qdrant.embeddings._tracing import traced
from langchain_gemini_qdrant.embeddings._vectors import Result, Vectors, as_list, until_failure
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        Callable,
        Coroutine,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant.embeddings._backends.protocol import Vector
    from langchain_gemini_qdrant.embeddings._concurrency import Pending, SideBySide
    from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
    from langchain_gemini_qdrant.embeddings._request import RequestSpec
    from langchain_gemini_qdrant.embeddings._services import Services
    from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage, UsageTotal
    from langchain_gemini_qdrant.embeddings.models import GeminiModel

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedder:
    """Embeds the texts of all calls of an instance.

    Attributes:
        services: Services for an event loop.
        blocking_services: Makes the services of a call without an event loop.
        query_services: Blocking services for a single text, which needs no concurrency.
        max_texts: Most texts in one request.
        max_tokens: Most tokens in one request, None for no bound.
        max_concurrency: Requests of one call that may be in flight at the same time.
        on_too_long: What to do with texts over the model's input limit.
        place: Where requests go, as attributes of spans.
        deadline: Seconds for a call, None for no bound.
    """

    services: Services
    blocking_services: Callable[[], Services]
    query_services: Services
    used: UsageTotal
    on_usage: Callable[[EmbeddingUsage], None] | None
    limiter: Limiter
    policy: RetryPolicy
    deadline: float | None
    model: GeminiModel | None
    max_texts: int
    max_tokens: float | None
    max_concurrency: int
    on_too_long: Literal["error", "warn", "truncate"]
    place: Mapping[str, str | int]

    def call(self, spec: RequestSpec, services: Services | None = None) -> CallContext:
        """Begin a call; by default its services are those for an event loop."""
        return CallContext(
            spec=spec,
            services=self.services if services is None else services,
            limiter=self.limiter,
            policy=self.policy,
            deadline=None if self.deadline is None else self.services.clock.now() + self.deadline,
            model=self.model,
        )

    @contextmanager
    def accounted(self, name: str, call: CallContext, texts: int | None) -> Iterator[None]:
        """Trace a call and count its usage; `texts` is None if their number is not known yet."""
        try:
            with traced(name, call, texts, self.place):
                yield
        finally:
            self.used.add(call.usage)
            if self.on_usage is not None:
                try:
                    self.on_usage(call.usage)
                except Exception as error:  # noqa: BLE001 - user code; its errors must not lose vectors
                    warn_in_passing(f"on_usage raised {error!r}, which is ignored")

    async def embed_one(self, call: CallContext, text: object) -> list[float]:
        """Return the vector of one content."""
        [read] = await _read(call.services, call.spec.read, [text])
        content = call.spec.content(read)
        if call.spec.near_limit([content]):
            await self._check_lengths(call, Vectors(call.spec, [content]), [content])
        [vector] = await embed_batch(call, [content])
        return as_list(vector)

    async def embed_documents(
        self,
        name: str,
        spec: RequestSpec,
        texts: Iterable[object],
        titles: Iterable[str | None] | None,
        services: Services | None = None,
    ) -> list[list[float]]:
        """Check contents and embed them, as one call with this name in traces."""
        check_list(texts, "texts")
        contents = await _read(services or self.services, spec.checked_contents, [*texts], titles)
        return await self.embed_call(name, Vectors(spec, contents), services)

    async def embed_call(
        self, name: str, wanted: Vectors, services: Services | None = None
    ) -> list[list[float]]:
        """Embed missing vectors, as one call with this name in traces."""
        call = self.call(wanted.spec, services)
        with self.accounted(name, call, wanted.missing_count):
            return await self.embed(call, wanted)

    async def embed(self, call: CallContext, wanted: Vectors) -> list[list[float]]:
        """Return the vectors of all contents; only those without a vector are sent."""
        missing = wanted.missing
        await self._check_lengths(call, wanted, missing)
        todo = list(self._batches(missing))
        async with (
            call.services.files.kept(call, missing) as done,
            aclosing(self._results(call, embed_batch, todo)) as results,
        ):
            async for batch, result in results:
                wanted.collect(batch, result)
                # Not in the batch's own thread or task, which sends the next batch meanwhile.
                wanted.make_lists(batch)
                await done(batch)
        return [as_list(vector) for vector in wanted.all()]

    async def stream(
        self,
        call: CallContext,
        texts: AsyncIterable[object],
        titles: Iterable[str | None] | None,
    ) -> AsyncGenerator[list[list[float]], None]:
        """Yield the vectors of any number of contents in order, batch by batch, as they arrive."""
        async with aclosing(self.outcomes(call, texts, titles)) as batches_done:
            async for batch in batches_done:
                vectors, failure = until_failure(batch)
                yield [as_list(vector) for vector in vectors]
                if failure is not None:
                    raise failure

    async def outcomes(
        self,
        call: CallContext,
        texts: AsyncIterable[object],
        titles: Iterable[str | None] | None,
    ) -> AsyncGenerator[list[Vector | Exception], None]:
        """Yield for each content its vector or its error, in order, batch by batch.

        After a failure no more batches start, and those already sent are completed.
        """
        if self.max_concurrency == 1:
            async with aclosing(self._read(call, texts, titles)) as source:
                async for wanted in source:
                    batch = await self._embed_wanted(call, wanted)
                    yield batch
                    if until_failure(batch)[1] is not None:
                        return
            return
        problem: Exception | None = None
        running: deque[Pending[list[Vector | Exception]]] = deque()
        async with (
            aclosing(self._read(call, texts, titles)) as source,
            aclosing(call.services.side_by_side(self.max_concurrency)) as jobs,
        ):
            while problem is None and call.fatal_error is None:
                try:
                    wanted = await anext(source)
                except StopAsyncIteration:
                    break
                except Exception as error:  # noqa: BLE001 - raised after the vectors before it
                    problem = error
                    break
                running.append(jobs.start(self._embed_wanted, call, wanted))
                if len(running) >= 2 * self.max_concurrency:
                    yield await _first_ended(call, jobs, running)
            while running:
                yield await _first_ended(call, jobs, running)
        if problem is not None:
            raise problem

    async def each(
        self, call: CallContext, texts: Sequence[object], titles: Sequence[str | None] | None
    ) -> list[Vector | Exception | None]:
        """Return for each content its vector or its error.

        If a request is refused or too large, its halves are sent, down to the content that is.
        """
        try:
            contents = await _read(call.services, call.spec.read_each, texts, titles)
        except ConfigurationError as error:
            call.give_up(error)
            return [error] * len(texts)
        found: dict[Content, Vector | Exception] = {}
        unique = [c for c in dict.fromkeys(contents) if isinstance(c, Content)]
        long, doubtful = self._near_limit(call, unique)
        try:
            long |= await self._counted_too_long(call, doubtful)
        except GeminiQdrantError as error:  # counting tokens failed
            found.update(dict.fromkeys(doubtful, error))
        for content in long:
            try:
                self._refuse(call, [0])
            except (GeminiQdrantError, Warning) as error:
                found[content] = error
        left = [content for content in unique if content not in found]
        async with (
            call.services.files.kept(call, left) as done,
            aclosing(self._halving(call, left)) as results,
        ):
            async for batch, result in results:
                found.update(zip(batch, result, strict=True))
                await done(batch)
        return [found[each] if isinstance(each, Content) else each for each in contents]

    async def _halving(
        self, call: CallContext, contents: Sequence[Content]
    ) -> AsyncGenerator[tuple[list[Content], Sequence[Vector | Exception]], None]:
        """Yield contents with their vectors or errors, request by request."""
        todo = deque(self._batches(contents))
        while todo:
            batch = todo.popleft()
            try:
                yield batch, await embed_at_once(call, batch)
            except (GeminiQdrantError, CancelledError) as error:
                if len(batch) > 1 and halves_may_pass(error) and error is not call.fatal_error:
                    wanted, parts = after_failure(call, batch, error)
                    yield wanted.done()
                    todo.extendleft(parts[::-1])
                    continue
                if isinstance(error, GeminiQdrantError):
                    call.refused(error)
                yield batch, [error] * len(batch)

    async def _results(
        self,
        call: CallContext,
        operation: Callable[[CallContext, Any], Coroutine[Any, Any, T]],
        jobs: Sequence[J],
    ) -> AsyncGenerator[tuple[J, Result[T]], None]:
        """Run an operation for each job concurrently; yield the jobs in order, with results."""
        concurrency = min(self.max_concurrency, len(jobs))
        if concurrency <= 1:
            for job in jobs:
                yield job, await _result(operation, call, job)
            return
        async with aclosing(call.services.side_by_side(concurrency)) as side_by_side:
            pendings = deque(side_by_side.start(_result, operation, call, job) for job in jobs)
            for job in jobs:
                yield job, await _ended(side_by_side, pendings.popleft())

    def _batches(self, contents: Iterable[Content]) -> Iterator[list[Content]]:
        return batches(contents, max_texts=self.max_texts, max_tokens=self.max_tokens)

    async def _check_lengths(
        self, call: CallContext, wanted: Vectors, contents: Sequence[Content]
    ) -> None:
        """Ask the API for the tokens of contents whose estimate is near the limit.

        Raises:
            TextTooLongError: Texts are too long, and `on_too_long` is `error`.
        """
        long, doubtful = self._near_limit(call, contents)
        if not long or self.on_too_long == "warn":
            long |= await self._counted_too_long(call, doubtful)
        if long:
            self._refuse(call, wanted.indices(long))

    def _near_limit(
        self, call: CallContext, contents: Sequence[Content]
    ) -> tuple[set[Content], list[Content]]:
        """Return the contents that are certainly too long, and those that must be counted."""
        near = [] if self.on_too_long == "truncate" else call.spec.near_limit(contents)
        sure = {content for content in near if call.spec.is_surely_too_long(content)}
        return sure, [content for content in near if content not in sure]

    async def _counted_too_long(
        self, call: CallContext, doubtful: Sequence[Content]
    ) -> set[Content]:
        async def count(contents: Sequence[Content]) -> list[Result[int]]:
            async with aclosing(self._results(call, count_tokens, contents)) as results:
                return [result async for _, result in results]

        return await too_long(call.spec, doubtful, count, call.counted)

    def _refuse(self, call: CallContext, indices: Sequence[int]) -> None:
        """Refuse texts over the model's input limit, or warn about them."""
        error = call.spec.too_long(indices)
        if self.on_too_long == "error":
            raise error
        warn(str(error))

    async def _read(
        self,
        call: CallContext,
        texts: AsyncIterable[object],
        titles: Iterable[str | None] | None,
    ) -> AsyncGenerator[Vectors, None]:
        """Yield the batches of a stream; an invalid one ends it, after the batches before it."""
        spec = call.spec
        if titles is not None:
            check_list(titles, "titles")
        async with aclosing(read_ahead(texts, titles, self.max_texts)) as runs:
            async for first, run in runs:
                values, own_titles = [text for text, _ in run], [title for _, title in run]
                good, problem = await _read(call.services, spec.read_until_wrong, values, first)
                try:
                    check_titles(own_titles[: len(good)], first=first)
                except InvalidInputError as error:
                    good, problem = good[: error.indices[0] - first], error
                contents = spec.contents(good, own_titles[: len(good)])
                for batch in self._batches(contents):
                    yield Vectors(spec, batch, first=first)
                    first += len(batch)  # noqa: PLW2901 - the position of the next batch
                if problem is not None:
                    raise problem

    async def _embed_wanted(self, call: CallContext, wanted: Vectors) -> list[Vector | Exception]:
        """Return the results of one batch of a stream."""
        batch = wanted.missing
        try:
            await self._check_lengths(call, wanted, batch)
        except (GeminiQdrantError, Warning) as error:
            return [error] * wanted.missing_count
        async with call.services.files.kept(call, batch):
            wanted.collect(batch, await _result(embed_batch, call, batch))
        return wanted.outcomes()


async def _read(
    services: Services, check: Callable[..., T], values: Sequence[object], *rest: object
) -> T:
    """Check contents; apart from the event loop if any has media, whose files are read."""
    if all(isinstance(value, str) for value in values):
        return check(values, *rest)
    result: T = await services.apart(check, values, *rest)
    return result


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


async def _first_ended(
    call: CallContext, side_by_side: SideBySide, running: deque[Pending[list[Vector | Exception]]]
) -> list[Vector | Exception]:
    """Return the results of the first batch; after a failed batch no further one is sent."""
    batch = await _ended(side_by_side, running.popleft())
    _, failure = until_failure(batch)
    if failure is not None:
        call.give_up(failure)
    return batch
