from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import grpc, models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores.filters import metadata_field, to_filter

OPERATORS = [
    *("$and", "$or", "$not", "$eq", "$ne", "$in", "$nin", "$exists"),
    *("$gt", "$gte", "$lt", "$lte"),
]


class Colour(Enum):
    RED = "red"


def condition(filter):
    """Return the one condition that a filter becomes."""
    translated = to_filter(filter, "metadata")
    assert translated.model_fields_set == {"must"}
    [only] = translated.must
    return only


def match(value):
    return models.FieldCondition(key="metadata.a", match=models.MatchValue(value=value))


def between(low, high):
    return models.FieldCondition(key="metadata.a", range=models.Range(gte=low, lte=high))


def moment(value):
    return models.FieldCondition(key="metadata.a", range=models.DatetimeRange(gte=value, lte=value))


def test_a_dict_becomes_a_filter_over_the_metadata_key():
    assert to_filter({"source": "a.pdf"}, "meta") == models.Filter(
        must=[models.FieldCondition(key="meta.source", match=models.MatchValue(value="a.pdf"))]
    )


@pytest.mark.parametrize("filter", [models.Filter(), grpc.Filter()])
def test_what_a_client_takes_is_taken(filter):
    assert to_filter(filter, "metadata") == models.Filter()


def test_no_filter_is_none():
    assert to_filter(None, "metadata") is None


def test_a_filter_of_grpc_is_checked_as_any_other():
    condition = grpc.FieldCondition(key="n", range=grpc.Range(gt=1.0))
    given = grpc.Filter(must=[grpc.Condition(field=condition)])
    [found] = to_filter(given, "metadata").must
    assert (found.key, found.range.gt) == ("n", 1.0)
    given.must[0].field.range.gt = float("inf")
    with pytest.raises(InvalidInputError, match="gt must be a finite number, got inf"):
        to_filter(given, "metadata")


def test_an_empty_dict_is_no_condition():
    assert to_filter({}, "metadata") is None


@pytest.mark.parametrize("filter", ["source", ["a"], 1, models.HasIdCondition(has_id=[1])])
def test_other_types_are_refused_with_both_forms(filter):
    with pytest.raises(InvalidInputError, match=r"dict such as \{.*qdrant_client.models.Filter"):
        to_filter(filter, "metadata")


MORNING = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
MIDNIGHT = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", match("x")),
        ("2024-01-02", match("2024-01-02")),
        (np.str_("x"), match("x")),
        (Colour.RED, match("red")),
        (UUID(int=1), match("00000000-0000-0000-0000-000000000001")),
        (True, match(True)),
        (np.bool_(False), match(False)),
        (2, between(2, 2)),
        (2.5, between(2.5, 2.5)),
        (-1e-7, between(-1e-7, -1e-7)),
        (2**52, between(2**52, 2**52)),
        (2**52 + 1, match(2**52 + 1)),
        (-(2**53), match(-(2**53))),
        (np.int64(2), between(2, 2)),
        (np.float32(2.5), between(2.5, 2.5)),
        (2**53 + 1, match(2**53 + 1)),
        (MORNING, moment(MORNING)),
        (MORNING.replace(tzinfo=None), moment(MORNING)),
        (date(2024, 1, 2), moment(MIDNIGHT)),
    ],
    ids=repr,
)
def test_a_value_becomes_the_condition_of_its_type(value, expected):
    for form in (value, {"$eq": value}):
        translated = condition({"a": form})
        assert translated == expected
        assert repr(translated) == repr(expected)  # True == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, 2),
        (2.5, 2.5),
        (MORNING, MORNING),
        (MORNING.replace(tzinfo=None), MORNING),
        (date(2024, 1, 2), MIDNIGHT),
        ("2024-01-02", MIDNIGHT),
        ("2024-01-02T03:04:05Z", MORNING),
        ("2024-01-02 03:04:05", MORNING),
        ("2024-01-02T05:04:05+02:00", MORNING),
        ("2024-01-02T03:04:05.000001", MORNING + timedelta(microseconds=1)),
    ],
    ids=repr,
)
def test_a_bound_is_a_number_or_a_datetime(value, expected):
    kind = models.DatetimeRange if isinstance(expected, datetime) else models.Range
    assert condition({"a": {"$gt": value}}).range == kind(gt=expected)


def test_bounds_of_one_field_become_one_range():
    assert condition({"a": {"$gte": 1, "$lt": 5}}).range == models.Range(gte=1, lt=5)
    span = condition({"a": {"$gt": "2024-01-02", "$lte": MORNING}}).range
    assert span == models.DatetimeRange(gt=MIDNIGHT, lte=MORNING)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"$gt": 1, "$gte": 1}, {"gt": 1}),
        ({"$gt": 1, "$gte": 2}, {"gte": 2}),
        ({"$lt": 1, "$lte": 1}, {"lt": 1}),
        ({"$lt": 2, "$lte": 1}, {"lte": 1}),
    ],
)
def test_of_two_bounds_on_one_side_the_tighter_counts(bounds, expected):
    assert condition({"a": bounds}).range == models.Range(**expected)


@pytest.mark.parametrize("value", [0.5, 1732693200.123457, 1e-8, 1.23456789e-12, 1e22, -3.75])
def test_a_float_that_engines_read_exactly_finds_itself_alone(value):
    assert condition({"a": value}).range == models.Range(gte=value, lte=value)
    assert condition({"a": {"$gt": value}}).range == models.Range(gt=value)


