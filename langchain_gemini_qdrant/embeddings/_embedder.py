"""All texts of a call: lengths checked, batches run side by side, vectors collected."""

from __future__ import annotations

import warnings
from collections import deque
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from langchain_gemini_qdrant.embeddings._batching import achunks, batches, chunks, iterate
from langchain_gemini_qdrant.embeddings._collecting import Collection
from langchain_gemini_qdrant.embeddings._concurrency import (
    Outcome,
    Tools,
    run_in_tasks,
    run_in_threads,
)
from langchain_gemini_qdrant.embeddings._request import check_texts
from langchain_gemini_qdrant.embeddings._send import count_tokens, embed_batch
from langchain_gemini_qdrant.errors import EmbeddingError, GeminiQdrantError, RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Generator,
        Iterable,
        Iterator,
        Sequence,
    )

    from langchain_gemini_qdrant.embeddings._request import Form, Passage
    from langchain_gemini_qdrant.embeddings._send import Call, Step, Vector

T = TypeVar("T")

_REFUSALS = 8  # of single texts, all that were sent
_STACKLEVEL = 6  # past the generators and context managers of a call, to the line that calls


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedder:
    """How the texts of any call are embedded.

    Attributes:
        tools: What sends, waits and remembers.
        max_texts: In one request.
        max_tokens: In one request, None for no bound.
        max_concurrency: Requests under way at a time.
        on_too_long: What becomes of texts that the model would cut.
    """

    tools: Tools
    max_texts: int
    max_tokens: float | None
    max_concurrency: int
    on_too_long: Literal["error", "warn", "truncate"]

    def embed(self, call: Call, wanted: Collection) -> list[Vector]:
        """Return the vectors of all passages; what is known already is not sent."""
        doubtful = self._doubtful(call.form, wanted)
        counts = self._outcomes([count_tokens(call, passage) for passage in doubtful])
        self._check_lengths(call.form, wanted, doubtful, [count.unwrap() for count in counts])
        todo = list(self._batches(wanted.missing))
        for batch, outcome in zip(
            todo, self._outcomes([embed_batch(call, batch) for batch in todo]), strict=True
        ):
            wanted.take(batch, outcome)
        return wanted.vectors()

    async def aembed(self, call: Call, wanted: Collection) -> list[Vector]:
        """Return the vectors of all passages; see `embed`."""
        doubtful = self._doubtful(call.form, wanted)
        counts = await self._aoutcomes([count_tokens(call, passage) for passage in doubtful])
        self._check_lengths(call.form, wanted, doubtful, [count.unwrap() for count in counts])
        todo = list(self._batches(wanted.missing))
        for batch, outcome in zip(
            todo, await self._aoutcomes([embed_batch(call, batch) for batch in todo]), strict=True
        ):
            wanted.take(batch, outcome)
        return wanted.vectors()

    def stream(
        self, call: Call, texts: Iterable[str], titles: Iterable[str | None] | None
    ) -> Iterator[Vector]:
        """Yield the vectors of any number of texts in order, as they come."""
        jobs = (
            job
            for first, chunk in chunks(texts, titles, self.max_texts)
            for job in self._chunk_jobs(call, first, chunk)
        )
        outcomes = run_in_threads(
            self.tools,
            jobs,
            max_concurrency=self.max_concurrency,
            max_waiting=2 * self.max_concurrency,
        )
        with closing(outcomes):
            for outcome in outcomes:
                yield from outcome.unwrap()

    async def astream(
        self,
        call: Call,
        texts: Iterable[str] | AsyncIterable[str],
        titles: Iterable[str | None] | None,
    ) -> AsyncGenerator[Vector, None]:
        """Yield the vectors of any number of texts in order; see `stream`."""

        async def jobs() -> AsyncIterator[Generator[Step, Any, list[Vector]]]:
            async for first, chunk in achunks(texts, titles, self.max_texts):
                for job in self._chunk_jobs(call, first, chunk):
                    yield job

        outcomes = run_in_tasks(
            self.tools,
            jobs(),
            max_concurrency=self.max_concurrency,
            max_waiting=2 * self.max_concurrency,
        )
        async with aclosing(outcomes):
            async for outcome in outcomes:
                for vector in outcome.unwrap():
                    yield vector

    def each(
        self, call: Call, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> Generator[Step, Any, list[Vector | GeminiQdrantError]]:
        """Return a job that makes a vector of each text, or says why there is none.

        Where the API refuses a request, its halves are sent, down to the text that it refuses.
        """
        passages = list(call.form.passages(texts, titles))
        found: dict[Passage, Vector | GeminiQdrantError] = {}
        for passage in dict.fromkeys(passages):
            try:
                yield from self._check_length(call, passage)
            except GeminiQdrantError as error:
                found[passage] = error
        todo = deque(self._batches(p for p in dict.fromkeys(passages) if p not in found))
        refusals = 0
        while todo:
            batch = todo.popleft()
            try:
                found.update(zip(batch, (yield from embed_batch(call, batch)), strict=True))
            except EmbeddingError as error:
                refused = isinstance(error, RequestRejectedError) and call.hopeless is None
                if refused and len(batch) > 1:
                    half = len(batch) // 2
                    todo.extendleft((batch[half:], batch[:half]))
                    continue
                found.update(dict.fromkeys(batch, error))
                refusals += refused
                # Nothing of the whole call was taken: the texts are not what is wrong.
                if refusals == _REFUSALS and call.usage.requests == 0:
                    call.hopeless = error
        return [found[passage] for passage in passages]

    def _check_length(self, call: Call, passage: Passage) -> Generator[Step, Any, None]:
        wanted = Collection(call.form, [passage])
        doubtful = self._doubtful(call.form, wanted)
        if doubtful:
            tokens = yield from count_tokens(call, passage)
            self._check_lengths(call.form, wanted, doubtful, [tokens])

    def _outcomes(self, jobs: list[Generator[Step, Any, T]]) -> list[Outcome[T]]:
        if not jobs:
            return []
        concurrency = min(self.max_concurrency, len(jobs))
        return list(run_in_threads(self.tools, jobs, max_concurrency=concurrency, max_waiting=None))

    async def _aoutcomes(self, jobs: list[Generator[Step, Any, T]]) -> list[Outcome[T]]:
        outcomes = run_in_tasks(
            self.tools, iterate(jobs), max_concurrency=self.max_concurrency, max_waiting=None
        )
        async with aclosing(outcomes):
            return [outcome async for outcome in outcomes]

    def _batches(self, passages: Iterable[Passage]) -> Iterator[list[Passage]]:
        return batches(passages, max_texts=self.max_texts, max_tokens=self.max_tokens)

    def _doubtful(self, form: Form, wanted: Collection) -> list[Passage]:
        """Return the passages whose length the API must tell; refuse those surely too long."""
        if self.on_too_long == "truncate":
            return []
        near = [passage for passage in wanted.missing if form.may_be_too_long(passage)]
        sure = [passage for passage in near if form.is_surely_too_long(passage)]
        if sure and self.on_too_long == "error":
            raise form.too_long(wanted.indices(set(sure)))
        return near

    def _check_lengths(
        self, form: Form, wanted: Collection, counted: list[Passage], tokens: list[int]
    ) -> None:
        limit = form.max_input_tokens or 0
        pairs = zip(counted, tokens, strict=True)
        if too_long := {passage for passage, count in pairs if count > limit}:
            error = form.too_long(wanted.indices(too_long))
            if self.on_too_long == "error":
                raise error
            warnings.warn(str(error), stacklevel=_STACKLEVEL)

    def _chunk_jobs(
        self, call: Call, first: int, chunk: list[tuple[str, str | None]]
    ) -> Iterator[Generator[Step, Any, list[Vector]]]:
        """Yield the jobs of some texts, of which the first has the position `first`."""
        texts = [text for text, _ in chunk]
        check_texts(texts, first=first)
        for batch in self._batches(call.form.passages(texts, [title for _, title in chunk])):
            yield self._stream_batch(call, Collection(call.form, batch, first=first))
            first += len(batch)

    def _stream_batch(self, call: Call, wanted: Collection) -> Generator[Step, Any, list[Vector]]:
        doubtful = self._doubtful(call.form, wanted)
        tokens = []
        for passage in doubtful:
            count = yield from count_tokens(call, passage)
            tokens.append(count)
        self._check_lengths(call.form, wanted, doubtful, tokens)
        batch = wanted.missing
        vectors = yield from embed_batch(call, batch)
        wanted.take(batch, Outcome(value=vectors))
        return wanted.vectors()
