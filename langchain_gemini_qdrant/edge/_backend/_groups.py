"""Groups of hits by a payload field, made from queries, as the engine has no groups."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

from langchain_gemini_qdrant.edge._convert._validate import check_point_id
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from qdrant_client.conversions import common_types as types

_WIDENING = 4


def grouped(
    search: Callable[[models.QueryRequest], list[models.ScoredPoint]],
    request: models.QueryRequest,
    group_by: str,
    *,
    limit: int,
    group_size: int,
    count: int,
) -> list[models.PointGroup]:
    """Return at most `limit` groups of at most `group_size` hits; the best group first.

    More and more points are searched until the groups are full. A query whose order depends on
    how much it searches (prefetches, MMR, a sample) searches all `count` points at once.

    Args:
        search: Runs a query.
        request: The query, without limit.
        group_by: The payload field; a point with several values is in several groups.
        limit: How many groups to return.
        group_size: How many hits to return for each group.
        count: How many points the collection has.
    """
    everything = max(count, 1)
    wanted = limit * group_size * _WIDENING if _is_stable(request) else everything
    while True:
        wanted = min(wanted, everything)
        wider = request.model_copy(
            update={
                "limit": wanted,
                "prefetch": _widened(request.prefetch, everything),
                "with_payload": [group_by],
            }
        )
        points = search(wider)
        groups = _groups(points, group_by, group_size)[:limit]
        is_full = len(groups) == limit and all(len(g.hits) == group_size for g in groups)
        if is_full or len(points) < wanted or wanted == everything:
            return groups
        wanted *= _WIDENING


def _is_stable(request: models.QueryRequest) -> bool:
    query = request.query
    has_mmr = isinstance(query, models.NearestQuery) and query.mmr is not None
    return not (request.prefetch or has_mmr or isinstance(query, models.SampleQuery))


def _widened(
    prefetch: models.Prefetch | list[models.Prefetch] | None, limit: int
) -> list[models.Prefetch] | None:
    if prefetch is None:
        return None
    return [
        one.model_copy(update={"limit": limit, "prefetch": _widened(one.prefetch, limit)})
        for one in (prefetch if isinstance(prefetch, list) else [prefetch])
    ]


def _groups(
    points: list[models.ScoredPoint], group_by: str, group_size: int
) -> list[models.PointGroup]:
    groups: dict[int | str, models.PointGroup] = {}
    for point in points:
        for group_id in _group_ids(point, group_by):
            group = groups.setdefault(group_id, models.PointGroup(id=group_id, hits=[]))
            if len(group.hits) < group_size:
                group.hits.append(point)
    return list(groups.values())


def _group_ids(point: models.ScoredPoint, group_by: str) -> list[int | str]:
    """Return the groups of a point: none if a value is neither text nor integer, as on a server."""
    values = value_by_key(point.payload or {}, group_by) or []
    if any(type(value) not in {int, str} for value in values):  # a bool is an int, too
        return []
    return list(dict.fromkeys(values))


def group_lookups(
    groups: list[models.PointGroup],
    with_lookup: types.WithLookupInterface,
    retrieve: Callable[..., list[models.Record]],
) -> None:
    """Add to each group the point of a lookup collection that has the group's id."""
    place = (
        with_lookup
        if isinstance(with_lookup, models.WithLookup)
        else models.WithLookup(collection=with_lookup)
    )
    point_ids: dict[int | str, int | str] = {}
    for group in groups:
        with suppress(InvalidInputError):  # a group's id need not be a valid point id
            point_ids[group.id] = check_point_id(group.id)
    found = retrieve(
        place.collection,
        list(point_ids.values()),
        True if place.with_payload is None else place.with_payload,
        place.with_vectors or False,
    )
    records = {record.id: record for record in found}
    for group in groups:
        if group.id in point_ids:
            group.lookup = records.get(point_ids[group.id])
