"""Any number of embedding requests side by side, taken up as they end: in threads or in tasks."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from langchain_gemini_qdrant.embeddings._concurrency import Outcome, Tasks, Threads
from langchain_gemini_qdrant.embeddings._request import check_count
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.embeddings._embedder import Embedder
    from langchain_gemini_qdrant.embeddings._send import Call

Embedded: TypeAlias = list[list[float] | Exception | None]
"""For each text a vector (None where no embedding is), or why there is none."""

_NAME = "ingest"  # of the call in traces


class Pending(Protocol):
    """A request under way: a `concurrent.futures.Future` or an `asyncio.Task`."""

    def done(self) -> bool:
        """Say whether it has ended."""
        ...

    def result(self) -> Outcome[Embedded]:
        """Return what came back, once it has ended."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What embeds the texts of one run.

    Attributes:
        start: Send texts with their titles as soon as there is room.
        batch_size: Texts that are best sent together, None where nothing is known of that.
        concurrency: Requests that go side by side.
        call: Of `GeminiEmbeddings`; None of any other.
    """

    start: Callable[[Sequence[str], Sequence[str | None] | None], Pending]
    batch_size: int | None = None
    concurrency: int = 1
    call: Call | None = None

    @property
    def usage(self) -> EmbeddingUsage:
        """What was sent so far; nothing is known of other embeddings than ours."""
        return EmbeddingUsage() if self.call is None else self.call.usage

    @property
    def hopeless(self) -> EmbeddingError | None:
        """The error that every further request would meet, if there is one."""
        return None if self.call is None else self.call.hopeless

    def give_up(self, error: Exception) -> None:
        """Let the requests that have not been sent fail at once."""
        if self.call is not None and self.call.hopeless is None:
            if not isinstance(error, EmbeddingError):
                error = EmbeddingError("not sent, as the run ended", model=self.call.form.model)
            self.call.hopeless = error


@contextmanager
def in_threads(embedding: Embeddings | None) -> Iterator[Session]:
    """Open a session whose requests go in threads; leaving it waits for those under way."""
    if isinstance(embedding, GeminiEmbeddings):
        with (
            embedding._many(_NAME) as (embedder, call),
            closing(Threads(embedder.tools, embedder.max_concurrency)) as threads,
        ):
            yield _session(embedder, call, threads)
        return

    def embed(texts: Sequence[str]) -> Outcome[Embedded]:
        try:
            vectors = None if embedding is None else embedding.embed_documents([*texts])
            return _checked(embedding, texts, vectors)
        except Exception as error:  # noqa: BLE001 - any library's; told for each text
            return Outcome(value=[error] * len(texts))

    pool = ThreadPoolExecutor(1)  # nobody promises that others may be used in several
    try:
        yield Session(start=lambda texts, _: pool.submit(embed, texts))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@asynccontextmanager
async def in_tasks(embedding: Embeddings | None) -> AsyncIterator[Session]:
    """Open a session whose requests go in tasks; leaving it cancels those under way."""
    if isinstance(embedding, GeminiEmbeddings):
        with embedding._many(f"a{_NAME}") as (embedder, call):
            async with aclosing(Tasks(embedder.tools, embedder.max_concurrency)) as tasks:
                yield _session(embedder, call, tasks)
        return

    one_at_a_time = asyncio.Lock()

    async def embed(texts: Sequence[str]) -> Outcome[Embedded]:
        try:
            async with one_at_a_time:
                vectors = None if embedding is None else await embedding.aembed_documents([*texts])
            return _checked(embedding, texts, vectors)
        except Exception as error:  # noqa: BLE001 - any library's; told for each text
            return Outcome(value=[error] * len(texts))

    running: set[asyncio.Task[Outcome[Embedded]]] = set()

    def start(texts: Sequence[str], _: object) -> Pending:
        task = asyncio.create_task(embed(texts))
        running.add(task)
        task.add_done_callback(running.discard)
        return task

    try:
        yield Session(start=start)
    finally:
        left = list(running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _session(embedder: Embedder, call: Call, jobs: Threads | Tasks) -> Session:
    def start(texts: Sequence[str], titles: Sequence[str | None] | None) -> Pending:
        pending: Any = jobs.start(embedder.each(call, texts, titles))
        return pending  # type: ignore[no-any-return] # a list of vectors and errors is one of more

    return Session(
        start=start,
        batch_size=embedder.max_texts,
        concurrency=embedder.max_concurrency,
        call=call,
    )


def _checked(
    embedding: Embeddings | None, texts: Sequence[str], vectors: list[list[float]] | None
) -> Outcome[Embedded]:
    if vectors is None:
        return Outcome(value=[None] * len(texts))
    check_count(embedding, vectors, len(texts))
    return Outcome(value=[*vectors])
