"""What scores mean, on the engine's scale and on LangChain's from 0 to 1. Pure functions."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from qdrant_client import models

# To what the engines' scores agree, which they sum up from 32-bit floats, each in its own order.
_PRECISION = 1e-6

FusionModel: TypeAlias = models.FusionQuery | models.RrfQuery

Fusion: TypeAlias = FusionModel | Literal["rrf", "dbsf"]
"""How dense and sparse hits are merged: RRF, with weights and k, or DBSF."""

_RRF_K = 2  # Qdrant's default: https://qdrant.tech/documentation/concepts/hybrid-queries/


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
    return _on_scale(score)


def sparse_relevance(score: float) -> float:
    """Return a sparse hit's score, which has no upper end, between 0, no word in common, and 1."""
    return _on_scale(max(score, 0.0) / (1.0 + max(score, 0.0)))


def fused_relevance(score: float, fusion: FusionModel, kinds: int) -> float:
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
    return _on_scale(score / best)


def _on_scale(score: float) -> float:
    return min(max(score, 0.0), 1.0)


def threshold(score: float, distance: models.Distance | None) -> float:
    """Return the threshold that also passes scores which differ from `score` only by rounding.

    Args:
        score: The lowest score of a hit; the highest, if it is a distance.
        distance: How vectors are compared; None for scores of words, or merged ones.
    """
    tolerance = _PRECISION * max(1.0, abs(score))
    is_distance = distance in {models.Distance.EUCLID, models.Distance.MANHATTAN}
    return score + tolerance if is_distance else score - tolerance
