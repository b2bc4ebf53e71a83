"""Reads web pages as Markdown: headings, lists, tables and code, without addresses and scripts."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from bs4 import BeautifulSoup, Tag
from bs4.dammit import EncodingDetector
from bs4.element import ProcessingInstruction
from langchain_core.documents import Document
from markdownify import ATX, MarkdownConverter
from selectolax.lexbor import LexborHTMLParser

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selectolax.lexbor import LexborNode

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_HEAD_BYTES = 4096  # bytes at the start of a page in which its encoding is declared

# Hidden elements, forms, and elements that are the same on every page of a site.
_LEFT_OUT = (
    "head, script, style, noscript, template, svg, iframe, object, canvas, audio, video, "
    "select, datalist, textarea, button, [hidden], [style*='display:none' i], "
    "[style*='display: none' i], nav, [role=navigation], [role=search], [role=banner], "
    "[role=contentinfo]"
)
# Encodings that browsers use for declared ones. https://encoding.spec.whatwg.org/#names-and-labels
_USED_FOR = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
}
# Pages hide these until a script has run.
_NEVER_LEFT_OUT = {"html", "body"}
# XHTML and e-books may close tags at once. HTML takes all behind these for their content.
_XHTML = "http://www.w3.org/1999/xhtml"
_CLOSED_AT_ONCE = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|noframes|xmp)(\s[^<>]*)?/>", re.I
)
_SECTIONS = {"main", "article", "section", "aside", "blockquote"}
_SELF_LINKS = {"¶", "#", "§"}  # links next to headings
_DEEPEST = 100  # markdownify recurses three times per level, and Python allows about 1,000


class Page(NamedTuple):
    """A web page.

    Attributes:
        title: Its title, or its first heading; an empty text if it has neither.
        markdown: Its main content.
    """

    title: str
    markdown: str


def read_page(reading: Reading) -> Iterator[Document]:
    """Yield a page, with its title or first heading as the title."""
    with reading.file.path.open("rb") as binary:
        head = binary.read(_HEAD_BYTES)
    declared = EncodingDetector.find_declared_encoding(head, is_html=True)
    with reading.open(declared=_real_encoding(declared)) as stream:
        page = parse_page(stream.read())
    yield Document(page.markdown, metadata={TITLE_KEY: page.title or reading.file.stem})


def _real_encoding(declared: str | None) -> str | None:
    """Return the browsers' encoding for a declared one, None for an unknown one."""
    try:
        " ".encode(declared or "")
    except (LookupError, UnicodeError):  # or not an encoding of text, such as rot13
        return None
    name = codecs.lookup(declared or "").name
    return None if name.startswith("utf") else _USED_FOR.get(name, name)


def parse_page(html: str) -> Page:
    """Return the title and the main content of a page, however broken its HTML is.

    It is parsed as in browsers, so end tags may be missing. The content is `<main>` if there is
    one, otherwise everything except navigation and footer. A choice by links and lengths, as in
    reader modes, would lose up to half of a manual.
    """
    if _XHTML in html[:_HEAD_BYTES]:
        html = _CLOSED_AT_ONCE.sub(r"<\1\2></\1>", html)
    tree = LexborHTMLParser(html)
    titles = (one_line(node.text(separator=" ")) for node in tree.css("head > title, h1"))
    title = next(filter(None, titles), "")
    for node in reversed(tree.css(_LEFT_OUT)):  # inner ones first: an outer one contains them
        if node.tag not in _NEVER_LEFT_OUT:
            node.decompose()
    _flatten(tree)
    # Parsed again, but with all tags closed, as markdownify reads Beautiful Soup's trees.
    soup = BeautifulSoup(_main_content(tree), "html.parser")
    for each in soup.find_all(string=lambda text: isinstance(text, ProcessingInstruction)):
        each.extract()
    return Page(title, _CONVERTER.convert_soup(soup))


def markdown_of(html: str) -> str:
    """Return the main content of a page, or of a part of one, as Markdown."""
    return parse_page(html).markdown.strip()


def _main_content(tree: LexborHTMLParser) -> str:
    mains = [node for node in tree.css("main, [role=main]") if node.text(strip=True)]
    if len(mains) == 1:
        return mains[0].html or ""
    for node in reversed(tree.css("footer")):
        if not _is_in_a_section(node):
            node.decompose()
    return tree.html or ""


def _is_in_a_section(node: LexborNode) -> bool:
    parent = node.parent
    while parent is not None and parent.tag not in _SECTIONS:
        parent = parent.parent
    return parent is not None


def _flatten(tree: LexborHTMLParser) -> None:
    """Unwrap tags that are nested too deep; their texts stay."""
    waiting = [(tree.body, 0)] if tree.body else []
    while waiting:
        node, depth = waiting.pop()
        inner = list(node.iter())
        if depth >= _DEEPEST and inner:
            node.insert_before("\n")
            node.insert_after("\n")
            node.unwrap()
        else:
            depth += 1
        waiting.extend((child, depth) for child in inner)


class _Converter(MarkdownConverter):
    """Leaves out addresses of links and images, which may be megabytes of data."""

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return "" if text.strip() in _SELF_LINKS else text

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return str(el.get("alt") or "")

    def _convert_block(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        if "_inline" in parent_tags:
            return f" {text.strip()} "
        return f"\n\n{text.strip()}\n\n" if text.strip() else ""

    # Blocks that markdownify does not know.
    convert_address = convert_aside = convert_center = convert_details = _convert_block
    convert_dialog = convert_fieldset = convert_figure = convert_footer = _convert_block
    convert_form = convert_header = convert_hgroup = convert_legend = _convert_block
    convert_main = convert_summary = _convert_block


_CONVERTER = _Converter(
    heading_style=ATX,
    escape_asterisks=False,
    escape_misc=False,
    escape_underscores=False,
    table_infer_header=True,
)
