"""Lookup of files in a collection before they are read."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.cli.documents.corpus import SOURCE_KEY, id_under
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.ingestion._lookups import LookUps
from langchain_gemini_qdrant.vectorstores._payload_indexes import create_payload_indexes
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.files import SourceFile
    from langchain_gemini_qdrant.cli.documents.read_before import ReadBefore, ReadFiles, Stamp
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_IDS_AT_A_TIME = 1_000
_MOST = 1_000_000
_MOST_COPIES = 3


class StoredFiles:
    """Finds files whose passages are stored, so that they are not read or paid for again.

    Args:
        store: The collection, None if there is none yet.
        read_files: Results of the last reading of each file.
        dry_run: Whether to change nothing. Copies are then found if sources are indexed.
    """

    def __init__(
        self, store: GeminiQdrantVectorStore | None, read_files: ReadFiles, *, dry_run: bool = False
    ) -> None:
        self._collection = None if store is None else store.collection.patient()
        self._dry_run = dry_run
        self._read_files = read_files
        self._look_ups = None if self._collection is None else LookUps(self._collection)
        if self._look_ups is not None:
            run(self._look_ups.open())
        self._begun: set[str] = set()  # ids of the first passages of files read in this run

    def unchanged(self, files: Sequence[SourceFile]) -> dict[str, ReadBefore]:
        """Return by source the files that have not changed and whose passages are all stored."""
        read = self._read_files.find(files)
        names = ((name, source) for source, before in read.items() for name in before.names())
        gone: set[str] = set()
        while some := dict(islice(names, _IDS_AT_A_TIME)):
            gone.update(some[name] for name in some.keys() - self._existing(list(some)))
        return {source: before for source, before in read.items() if source not in gone}

    def remember(self, file: SourceFile, state: Stamp, read: ReadBefore) -> None:
        """Record the result of a file, and its state before and after it was read."""
        self._read_files.keep(file, state, read)

    def save(self) -> None:
        """Write the recorded results."""
        if not self._dry_run:
            self._read_files.save()

    def copies_of(self, passage: Document) -> list[str]:
        """Return other sources of the same file name that have a file's first passage.

        They are stored, or were read before in this run.
        """
        source = passage.metadata[SOURCE_KEY]
        same_name = self._by_name.setdefault(_name(source), [])
        ids = {id_under(passage, other): other for other in same_name if other != source}
        found = self._begun.intersection(ids) | self._existing(list(ids))
        same_name.append(source)
        self._begun.add(id_under(passage, source))
        return [other for each, other in ids.items() if each in found][:_MOST_COPIES]

    def is_new(self, source: str) -> bool:
        """Return whether no passage of a source was stored before this run."""
        return source not in self._sources

    @cached_property
    def _sources(self) -> set[str]:
        """All sources of the collection; none if the key has no right to count them."""
        collection = self._collection
        if collection is None:
            return set()
        field = metadata_field(SOURCE_KEY, collection.layout.metadata_key)
        try:
            if not self._dry_run:
                run(create_payload_indexes(collection, {SOURCE_KEY: "keyword"}))
            elif field not in run(collection.client.get_collection(collection.name)).payload_schema:
                return set()
            facet = collection.client.facet(collection.name, field, limit=_MOST, exact=True)
            return {str(hit.value) for hit in run(facet).hits}
        except Exception as error:
            if read_failure(error) is None and not isinstance(error, CollectionMismatchError):
                raise
            warn(f"files that are stored under other sources are not found: {reason(error)}")
            return set()

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for source in sorted(self._sources):
            found.setdefault(_name(source), []).append(source)
        return found

    def _existing(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        if self._look_ups is None:
            return found
        for start in range(0, len(ids), _IDS_AT_A_TIME):
            found |= run(self._look_ups.existing([*ids[start : start + _IDS_AT_A_TIME]]))
        return found


def _name(source: str) -> str:
    return source.rpartition("/")[2]
