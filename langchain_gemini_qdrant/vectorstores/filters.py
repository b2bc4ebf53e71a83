"""Convert filters given as dicts to `qdrant_client.models.Filter`.

Pure functions over qdrant-client's models. `docs/filters.md` shows the operators to users.
"""

from __future__ import annotations

import difflib
import math
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter
from qdrant_client import grpc, models
from qdrant_client.conversions.conversion import GrpcToRest

from langchain_gemini_qdrant._portable import portable
from langchain_gemini_qdrant._qdrant_values import check_levels, check_model, is_read_exactly
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.errors import InvalidInputError

Filter: TypeAlias = Mapping[str, Any] | models.Filter
"""Conditions on metadata as a dict, or Qdrant's own filter on the whole payload."""

_Scalar: TypeAlias = bool | int | float | str | datetime | None

_BOUNDS = ("$gt", "$gte", "$lt", "$lte")

# Qdrant compares ranges as 64-bit floats, which are exact for whole numbers up to 2**53. A server
# that reads one as `9007199254740991.0` in JSON may round it to a neighbour from about 2**52.7 on.
_LAST_EXACT_FLOAT = 2**52
_LAST_PLACES = 8  # the stored number and the compared one may each be four off

# Without an index, each range in a list costs a search 1 to 1.5 us per point, measured on the
# embedded engine; a match with any number of whole numbers costs that only once.
_MOST_RANGES = 16

