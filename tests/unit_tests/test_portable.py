from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from qdrant_client import models

from langchain_gemini_qdrant._portable import portable, portable_condition, portable_index

A = models.FieldCondition(key="a", match=models.MatchValue(value=1))
B = models.FieldCondition(key="b", is_empty=True)
NULL = models.IsNullCondition(is_null=models.PayloadField(key="n"))
FIELD_IS_NULL = models.FieldCondition(key="n", is_null=True)


def between(**bounds):
    return models.FieldCondition(key="a", range=models.Range(**bounds))


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"gt": 1, "gte": 1}, {"gt": 1}),
        ({"gt": 1, "gte": 2, "lt": 9}, {"gte": 2, "lt": 9}),
        ({"gt": 2, "gte": 1, "lte": 9}, {"gt": 2, "lte": 9}),
        ({"gte": 1, "lt": 9, "lte": 8}, {"gte": 1, "lte": 8}),
        ({"lt": 8, "lte": 8}, {"lt": 8}),
        ({"lt": 7, "lte": 8}, {"lt": 7}),
    ],
)
def test_a_range_keeps_the_narrower_bound_of_each_side(bounds, kept):
    assert portable_condition(between(**bounds)) == between(**kept)


def test_times_beyond_the_calendar_in_utc_are_its_ends():
    west, east = timezone(timedelta(hours=-5)), timezone(timedelta(hours=5))
    last, first = datetime.max.replace(tzinfo=west), datetime.min.replace(tzinfo=east)
    given = models.FieldCondition(key="a", range=models.DatetimeRange(lte=last, gte=first))
    bounds = portable_condition(given).range
    assert bounds.lte == datetime.max.replace(tzinfo=UTC)
    assert bounds.gte == datetime.min.replace(tzinfo=UTC)


def test_times_are_compared_in_utc():
    east = datetime(2024, 1, 1, 3, tzinfo=timezone(timedelta(hours=5)))
    naive = datetime(2024, 1, 1)  # noqa: DTZ001 - without a zone it is in UTC
    for midnight in (naive, date(2024, 1, 1)):
        bounds = models.DatetimeRange(gt=east, gte=midnight)
        found = portable_condition(models.FieldCondition(key="a", range=bounds)).range
        assert found == models.DatetimeRange(gte=datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (models.Filter(), models.Filter()),
        (models.Filter(must=A), models.Filter(must=[A])),
        (models.Filter(must=[A], must_not=[]), models.Filter(must=[A])),
        (models.Filter(must_not=[A, B]), models.Filter(must_not=[A, B])),
        (
            models.Filter(must=[A], must_not=[A]),
            models.Filter(must=[A, models.Filter(must_not=[A])]),
        ),
        (
            models.Filter(should=[A, B], must_not=A),
            models.Filter(should=[A, B], must=[models.Filter(must_not=[A])]),
        ),
        (models.Filter(must=[NULL]), models.Filter(must=[FIELD_IS_NULL])),
        (
            models.Filter(should=[models.Filter(must=[A], must_not=[NULL])]),
            models.Filter(should=[models.Filter(must=[A], must_not=[FIELD_IS_NULL])]),
        ),
    ],
)
def test_a_filter_of_several_clauses_is_read_alike_over_an_index_and_without(given, expected):
    assert portable(given) == expected
    assert portable(expected) == expected


@pytest.mark.parametrize(("count", "kept"), [(2, [A, FIELD_IS_NULL]), (3, None)])
def test_more_conditions_than_there_are_are_never_met(count, kept):
    given = models.MinShould(conditions=[A, NULL], min_count=count)
    expected = models.MinShould(conditions=kept, min_count=count) if kept else NEVER
    assert portable(models.Filter(min_should=given)) == models.Filter(
        must=[models.Filter(min_should=expected)]
    )


NEVER = models.MinShould(conditions=[models.HasIdCondition(has_id=[])], min_count=1)


def test_conditions_on_objects_of_a_list_are_read_alike():
    def nested(condition):
        inner = models.Nested(key="parts", filter=models.Filter(must=[condition]))
        return models.NestedCondition(nested=inner)

    assert portable_condition(nested(NULL)) == nested(FIELD_IS_NULL)


def test_a_text_index_finds_phrases_unless_told_not_to():
    text = models.TextIndexParams(type="text", lowercase=False)
    found = models.TextIndexParams(type="text", lowercase=False, phrase_matching=True)
    assert portable_index(text) == found
    plain = models.TextIndexParams(type="text", phrase_matching=False)
    keyword = models.KeywordIndexParams(type="keyword")
    assert [portable_index(plain), portable_index(keyword)] == [plain, keyword]
