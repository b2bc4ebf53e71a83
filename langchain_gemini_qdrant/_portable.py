"""Filters and payload indexes in a form that every engine reads in the same way.

Faults of server version 1.19 that this form avoids:

- With an index, a range that has `gt` or `lt` ignores its `gte` and `lte`.
- If an index provides the points of `must` or `should`, a `must_not` or `min_should` next to them
  that repeats those conditions is ignored.
- Without an index, `IsNullCondition` misses a null in a list; `FieldCondition` finds it.
- With a text index created without `phrase_matching`, no phrase is found.
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
    """Return an index's settings; a text index supports phrases unless that is set to False."""
    if isinstance(schema, models.TextIndexParams) and schema.phrase_matching is None:
        return schema.model_copy(update={"phrase_matching": True})
    return schema


def _min_should(clause: models.MinShould) -> models.MinShould:
    """Return a clause that no point meets if `min_count` exceeds the conditions.

    With an index, a server would ignore such a clause.
    """
    if clause.min_count > len(clause.conditions):
        return models.MinShould(conditions=[models.HasIdCondition(has_id=[])], min_count=1)
    conditions = [portable_condition(each) for each in clause.conditions]
    return models.MinShould(conditions=conditions, min_count=clause.min_count)


def _range(bounds: models.Range | models.DatetimeRange) -> models.Range | models.DatetimeRange:
    """Keep only the tighter bound on each side; times are converted to UTC."""
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
    """Return a number unchanged and a time in UTC, which is also assumed if it has no time zone."""
    if not isinstance(bound, date):
        return bound
    if not isinstance(bound, datetime):
        bound = datetime.combine(bound, time())
    aware = bound if bound.utcoffset() is not None else bound.replace(tzinfo=UTC)
    try:
        return aware.astimezone(UTC)
    except OverflowError:  # its UTC year is 0 or 10000, outside the range of stored times
        return _LAST if aware > _FIRST + _YEAR else _FIRST


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - of any kind
    return value if isinstance(value, list) else [value]
