"""Prepares the documents and blobs of a run: ids, payloads, and the media that they name."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, cast

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_gemini_qdrant._qdrant_values import (
    EVERYWHERE,
    check_payload,
    content_id,
    id_payload,
    point_id,
)
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.ingestion._lookups import Given, Incoming
from langchain_gemini_qdrant.vectorstores._media import blob_metadata, with_media
from langchain_gemini_qdrant.vectorstores._payloads import to_payload
from langchain_gemini_qdrant.vectorstores._points import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.ingestion._cleanup import Cleanup
    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.media._medium import Medium
    from langchain_gemini_qdrant.vectorstores._collection import Collection

_LONGEST_NAME = 200  # characters of a reference in a report: a `data:` URI has the whole file


class Documents:
    """Prepares what one run is given.

    Args:
        collection: The target collection.
        cleanup: Records the documents that were given.
        id_keys: Metadata fields that are part of ids made from content.
    """

    def __init__(self, collection: Collection, cleanup: Cleanup, id_keys: Sequence[str]) -> None:
        self._collection = collection
        self._cleanup = cleanup
        self._id_keys = id_keys
        self._is_gemini = gemini_of(collection.layout.embedding) is not None
        self._count = 0  # documents so far

    async def incoming(self, given: object) -> Incoming:
        """Read the media of a document, and return it with its id and its payload.

        Raises:
            InvalidInputError: It is neither a document nor a blob.
            ConfigurationError: It is a blob, and the store has no `media_key`.
        """
        if not isinstance(given, Given):
            return await self._prepared(given)
        if not given.is_stored:
            others = [point_id(each) for each in given.other_ids]
            prepared = await self._prepared(given.document, given.media)
            return prepared._replace(other_keys=others)
        name = str(given.document.id)
        key, source = point_id(name), self._cleanup.source_of(given.document.metadata)
        if self._cleanup.mode != "none":
            self._cleanup.add(key, source)
        return Incoming(key=key, name=name, text="", title=None, payload={}, is_stored=True)

    async def _prepared(self, given: object, media: tuple[Medium, ...] = ()) -> Incoming:
        self._count += 1
        if not isinstance(given, Document | Blob):
            raise InvalidInputError(
                f"documents must be Documents or Blobs, got {type(given).__name__}"
            )
        try:
            row = self._row(given, media)
        except InvalidInputError as error:  # a blob that cannot be stored
            return self._failed(given, None, str(error))
        source = self._cleanup.source_of(row.metadata)
        problem = self._problem(row, source)
        if problem is not None:
            return self._failed(given, source, problem)
        [read] = await with_media(self._collection, [row])
        if isinstance(read, InvalidInputError):
            return self._failed(given, source, str(read))
        return self._stored(given, read, source)

    def _row(self, given: Document | Blob, media: tuple[Medium, ...]) -> Row:
        if isinstance(given, Blob):
            metadata = blob_metadata(self._collection.layout.media, given)
            return Row(given.id or "", "", metadata, (given,))
        return Row(given.id or "", given.page_content, given.metadata, media)

    def _problem(self, row: Row, source: str | None) -> str | None:
        """Return why a document is refused before its media are read, None if it is not."""
        media = self._collection.layout.media
        has_media = media is not None and media.names_media(row.metadata)
        if self._is_gemini and not has_media and not row.text.strip():
            return "the text is blank"
        if self._cleanup.mode == "source" and source is None:
            return self._cleanup.describe_missing(row.metadata)
        return None

    def _failed(self, given: Document | Blob, source: str | None, problem: str) -> Incoming:
        name = given.id or self._name(given)
        return Incoming(
            key=name, name=name, text="", title=None, payload={}, source=source, problem=problem
        )

    def _name(self, given: Document | Blob) -> str:
        """Return a name for a document without an id that cannot be stored."""
        media = self._collection.layout.media
        if isinstance(given, Blob):
            name = str(given.path or given.source or "")
        elif media is None or not media.names_media(given.metadata):
            return content_id(given, self._id_keys)
        else:
            named = given.metadata[media.key]
            name = ", ".join(map(str, named)) if isinstance(named, list | tuple) else str(named)
        return name[:_LONGEST_NAME] or f"document {self._count}"

    def _stored(self, given: Document | Blob, row: Row, source: str | None) -> Incoming:
        """Return a document, whose media were read, in the form in which it is stored."""
        layout = self._collection.layout
        media = cast("tuple[Medium, ...]", row.media)
        name = given.id
        if not name:
            document = given if isinstance(given, Document) else Document("", metadata=row.metadata)
            name = content_id(document, self._id_keys, [medium.digest for medium in media])
        key: str | int = name
        payload: dict[str, Any] = {}
        problem = None
        try:
            key = point_id(name)
            # In the form that every engine keeps, so that it can be compared with stored documents.
            payload = check_payload(
                to_payload(
                    *(layout.content_key, layout.metadata_key, row.text),
                    *(_in_order(row.metadata), id_payload(name, key)),
                ),
                EVERYWHERE,
            )
        except InvalidInputError as error:
            problem = f"it cannot be stored: {error}"
        if self._cleanup.mode != "none":
            self._cleanup.add(key, source)
        return Incoming(
            key=key,
            name=name,
            text=row.text,
            title=layout.title(row.metadata) if layout.title_key else None,
            payload=payload,
            has_own_id=bool(given.id),
            source=source,
            problem=problem,
            parts=cast("Parts", row.content) if media else (),
        )


def _in_order(metadata: dict[str, Any]) -> dict[str, Any]:
    """Sort sets: Python's order differs from run to run."""
    ordered = metadata
    for key, value in metadata.items():
        if isinstance(value, AbstractSet):
            ordered = {**ordered, key: sorted(value, key=repr)}
    return ordered