@pytest.mark.parametrize(
    "value", [0.1 + 0.2, 1732693200.1234567, -2.2864980512635398e27, 1e23, 9007199254740991.0]
)
def test_a_float_that_engines_may_round_finds_those_that_it_may_become(value):
    equal = condition({"a": value}).range
    assert [equal.gte, equal.lte] == [value - 8 * math.ulp(value), value + 8 * math.ulp(value)]
    assert condition({"a": {"$gte": value, "$lte": value}}).range == equal
    assert condition({"a": {"$gt": value}}).range == models.Range(gt=equal.lte)
    assert condition({"a": {"$lt": value}}).range == models.Range(lt=equal.gte)


def test_the_largest_float_stays_finite():
    largest = sys.float_info.max
    assert condition({"a": largest}).range.lte == largest
    assert condition({"a": -largest}).range.gte == -largest


def test_a_long_list_of_whole_numbers_is_one_match():
    numbers = list(range(1000))
    [only] = to_filter({"a": {"$in": numbers}}, "metadata").should
    assert only.match == models.MatchAny(any=numbers)


def test_several_keys_are_all_required():
    translated = to_filter({"a": "x", "b": "y", "$or": [{"c": "z"}, {"d": "z"}]}, "metadata")
    assert [type(each).__name__ for each in translated.must] == [*["FieldCondition"] * 2, "Filter"]


def test_qdrants_own_filter_stands_among_conditions():
    own = models.Filter(must=[models.HasIdCondition(has_id=[1])])
    assert to_filter({"$and": [{"a": "x"}, own]}, "metadata").must == [match("x"), own]


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("source", "m.source"),
        ("author.name", "m.author.name"),
        ("n-m_1", "m.n-m_1"),
        ("tags[]", "m.tags[]"),
        ("parts[0].name", "m.parts[0].name"),
        ("a[][1].b", "m.a[][1].b"),
        ("page label", 'm."page label"'),
        ("page label[].grün", 'm."page label"[]."grün"'),
        ('"v1.2".name', 'm."v1.2".name'),
        ('"plain"', "m.plain"),
        ('"a[0]"[1]', 'm."a[0]"[1]'),
        ('""', 'm.""'),
        ('"$in"', 'm."$in"'),
        ("a[b]", 'm."a[b]"'),
    ],
)
def test_a_metadata_field_is_a_path_with_odd_names_quoted(field, key):
    assert metadata_field(field, "m") == key


def test_the_metadata_key_is_one_name():
    assert metadata_field("a", "my.meta data") == '"my.meta data".a'


@pytest.mark.parametrize("field", ["", ".", "a.", ".a", "a..b", 'a"b', '"a', 'a."b', 3, None])
def test_what_is_no_path_is_refused(field):
    with pytest.raises(InvalidInputError, match="not a metadata field"):
        metadata_field(field, "metadata")
    with pytest.raises(InvalidInputError, match="not a metadata field"):
        to_filter({field: 1}, "metadata")


def test_a_metadata_key_that_no_path_can_name_is_refused():
    with pytest.raises(InvalidInputError, match="double quote"):
        metadata_field("a", 'my"key')


@pytest.mark.parametrize("filter", [{"year": {"$gtt": 1}}, {"$orr": []}, {"year": {"$": 1}}])
def test_an_unknown_operator_is_refused_with_the_known_ones(filter):
    with pytest.raises(InvalidInputError, match="unknown operator") as refused:
        to_filter(filter, "metadata")
    assert all(name in str(refused.value) for name in OPERATORS)


def test_an_unknown_operator_is_refused_with_its_field_and_the_nearest_name():
    with pytest.raises(InvalidInputError, match=r"'\$ninn' for .*'a\.year'; did you mean '\$nin'"):
        to_filter({"a": {"year": {"$ninn": [1]}}}, "metadata")


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        ({"$gt": 5}, r"'\$gt' needs a field"),
        ({"$and": []}, "at least one"),
        ({"$or": []}, "at least one"),
        ({"$or": {"a": 1}}, "at least one"),
        ({"$and": ["a"]}, "must be a dict"),
        ({"$not": 1}, "must be a dict"),
        ({"$not": {}}, "must name a field or an operator"),
        ({"$and": [{}]}, "must name a field or an operator"),
        ({"a": {}}, "must name a field or an operator"),
        ({"a": {"$gt": 1, "b": 2}}, "cannot be in one dict"),
        ({"a": {"$in": "xy"}}, "need a list"),
        ({"a": {"$nin": None}}, "need a list"),
        ({"a": {"$exists": 1}}, "True or False"),
        ({"a": {"$gt": "abc"}}, "a bound must be"),
        ({"a": {"$gt": "5"}}, "a bound must be"),
        ({"a": {"$gt": "2024-13-01"}}, "a bound must be"),
        ({"a": {"$gt": True}}, "a bound must be"),
        ({"a": {"$gt": None}}, "a bound must be"),
        ({"a": {"$gt": [1]}}, "a value must be"),
        ({"a": [[1]]}, "a value must be"),
        ({"a": [{"b": 1}]}, "a value must be"),
        ({"a": {"$eq": {"b": 1}}}, "a value must be"),
        ({"a": b"x"}, "a value must be"),
        ({"a": models.Filter()}, "a value must be"),
        ({"a": float("nan")}, "finite"),
        ({"a": [np.float64("inf")]}, "finite"),
        ({"a": {"$lt": float("inf")}}, "finite"),
        ({"a": 2**63}, "64 bits"),
    ],
    ids=str,
)
def test_a_condition_without_a_meaning_is_refused(filter, message):
    with pytest.raises(InvalidInputError, match=message):
        to_filter(filter, "metadata")
