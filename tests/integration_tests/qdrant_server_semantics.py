"""Where a real server reads a request otherwise than qdrant-client's local mode does.

As Qdrant 1.19 answers, its faults with the rest. A filter is rewritten into one by which local mode
finds what the server finds: a condition that local mode reads otherwise becomes the ids of the
points that meet it.
"""

from __future__ import annotations

import math
import re
from functools import cached_property

from pydantic import BaseModel
from qdrant_client import models
from qdrant_client.local.payload_filters import check_filter
from qdrant_client.local.payload_value_extractor import value_by_key

from tests.integration_tests.qdrant_server_exchange import QdrantError

_LAST_EXACT_FLOAT = 2**53
_RANGED = {"integer", "float", "datetime", "uuid"}
_COUNTED = {"keyword", "integer", "bool", "uuid"}
_BIGGEST = 2**64 - 1


class ServerFilter:
    """Rewrites filters over the points that `read` gives by id, with indexes: schemas by field."""

    def __init__(self, read, indexes):
        self._read, self._indexes = read, indexes

    @cached_property
    def _points(self):
        return self._read()

    def __call__(self, filter):
        """Return the filter for local mode; None for None."""
        if filter is None:
            return None
        primary = self._primary(filter)
        if primary and all(each in primary for each in _conditions(filter)):
            # It reads these off their index, and never looks at the filter again.
            return self._rewritten(models.Filter(should=primary))
        return self._rewritten(filter)

    def _primary(self, filter):
        """The conditions by which a server looks up points in an index; none for a full scan."""
        must = [[each] for each in _listed(filter.must) if self._is_indexed(each)]
        should = _listed(filter.should)
        if should and all(map(self._is_indexed, should)):
            must.append(should)
        if len(must) < 2:
            return must[0] if must else []
        return min(must, key=lambda each: self._count(models.Filter(should=each)))

    def _is_indexed(self, condition):
        if isinstance(condition, models.HasIdCondition):
            return True
        return isinstance(condition, models.FieldCondition) and condition.key in self._indexes

    def _count(self, filter):
        found = self._rewritten(filter)
        return sum(check_filter(found, payload, each, {}) for each, payload in self._points.items())

    def _rewritten(self, filter):
        changed = {
            name: [self._condition(each) for each in _listed(getattr(filter, name))]
            for name in ("must", "should", "must_not")
            if getattr(filter, name) is not None
        }
        if filter.min_should is not None:
            changed["min_should"] = models.MinShould(
                conditions=list(map(self._condition, filter.min_should.conditions)),
                min_count=filter.min_should.min_count,
            )
        return models.Filter(**changed)

    def _condition(self, condition):
        if isinstance(condition, models.Filter):
            return self._rewritten(condition)
        if isinstance(condition, models.FieldCondition) and not condition.model_dump(
            exclude_none=True, exclude={"key"}
        ):
            raise QdrantError(422, "Validation error in JSON body: At least one field condition")
        if isinstance(condition, models.IsNullCondition):
            key = condition.is_null.key
            if key not in self._indexes:
                return self._having(key, lambda value: value is None, flat=False)
        if isinstance(condition, models.FieldCondition):
            if condition.match is not None:
                return self._match(condition)
            if condition.range is not None:
                return self._range(condition)
        return condition

    def _match(self, condition):
        match = condition.match
        if isinstance(match, models.MatchSubstring):
            raise QdrantError(400, "Format error in JSON body: unknown match")
        value = getattr(match, "value", None)
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise QdrantError(400, "Format error in JSON body: match is no 64-bit integer")
        if not isinstance(match, models.MatchText | models.MatchTextAny | models.MatchPhrase):
            return condition
        index = self._indexes.get(condition.key)
        if _type(index) == "text":
            finds = not isinstance(match, models.MatchPhrase) or _of(index, "phrase_matching")
            return condition if finds else models.HasIdCondition(has_id=[])
        [text] = match.model_dump(exclude_none=True).values()
        wanted = text.split() if isinstance(match, models.MatchTextAny) else [text]
        return self._having(
            condition.key,
            lambda value: isinstance(value, str) and any(each in value for each in wanted),
        )

    def _range(self, condition):
        bounds = condition.range.model_dump(exclude_none=True)
        if condition.key in self._indexes:
            for kept, ignored in (("gt", "gte"), ("lt", "lte")):
                if kept in bounds:
                    bounds.pop(ignored, None)
        if isinstance(condition.range, models.Range):
            bounds = {name: _as_read(float(each)) for name, each in bounds.items()}
            if any(abs(each) >= _LAST_EXACT_FLOAT for each in bounds.values()):
                return self._having(condition.key, lambda value: _is_within(value, bounds))
        changed = type(condition.range)(**bounds)
        return condition.model_copy(update={"range": changed})

    def _having(self, key, test, *, flat=True):
        """The points that have a value which passes the test, by their ids."""
        return models.HasIdCondition(
            has_id=[
                each
                for each, payload in self._points.items()
                if any(map(test, value_by_key(payload, key, flat=flat) or []))
            ]
        )

    def check_order(self, order_by):
        """Refuse an order by a field without an index of numbers or times."""
        if order_by is None:
            return
        key = order_by if isinstance(order_by, str) else order_by.key
        if _type(self._indexes.get(key)) not in _RANGED:
            raise QdrantError(400, f"Bad request: No range index for `order_by` key: `{key}`")

    def check_facet(self, key):
        """Refuse to count the values of a field without an index that matches values."""
        if _type(self._indexes.get(key)) not in _COUNTED:
            raise QdrantError(400, f"Bad request: No appropriate index for faceting: `{key}`")


