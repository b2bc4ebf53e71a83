"""Lookup of files in a collection before they are read."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.cli.documents.corpus import id_under
from langchain_gemini_qdrant.cli.options import SOURCE_KEY
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.ingestion._lookups import LookUps
from langchain_gemini_qdrant.vectorstores._payload_indexes import create_payload_indexes
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.files import SourceFile
    from langchain_gemini_qdrant.cli.documents.read_before import ReadBefore, ReadFiles, Stamp
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_IDS_AT_A_TIME = 1_000
_MOST = 1_000_000
_MOST_COPIES = 3
_MOST_OF_A_NAME = 100  # looked up for each file: `index.html` may be there ten thousand times


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
        # Sources read in this run, by the name of the file and its first passage.
        self._begun: dict[str, list[str]] = {}
        self._is_unknown = False  # which sources are stored
        self._updates: list[tuple[SourceFile, Stamp, ReadBefore]] = []  # remembered at the end

    def unchanged(self, files: Sequence[SourceFile]) -> dict[SourceFile, ReadBefore]:
        """Return what those files gave that have not changed and whose passages are all stored."""
        read = self._read_files.find(files)
        names = ((name, file) for file, before in read.items() for name in before.names())
        gone: set[SourceFile] = set()
        while some := dict(islice(names, _IDS_AT_A_TIME)):
            gone.update(some[name] for name in some.keys() - self._existing(list(some)))
        return {file: before for file, before in read.items() if file not in gone}

    def remember(self, file: SourceFile, state: Stamp, read: ReadBefore) -> None:
        """Remember what a file gave, and its state before and after it was read.

        A source of which something is stored waits for `remember_updates`: ids do not tell whether
        a passage still has the title and the metadata that it had before.
        """
        if self.is_new(file.source) and not self._is_unknown:
            self._read_files.keep(file, state, read)
        else:
            self._updates.append((file, state, read))

    def remember_updates(self, failed: Container[str]) -> None:
        """Remember the files of sources that had passages before, once the new ones are stored.

        Args:
            failed: Sources that are not stored as they were read.
        """
        for file, state, read in self._updates:
            if file.source not in failed:
                self._read_files.keep(file, state, read)
        self.save()

    def save(self) -> None:
        """Write the recorded results."""
        if not self._dry_run:
            self._read_files.save()

    def copies_of(self, passage: Document) -> list[str]:
        """Return other sources of the same file name that have a file's first passage.

        They are stored, or were read before in this run.
        """
        source = passage.metadata[SOURCE_KEY]
        begun = self._begun.setdefault(id_under(passage, _ends(source)[0]), [])
        ids = {id_under(passage, other): other for other in self._of_its_name(source)}
        stored = self._existing(list(ids))
        found = dict.fromkeys([*(other for each, other in ids.items() if each in stored), *begun])
        if len(begun) <= _MOST_COPIES:
            begun.append(source)
        return [other for other in found if other != source][:_MOST_COPIES]

    def is_new(self, source: str) -> bool:
        """Return whether no passage of a source was stored before this run."""
        return source not in self._sources

    def count_kept(self, names: Collection[str], source: str) -> int:
        """Return how many passages of a source are stored, or will be unless this is a dry run."""
        if not self._dry_run:
            return len(names)
        return 0 if self.is_new(source) and not self._is_unknown else len(self._existing([*names]))

    def stale(self, kept: Mapping[str, int], *, of_all: bool = False) -> dict[str, int] | None:
        """Return the number of stale passages of each source that has some.

        Args:
            kept: Number of passages that are not stale, by source.
            of_all: Whether to count those of other sources, too.

        Returns:
            The numbers, by source; None if passages cannot be counted by source.
        """
        counts = None if self._is_unknown else self._counts()
        if counts is None:
            return None
        left = {each: count - kept.get(each, 0) for each, count in counts.items()}
        return {each: n for each, n in left.items() if n > 0 and (of_all or each in kept)}

    @cached_property
    def _sources(self) -> set[str]:
        """All sources of the collection before this run; none if they cannot be counted."""
        counts = self._counts()
        self._is_unknown = counts is None
        return {*(counts or ())}

    def _counts(self) -> dict[str, int] | None:
        """Return the passages of each source; None without an index, or the right to count them."""
        collection = self._collection
        if collection is None:
            return {}
        field = metadata_field(SOURCE_KEY, collection.layout.metadata_key)
        try:
            if not self._dry_run:
                run(create_payload_indexes(collection, {SOURCE_KEY: "keyword"}))
            elif field not in run(collection.client.get_collection(collection.name)).payload_schema:
                return None
            facet = collection.client.facet(collection.name, field, limit=_MOST, exact=True)
            return {str(hit.value): hit.count for hit in run(facet).hits}
        except Exception as error:
            if read_failure(error) is None and not isinstance(error, CollectionMismatchError):
                raise
            warn(f"files that are stored under other sources are not found: {reason(error)}")
            return None

    def _of_its_name(self, source: str) -> list[str]:
        """Return stored sources of the same file name; of many, those in folders of one name."""
        name, with_folder = _ends(source)
        same = self._by_end.get(name, [])
        return (same if len(same) <= _MOST_OF_A_NAME else self._by_end.get(with_folder, []))[
            :_MOST_OF_A_NAME
        ]

    @cached_property
    def _by_end(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for source in sorted(self._sources):
            for end in dict.fromkeys(_ends(source)):
                found.setdefault(end, []).append(source)
        return found

    def _existing(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        if self._look_ups is None:
            return found
        for start in range(0, len(ids), _IDS_AT_A_TIME):
            found |= run(self._look_ups.existing([*ids[start : start + _IDS_AT_A_TIME]]))
        return found


def _ends(source: str) -> tuple[str, str]:
    """Return the name of a file, and the name with that of its folder."""
    folder, _, name = source.rpartition("/")
    return name, f"{folder.rpartition('/')[2]}/{name}"
