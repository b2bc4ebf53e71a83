"""Embed, store and delete documents."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from qdrant_client import AsyncQdrantClient, models

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._qdrant_values import check_finite, check_model, point_id
from langchain_gemini_qdrant._warnings import warn_in_passing
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._checks import check_count, check_texts
from langchain_gemini_qdrant.embeddings._vectors import outcomes_of
from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, gemini_of, replaced
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    PartialEmbeddingError,
)
from langchain_gemini_qdrant.vectorstores import _points
from langchain_gemini_qdrant.vectorstores._arguments import check_options, options_of
from langchain_gemini_qdrant.vectorstores._limits import IDS_AT_A_TIME, at_most
from langchain_gemini_qdrant.vectorstores._media import with_media
from langchain_gemini_qdrant.vectorstores._metadata import (
    METADATA_KEY,
    changed_metadata,
    embedding_metadata,
)
from langchain_gemini_qdrant.vectorstores._parts import in_parts
from langchain_gemini_qdrant.vectorstores._qdrant_errors import is_forbidden, reason
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

    from langchain_gemini_qdrant.embeddings._session import Embedded
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._points import Row
    from langchain_gemini_qdrant.vectorstores.filters import Filter

T = TypeVar("T")

_ADDING = options_of(AsyncQdrantClient.upsert, "points")
_DELETING = options_of(AsyncQdrantClient.delete, "points_selector")


async def add(
    collection: Collection,
    rows: Sequence[Row],
    batch_size: int,
    options: dict[str, Any],
    *,
    first: int = 0,
) -> list[str | int]:
    """Store rows as their vectors arrive; if some fail, store the others and report which.

    `first` is the position of the first row in the caller's sequence.
    """
    if options:
        check_options(options, _ADDING, "adding", ours=("metadatas", "ids", "batch_size"))
        check_model(options, "options")
    if batch_size < 1:
        raise InvalidInputError(f"batch_size must be 1 or larger, got {batch_size}")
    collection = _patient(collection, len(rows) > batch_size)
    # All rows are checked before any is embedded.
    rows, payloads = await _checked(collection, rows, first)
    stored: set[int] = set()
    failure: Exception | None = None
    try:
        async with aclosing(_outcomes(collection, rows, batch_size)) as batches:
            first = 0
            async for batch in batches:
                dense: dict[int, Any] = {}
                for index, outcome in enumerate(batch, first):
                    if isinstance(outcome, Exception):
                        failure = failure or outcome
                    else:
                        dense[index] = outcome
                first += len(batch)
                await _store(collection, rows, payloads, dense, options, stored)
    except Exception as error:  # noqa: BLE001 - raised below
        failure = failure or error
    if failure is None:
        return [row.id for row in rows]
    if not stored:
        raise failure
    raise _points.partial_write(rows, stored, failure) from failure


async def _checked(
    collection: Collection, rows: Sequence[Row], first: int
) -> tuple[list[Row], list[_points.KeyedPayload]]:
    """Return the rows with their media, and what is stored with their vectors."""
    layout = collection.layout
    refused: dict[int, InvalidInputError] = {}
    checked: list[Row] = []
    for index, (row, read) in enumerate(zip(rows, await with_media(collection, rows), strict=True)):
        if isinstance(read, InvalidInputError):
            refused[index] = read
        checked.append(row if isinstance(read, InvalidInputError) else read)
    if gemini_of(layout.embedding) is not None:
        # Texts beside media may be blank, and were checked with them.
        others = {i for i, row in enumerate(checked) if row.media} | refused.keys()
        check_texts(["-" if i in others else row.text for i, row in enumerate(checked)])
    keys = layout.content_key, layout.metadata_key
    return checked, _points.payloads(checked, *keys, refused, first=first)


def _patient(collection: Collection, is_long: bool) -> Collection:  # noqa: FBT001
    """Return the collection with longer retries for calls of more than one batch."""
    return collection.patient() if is_long else collection


async def _store(  # noqa: PLR0917 - for one batch, only called by `add`
    collection: Collection,
    rows: Sequence[Row],
    payloads: Sequence[_points.KeyedPayload],
    dense: dict[int, list[float] | None],
    options: dict[str, Any],
    stored: set[int],
) -> None:
    """Store the rows of these dense vectors, both by index; add their indices to `stored`."""
    texts = [rows[index].text for index in dense]
    named = await named_vectors(collection, texts, [*dense.values()])
    # A subclass may make vectors of a different kind.
    is_checked = type(collection.layout.embedding) is GeminiEmbeddings
    points = _points.points([payloads[index] for index in dense], named, is_checked=is_checked)
    indices = iter(dense)
    for request in _points.requests(points):
        await upsert(collection, request, options)
        stored.update(islice(indices, len(request)))


async def _outcomes(
    collection: Collection, rows: Sequence[Row], batch_size: int
) -> AsyncGenerator[Embedded, None]:
    """Yield for each row its dense vector or its error, `batch_size` at a time."""
    embedding = collection.layout.embedding
    stream_name = "stream_documents" if collection.blocking else "astream_documents"
    streams = replaced(embedding, stream_name) or not replaced(embedding, *DOCUMENTS)
    if isinstance(embedding, GeminiEmbeddings) and streams and len(rows) > embedding.batch_size:
        contents = [row.content for row in rows]
        waiting: Embedded = []
        async with aclosing(collection.stream(contents, _titles(collection, rows))) as stream:
            async for batch in stream:
                waiting += batch
                while len(waiting) >= batch_size:
                    yield waiting[:batch_size]
                    del waiting[:batch_size]
        if waiting:
            yield waiting
        return
    for start in range(0, len(rows), batch_size):
        yield await _embedded(collection, rows[start : start + batch_size])


async def _embedded(collection: Collection, rows: Sequence[Row]) -> Embedded:
    """Return the dense vectors of a batch of rows; for failed rows, their errors."""
    if collection.embedding is None:
        return [None] * len(rows)
    options: dict[str, Any] = {}
    if collection.layout.title_key is not None:
        options["titles"] = _titles(collection, rows)
    embedding: Any = collection.embedding
    try:
        vectors = await embedding.aembed_documents([row.content for row in rows], **options)
    except PartialEmbeddingError as error:
        if len(error.vectors) != len(rows):  # about the texts that a wrapper lacked
            raise
        return [*outcomes_of(error)]
    check_count(collection.layout.embedding, vectors, len(rows))
    collection.check_size(vectors[0] if len(vectors) else None)
    return [*vectors]


def _titles(collection: Collection, rows: Sequence[Row]) -> list[str | None] | None:
    if collection.layout.title_key is None:
        return None
    return [collection.layout.title(row.metadata) for row in rows]


async def named_vectors(
    collection: Collection, texts: list[str], dense: Sequence[list[float] | None]
) -> list[dict[str, Any]]:
    """Return the vectors of texts by name, including sparse ones.

    A blank text with a dense vector, that of a medium, gets no sparse one.
    """
    layout = collection.layout
    named: list[dict[str, Any]] = []
    is_checked = type(layout.embedding) is GeminiEmbeddings  # when the answer arrived
    for vector in dense:  # None if there is no embedding
        if vector is not None and not is_checked:
            check_finite(vector, layout.vector_name)
        vectors: dict[str, Any] = {} if vector is None else {layout.vector_name: vector}
        named.append(vectors)
    # A medium without a caption has no words.
    worded = [i for i, text in enumerate(texts) if text.strip() or not named[i]]
    if collection.sparse_embedding is not None and worded:
        words = [texts[i] for i in worded]
        sparse = await collection.sparse_embedding.aembed_documents(words)
        check_count(layout.sparse_embedding, sparse, len(words))
        for i, sparse_vector in zip(worded, sparse, strict=True):
            check_finite(sparse_vector.values, layout.sparse_vector_name)
            named[i][layout.sparse_vector_name] = _points.as_qdrant(sparse_vector)
    return named


async def upsert(
    collection: Collection, points: list[models.PointStruct], options: dict[str, Any]
) -> None:
    """Store points; record the embedding in an empty collection that another program created."""
    if collection.state.lacks_metadata:
        await _note_embedding(collection)
    client, name = collection.client, collection.name
    if not collection.connection.takes_arrays:
        points = [_points.listed(point) for point in points]
    await in_parts(lambda some: client.upsert(name, some, **options), points)


async def _note_embedding(collection: Collection) -> None:
    """Record the embedding in the collection; a key that may only write points cannot do this."""
    state, client = collection.state, collection.client
    if entries := embedding_metadata(collection.layout, state.size or 0):
        try:
            info = await client.get_collection(collection.name)
            metadata = changed_metadata(info, **entries[METADATA_KEY])
            await client.update_collection(collection.name, metadata=metadata)
        except Exception as error:
            if not is_forbidden(error):
                raise
            warn_in_passing(
                f"collection {collection.name!r} cannot remember its embedding, so a store with a "
                f"different embedding will not be refused: {reason(error)}. If the key allows "
                "storing documents, they are stored; for that check, let create_vector_store "
                "create the collection with a key that has global access"
            )
    state.lacks_metadata = False


async def delete(
    collection: Collection,
    ids: Sequence[str | int] | None,
    filter: Filter | None,
    options: dict[str, Any],
) -> bool:
    """Delete documents by their ids or by a filter; return False if the server does so later."""
    check_options(options, _DELETING, "deleting", ours=("ids", "filter"))
    if isinstance(ids, Mapping | models.Filter):
        raise InvalidInputError("conditions are passed by name: delete(filter=...)")
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
        check_list(ids, "ids")
        limit = collection.state.limits.deleted
        selectors = in_requests([point_id(each) for each in ids], limit)
    done = True
    for selector in selectors:
        result = await collection.client.delete(collection.name, selector, **options)
        done &= result.status == models.UpdateStatus.COMPLETED
    return done


def in_requests(ids: list[T], limit: int | None) -> Iterator[list[T]]:
    """Yield batches of ids, each for one request."""
    size = at_most(IDS_AT_A_TIME, limit)
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
