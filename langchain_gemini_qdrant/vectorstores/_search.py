"""Searches: what Qdrant is asked, and what its scores mean. Pure functions."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from qdrant_client import QdrantClient, models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_qdrant.sparse_embeddings import SparseVector

Fusion: TypeAlias = models.FusionQuery | models.RrfQuery
"""How dense and sparse hits are merged: RRF, with weights and k, or DBSF."""

CANDIDATES = 100
"""Hits of each kind that hybrid search merges, at least, so that those of the first pages are the
same whatever page is asked for."""

_RRF_K = 2  # Qdrant's default: https://qdrant.tech/documentation/concepts/hybrid-queries/
_OPTIONS = frozenset(inspect.signature(QdrantClient.query_points).parameters) - {
    *("self", "collection_name", "query", "using", "query_filter", "limit", "kwargs")
}


def check_options(options: dict[str, Any]) -> None:
    """Refuse what `QdrantClient.query_points` would leave unread.

    Raises:
        TypeError: An option is unknown.
    """
    if unknown := sorted(options.keys() - _OPTIONS):
        raise TypeError(f"a search takes no {unknown}; Qdrant's options are {sorted(_OPTIONS)}")


def as_qdrant(vector: SparseVector) -> models.SparseVector:
    """Return a sparse vector of langchain-qdrant as Qdrant's."""
    return models.SparseVector(indices=vector.indices, values=vector.values)


def candidates(wanted: int) -> int:
    """Return how many hits of each kind to merge for `wanted` of them, those skipped included.

    It grows by doubling, as a hit's fused score depends on the candidates: pages that share their
    number of candidates fit together without gaps and repetitions.
    """
    doublings = max(0, math.ceil(math.log2(2 * wanted / CANDIDATES)))
    return CANDIDATES << doublings


def prefetches(
    queries: Mapping[str, list[float] | models.SparseVector],
    request: Mapping[str, Any],
    limit: int | None,
) -> list[models.Prefetch]:
    """Return the searches, a vector by name each, whose hits `request` merges."""
    limit = limit or candidates(request["limit"] + request["offset"])
    conditions = {"filter": request["query_filter"], "params": request["search_params"]}
    return [
        models.Prefetch(using=name, query=vector, limit=limit, **conditions)
        for name, vector in queries.items()
    ]


def relevance(score: float, distance: models.Distance, size: int) -> float:
    """Return a dense hit's score on LangChain's scale, from 0, unrelated, to 1, the same.

    Cosine and dot product of unit vectors are on that scale already, so a threshold means the same
    in every search; below 0 counts as 0. Distances d of unit vectors count from 0, the same, to
    what two vectors at right angles have: 1 - d / sqrt(2) for Euclid, and at least
    1 - d / sqrt(2 * size) for Manhattan.
    """
    if distance is models.Distance.EUCLID:
        score = 1.0 - score / math.sqrt(2.0)
    elif distance is models.Distance.MANHATTAN:
        score = 1.0 - score / math.sqrt(2.0 * size)
    return min(max(score, 0.0), 1.0)


def sparse_relevance(score: float) -> float:
    """Return a sparse hit's score, which has no upper end, between 0, no word in common, and 1."""
    return max(score, 0.0) / (1.0 + max(score, 0.0))


def fused_relevance(score: float, fusion: Fusion, kinds: int) -> float:
    """Return a fused score as a share of the highest that there can be.

    That is, with RRF, the score of what is first among the hits of each of the `kinds`; with DBSF,
    which brings the hits of each kind to a mean of 0.5 and three deviations to 0 and 1, `kinds`.
    """
    best = float(kinds)
    if isinstance(fusion, models.RrfQuery) or fusion.fusion is models.Fusion.RRF:
        rrf = fusion.rrf if isinstance(fusion, models.RrfQuery) else models.Rrf()
        k = _RRF_K if rrf.k is None else rrf.k
        weights = [1.0] * kinds if rrf.weights is None else rrf.weights
        best = sum(1.0 / (1.0 / weight + k - 1.0) for weight in weights if weight > 0)
    return min(max(score / best, 0.0), 1.0)
