"""Queries in qdrant-client's form -> the engine's query requests, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_model
from langchain_gemini_qdrant.edge._convert._formula import edge_formula
from langchain_gemini_qdrant.edge._convert._models import (
    EdgeObject,
    edge_filter,
    edge_payload_selector,
    edge_vector,
    edge_vector_selector,
    to_edge,
)
from langchain_gemini_qdrant.edge._convert._validate import check_limit, check_offset, check_vector
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge._convert._validate import Vector, VectorSchema

PLAIN_VECTORS = (list, np.ndarray, models.SparseVector)
"""Types of a query, or of an example in one, that name no point."""

DEFAULT_LIMIT = 10  # the server's
_DEFAULT_RRF_K = 2  # the server's
_DEFAULT_DIVERSITY = 0.5  # the server's
_MMR_CANDIDATES_MAX = 16384  # the server's


def edge_query_request(request: models.QueryRequest, schema: VectorSchema) -> EdgeObject:
    """Return the engine's form of a query with its prefetches, which names no points any more.

    Raises:
        InvalidInputError: Vector, limits or combination of arguments do not fit.
        NotImplementedError: A kind of query that the embedded engine does not serve.
    """
    limit = check_limit(DEFAULT_LIMIT if request.limit is None else request.limit)
    offset = check_offset(request.offset)
    prefetches = _prefetches(request.prefetch, schema) if request.prefetch else []
    with conversion_errors("query"):
        return engine().QueryRequest(
            limit=limit,
            offset=offset,
            query=_scoring(request, schema, limit=limit, prefetches=len(prefetches)),
            prefetches=prefetches,
            with_vector=edge_vector_selector(request.with_vector, schema),
            with_payload=edge_payload_selector(request.with_payload),
            filter=None if request.filter is None else edge_filter(request.filter),
            score_threshold=_threshold(request),
            params=_params(request),
        )


def smaller_is_better(query: object, using: str, schema: VectorSchema) -> bool:
    """Return whether the scores of a query are distances."""
    if isinstance(query, models.RecommendQuery):
        strategy = query.recommend.strategy
        is_nearest = strategy in {None, models.RecommendStrategy.AVERAGE_VECTOR}
    else:
        is_nearest = isinstance(query, models.NearestQuery) or not isinstance(
            query, get_args(models.Query)
        )
    return is_nearest and using in schema.by_distance


def computes_scores(stage: models.QueryRequest | models.Prefetch) -> bool:
    """Return whether the query or one of its prefetches has a formula."""
    inner = stage.prefetch or []
    return isinstance(stage.query, models.FormulaQuery) or any(
        map(computes_scores, inner if isinstance(inner, list) else [inner])
    )


def _prefetches(
    prefetch: models.Prefetch | list[models.Prefetch] | None, schema: VectorSchema
) -> list[EdgeObject]:
    if prefetch is None:
        return []
    return [
        _prefetch(one, schema) for one in (prefetch if isinstance(prefetch, list) else [prefetch])
    ]


def _prefetch(prefetch: models.Prefetch, schema: VectorSchema) -> EdgeObject:
    limit = check_limit(
        DEFAULT_LIMIT if prefetch.limit is None else prefetch.limit, name="prefetch limit"
    )
    if isinstance(prefetch.query, models.NearestQuery) and prefetch.query.mmr is not None:
        # the engine would silently treat it as a nearest-neighbor search
        raise NotImplementedError(
            "MMR in a prefetch is not supported by the embedded engine; use it in the query itself"
        )
    inner = _prefetches(prefetch.prefetch, schema)
    with conversion_errors("prefetch"):
        return engine().Prefetch(
            limit=limit,
            query=_scoring(prefetch, schema, limit=limit, prefetches=len(inner)),
            prefetches=inner,
            params=_params(prefetch),
            filter=edge_filter(prefetch.filter),
            score_threshold=_threshold(prefetch),
        )


def _threshold(stage: models.QueryRequest | models.Prefetch) -> float | None:
    check_model(stage.score_threshold, "score_threshold")
    return stage.score_threshold


def _params(stage: models.QueryRequest | models.Prefetch) -> EdgeObject:
    check_model(stage.params, "search_params")
    return to_edge(stage.params)


def _scoring(  # noqa: PLR0911 - a table
    stage: models.QueryRequest | models.Prefetch,
    schema: VectorSchema,
    *,
    limit: int,
    prefetches: int,
) -> EdgeObject | None:
    """Return the ranking of this stage, None where points come in the order of their ids."""
    query, using = stage.query, stage.using or ""
    vector: object = query
    if isinstance(query, models.NearestQuery) and query.mmr is None:
        vector = query.nearest
    if isinstance(vector, PLAIN_VECTORS):
        return engine().Query.Nearest(edge_vector(check_vector(vector, using, schema)), using)
    _check_combination(query, stage, prefetches=prefetches)
    match query:
        case None:
            return None
        case models.FusionQuery() | models.RrfQuery():
            check_model(query, "query")
            return _fusion(query, prefetches=prefetches)
        case models.FormulaQuery():
            check_model(query, "formula")
            return edge_formula(query)
        case models.OrderByQuery():
            return edge_order_by(query.order_by)
        case models.SampleQuery():
            return to_edge(query.sample)
        case models.TextQuery():
            return _text(query, stage.using)
        case _:
            return _by_vectors(query, using, schema, limit=limit)


def _check_combination(
    query: object, stage: models.QueryRequest | models.Prefetch, *, prefetches: int
) -> None:
    if query is None and prefetches:
        raise InvalidInputError("A query is needed to merge the prefetches.")
    if stage.score_threshold is not None and query is None:
        raise InvalidInputError("A query is needed to use the score_threshold.")
    if stage.score_threshold is not None and isinstance(query, models.OrderByQuery):
        raise InvalidInputError("Can't use score_threshold with an order_by query.")
    if isinstance(query, models.FusionQuery | models.RrfQuery):
        if stage.using:
            raise InvalidInputError("Fusion queries cannot be combined with the 'using' field.")
        if not prefetches:
            raise InvalidInputError("Fusion queries need prefetches to merge.")
    if isinstance(query, models.FormulaQuery) and not prefetches:
        raise InvalidInputError("A formula needs prefetches to score.")


def _fusion(query: models.FusionQuery | models.RrfQuery, *, prefetches: int) -> EdgeObject:
    fusion = engine().Fusion
    if isinstance(query, models.FusionQuery):
        is_rrf = query.fusion is models.Fusion.RRF
        return fusion.Rrf(k=_DEFAULT_RRF_K) if is_rrf else fusion.Dbsf()
    k = _DEFAULT_RRF_K if query.rrf.k is None else query.rrf.k
    weights = query.rrf.weights
    if weights is not None and len(weights) != prefetches:
        raise InvalidInputError(
            f"rrf weights must be as many as the prefetches, {prefetches}, got {len(weights)}"
        )
    with conversion_errors("RrfQuery"):
        return fusion.Rrf(k=check_limit(k, name="rrf k"), weights=weights)


def edge_order_by(order_by: Any) -> EdgeObject | None:  # noqa: ANN401
    """Return the engine's form of an order by a payload field, given as a name or an `OrderBy`."""
    if order_by is None:
        return None
    order = models.OrderBy(key=order_by) if isinstance(order_by, str) else order_by
    with conversion_errors("order_by"):
        return engine().OrderBy(order.key, to_edge(order.direction), to_edge(order.start_from))


