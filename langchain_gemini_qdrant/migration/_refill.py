"""Passes over an old collection that fill a new one, with other vectors of the same texts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._qdrant_values import document_id
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import CollectionMismatchError, IngestError
from langchain_gemini_qdrant.ingestion._pipeline import Item, Pipeline
from langchain_gemini_qdrant.ingestion._progress import Account, shortfall
from langchain_gemini_qdrant.migration import _collection_copy as _replicas

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from qdrant_client import models

    from langchain_gemini_qdrant.ingestion._progress import Tally
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.migration._collection_copy import Send
    from langchain_gemini_qdrant.vectorstores._retry import Steps
    from langchain_gemini_qdrant.vectorstores._write import Operations

_MAX_PASSES = 5
"""The last one has to find nothing new."""


class Filling:
    """The points of an old collection on their way into a new one.

    Args:
        store: Over the new collection; its embedding makes the dense vectors.
        read: Calls a method of the client with the old collection's name.
        kept_vectors: Names of the vectors that stay as they are.
        may_delete: Whether the new collection has nothing but what came from the old one, so that
            what the old one has no more can go.
        batch_size: Points read and embedded at a time.
        on_progress: Called as a pass goes on.
    """

    def __init__(
        self,
        store: Operations,
        read: Send,
        *,
        kept_vectors: Sequence[str],
        may_delete: bool,
        batch_size: int,
        on_progress: Callable[[IngestProgress], None] | None,
    ) -> None:
        self._store = store
        self._read = read
        self._kept_vectors = list(kept_vectors)
        self._may_delete = may_delete
        self._batch_size = batch_size
        self._is_gemini = isinstance(store._layout.embedding, GeminiEmbeddings)
        self._account = Account(store._clock, on_progress)

    def steps(
        self, records: Callable[[], Iterator[models.Record] | AsyncIterator[models.Record]]
    ) -> Steps[IngestReport]:
        """Pass over the old collection until the new one has the same points.

        Raises:
            IngestError: Some documents failed, or the old collection keeps changing.
            CollectionMismatchError: The new one has points of somebody else.
        """
        while self._account.passes < _MAX_PASSES:
            tally = yield from self._pass(records())
            self._check(tally)
            here = yield from _replicas.count(self._read)
            there = yield from _replicas.count(self._store._send)
            if here == there and not tally.added + tally.updated:
                return self._account.report()
            if there > here:
                yield from self._delete_others(tally)
        why = f"the old collection changed in each of {_MAX_PASSES} passes over it"
        raise IngestError(
            f"{why}: run it again once nobody writes to it. No alias is switched",
            report=replace(self._account.report(), stopped=why),
        )

    # Reading

    def records(self) -> Iterator[models.Record]:
        """Yield the points of the old collection."""
        offset = None
        while True:
            records, offset = self._store._run(self._page(offset))
            yield from records
            if offset is None:
                return

    async def arecords(self) -> AsyncIterator[models.Record]:
        """Yield the points of the old collection."""
        offset = None
        while True:
            records, offset = await self._store._arun(self._page(offset))
            for record in records:
                yield record
            if offset is None:
                return

    def _page(self, offset: object) -> Steps[tuple[list[models.Record], Any]]:
        page: tuple[list[models.Record], Any] = yield from self._read(
            "scroll",
            limit=self._batch_size,
            offset=offset,
            with_payload=True,
            with_vectors=self._kept_vectors or False,
        )
        return page

    # A pass

    def _pass(
        self, records: Iterator[models.Record] | AsyncIterator[models.Record]
    ) -> Steps[Tally]:
        total = yield from _replicas.count(self._read)
        tally = self._account.begin(total)
        pipeline = Pipeline(
            self._store,
            self._item,
            batch_size=self._batch_size,
            tally=tally,
            report=self._account.tell,
        )
        yield from pipeline.run(records)
        return tally

    def _item(self, record: models.Record) -> Item:
        store = self._store
        payload = record.payload or {}
        text = payload.get(store.content_payload_key)
        [title] = store._titles([payload.get(store.metadata_payload_key) or {}]) or [None]
        problem = None
        if not isinstance(text, str):
            problem = f"the point has no text under {store.content_payload_key!r} of its payload"
        elif self._is_gemini and not text.strip():
            problem = "the text is blank"
        key: Any = record.id
        return Item(
            key=key,
            name=document_id(key, payload),
            text=text if isinstance(text, str) else "",
            title=title,
            payload=payload,
            vectors=record.vector if isinstance(record.vector, dict) else {},
            problem=problem,
        )

    def _delete_others(self, tally: Tally) -> Steps[None]:
        """Delete what the old collection has no more."""
        others = yield from _replicas.others(self._store._send, than=self._read)
        if others and not self._may_delete:
            raise CollectionMismatchError(
                f"the new collection {self._store.collection_name!r} has {len(others)} points that "
                f"the old one has not, such as {others[:3]}: delete those that the old one had "
                "before, or pass another collection_name. No alias is switched"
            )
        yield from self._store._delete(others, None, {})
        tally.deleted += len(others)

    def _check(self, tally: Tally) -> None:
        """Raise what has failed."""
        report = self._account.report()
        if not report.complete:
            raise IngestError(
                f"the new collection {self._store.collection_name!r} is not complete, and no alias "
                f"is switched: {shortfall(report)}. Run it again to go on",
                report=report,
            ) from tally.error
