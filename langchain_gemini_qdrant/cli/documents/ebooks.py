"""Reads e-books (EPUB), chapter by chapter."""

from __future__ import annotations

import codecs
import posixpath
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from langchain_gemini_qdrant.cli.documents.plain_text import first_heading
from langchain_gemini_qdrant.cli.documents.reading import MarkdownText, one_line
from langchain_gemini_qdrant.cli.documents.webpages import markdown_of
from langchain_gemini_qdrant.cli.documents.xml_trees import (
    attribute,
    find_all,
    find_text,
    parse_xml,
)
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.documents import Document
    from lxml.etree import _Element as Element

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PAGES = {"application/xhtml+xml", "text/html"}


def read_epub(reading: Reading) -> Iterator[Document]:
    """Yield the chapters in reading order as Markdown, with the title and author of the book."""
    with zipfile.ZipFile(reading.file.path) as archive:
        container = parse_xml(archive.read("META-INF/container.xml"))
        package_name = attribute(next(find_all(container, "rootfile")), "full-path")
        package = parse_xml(archive.read(package_name))
        about = {TITLE_KEY: find_text(package, "title") or reading.file.stem}
        author = find_text(package, "creator")
        if author:
            about["author"] = author
        names = _spine(package, package_name)
        _refuse_protected(archive, names)
        labels = _labels(archive, package, package_name)
        for number, name in enumerate(names, 1):
            reading.position = reading.file.size * number // len(names)
            try:
                page = archive.read(name)
                text = markdown_of(
                    page.decode("utf-16" if page.startswith(_MARKS) else "utf-8-sig")
                )
            except KeyError:
                reading.fail("is not in the book, though its list of chapters has it", name)
                continue
            except UnicodeDecodeError:
                reading.fail("is neither UTF-8 nor UTF-16", name)
                continue
            chapter = labels.get(name) or first_heading(text)
            own = {"chapter": chapter} if chapter else {}
            yield MarkdownText(page_content=text, metadata={**about, **own})


def _spine(package: Element, package_name: str) -> list[str]:
    """Return the names of the chapters in reading order."""
    files = {
        attribute(item, "id"): _inside(package_name, attribute(item, "href"))
        for item in find_all(package, "item")
        if attribute(item, "media-type") in _PAGES
        and "nav" not in attribute(item, "properties").split()
    }
    order = (attribute(each, "idref") for each in find_all(package, "itemref"))
    return [files[name] for name in order if name in files]


def _refuse_protected(archive: zipfile.ZipFile, names: list[str]) -> None:
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    encrypted = parse_xml(archive.read("META-INF/encryption.xml"))
    listed = {unquote(attribute(each, "URI")) for each in find_all(encrypted, "CipherReference")}
    if listed & set(names):  # fonts are often listed, too
        raise InvalidInputError("is protected against copying (DRM)")


def _labels(archive: zipfile.ZipFile, package: Element, package_name: str) -> dict[str, str]:
    """Return the names of chapters by their files, as the table of contents gives them."""
    labels: dict[str, str] = {}
    for item in find_all(package, "item"):
        is_nav = "nav" in attribute(item, "properties").split()
        if not is_nav and attribute(item, "media-type") != "application/x-dtbncx+xml":
            continue
        name = _inside(package_name, attribute(item, "href"))
        if name not in archive.namelist():
            continue
        contents = parse_xml(archive.read(name))
        if is_nav:
            links = ((a, "href", "".join(map(str, a.itertext()))) for a in find_all(contents, "a"))
        else:
            points = find_all(contents, "navPoint")
            links = ((next(find_all(p, "content")), "src", find_text(p, "text")) for p in points)
        for element, key, label in links:
            target = _inside(name, attribute(element, key).partition("#")[0])
            labels.setdefault(target, one_line(label))
    return labels


def _inside(base: str, reference: str) -> str:
    """Return the name of a file that a file of the book refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), unquote(reference)))
