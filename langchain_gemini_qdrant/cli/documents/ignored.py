"""What git ignores, and patterns as in `.gitignore`."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Rules: TypeAlias = tuple[tuple[str, GitIgnoreSpec], ...]
"""Folders and the rules inside them; the last rule that matches decides."""

_COMMENT = "#"


class Place(NamedTuple):
    """The paths by which patterns can match a file or folder; the path of a folder ends with `/`.

    A shell replaces `docs/*` by what is in the folder, and paths on the command line begin at the
    current folder, so a pattern may have more folders than the path inside the one that is named.

    Attributes:
        inside: Path inside the folder that is named, None for that folder itself.
        named: Path that begins with the name of that folder, None if it has none, such as `.`.
        here: Path that begins at the current folder, None if it is elsewhere.
    """

    inside: str | None
    named: str | None
    here: str | None


class Patterns:
    """Patterns as in `.gitignore`, for paths that are named and for all inside them.

    Args:
        option: The option that they come from, for messages.
        patterns: The patterns; the last one that matches a path decides. `./` at the beginning
            stands for the folder that is named, as `/` does, or for the current one.

    Raises:
        InvalidInputError: One is not valid.
    """

    def __init__(self, option: str, patterns: Sequence[str]) -> None:
        self._option = option
        self._are_given = bool(patterns)
        try:
            self._specs = _specs(patterns)
            self._unused = {pattern: _specs([pattern]) for pattern in patterns}
        except ValueError as error:
            raise InvalidInputError(
                f"{option} must be a pattern as in .gitignore, such as '*.md' or 'guide/**', got "
                f"{', '.join(map(repr, patterns))}"
            ) from error
        ends = (pattern.rstrip("/").rpartition("/")[2] for pattern in patterns)
        self._names = [end for end in ends if end.strip("*?")]

    def __bool__(self) -> bool:
        return self._are_given

    def match(self, place: Place) -> bool:
        """Return whether a path matches."""
        used = [each for each, specs in self._unused.items() if _decision(specs, place) is not None]
        for pattern in used:
            del self._unused[pattern]
        return bool(_decision(self._specs, place))

    def name(self, place: Place) -> bool:
        """Return whether a path matches a pattern for file names, such as `*.py`."""
        name = (place.inside or "").rpartition("/")[2]
        return self.match(place) and any(
            fnmatchcase(name, end) and name.startswith(".") == end.startswith(".")
            for end in self._names
        )

    def unused(self) -> list[str]:
        """Return a message for each pattern that has matched nothing so far."""
        return [f"{self._option} {pattern!r} matched nothing" for pattern in self._unused]


def _specs(patterns: Sequence[str]) -> tuple[GitIgnoreSpec, ...]:
    """Return the patterns for each path of a `Place`, with comments in place of unfit ones."""
    lines = [re.sub(r"^(!?)\./+(?=.)", r"\1/", pattern) for pattern in patterns]
    named, here = list(lines), list(lines)
    for i, (pattern, line) in enumerate(zip(patterns, lines, strict=True)):
        if pattern.lstrip("!").startswith("/"):
            named[i] = here[i] = _COMMENT
        elif "/" not in line.rstrip("/"):  # any folder of this name: not those above
            here[i] = _COMMENT
    return tuple(GitIgnoreSpec.from_lines(each) for each in (lines, named, here))


def _decision(specs: tuple[GitIgnoreSpec, ...], place: Place) -> bool | None:
    """Return whether the last pattern that matches includes a path, None if none matches."""
    found = [
        spec.check_file(path)
        for spec, path in zip(specs, place, strict=True)
        if path is not None and len(spec)
    ]
    last = max(found, key=lambda each: -1 if each.index is None else each.index, default=None)
    return None if last is None else last.include


class GitIgnore:
    """What git ignores in the folders of a walk that begins at the top.

    The rules are those of the `.gitignore` files of the repository, down to each folder, and of
    its `.git/info/exclude`. Without a repository there are none.

    Args:
        root: Absolute path of the folder where the walk begins. It is read even if git ignores it,
            because it is named.
    """

    def __init__(self, root: str) -> None:
        self._rules: dict[str, _Rules | None] = {}
        rules: _Rules | None = None
        for folder in [*reversed(Path(root).parents)]:
            rules = _rules_inside(str(folder), _unless_ignored(rules, str(folder)))
        self._rules[_parent(root)] = _unless_ignored(rules, root)

    def enter(self, folder: str) -> None:
        """Read the rules of a folder, whose parent was entered before."""
        self._rules[folder] = _rules_inside(folder, self._rules[_parent(folder)])

    def ignores(self, folder: str, name: str) -> bool:
        """Return whether git ignores something in a folder; the name of a folder ends with `/`."""
        return _is_ignored(self._rules[folder], os.path.join(folder, name))  # noqa: PTH118


def _unless_ignored(rules: _Rules | None, folder: str) -> _Rules | None:
    return () if _is_ignored(rules, f"{folder}/") else rules


def _is_ignored(rules: _Rules | None, path: str) -> bool:
    for folder, spec in reversed(rules or ()):
        decision = spec.check_file(path[len(folder) :].replace(os.sep, "/")).include
        if decision is not None:
            return decision
    return False


def _rules_inside(folder: str, above: _Rules | None) -> _Rules | None:
    """Return the rules for a folder; None outside repositories."""
    if os.path.exists(os.path.join(folder, ".git")):  # noqa: PTH110, PTH118 - of every folder
        above = _read(folder, ".git/info/exclude")
    return above if above is None else above + _read(folder, ".gitignore")


def _read(folder: str, name: str) -> _Rules:
    try:
        lines = Path(folder, name).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # there is none, or git cannot read it, either
        return ()
    spec = GitIgnoreSpec([*_valid(lines)])
    return ((os.path.join(folder, ""), spec),) if len(spec) else ()  # noqa: PTH118


def _valid(lines: Iterable[str]) -> Iterator[GitIgnoreSpecPattern]:
    for line in lines:
        with suppress(ValueError):  # as git does
            yield GitIgnoreSpecPattern(line)


def _parent(folder: str) -> str:
    return os.path.dirname(folder)  # noqa: PTH120 - of every folder
