"""Requests of a recall measurement: samples, exact searches, timed searches."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from langchain_core.documents.base import Blob
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, QUERIES, is_plain
from langchain_gemini_qdrant.embeddings.tasks import task_sides
from langchain_gemini_qdrant.errors import CollectionMismatchError, InvalidInputError
from langchain_gemini_qdrant.recall._statistics import goes_on
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._media import query_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.recall._row import QueryKind
    from langchain_gemini_qdrant.recall._statistics import Scores
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._limits import Limits

Queries: TypeAlias = "Sequence[Content] | Sequence[Sequence[float]]"
"""Texts and media, or vectors of the collection's size."""

VECTORS_AT_A_TIME = 100  # in one request: about 6 MB of JSON at 3,072 components

_IDS_AT_A_TIME = 10_000
_DEEPER = 4  # factor of hits to request, if more hits may tie


class Query(NamedTuple):
    """A vector to search with; for a stored vector also its own point, which is left out."""

    vector: list[float]
    own: models.ExtendedPointId | None = None


async def asked_queries(
    collection: Collection,
    queries: Queries | None,
    *,
    size: int,
    sample_size: int,
    seed: int | None,
    condition: models.Filter | None,
    limits: Limits,
) -> tuple[list[Query], QueryKind]:
    """Return the queries as vectors of `size`, and their kind.

    Raises:
        CollectionMismatchError: A vector has another size.
        InvalidInputError: They are neither texts nor vectors, or there are none.
    """
    if queries is None:
        sample = await sampled(collection, sample_size, seed, condition, limits)
        return sample, "stored vectors"
    if isinstance(queries, str | bytes | Blob | Mapping):
        raise InvalidInputError(
            "queries must be a sequence of texts or of vectors, got "
            f"{type(queries).__name__}: put a single one into a list"
        )
    given: list[Any] = list(queries)
    kind: QueryKind = "texts" if given and _is_content(given[0]) else "vectors"
    if not given or any(_is_content(each) != (kind == "texts") for each in given):
        raise InvalidInputError(
            f"queries must be texts, or vectors, got {len(given)} of {_type_names(given)}"
        )
    vectors = await _embedded(collection, given) if kind == "texts" else _as_given(given)
    for vector in vectors:
        if len(vector) != size:
            raise CollectionMismatchError(
                f"collection {collection.name!r} stores vectors of size {size}, a query has "
                f"{len(vector)}: use the embedding that filled it"
            )
    return [Query(vector) for vector in vectors], kind


def _is_content(query: object) -> bool:
    """Return whether a query is a text, a medium, or a sequence of these, and not a vector."""
    first = query[0] if isinstance(query, list | tuple) and query else query
    return isinstance(first, str | Blob | Mapping)


def _type_names(values: list[Any]) -> str:
    return " and ".join(sorted({type(each).__name__ for each in values})) or "nothing"


def _as_given(vectors: list[Any]) -> list[list[float]]:
    if isinstance(vectors[0], float | int):
        raise InvalidInputError(
            "queries must be a sequence of vectors, got a sequence of "
            f"{type(vectors[0]).__name__}: put a single vector into a list"
        )
    return [[float(component) for component in vector] for vector in vectors]


async def _embedded(collection: Collection, queries: list[Any]) -> list[list[float]]:
    """Embed texts and media as queries, many at a time where the embedding can."""
    awaitable: Any = collection.require_embedding()
    contents = [await query_content(collection, query) for query in queries]
    embedding = collection.layout.embedding
    if is_plain(embedding, *DOCUMENTS, *QUERIES):
        task_type = task_sides(embedding.task_type).query
        vectors: list[list[float]] = await awaitable.aembed_documents(contents, task_type=task_type)
        return vectors
    return [await awaitable.aembed_query(content) for content in contents]


async def sampled(
    collection: Collection,
    size: int,
    seed: int | None,
    condition: models.Filter | None,
    limits: Limits,
) -> list[Query]:
    """Draw at most `size` stored vectors at random.

    Raises:
        InvalidInputError: There are none.
    """
    ids = await drawn_ids(collection, size, seed, condition, limits)
    found: list[Query] = []
    for some in parts(ids, at_most(VECTORS_AT_A_TIME, limits.lookup)):
        vectors = await stored_vectors(collection, some)
        found += [Query(vector, own) for own, vector in vectors.items()]
    if not found:
        raise InvalidInputError(
            f"no vector of collection {collection.name!r} can be used as a query: store some "
            "first, use a different filter, or pass queries"
        )
    return found


async def stored_vectors(
    collection: Collection, ids: list[models.ExtendedPointId]
) -> dict[models.ExtendedPointId, list[float]]:
    """Return the dense vectors of the points that have one."""
    name = collection.layout.vector_name
    points = await collection.client.retrieve(
        collection.name, ids, with_payload=False, with_vectors=[name] if name else True
    )
    vectors: dict[models.ExtendedPointId, Any] = {
        point.id: named_vectors(point.vector).get(name) for point in points
    }
    return {own: vector for own, vector in vectors.items() if vector is not None}


