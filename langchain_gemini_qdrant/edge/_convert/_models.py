"""qdrant-client's models -> the engine's types.

One rule covers three quarters of them: the engine's class of the same name, built from the fields
that are set. `_RENAMED`, `_DROPPED` and `_EXCEPTIONS` cover the rest.
"""

from __future__ import annotations

import functools
import re
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from pydantic import BaseModel
from qdrant_client import models

from langchain_gemini_qdrant._portable import portable, portable_index
from langchain_gemini_qdrant._qdrant_values import check_model
from langchain_gemini_qdrant.edge._convert._validate import (
    check_limit,
    check_point_id,
    check_vector_name,
)
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant.edge._convert._validate import CheckedPoint, Vector, VectorSchema

# The results of the engine's factories have no usable static type: its stubs are partly wrong.
EdgeObject: TypeAlias = Any

_RENAMED = {
    "Datatype": "VectorStorageDatatype",
    "DatetimeRange": "RangeDateTime",
    "DisabledStemmerParams": "DisabledStemmer",
    "HnswConfigDiff": "HnswIndexConfig",
    "OptimizersConfigDiff": "EdgeOptimizersConfig",
    "Range": "RangeFloat",
    "VectorParams": "EdgeVectorParams",
}
_DROPPED: dict[str, set[str]] = {
    "DisabledStemmerParams": {"type"},
    # `prevent_unoptimized` hides points until an optimizer has run, and none runs on its own here
    "OptimizersConfigDiff": {
        "flush_interval_sec",
        "max_optimization_threads",
        "memmap_threshold",
        "prevent_unoptimized",
    },
    "SnowballParams": {"type"},
    **{f"{kind.name.title()}IndexParams": {"type"} for kind in models.PayloadSchemaType},
}
# the server's defaults; the engine requires a value
HNSW_DEFAULTS = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}


