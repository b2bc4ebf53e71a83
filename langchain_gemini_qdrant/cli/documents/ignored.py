"""What git ignores, and patterns as in `.gitignore`."""

from __future__ import annotations

import os
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Rules: TypeAlias = tuple[tuple[str, GitIgnoreSpec], ...]
"""Folders and the rules inside them; the last rule that matches decides."""


class Patterns:
    """Patterns as in `.gitignore`, for paths inside a folder.

    Args:
        option: The option that they come from, for messages.
        patterns: The patterns; the last one that matches a path decides.

    Raises:
        InvalidInputError: One is not valid.
    """

    def __init__(self, option: str, patterns: Sequence[str]) -> None:
        try:
            self._spec = GitIgnoreSpec.from_lines(patterns)
        except ValueError as error:
            raise InvalidInputError(
                f"{option} must be a pattern as in .gitignore, such as '*.md' or 'guide/**', got "
                f"{', '.join(map(repr, patterns))}"
            ) from error
        ends = (pattern.rstrip("/").rpartition("/")[2] for pattern in patterns)
        self._names = [end for end in ends if end.strip("*?")]

    def __bool__(self) -> bool:
        return len(self._spec) > 0

    def match(self, inside: str) -> bool:
        """Return whether a path matches; the path of a folder ends with `/`."""
        return bool(self._spec.check_file(inside).include)

    def name(self, inside: str) -> bool:
        """Return whether a path matches a pattern for file names, such as `*.py`."""
        name = inside.rpartition("/")[2]
        return self.match(inside) and any(
            fnmatchcase(name, end) and name.startswith(".") == end.startswith(".")
            for end in self._names
        )


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