async def drawn_ids(
    collection: Collection,
    size: int,
    seed: int | None,
    condition: models.Filter | None,
    limits: Limits,
) -> list[models.ExtendedPointId]:
    """Draw random points by the engine; with a seed, or if not allowed, from a list of all ids."""
    if seed is None and at_most(size, limits.hits) == size:
        draw = models.SampleQuery(sample=models.Sample.RANDOM)
        response = await collection.client.query_points(
            collection.name, query=draw, query_filter=condition, limit=size, with_payload=False
        )
        return [point.id for point in response.points]
    ids: list[models.ExtendedPointId] = []
    offset = None
    while True:
        page, offset = await collection.client.scroll(
            collection.name,
            scroll_filter=condition,
            limit=at_most(_IDS_AT_A_TIME, limits.hits),
            offset=offset,
            with_payload=False,
        )
        ids += [point.id for point in page]
        if offset is None:
            return Random(seed).sample(ids, min(size, len(ids)))  # noqa: S311 - no secret


class Searches:
    """Searches of one measurement, counted for its progress.

    Args:
        deepest: Largest number of hits that a search may request; None for any number.
        takes_settings: Whether to send settings; local mode would warn about each.
    """

    def __init__(
        self,
        collection: Collection,
        condition: models.Filter | None,
        *,
        batch_size: int,
        timeout: int,
        deepest: int | None,
        takes_settings: bool,
        total: int,
        show: Callable[[int, int], None],
    ) -> None:
        self._collection = collection
        self._condition = condition
        self._batch_size = batch_size
        self._timeout = timeout
        self._deepest = deepest
        self._takes_settings = takes_settings
        self._done = 0
        self._total = total
        self._show = show

    async def exact(self, queries: list[Query], limit: int) -> list[Scores]:
        """Return the exact results, up to the last one that ties with rank `limit`."""
        setting = models.SearchParams(exact=True)
        found = await self.all(queries, setting, [limit + 1] * len(queries))
        if not any(found):
            raise InvalidInputError(
                "the queries can find no points: store more, or use a different filter"
            )
        depth = limit + 1
        while unclear := [i for i, scores in enumerate(found) if goes_on(scores, limit, depth)]:
            if depth == self._deepest:
                break  # more hits may tie, but cannot be requested
            depth = at_most(depth * _DEEPER, self._deepest)
            self._total += len(unclear)
            deeper = await self.all([queries[i] for i in unclear], setting, [depth] * len(unclear))
            for i, scores in zip(unclear, deeper, strict=True):
                found[i] = scores
        return found

    async def all(
        self, queries: list[Query], setting: models.SearchParams, limits: list[int]
    ) -> list[Scores]:
        """Search many at a time; return for each query the points found with their scores."""
        requests = [
            models.QueryRequest(
                query=query.vector,
                using=self._collection.layout.vector_name,
                filter=_without(query.own, self._condition),
                params=setting if self._takes_settings else None,
                limit=limit,
                with_payload=False,
            )
            for query, limit in zip(queries, limits, strict=True)
        ]
        found: list[Scores] = []
        for some in parts(requests, self._batch_size):
            answers = await self._collection.client.query_batch_points(
                self._collection.name, requests=some, timeout=self._timeout
            )
            found += [{point.id: point.score for point in each.points} for each in answers]
            self._count(len(some))
        return found

    async def timed(
        self, queries: list[Query], settings: list[tuple[models.SearchParams, int]]
    ) -> list[list[float]]:
        """Search one by one, as the store does, with all settings and limits in turn.

        The order is shuffled for each query, because the first search with a query benefits less
        from caches.

        Returns:
            The seconds of each query, by setting.
        """
        now = self._collection.clock.now
        seconds: list[list[float]] = [[] for _ in settings]
        turns = list(zip(settings, seconds, strict=True))
        shuffle = Random(0).shuffle  # noqa: S311 - no secret
        for query in queries:
            shuffle(turns)
            for (setting, limit), times in turns:
                began = now()
                await self._collection.client.query_points(
                    self._collection.name,
                    query=query.vector,
                    using=self._collection.layout.vector_name,
                    query_filter=self._condition,
                    search_params=setting if self._takes_settings else None,
                    limit=limit,
                    with_payload=True,
                )
                times.append(now() - began)
            self._count(len(settings))
        return seconds

    def _count(self, searches: int) -> None:
        self._done += searches
        self._show(self._done, self._total)


def _without(
    own: models.ExtendedPointId | None, condition: models.Filter | None
) -> models.Filter | None:
    if own is None:
        return condition
    others = models.HasIdCondition(has_id=[own])
    return models.Filter(must=None if condition is None else [condition], must_not=[others])


def parts(values: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield values, at most `size` at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
