"""The reading of one file: where it is, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from langchain_gemini_qdrant.cli.documents.decoding import find_encoding

if TYPE_CHECKING:
    from langchain_gemini_qdrant.cli.documents.files import SourceFile

_PROBLEMS_TOLD = 3  # of one file


@dataclass(kw_only=True, slots=True)
class Reading:
    """The reading of one file.

    Attributes:
        file: The file.
        encoding: Encoding of text that is not UTF-8, None for a guess.
        text_field: Text field of JSON records, None for the usual ones.
        position: Bytes read so far.
        notice: A notice on how it was read.
        problems: The first parts that cannot be read.
        problem_count: Number of all such parts.
    """

    file: SourceFile
    encoding: str | None = None
    text_field: str | None = None
    position: int = 0
    notice: str | None = None
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def fail(self, problem: str) -> None:
        """Record that something cannot be read."""
        self.problem_count += 1
        if len(self.problems) < _PROBLEMS_TOLD:
            self.problems.append(problem)

    @property
    def problem(self) -> str | None:
        """Everything that cannot be read, None if everything can."""
        if not self.problems:
            return None
        more = self.problem_count - len(self.problems)
        return "; ".join(self.problems) + (f"; and {more:,} more" if more else "")

    def open(self, *, declared: str | None = None, newline: str | None = None) -> TextIO:
        """Open the file as text of its own encoding."""
        found = find_encoding(self.file.path, self.encoding, declared=declared)
        self.notice = found.notice
        return self.file.path.open(encoding=found.name, newline=newline)


def one_line(title: object) -> str:
    """Return a title without line breaks; an empty text for what is no text."""
    return " ".join(title.split()) if isinstance(title, str) else ""
