"""The state of reading one file: its position, and parts that could not be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.decoding import find_encoding
from langchain_gemini_qdrant.cli.options import MEDIA_KEY, SOURCE_KEY
from langchain_gemini_qdrant.media._medium import Medium  # noqa: TC001 - a field of a model

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from langchain_gemini_qdrant.cli.documents.files import SourceFile

_PROBLEMS_TOLD = 3  # problems listed for one file


class MarkdownText(Document):
    """A text that is split at Markdown's headings, whatever the kind of its file.

    Attributes:
        continues: Whether the headings of the previous text also apply to it.
    """

    continues: bool = False


class CodeText(Document):
    """Source code.

    Attributes:
        language: Its language, as langchain-text-splitters names it where it has it.
        first_line: Number of its first line in the file.
    """

    language: str
    first_line: int = 1


class MediumPart(Document):
    """An image, sound, video or page, with a reference to it in its metadata and without text.

    Attributes:
        medium: What is embedded.
    """

    medium: Medium


@dataclass(kw_only=True, slots=True)
class Reading:
    """The reading of one file.

    Attributes:
        file: The file.
        encoding: Encoding of text that is not UTF-8, None for a guess.
        text_field: Text field of JSON records, None for the usual ones.
        chunk_size: Maximum number of characters of a passage, for kinds whose parts are small.
        media: Whether images, sounds and videos are read.
        pages: Whether pages of PDF files are read as they look, instead of their text.
        position: Bytes read so far.
        notice: A notice on how it was read.
        problems: Parts that cannot be read: for each reason the first place and the number of
            times.
    """

    file: SourceFile
    encoding: str | None = None
    text_field: str | None = None
    chunk_size: int = 1000
    media: bool = False
    pages: bool = False
    position: int = 0
    notice: str | None = None
    problems: dict[str, tuple[str, int]] = field(default_factory=dict)

    def fail(self, reason: str, place: str = "") -> None:
        """Record that something cannot be read, and where; the same reason is reported once."""
        first, count = self.problems.get(reason, (place, 0))
        self.problems[reason] = (first, count + 1)

    @property
    def problem(self) -> str | None:
        """Everything that cannot be read, None if everything can."""
        if not self.problems:
            return None
        told = [
            (f"{place}: " if place else "")
            + reason
            + (f" (and {count - 1:,} more like it)" if count > 1 else "")
            for reason, (place, count) in list(self.problems.items())[:_PROBLEMS_TOLD]
        ]
        more = sum(count for _, count in list(self.problems.values())[_PROBLEMS_TOLD:])
        return "; ".join(told) + (f"; and {more:,} more" if more else "")

    def open(self, *, declared: str | None = None, newline: str | None = None) -> TextIO:
        """Open the file as text in its encoding."""
        found = find_encoding(self.file.path, self.encoding, declared=declared)
        self.notice = found.notice
        return self.file.path.open(encoding=found.name, newline=newline)


def one_line(title: object) -> str:
    """Return a title without line breaks; an empty text for a value that is not text."""
    return " ".join(title.split()) if isinstance(title, str) else ""


def renamed(fields: Mapping[str, object], *own: str) -> dict[str, object]:
    """Return a record's fields; fields with our names get the prefix `record_`."""
    taken = {SOURCE_KEY, MEDIA_KEY, *own}
    return {f"record_{key}" if key in taken else key: value for key, value in fields.items()}


def packed(
    pieces: Iterable[tuple[str, object]],
    size: int,
    *,
    separator: str = "\n",
    heading: str | None = None,
) -> Iterator[tuple[str, object]]:
    """Join pieces to texts of at most `size` characters; longer pieces stay unchanged.

    Args:
        pieces: Texts with their places.
        size: Characters of a joined text.
        separator: Text between two pieces.
        heading: Start of a piece that is not joined to the previous ones.

    Returns:
        Texts with the place of their first piece.
    """
    held: list[str] = []
    first: object = None
    length = 0
    for text, place in pieces:
        is_heading = heading is not None and text.startswith(heading)
        if held and (length + len(text) > size or is_heading):
            yield separator.join(held), first
            held, length = [], 0
        if not held:
            first = place
        held.append(text)
        length += len(text) + len(separator)
    if held:
        yield separator.join(held), first
