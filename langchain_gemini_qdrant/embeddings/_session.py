"""Any number of embedding requests side by side, collected as they end."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_gemini_qdrant._runtime import Blocking
from langchain_gemini_qdrant.embeddings._concurrency import Tasks, Threads
from langchain_gemini_qdrant.embeddings._request import call_spec, check_count
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import EmbeddingError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.embeddings._concurrency import Pending, SideBySide
    from langchain_gemini_qdrant.embeddings._send import CallContext

Embedded: TypeAlias = list[list[float] | Exception | None]
"""For each text a vector (None where there is no embedding), or why there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingSession:
    """Embeds the texts of one run.

    Attributes:
        batch_size: Texts that are best sent together, None where nothing is known of that.
        concurrency: Requests that go side by side.
    """

    _operation: Callable[..., Coroutine[Any, Any, Embedded]]
    _side_by_side: SideBySide
    _call: CallContext | None = None
    batch_size: int | None = None
    concurrency: int = 1

    def start(self, texts: Sequence[str], titles: Sequence[str | None] | None) -> Pending[Embedded]:
        """Send texts with their titles as soon as there is room."""
        return self._side_by_side.start(self._operation, texts, titles)

    async def wait_any(self, pendings: Sequence[Pending[Embedded]]) -> None:
        """Wait until at least one request has ended."""
        await self._side_by_side.wait_any(pendings)

    @property
    def usage(self) -> EmbeddingUsage:
        """What was sent so far; nothing is known of other embeddings than ours."""
        return EmbeddingUsage() if self._call is None else self._call.usage

    @property
    def fatal_error(self) -> EmbeddingError | None:
        """The error that every further request would meet, if there is one."""
        return None if self._call is None else self._call.fatal_error

    def give_up(self, error: Exception) -> None:
        """Let the requests that have not been sent fail at once."""
        if self._call is not None and self._call.fatal_error is None:
            if not isinstance(error, EmbeddingError):
                error = EmbeddingError("not sent, as the run ended", model=self._call.spec.model)
            self._call.fatal_error = error


@asynccontextmanager
async def open_session(
    embedding: Embeddings | None, name: str, *, blocking: bool
) -> AsyncIterator[EmbeddingSession]:
    """Open a session; leaving it drops what is not sent and waits for what is under way.

    Args:
        embedding: Any; None makes None of each text.
        name: Of the operation, in traces.
        blocking: Requests go in threads, and the session works under `_runtime.run`; else they
            go in tasks, which leaving cancels.
    """
    if isinstance(embedding, GeminiEmbeddings):
        embedder, spec = embedding._embedder, call_spec(embedding, "document")  # noqa: SLF001 - a face of it
        call = embedder.call(spec, embedder.blocking_services() if blocking else None)
        with embedder.accounted(name, call, None):
            concurrency = embedder.max_concurrency
            async with aclosing(call.services.side_by_side(concurrency)) as side_by_side:

                async def each(
                    texts: Sequence[str], titles: Sequence[str | None] | None
                ) -> Embedded:
                    return await embedder.each(call, texts, titles)

                yield EmbeddingSession(
                    _operation=each,
                    _side_by_side=side_by_side,
                    _call=call,
                    batch_size=embedder.max_texts,
                    concurrency=concurrency,
                )
        return

    awaitable: Any = Blocking(embedding, "a") if blocking else embedding

    async def embed(texts: Sequence[str], _: object) -> Embedded:
        if embedding is None:
            return [None] * len(texts)
        try:
            vectors = await awaitable.aembed_documents([*texts])
            check_count(embedding, vectors, len(texts))
        except Exception as error:  # noqa: BLE001 - any library's; told for each text
            return [error] * len(texts)
        return [*vectors]

    # One at a time: nobody promises that others may be used in several threads.
    async with aclosing(Threads(1) if blocking else Tasks(1)) as side_by_side:
        yield EmbeddingSession(_operation=embed, _side_by_side=side_by_side)
