"""Score factors are values, which are checked when they are made."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores import boost, newer_first

DAY = timedelta(days=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
AHEAD = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("date", 0), {}, "half_life must be a number"),
        (("date", -DAY), {}, "half_life must be a number"),
        (("date", float("nan")), {}, "half_life must be a number"),
        (("date", "90d"), {}, "half_life must be a number"),
        (("", DAY), {}, "not a metadata field"),
        ((None, DAY), {}, "not a metadata field"),
        (("date", DAY), {"weight": 1.5}, "weight must be a number in 0..1"),
        (("date", DAY), {"undated": -1}, "undated must be a number in 0..1"),
        (("date", DAY), {"now": date(2026, 1, 1)}, "now must be a datetime"),
        (("date", DAY), {"now": datetime.min.replace(tzinfo=AHEAD)}, "now must be in the years"),
    ],
)
def test_newer_first_refuses_what_no_search_could_use(arguments, options, message):
    with pytest.raises(InvalidInputError, match=message):
        newer_first(*arguments, **options)


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan"), True, "2", 1e9])
def test_boost_refuses_a_factor_out_of_range(factor):
    with pytest.raises(InvalidInputError, match="factor must be a number"):
        boost({"a": 1}, factor)


@pytest.mark.parametrize("filter", [None, {}, {"a": {"$gtee": 1}}, "a"])
def test_boost_refuses_a_filter_that_is_empty_or_not_valid(filter):
    with pytest.raises(InvalidInputError):
        boost(filter, 2.0)


def test_factors_are_values():
    condition = {"source": ["a.pdf"]}
    for one in (boost(condition, 2.0), newer_first("date", DAY, now=NOW)):
        assert copy.deepcopy(one) == one
        assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own
        with pytest.raises(AttributeError):
            one.key = "other"
    up = boost(condition, 2.0)
    condition["source"].append("b.pdf")
    assert up == boost({"source": ["a.pdf"]}, 2.0)


def test_a_factor_is_part_of_a_formula_written_by_hand():
    formula = models.MultExpression(
        mult=["$score", boost({"a": 1}, 2.0).expression("metadata"), 0.5]
    )
    assert "metadata.a" in models.FormulaQuery(formula=formula).model_dump_json()
