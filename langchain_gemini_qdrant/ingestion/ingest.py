"""Documents into a collection, each once: what is stored is neither embedded nor sent again."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterable, Iterable, Sized
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from langchain_core.documents import Document
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_payload, content_id, id_payload, point_id
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    IngestError,
    InvalidInputError,
)
from langchain_gemini_qdrant.ingestion._pipeline import Item, Pipeline
from langchain_gemini_qdrant.ingestion._progress import Account, shortfall
from langchain_gemini_qdrant.vectorstores._retry import IDS_AT_A_TIME
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    import numpy.typing as npt

    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.vectorstores._retry import Steps
    from langchain_gemini_qdrant.vectorstores._write import Operations
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

Cleanup: TypeAlias = Literal["none", "source", "full"]

_SOURCES_AT_A_TIME = 500


def ingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document],
    *,
    id_keys: Sequence[str] = ("source",),
    cleanup: Cleanup = "none",
    source_key: str = "source",
    batch_size: int = MAX_BATCH_SIZE,
    total: int | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
    on_error: Literal["raise", "report"] = "raise",
) -> IngestReport:
    """Embed and store the documents that the collection does not have yet as they are.

    The same call goes on where a run broke off, for whatever reason: what is stored is looked up
    and not sent again. Several requests are with Gemini at a time (`max_concurrency` of
    `GeminiEmbeddings`) while the vectors of others are stored, and only these are held in memory.

    A document without an id gets one made of its text and of its metadata under `id_keys`; the
    same passage given again is skipped. Of documents with one id of their own, the last one
    stays. A document whose text and title are stored, and only its metadata differ, is updated
    without being embedded. Metadata is stored, and compared, as JSON has it.

    A document that cannot be embedded or stored holds nobody up. What would befall every other
    one, too, ends the run: a quota of the day, a refused key, requests that all fail, an engine
    that is away. What had its vectors by then is stored.

    Args:
        store: Where to.
        documents: Any iterable; it is read as room is made, so a generator may be endless.
        id_keys: Metadata that tells equal texts apart, in ids made of content.
        cleanup: What becomes of stored documents that were not given, once all others are stored:
            `"none"` keeps them; `"source"` deletes those of the sources that were given, such as
            passages that a file no longer has; `"full"` deletes all others of the collection.
            Takes 8 bytes of memory for each document, and the names of the sources. Where
            documents have failed, those of their sources are kept, and with `"full"` all.
        source_key: Where metadata has the source, for `cleanup="source"`; an index of it is made.
        batch_size: Documents embedded at a time. Up to five times as many are looked up, and all
            that have come meanwhile are stored.
        total: How many documents there are, where `len` does not tell; for `on_progress`.
        on_progress: Called as documents are read, embedded, stored and deleted; what it raises
            ends the run and comes out as it is.
        on_error: `"report"` returns the report of a run that is not complete, too.

    Returns:
        Counts, price and time.

    Raises:
        IngestError: Some documents failed, or the run ended before its time; `report` says which
            and why. All others are stored.
        ConfigurationError: An option is unknown, or at odds with the documents.
    """
    options = (id_keys, cleanup, source_key, batch_size, total, on_progress, on_error)
    if isinstance(documents, AsyncIterable) and not isinstance(documents, Iterable):
        raise ConfigurationError("documents come asynchronously: await aingest(...) instead")
    run = _Run(store, documents, *options)
    store._run(run.steps(iter(documents)))
    return run.report()


async def aingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document] | AsyncIterable[Document],
    *,
    id_keys: Sequence[str] = ("source",),
    cleanup: Cleanup = "none",
    source_key: str = "source",
    batch_size: int = MAX_BATCH_SIZE,
    total: int | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
    on_error: Literal["raise", "report"] = "raise",
) -> IngestReport:
    """Embed and store documents, without blocking the event loop; see `ingest`.

    Cancelling it cancels the requests under way.
    """
    options = (id_keys, cleanup, source_key, batch_size, total, on_progress, on_error)
    run = _Run(store, documents, *options)
    given = aiter(documents) if isinstance(documents, AsyncIterable) else iter(documents)
    await store._arun(run.steps(given))
    return run.report()


class _Run:
    """One call of `ingest`."""

    def __init__(  # noqa: PLR0917 - as `ingest` has them
        self,
        store: Operations,
        documents: Iterable[Document] | AsyncIterable[Document],
        id_keys: Sequence[str],
        cleanup: Cleanup,
        source_key: str,
        batch_size: int,
        total: int | None,
        on_progress: Callable[[IngestProgress], None] | None,
        on_error: Literal["raise", "report"],
    ) -> None:
        if cleanup not in {"none", "source", "full"}:
            raise ConfigurationError(f"cleanup must be 'none', 'source' or 'full', got {cleanup!r}")
        if on_error not in {"raise", "report"}:
            raise ConfigurationError(f"on_error must be 'raise' or 'report', got {on_error!r}")
        if isinstance(id_keys, str):
            raise ConfigurationError(f"id_keys must be names, such as ('source',), got {id_keys!r}")
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be 1 or larger, got {batch_size}")
        self._store = store
        self._id_keys = id_keys
        self._cleanup = cleanup
        self._source_key = source_key
        self._batch_size = batch_size
        self._on_error = on_error
        self._is_gemini = isinstance(store._layout.embedding, GeminiEmbeddings)
        if total is None and isinstance(documents, Sized):
            total = len(documents)
        self._account = Account(store._clock, on_progress)
        self._tally = self._account.begin(total)
        self._given = array("q")  # hashes of the points given, for the cleanup
        self._sources: dict[Any, None] = {}  # of these, in order

    def steps(self, documents: Iterator[Document] | AsyncIterator[Document]) -> Steps[None]:
        """Store the documents, then clean up."""
        pipeline = Pipeline(
            self._store,
            self._item,
            batch_size=self._batch_size,
            tally=self._tally,
            report=self._account.tell,
        )
        yield from pipeline.run(documents)
        tally = self._tally
        if tally.error is not None:
            return
        try:
            if self._cleanup == "source":
                yield from self._clean_sources()
            elif self._cleanup == "full" and not tally.failed:
                yield from self._clean_all()
        except Exception as error:
            if self._account.is_telling:
                raise
            tally.error = error  # told with the report

    def _item(self, document: object) -> Item:
        if not isinstance(document, Document):
            raise InvalidInputError(f"documents must be Documents, got {type(document).__name__}")
        store = self._store
        name = document.id or content_id(document, self._id_keys)
        key = point_id(name)
        [title] = store._titles([document.metadata]) or [None]
        source: object = document.metadata.get(self._source_key)
        source = source if isinstance(source, str) else None
        payload: dict[str, Any] = {}
        problem = None
        try:
            # As every engine keeps it, so that it can be compared with what is stored.
            payload, _ = check_payload(
                {
                    store.content_payload_key: document.page_content,
                    store.metadata_payload_key: _in_order(document.metadata),
                    **id_payload(name, key),
                }
            )
        except InvalidInputError as error:
            problem = f"it cannot be stored: {error}"
        if self._is_gemini and not document.page_content.strip():
            problem = "the text is blank"
        elif self._cleanup == "source" and source is None:
            problem = f"cleanup='source' needs a string in metadata {self._source_key!r}"
        elif self._cleanup != "none":
            self._given.append(hash(key))
            self._sources[source] = None
        return Item(
            key=key,
            name=name,
            text=document.page_content,
            title=title,
            payload=payload,
            has_own_id=document.id is not None,
            source=source,
            problem=problem,
        )

    # What is stored and was not given

    def _clean_sources(self) -> Steps[None]:
        sources = [s for s in self._sources if s not in self._tally.failed_sources]
        if not sources:
            return
        field = metadata_field(self._source_key, self._store.metadata_payload_key)
        with suppress(CollectionMismatchError):  # it is indexed, if in another way
            yield from self._store._create_indexes({self._source_key: "keyword"})
        given = np.unique(np.frombuffer(self._given, dtype=np.int64))
        for start in range(0, len(sources), _SOURCES_AT_A_TIME):
            some = sources[start : start + _SOURCES_AT_A_TIME]
            condition = models.FieldCondition(key=field, match=models.MatchAny(any=some))
            yield from self._delete_others(given, models.Filter(must=[condition]))

    def _clean_all(self) -> Steps[None]:
        if not self._given:
            raise InvalidInputError(
                "cleanup='full' without a single document would delete all that is stored: "
                "nothing is deleted; store.delete(filter=models.Filter()) does that"
            )
        given = np.unique(np.frombuffer(self._given, dtype=np.int64))
        yield from self._delete_others(given, None)

    def _delete_others(
        self, given: npt.NDArray[np.int64], condition: models.Filter | None
    ) -> Steps[None]:
        offset: Any = None
        while True:
            records, offset = yield from self._store._send(
                "scroll",
                scroll_filter=condition,
                limit=IDS_AT_A_TIME,
                offset=offset,
                with_payload=False,
            )
            others = _not_among(given, [record.id for record in records])
            if others:
                yield from self._store._send("delete", others)
                self._tally.deleted += len(others)
                self._account.tell()
            if offset is None:
                return

    def report(self) -> IngestReport:
        """Return what was done, or raise it as an error."""
        report = self._account.report()
        if report.complete or self._on_error == "report":
            return report
        raise IngestError(
            f"{report.added + report.updated} documents are stored and {report.skipped} were found "
            f"stored. Not all: {shortfall(report)}. Run it again to go on",
            report=report,
        ) from self._tally.error


def _in_order(metadata: dict[str, Any]) -> dict[str, Any]:
    """Give sets an order: Python's own differs from run to run."""
    if not any(isinstance(value, AbstractSet) for value in metadata.values()):
        return metadata
    return {
        key: sorted(value, key=repr) if isinstance(value, AbstractSet) else value
        for key, value in metadata.items()
    }


def _not_among(given: npt.NDArray[np.int64], ids: list[Any]) -> list[Any]:
    """Return the ids whose hash is not in `given`, which is sorted and not empty."""
    hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
    nearest = given[np.searchsorted(given, hashes).clip(max=len(given) - 1)]
    return [each for each, other in zip(ids, nearest != hashes, strict=True) if other]
