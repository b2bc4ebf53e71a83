"""Records the passages of each file, so that unchanged files need not be read again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import time
import uuid
from contextlib import closing, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_gemini_qdrant._warnings import warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from langchain_gemini_qdrant.cli.documents.files import SourceFile

_NAME = "langchain-gemini-qdrant"
_ID_BYTES = 16
_COARSE_NS = 2_000_000_000
"""A file changed this shortly before it was read may change again with the same time stamp: two
seconds are the resolution of FAT, the coarsest one.
"""


class Stamp(NamedTuple):
    """The state of a file, to detect changes since it was read.

    Attributes:
        size: Size in bytes.
        modified_ns: Time of the last change of its content; programs can set it.
        changed_ns: Time of the last change of the content or its properties, which only the system
            sets; on Windows, the time of creation.
        number: Its number on the disk; a file that replaced it has a different one.
    """

    size: int
    modified_ns: int
    changed_ns: int
    number: int


def stamp(path: Path) -> Stamp:
    """Return the current state of a file."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class ReadBefore(NamedTuple):
    """The result of reading a file.

    Attributes:
        ids: Ids of its passages, 16 bytes each, as a file may have a million.
        notice: Notice on how it was read.
    """

    ids: bytes
    notice: str | None

    def names(self) -> Iterator[str]:
        """Yield the ids in the form that documents have."""
        for start in range(0, len(self.ids), _ID_BYTES):
            yield str(uuid.UUID(bytes=self.ids[start : start + _ID_BYTES]))


class ReadFiles:
    """Results of the last reading of each file, in a database next to the collection.

    It records what a file contains, not what is stored: look up the passages in the collection. If
    it is missing or damaged, all files are read again.

    Args:
        path: The database.
        options: Options that change a file's passages, such as their length.
        reread: Whether to find nothing, so that all files are read and recorded again.
    """

    def __init__(self, path: Path, options: Mapping[str, object], *, reread: bool) -> None:
        self._path = path
        self._reread = reread
        self._options = json.dumps([_readers(), options], sort_keys=True)
        self._new: list[tuple[object, ...]] = []
        self._is_usable = True

    def find(self, files: Iterable[SourceFile]) -> dict[SourceFile, ReadBefore]:
        """Return the results of files that have not changed since they were read."""
        if self._reread or not self._path.exists():
            return {}
        keys = {_key(file): file for file in files}
        found = {}
        marks = ", ".join("?" * len(keys))
        statement = f"SELECT * FROM files WHERE path IN ({marks})"  # noqa: S608 - question marks
        for path, how, state, ids, notice in self._execute(statement, list(keys)):
            file = keys[path]
            with suppress(OSError):  # reported when it is read
                if (how, state) == (self._how(file), str(stamp(file.path))):
                    found[file] = ReadBefore(ids, notice)
        return found

    def keep(self, file: SourceFile, state: Stamp, read: ReadBefore) -> None:
        """Record the result of a file; `save` writes it.

        Args:
            file: The file.
            state: Its state before and after it was read.
            read: The result.
        """
        if state.modified_ns < time.time_ns() - _COARSE_NS:
            row = (_key(file), self._how(file), str(state), *read)
            self._new.append(row)

    def save(self) -> None:
        """Write the recorded results."""
        if self._new:
            self._execute("REPLACE INTO files VALUES (?, ?, ?, ?, ?)", *self._new)
            self._new.clear()

    def _how(self, file: SourceFile) -> str:
        return json.dumps([self._options, file.kind, file.source])

    def _execute(self, statement: str, *rows: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement for each row; return the rows that the last one finds."""
        found: list[tuple[Any, ...]] = []
        if not self._is_usable:
            return found
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path)) as database, database:
                database.execute(_TABLE)
                for row in rows:
                    found = database.execute(statement, row).fetchall()
        except (sqlite3.Error, OSError) as error:
            self._is_usable = False
            warn(f"all files are read again, as {self._path} cannot be used: {error}")
        return found


_TABLE = """
CREATE TABLE IF NOT EXISTS files
(path BLOB PRIMARY KEY, how TEXT, state TEXT, ids BLOB, notice TEXT) WITHOUT ROWID
"""


def _key(file: SourceFile) -> bytes:
    return os.fsencode(os.path.abspath(file.path))  # noqa: PTH100 - `resolve` would follow links


@cache
def _readers() -> list[str]:
    """Return a text that changes if files are read differently: versions of code and libraries."""
    code = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        code.update(module.read_bytes())
    return [code.hexdigest(), *(f"{each}=={_version(each)}" for each in _libraries())]


def _libraries() -> list[str]:
    try:
        return sorted({re.split(r"[^\w.-]", each)[0] for each in requires(_NAME) or ()})
    except PackageNotFoundError:  # run from source
        return []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
