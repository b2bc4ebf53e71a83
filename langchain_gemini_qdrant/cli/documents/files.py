"""Finds the files that a command reads, and names them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from langchain_gemini_qdrant.cli.documents.ignored import GitIgnore, Patterns, Place
from langchain_gemini_qdrant.cli.documents.kinds import KINDS, MEDIA_KINDS, Kind
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PACKAGES = ("node_modules", "__pycache__", "site-packages")
"""Folders that are skipped, and virtual environments, whatever their name."""

# Reasons why a file or folder is not read.
OTHER_KIND = "of a kind that is not read"
MEDIA = "media (--media embeds them)"
HIDDEN = "hidden: the name begins with a dot"
IGNORED = "ignored by git (--no-gitignore reads them)"
EXCLUDED = "named by --exclude"
NOT_INCLUDED = "not named by --include"
INSTALLED = "installed packages and caches"
LINK = "links to folders"
INDEX = "an index"

STDIN = "-"

_KINDS_NAMED = 100

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """A file to be read.

    Attributes:
        path: Where it is.
        source: The source of its passages: its path relative to the root, with `/` on every
            system, so that it is the same from wherever the command is run.
        kind: How it is read.
        size: Size in bytes when it was found.
        is_stdin: Whether it is a copy of standard input, which is deleted at the end.
    """

    path: Path
    source: str
    kind: Kind
    size: int
    is_stdin: bool = False

    @property
    def stem(self) -> str:
        """Its name without the suffix, for a title if the file has none."""
        return PurePosixPath(self.source).stem


class Skipped(NamedTuple):
    """A file or folder that is not read.

    Attributes:
        source: Its path, as for files; folders end with `/`.
        reason: Why it is not read.
        suffix: Suffix of a file that is not read because of its kind.
    """

    source: str
    reason: str
    suffix: str = ""


@dataclass(kw_only=True, slots=True)
class Found:
    """The files found at some paths.

    Attributes:
        files: Files to read, each once, in order.
        skipped: Other files and folders in the folders.
        problems: Why a folder or file cannot be accessed, by source.
        unused: Messages on patterns that match nothing.
    """

    files: list[SourceFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def find_files(
    paths: Iterable[str],
    *,
    root: Path | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    gitignore: bool = True,
    leave_out: Path | None = None,
    stdin: SourceFile | None = None,
    media: bool = False,
) -> Found:
    """Find the files named, and those of `KINDS` in the folders named.

    In folders, hidden files, installed packages and what git ignores are skipped, and links to
    other folders are not followed, because links can form a loop.

    Args:
        paths: Paths of files and folders.
        root: Folder that sources are relative to, None for the current one. Files outside it have
            their absolute path.
        include: Patterns as in `.gitignore`; only files that match one of them are read. A file
            that a pattern for names matches is read as text if its kind is unknown.
        exclude: Patterns as in `.gitignore`; files and folders that match are skipped, also those
            in `paths`, which a shell may have written for `docs/*`.
        gitignore: Whether to skip what git ignores.
        leave_out: A folder to skip, such as that of the engine.
        stdin: The file that `-` stands for.
        media: Whether to find files of `MEDIA_KINDS`, too.

    Raises:
        InvalidInputError: A path is missing or an address, a pattern is not valid, or there is
            nothing to read.
    """
    named = [path for path in paths if stdin is None or path != STDIN]
    _check_names(named)
    walk = _Walk(
        root=os.path.abspath(root or "."),  # noqa: PTH100 - `resolve` would follow links
        include=Patterns("--include", include),
        exclude=Patterns("--exclude", exclude),
        gitignore=gitignore,
        leave_out=None if leave_out is None else leave_out.resolve(),
        media=media,
    )
    for path in named:
        walk.take(path)
    found = walk.found
    found.unused = walk.unused()
    if stdin is not None:
        found.files.append(stdin)
    if not found.files and not found.problems:
        raise InvalidInputError(
            f"no file to read in {', '.join(named)}{_described(found.skipped)}. "
            + "".join(f"{each}. " for each in found.unused)
            + "`gemini-qdrant "
            "ingest --help` lists the kinds that are read; others are read as text if you "
            "name them, or their ending with --include"
        )
    return found


def read_stdin(name: str, folder: Path) -> SourceFile:
    """Keep standard input as a file, for readers that go back and forth in it.

    Args:
        name: Its source; its ending names its kind. An address without one is a web page.
        folder: Where it is kept.

    Raises:
        InvalidInputError: It is closed, or has no name.
    """
    if sys.stdin is None:
        raise InvalidInputError("PATH '-' is standard input, which is closed")
    if not name.strip():
        raise InvalidInputError("--stdin-name must be a name, got an empty one")
    suffix = PurePosixPath(urlsplit(name).path).suffix.lower()
    kind = KINDS.get(suffix) or ("html" if _ADDRESS.match(name) else "text")
    path = folder / f"stdin{suffix if suffix in KINDS else ''}"
    with path.open("wb") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
    return SourceFile(path=path, source=name, kind=kind, size=path.stat().st_size, is_stdin=True)


def _check_names(named: Sequence[str]) -> None:
    for name in named:
        if _ADDRESS.match(name):
            quoted = shlex.quote(name)
            raise InvalidInputError(
                f"{name} is an address, and only files are read. Save its content and name the "
                f"file, or pipe it: curl -L {quoted} | gemini-qdrant ingest - --stdin-name {quoted}"
            )
    missing = [name for name in named if not os.path.lexists(name)]
    if missing:
        raise InvalidInputError(
            f"{', '.join(missing)}: no such file or folder. Nothing was read or sent"
        )


class _Walk:
    """Searches the paths for files to read."""

    def __init__(
        self,
        *,
        root: str,
        include: Patterns,
        exclude: Patterns,
        gitignore: bool,
        leave_out: Path | None,
        media: bool,
    ) -> None:
        self.found = Found()
        self._kinds = {**KINDS, **MEDIA_KINDS} if media else KINDS
        self._root = os.path.join(root, "")  # noqa: PTH118 - with a separator at its end
        self._include = include
        self._exclude = exclude
        self._gitignore = gitignore
        self._leave_out = leave_out
        self._seen: set[str] = set()

    def unused(self) -> list[str]:
        """Return messages on patterns that have matched nothing."""
        return [*self._include.unused(), *self._exclude.unused()]

    def take(self, named: str) -> None:
        """Take a file, or the files of a folder and of the folders in it."""
        path = os.path.abspath(named)  # noqa: PTH100
        here = _from_here(path)
        if os.path.isdir(path):  # noqa: PTH112
            name = os.path.basename(os.path.normpath(named))  # noqa: PTH119
            top = Place("", None if name in {"", ".", ".."} else f"{name}/", here and f"{here}/")
            if self._exclude.match(top._replace(inside=None)):
                self._skip(os.path.join(path, ""), EXCLUDED)  # noqa: PTH118
            else:
                self._take_folder(path, top)
            return
        reason = self._by_patterns(Place(os.path.basename(path), None, here))  # noqa: PTH119
        if reason is None:
            self._take_file(path, is_named=True)
        else:
            self._skip(path, reason)

    def _take_folder(self, top: str, place: Place) -> None:
        git = GitIgnore(top) if self._gitignore else None
        for folder, folders, files in os.walk(top, onerror=self._fail):
            if git is not None:
                git.enter(folder)
            inside = _posix(os.path.join(folder, "")[len(os.path.join(top, "")) :])  # noqa: PTH118
            entered = []
            for name in sorted(folders):
                reason = self._why_not_entered(Path(folder, name), _in(place, f"{inside}{name}/"))
                if reason is None and git is not None and git.ignores(folder, f"{name}/"):
                    reason = IGNORED
                if reason is None:
                    entered.append(name)
                else:
                    self._skip(os.path.join(folder, name, ""), reason)  # noqa: PTH118
            folders[:] = entered
            for name in sorted(files):
                path = os.path.join(folder, name)  # noqa: PTH118 - of every file
                file = _in(place, inside + name)
                by_patterns = self._by_patterns(file)
                is_named = self._include.name(file)
                reason = HIDDEN if name.startswith(".") and not is_named else None
                if reason is None and git is not None and git.ignores(folder, name):
                    reason = IGNORED
                reason = reason or by_patterns
                if reason is None:
                    self._take_file(path, is_named=is_named)
                else:
                    self._skip(path, reason)

    def _why_not_entered(self, folder: Path, place: Place) -> str | None:
        is_excluded = self._exclude.match(place)
        if folder.name.startswith("."):
            return HIDDEN
        if folder.is_symlink():
            return LINK
        if folder.name in PACKAGES or os.path.exists(folder / "pyvenv.cfg"):  # noqa: PTH110
            return INSTALLED
        if folder.resolve() == self._leave_out or _is_index(folder):
            return INDEX
        return EXCLUDED if is_excluded else None

    def _by_patterns(self, place: Place) -> str | None:
        is_included = not self._include or self._include.match(place)
        if self._exclude.match(place):
            return EXCLUDED
        return None if is_included else NOT_INCLUDED

    def _take_file(self, path: str, *, is_named: bool) -> None:
        """Take a file if its kind is read; one that is named is read as text otherwise."""
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122
        kind = self._kinds.get(suffix)
        if kind is None and not is_named:
            reason = MEDIA if suffix in MEDIA_KINDS else OTHER_KIND
            self._skip(path, reason, suffix or "without an ending")
            return
        if path in self._seen:
            return
        self._seen.add(path)
        source = self._source(path)
        try:
            found = os.stat(path)  # noqa: PTH116
        except FileNotFoundError:
            self.found.problems[source] = "was removed, or is a broken link"
            return
        except OSError as error:
            self.found.problems[source] = _why(error)
            return
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would block
            self.found.problems[source] = "is neither a file nor a folder"
            return
        file = SourceFile(path=Path(path), source=source, kind=kind or "text", size=found.st_size)
        self.found.files.append(file)

    def _skip(self, path: str, reason: str, suffix: str = "") -> None:
        if path not in self._seen:
            self._seen.add(path)
            self.found.skipped.append(Skipped(self._source(path), reason, suffix))

    def _fail(self, error: OSError) -> None:
        self.found.problems[self._source(error.filename)] = _why(error)

    def _source(self, path: str) -> str:
        """Return a path as text; bytes that are not UTF-8 are escaped, as no store takes them."""
        return os.fsencode(_posix(path.removeprefix(self._root))).decode(
            "utf-8", "backslashreplace"
        )


def _from_here(path: str) -> str | None:
    """Return a path from the current folder on, None if it is that folder, or outside of it."""
    start = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118
    return _posix(path.removeprefix(start)) if path.startswith(start) else None


def _in(top: Place, inside: str) -> Place:
    """Return the paths of something inside a folder."""
    return Place(*(start if start is None else start + inside for start in top))


def _is_index(folder: Path) -> bool:
    """Return whether a folder is one of the embedded engine, or of qdrant-client's local mode."""
    try:
        is_list = b'"collections"' in (folder / "meta.json").read_bytes()
    except OSError:  # of nearly all folders
        return False
    return is_list and any((folder / each).is_dir() for each in ("collections", "collection"))


