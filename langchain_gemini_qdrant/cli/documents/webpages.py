"""A web page to Markdown: its headings, lists, tables and code, without addresses and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdownify import ATX, MarkdownConverter

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NO_TEXT = ("head", "script", "style", "noscript", "template", "svg")


def to_markdown(soup: BeautifulSoup) -> str:
    """Return the text of a page; what nobody reads of it is taken out of `soup`."""
    for tag in soup(_NO_TEXT):
        tag.decompose()
    converter = _Converter(
        heading_style=ATX, escape_asterisks=False, escape_misc=False, escape_underscores=False
    )
    return converter.convert_soup(soup)


class _Converter(MarkdownConverter):
    """Leaves out where links and images are, which may be megabytes of data."""

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return text

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:  # noqa: ARG002
        return str(el.get("alt") or "")