_ARRAY = r"((?:\[[0-9]*\])*)"
_PART = rf'(?:"([^"]*)"|([^."]+?)){_ARRAY}(?:\.(?=.)|\Z)'
_PATH = re.compile(f"(?:{_PART})+", re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")  # pydantic also reads "5" as a datetime
_DATETIME = TypeAdapter(datetime)


def to_filter(filter: Filter | None, metadata_key: str) -> models.Filter | None:
    """Return the conditions in the form that every engine reads in the same way.

    Args:
        filter: A dict of conditions on metadata fields, or a filter that `QdrantClient` accepts:
            a `models.Filter` or its gRPC counterpart.
        metadata_key: Payload key of the metadata; empty if the payload itself is the metadata.

    Returns:
        None if there are no conditions (an empty dict, or None): a search then finds all points,
        and a deletion must refuse it.

    Raises:
        InvalidInputError: The filter has none of these types; an operator, a field or a value in
            the dict is not valid; bounds are not finite; or more than 45 filters are nested, which
            some engine could not read back.
    """
    if filter is None:
        return None
    if isinstance(filter, grpc.Filter):
        return to_filter(GrpcToRest.convert_filter(filter), metadata_key)
    if isinstance(filter, models.Filter):
        check_model(filter, "filter")
        return portable(filter)
    if not isinstance(filter, Mapping):
        raise InvalidInputError(
            "filter must be a dict such as {'source': 'a.pdf', 'year': {'$gte': 2020}} or a "
            f"qdrant_client.models.Filter, got {type(filter).__name__}"
        )
    if not filter:
        return None
    check_levels(filter)
    condition = _condition(filter, _metadata(metadata_key))
    if not isinstance(condition, models.Filter):
        condition = models.Filter(must=[condition])
    check_model(condition, "filter")
    return portable(condition)


def metadata_field(field: str, metadata_key: str) -> str:
    """Return the payload key of a metadata field, for conditions and payload indexes.

    Args:
        field: Names joined by dots, such as `author.name`; `tags[]` and `parts[0].name` look into
            arrays. Put a name that contains a dot or ends in brackets in double quotes.
        metadata_key: Payload key of the metadata; empty if the payload itself is the metadata.

    Returns:
        The path in Qdrant's grammar, such as `metadata."page label"`. Names with characters other
        than ASCII letters, digits, `_` and `-` are in double quotes.

    Raises:
        InvalidInputError: A name is empty, or contains a double quote, which that grammar cannot
            express.

    Source: `qdrant_client.local.json_path_parser`; the embedded engine has the same grammar.
    """
    return _metadata(metadata_key).child(field).key


def names_of(field: object) -> list[str] | None:
    """Return the names in a field's path; None if it is not valid, or leads into an array."""
    if not isinstance(field, str) or not _PATH.fullmatch(field):
        return None
    parts = re.findall(_PART, field, re.DOTALL)
    return None if any(array for _, _, array in parts) else [q or plain for q, plain, _ in parts]


def value_at(metadata: Any, field: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a metadata field, None if there is none."""
    for name in names_of(field) or ():
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata


class _Field(NamedTuple):
    """A metadata field, or without a name the whole metadata."""

    name: str
    key: str

    def child(self, name: object) -> _Field:
        if not isinstance(name, str) or not _PATH.fullmatch(name):
            raise InvalidInputError(
                f"{name!r} is not a metadata field: expected a string of names joined by dots, "
                "such as 'author.name', 'tags[]' or 'parts[0].name'; put a name that has a dot "
                "in double quotes; a name cannot contain a double quote"
            )
        parts = re.findall(_PART, name, re.DOTALL)
        path = ".".join(_name(quoted or plain) + array for quoted, plain, array in parts)
        if self.key and not self.name and len(parts) > 1 and parts[0][1] == self.key:
            rest = name.removeprefix(f"{self.key}.")
            warn(
                f"{name!r} is a field {rest!r} inside a metadata field {self.key!r}: fields of the "
                f"metadata are named without the payload key, {rest!r}. If there is such a field, "
                f"""'"{self.key}".{rest}' names it without this warning"""
            )
        key = f"{self.key}.{path}" if self.key else path
        return _Field(f"{self.name}.{name}" if self.name else name, key)

    def __str__(self) -> str:
        return f"the metadata field {self.name!r}" if self.name else "the metadata"

    def refused(self, expected: str, found: object) -> InvalidInputError:
        return InvalidInputError(f"{expected}, got {found!r} for {self}")


def _metadata(key: str) -> _Field:
    """Return the field for the whole metadata."""
    return _Field("", _name(key) if key else "")


def _name(name: str) -> str:
    """Return one name in Qdrant's path grammar."""
    if '"' in name:
        raise InvalidInputError(f"a payload key cannot contain a double quote, got {name!r}")
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _condition(value: object, field: _Field) -> models.Condition:
    """Return the condition of a dict, a filter or a value on a field or the whole metadata."""
    if isinstance(value, Mapping):
        _check_keys(value, field)
        _check_names(value, field)
        return _all([*_ranges(value, field), *_conditions(value, field)])
    if field.name:
        return _equals(value, field)
    if isinstance(value, models.Filter):
        return value
    raise field.refused("a condition must be a dict or a qdrant_client.models.Filter", value)


def _check_keys(conditions: Mapping[Any, object], field: _Field) -> None:
    if not conditions:
        raise field.refused("a condition must name a field or an operator", conditions)
    operators = [key for key in conditions if isinstance(key, str) and key.startswith("$")]
    for key in operators:
        if key not in (*_OPERATORS, *_BOUNDS):
            known = [*_OPERATORS, *_BOUNDS]
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.7)
            raise InvalidInputError(
                f"unknown operator {key!r} for {field}"
                + (f"; did you mean {near[0]!r}?" if near else ".")
                + f" Known operators: {', '.join(known)}"
            )
        if not field.name and key not in _LOGICAL:
            raise InvalidInputError(
                f"the operator {key!r} needs a field: {{'year': {{{key!r}: ...}}}}"
            )
    if field.name and 0 < len(operators) < len(conditions):
        raise field.refused("operators and names of fields cannot be in one dict", list(conditions))


def _check_names(conditions: Mapping[Any, object], field: _Field) -> None:
    """Refuse an operator without its `$`, which would be read as a field and match nothing.

    A field that has such a name must be given in dotted form.
    """
    for key, value in conditions.items():
        known = {*_OPERATORS, *_BOUNDS} if field.name else {*_LOGICAL} if _is_nested(value) else {}
        if f"${key}" in known:
            dotted = f"{field.name}.{key}" if field.name else f'"{key}"'
            raise InvalidInputError(
                f"{key!r} for {field} lacks the '$' of an operator: write '${key}'; if it is the "
                f"name of a field, write {dotted!r}"
            )


def _is_nested(value: object) -> bool:
    each = value[0] if isinstance(value, list | tuple) and value else value
    return isinstance(each, Mapping)


def _conditions(conditions: Mapping[Any, object], field: _Field) -> list[models.Condition]:
    return [
        _OPERATORS[key](value, field) if key in _OPERATORS else _condition(value, field.child(key))
        for key, value in conditions.items()
        if key not in _BOUNDS
    ]


def _ranges(conditions: Mapping[Any, object], field: _Field) -> list[models.Condition]:
    """Return the bounds as one range, so that one element of an array must meet them all."""
    numbers: dict[str, float] = {}
    times: dict[str, datetime] = {}
    for key in (each for each in _BOUNDS if each in conditions):
        bound, name = _bound(conditions[key], field), key.removeprefix("$")
        if isinstance(bound, datetime):
            times[name] = bound
        else:
            low, high = _around(bound)
            numbers[name] = low if name in {"gte", "lt"} else high
    ranges: list[models.Range | models.DatetimeRange] = []
    if numbers:
        ranges.append(models.Range(**numbers))
    if times:
        ranges.append(models.DatetimeRange(**times))
    return [models.FieldCondition(key=field.key, range=each) for each in ranges]


def _bound(value: object, field: _Field) -> float | datetime:
    bound = _scalar(value, field)
    if isinstance(bound, str) and _DATE.match(bound):
        try:
            return _utc(_DATETIME.validate_python(bound))
        except ValueError:
            pass  # not a date, though it begins like one; refused below
    if isinstance(bound, bool | str | None):
        raise field.refused("a bound must be a number, a datetime, or a string in ISO 8601", value)
    return bound


def _all(conditions: list[models.Condition]) -> models.Condition:
    return conditions[0] if len(conditions) == 1 else models.Filter(must=conditions)


def _not(condition: models.Condition) -> models.Filter:
    return models.Filter(must_not=[condition])


def _each(value: object, field: _Field) -> list[models.Condition]:
    """Return the conditions that `$and` and `$or` combine."""
    if not isinstance(value, list | tuple) or not value:
        raise field.refused("$and and $or need a list with at least one condition", value)
    return [_condition(each, field) for each in value]


def _exists(value: object, field: _Field) -> models.Filter:
    if not isinstance(value, bool):
        raise field.refused("$exists needs True or False", value)
    # An absent field is only "empty"; a null is also "null".
    empty, null = _empty(field.key), _null(field.key)
    if value:
        return models.Filter(should=[_not(empty), null])
    return models.Filter(must=[empty], must_not=[null])


def _empty(key: str) -> models.IsEmptyCondition:
    return models.IsEmptyCondition(is_empty=models.PayloadField(key=key))


def _null(key: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, is_null=True)


def _in(value: object, field: _Field) -> models.Filter:
    if not isinstance(value, list | tuple | set | frozenset):
        raise field.refused("$in and $nin need a list", value)
    values = [_scalar(each, field) for each in value]
    many = sum(type(each) in (int, float) for each in values) > _MOST_RANGES
    strings = [each for each in values if type(each) is str]
    numbers = [each for each in values if type(each) is int] if many else []
    conditions: list[models.Condition] = [
        models.FieldCondition(key=field.key, match=models.MatchAny(any=group))
        for group in (strings, numbers)
        if group
    ]
    matched = (str, int) if many else (str,)
    conditions += [_matches(each, field.key) for each in values if type(each) not in matched]
    return models.Filter(should=conditions or [models.HasIdCondition(has_id=[])])


def _equals(value: object, field: _Field) -> models.Condition:
    if isinstance(value, list | tuple | set | frozenset):
        return _in(value, field)
    return _matches(_scalar(value, field), field.key)


def _matches(value: _Scalar, key: str) -> models.Condition:
    if value is None:
        return models.Filter(should=[_empty(key), _null(key)])  # absent, and null in an array
    if isinstance(value, datetime):
        moment = models.DatetimeRange(gte=value, lte=value)
        return models.FieldCondition(key=key, range=moment)
    if isinstance(value, bool | str) or (isinstance(value, int) and abs(value) > _LAST_EXACT_FLOAT):
        return models.FieldCondition(key=key, match=models.MatchValue(value=value))
    # A match of 2 does not find 2.0, and there is none for 2.5.
    low, high = _around(value)
    return models.FieldCondition(key=key, range=models.Range(gte=low, lte=high))


def _around(value: float) -> tuple[float, float]:
    """Return a range for equality: engines may round both the stored number and the bounds."""
    if isinstance(value, int) or is_read_exactly(value):
        return value, value
    spread = _LAST_PLACES * math.ulp(value)
    return max(value - spread, -sys.float_info.max), min(value + spread, sys.float_info.max)


def _scalar(value: object, field: _Field) -> _Scalar:
    """Return a value as a type that Qdrant matches; datetimes get a time zone."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if isinstance(value, str | UUID):
        return str(value)
    if isinstance(value, datetime):
        return _utc(value)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise field.refused("a whole number must fit into 64 bits", value)
    if isinstance(value, float) and not math.isfinite(value):
        raise field.refused("a number must be finite", value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise field.refused(
        "a value must be a string, number, bool, datetime, date, UUID, Enum or None", value
    )


def _utc(value: datetime) -> datetime:
    """Return a datetime with UTC as its time zone if it has none, as Qdrant assumes."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


_LOGICAL: dict[str, Callable[[object, _Field], models.Condition]] = {
    "$and": lambda value, field: _all(_each(value, field)),
    "$or": lambda value, field: models.Filter(should=_each(value, field)),
    "$not": lambda value, field: _not(_condition(value, field)),
}
_OPERATORS: dict[str, Callable[[object, _Field], models.Condition]] = {
    **_LOGICAL,
    "$eq": _equals,
    "$ne": lambda value, field: _not(_equals(value, field)),
    "$in": _in,
    "$nin": lambda value, field: _not(_in(value, field)),
    "$exists": _exists,
}
