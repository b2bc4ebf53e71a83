"""Distances within a random sample of points, made from queries of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qdrant_client import models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qdrant_client.conversions import common_types as types

_FEWEST = 2  # a single point has no neighbors


def nearest_of_each(
    search: Callable[[Sequence[models.QueryRequest]], list[list[models.ScoredPoint]]],
    query_filter: models.Filter | None,
    using: str,
    *,
    limit: int,
    sample: int,
) -> dict[types.PointId, list[models.ScoredPoint]]:
    """Return the nearest other points for each point of a sample, at most `limit`.

    Args:
        search: Runs several queries.
        query_filter: Which points may be in the sample.
        using: The vector to compare; points without it are not in the sample.
        limit: How many near points to return for each.
        sample: The most points to compare.

    Returns:
        A row for each point of the sample, in the order of their ids, integers first; nothing if
        fewer than two points match.
    """
    conditions: list[models.Condition] = [models.HasVectorCondition(has_vector=using)]
    if query_filter is not None:
        conditions.append(query_filter)
    (sampled,) = search(
        [
            models.QueryRequest(
                query=models.SampleQuery(sample=models.Sample.RANDOM),
                filter=models.Filter(must=conditions),
                limit=sample,
            )
        ]
    )
    if len(sampled) < _FEWEST:
        return {}
    ids = sorted((point.id for point in sampled), key=lambda i: (isinstance(i, str), i))
    rows = search(
        [
            models.QueryRequest(
                query=point_id,  # a query by a point does not find that point itself
                using=using,
                filter=models.Filter(must=models.HasIdCondition(has_id=ids)),
                limit=limit,
            )
            for point_id in ids
        ]
    )
    return dict(zip(ids, rows, strict=True))
