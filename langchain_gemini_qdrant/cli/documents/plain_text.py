"""Reads text and Markdown files, in blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TextIO

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.files import SourceFile
    from langchain_gemini_qdrant.cli.documents.reading import Reading

_BLOCK = 1 << 20  # characters of a text held at a time

_FRONT_MATTER = re.compile(r"\A---\n.*?^title:[ \t]*(?P<title>.+?)[ \t]*$.*?^---$", re.M | re.S)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.M)
_UNDERLINED = re.compile(r"^(?!\W+$)(\S.*)\n([=\-~#*^\"'`+])\2{2,}[ \t]*$", re.M)
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(^ {0,3}\1|\Z)", re.M | re.S)


def read_text(reading: Reading) -> Iterator[Document]:
    """Yield a text in blocks, each with the title that the file begins with."""
    title = None
    with reading.open() as stream:
        for block in blocks(reading, stream):
            if title is None:
                title = _title_of(block, reading.file)
            yield Document(block, metadata={TITLE_KEY: title})


def first_heading(text: str) -> str:
    """Return the first heading of a Markdown text on one line, empty if there is none."""
    found = _HEADING.search(_FENCED.sub("", text))
    return one_line(found and found[1])


def blocks(reading: Reading, stream: TextIO) -> Iterator[str]:
    """Yield a text in pieces that end with a paragraph, a line or a word, where one ends."""
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


def _title_of(text: str, file: SourceFile) -> str:
    """Return the title that a text begins with, or its file's name."""
    title = None
    if file.kind == "markdown":
        front = _FRONT_MATTER.search(text)
        heading = _HEADING.search(_FENCED.sub("", text)) or _UNDERLINED.search(text)
        title = front["title"].strip("\"'") if front else heading and heading[1]
    elif file.path.suffix.lower() == ".rst":
        heading = _UNDERLINED.search(text)
        title = heading and heading[1]
    return one_line(title) or file.stem
