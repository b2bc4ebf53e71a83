"""Formulas: the embedded engine gives the answers of Qdrant 1.19.

The expected values are what a server of that version answered; with QDRANT_URL they are compared
with a real one again.
"""

from __future__ import annotations

from datetime import date

import pytest
from qdrant_client import models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import InvalidInputError
from tests.integration_tests.engine_clients import (
    REFUSED,
    WAYS,
    collection_over,
    is_local_mode,
    outcome,
    product,
    rounded,
    total,
)

pytestmark = pytest.mark.qdrant("1.19", "the answers of this version are recorded")

DAY = 86400.0
# one point for each kind of value that a formula can meet
VALUES = [
    2,
    2.5,
    "2",
    True,
    None,
    [3],
    [3, 4],
    [],
    "2024-01-01",
    "2024-01-01T02:00:00+02:00",
    "2999-01-01T00:00:00",
    ["2024-01-02T00:00:00Z"],
    {"lon": 13.0, "lat": 52.0},
    {"lon": 200.0, "lat": 52.0},
    {"y": 5, "a b": 7},
    [{"y": 5}, {"y": 6}],
    2**53 + 1,
]


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def client(way, tmp_path_factory):
    points = [
        models.PointStruct(
            id=number,
            vector={"near": [number / 8, 1.0], "far": [number / 4, 0.0]},
            payload={} if value is None else {"x": value, "tag": "ab"[number % 2]},
        )
        for number, value in enumerate(VALUES)
    ]
    with collection_over(way, tmp_path_factory.mktemp("answers"), "values", points) as client:
        yield client


def less(term):
    return models.NegExpression(neg=term)


def over(left, right, default=None):
    params = models.DivParams(left=left, right=right, by_zero_default=default)
    return models.DivExpression(div=params)


def power(base, exponent):
    return models.PowExpression(pow=models.PowParams(base=base, exponent=exponent))


def stored_day(key="x"):
    """Days since the first of 2024."""
    seconds = models.DatetimeKeyExpression(datetime_key=key)
    return product(total(seconds, less(day("2024-01-01"))), 1 / DAY)


def day(text):
    return models.DatetimeExpression(datetime=text)


def km(key="x"):
    origin = models.GeoPoint(lon=13.0, lat=53.0)
    params = models.GeoDistanceParams(origin=origin, to=key)
    return product(models.GeoDistance(geo_distance=params), 0.001)


def decay(kind, x="$score", **params):
    made = models.DecayParamsExpression(x=x, **params)
    return {
        "lin": lambda: models.LinDecayExpression(lin_decay=made),
        "exp": lambda: models.ExpDecayExpression(exp_decay=made),
        "gauss": lambda: models.GaussDecayExpression(gauss_decay=made),
    }[kind]()


def a_field(**condition):
    return models.FieldCondition(key="tag", **condition)


IN_A = a_field(match=models.MatchValue(value="a"))

