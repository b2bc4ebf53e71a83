"""Recall of one search, and the confidence interval of the mean of many. Pure functions."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, TypeAlias

from qdrant_client import models

if TYPE_CHECKING:
    from collections.abc import Sequence

Scores: TypeAlias = dict[models.ExtendedPointId, float]
"""Points found and their scores, best first."""

_TIED = 1e-6  # relative; the resolution of single precision


def goes_on(exact: Scores, limit: int, depth: int) -> bool:
    """Return whether points beyond a list of `depth` may tie with the one of rank `limit`."""
    scores = list(exact.values())
    return len(scores) == depth and _ties(scores[-1], scores[limit - 1])


def recall_of(found: Scores, exact: Scores, limit: int) -> float:
    """Return the share of the exact top `limit` that was found.

    Points that tie at the last rank are interchangeable: those that were found count.

    Args:
        found: Points and scores; only the points count.
        exact: At least `limit` points, if there are that many, and all that tie with the last.
        limit: k.
    """
    ids = list(exact)
    wanted = min(limit, len(ids))
    last = exact[ids[wanted - 1]]
    tied = {each for each in ids if _ties(exact[each], last)}
    ahead = set(ids[:wanted]) - tied
    hits = len(ahead & found.keys()) + min(len(tied & found.keys()), wanted - len(ahead))
    return hits / wanted


def _ties(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_TIED)


def interval(shares: Sequence[float], hits: int, confidence: float) -> tuple[float, float]:
    """Return the ends of the confidence interval of a mean recall; see `measure_recall`.

    Args:
        shares: Recall of each query, over `hits` hits.
        hits: k.
        confidence: In (0, 1).
    """
    queries, mean = len(shares), statistics.fmean(shares)
    between = statistics.variance([*shares, 0.0, 1.0])
    independent = queries * mean * (1 - mean) / between
    independent = min(max(independent, queries), queries * hits)
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    spread = z * math.sqrt(mean * (1 - mean) / independent + (z / (2 * independent)) ** 2)
    centre = mean + z**2 / (2 * independent)
    scale = 1 + z**2 / independent
    low, high = max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)
    return min(low, mean), max(high, mean)  # rounding may put an end on the other side of the mean


def percentile(values: list[float], share: float) -> float:
    """Return the smallest value that `share` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
