"""Stale documents: stored, and no longer given."""

from __future__ import annotations

from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant.errors import CollectionMismatchError, InvalidInputError
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._payload_indexes import create_payload_indexes
from langchain_gemini_qdrant.vectorstores._write import IDS_AT_A_TIME, in_requests
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    import numpy.typing as npt

    from langchain_gemini_qdrant.ingestion._progress import Counters, RunStats
    from langchain_gemini_qdrant.vectorstores._collection import Collection

CleanupMode: TypeAlias = Literal["none", "source", "full"]

_SOURCES_AT_A_TIME = 500


class Cleanup:
    """Remembers what a run was given, and deletes what it was not.

    Args:
        collection: Whose documents are deleted.
        mode: Which ones; see `ingest`.
        source_key: Where metadata has the source.
    """

    def __init__(self, collection: Collection, mode: CleanupMode, source_key: str) -> None:
        self.mode = mode
        self.source_key = source_key
        self._collection = collection
        self._given = array("q")  # hashes of point ids: 8 bytes each
        self._sources: dict[Any, None] = {}  # of these, in order

    def add(self, key: str | int, source: object) -> None:
        """Remember a document that was given."""
        self._given.append(hash(key))
        self._sources[source] = None

    async def run(self, stats: RunStats, counters: Counters) -> None:
        """Delete stale documents, and count them."""
        if self.mode == "source":
            await self._clean_sources(stats, counters)
        elif self.mode == "full" and not counters.failed:
            if not self._given:
                raise InvalidInputError(
                    "cleanup='full' without a single document would delete all that is stored: "
                    "nothing is deleted; store.delete(filter=models.Filter()) does that"
                )
            await self._delete_others(None, stats, counters)

    async def _clean_sources(self, stats: RunStats, counters: Counters) -> None:
        sources = [each for each in self._sources if each not in counters.failed_sources]
        if not sources:
            return
        field = metadata_field(self.source_key, self._collection.layout.metadata_key)
        with suppress(CollectionMismatchError):  # it is indexed, if in another way
            await create_payload_indexes(self._collection, {self.source_key: "keyword"})
        for start in range(0, len(sources), _SOURCES_AT_A_TIME):
            some = sources[start : start + _SOURCES_AT_A_TIME]
            condition = models.FieldCondition(key=field, match=models.MatchAny(any=some))
            await self._delete_others(models.Filter(must=[condition]), stats, counters)

    async def _delete_others(
        self, condition: models.Filter | None, stats: RunStats, counters: Counters
    ) -> None:
        given = np.unique(np.frombuffer(self._given, dtype=np.int64))
        client, name = self._collection.client, self._collection.name
        limits = self._collection.state.limits
        offset: Any = None
        while True:
            records, offset = await client.scroll(
                name,
                scroll_filter=condition,
                limit=at_most(IDS_AT_A_TIME, limits.hits),
                offset=offset,
                with_payload=False,
            )
            others = _not_among(given, [record.id for record in records])
            for some in in_requests(others, limits.deleted):
                await client.delete(name, some)
            if others:
                counters.deleted += len(others)
                stats.notify()
            if offset is None:
                return


def _not_among(given: npt.NDArray[np.int64], ids: list[Any]) -> list[Any]:
    """Return the ids whose hash is not in `given`, which is sorted and not empty."""
    hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
    nearest = given[np.searchsorted(given, hashes).clip(max=len(given) - 1)]
    return [each for each, other in zip(ids, nearest != hashes, strict=True) if other]
