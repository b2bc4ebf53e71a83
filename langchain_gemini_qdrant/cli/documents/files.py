"""Finds the files that a command reads, and names them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.kinds import KINDS, Kind
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file to be read.

    Attributes:
        path: Where it is.
        source: The source of its passages: the path as it was given, with `/` on every system,
            so that the same command from the same folder finds them again.
        kind: How it is read.
        size: Bytes, when it was found.
    """

    path: Path
    source: str
    kind: Kind
    size: int

    @property
    def stem(self) -> str:
        """Its name without the suffix, for a title where the file has none."""
        return PurePosixPath(self.source).stem


@dataclass(kw_only=True, slots=True)
class Found:
    """The files found at some paths.

    Attributes:
        files: Files to read, each once, in order.
        others: Numbers of files of other kinds in the folders, by suffix.
        problems: Why a folder or a file cannot be looked at, by source.
    """

    files: list[SourceFile] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)


def find_files(
    paths: Iterable[str],
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    leave_out: Path | None = None,
) -> Found:
    """Find the files named, and those of `KINDS` in the folders named.

    In folders, names that begin with a dot are skipped, and links to other folders are not
    followed, because links can form a loop.

    Args:
        paths: Paths of files and folders.
        include: Patterns; only files that match one of them are read. A pattern is for a name,
            such as `*.md`, or for the path inside the folder, such as `guide/*`, where `*` stands
            for slashes, too.
        exclude: Patterns; files and folders that match one of them are skipped.
        leave_out: A folder that is skipped, such as that of the engine.

    Raises:
        InvalidInputError: A path is missing, or there is nothing to read.
    """
    named = [Path(path) for path in paths]
    missing = [str(path) for path in named if not path.exists()]
    if missing:
        raise InvalidInputError(
            f"{', '.join(missing)}: no such file or folder. Nothing was read or sent"
        )
    found = Found()
    seen: set[str] = set()
    for root in named:
        for path, inside in _walk(root, exclude, leave_out, found):
            absolute = os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow links
            if absolute not in seen and _is_wanted(inside, include, exclude):
                seen.add(absolute)
                _take(path, found, is_named=path is root)
    if not found.files and not found.problems:
        others = f" ({_others(found.others)} of other kinds)" if found.others else ""
        raise InvalidInputError(
            f"no file to read in {', '.join(map(str, named))}{others}: files of "
            f"{', '.join(KINDS)} are read that --include and --exclude let pass"
        )
    return found


def _walk(
    root: Path, exclude: Sequence[str], leave_out: Path | None, found: Found
) -> Iterator[tuple[Path, str]]:
    """Yield files with the path inside their folder that patterns are compared with."""
    if not root.is_dir():
        yield root, root.name
        return

    def fail(error: OSError) -> None:
        found.problems[_source(Path(error.filename))] = _why(error)

    left_out = None if leave_out is None else leave_out.resolve()
    for name, folders, files in os.walk(root, onerror=fail):
        folder = Path(name)
        inside = folder.relative_to(root)
        folders[:] = sorted(
            each
            for each in folders
            if not each.startswith(".")
            and not _matches((inside / each).as_posix(), exclude)
            and (folder / each).resolve() != left_out
        )
        links = sum((folder / each).is_symlink() for each in folders)
        if links:
            found.others["links to folders"] += links
        for each in sorted(files):
            if not each.startswith("."):
                yield folder / each, (inside / each).as_posix()


def _is_wanted(inside: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or _matches(inside, include)) and not _matches(inside, exclude)


def _matches(inside: str, patterns: Sequence[str]) -> bool:
    name = PurePosixPath(inside).name
    return any(
        fnmatchcase(inside, pattern.removesuffix("/")) or fnmatchcase(name, pattern)
        for pattern in patterns
    )


def _take(path: Path, found: Found, *, is_named: bool) -> None:
    kind = KINDS.get(path.suffix.lower())
    if kind is None and not is_named:
        found.others[path.suffix.lower() or "no suffix"] += 1
        return
    source = _source(path)
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            found.problems[source] = "is neither a file nor a folder, or a link to nothing"
            return
        size = path.stat().st_size
    except OSError as error:
        found.problems[source] = _why(error)
        return
    found.files.append(SourceFile(path=path, source=source, kind=kind or "text", size=size))


def _source(path: Path) -> str:
    """Return a path as text; bytes that are not UTF-8 are escaped, as no store takes them."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _others(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common())
