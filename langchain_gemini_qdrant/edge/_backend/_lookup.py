"""Queries by stored points: ids are replaced by vectors, and these points are not found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar, get_args

from qdrant_client import models

from langchain_gemini_qdrant.edge._convert._query import PLAIN_VECTORS
from langchain_gemini_qdrant.edge._convert._validate import check_point_id

Stage = TypeVar("Stage", models.QueryRequest, models.Prefetch)
# collection, vector name, point id -> the point's vector; raises where there is none
LookUp: TypeAlias = Callable[[str, str, "int | str"], object]


def with_vectors_for_ids(stage: Stage, collection_name: str, look_up: LookUp) -> Stage:
    """Return the query, or prefetch, with vectors wherever it names points.

    As on the server, points of the searched collection that a query names are not found by it.
    """
    query = stage.query
    nearest = query.nearest if isinstance(query, models.NearestQuery) else query
    if not stage.prefetch and isinstance(nearest, PLAIN_VECTORS):
        return stage  # a plain vector names no point
    place = stage.lookup_from
    where = collection_name if place is None else place.collection
    name = (place.vector if place is not None else None) or stage.using or ""
    mentioned: list[int | str] = []

    def vector(example: object) -> object:
        if isinstance(example, PLAIN_VECTORS):
            return example
        if isinstance(example, models.Document | models.Image | models.InferenceObject):
            raise NotImplementedError("The embedded engine has no inference: query with a vector")
        point_id = check_point_id(example)
        if where == collection_name:
            mentioned.append(point_id)
        return look_up(where, name, point_id)

    mapped = _mapped(query, vector)
    prefetches = [with_vectors_for_ids(p, collection_name, look_up) for p in listed(stage.prefetch)]
    excluded = [models.HasIdCondition(has_id=mentioned)] if mentioned else []
    return stage.model_copy(
        update={
            "query": mapped,
            "prefetch": prefetches,
            "filter": narrowed(stage.filter, must_not=excluded),
            "lookup_from": None,
        }
    )


def _mapped(query: Any, vector: Callable[[object], Any]) -> object:  # noqa: ANN401, PLR0911
    """Return the query with each of its examples replaced by the result of `vector`."""

    def changed(value: Any, **fields: object) -> Any:  # noqa: ANN401
        return value.model_copy(update=fields)

    def pairs(context: object) -> list[object]:
        return [
            changed(pair, positive=vector(pair.positive), negative=vector(pair.negative))
            for pair in listed(context)
        ]

    match query:
        case models.NearestQuery():
            return changed(query, nearest=vector(query.nearest))
        case models.RecommendQuery(recommend=given):
            positive = [vector(example) for example in given.positive or []]
            negative = [vector(example) for example in given.negative or []]
            return changed(query, recommend=changed(given, positive=positive, negative=negative))
        case models.DiscoverQuery(discover=given):
            target, context = vector(given.target), pairs(given.context)
            return changed(query, discover=changed(given, target=target, context=context))
        case models.ContextQuery():
            return changed(query, context=pairs(query.context))
        case models.RelevanceFeedbackQuery(relevance_feedback=given):
            target = vector(given.target)
            feedback = [changed(item, example=vector(item.example)) for item in given.feedback]
            return changed(
                query, relevance_feedback=changed(given, target=target, feedback=feedback)
            )
        case _ if query is None or isinstance(query, get_args(models.Query)):
            return query  # names no points
        case _:  # a plain vector or id asks for the nearest points
            return models.NearestQuery.model_construct(nearest=vector(query))


def narrowed(
    conditions: models.Filter | None,
    *,
    must: Sequence[models.Condition] = (),
    must_not: Sequence[models.Condition] = (),
) -> models.Filter | None:
    """Return the filter with more conditions."""
    if not must and not must_not:
        return conditions
    given = models.Filter() if conditions is None else conditions
    return given.model_copy(
        update={
            "must": [*listed(given.must), *must],
            "must_not": [*listed(given.must_not), *must_not],
        }
    )


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - of any kind
    """Return a list unchanged, one value as a list of it, and None as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
