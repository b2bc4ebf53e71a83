"""Queries in qdrant-client's form -> the engine's query requests, checked on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant.edge._convert import (
    EdgeObject,
    edge_filter,
    edge_payload_selector,
    edge_vector,
    to_edge,
)
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.edge._validate import check_limit, check_offset, check_vector
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge._validate import VectorSchema

_DEFAULT_LIMIT = 10  # the server's
_DEFAULT_RRF_K = 2  # the server's
_DEFAULT_DIVERSITY = 0.5  # the server's
_MMR_CANDIDATES_MAX = 16384  # the server's


def edge_query_request(request: models.QueryRequest, schema: VectorSchema) -> EdgeObject:
    """Return the engine's form of a query with its prefetches.

    Raises:
        InvalidInputError: Vector, limits or combination of arguments do not fit.
        NotImplementedError: A kind of query that the embedded engine does not serve yet.
    """
    limit = check_limit(_DEFAULT_LIMIT if request.limit is None else request.limit)
    offset = check_offset(request.offset)
    prefetches = _prefetches(request.prefetch, schema)
    scoring = _scoring(request, schema, limit=limit, has_prefetch=bool(prefetches))
    with conversion_errors("query"):
        return engine().QueryRequest(
            limit=limit,
            offset=offset,
            query=scoring,
            prefetches=prefetches,
            with_vector=request.with_vector or False,
            with_payload=edge_payload_selector(request.with_payload),
            filter=edge_filter(request.filter),
            score_threshold=request.score_threshold,
            params=to_edge(request.params),
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
        _DEFAULT_LIMIT if prefetch.limit is None else prefetch.limit, name="prefetch limit"
    )
    inner = _prefetches(prefetch.prefetch, schema)
    scoring = _scoring(prefetch, schema, limit=limit, has_prefetch=bool(inner))
    with conversion_errors("prefetch"):
        return engine().Prefetch(
            limit=limit,
            query=scoring,
            prefetches=inner,
            params=to_edge(prefetch.params),
            filter=edge_filter(prefetch.filter),
            score_threshold=prefetch.score_threshold,
        )


def _scoring(
    stage: models.QueryRequest | models.Prefetch,
    schema: VectorSchema,
    *,
    limit: int,
    has_prefetch: bool,
) -> EdgeObject | None:
    """Return what ranks this stage, None where points come in the order of their ids."""
    query, using = stage.query, stage.using
    if stage.lookup_from is not None:
        raise NotImplementedError(
            "lookup_from is not supported by the embedded engine yet: retrieve the vector with"
            " `retrieve(..., with_vectors=True)` and query with it"
        )
    if query is None:
        if has_prefetch:
            raise InvalidInputError("A query is needed to merge the prefetches.")
        if stage.score_threshold is not None:
            raise InvalidInputError("A query is needed to use the score_threshold.")
        return None
    if isinstance(query, models.FusionQuery | models.RrfQuery):
        return _fusion(query, using, has_prefetch=has_prefetch)
    if isinstance(query, list | np.ndarray | models.SparseVector):
        query = models.NearestQuery.model_construct(nearest=query)
    if isinstance(query, models.NearestQuery):
        return _nearest(query, using or "", schema, limit=limit)
    raise NotImplementedError(
        f"A query by {type(query).__name__} is not supported by the embedded engine yet;"
        " query with a vector, or use a Qdrant server (`url=`)"
    )


def _fusion(
    query: models.FusionQuery | models.RrfQuery, using: str | None, *, has_prefetch: bool
) -> EdgeObject:
    if using:
        raise InvalidInputError("Fusion queries cannot be combined with the 'using' field.")
    if not has_prefetch:
        raise InvalidInputError("Fusion queries need prefetches to merge.")
    fusion = engine().Fusion
    if isinstance(query, models.RrfQuery):
        k = _DEFAULT_RRF_K if query.rrf.k is None else query.rrf.k
        check_limit(k, name="rrf k")
        with conversion_errors("RrfQuery"):
            return fusion.Rrf(k=k, weights=query.rrf.weights)
    return fusion.Rrf(k=_DEFAULT_RRF_K) if query.fusion is models.Fusion.RRF else fusion.Dbsf()


def _nearest(
    query: models.NearestQuery, using: str, schema: VectorSchema, *, limit: int
) -> EdgeObject:
    if isinstance(query.nearest, models.Document | models.Image | models.InferenceObject):
        raise NotImplementedError("The embedded engine has no inference: query with a vector")
    if not isinstance(query.nearest, list | np.ndarray | models.SparseVector):
        raise NotImplementedError(
            "A query by point id is not supported by the embedded engine yet: retrieve its vector"
            " with `retrieve(..., with_vectors=True)` and query with that"
        )
    vector = edge_vector(check_vector(query.nearest, using, schema))
    if query.mmr is None:
        return engine().Query.Nearest(vector, using)
    diversity, candidates = query.mmr.diversity, query.mmr.candidates_limit
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
