"""Deletion of stale documents: stored, and no longer given."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    InvalidInputError,
)
from langchain_gemini_qdrant.vectorstores._limits import IDS_AT_A_TIME, at_most
from langchain_gemini_qdrant.vectorstores._parts import in_parts
from langchain_gemini_qdrant.vectorstores._payload_indexes import create_payload_indexes
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason
from langchain_gemini_qdrant.vectorstores._schema import is_on_all_replicas
from langchain_gemini_qdrant.vectorstores.filters import metadata_field, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from langchain_gemini_qdrant.ingestion._progress import Counters, RunStats
    from langchain_gemini_qdrant.vectorstores._collection import Collection

CleanupMode: TypeAlias = Literal["none", "source", "full"]

_SOURCES_AT_A_TIME = 500
_KEPT_AT_A_TIME = 100_000
"""Ids in one request: about 4 MB of UUIDs; a server takes 32 MB."""


class Cleanup:
    """Records the documents that a run was given, and deletes the others.

    Args:
        collection: The collection to delete from.
        mode: `cleanup` of `ingest`.
        source_key: The metadata field of the source, named as in filters.

    Raises:
        ConfigurationError: Not every engine can filter by a field of this name.
    """

    def __init__(self, collection: Collection, mode: CleanupMode, source_key: str) -> None:
        self.mode = mode
        self.source_key = source_key
        self._collection = collection
        self._given = array("q")  # hashes of point ids: 8 bytes each
        self._sources: dict[Any, None] = {}  # the same, sorted
        self._path = _names(source_key) if mode == "source" else [source_key]

    def source_of(self, metadata: Mapping[str, Any]) -> str | None:
        """Return the source of a document, None if it is not a string."""
        value: Any = metadata
        for name in self._path:
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) else None

    def describe_missing(self, metadata: Mapping[str, Any]) -> str:
        """Return the message for a document without a source."""
        said = f"cleanup='source' needs a string in metadata {self.source_key!r}"
        if self.source_key in metadata and self._path != [self.source_key]:
            return f"{said}, which is nested; put a name that contains a dot in double quotes"
        return said

    def add(self, key: str | int, source: object) -> None:
        """Record a document that was given."""
        self._given.append(hash(key))
        self._sources[source] = None

    async def run(self, stats: RunStats, counters: Counters) -> None:
        """Delete stale documents, and count them."""
        if self.mode == "source":
            await self._clean_sources(stats, counters)
        elif self.mode == "full" and not counters.failed:
            if not self._given:
                raise InvalidInputError(
                    "cleanup='full' without any document would delete all stored documents, so "
                    "nothing is deleted; to delete all, call store.delete(filter=models.Filter())"
                )
            await self._delete_others(None, stats, counters)

    async def _clean_sources(self, stats: RunStats, counters: Counters) -> None:
        sources = [each for each in self._sources if each not in counters.failed_sources]
        if not sources:
            return
        field = metadata_field(self.source_key, self._collection.layout.metadata_key)
        await self._index_source()

        async def clean(some: list[Any]) -> None:
            condition = models.FieldCondition(key=field, match=models.MatchAny(any=some))
            await self._delete_others(models.Filter(must=[condition]), stats, counters)

        for start in range(0, len(sources), _SOURCES_AT_A_TIME):
            await in_parts(clean, sources[start : start + _SOURCES_AT_A_TIME])

    async def _index_source(self) -> None:
        """Index the source to speed up the cleanup, unless the key or a limit does not allow it."""
        try:
            await create_payload_indexes(self._collection, {self.source_key: "keyword"})
        except CollectionMismatchError:
            return  # it has a different index already
        except Exception as error:
            if read_failure(error) is None:
                raise
            warn_in_passing(
                f"metadata {self.source_key!r} of collection {self._collection.name!r} is not "
                f"indexed, which makes cleanup='source' slow: {reason(error)}"
            )

    async def _delete_others(
        self, condition: models.Filter | None, stats: RunStats, counters: Counters
    ) -> None:
        given = np.unique(np.frombuffer(self._given, dtype=np.int64))
        client, name = self._collection.client, self._collection.name
        limits = self._collection.state.limits
        is_on_all = is_on_all_replicas(await client.get_collection(name))
        kept: list[Any] = []
        offset: Any = None
        while True:
            records, offset = await client.scroll(
                name,
                scroll_filter=condition,
                limit=at_most(IDS_AT_A_TIME, limits.hits),
                offset=offset,
                with_payload=False,
            )
            ids = [record.id for record in records]
            others = _not_among(given, ids)
            if is_on_all and len(kept) <= _KEPT_AT_A_TIME:
                kept += {*ids}.difference(others)
            if others:
                await in_parts(lambda some: client.delete(name, some), others)
                counters.deleted += len(others)
                stats.notify()
            if offset is None:
                break
        if is_on_all and len(kept) <= _KEPT_AT_A_TIME:
            # A replica that was not read may have points of a write that was refused because a
            # different replica missed it.
            rest = models.Filter(
                must=[condition] if condition else None,
                must_not=[models.HasIdCondition(has_id=kept)],
            )
            await client.delete(name, rest)


def _not_among(given: npt.NDArray[np.int64], ids: list[Any]) -> list[Any]:
    """Return the ids whose hash is not in `given`, which is sorted and not empty."""
    hashes = np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))
    nearest = given[np.searchsorted(given, hashes).clip(max=len(given) - 1)]
    return [each for each, other in zip(ids, nearest != hashes, strict=True) if other]


def _names(source_key: str) -> list[str]:
    """Return the names of the path to the source, before anything is paid for."""
    names = names_of(source_key)
    if names is None or any("\\" in name for name in names):
        raise ConfigurationError(
            f"source_key must name one metadata field, got {source_key!r}: names joined by dots, "
            "such as 'source' or 'file.name', without brackets and backslashes; put a name that "
            "contains a dot in double quotes"
        )
    return names
