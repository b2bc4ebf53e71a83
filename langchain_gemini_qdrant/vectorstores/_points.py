"""Documents to points and back, in langchain-qdrant's layout of payloads."""

from __future__ import annotations

import inspect
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.documents import Document
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from langchain_gemini_qdrant._qdrant_values import (
    document_id,
    id_payload,
    plain_bytes,
    point_id,
)
from langchain_gemini_qdrant.errors import GeminiQdrantError, InvalidInputError, PartialWriteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from langchain_qdrant.sparse_embeddings import SparseVector

_MAX_REQUEST_BYTES = 16 * 2**20
"""A server takes 32 MB: https://qdrant.tech/documentation/guides/configuration/"""

_BYTES_PER_NUMBER = 22  # in JSON, with its comma


class Row(NamedTuple):
    """One text on its way into the collection."""

    id: str | int
    text: str
    metadata: dict[str, Any]


_OPTIONS = frozenset(inspect.signature(AsyncQdrantClient.upsert).parameters) - {
    *("self", "collection_name", "points", "kwargs")
}


def check_options(options: dict[str, Any]) -> None:
    """Refuse what `QdrantClient.upsert` would leave unread.

    Raises:
        TypeError: An option is unknown.
    """
    if unknown := sorted(options.keys() - _OPTIONS):
        raise TypeError(f"adding takes no {unknown}; Qdrant's options are {sorted(_OPTIONS)}")


def rows(
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
) -> list[Row]:
    """Bring texts, metadatas and ids together; a missing id is a random UUID.

    Raises:
        InvalidInputError: The counts differ, or a text is no string.
    """
    texts = list(texts)
    metadatas = [None] * len(texts) if metadatas is None else list(metadatas)
    ids = [None] * len(texts) if ids is None else list(ids)
    if not len(texts) == len(metadatas) == len(ids):
        raise InvalidInputError(
            "texts, metadatas and ids must have the same count, got "
            f"{len(texts)}, {len(metadatas)} and {len(ids)}: nothing is stored"
        )
    checked: list[object] = list(texts)
    if wrong := [i for i, text in enumerate(checked) if not isinstance(text, str)]:
        raise InvalidInputError(
            f"texts must be strings, got {type(texts[wrong[0]]).__name__} at index {wrong[0]}: "
            "nothing is stored",
            indices=wrong,
        )
    return [
        Row(str(uuid.uuid4()) if each is None else each, text, dict(metadata or {}))
        for text, metadata, each in zip(texts, metadatas, ids, strict=True)
    ]


def document_rows(
    documents: Iterable[Document], ids: Iterable[str | int | None] | None = None
) -> list[Row]:
    """Return the rows of documents; `ids` in place of their own."""
    documents = list(documents)
    return rows(
        [document.page_content for document in documents],
        [document.metadata for document in documents],
        [document.id for document in documents] if ids is None else ids,
    )


def document(
    point: models.Record | models.ScoredPoint, content_key: str, metadata_key: str
) -> Document:
    """Return the document of a stored point."""
    payload = point.payload or {}
    return Document(
        id=document_id(point.id, payload),
        page_content=payload.get(content_key) or "",
        metadata=payload.get(metadata_key) or {},
    )


def as_qdrant(vector: SparseVector) -> models.SparseVector:
    """Return a sparse vector of langchain-qdrant as Qdrant's."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def points(
    rows: Sequence[Row],
    vectors: Sequence[dict[str, Any]],
    *,
    content_key: str,
    metadata_key: str,
) -> Iterator[models.PointStruct]:
    """Yield the points of rows and their vectors by name."""
    for row, named in zip(rows, vectors, strict=True):
        key = point_id(row.id)
        payload = {
            content_key: row.text,
            metadata_key: row.metadata,
            **id_payload(row.id, key),
        }
        yield models.PointStruct(id=key, vector=named, payload=payload)


def requests(points: Iterable[models.PointStruct]) -> Iterator[list[models.PointStruct]]:
    """Yield points in runs that a server takes in one request."""
    batch: list[models.PointStruct] = []
    total = 0
    for point in points:
        size = _size_bytes(point)
        if batch and total + size > _MAX_REQUEST_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(point)
        total += size
    if batch:
        yield batch


def _size_bytes(point: models.PointStruct) -> int:
    """Return about how long a point is in a request."""
    vectors: Any = point.vector  # by name
    numbers = sum(map(_numbers, vectors.values()))
    payload = plain_bytes(point.payload) or len(repr(point.payload))
    return payload + _BYTES_PER_NUMBER * numbers


def _numbers(vector: Any) -> int:  # noqa: ANN401 - of any kind
    if isinstance(vector, models.SparseVector):
        return 2 * len(vector.indices)
    if vector and isinstance(vector[0], list):
        return sum(map(len, vector))
    return len(vector)


def partial_write(rows: Sequence[Row], stored: int, cause: Exception) -> PartialWriteError:
    """Return the error for rows of which the first `stored` are in the collection."""
    written = [row.id for row in rows[:stored]]
    missing = [row.id for row in rows[stored:]]
    return PartialWriteError(
        f"{len(written)} of {len(rows)} documents are stored, {len(missing)} are not: `written` "
        f"and `missing` have their ids. The cause: {reason(cause)}",
        written=written,
        missing=missing,
    )


def reason(error: Exception | None) -> str:
    """Return what may be told of an error: another library's message may quote what was sent."""
    if isinstance(error, GeminiQdrantError):
        return str(error)
    status = f" {error.status_code}" if isinstance(error, UnexpectedResponse) else ""
    return f"{type(error).__name__}{status}"
