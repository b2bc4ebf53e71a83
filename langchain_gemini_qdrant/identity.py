"""String ids to Qdrant's point ids and back, and ids made of content."""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.documents import Document

ID_KEY = "document_id"
"""Payload key of an id that cannot be a point id as it stands."""

_NAMESPACE = uuid.UUID("6f0f8c1e-6a0b-5b6e-9c55-0f2f0d6f3c11")
_MAX_INTEGER_ID = 2**64 - 1
CANONICAL_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The spelling that `str(uuid.UUID(...))` gives."""


def point_id(document_id: str | int) -> str | int:
    """Return the point id of a document's id.

    Qdrant takes unsigned 64-bit integers and UUIDs. An integer and its decimal form are one id,
    as LangChain shows ids as strings; any other string stands behind a UUID made of it.
    """
    text = str(document_id)
    if CANONICAL_UUID.fullmatch(text):
        return text  # `uuid.UUID` would say the same, ten times as slow
    if (
        text.isascii()
        and text.isdigit()
        and str(int(text)) == text
        and int(text) <= _MAX_INTEGER_ID
    ):
        return int(text)
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, text))


def id_payload(document_id: str | int, point: str | int) -> dict[str, str]:
    """Return what a payload must keep so that the id comes back as given; `point` is its own."""
    text = str(document_id)
    return {} if str(point) == text else {ID_KEY: text}


def document_id(point: str | int | uuid.UUID, payload: Mapping[str, object] | None) -> str:
    """Return the id that the caller gave to a stored document."""
    return str((payload or {}).get(ID_KEY, point))


def content_id(document: Document, keys: Sequence[str] = ("source",)) -> str:
    """Return an id that the same text with the same metadata under `keys` always gets."""
    marks = [document.metadata.get(key) for key in keys]
    name = _encode([*marks, document.page_content])
    return str(uuid.uuid5(_NAMESPACE, name))


def _as_text(value: object) -> object:
    """Return what stands for a value that JSON has not, the same in every process."""
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)


_encode = json.JSONEncoder(default=_as_text).encode  # `json.dumps` would make one each time