def _text(query: models.TextQuery, field: str | None) -> EdgeObject:
    if field is None:
        raise InvalidInputError("A text query needs `using` to name the payload field to search")
    with conversion_errors("TextQuery"):
        if isinstance(query.text, str):
            return engine().TextQuery(field, query.text)
        scoring = query.text.scoring
        return engine().TextQuery(
            field, query.text.query, None if scoring is None else to_edge(scoring.bm25)
        )


def _by_vectors(query: object, using: str, schema: VectorSchema, *, limit: int) -> EdgeObject:
    """Return a query by vectors; points have been replaced by theirs."""
    edge, kinds = engine(), engine().Query

    def vector(example: object) -> EdgeObject:
        return edge_vector(check_vector(example, using, schema))

    def pairs(context: Any) -> list[EdgeObject]:  # noqa: ANN401 - a list, by now
        return [edge.ContextPair(vector(pair.positive), vector(pair.negative)) for pair in context]

    match query:
        case models.NearestQuery():
            return _nearest(query, vector(query.nearest), using, limit=limit)
        case models.RecommendQuery(recommend=given):
            return _recommend(given, using, schema)
        case models.DiscoverQuery(discover=given):
            context = edge.DiscoverQuery(vector(given.target), pairs(given.context))
            return kinds.Discover(context, using)
        case models.ContextQuery(context=[_, *_] as context):
            return kinds.Context(edge.ContextQuery(pairs(context)), using)
        case models.ContextQuery():
            raise InvalidInputError("A context query needs at least one pair")
        case models.RelevanceFeedbackQuery(relevance_feedback=given):
            strategy = given.strategy.naive
            if strategy.b < 0:
                raise InvalidInputError(f"naive feedback b must be 0 or larger, got {strategy.b}")
            feedback = [edge.FeedbackItem(vector(f.example), f.score) for f in given.feedback]
            coefficients = edge.NaiveFeedbackStrategy(strategy.a, strategy.b, strategy.c)
            return kinds.FeedbackNaive(
                edge.FeedbackNaiveQuery(vector(given.target), feedback, coefficients), using
            )
        case _:
            raise NotImplementedError(
                f"A query by {type(query).__name__} is not supported by the embedded engine;"
                " use a Qdrant server (`url=`)"
            )