def to_edge(value: object) -> EdgeObject:
    """Return the engine's equivalent of a model, an enum member, or a list or dict of them.

    Raises:
        NotImplementedError: The engine or this table has no equivalent.
        InvalidInputError: The engine's type refuses the values.
    """
    if (convert := _EXCEPTIONS.get(type(value).__name__)) is not None:
        with conversion_errors(type(value).__name__):
            return convert(value)
    if isinstance(value, BaseModel):
        return _same_name(value)
    if isinstance(value, Enum):
        return _member(type(value).__name__, value.name)
    if isinstance(value, list):
        return [to_edge(item) for item in value]
    if isinstance(value, dict):
        return {key: to_edge(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def _same_name(model: BaseModel, **defaults: object) -> EdgeObject:
    name = type(model).__name__
    edge_class = _edge_class(name)
    dropped = _DROPPED.get(name, set())
    fields = {
        field: to_edge(value)
        for field in model.model_fields_set
        if field not in dropped and (value := getattr(model, field)) is not None
    }
    with conversion_errors(name):
        return edge_class(**{**defaults, **fields})


def _edge_class(name: str) -> EdgeObject:
    edge_class = getattr(engine(), _RENAMED.get(name, name), None)
    if edge_class is None:
        raise NotImplementedError(f"{name} is not supported by the embedded engine")
    return edge_class


@functools.cache
def _member(enum_name: str, member_name: str) -> EdgeObject:
    """Match members by letters and digits only: `TWO_BITS` and `TwoBits` are the same."""
    edge_enum = _edge_class(enum_name)
    wanted = _letters(member_name)
    for name in dir(edge_enum):
        if _letters(name) == wanted:
            return getattr(edge_enum, name)
    raise NotImplementedError(f"{enum_name}.{member_name} is not supported by the embedded engine")


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _match_value(match: models.MatchValue) -> EdgeObject:
    # The binding reads a Python bool as an integer, which matches nothing; it reads numpy's
    # correctly. Ends when `MatchValue(True).value is True` in qdrant-edge-py.
    value = np.bool_(match.value) if isinstance(match.value, bool) else match.value
    return engine().MatchValue(value)


def _filter(conditions: models.Filter) -> EdgeObject:
    clauses = {
        name: to_edge(clause if isinstance(clause, list) else [clause])
        for name in ("must", "should", "must_not")
        if (clause := getattr(conditions, name)) is not None
    }
    return engine().Filter(min_should=to_edge(conditions.min_should), **clauses)


def _min_should(clause: models.MinShould) -> EdgeObject:
    check_limit(clause.min_count, name="min_count")
    return engine().MinShould(to_edge(clause.conditions), clause.min_count)


def _sparse_vector_params(params: models.SparseVectorParams) -> EdgeObject:
    index = params.index or models.SparseIndexParams()
    fields = {name: getattr(index, name) for name in index.model_fields_set}
    return engine().EdgeSparseVectorParams(
        modifier=to_edge(params.modifier),
        **{name: to_edge(value) for name, value in fields.items()},
    )


def _stopwords(words: models.StopwordsSet) -> EdgeObject:
    languages, custom = to_edge(words.languages), words.custom
    return engine().StopwordsSet(
        languages=None if languages is None else set(languages),
        custom=None if custom is None else set(custom),
    )


def _field_condition(condition: models.FieldCondition) -> EdgeObject:
    if all(value is None for name, value in vars(condition).items() if name != "key"):
        raise InvalidInputError(
            "A FieldCondition must have a condition, for example `match`, got the key"
            f" {condition.key!r} alone"
        )
    return _same_name(condition)


# shapes that differ: unwrapped, flattened, renamed fields, sets for lists; by name, as older
# versions of qdrant-client lack some
_EXCEPTIONS: dict[str, Callable[[Any], EdgeObject]] = {
    "BinaryQuantization": lambda m: to_edge(m.binary),
    "FieldCondition": _field_condition,
    "Filter": _filter,
    "GeoLineString": lambda m: to_edge(m.points),
    "HasIdCondition": lambda m: engine().HasIdCondition(
        {check_point_id(point_id) for point_id in m.has_id}
    ),
    "HasVectorCondition": lambda m: engine().HasVectorCondition(m.has_vector),
    "HnswConfigDiff": lambda m: _same_name(m, **HNSW_DEFAULTS),
    "IdfCorpusParams": lambda m: engine().IdfParams(corpus=to_edge(m.corpus)),
    "IdfScope": lambda _: engine().IdfParams(),
    "IsEmptyCondition": lambda m: engine().IsEmptyCondition(m.is_empty.key),
    "IsNullCondition": lambda m: engine().IsNullCondition(m.is_null.key),
    "MatchExcept": lambda m: engine().MatchExcept(m.except_),
    "MatchValue": _match_value,
    "MinShould": _min_should,
    "NestedCondition": lambda m: engine().NestedCondition(m.nested.key, to_edge(m.nested.filter)),
    "PayloadSelectorExclude": lambda m: engine().PayloadSelector.Exclude(m.exclude),
    "PayloadSelectorInclude": lambda m: engine().PayloadSelector.Include(m.include),
    "ProductQuantization": lambda m: to_edge(m.product),
    "ScalarQuantization": lambda m: to_edge(m.scalar),
    "SliceCondition": lambda m: engine().SliceCondition(m.slice.total, m.slice.index),
    "SparseVectorParams": _sparse_vector_params,
    "StopwordsSet": _stopwords,
    "TurboQuantization": lambda m: to_edge(m.turbo),
}


def edge_filter(conditions: object) -> EdgeObject | None:
    """Return the engine's filter; a dict is read as the server reads JSON."""
    if conditions is None:
        return None
    with conversion_errors("filter"):
        check_model(conditions, "filter")
        validated = models.Filter.model_validate(conditions)
        if validated is not conditions:
            check_model(validated, "filter")
        return to_edge(portable(validated))


def edge_vector(vector: Vector) -> EdgeObject:
    """Return a checked vector as the engine takes it."""
    if isinstance(vector, models.SparseVector):
        return engine().SparseVector(vector.indices, vector.values)
    # The engine reads a view of an array in a third of the time that the array itself takes.
    return vector.data if isinstance(vector, np.ndarray) else vector


def edge_point(point: CheckedPoint) -> EdgeObject:
    """Return a checked point as the engine takes it."""
    vectors: EdgeObject = {name: edge_vector(vector) for name, vector in point.vectors.items()}
    if [*vectors] == [""]:  # one is read in two thirds of the time
        vectors = vectors[""]
    return engine().Point(point.id, vectors, point.payload)


def edge_point_vectors(points: list[CheckedPoint]) -> list[EdgeObject]:
    """Return vectors to replace as the engine takes them."""
    with conversion_errors("batch of vectors"):
        return [
            engine().PointVectors(
                point.id, {name: edge_vector(vector) for name, vector in point.vectors.items()}
            )
            for point in points
        ]


def edge_index(schema: models.PayloadFieldSchema) -> EdgeObject:
    """Return the engine's form of a payload index."""
    if schema is models.PayloadSchemaType.TEXT:
        schema = models.TextIndexParams(type=models.TextIndexType.TEXT)
    return to_edge(schema if isinstance(schema, Enum) else portable_index(schema))


def edge_vector_selector(with_vectors: object, schema: VectorSchema) -> bool | list[str]:
    """Return which vectors an answer contains; the collection must have them."""
    if with_vectors is None or isinstance(with_vectors, bool):
        return bool(with_vectors)
    if isinstance(with_vectors, list | tuple):
        for name in with_vectors:
            check_vector_name(name, schema)
        return list(with_vectors)
    raise InvalidInputError(
        f"with_vectors must be a bool or a list of vector names, got {with_vectors!r}"
    )


def edge_payload_selector(with_payload: object) -> EdgeObject:
    """Return which payload fields an answer contains."""
    if with_payload is None or isinstance(with_payload, bool):
        return bool(with_payload)
    if isinstance(with_payload, list | tuple):
        return engine().PayloadSelector.Include(list(with_payload))
    if isinstance(with_payload, models.PayloadSelectorInclude | models.PayloadSelectorExclude):
        return to_edge(with_payload)
    with conversion_errors("with_payload"):
        raise TypeError(
            "expected a bool, a list of payload keys or a PayloadSelector,"
            f" got {type(with_payload).__name__}"
        )
