"""Incremental ingestion: stored documents are not embedded or sent again."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sized
from itertools import islice
from typing import TYPE_CHECKING, Literal, get_args

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, IngestError
from langchain_gemini_qdrant.ingestion._cleanup import Cleanup, CleanupMode
from langchain_gemini_qdrant.ingestion._documents import Documents
from langchain_gemini_qdrant.ingestion._pipeline import Pipeline
from langchain_gemini_qdrant.ingestion._progress import RunStats, can_resume, first_cause, shortfall
from langchain_gemini_qdrant.vectorstores._tracing import traced_run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_core.documents import Document
    from langchain_core.documents.base import Blob

    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore
    from langchain_gemini_qdrant.vectorstores._collection import Collection


def ingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document | Blob],
    *,
    id_keys: Sequence[str] = ("source",),
    cleanup: CleanupMode = "none",
    source_key: str = "source",
    batch_size: int = MAX_BATCH_SIZE,
    total: int | None = None,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
    on_error: Literal["raise", "report"] = "raise",
) -> IngestReport:
    """Embed and store new and changed documents; skip those that are stored already.

    The same call resumes an interrupted run: stored documents are looked up and not sent again.
    Several requests run at a time (`max_concurrency` of `GeminiEmbeddings`) while the vectors of
    earlier ones are stored; only the documents of these are held in memory.

    A document without an id gets one made from its text, the bytes of its media and its metadata
    under `id_keys`, so a repeated passage is skipped. If several documents have the same id, the
    last one is kept. If only the metadata of a stored document has changed, it is updated without
    being embedded. Metadata is stored and compared as JSON.

    Files of media are read once, and again when they are sent. One that is gone, unreadable or
    changed meanwhile is a failed document.

    One failing document does not stop the run. Errors that would affect every document do: a
    day's quota, a refused key, requests that all fail, a full disk, an engine that is away for
    more than a minute. Documents that have their vectors by then are stored if possible.

    On a cluster, a document counts as stored if it is on as many replicas as the collection's
    `write_consistency_factor` promises.

    Args:
        store: The store to fill.
        documents: Any iterable; it is read only as fast as documents are stored, so a generator may
            be endless. A `Blob` becomes a document as in `store.add_media`.
        id_keys: Metadata fields that are part of ids made from content, to distinguish equal texts.
        cleanup: Treatment of stale documents, which are stored and were not given, after all others
            are stored: `"none"` keeps them; `"source"` deletes those from the given sources, such
            as passages that a file no longer has; `"full"` deletes all of them. It takes 8 bytes of
            memory per document, and the names of the sources. If documents have failed, stale
            documents of their sources are kept, with `"full"` all.
        source_key: Metadata field with the source, for `cleanup="source"`, named as in filters:
            `file.name` is nested. The field is indexed if the API key allows it.
        batch_size: Documents embedded at a time. Up to five times as many are looked up at once,
            and all vectors that have arrived are stored together.
        total: Number of documents, if `len` does not work; for `progress` and `on_progress`.
        progress: Show a bar with counts, price and waits: a widget in a notebook that has
            ipywidgets, otherwise text.
        on_progress: Called as documents are read, embedded, stored and deleted. An exception from
            it ends the run and is raised unchanged, after the results of requests in flight are
            stored.
        on_error: `"raise"` (default) raises `IngestError` if the run is not complete; `"report"`
            returns the report also then.

    Returns:
        Counts, price and time.

    Raises:
        IngestError: Some documents failed, or the run ended early; `report` has ids and reasons.
            All others are stored.
        CollectionMismatchError: The collection is no longer the one that was opened: it was
            recreated or its alias repointed, for a different embedding. Nothing is read or sent.
        ConfigurationError: An option is unknown, or does not fit the documents.
        InvalidInputError: `documents` is a single document.
    """
    check_list(documents, "documents")
    if isinstance(documents, AsyncIterable) and not isinstance(documents, Iterable):
        raise ConfigurationError("documents come asynchronously: await aingest(...) instead")
    collection = store.collection.patient()
    with progress_bar("documents", on_progress, shown=progress) as show:
        this = _Run(
            collection,
            Cleanup(collection, cleanup, source_key),
            id_keys=id_keys,
            batch_size=batch_size,
            total=len(documents) if total is None and isinstance(documents, Sized) else total,
            on_progress=show,
            on_error=on_error,
        )
        # An iterator may also be asynchronous; `islice` makes a synchronous one.
        return run(this.run(islice(documents, None)))


async def aingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document | Blob] | AsyncIterable[Document | Blob],
    *,
    id_keys: Sequence[str] = ("source",),
    cleanup: CleanupMode = "none",
    source_key: str = "source",
    batch_size: int = MAX_BATCH_SIZE,
    total: int | None = None,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
    on_error: Literal["raise", "report"] = "raise",
) -> IngestReport:
    """Embed and store documents that the collection does not have, without blocking.

    The arguments are those of `ingest`; `documents` may be asynchronous. Cancelling it cancels the
    requests in flight.

    Returns:
        Counts, price and time.

    Raises:
        IngestError: Some documents failed, or the run ended early; `report` has ids and reasons.
            All others are stored.
    """
    check_list(documents, "documents")
    collection = store.async_collection.patient()
    with progress_bar("documents", on_progress, shown=progress) as show:
        this = _Run(
            collection,
            Cleanup(collection, cleanup, source_key),
            id_keys=id_keys,
            batch_size=batch_size,
            total=len(documents) if total is None and isinstance(documents, Sized) else total,
            on_progress=show,
            on_error=on_error,
        )
        given = aiter(documents) if isinstance(documents, AsyncIterable) else iter(documents)
        return await this.run(given)


class _Run:
    """One call of `ingest`."""

    def __init__(
        self,
        collection: Collection,
        cleanup: Cleanup,
        *,
        id_keys: Sequence[str],
        batch_size: int,
        total: int | None,
        on_progress: Callable[[IngestProgress], None] | None,
        on_error: Literal["raise", "report"],
    ) -> None:
        if cleanup.mode not in get_args(CleanupMode):
            raise ConfigurationError(
                f"cleanup must be 'none', 'source' or 'full', got {cleanup.mode!r}"
            )
        if on_error not in {"raise", "report"}:
            raise ConfigurationError(f"on_error must be 'raise' or 'report', got {on_error!r}")
        if isinstance(id_keys, str):
            raise ConfigurationError(f"id_keys must be names, such as ('source',), got {id_keys!r}")
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be 1 or larger, got {batch_size}")
        self.name = collection.name
        self._collection = collection
        self._cleanup = cleanup
        self._id_keys = id_keys
        self._batch_size = batch_size
        self._on_error = on_error
        self._stats = RunStats(collection, on_progress)
        self._counters = self._stats.begin(total)

    @traced_run("ingest")
    async def run(
        self, documents: Iterator[Document | Blob] | AsyncIterator[Document | Blob]
    ) -> IngestReport:
        """Store the documents, then clean up; return the report, or raise an error with it."""
        await self._store_all(documents)
        return self._checked_report()

    async def _store_all(
        self, documents: Iterator[Document | Blob] | AsyncIterator[Document | Blob]
    ) -> None:
        pipeline = Pipeline(
            self._collection,
            Documents(self._collection, self._cleanup, self._id_keys).incoming,
            batch_size=self._batch_size,
            counters=self._counters,
            report=self._stats.listener,
        )
        await pipeline.run(documents)
        if self._counters.error is not None:
            return
        try:
            await self._cleanup.run(self._stats, self._counters)
        except Exception as error:
            if self._stats.in_callback:
                raise
            self._counters.error = error  # raised with the report

    def _checked_report(self) -> IngestReport:
        report = self._stats.report()
        if report.complete or self._on_error == "report":
            return report
        stored = report.added + report.updated
        cause = first_cause(self._counters)
        advice = ". Run it again to resume" if can_resume(report, cause) else ""
        raise IngestError(
            f"{counted(stored, 'document')} stored, {report.skipped:,} already stored or "
            f"repeated, but not all: {shortfall(report)}{advice}",
            report=report,
        ) from cause
