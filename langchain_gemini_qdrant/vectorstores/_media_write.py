"""Add media without texts: blobs in batches, and images by their references."""

from __future__ import annotations

import os
import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant.embeddings._media import at_index, held_bytes
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import InvalidInputError, PartialWriteError
from langchain_gemini_qdrant.vectorstores import _points
from langchain_gemini_qdrant.vectorstores._media import blob_metadata, required_media
from langchain_gemini_qdrant.vectorstores._points import Row
from langchain_gemini_qdrant.vectorstores._write import add

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable

    from langchain_core.documents.base import Blob

    from langchain_gemini_qdrant.vectorstores._collection import Collection

MOST_BLOBS = 1_000
"""Blobs that are checked before any of them is sent."""

MOST_BYTES = 64 * 2**20
"""Bytes in memory after which no further blob is read."""


async def add_blobs(
    collection: Collection,
    blobs: AsyncIterable[Blob],
    ids: Iterable[str | int | None] | None,
    options: dict[str, Any],
) -> list[str | int]:
    """Store the vectors of blobs, batch by batch, so that few of them are in memory."""
    batch_size = options.pop("batch_size", MAX_BATCH_SIZE)
    stored: list[str | int] = []
    rows: list[Row] = []
    try:
        async with aclosing(_batches(collection, blobs, ids, rows)) as batches:
            async for _ in batches:
                stored += await add(collection, rows, batch_size, options, first=len(stored))
                rows.clear()
    except Exception as error:
        if not stored:
            raise
        written, missing, cause = stored, [row.id for row in rows], error
        if isinstance(error, PartialWriteError):
            written, missing = [*stored, *error.written], error.missing
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise _points.partial_write_of(written, missing, cause) from cause
    return stored


async def _batches(
    collection: Collection,
    blobs: AsyncIterable[Blob],
    ids: Iterable[str | int | None] | None,
    rows: list[Row],
) -> AsyncGenerator[None, None]:
    """Fill `rows`, and yield when they must be stored and taken out."""
    given = None if ids is None else iter(ids)
    index = size_bytes = 0
    async for blob in blobs:
        try:
            metadata = blob_metadata(collection.layout.media, blob)
        except InvalidInputError as error:
            raise at_index(index, error) from error
        try:
            name = blob.id if given is None else next(given)
        except StopIteration:
            raise _wrong_count(f"only {index}") from None
        rows.append(Row(str(uuid.uuid4()) if name is None else name, "", metadata, (blob,)))
        index += 1
        size_bytes += held_bytes(blob)
        if len(rows) == MOST_BLOBS or size_bytes >= MOST_BYTES:
            size_bytes = 0
            yield
    if given is not None and next(given, None) is not None:
        raise _wrong_count(f"more than {index}")
    if rows:
        yield


def _wrong_count(found: str) -> InvalidInputError:
    return InvalidInputError(f"ids must have one id, or None, for each blob, got {found}")


async def add_references(
    collection: Collection,
    uris: Iterable[str | os.PathLike[str]],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
    options: dict[str, Any],
) -> list[str | int]:
    """Store the vectors of the media that references lead to, with blank texts."""
    key = required_media(collection.layout.media).key
    check_list(uris, "uris")
    references: list[Any] = [
        os.fspath(uri) if isinstance(uri, os.PathLike) else uri for uri in uris
    ]
    wrong = [i for i, reference in enumerate(references) if not isinstance(reference, str)]
    if wrong:
        raise InvalidInputError(
            f"uris must be paths or addresses, got {type(references[wrong[0]]).__name__} at index "
            f"{wrong[0]}: nothing is stored",
            indices=wrong,
        )
    rows = [
        row._replace(metadata={**row.metadata, key: reference})
        for row, reference in zip(
            _points.rows([""] * len(references), metadatas, ids), references, strict=True
        )
    ]
    return await add(collection, rows, options.pop("batch_size", MAX_BATCH_SIZE), options)
