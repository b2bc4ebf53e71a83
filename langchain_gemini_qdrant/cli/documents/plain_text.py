"""Reads text and Markdown files, in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.front_matter import read_front_matter
from langchain_gemini_qdrant.cli.documents.passages import Outline
from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_BLOCK = 1 << 20  # characters of a text in memory at a time

_BEGINNING = 100_000  # characters in which a title is searched


def read_text(reading: Reading) -> Iterator[Document]:
    """Yield a text in blocks, each with the title and metadata that the file begins with."""
    metadata: dict[str, object] = {}
    with reading.open() as stream:
        for block in blocks(reading, stream):
            text = block
            if not metadata:
                text, metadata = _beginning(block, reading)
            yield Document(text, metadata=metadata)


def blocks(reading: Reading, stream: TextIO) -> Iterator[str]:
    """Yield a text in pieces that end with a paragraph, a line or a word if possible."""
    rest = ""
    while text := stream.read(_BLOCK):
        reading.position = stream.buffer.tell()
        rest += text
        if len(rest) < _BLOCK:
            continue
        ends = (rest.rfind(mark, _BLOCK // 2) + len(mark) for mark in ("\n\n", "\n", " "))
        cut = next((end for end in ends if end >= _BLOCK // 2), len(rest))
        yield rest[:cut]
        rest = rest[cut:]
    if rest:
        yield rest


def first_heading(text: str) -> str:
    """Return the first heading of a Markdown text on one line, an empty text if it has none."""
    sections = Outline().read(text[:_BEGINNING])
    return next((section.heading for section in sections if section.heading), "")


def _beginning(text: str, reading: Reading) -> tuple[str, dict[str, object]]:
    """Return a text without its front matter, and the metadata that it begins with."""
    title, fields = "", dict[str, object]()
    if reading.file.kind == "markdown":
        front = read_front_matter(text)
        if front.problem:
            reading.notice = "; ".join(filter(None, (reading.notice, front.problem)))
        text, fields = front.text, front.fields
        own = fields.pop(TITLE_KEY, "")
        title = one_line("" if isinstance(own, list) else str(own)) or first_heading(text)
    return text, {**fields, TITLE_KEY: title or reading.file.stem}
