"""Filters and payload indexes in the one form that every engine reads in the same way.

What a server of version 1.19 reads otherwise than it should:

- Over an index a range obeys `gt` and `lt` alone, whatever its `gte` and `lte`.
- Where an index gives the points of `must` or `should`, it does not look at a `must_not` or
  `min_should` beside them that repeats those conditions.
- Without an index `IsNullCondition` misses a null in a list, which `FieldCondition` finds.
- Over a text index made without `phrase_matching` no phrase is found.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from qdrant_client import models

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_YEAR = timedelta(days=365)


def portable(given: models.Filter) -> models.Filter:
    """Return an equivalent filter in the form that every engine reads in the same way."""
    clauses = _clauses(given)
    if len(clauses) > 1 or "min_should" in clauses:
        for name in ("min_should", "must_not"):
            if name in clauses:
                alone = models.Filter(**{name: clauses.pop(name)})
                clauses["must"] = [*clauses.get("must", []), alone]
    return models.Filter(**clauses)


def _clauses(given: models.Filter) -> dict[str, Any]:
    clauses: dict[str, Any] = {
        name: [portable_condition(each) for each in _listed(clause)]
        for name in ("must", "should", "must_not")
        if (clause := getattr(given, name)) not in (None, [])
    }
    if given.min_should is not None:
        clauses["min_should"] = _min_should(given.min_should)
    return clauses


def portable_condition(condition: models.Condition) -> models.Condition:
    """Return an equivalent condition in the form that every engine reads in the same way."""
    match condition:
        case models.Filter():
            return models.Filter(**_clauses(condition))
        case models.NestedCondition(nested=nested):
            inner = models.Filter(**_clauses(nested.filter))
            return models.NestedCondition(nested=models.Nested(key=nested.key, filter=inner))
        case models.IsNullCondition(is_null=field):
            return models.FieldCondition(key=field.key, is_null=True)
        case models.FieldCondition(range=models.Range() | models.DatetimeRange() as bounds):
            return condition.model_copy(update={"range": _range(bounds)})
        case _:
            return condition


def portable_index(schema: models.PayloadSchemaParams) -> models.PayloadSchemaParams:
    """Return the settings of an index; one of text can find phrases unless told not to."""
    if isinstance(schema, models.TextIndexParams) and schema.phrase_matching is None:
        return schema.model_copy(update={"phrase_matching": True})
    return schema


def _min_should(clause: models.MinShould) -> models.MinShould:
    """Return what can be met: over an index, more conditions than there are would be no filter."""
    if clause.min_count > len(clause.conditions):
        return models.MinShould(conditions=[models.HasIdCondition(has_id=[])], min_count=1)
    conditions = [portable_condition(each) for each in clause.conditions]
    return models.MinShould(conditions=conditions, min_count=clause.min_count)


def _range(bounds: models.Range | models.DatetimeRange) -> models.Range | models.DatetimeRange:
    """Leave the tighter bound on each side; times are in UTC."""
    given: dict[str, Any] = {
        name: _comparable(bound)
        for name in ("gt", "gte", "lt", "lte")
        if (bound := getattr(bounds, name)) is not None
    }
    if "gt" in given and "gte" in given:
        del given["gt" if given["gt"] < given["gte"] else "gte"]
    if "lt" in given and "lte" in given:
        del given["lt" if given["lt"] > given["lte"] else "lte"]
    return type(bounds)(**given)


def _comparable(bound: float | date) -> float | datetime:
    """Return a number as it is, and a time in UTC; without a zone it is in UTC, as stored ones."""
    if not isinstance(bound, date):
        return bound
    if not isinstance(bound, datetime):
        bound = datetime.combine(bound, time())
    aware = bound if bound.utcoffset() is not None else bound.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:  # in UTC it is in the year 0 or 10000, in which nothing is stored
        return _LAST if aware > _FIRST + _YEAR else _FIRST


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - of any kind
    return value if isinstance(value, list) else [value]
