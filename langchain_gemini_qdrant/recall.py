"""How much of an exact search a quantized one finds, on the user's own collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from qdrant_client import models

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore

_PAGE = 1000


def recall_at_k(
    store: GeminiQdrantVectorStore,
    *,
    k: int = 10,
    sample_size: int = 200,
    search_params: models.SearchParams | None = None,
) -> float:
    """Compare searches with `search_params` to exact ones, with stored vectors as queries.

    Each query is a stored vector whose own point is left out, so no text is embedded.

    Args:
        store: Its collection has more than `k` points.
        k: Hits compared.
        sample_size: Stored vectors taken as queries, evenly spaced over the collection's ids.
        search_params: None for the store's own.

    Returns:
        The share of the exact top `k` that the search found, in [0, 1], mean over the queries.
    """
    approximate = store.search_params if search_params is None else search_params
    exact = models.SearchParams(exact=True)
    vectors = _sample_vectors(store, sample_size)
    found = _top_ids(store, vectors, k, approximate)
    wanted = _top_ids(store, vectors, k, exact)
    hits = sum(len(one & other) for one, other in zip(found, wanted, strict=True))
    return hits / sum(map(len, wanted))


def _top_ids(
    store: GeminiQdrantVectorStore,
    vectors: dict[models.ExtendedPointId, list[float]],
    k: int,
    search_params: models.SearchParams | None,
) -> list[set[models.ExtendedPointId]]:
    requests = [
        models.QueryRequest(
            query=vector,
            using=store.vector_name,
            filter=models.Filter(must_not=[models.HasIdCondition(has_id=[own])]),
            params=search_params,
            limit=k,
        )
        for own, vector in vectors.items()
    ]
    answers = store.client.query_batch_points(store.collection_name, requests=requests)
    return [{point.id for point in answer.points} for answer in answers]


def _sample_vectors(
    store: GeminiQdrantVectorStore, sample_size: int
) -> dict[models.ExtendedPointId, list[float]]:
    ids: list[models.ExtendedPointId] = []
    offset = None
    while True:
        page, offset = store.client.scroll(
            store.collection_name, limit=_PAGE, offset=offset, with_payload=False
        )
        ids += [point.id for point in page]
        if offset is None:
            break
    step = max(1, len(ids) // sample_size)
    points = store.client.retrieve(
        store.collection_name, ids[::step][:sample_size], with_payload=False, with_vectors=True
    )
    vectors = {}
    for point in points:
        named = point.vector if isinstance(point.vector, dict) else {"": point.vector}
        vectors[point.id] = cast("list[float]", named[store.vector_name])
    return vectors
