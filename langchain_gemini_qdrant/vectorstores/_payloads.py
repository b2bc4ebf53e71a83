"""Where payloads, also of other programs, contain a document's text, metadata and id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from langchain_gemini_qdrant._qdrant_values import ID_KEY, document_id
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client import models

_MOST_KEYS = 20  # keys of a payload that a warning lists at most


def check_keys(content_key: str, metadata_key: str) -> None:
    """Refuse payload keys that are not distinct.

    Raises:
        ConfigurationError: Two are equal, or the key of the text is empty.
    """
    if not content_key or len({content_key, metadata_key, ID_KEY}) < 3:  # noqa: PLR2004 - these
        raise ConfigurationError(
            f"content_payload_key and metadata_payload_key must be two names other than {ID_KEY!r},"
            f" which stores ids, got {content_key!r} and {metadata_key!r}; only the metadata's may "
            "be '', if its fields are stored next to the text"
        )


def to_payload(
    content_key: str,
    metadata_key: str,
    text: str,
    metadata: Mapping[str, Any],
    id_mark: Mapping[str, str],
) -> dict[str, Any]:
    """Return the payload of a document; `id_mark` has the fields that store its id.

    Raises:
        InvalidInputError: Metadata next to the text has the key of the text or of the id.
    """
    if metadata_key:
        return {content_key: text, metadata_key: metadata, **id_mark}
    if taken := sorted({content_key, *id_mark} & metadata.keys()):
        raise InvalidInputError(
            f"with metadata_payload_key='' metadata cannot have the keys {taken}, under which the "
            "text or the id is stored"
        )
    return {content_key: text, **metadata, **id_mark}


def to_document(
    point: models.Record | models.ScoredPoint, content_key: str, metadata_key: str
) -> Document:
    """Return the document of a stored point.

    A text that is not a string is returned as JSON. Metadata that is not a dict is returned under
    its key.
    """
    payload = point.payload or {}
    name = document_id(point.id, payload)
    text = payload.get(content_key)
    metadata: Any
    if metadata_key:
        metadata = payload.get(metadata_key) or {}
        metadata = metadata if isinstance(metadata, dict) else {metadata_key: metadata}
    else:
        own = {content_key} if name == str(point.id) else {content_key, ID_KEY}
        metadata = {key: value for key, value in payload.items() if key not in own}
    if not isinstance(text, str):
        text = "" if text is None else json.dumps(text, ensure_ascii=False, default=repr)
    return Document(id=name, page_content=text, metadata=metadata)


def problem(
    point: models.Record | models.ScoredPoint,
    document: Document,
    content_key: str,
    metadata_key: str,
) -> str | None:
    """Return which parts a document lacks because its payload has a different layout."""
    payload = point.payload or {}
    missing = []
    if content_key not in payload and not document.page_content:
        missing.append(f"text under {content_key!r}")
    if metadata_key and metadata_key not in payload and not document.metadata:
        missing.append(f"metadata under {metadata_key!r}")
    if missing and payload.keys() - {content_key, ID_KEY}:
        found = ", ".join(map(repr, [*payload][:_MOST_KEYS]))
        return (
            f"has no {' and no '.join(missing)}. Its payload has {found}: open the store with "
            "content_payload_key= and metadata_payload_key= of that payload; the latter is '' if "
            "the metadata's fields are next to the text"
        )
    for key, kind in ((content_key, str), (metadata_key, dict)):
        value = payload.get(key)
        if value is not None and not isinstance(value, kind):
            return (
                f"has one {type(value).__name__} under {key!r}, where others have a {kind.__name__}"
            )
    return None
