"""Run any number of embedding requests concurrently and collect them as they end."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_gemini_qdrant._runtime import AsAsync
from langchain_gemini_qdrant.embeddings._checks import check_count
from langchain_gemini_qdrant.embeddings._concurrency import Tasks, Threads
from langchain_gemini_qdrant.embeddings._request import call_spec
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings._vectors import outcomes_of
from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, awaitable, gemini_of, is_plain
from langchain_gemini_qdrant.errors import PartialEmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.embeddings._backends.protocol import Vector
    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._concurrency import Pending, SideBySide, Signal
    from langchain_gemini_qdrant.embeddings._embedder import Embedder
    from langchain_gemini_qdrant.embeddings._waiting import Waiting
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.errors import GeminiQdrantError

Embedded: TypeAlias = "list[Vector | Exception | None]"
"""For each text its vector (None without an embedding), or its error."""


@dataclass(kw_only=True, slots=True)
class EmbeddingSession:
    """Embeds the texts of one run.

    Attributes:
        batch_size: The best number of texts per request, None if it is not known.
        concurrency: Number of concurrent requests.
    """

    _operation: Callable[..., Coroutine[Any, Any, Embedded]]
    _side_by_side: SideBySide
    _usage: Callable[[], EmbeddingUsage] = EmbeddingUsage
    _call: CallContext | None = None
    batch_size: int | None = None
    concurrency: int = 1
    _signal: Signal = field(init=False)

    def __post_init__(self) -> None:
        """Register for reports of long waits."""
        self._signal = self._side_by_side.signal()
        if self._call is not None:
            self._call.waits.on_wait = self._tell

    def _tell(self) -> None:
        if not self._signal.done():
            self._signal.set_result(None)

    def start(
        self, texts: Sequence[object], titles: Sequence[str | None] | None
    ) -> Pending[Embedded]:
        """Send contents with their titles as soon as a slot is free."""
        return self._side_by_side.start(self._operation, texts, titles)

    async def wait_any(self, pendings: Sequence[Pending[Embedded]]) -> None:
        """Wait until at least one request has ended, or a second of a long wait has passed."""
        await self._side_by_side.wait_any([*pendings, self._signal])
        if self._signal.done():
            self._signal = self._side_by_side.signal()

    @property
    def waiting(self) -> Waiting | None:
        """The long wait of the requests, None if there is none."""
        return None if self._call is None else self._call.waits.current

    @property
    def usage(self) -> EmbeddingUsage:
        """The usage so far; it is known for `GeminiEmbeddings` only."""
        return self._usage()

    @property
    def fatal_error(self) -> GeminiQdrantError | None:
        """The error that every further request would also get, None if there was none."""
        return None if self._call is None else self._call.fatal_error

    async def aclose(self) -> None:
        """Drop unsent texts, and wait for the requests in flight; tasks are cancelled."""
        await self._side_by_side.aclose()

    def give_up(self, error: BaseException) -> None:
        """Make the requests that have not been sent fail at once."""
        if self._call is not None:
            self._call.give_up(error)


async def _begin(embedding: GeminiEmbeddings, *, blocking: bool) -> tuple[Embedder, CallContext]:
    """Return the embedder of documents, and a new call context."""
    # Making the embedder may take seconds; that must not block an event loop.
    embedder = embedding._embedder if blocking else await embedding._aembedder()  # noqa: SLF001 - a face of it
    services = embedder.blocking_services() if blocking else None
    return embedder, embedder.call(call_spec(embedding, "document"), services)


async def stream_outcomes(
    embedding: GeminiEmbeddings,
    texts: Sequence[object],
    titles: Sequence[str | None] | None,
    *,
    blocking: bool,
) -> AsyncGenerator[list[Vector | Exception], None]:
    """Yield for each content its vector or its error, in order, request by request.

    After a failure no further texts are sent, and the requests already sent are completed.
    """
    embedder, call = await _begin(embedding, blocking=blocking)
    name = "stream_documents" if blocking else "astream_documents"
    with embedder.accounted(name, call, len(texts)):
        async with aclosing(embedder.outcomes(call, AsAsync(texts), titles)) as batches:
            async for batch in batches:
                yield batch


@asynccontextmanager
async def open_session(
    embedding: Embeddings | None, name: str, *, blocking: bool
) -> AsyncIterator[EmbeddingSession]:
    """Open a session; leaving it drops unsent texts and waits for the requests in flight.

    Args:
        embedding: Any embedding; None gives None for each text.
        name: The operation's name in traces.
        blocking: True runs requests in threads, and the session works under `_runtime.run`; False
            runs them in tasks, which are cancelled on leaving.
    """
    if is_plain(embedding, *DOCUMENTS):
        embedder, call = await _begin(embedding, blocking=blocking)
        with embedder.accounted(name, call, None):
            concurrency = embedder.max_concurrency
            async with aclosing(call.services.side_by_side(concurrency)) as side_by_side:

                async def each(
                    texts: Sequence[object], titles: Sequence[str | None] | None
                ) -> Embedded:
                    return await embedder.each(call, texts, titles)

                yield EmbeddingSession(
                    _operation=each,
                    _side_by_side=side_by_side,
                    _usage=lambda: call.usage,
                    _call=call,
                    batch_size=embedder.max_texts,
                    concurrency=concurrency,
                )
        return

    face: Any = awaitable(embedding, blocking=blocking)
    wrapped = gemini_of(embedding)
    before = EmbeddingUsage() if wrapped is None else wrapped.usage

    async def embed(texts: Sequence[object], titles: Sequence[str | None] | None) -> Embedded:
        if embedding is None:
            return [None] * len(texts)
        options = {} if titles is None else {"titles": titles}
        try:
            vectors = await face.aembed_documents([*texts], **options)
            check_count(embedding, vectors, len(texts))
        except PartialEmbeddingError as error:
            # From a wrapper; with fewer vectors, it is about the texts that the wrapper lacked.
            is_of_all = len(error.vectors) == len(texts)
            return [*outcomes_of(error)] if is_of_all else [error] * len(texts)
        except Exception as error:  # noqa: BLE001 - any library's; returned for each text
            return [error] * len(texts)
        return [*vectors]

    # One at a time: other embeddings may not be thread-safe.
    async with aclosing(Threads(1) if blocking else Tasks(1)) as side_by_side:
        yield EmbeddingSession(
            _operation=embed,
            _side_by_side=side_by_side,
            _usage=EmbeddingUsage if wrapped is None else lambda: wrapped.usage.since(before),
        )
