"""Reads web pages as Markdown: headings, lists, tables and code, without addresses and scripts."""

from __future__ import annotations

import codecs
import re
import warnings
from typing import TYPE_CHECKING

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from langchain_core.documents import Document
from markdownify import ATX, MarkdownConverter

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bs4 import Tag

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_HEAD_BYTES = 4096  # of a page, where its encoding is declared
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
_NO_TEXT = ("head", "script", "style", "noscript", "template", "svg")


def read_page(reading: Reading) -> Iterator[Document]:
    """Yield a page, with its title or first heading as the title."""
    with reading.file.path.open("rb") as binary:
        head = binary.read(_HEAD_BYTES)
    declared = EncodingDetector.find_declared_encoding(head, is_html=True)
    with reading.open(declared=_real_encoding(declared)) as stream:
        page = stream.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may be XML, or no page at all
        soup = BeautifulSoup(page, "html.parser")
    heading = soup.title or soup.h1
    title = one_line(heading.get_text(" ")) if heading else ""
    yield Document(to_markdown(soup), metadata={TITLE_KEY: title or reading.file.stem})


def _real_encoding(declared: str | None) -> str | None:
    """Return the encoding that browsers use for a declared one, None for an unknown one.

    Source: https://encoding.spec.whatwg.org/#names-and-labels
    """
    try:
        name = codecs.lookup(declared or "").name
    except LookupError:
        return None
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "utf-8": None}.get(name, name)


def to_markdown(soup: BeautifulSoup) -> str:
    """Return the text of a page; what nobody reads of it is taken out of `soup`."""
    for tag in soup(_NO_TEXT):
        tag.decompose()
    converter = _Converter(
        heading_style=ATX,
        escape_asterisks=False,
        escape_misc=False,
        escape_underscores=False,
        table_infer_header=True,
    )
    return converter.convert_soup(soup)


class _Converter(MarkdownConverter):
    """Leaves out where links and images are, which may be megabytes of data."""

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return text

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return str(el.get("alt") or "")


def markdown_of(page: str) -> str:
    """Return the text of a page, or of a part of one, as Markdown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may be XML, or no page at all
        soup = BeautifulSoup(_DECLARATION.sub("", page), "html.parser")
    return to_markdown(soup).strip()