def _is_within(value, bounds):
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    tests = {
        "gt": float.__gt__,
        "gte": float.__ge__,
        "lt": float.__lt__,
        "lte": float.__le__,
    }
    return all(tests[name](float(value), float(bound)) for name, bound in bounds.items())


def _conditions(filter):
    inner = filter.min_should.conditions if filter.min_should else []
    return [*_listed(filter.must), *_listed(filter.must_not), *_listed(filter.should), *inner]


def _listed(value):
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _type(schema):
    return schema if isinstance(schema, str) else _of(schema, "type")


def _of(schema, name):
    return schema.get(name) if isinstance(schema, dict) else None


def check_expressions(value):
    """Refuse expressions of formulas that are newer than the server."""
    if type(value).__name__ in {"AcoshExpression", "MaxExpression", "MinExpression"}:
        raise QdrantError(400, "Format error in JSON body: Expected some form of query")
    if isinstance(value, BaseModel):
        value = list(vars(value).values())
    for each in value if isinstance(value, list) else ():
        check_expressions(each)


def without_named_points(request):
    """Return the query with the points that any of its stages names left out of every stage."""
    named = _named(request)
    if not named:
        return request
    excluded = models.HasIdCondition(has_id=named)

    def excluding(stage):
        own = stage.filter or models.Filter()
        conditions = own.model_copy(update={"must_not": [*_listed(own.must_not), excluded]})
        inner = [excluding(each) for each in _listed(stage.prefetch)]
        return stage.model_copy(update={"filter": conditions, "prefetch": inner or None})

    return excluding(request)


def _named(stage):
    if stage.lookup_from is not None:
        return []
    query = stage.query
    nearest = query.nearest if isinstance(query, models.NearestQuery) else query
    own = [nearest] if isinstance(nearest, int | str) else []
    return own + [name for each in _listed(stage.prefetch) for name in _named(each)]


def rewritten_stages(stage, rewrite):
    """Return a query or prefetch with each filter in it rewritten."""
    inner = [rewritten_stages(each, rewrite) for each in _listed(stage.prefetch)]
    return stage.model_copy(update={"filter": rewrite(stage.filter), "prefetch": inner or None})


def as_stored(payload):
    """Return a payload as a server's reader of JSON understands it."""
    if isinstance(payload, dict):
        return {key: as_stored(value) for key, value in payload.items()}
    if isinstance(payload, list | tuple):
        return [as_stored(value) for value in payload]
    if type(payload) is int and not -(2**63) <= payload <= _BIGGEST:
        return float(payload)
    if type(payload) is float:
        return _as_read(payload)
    return payload


def _as_read(number):
    """Multiply the digits by a power of ten, each rounded: the last bit of long ones is lost."""
    digits, _, exponent = repr(number).partition("e")
    whole, _, fraction = digits.partition(".")
    significand = int(whole + fraction)
    power = int(exponent or 0) - len(fraction)
    scaled = float(abs(significand))
    read = scaled * 10.0**power if power >= 0 else scaled / 10.0 ** min(-power, 308)
    if power < -308:
        read /= 10.0 ** (-power - 308)
    return math.copysign(read, number)


def check_id(point_id):
    """Refuse an id that is neither a number nor a UUID."""
    if isinstance(point_id, str) and not re.fullmatch(
        r"(urn:uuid:|\{)?[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?", point_id
    ):
        raise QdrantError(400, f"Format error in JSON body: value {point_id} is not a valid id")
