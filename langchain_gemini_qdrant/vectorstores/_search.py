"""Searches: by text or vector, dense, sparse or hybrid, and by maximal marginal relevance (MMR)."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from langchain_qdrant import RetrievalMode
from qdrant_client import AsyncQdrantClient, models

from langchain_gemini_qdrant._qdrant_values import check_finite, check_model
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._contents import text_of
from langchain_gemini_qdrant.quantization import merge_search_params
from langchain_gemini_qdrant.vectorstores import _scores
from langchain_gemini_qdrant.vectorstores._arguments import (
    as_fusion,
    as_number,
    as_search_params,
    as_vector,
    as_whole,
    check_options,
    options_of,
)
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._media import query_content
from langchain_gemini_qdrant.vectorstores._points import as_qdrant
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._scores import Fusion
    from langchain_gemini_qdrant.vectorstores.filters import Filter

    ScoredDocuments = list[tuple[Document, float]]

CANDIDATES = 100
"""Fewest hits of each kind that hybrid search merges; using one number for the first pages keeps
them consistent."""

_MOST_MMR = 16_384
"""Most candidates of MMR in Qdrant: https://github.com/qdrant/qdrant, `Mmr` of
lib/api/src/rest/schema.rs."""

_OPTIONS = options_of(AsyncQdrantClient.query_points, "query", "using", "query_filter", "limit")
_OWN_OPTIONS = ("k", "filter", "score_key")
_MMR = "max_marginal_relevance_search, or a retriever's search_type='mmr'"
_OTHER_OPTIONS = {
    "fetch_k": f"{_MMR}, or for a hybrid search with a text",
    "hybrid_fusion": "a hybrid search with a text",
    "lambda_mult": _MMR,
}


class SearchOptions(TypedDict, total=False):
    """Options of every search; further options of `QdrantClient.query_points` are passed on.

    Attributes:
        filter: Conditions on the metadata as a dict, or on the payload as Qdrant's `Filter`.
        search_params: Search parameters that override the store's, field by field.
        offset: Number of hits to skip.
        score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
        consistency: Read consistency: how many replicas must agree.
        score_key: A metadata key under which each hit's score is written.
    """

    filter: Filter | None
    search_params: models.SearchParams | None
    offset: int
    score_threshold: float | None
    consistency: models.ReadConsistency | None
    score_key: str | None
    timeout: int | None
    shard_key_selector: models.ShardKeySelector | None
    prefetch: models.Prefetch | list[models.Prefetch] | None
    lookup_from: models.LookupLocation | None
    with_payload: bool | list[str] | models.PayloadSelector
    with_vectors: bool | list[str]


async def search(
    collection: Collection,
    query: Content,
    *,
    k: int,
    hybrid_fusion: Fusion | None = None,
    fetch_k: int | None = None,
    as_relevance: bool = False,
    **options: Unpack[SearchOptions],
) -> ScoredDocuments:
    """Search with a content in the retrieval mode; `as_relevance` scales scores to 0..1.

    Hybrid search finds media without a text by their dense vectors alone, with fused scores.
    """
    layout = collection.layout
    request = _request(collection, k, options)
    fusion = as_fusion(hybrid_fusion) or layout.hybrid_fusion
    if fetch_k is not None:
        fetch_k = as_whole(fetch_k, "fetch_k")
    content = await query_content(collection, query)
    score: Callable[[float], float]
    if layout.sparse_embedding is None:
        _meet_threshold(collection, request, layout.distance, as_relevance=as_relevance)
        dense = await _dense_query(collection, content)
        request |= {"query": dense, "using": layout.vector_name}
        score = partial(_scores.relevance, distance=layout.distance, size=len(dense))
    elif layout.embedding is None:
        _meet_threshold(collection, request)
        request |= {"query": await _sparse_query(collection, text_of(content))}
        request["using"] = layout.sparse_vector_name
        score = _scores.sparse_relevance
    else:
        _meet_threshold(collection, request)
        queries: dict[str, list[float] | models.SparseVector] = {
            layout.vector_name: await _dense_query(collection, content)
        }
        words = text_of(content)
        if isinstance(content, str) or words.strip():
            queries[layout.sparse_vector_name] = await _sparse_query(collection, words)
        else:
            fusion = _scores.fusion_of_one(fusion)
        limit = fetch_k or candidates(request["limit"] + request["offset"])
        limit = at_most(limit, collection.state.limits.hits)
        request |= {"query": fusion, "prefetch": prefetches(queries, request, limit)}
        score = partial(_scores.fused_relevance, fusion=fusion, kinds=len(queries))
    score_key = options.get("score_key")
    return await _hits(collection, request, score if as_relevance else None, score_key)


async def search_by_vector(
    collection: Collection,
    vector: Sequence[float],
    *,
    k: int,
    mmr: models.Mmr | None = None,
    **options: Unpack[SearchOptions],
) -> ScoredDocuments:
    """Search with a vector; with `mmr`, for diverse hits."""
    layout = collection.layout
    request = _request(collection, k, options)
    if layout.retrieval_mode == RetrievalMode.SPARSE:
        raise ConfigurationError(
            "a search by vector needs retrieval_mode DENSE or HYBRID, this store has SPARSE: "
            "use similarity_search"
        )
    query: Any = as_vector(vector)
    collection.check_size(query)
    check_finite(query, layout.vector_name)
    _meet_threshold(collection, request, layout.distance)
    request |= {"query": query, "using": layout.vector_name}
    if mmr is None:
        return await _hits(collection, request, None, options.get("score_key"))
    # A server selects `limit` of the candidates, and would then skip `offset` of those.
    skipped = request["offset"]
    mmr = mmr.model_copy(update={"candidates_limit": max(mmr.candidates_limit or 0, k + skipped)})
    request["query"] = models.NearestQuery(nearest=query, mmr=mmr)
    request |= {"limit": k + skipped, "offset": 0}
    hits = await _hits(collection, request, None, options.get("score_key"))
    return hits[skipped:]


async def mmr_search(
    collection: Collection,
    query: Content | None = None,
    *,
    vector: list[float] | None = None,
    k: int,
    fetch_k: int,
    lambda_mult: float,
    **options: Unpack[SearchOptions],
) -> ScoredDocuments:
    """Search with a content or a vector for hits that are relevant and different."""
    lambda_mult = as_number(lambda_mult, "lambda_mult", 0.0, 1.0)
    k = as_whole(k, "k", most=_MOST_MMR)
    fetch_k = as_whole(fetch_k, "fetch_k", most=_MOST_MMR)
    request = _request(collection, k, options)  # checked before the request to Gemini
    as_whole(k + request["offset"], "k and offset together", most=_MOST_MMR)
    if vector is None:
        _meet_threshold(collection, request, collection.layout.distance)
        vector = await _dense_query(collection, await query_content(collection, query))
    # Qdrant's diversity is the opposite of LangChain's lambda_mult.
    mmr = models.Mmr(diversity=1.0 - lambda_mult, candidates_limit=fetch_k)
    return await search_by_vector(collection, vector, k=k, mmr=mmr, **options)


async def _dense_query(collection: Collection, query: str | Parts) -> list[float]:
    embedding: Any = collection.require_embedding()
    vector: Any = await embedding.aembed_query(query)
    collection.check_size(vector)
    check_finite(vector, collection.layout.vector_name)
    return list(vector) if isinstance(vector, tuple) else vector  # qdrant-client takes no tuples


async def _sparse_query(collection: Collection, query: str) -> models.SparseVector:
    embedding: Any = collection.sparse_embedding
    return as_qdrant(await embedding.aembed_query(query))


def _request(collection: Collection, k: int, options: SearchOptions) -> dict[str, Any]:
    """Check all options and return those of `query_points`; called before anything is sent.

    Raises:
        ConfigurationError: `search_params` are not valid.
        InvalidInputError: The filter is not valid, or a number is not finite or out of range.
        TypeError: An option is unknown.
    """
    further: dict[str, Any] = {**options}
    further.pop("score_key", None)
    condition = further.pop("filter", None)
    if condition is not None:
        condition = to_filter(condition, collection.layout.metadata_key)
    own = as_search_params(further.pop("search_params", None))
    offset = as_whole(further.pop("offset", None) or 0, "offset", least=0)
    if further.get("score_threshold") is not None:
        further["score_threshold"] = as_number(further["score_threshold"], "score_threshold")
    check_options(further, _OPTIONS, "this search", ours=_OWN_OPTIONS, others=_OTHER_OPTIONS)
    check_model({"search_params": own, **further}, "options")
    return {
        "query_filter": condition,
        "search_params": merge_search_params(collection.state.search_params, own),
        "limit": as_whole(k, "k"),
        "offset": offset,
        "with_payload": True,
        **further,
    }


def _meet_threshold(
    collection: Collection,
    request: dict[str, Any],
    distance: models.Distance | None = None,
    *,
    as_relevance: bool = False,
) -> None:
    """Adapt the threshold to the engines' rounding; `distance` is None unless search is dense.

    Raises:
        InvalidInputError: Similarities are needed, but the scores will be numbers of bits.
    """
    given, params = request.get("score_threshold"), request["search_params"]
    if given is not None:
        request["score_threshold"] = _scores.threshold(given, distance)
    elif not as_relevance:
        return
    codes = params and not params.exact and params.quantization
    if (
        distance is not None
        and collection.state.has_binary_codes
        and codes
        and codes.rescore is False
        and not codes.ignore
    ):
        raise InvalidInputError(
            "score_threshold and relevance scores need similarities, and with rescore=False the "
            "scores of binary codes are numbers of bits: search with rescore=True, or without a "
            "threshold"
        )


def search_options(
    filter: Filter | None,
    search_params: models.SearchParams | None,
    score_threshold: float | None,
    consistency: models.ReadConsistency | None,
    further: dict[str, Any],
    offset: int = 0,
) -> dict[str, Any]:
    """Return a method's named options and further ones as one dict."""
    return {
        "filter": filter,
        "search_params": search_params,
        "score_threshold": score_threshold,
        "consistency": consistency,
        "offset": offset,
        **further,
    }


