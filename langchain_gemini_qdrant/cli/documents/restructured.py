"""Reads reStructuredText."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.plain_text import blocks, first_heading
from langchain_gemini_qdrant.cli.documents.reading import MarkdownText
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.reading import Reading

# A line between two lines of one sign, or above one such line that is at least as long.
_HEADING = re.compile(
    r"^(?:(?P<over>([!-/:-@\[-`{-~])\2{1,})[ \t]*\n)?[ \t]?(?P<text>\S.*?)[ \t]*\n"
    r"(?P<under>([!-/:-@\[-`{-~])\5{1,})[ \t]*$",
    re.M,
)
_INDENTED_HASH = re.compile(r"^ {1,3}(?=#)", re.M)  # a comment in code, not a heading


def read_rst(reading: Reading) -> Iterator[Document]:
    """Yield the text with Markdown headings; everything else stays unchanged."""
    levels: list[str] = []  # signs of the headings, in order of first occurrence
    title = None
    with reading.open() as stream:
        for block in blocks(reading, stream):
            text = _with_headings(_INDENTED_HASH.sub("    ", block), levels)
            if title is None:
                title = first_heading(text) or reading.file.stem
            yield MarkdownText(page_content=text, continues=True, metadata={TITLE_KEY: title})


def _with_headings(text: str, levels: list[str]) -> str:
    def heading(match: re.Match[str]) -> str:
        over, text, under = match["over"], match["text"], match["under"]
        if len(under) < len(text) or (over or under)[0] != under[0] or not re.search(r"\w", text):
            return match[0]
        sign = under[0] + ("above" if over else "")
        if sign not in levels:
            levels.append(sign)
        return f"{'#' * min(levels.index(sign) + 1, 6)} {text}"

    return _HEADING.sub(heading, text)
