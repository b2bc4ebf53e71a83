"""Documents embedded, stored and deleted."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import point_id
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._request import check_count, check_texts
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError, InvalidInputError
from langchain_gemini_qdrant.vectorstores import _points
from langchain_gemini_qdrant.vectorstores._metadata import (
    METADATA_KEY,
    changed_metadata,
    embedding_metadata,
)
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._points import Row
    from langchain_gemini_qdrant.vectorstores.filters import Filter

T = TypeVar("T")

IDS_AT_A_TIME = 1_000
"""Ids in one request: some 40 kB of UUIDs."""


async def add(
    collection: Collection, rows: Sequence[Row], batch_size: int, options: dict[str, Any]
) -> list[str | int]:
    """Store rows as their vectors come; where it breaks off, say what is stored."""
    if options:
        _points.check_options(options)
    if batch_size < 1:
        raise InvalidInputError(f"batch_size must be 1 or larger, got {batch_size}")
    embedding = collection.layout.embedding
    stored = 0
    async with AsyncExitStack() as stack:
        stream = None
        if isinstance(embedding, GeminiEmbeddings) and len(rows) > min(
            batch_size, embedding.batch_size
        ):
            all_texts = [row.text for row in rows]
            check_texts(all_texts)  # all of them, before the first is stored
            if len(rows) > embedding.batch_size:
                vectors = collection.stream_documents(all_texts, _titles(collection, rows))
                stream = await stack.enter_async_context(aclosing(vectors))
        try:
            for start in range(0, len(rows), batch_size):
                batch = rows[start : start + batch_size]
                texts = [row.text for row in batch]
                dense, failure = await _dense_vectors(collection, batch, texts, stream)
                batch, texts = batch[: len(dense)], texts[: len(dense)]
                named = await named_vectors(collection, texts, dense)
                points = _points.points(
                    batch,
                    named,
                    content_key=collection.layout.content_key,
                    metadata_key=collection.layout.metadata_key,
                    has_lists=type(embedding) is GeminiEmbeddings,  # a subclass may make others
                )
                for request in _points.requests(points):
                    await upsert(collection, request, options)
                    stored += len(request)
                if failure is not None:
                    raise failure  # noqa: TRY301 - like one of storing
        except Exception as error:
            if stored == 0:
                raise
            raise _points.partial_write(rows, stored, error) from error
    return [row.id for row in rows]


async def _dense_vectors(
    collection: Collection,
    rows: Sequence[Row],
    texts: list[str],
    stream: AsyncIterator[list[float]] | None,
) -> tuple[Sequence[list[float] | None], GeminiQdrantError | None]:
    """Return the rows' dense vectors: of the first of them only, and why, if a stream fails."""
    if collection.embedding is None:
        return [None] * len(rows), None
    vectors: list[list[float]] = []
    if stream is None:
        options: dict[str, Any] = {}
        if collection.layout.title_key is not None:
            options["titles"] = _titles(collection, rows)
        embedding: Any = collection.embedding
        vectors = await embedding.aembed_documents(texts, **options)
        check_count(collection.layout.embedding, vectors, len(rows))
        collection.check_size(vectors[0] if len(vectors) else None)
        return vectors, None
    try:
        for _ in rows:
            vectors.append(await anext(stream))
    except GeminiQdrantError as error:
        return vectors, error
    return vectors, None


def _titles(collection: Collection, rows: Sequence[Row]) -> list[str | None] | None:
    if collection.layout.title_key is None:
        return None
    return [collection.layout.title(row.metadata) for row in rows]


async def named_vectors(
    collection: Collection, texts: list[str], dense: Sequence[list[float] | None]
) -> list[dict[str, Any]]:
    """Return the vectors of texts by name, the sparse ones among them."""
    layout = collection.layout
    named: list[dict[str, Any]] = []
    for vector in dense:  # None where there is no embedding
        vectors: dict[str, Any] = {} if vector is None else {layout.vector_name: vector}
        named.append(vectors)
    if collection.sparse_embedding is not None and texts:
        sparse = await collection.sparse_embedding.aembed_documents(texts)
        check_count(layout.sparse_embedding, sparse, len(texts))
        for vectors, sparse_vector in zip(named, sparse, strict=True):
            vectors[layout.sparse_vector_name] = _points.as_qdrant(sparse_vector)
    return named


async def upsert(
    collection: Collection, points: list[models.PointStruct], options: dict[str, Any]
) -> None:
    """Store points; an empty collection that somebody else made learns what makes its vectors."""
    state, client = collection.state, collection.client
    if state.lacks_metadata:
        if entries := embedding_metadata(collection.layout, state.size or 0):
            info = await client.get_collection(collection.name)
            metadata = changed_metadata(info, **entries[METADATA_KEY])
            await client.update_collection(collection.name, metadata=metadata)
        state.lacks_metadata = False
    await client.upsert(collection.name, points, **options)


async def delete(
    collection: Collection,
    ids: Sequence[str | int] | None,
    filter: Filter | None,
    options: dict[str, Any],
) -> bool:
    """Delete documents by their ids or by a filter; False where the server does it later."""
    if (ids is None) == (filter is None):
        raise ConfigurationError("delete needs ids or a filter, and not both")
    if filter is not None and not isinstance(filter, models.Filter) and not filter:
        raise ConfigurationError(
            "delete(filter={}) would delete every document: pass models.Filter() if that is meant"
        )
    selectors: Iterable[Any]
    if ids is None:
        selectors = [to_filter(filter, collection.layout.metadata_key)]
    else:
        selectors = in_requests([point_id(each) for each in ids])
    done = True
    for selector in selectors:
        result = await collection.client.delete(collection.name, selector, **options)
        done &= result.status == models.UpdateStatus.COMPLETED
    return done


def in_requests(ids: list[T]) -> Iterator[list[T]]:
    """Yield ids as many at a time as go into one request."""
    for start in range(0, len(ids), IDS_AT_A_TIME):
        yield ids[start : start + IDS_AT_A_TIME]
