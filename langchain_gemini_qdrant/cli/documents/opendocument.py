"""Reads OpenDocument texts and presentations, as LibreOffice writes them."""

from __future__ import annotations

import zipfile
from html import escape
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.plain_text import first_heading
from langchain_gemini_qdrant.cli.documents.reading import MarkdownText
from langchain_gemini_qdrant.cli.documents.webpages import markdown_of
from langchain_gemini_qdrant.cli.documents.xml_trees import (
    attribute,
    find_all,
    find_text,
    local_name,
    parse_xml,
)
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_TAGS = {
    "p": "p",
    "list": "ul",
    "list-item": "li",
    "table": "table",
    "table-row": "tr",
    "table-cell": "td",
    "line-break": "br",
    "note": "div",
}
_NO_TEXT = {"tracked-changes", "annotation", "note-citation", "sequence-decls", "forms", "desc"}


def read_odt(reading: Reading) -> Iterator[Document]:
    """Yield a text as Markdown: headings, lists, tables and notes, without pictures."""
    with zipfile.ZipFile(reading.file.path) as archive:
        content = parse_xml(archive.read("content.xml"))
        title = _title(archive)
    text = "\n\n".join(markdown_of(_html(body)) for body in find_all(content, "body"))
    title = title or first_heading(text) or reading.file.stem
    yield MarkdownText(page_content=text, metadata={TITLE_KEY: title})


def read_odp(reading: Reading) -> Iterator[Document]:
    """Yield the text of each slide, with its notes."""
    with zipfile.ZipFile(reading.file.path) as archive:
        content = parse_xml(archive.read("content.xml"))
        title = _title(archive)
    for number, page in enumerate(find_all(content, "page"), 1):
        text = markdown_of(_html(page))
        title = title or first_line(text) or reading.file.stem
        yield Document(text, metadata={TITLE_KEY: title, "slide": number})


def first_line(text: str) -> str:
    """Return the first line of a text."""
    return text.strip().partition("\n")[0].strip()


def _title(archive: zipfile.ZipFile) -> str:
    if "meta.xml" not in archive.namelist():
        return ""
    return find_text(parse_xml(archive.read("meta.xml")), "title")


def _html(element: Element) -> str:
    """Return an element as HTML."""
    name = local_name(element)
    if name in _NO_TEXT:
        return ""
    if name in {"s", "tab"}:
        return " "
    inside = escape(str(element.text or "")) + "".join(
        _html(child) + escape(str(child.tail or "")) for child in element
    )
    if name == "h":
        level = min(int(attribute(element, "outline-level") or 1), 6)
        return f"<h{level}>{inside}</h{level}>"
    tag = _TAGS.get(name)
    return inside if tag is None else f"<{tag}>{inside}</{tag}>"