def _posix(path: str) -> str:
    return path.replace(os.sep, "/")


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _described(skipped: Sequence[Skipped]) -> str:
    """Return the numbers of skipped files and folders, in parentheses."""
    counts = count_skipped(skipped)
    parts = (f"{reason}: {listed(kinds)}" for reason, kinds in counts.items())
    return f" ({'; '.join(parts)})" if counts else ""


def count_skipped(skipped: Iterable[Skipped]) -> dict[str, Counter[str]]:
    """Return for each reason the number of folders, and of files by suffix if it matters."""
    counts: dict[str, Counter[str]] = {}
    for source, reason, suffix in skipped:
        kind = suffix or ("folder" if source.endswith("/") else "file")
        counts.setdefault(reason, Counter())[kind] += 1
    return counts


def listed(kinds: Counter[str]) -> str:
    """Return all kinds with their numbers; if there are too many, rare endings are summed up."""
    first = kinds.most_common(_KINDS_NAMED)
    parts = [f"{count:,} {_plural(kind, count)}" for kind, count in first]
    if len(kinds) > len(first):
        rest = kinds.total() - sum(count for _, count in first)
        parts.append(f"{rest:,} with {len(kinds) - len(first):,} other endings")
    return ", ".join(parts)


def _plural(kind: str, count: int) -> str:
    return f"{kind}s" if count > 1 and kind in {"file", "folder"} else kind