# what: the points, the formula and its defaults, and the scores that Qdrant 1.19 gives
FORMULAS = {
    "a number": ([0, 1], total("x", 1), {}, [(1, 3.5), (0, 3.0)]),
    "a number in a list of one": ([5], total("x"), {}, [(5, 3.0)]),
    "a list of numbers": ([6], total("x"), {}, REFUSED),
    "the first of a list": ([6], total("x[0]"), {}, [(6, 3.0)]),
    "an empty list": ([7], total("x"), {}, REFUSED),
    "an empty list with a default": ([7], total("x"), {"x": 9}, [(7, 9.0)]),
    "text": ([2], total("x"), {}, REFUSED),
    "text with a default": ([2], total("x"), {"x": 9}, REFUSED),
    "a bool": ([3], total("x"), {}, REFUSED),
    "a field that is missing": ([4], total("x"), {}, REFUSED),
    "a field that is missing, with a default": ([0, 4], total("x"), {"x": 9}, [(4, 9.0), (0, 2.0)]),
    "a nested field": ([14], total("x.y", 'x."a b"'), {}, [(14, 12.0)]),
    "a field of all objects of a list": ([15], total("x[].y"), {}, REFUSED),
    "a field of the second object of a list": ([15], total("x[1].y"), {}, [(15, 6.0)]),
    "a default of the wrong type": ([4], total("x"), {"x": "9"}, REFUSED),
    "a default for a missing score": ([0], total("$score[2]"), {"$score[2]": 7}, [(0, 7.0)]),
    "a missing score": ([0], total("$score[2]", 1), {}, [(0, 1.0)]),
    "two scores": ([0, 1], total("$score", product(10, "$score[1]")), {}, [(0, 11.0), (1, 8.625)]),
    "a score that has no place": ([0], total("$score[]"), {}, REFUSED),
    "a reserved word": ([0], total("$other"), {}, REFUSED),
    "a path that is none": ([0], total("a["), {"a[": 1}, REFUSED),
    "a day": ([8], stored_day(), {}, [(8, 0.0)]),
    "a time with a zone": ([9], stored_day(), {}, [(9, 0.0)]),
    "a time in the future": ([10], stored_day(), {}, [(10, 356112.0)]),
    "a time in a list of one": ([11], stored_day(), {}, [(11, 1.0)]),
    "a number as a time": ([0], stored_day(), {}, REFUSED),
    "a default for a time": ([4, 9], stored_day(), {"x": "2024-01-03"}, [(4, 2.0), (9, 0.0)]),
    "a date as a default for a time": ([4], stored_day(), {"x": date(2024, 1, 3)}, [(4, 2.0)]),
    "a constant that is no time": ([4], product(day("soon")), {}, REFUSED),
    "a place": ([12], km(), {}, [(12, 111.1951)]),
    "a place that is none": ([13], km(), {}, REFUSED),
    "a default for a place": ([4], km(), {"x": {"lon": 13.0, "lat": 50.0}}, [(4, 333.5853)]),
    "a GeoPoint for a place": (
        [4],
        km(),
        {"x": models.GeoPoint(lon=13.0, lat=50.0)},
        [(4, 333.5853)],
    ),
    "a condition": (
        [0, 1, 4],
        total(product(2, IN_A), "$score"),
        {},
        [(0, 3.0), (4, 1.5), (1, 1.125)],
    ),
    "a condition alone": ([0, 1], IN_A, {}, [(0, 1.0), (1, 0.0)]),
    "a filter": ([0, 1], total(models.Filter(must_not=[IN_A])), {}, [(1, 1.0), (0, 0.0)]),
    "points by id": ([0, 1], total(models.HasIdCondition(has_id=[1])), {}, [(1, 1.0), (0, 0.0)]),
    "a missing field": ([0, 4], total(a_field(is_empty=True)), {}, [(4, 1.0), (0, 0.0)]),
    "a condition that asks nothing": ([0], total(a_field()), {}, REFUSED),
    "no terms": ([0], total(), {}, [(0, 0.0)]),
    "no factors": ([0], product(), {}, [(0, 1.0)]),
    "zero times a missing field": ([4], product(0, "x"), {}, [(4, 0.0)]),
    "a missing field times zero": ([4], product("x", 0), {}, REFUSED),
    "a division": ([0], over(1, "x"), {}, [(0, 0.5)]),
    "a division by zero": ([0], over(1, 0), {}, REFUSED),
    "a division by zero with a default": ([0], over(1, 0, 5.5), {}, [(0, 5.5)]),
    "zero divided by zero": ([0], over(0, 0), {}, [(0, 0.0)]),
    "a root": ([0], models.SqrtExpression(sqrt="x"), {}, [(0, 1.4142)]),
    "a root of a negative": ([0], models.SqrtExpression(sqrt=-1), {}, REFUSED),
    "a power": ([0], power(3, "x"), {}, [(0, 9.0)]),
    "a power that has no value": ([0], power(-2, 0.5), {}, REFUSED),
    "exp": ([0], models.ExpExpression(exp="x"), {}, [(0, 7.3891)]),
    "exp beyond a float": ([0], models.ExpExpression(exp=89), {}, REFUSED),
    "ln": ([0], models.LnExpression(ln="x"), {}, [(0, 0.6931)]),
    "ln of zero": ([0], models.LnExpression(ln=0), {}, REFUSED),
    "log10": ([0], models.Log10Expression(log10="x"), {}, [(0, 0.301)]),
    "the absolute value": ([0], models.AbsExpression(abs=less("x")), {}, [(0, 2.0)]),
    "a constant is rounded to 32 bits": ([16], total("x", -(2**53 + 1)), {}, [(16, 0.0)]),
    "lin decay": ([0, 1, 16], decay("lin"), {}, [(0, 0.5), (1, 0.4375), (16, 0.0)]),
    "exp decay": ([0, 1, 16], decay("exp"), {}, [(0, 0.5), (1, 0.4585), (16, 0.125)]),
    "gauss decay": ([0, 1, 16], decay("gauss"), {}, [(0, 0.5), (1, 0.4159), (16, 0.002)]),
    "lin decay to a target": (
        [0, 1, 16],
        decay("lin", target=1.0, scale=2.0, midpoint=0.25),
        {},
        [(0, 1.0), (1, 0.9531), (16, 0.25)],
    ),
    "exp decay to a target": (
        [0, 1, 16],
        decay("exp", target="$score[1]", scale=2.0, midpoint=0.25),
        {},
        [(0, 1.0), (16, 1.0), (1, 0.7711)],
    ),
    "gauss decay to a target": (
        [0, 1, 16],
        decay("gauss", target=1.0, scale=2.0, midpoint=0.25),
        {},
        [(0, 1.0), (1, 0.9946), (16, 0.25)],
    ),
    "a half-life": (
        [8, 9, 10],
        decay(
            "exp",
            models.DatetimeKeyExpression(datetime_key="x"),
            target=day("2024-01-31"),
            scale=30 * DAY,
        ),
        {},
        [(8, 0.5), (9, 0.5), (10, 0.0)],
    ),
    "exp decay to a midpoint of 0": ([0], decay("exp", midpoint=0), {}, REFUSED),
    "lin decay to a midpoint of 0": ([1], decay("lin", midpoint=0), {}, [(1, 0.0)]),
    "a decay without scale": ([0], decay("gauss", scale=0), {}, REFUSED),
}

