"""Searches: by text or vector, dense, sparse or hybrid, and by maximal marginal relevance (MMR)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_finite
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._contents import text_of
from langchain_gemini_qdrant.vectorstores import _scores
from langchain_gemini_qdrant.vectorstores._arguments import (
    as_fusion,
    as_number,
    as_vector,
    as_whole,
)
from langchain_gemini_qdrant.vectorstores._groups import grouped_points
from langchain_gemini_qdrant.vectorstores._limits import at_most
from langchain_gemini_qdrant.vectorstores._media import query_content
from langchain_gemini_qdrant.vectorstores._payload_indexes import check_date_indexes
from langchain_gemini_qdrant.vectorstores._plan import (
    Plan,
    candidates,
    checked_options,
    meet_threshold,
)
from langchain_gemini_qdrant.vectorstores._points import as_qdrant
from langchain_gemini_qdrant.vectorstores._qdrant_errors import is_refused
from langchain_gemini_qdrant.vectorstores._ranking import refuse_with_mmr, taken_from
from langchain_gemini_qdrant.vectorstores._tracing import traced_search
from langchain_gemini_qdrant.vectorstores.filters import metadata_field
from langchain_gemini_qdrant.vectorstores.score_factors import formula_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._plan import SearchOptions
    from langchain_gemini_qdrant.vectorstores._scores import Fusion, FusionModel

    ScoredDocuments = list[tuple[Document, float]]

_MOST_MMR = 16_384
"""Most candidates of MMR in Qdrant: https://github.com/qdrant/qdrant, `Mmr` of
lib/api/src/rest/schema.rs."""


@traced_search
async def search(
    collection: Collection,
    query: Content,
    *,
    k: int,
    hybrid_fusion: Fusion | None = None,
    as_relevance: bool = False,
    **options: Unpack[SearchOptions],
) -> ScoredDocuments:
    """Search with a content in the retrieval mode; `as_relevance` scales scores to 0..1.

    Hybrid search finds media without a text by their dense vectors alone, with fused scores.
    """
    layout = collection.layout
    call = _Call(collection, k, options)
    fusion = as_fusion(hybrid_fusion) or layout.hybrid_fusion
    is_dense = layout.sparse_embedding is None
    distance = layout.distance if is_dense else None
    meet_threshold(collection, call.request, call.ranking, distance, as_relevance=as_relevance)
    await check_date_indexes(collection, call.ranking.score_formula)
    content = await query_content(collection, query)
    score: Callable[[float], float]
    if is_dense:
        dense = await _dense_query(collection, content)
        plan = call.plan({layout.vector_name: dense}, distance=layout.distance, size=len(dense))
        scale = layout.distance if plan.formula is None else models.Distance.COSINE
        score = partial(_scores.relevance, distance=scale, size=len(dense))
    elif layout.embedding is None:
        sparse = await _sparse_query(collection, text_of(content))
        plan = call.plan({layout.sparse_vector_name: sparse})
        score = _scores.sparse_relevance
    else:
        queries: dict[str, list[float] | models.SparseVector] = {
            layout.vector_name: await _dense_query(collection, content)
        }
        words = text_of(content)
        if isinstance(content, str) or words.strip():
            queries[layout.sparse_vector_name] = await _sparse_query(collection, words)
        else:
            fusion = _scores.fusion_of_one(fusion)
        plan = call.plan(queries, fusion=fusion)
        score = partial(_scores.fused_relevance, fusion=fusion, kinds=len(queries))
    return await call.hits(plan, score if as_relevance else None)


@traced_search
async def search_by_vector(
    collection: Collection, vector: Sequence[float], *, k: int, **options: Unpack[SearchOptions]
) -> ScoredDocuments:
    """Search with a vector."""
    call = _Call(collection, k, options)
    query = _checked_vector(collection, vector)
    distance = collection.layout.distance
    meet_threshold(collection, call.request, call.ranking, distance)
    await check_date_indexes(collection, call.ranking.score_formula)
    queries = {collection.layout.vector_name: query}
    return await call.hits(call.plan(queries, distance=distance, size=len(query)))


@traced_search
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
    layout = collection.layout
    lambda_mult = as_number(lambda_mult, "lambda_mult", 0.0, 1.0)
    k = as_whole(k, "k", most=_MOST_MMR)
    fetch_k = as_whole(fetch_k, "fetch_k", most=_MOST_MMR)
    call = _Call(collection, k, options)  # checked before the request to Gemini
    refuse_with_mmr(call.ranking)
    # A server selects `limit` of the candidates, and would then skip `offset` of those.
    skipped = call.request["offset"]
    wanted = as_whole(k + skipped, "k and offset together", most=_MOST_MMR)
    call.request |= {"limit": wanted, "offset": 0}
    meet_threshold(collection, call.request, call.ranking, layout.distance)
    if vector is None:
        vector = await _dense_query(collection, await query_content(collection, query))
    nearest = _checked_vector(collection, vector)
    # Qdrant's diversity is the opposite of LangChain's lambda_mult.
    mmr = models.Mmr(diversity=1.0 - lambda_mult, candidates_limit=max(fetch_k, wanted))
    diverse = models.NearestQuery(nearest=nearest, mmr=mmr)
    hits = await call.hits(call.plan({layout.vector_name: diverse}))
    return hits[skipped:]


class _Call:
    """A call of a search: its options, checked before anything is sent.

    Args:
        collection: The collection to search.
        k: Most hits to return.
        options: The call's options.
    """

    def __init__(self, collection: Collection, k: int, options: SearchOptions) -> None:
        further: dict[str, Any] = {**options}
        self._collection = collection
        self._score_key = further.pop("score_key", None)
        self._fetch_k = further.pop("fetch_k", None)
        if self._fetch_k is not None:
            self._fetch_k = as_whole(self._fetch_k, "fetch_k")
        self.ranking = taken_from(further, collection.layout.ranking)
        self.request = checked_options(collection, k, further)
        if self.ranking.group_by is not None:
            metadata_field(self.ranking.group_by, collection.layout.metadata_key)  # may warn
            if self.request["with_payload"] is not True:
                raise InvalidInputError(
                    "group_by needs whole payloads: leave out with_payload, or pass group_by=None"
                )

    def plan(
        self,
        queries: Mapping[str, Any],
        *,
        fusion: FusionModel | None = None,
        distance: models.Distance | None = None,
        size: int = 0,
    ) -> Plan:
        """Return the search with these queries; `distance` and `size` are those of a dense one."""
        layout, given = self._collection.layout, self.ranking.score_formula
        wanted = self._fetch_k or candidates(self.request["limit"] + self.request["offset"])
        return Plan(
            options=self.request,
            queries=queries,
            fusion=fusion,
            formula=formula_of(given, layout.metadata_key, distance, size) if given else None,
            candidates=at_most(wanted, self._collection.state.limits.hits),
        )

    async def hits(
        self, plan: Plan, score: Callable[[float], float] | None = None
    ) -> ScoredDocuments:
        """Search; `score` converts scores, and `score_key` adds them to the metadata."""
        is_whole = self.request["with_payload"] is True
        try:
            points = await self._points(plan)
        except Exception as error:
            if is_refused(error):  # an index may be newer than those that are known
                formula = self.ranking.score_formula
                await check_date_indexes(self._collection, formula, known=False)
            raise
        hits = []
        for point in points:
            document = self._collection.document(point, is_whole=is_whole)
            value = point.score if score is None else score(point.score)
            if self._score_key is not None:
                document.metadata[self._score_key] = value
            hits.append((document, value))
        return hits

    async def _points(self, plan: Plan) -> list[models.ScoredPoint]:
        collection, skipped = self._collection, self.request["offset"]
        if self.ranking.group_by is None:
            response = await collection.client.query_points(collection.name, **plan.arguments())
            return response.points
        wanted = skipped + self.request["limit"]
        return (await grouped_points(collection, plan, self.ranking, wanted))[skipped:]


def _checked_vector(collection: Collection, vector: Sequence[float]) -> list[float]:
    """Return a vector to search with.

    Raises:
        ConfigurationError: The store searches only sparse vectors.
        CollectionMismatchError: The collection's vectors have a different size.
        InvalidInputError: It is not a vector of finite numbers.
    """
    if collection.layout.retrieval_mode == RetrievalMode.SPARSE:
        raise ConfigurationError(
            "a search by vector needs retrieval_mode DENSE or HYBRID, this store has SPARSE: "
            "use similarity_search"
        )
    query = as_vector(vector)
    collection.check_size(query)
    check_finite(query, collection.layout.vector_name)
    return query


async def _dense_query(collection: Collection, query: str | Parts) -> list[float]:
    embedding: Any = collection.require_embedding()
    vector: Any = await embedding.aembed_query(query)
    collection.check_size(vector)
    check_finite(vector, collection.layout.vector_name)
    return list(vector) if isinstance(vector, tuple) else vector  # qdrant-client takes no tuples


async def _sparse_query(collection: Collection, query: str) -> models.SparseVector:
    embedding: Any = collection.sparse_embedding
    return as_qdrant(await embedding.aembed_query(query))
