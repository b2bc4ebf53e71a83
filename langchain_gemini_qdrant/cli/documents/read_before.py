"""Remembers which passages a file gave, so that an unchanged file need not be read again."""

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
"""A file that was changed so shortly before it was read may change again without another time:
two seconds are the resolution of FAT, the coarsest one."""


class Stamp(NamedTuple):
    """What tells that a file is still the one that was read.

    Attributes:
        size: Bytes.
        modified_ns: When its content was changed, which programs can set.
        changed_ns: When anything of it was changed, which only the system sets; on Windows, when
            it was made.
        number: Its number on its disk; a file that took its place has another one.
    """

    size: int
    modified_ns: int
    changed_ns: int
    number: int


def stamp(path: Path) -> Stamp:
    """Return what a file's state is now."""
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


class ReadBefore(NamedTuple):
    """What a file gave when it was read.

    Attributes:
        ids: Of its passages, 16 bytes each, as a file may have a million.
        notice: On how it was read.
    """

    ids: bytes
    notice: str | None

    def names(self) -> Iterator[str]:
        """Yield the ids as documents have them."""
        for start in range(0, len(self.ids), _ID_BYTES):
            yield str(uuid.UUID(bytes=self.ids[start : start + _ID_BYTES]))


class ReadFiles:
    """What files gave when they were read last, kept in a database beside the collection.

    It says what a file holds, not what is stored: a collection must be asked for the passages. If
    it is missing or damaged, all files are read again.

    Args:
        path: The database.
        options: What else makes a file's passages, such as their length.
        reread: Whether to find nothing, so that all files are read and remembered again.
    """

    def __init__(self, path: Path, options: Mapping[str, object], *, reread: bool) -> None:
        self._path = path
        self._reread = reread
        self._options = json.dumps([_readers(), options], sort_keys=True)
        self._new: list[tuple[object, ...]] = []
        self._is_usable = True

    def find(self, files: Iterable[SourceFile]) -> dict[SourceFile, ReadBefore]:
        """Return what those files gave that have not changed since they were read."""
        if self._reread or not self._path.exists():
            return {}
        keys = {_key(file): file for file in files}
        found = {}
        marks = ", ".join("?" * len(keys))
        statement = f"SELECT * FROM files WHERE path IN ({marks})"  # noqa: S608 - question marks
        for path, how, state, ids, notice in self._execute(statement, list(keys)):
            file = keys[path]
            with suppress(OSError):  # told when it is read
                if (how, state) == (self._how(file), str(stamp(file.path))):
                    found[file] = ReadBefore(ids, notice)
        return found

    def keep(self, file: SourceFile, state: Stamp, read: ReadBefore) -> None:
        """Remember what a file gave, once `save` is called.

        Args:
            file: The file.
            state: Its state before and after it was read.
            read: What it gave.
        """
        if state.modified_ns < time.time_ns() - _COARSE_NS:
            row = (_key(file), self._how(file), str(state), *read)
            self._new.append(row)

    def save(self) -> None:
        """Write what is to be remembered."""
        if self._new:
            self._execute("REPLACE INTO files VALUES (?, ?, ?, ?, ?)", *self._new)
            self._new.clear()

    def _how(self, file: SourceFile) -> str:
        return json.dumps([self._options, file.kind, file.source])

    def _execute(self, statement: str, *rows: Sequence[object]) -> list[tuple[Any, ...]]:
        """Run a statement for each row; return what the last one finds."""
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
    """Return what says that files are read in another way: our code, and what it reads with."""
    code = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        code.update(module.read_bytes())
    return [code.hexdigest(), *(f"{each}=={_version(each)}" for each in _libraries())]


def _libraries() -> list[str]:
    try:
        return sorted({re.split(r"[^\w.-]", each)[0] for each in requires(_NAME) or ()})
    except PackageNotFoundError:  # run from its source
        return []


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
