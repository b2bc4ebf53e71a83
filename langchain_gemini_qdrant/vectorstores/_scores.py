"""Convert scores from the engine's scale to LangChain's, from 0 to 1. Pure functions."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from qdrant_client import models

# Differences between engines' scores, which are sums of 32-bit floats in different orders.
_PRECISION = 1e-6

FusionModel: TypeAlias = models.FusionQuery | models.RrfQuery

Fusion: TypeAlias = FusionModel | Literal["rrf", "dbsf"]
"""How dense and sparse hits are merged: RRF, with weights and k, or DBSF."""

_RRF_K = 2  # Qdrant's default: https://qdrant.tech/documentation/concepts/hybrid-queries/


def relevance(score: float, distance: models.Distance, size: int) -> float:
    """Return a dense hit's score on LangChain's scale, from 0 (unrelated) to 1 (identical).

    Cosine and dot product of unit vectors are used unchanged, except that negative ones become 0;
    so a threshold means the same in every search. A distance d of unit vectors is scaled so that
    orthogonal vectors get 0: 1 - d / sqrt(2) for Euclid. For Manhattan, 1 - d / sqrt(2 * size) is a
    lower bound of that.
    """
    if distance is models.Distance.EUCLID:
        score = 1.0 - score / math.sqrt(2.0)
    elif distance is models.Distance.MANHATTAN:
        score = 1.0 - score / math.sqrt(2.0 * size)
    return _on_scale(score)


def sparse_relevance(score: float) -> float:
    """Return a sparse hit's score, which has no upper limit, on a scale from 0 (no match) to 1."""
    return _on_scale(max(score, 0.0) / (1.0 + max(score, 0.0)))


def fused_relevance(score: float, fusion: FusionModel, kinds: int) -> float:
    """Return a fused score as a share of the highest possible one.

    With RRF that is the score of a document that is first among the hits of each of the `kinds`.
    With DBSF it is `kinds`, as DBSF scales the scores of each kind to a mean of 0.5 and three
    standard deviations to 0 and 1.
    """
    best = float(kinds)
    if isinstance(fusion, models.RrfQuery) or fusion.fusion is models.Fusion.RRF:
        rrf = fusion.rrf if isinstance(fusion, models.RrfQuery) else models.Rrf()
        k = _RRF_K if rrf.k is None else rrf.k
        weights = [1.0] * kinds if rrf.weights is None else rrf.weights
        best = sum(1.0 / (1.0 / weight + k - 1.0) for weight in weights if weight > 0)
    return _on_scale(score / best)


def fusion_of_one(fusion: FusionModel) -> FusionModel:
    """Return the fusion for dense hits alone, without the weights of two kinds of hits."""
    if isinstance(fusion, models.FusionQuery):
        return fusion
    if fusion.rrf.k is None:
        return models.FusionQuery(fusion=models.Fusion.RRF)
    return models.RrfQuery(rrf=models.Rrf(k=fusion.rrf.k))


def _on_scale(score: float) -> float:
    return min(max(score, 0.0), 1.0)


def threshold(score: float, distance: models.Distance | None) -> float:
    """Return a threshold that also admits scores which differ from `score` only by rounding.

    Args:
        score: The lowest score of a hit, or the highest distance.
        distance: How vectors are compared; None for sparse or fused scores.
    """
    tolerance = _PRECISION * max(1.0, abs(score))
    is_distance = distance in {models.Distance.EUCLID, models.Distance.MANHATTAN}
    return score + tolerance if is_distance else score - tolerance
