"""Convert documents to points and back, in langchain-qdrant's layout of payloads."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from langchain_core.documents import Document
from qdrant_client import models

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._qdrant_values import (
    EVERYWHERE,
    CheckedPayload,
    check_payload,
    id_payload,
    payload_bytes,
    point_id,
)
from langchain_gemini_qdrant.errors import InvalidInputError, PartialWriteError
from langchain_gemini_qdrant.vectorstores._payloads import to_payload
from langchain_gemini_qdrant.vectorstores._qdrant_errors import reason

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from langchain_core.documents.base import Blob
    from langchain_qdrant.sparse_embeddings import SparseVector

    from langchain_gemini_qdrant.media._medium import Medium

_MAX_REQUEST_BYTES = 16 * 2**20
"""A server accepts 32 MB: https://qdrant.tech/documentation/guides/configuration/"""

_BYTES_PER_NUMBER = 22  # in JSON, with its comma


class Row(NamedTuple):
    """One document to be stored: its id, text and metadata, and the media that were read for it."""

    id: str | int
    text: str
    metadata: dict[str, Any]
    media: tuple[Medium | Blob, ...] = ()

    @property
    def content(self) -> str | tuple[str | Medium | Blob, ...]:
        """What becomes one vector: the text, or its media after its caption, if it has one."""
        if not self.media:
            return self.text
        return (self.text, *self.media) if self.text.strip() else self.media


KeyedPayload: TypeAlias = tuple[str | int, CheckedPayload]
"""The payload that is stored with vectors, and the id of the point."""


def rows(
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
) -> list[Row]:
    """Combine texts, metadatas and ids; a missing id becomes a random UUID.

    Raises:
        InvalidInputError: The counts differ, a text is not a string or metadata not a dict, or a
            single value is given in place of a list.
    """
    for name, values in {"texts": texts, "metadatas": metadatas, "ids": ids}.items():
        if values is not None:
            check_list(values, name)
    given: list[Any] = list(texts)
    metadatas = [None] * len(given) if metadatas is None else list(metadatas)
    ids = [None] * len(given) if ids is None else list(ids)
    if not len(given) == len(metadatas) == len(ids):
        raise InvalidInputError(
            "texts, metadatas and ids must have the same count, got "
            f"{len(given)}, {len(metadatas)} and {len(ids)}: nothing is stored"
        )
    brought = []
    for index, (text, metadata, each) in enumerate(zip(given, metadatas, ids, strict=True)):
        if not isinstance(text, str):
            wrong = [i for i, other in enumerate(given) if not isinstance(other, str)]
            raise InvalidInputError(
                f"texts must be strings, got {type(text).__name__} at index {index}: nothing is "
                "stored",
                indices=wrong,
            )
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InvalidInputError(
                f"metadatas must be dicts or None, got {type(metadata).__name__} at index {index}: "
                "nothing is stored",
                indices=[index],
            )
        brought.append(Row(str(uuid.uuid4()) if each is None else each, text, {**(metadata or {})}))
    return brought


def document_rows(
    documents: Iterable[Document], ids: Iterable[str | int | None] | None = None
) -> list[Row]:
    """Return the rows of documents; `ids` replace the documents' own.

    Raises:
        InvalidInputError: The counts differ, or a document cannot be stored.
    """
    check_list(documents, "documents")
    texts, metadatas, own_ids = [], [], []
    for index, document in enumerate(documents):
        if not isinstance(document, Document):
            raise InvalidInputError(
                f"documents must be Documents, got {type(document).__name__} at index {index}: "
                "nothing is stored",
                indices=[index],
            )
        texts.append(document.page_content)
        metadatas.append(document.metadata)
        own_ids.append(document.id)
    return rows(texts, metadatas, own_ids if ids is None else ids)


def updated_documents(
    ids: Sequence[str | int] | None = None,
    documents: Sequence[Document] | None = None,
    document_id: str | int | None = None,
    document: Document | None = None,
) -> tuple[Sequence[Document], Sequence[str | int]]:
    """Return documents and ids from either form of arguments of `update_documents`.

    Raises:
        InvalidInputError: Neither form is used, or both.
    """
    if document_id is not None and document is not None and ids is None and documents is None:
        return [document], [document_id]
    if ids is not None and documents is not None and document_id is None and document is None:
        return documents, ids
    raise InvalidInputError(
        "update_documents needs ids and documents, or document_id and document: nothing is stored"
    )


