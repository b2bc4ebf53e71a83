"""Groups of hits by a payload field: a server's algorithm, as the engine has no groups.

A server searches for `limit` times `group_size` points at first. It repeats that search without
the points and the full groups that it has found, then searches only the groups that are not full,
and gives up after some requests. So its groups can be incomplete, and these are incomplete alike.
Source: https://github.com/qdrant/qdrant/blob/v1.19.0/lib/shard/src/grouping/driver.rs
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

from langchain_gemini_qdrant.edge._backend._lookup import listed, narrowed
from langchain_gemini_qdrant.edge._convert._query import DEFAULT_LIMIT, smaller_is_better
from langchain_gemini_qdrant.edge._convert._validate import check_point_id
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qdrant_client.conversions import common_types as types

    from langchain_gemini_qdrant.edge._convert._validate import VectorSchema

_REQUESTS = 5  # the server's, to find groups, and as many again to fill them
_MOST = 2**32 - 1  # points: more than a collection has
_INT64 = range(-(2**63), 2**63)  # a server filters by these integers


def grouped(
    search: Callable[[models.QueryRequest], list[models.ScoredPoint]],
    request: models.QueryRequest,
    group_by: str,
    *,
    limit: int,
    group_size: int,
    schema: VectorSchema,
) -> list[models.PointGroup]:
    """Return at most `limit` groups of at most `group_size` hits; the best group first.

    Args:
        search: Runs a query.
        request: The query, without limit.
        group_by: The payload field; a point with several values is in several groups.
        limit: How many groups to return.
        group_size: How many hits to return for each group.
        schema: The vectors of the collection.
    """
    request = _candidates(request, group_by, limit=limit, group_size=group_size)
    groups = _Groups(group_by, limit, group_size, _rank(request, schema))
    for conditions in (groups.without_full_ones, groups.of_unfilled_ones):
        for _ in range(_REQUESTS):
            query_filter = narrowed(
                request.filter, must=conditions(), must_not=groups.found_points()
            )
            points = search(request.model_copy(update={"filter": query_filter}))
            groups.add(points)
            if groups.are_full():
                return groups.best()
            if not points:
                break
    return groups.best()


def _candidates(
    request: models.QueryRequest, group_by: str, *, limit: int, group_size: int
) -> models.QueryRequest:
    """Return the query for points that have the field, as many as fill all groups."""
    query = request.query
    if isinstance(query, models.NearestQuery) and query.mmr and query.mmr.candidates_limit is None:
        mmr = query.mmr.model_copy(update={"candidates_limit": limit})
        query = query.model_copy(update={"mmr": mmr})
    has_none = models.IsEmptyCondition(is_empty=models.PayloadField(key=group_by))
    return request.model_copy(
        update={
            "query": query,
            "prefetch": _enlarged(request.prefetch, group_size),
            "filter": narrowed(request.filter, must_not=[has_none]),
            "limit": min(limit * group_size, _MOST),
            "with_payload": [group_by.removesuffix("[]")],
        }
    )


def _enlarged(
    prefetch: models.Prefetch | list[models.Prefetch] | None, factor: int
) -> list[models.Prefetch]:
    return [
        one.model_copy(
            update={
                "limit": min((DEFAULT_LIMIT if one.limit is None else one.limit) * factor, _MOST),
                "prefetch": _enlarged(one.prefetch, factor),
            }
        )
        for one in listed(prefetch)
    ]


def _rank(
    request: models.QueryRequest, schema: VectorSchema
) -> Callable[[models.ScoredPoint], float]:
    """Return the key by which hits are sorted: the smaller, the better."""
    match request.query:
        case models.SampleQuery() | models.NearestQuery(mmr=models.Mmr()):
            return lambda _: 0.0  # they stay in the order of the search
        case models.OrderByQuery(order_by=order):
            direction = order.direction if isinstance(order, models.OrderBy) else None
            sign = -1 if direction is models.Direction.DESC else 1
            return lambda point: sign * (point.order_value or 0)
        case query:
            sign = 1 if smaller_is_better(query, request.using or "", schema) else -1
            return lambda point: sign * point.score


class _Groups:
    """The groups of the points found so far."""

    def __init__(
        self,
        group_by: str,
        limit: int,
        group_size: int,
        rank: Callable[[models.ScoredPoint], float],
    ) -> None:
        self._group_by, self._limit, self._group_size = group_by, limit, group_size
        self._rank = rank
        self._hits: dict[int | str, dict[models.ExtendedPointId, models.ScoredPoint]] = {}

    def add(self, points: list[models.ScoredPoint]) -> None:
        for point in points:
            for group_id in _group_ids(point, self._group_by):
                self._hits.setdefault(group_id, {}).setdefault(point.id, point)

    def best(self) -> list[models.PointGroup]:
        return [
            models.PointGroup(
                id=group_id,
                hits=sorted(self._hits[group_id].values(), key=self._rank)[: self._group_size],
            )
            for group_id in self._best_ids()
        ]

    def are_full(self) -> bool:
        best = self._best_ids()
        return len(best) == self._limit and all(map(self._is_full, best))

    def found_points(self) -> list[models.Condition]:
        ids = list(dict.fromkeys(point_id for hits in self._hits.values() for point_id in hits))
        return [models.HasIdCondition(has_id=ids)] if ids else []

    def without_full_ones(self) -> list[models.Condition]:
        full = filter(self._is_full, self._hits)
        return self._conditions(full, lambda values: models.MatchExcept(**{"except": values}))

    def of_unfilled_ones(self) -> list[models.Condition]:
        unfilled = (group_id for group_id in self._best_ids() if not self._is_full(group_id))
        return self._conditions(unfilled, lambda values: models.MatchAny(any=values))

    def _best_ids(self) -> list[int | str]:
        ranked = sorted(
            self._hits, key=lambda each: min(map(self._rank, self._hits[each].values()))
        )
        return ranked[: self._limit]

    def _is_full(self, group_id: int | str) -> bool:
        return len(self._hits[group_id]) >= self._group_size

    def _conditions(
        self, group_ids: Iterable[int | str], match: Callable[[Any], Any]
    ) -> list[models.Condition]:
        """Return conditions on the field, all of which must hold, as a server words them."""
        ids = list(group_ids)
        numbers = [each for each in ids if isinstance(each, int) and each in _INT64]
        texts = [each for each in ids if isinstance(each, str)]
        return [
            models.FieldCondition(key=self._group_by, match=match(values))
            for values in (numbers, texts)
            if values
        ]


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