# what local mode, which also answers for the tests' own server, computes otherwise
LOCALLY_DIFFERENT = {
    "a date as a default for a time",
    "a place that is none",
    "a default for a place",
    "a GeoPoint for a place",
    "a condition that asks nothing",
}


def scores_of(client, ids, formula, defaults):
    only = models.Filter(must=[models.HasIdCondition(has_id=ids)])
    return rounded(
        client.query_points(
            "values",
            models.FormulaQuery(formula=formula, defaults=defaults),
            prefetch=[
                models.Prefetch(query=[1.0, 1.0], using="near", filter=only),
                models.Prefetch(query=[1.0, 0.0], using="far", filter=only),
            ],
        ).points
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_gives_the_scores_of_a_server(client, way, name):
    if name in LOCALLY_DIFFERENT and is_local_mode(way):
        pytest.skip("local mode gives a different answer")
    ids, formula, defaults, expected = FORMULAS[name]
    assert outcome(lambda: scores_of(client, ids, formula, defaults)) == expected


@pytest.mark.parametrize("value", ["1", True, None, [1.0]])
def test_a_default_for_a_score_must_be_a_number(tmp_path, value):
    """A server refuses it over REST, and ignores it over gRPC."""
    edge = EdgeClient(tmp_path)
    edge.create_collection("none", models.VectorParams(size=2, distance=models.Distance.DOT))
    with pytest.raises(InvalidInputError, match=r"default of '\$score\[1\]' must be a number"):
        edge.query_points(
            "none",
            models.FormulaQuery(formula="$score[1]", defaults={"$score[1]": value}),
            prefetch=models.Prefetch(query=[1.0, 0.0]),
        )
    edge.close()


@pytest.mark.parametrize("clause", ["must", "must_not"])
def test_a_filter_with_a_condition_that_asks_nothing_is_refused(tmp_path, clause):
    """With `must_not`, a deletion by it would delete all points."""
    edge = EdgeClient(tmp_path)
    edge.create_collection("kept", models.VectorParams(size=2, distance=models.Distance.DOT))
    edge.upsert("kept", [models.PointStruct(id=1, vector=[1.0, 0.0])])
    nothing = models.Filter(**{clause: [models.FieldCondition(key="tag")]})
    with pytest.raises(InvalidInputError, match="must have a condition"):
        edge.delete("kept", nothing)
    assert edge.count("kept").count == 1
    edge.close()


def test_a_formula_reads_an_indexed_field_from_its_index(client, way):
    """A value of another type counts as missing there."""
    if is_local_mode(way):
        pytest.skip("local mode has no indexes")
    as_nine = {"x": 9}
    assert outcome(lambda: scores_of(client, [1, 2], total("x"), as_nine)) == REFUSED
    client.create_payload_index("values", "x", "float", wait=True)
    try:
        assert scores_of(client, [1, 2], total("x"), as_nine) == [(2, 9.0), (1, 2.5)]
        assert outcome(lambda: scores_of(client, [9], stored_day(), {})) == REFUSED
    finally:
        client.delete_payload_index("values", "x")