def as_qdrant(vector: SparseVector) -> models.SparseVector:
    """Return a sparse vector of langchain-qdrant as Qdrant's."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def payloads(
    rows: Sequence[Row],
    content_key: str,
    metadata_key: str,
    refused: Mapping[int, InvalidInputError] | None = None,
    *,
    first: int = 0,
) -> list[KeyedPayload]:
    """Return the point id of each row, and what is stored with its vectors.

    Args:
        rows: The rows.
        content_key: The payload key of the text.
        metadata_key: The payload key of the metadata, `""` for none.
        refused: Why rows are refused already, by their positions among `rows`.
        first: The position of the first row in the caller's sequence.

    Raises:
        InvalidInputError: Rows cannot be stored; `indices` has their positions.
    """
    found: list[KeyedPayload] = []
    wrong: dict[int, InvalidInputError] = {}
    for index, row in enumerate(rows):
        if refused and index in refused:
            wrong[index] = refused[index]
            continue
        try:
            key = point_id(row.id)
            mark = id_payload(row.id, key) if key != row.id else {}
            payload = to_payload(content_key, metadata_key, row.text, row.metadata, mark)
            found.append((key, check_payload(payload, EVERYWHERE)))
        except InvalidInputError as error:
            wrong[index] = error
    if wrong:
        index, cause = next(iter(wrong.items()))
        raise InvalidInputError(
            f"{len(wrong)} of {len(rows)} documents cannot be stored, the first at index "
            f"{first + index} (id {rows[index].id!r}): {cause}. Nothing is embedded or stored",
            indices=[first + each for each in wrong],
        ) from cause
    return found


def points(
    payloads: Iterable[KeyedPayload], vectors: Sequence[dict[str, Any]], *, is_checked: bool = False
) -> Iterator[models.PointStruct]:
    """Yield the points of payloads and their vectors by name.

    With `is_checked` they are lists or arrays of floats; otherwise pydantic converts them.
    """
    point = models.PointStruct.model_construct if is_checked else models.PointStruct
    for (key, payload), named in zip(payloads, vectors, strict=True):
        yield point(id=key, vector=named, payload=payload)


def requests(points: Iterable[models.PointStruct]) -> Iterator[list[models.PointStruct]]:
    """Yield batches of points that a server accepts in one request."""
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


def listed(point: models.PointStruct) -> models.PointStruct:
    """Return a point of ours with lists in place of arrays."""
    vectors: Any = point.vector  # by name
    for name, vector in vectors.items():
        if isinstance(vector, np.ndarray):
            vectors[name] = vector.tolist()
    return point


def _size_bytes(point: models.PointStruct) -> int:
    """Return the approximate size of a point in a request."""
    vectors: Any = point.vector  # by name
    numbers = 0
    for vector in vectors.values():
        if isinstance(vector, models.SparseVector):
            numbers += 2 * len(vector.indices)
        elif len(vector) and isinstance(vector[0], list):
            numbers += sum(map(len, vector))
        else:
            numbers += len(vector)
    payload = point.payload
    size_bytes = payload.size_bytes if type(payload) is CheckedPayload else payload_bytes(payload)
    return size_bytes + _BYTES_PER_NUMBER * numbers


def partial_write(
    rows: Sequence[Row], stored: Container[int], cause: Exception
) -> PartialWriteError:
    """Return the error for rows of which only those at the indices `stored` are stored."""
    written = [row.id for index, row in enumerate(rows) if index in stored]
    missing = [row.id for index, row in enumerate(rows) if index not in stored]
    return partial_write_of(written, missing, cause)


def partial_write_of(
    written: Sequence[str | int], missing: Sequence[str | int], cause: Exception
) -> PartialWriteError:
    """Return the error for documents with these ids, of which only the `written` are stored."""
    total = len(written) + len(missing)
    return PartialWriteError(
        f"{len(written)} of {total} documents are stored, {len(missing)} are not known to be: "
        f"`written` and `missing` have their ids. The cause: {reason(cause)}",
        written=written,
        missing=missing,
    )