def _nearest(
    query: models.NearestQuery, vector: EdgeObject, using: str, *, limit: int
) -> EdgeObject:
    if query.mmr is None:
        return engine().Query.Nearest(vector, using)
    if isinstance(query.nearest, models.SparseVector):
        raise NotImplementedError(
            "MMR over a sparse vector is not supported by the embedded engine; use a dense one, "
            "or reorder the results of a search with `with_vectors=True`"
        )
    diversity, candidates = query.mmr.diversity, query.mmr.candidates_limit
    if diversity is not None and not 0 <= diversity <= 1:  # true for NaN, too
        raise InvalidInputError(f"mmr diversity must be in 0..1, got {diversity}")
    if candidates is not None and not 0 <= candidates <= _MMR_CANDIDATES_MAX:
        raise InvalidInputError(
            f"mmr candidates_limit must be in 0..{_MMR_CANDIDATES_MAX}, got {candidates}"
        )
    return engine().Mmr(
        vector=vector,
        lambda_=1.0 - (_DEFAULT_DIVERSITY if diversity is None else diversity),
        candidates_limit=limit if candidates is None else candidates,
        using=using,
    )


def _recommend(given: models.RecommendInput, using: str, schema: VectorSchema) -> EdgeObject:
    positives = [check_vector(example, using, schema) for example in given.positive or []]
    negatives = [check_vector(example, using, schema) for example in given.negative or []]
    strategy = given.strategy or models.RecommendStrategy.AVERAGE_VECTOR
    if strategy is models.RecommendStrategy.AVERAGE_VECTOR:
        if not positives:
            raise InvalidInputError("average_vector needs at least one positive example")
        return engine().Query.Nearest(edge_vector(_average(positives, negatives)), using)
    if not positives and not negatives:
        raise InvalidInputError(f"{strategy.value} needs at least one example")
    examples = engine().RecommendQuery(
        [edge_vector(vector) for vector in positives], [edge_vector(vector) for vector in negatives]
    )
    kinds = engine().Query
    if strategy is models.RecommendStrategy.BEST_SCORE:
        return kinds.RecommendBestScore(examples, using)
    return kinds.RecommendSumScores(examples, using)


def _average(positives: list[Any], negatives: list[Any]) -> Vector:
    """Return the server's average: twice the mean of the positives minus that of the negatives.

    Without negatives it is the mean. For lists of vectors it is all of their vectors, those of the
    negatives with the opposite sign.
    """
    if isinstance(positives[0], models.SparseVector):
        return _sparse_average(positives, negatives)
    if isinstance(positives[0][0], list):
        turned = [(-np.array(vectors)).tolist() for vectors in negatives]
        return [row for vectors in [*positives, *turned] for row in vectors]
    mean = np.mean(positives, axis=0, dtype=float)
    if negatives:
        mean = 2 * mean - np.mean(negatives, axis=0, dtype=float)
    average: list[float] = mean.tolist()
    return average


def _sparse_average(
    positives: list[models.SparseVector], negatives: list[models.SparseVector]
) -> models.SparseVector:
    sums: dict[int, float] = {}
    for vectors, weight in ((positives, 2.0 if negatives else 1.0), (negatives, -1.0)):
        for vector in vectors:
            for index, value in zip(vector.indices, vector.values, strict=True):
                sums[index] = sums.get(index, 0.0) + weight * value / len(vectors)
    return models.SparseVector(indices=list(sums), values=list(sums.values()))
