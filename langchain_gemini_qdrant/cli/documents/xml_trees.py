"""Parses the XML inside documents: no entity is resolved, nothing external is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element as Element


def parse_xml(content: bytes) -> Element:
    """Return the root of an XML document.

    Raises:
        InvalidInputError: It is not well-formed, or nested more than 256 levels deep.
    """
    from lxml import etree  # noqa: PLC0415 - of the extra

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
        remove_pis=True,
    )  # fmt: skip
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise InvalidInputError(f"is damaged: {error}") from error


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def find_all(root: Element, *names: str) -> Iterator[Element]:
    """Yield the elements of these names, in any namespace, in the order of the document."""
    yield from root.iter(*(f"{{*}}{name}" for name in names))


def find_text(root: Element, name: str) -> str:
    """Return the text of the first element of a name on one line, empty if there is none."""
    found = next(find_all(root, name), None)
    return "" if found is None else one_line("".join(map(str, found.itertext())))


def attribute(element: Element, name: str) -> str:
    """Return the attribute of a name, in any namespace, empty if there is none."""
    values = (str(v) for k, v in element.attrib.items() if str(k).rpartition("}")[2] == name)
    return next(values, "")
