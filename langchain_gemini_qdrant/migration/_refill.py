"""Copies an old collection into a new one, re-embedding its texts, until both match."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from langchain_gemini_qdrant._qdrant_values import document_id, named_vectors
from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, gemini_of, is_plain
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    IngestError,
    InvalidInputError,
)
from langchain_gemini_qdrant.ingestion._lookups import Incoming, digests_of
from langchain_gemini_qdrant.ingestion._pipeline import Pipeline
from langchain_gemini_qdrant.ingestion._progress import RunStats, can_resume, first_cause, shortfall
from langchain_gemini_qdrant.migration import _collection_copy
from langchain_gemini_qdrant.migration._collection_copy import Side
from langchain_gemini_qdrant.migration._reuse import shortened
from langchain_gemini_qdrant.vectorstores import _points, _write
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._media import with_media

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from qdrant_client import models

    from langchain_gemini_qdrant.ingestion._progress import Counters
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.migration._reuse import Short
    from langchain_gemini_qdrant.vectorstores._collection import Collection

    _Point: TypeAlias = tuple[models.Record, Short | None]  # and its new vector, if it is reused

_MAX_PASSES = 5
"""The last pass has to find nothing new."""

Reuse = Literal["all", "usable", "none"]
"""Which stored vectors are shortened: those of all points, or of those where that is possible."""


class Refill:
    """Copies the points of an old collection into a new one.

    Args:
        collection: The new collection; its embedding makes the dense vectors.
        old: The old collection.
        kept_vectors: Names of the vectors that are copied unchanged.
        reuse: Which stored vectors are shortened; the others are embedded again.
        may_delete: Whether all points of the new collection came from the old one, so that points
            that the old one no longer has can be deleted.
        batch_size: Points read and embedded at a time.
        on_progress: Called during a pass.
    """

    def __init__(
        self,
        collection: Collection,
        old: Side,
        *,
        kept_vectors: Sequence[str],
        reuse: Reuse,
        may_delete: bool,
        batch_size: int,
        on_progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._collection = collection
        self._new = Side(collection.client, collection.name, collection.state.limits)
        self._old = old
        self._kept_vectors = list(kept_vectors)
        self._reuse = reuse
        self._may_delete = may_delete
        self._batch_size = batch_size
        self._is_gemini = gemini_of(collection.layout.embedding) is not None
        self._takes_arrays = is_plain(collection.layout.embedding, *DOCUMENTS)
        self._stats = RunStats(collection, on_progress)

    @property
    def vectors_reused(self) -> int:
        """Number of documents stored with shortened vectors."""
        return self._stats.reused

    async def run(self) -> IngestReport:
        """Pass over the old collection until the new one has the same points.

        Raises:
            IngestError: Some documents failed, or the old collection kept changing.
            CollectionMismatchError: The new one has points from elsewhere.
        """
        while self._stats.passes < _MAX_PASSES:
            counters = await self._pass()
            self._check(counters)
            here = await _collection_copy.count(self._old)
            there = await _collection_copy.count(self._new)
            if here == there and not counters.added + counters.updated:
                return self._stats.report()
            if there > here:
                await self._delete_others(counters)
        why = f"the old collection changed in each of {_MAX_PASSES} passes over it"
        raise IngestError(
            f"{why}: run it again when nothing writes to it. No alias was switched",
            report=replace(self._stats.report(), stopped=why),
        )

    # Reading

    async def _records(self) -> AsyncGenerator[_Point, None]:
        """Yield the points of the old collection."""
        offset: Any = None
        while True:
            records, offset = await self._old.client.scroll(
                self._old.name,
                limit=at_most(self._batch_size, self._old.limits.hits),
                offset=offset,
                with_payload=True,
                with_vectors=self._reuse != "none" or self._kept_vectors or False,
            )
            for point in self._points(records):
                yield point
            if offset is None:
                return

    def _points(self, records: Sequence[models.Record]) -> list[_Point]:
        """Return points with their shortened vectors, None if those are not reused."""
        size = self._collection.state.size
        if self._reuse == "none" or size is None:
            return [(record, None) for record in records]
        stored = []
        for record in records:
            vectors: Any = {**named_vectors(record.vector)}
            stored.append(vectors.pop(self._collection.layout.vector_name, None))
            record.vector = vectors  # the long one is not kept in memory
        return [*zip(records, shortened(stored, size), strict=True)]

    # A pass

    async def _pass(self) -> Counters:
        total = await _collection_copy.count(self._old)
        counters = self._stats.begin(total)
        pipeline = Pipeline(
            self._collection,
            self._incoming,
            to_content=self._with_media,
            batch_size=self._batch_size,
            counters=counters,
            report=self._stats.listener,
        )
        async with aclosing(self._records()) as records:
            await pipeline.run(records)
        return counters

    async def _incoming(self, point: _Point) -> Incoming:
        record, short = point
        layout = self._collection.layout
        payload = record.payload or {}
        metadata = layout.metadata(payload)
        text = payload.get(layout.content_key)
        key: Any = record.id
        return Incoming(
            key=key,
            name=document_id(key, payload),
            text=text if isinstance(text, str) else "",
            title=layout.title(metadata),
            payload=payload,
            vectors=record.vector if isinstance(record.vector, dict) else {},
            problem=self._problem(text, metadata, short),
            vector=self._known(short),
        )

    def _known(self, short: Short | None) -> object:
        if short is None or isinstance(short, str):
            return None
        return short if self._takes_arrays else short.tolist()

    def _problem(self, text: object, metadata: object, short: Short | None) -> str | None:
        """Return why a point gets no new vector, before its media are read."""
        if short is not None and not isinstance(short, str):
            return None
        if short is not None and self._reuse == "all":
            return f"{short}, and nothing is embedded"
        layout = self._collection.layout
        if not isinstance(text, str):
            return f"the point has no text under {layout.content_key!r} of its payload"
        if digests_of(metadata) is None:
            return "the text is blank" if self._is_gemini and not text.strip() else None
        if layout.media is None or not layout.media.names_media(metadata):
            return (
                "its vector is that of media, and the store has no reference to them: open it with "
                "the media_key (and media_root) with which they were stored"
            )
        return None

    async def _with_media(self, document: Incoming) -> Incoming:
        """Return a point with the media that it was embedded from, if they are still there."""
        metadata = self._collection.layout.metadata(document.payload)
        if digests_of(metadata) is None:
            return document
        row = _points.Row(document.key, document.text, metadata)
        [read] = await with_media(self._collection, [row])
        if isinstance(read, InvalidInputError):
            return document._replace(problem=str(read))
        if digests_of(read.metadata) != digests_of(metadata):
            named = ", ".join([str(medium.source) for medium in cast("Any", read.media)])
            return document._replace(problem=f"{named} has changed since it was stored")
        return document._replace(parts=cast("Parts", read.content))

    async def _delete_others(self, counters: Counters) -> None:
        """Delete points that the old collection no longer has."""
        others = await _collection_copy.others(self._new, than=self._old)
        if others and not self._may_delete:
            raise CollectionMismatchError(
                f"the new collection {self._collection.name!r} has {len(others)} points that the "
                f"old one does not have, such as {others[:3]}: delete those that the old one had "
                "before, or pass a different collection_name. No alias was switched"
            )
        await _write.delete(self._collection, others, None, {})
        counters.deleted += len(others)

    def _check(self, counters: Counters) -> None:
        """Raise an error if documents have failed."""
        report = self._stats.report()
        if not report.complete:
            cause = first_cause(counters)
            advice = ". Run it again to resume" if can_resume(report, cause) else ""
            raise IngestError(
                f"the new collection {self._collection.name!r} is not complete, and no alias was "
                f"switched: {shortfall(report)}{advice}",
                report=report,
            ) from cause
