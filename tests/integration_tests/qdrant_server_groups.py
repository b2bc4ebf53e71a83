"""Groups as a real server makes them; local mode would find all of them.

A server searches for `limit` times `group_size` points, up to five times for more groups and up to
five times for more points in the best groups, each time without the points that it has. What it has
not found then is missing.
"""

from __future__ import annotations

from qdrant_client import models
from qdrant_client.local.payload_value_extractor import value_by_key

_SEARCHES = 5


def groups_of_server(search, body, vectors):
    """Return the groups, whose points have only the field that they are grouped by.

    `search` takes a query with a limit; `vectors` has the parameters of the vectors by name.
    """
    size = 3 if body.group_size is None else body.group_size
    limit = 10 if body.limit is None else body.limit
    sign = _sign(body, vectors)
    groups = {}

    def best():
        scores = {key: max(sign * hit.score for hit in hits) for key, hits in groups.items()}
        return sorted(groups, key=lambda key: -scores[key])[:limit]

    for is_filling in (False, True):
        for _ in range(_SEARCHES):
            full = [key for key, hits in groups.items() if len(hits) >= size]
            unfilled = [key for key in best() if key not in full]
            wanted = _matches(body.group_by, unfilled if is_filling else full, is_any=is_filling)
            seen = [hit.id for hits in groups.values() for hit in hits]
            points = search(_candidates(body, wanted, seen, limit * size, size))
            for point in points:
                for key in _keys(point, body.group_by):
                    if point.id not in [hit.id for hit in groups.setdefault(key, [])]:
                        groups[key].append(point)
            filled = [key for key in best() if len(groups[key]) >= size]
            if len(filled) == limit or not points:
                break
        if len(filled) == limit:
            break
    return [
        models.PointGroup(
            id=key, hits=sorted(groups[key], key=lambda hit: -sign * hit.score)[:size]
        )
        for key in best()
    ]


def fill(groups, body, collection, retrieve):
    """Add to hits what was asked for, and to groups the points of their ids elsewhere."""
    ids = list({hit.id for group in groups for hit in group.hits})
    found = retrieve(collection, ids, body.with_payload or False, body.with_vector or False)
    contents = {each.id: each for each in found}
    lookup = body.with_lookup
    if isinstance(lookup, str):
        lookup = models.WithLookup(collection=lookup)
    for group in groups:
        for hit in group.hits:
            hit.payload, hit.vector = contents[hit.id].payload, contents[hit.id].vector
        if lookup is not None:
            payload = True if lookup.with_payload is None else lookup.with_payload
            named = retrieve(lookup.collection, [group.id], payload, lookup.with_vectors or False)
            group.lookup = named[0] if named else None


def _sign(body, vectors):
    """1 where larger scores are better, -1 for smaller ones, 0 where points have an order."""
    query = body.query
    if isinstance(query, models.OrderByQuery | models.SampleQuery):
        return 0
    if isinstance(query, models.NearestQuery) and query.mmr is not None:
        return 0
    average = (None, models.RecommendStrategy.AVERAGE_VECTOR)
    if isinstance(query, models.RecommendQuery):
        is_nearest = query.recommend.strategy in average
    else:
        is_nearest = isinstance(query, list | int | str | models.NearestQuery)
    params = vectors.get(body.using or "")
    distances = (models.Distance.EUCLID, models.Distance.MANHATTAN)
    return -1 if is_nearest and params and params.distance in distances else 1


def _candidates(body, wanted, seen, limit, factor):
    given = body.filter or models.Filter()
    empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=body.group_by))
    conditions = given.model_copy(
        update={
            "must": _listed(given.must) + wanted,
            "must_not": [*_listed(given.must_not), empty, models.HasIdCondition(has_id=seen)],
        }
    )
    return models.QueryRequest(
        query=body.query,
        prefetch=[_enlarged(each, factor) for each in _listed(body.prefetch)] or None,
        using=body.using,
        filter=conditions,
        params=body.params,
        score_threshold=body.score_threshold,
        limit=limit,
        with_payload=[body.group_by.removesuffix("[]")],
        lookup_from=body.lookup_from,
    )


def _enlarged(prefetch, factor):
    inner = [_enlarged(each, factor) for each in _listed(prefetch.prefetch)]
    limit = 10 if prefetch.limit is None else prefetch.limit
    return prefetch.model_copy(update={"limit": limit * factor, "prefetch": inner or None})


def _matches(field, keys, *, is_any):
    kinds = [[key for key in keys if isinstance(key, kind)] for kind in (int, str)]
    matches = [
        models.MatchAny(any=values) if is_any else models.MatchExcept(**{"except": values})
        for values in kinds
        if values
    ]
    return [models.FieldCondition(key=field, match=match) for match in matches]


def _keys(point, field):
    values = value_by_key(point.payload or {}, field) or []
    return dict.fromkeys(values) if all(type(each) in {int, str} for each in values) else ()


def _listed(value):
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
