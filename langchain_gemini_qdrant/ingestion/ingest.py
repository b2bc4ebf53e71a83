"""Incremental ingestion: stored documents are not embedded or sent again."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sized
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from langchain_core.documents import Document

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._qdrant_values import (
    EVERYWHERE,
    check_payload,
    content_id,
    id_payload,
    point_id,
)
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, IngestError, InvalidInputError
from langchain_gemini_qdrant.ingestion._cleanup import Cleanup, CleanupMode
from langchain_gemini_qdrant.ingestion._lookups import Given, Incoming
from langchain_gemini_qdrant.ingestion._pipeline import Pipeline
from langchain_gemini_qdrant.ingestion._progress import RunStats, can_resume, first_cause, shortfall
from langchain_gemini_qdrant.vectorstores._payloads import to_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore
    from langchain_gemini_qdrant.vectorstores._collection import Collection


def ingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document],
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

    A document without an id gets one made from its text and its metadata under `id_keys`, so a
    repeated passage is skipped. If several documents have the same id, the last one is kept. If
    only the metadata of a stored document has changed, it is updated without being embedded.
    Metadata is stored and compared as JSON.

    One failing document does not stop the run. Errors that would affect every document do: a
    day's quota, a refused key, requests that all fail, a full disk, an engine that is away for
    more than a minute. Documents that have their vectors by then are stored if possible.

    On a cluster, a document counts as stored if it is on as many replicas as the collection's
    `write_consistency_factor` promises.

    Args:
        store: The store to fill.
        documents: Any iterable; it is read only as fast as documents are stored, so a generator may
            be endless.
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
        run(this.store_all(islice(documents, None)))
    return this.report()


async def aingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document] | AsyncIterable[Document],
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
        await this.store_all(given)
    return this.report()


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
        self._collection = collection
        self._cleanup = cleanup
        self._id_keys = id_keys
        self._batch_size = batch_size
        self._on_error = on_error
        self._is_gemini = gemini_of(collection.layout.embedding) is not None
        self._stats = RunStats(collection.clock, on_progress)
        self._counters = self._stats.begin(total)

    async def store_all(self, documents: Iterator[Document] | AsyncIterator[Document]) -> None:
        """Store the documents, then clean up."""
        pipeline = Pipeline(
            self._collection,
            self._incoming,
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

    def _incoming(self, given: object) -> Incoming:
        if not isinstance(given, Given):
            return self._prepared(given)
        if not given.is_stored:
            others = [point_id(each) for each in given.other_ids]
            return self._prepared(given.document)._replace(other_keys=others)
        name = str(given.document.id)
        key, source = point_id(name), self._cleanup.source_of(given.document.metadata)
        if self._cleanup.mode != "none":
            self._cleanup.add(key, source)
        return Incoming(key=key, name=name, text="", title=None, payload={}, is_stored=True)

    def _prepared(self, document: object) -> Incoming:
        if not isinstance(document, Document):
            raise InvalidInputError(f"documents must be Documents, got {type(document).__name__}")
        layout = self._collection.layout
        name = document.id or content_id(document, self._id_keys)
        key: str | int = name
        source = self._cleanup.source_of(document.metadata)
        payload: dict[str, Any] = {}
        problem = None
        try:
            key = point_id(name)
            # In the form that every engine keeps, so that it can be compared with stored documents.
            payload = check_payload(
                to_payload(
                    *(layout.content_key, layout.metadata_key, document.page_content),
                    *(_in_order(document.metadata), id_payload(name, key)),
                ),
                EVERYWHERE,
            )
        except InvalidInputError as error:
            problem = f"it cannot be stored: {error}"
        if self._is_gemini and not document.page_content.strip():
            problem = "the text is blank"
        elif self._cleanup.mode == "source" and source is None:
            problem = self._cleanup.describe_missing(document.metadata)
        elif self._cleanup.mode != "none":
            self._cleanup.add(key, source)
        return Incoming(
            key=key,
            name=name,
            text=document.page_content,
            title=layout.title(document.metadata) if layout.title_key else None,
            payload=payload,
            has_own_id=document.id is not None,
            source=source,
            problem=problem,
        )

    def report(self) -> IngestReport:
        """Return the report, or raise an error with it."""
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


def _in_order(metadata: dict[str, Any]) -> dict[str, Any]:
    """Sort sets: Python's order differs from run to run."""
    ordered = metadata
    for key, value in metadata.items():
        if isinstance(value, AbstractSet):
            ordered = {**ordered, key: sorted(value, key=repr)}
    return ordered