def candidates(wanted: int) -> int:
    """Return how many hits of each kind to merge for `wanted` hits, including skipped ones.

    The number grows by doubling, as a hit's fused score depends on the candidates: pages with the
    same number of candidates have no gaps or repetitions.
    """
    doublings = max(0, math.ceil(math.log2(2 * wanted / CANDIDATES)))
    return CANDIDATES << doublings


def prefetches(
    queries: Mapping[str, list[float] | models.SparseVector],
    request: Mapping[str, Any],
    limit: int,
) -> list[models.Prefetch]:
    """Return the searches, each with one named vector, whose hits `request` merges."""
    conditions = {"filter": request["query_filter"], "params": request["search_params"]}
    return [
        models.Prefetch(using=name, query=vector, limit=limit, **conditions)
        for name, vector in queries.items()
    ]


async def _hits(
    collection: Collection,
    request: dict[str, Any],
    score: Callable[[float], float] | None,
    score_key: str | None,
) -> ScoredDocuments:
    """Send one search to Qdrant; `score` converts scores, `score_key` adds them to metadata."""
    response = await collection.client.query_points(collection.name, **request)
    is_whole = request["with_payload"] is True
    hits = []
    for point in response.points:
        document = collection.document(point, is_whole=is_whole)
        value = point.score if score is None else score(point.score)
        if score_key is not None:
            document.metadata[score_key] = value
        hits.append((document, value))
    return hits
