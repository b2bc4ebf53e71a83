"""The source of a document: the file or address that it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.documents import Document

SOURCE_KEYS = ("source", "file_path", "file_name", "filename", "url", "path")
"""Metadata keys of the source, those of other programs too; the first that has a value counts."""


def source_of(document: Document) -> str:
    """Return the source of a document, empty if its metadata has none."""
    found = (document.metadata.get(key) for key in SOURCE_KEYS)
    return next((str(each) for each in found if each), "")
