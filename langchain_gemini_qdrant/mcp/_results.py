"""Results of the tools, and their bounds: a result must not fill the context of a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from langchain_gemini_qdrant._sources import source_of

if TYPE_CHECKING:
    from langchain_core.documents import Document

MAX_DOCUMENTS = 20
"""Most documents in one result."""

MAX_TEXT = 40_000
"""Most characters of all texts in one result, about 10,000 tokens.

Claude Code warns of results above 10,000 tokens: https://code.claude.com/docs/en/mcp
"""

MAX_METADATA = 20_000
"""Most characters of JSON of all metadata in one result."""

MAX_HIT = 4_000
"""Most characters of one text in the result of a search, and half of that of its metadata."""

MAX_SOURCES = 200
"""Most sources in one result."""

_MAX_NAME = 1_000  # characters of a source: a `data:` URI has the whole file


class _Result(BaseModel):
    # The descriptions are in the schema that models read.
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class StoredDocument(_Result):
    """A stored document, or a part of it."""

    id: str
    """Id, for get_documents."""
    source: str | None
    """File or address that the text is from; null if it is not known."""
    text: str
    """The text, or the part of it that fits."""
    total_chars: int
    """Length of the whole text."""
    next_start: int | None
    """Null if the text ends here. Otherwise get_documents continues it from this `start`."""
    metadata: dict[str, Any]
    """Fields that `filter` can use."""
    omitted_metadata: list[str]
    """Names of fields that are too long for this result."""


class Hit(StoredDocument):
    """A document that a search found."""

    score: float
    """Higher is nearer, except in collections with a distance of Euclid or Manhattan."""


class SearchResult(_Result):
    """The documents that a search found."""

    hits: list[Hit]
    """Documents, the best first."""


class DocumentsResult(_Result):
    """Documents by id."""

    documents: list[StoredDocument]
    """The documents that were found, in the order of the ids."""
    missing_ids: list[str]
    """Ids under which nothing is stored."""


class StoreResult(_Result):
    """What became of a text."""

    id: str
    """Id of the document; it depends only on text and source."""
    status: Literal["added", "already_stored"]
    """With `already_stored`, the stored document and its metadata were not changed."""


class Source(_Result):
    """A source of documents."""

    source: str
    """File or address; a longer name ends with an ellipsis."""
    documents: int
    """Number of its documents."""


class SourcesResult(_Result):
    """A page of the sources of a collection."""

    sources: list[Source]
    """Sources in alphabetical order."""
    total_sources: int
    """Number of all sources."""
    documents_without_source: int
    """Number of documents whose source is not known."""
    next_start: int | None
    """Null if this is the last page. Otherwise `start` of the next one."""


class CollectionFacts(_Result):
    """A collection."""

    name: str
    """Name."""
    description: str
    """What is in it, if that is known."""
    documents: int | None
    """Number of its documents; null if it cannot be read."""
    model: str | None
    """Model of its vectors, if that is recorded."""
    vector_size: int | None
    """Length of its vectors."""
    searchable: bool
    """Whether texts can be searched and stored."""
    problem: str | None
    """Why they cannot."""


class CollectionsResult(_Result):
    """The collections of this server."""

    collections: list[CollectionFacts]
    """Collections in the order in which the server was given them."""


def plain(text: str) -> str:
    """Return a text that is valid in UTF-8: halves of surrogate pairs become question marks."""
    return text.encode("utf-8", "replace").decode()


def parts(
    document: Document, *, start: int = 0, most_text: int, most_metadata: int
) -> dict[str, Any]:
    """Return the fields of a `StoredDocument` within bounds.

    Args:
        document: The whole document.
        start: Index of the first character of the text to return.
        most_text: Most characters of the text.
        most_metadata: Most characters of the metadata, as JSON.
    """
    text = plain(document.page_content)
    end = min(len(text), start + most_text)
    source = source_of(document)
    metadata, omitted = _fitting(document.metadata, most_metadata)
    return {
        "id": str(document.id),
        "source": short_name(source) or None,
        "text": text[start:end],
        "total_chars": len(text),
        "next_start": end if end < len(text) else None,
        "metadata": metadata,
        "omitted_metadata": omitted,
    }


def short_name(source: str) -> str:
    """Return the name of a source within bounds."""
    source = plain(source)
    return source if len(source) <= _MAX_NAME else f"{source[: _MAX_NAME - 1]}…"


def _fitting(metadata: dict[str, Any], most: int) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that fit as JSON, and the names of the others; short fields go first."""
    written = {
        plain(str(key)): plain(json.dumps(value, ensure_ascii=False, default=str))
        for key, value in metadata.items()
    }
    kept: set[str] = set()
    for key in sorted(written, key=lambda each: len(written[each])):
        most -= len(key) + len(written[key])
        if most < 0:
            break
        kept.add(key)
    fields = {
        key: json.loads(value, parse_constant=lambda _: None)  # NaN is not JSON
        for key, value in written.items()
        if key in kept
    }
    return fields, [short_name(key) for key in written if key not in kept][:MAX_DOCUMENTS]
