"""Generated calls: the embedded engine answers them as qdrant-client's in-memory mode does."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant.edge import EdgeClient
from tests.integration_tests.qdrant_server_groups import groups_of_server

COUNT = 40
ALL = 2 * COUNT
SIZES = {"dense": 6, "euclid": 4, "multi": 3}
WORDS = ["red", "green", "blue", "Straße", "fox", "42", "a"]
KEYS = ["ant", "bee", "cat", "dog", "eel"]
START = datetime(2024, 1, 1, tzinfo=UTC)


def cases(number: int):
    """At most so many cases; `--hypothesis-profile=full` makes them all."""
    return settings(max_examples=min(number, settings.default.max_examples))


# --- the points


def point_id(number: int) -> int | str:
    return number if number % 3 else str(UUID(int=number))


def gauss(rng: random.Random, size: int) -> list[float]:
    return np.float32([rng.gauss(0, 1) for _ in range(size)]).tolist()


def sparse(rng: random.Random) -> models.SparseVector:
    size = rng.randint(1, 6)
    values = np.float32([rng.uniform(0.1, 2) for _ in range(size)]).tolist()
    return models.SparseVector(indices=rng.sample(range(20), size), values=values)


def vectors(rng: random.Random) -> dict[str, object]:
    return {
        "dense": gauss(rng, SIZES["dense"]),
        "euclid": gauss(rng, SIZES["euclid"]),
        "multi": [gauss(rng, SIZES["multi"]) for _ in range(rng.randint(1, 3))],
        "sparse": sparse(rng),
    }


def payload(rng: random.Random) -> dict[str, object]:
    """Fields of one type each, and `x` of any type; each is missing now and then."""
    fields = {
        "n": lambda: rng.choice([rng.randint(-5, 5), [rng.randint(-5, 5), rng.randint(-5, 5)]]),
        "f": lambda: rng.randint(-20, 20) / 4,
        "k": lambda: rng.choice([rng.choice(KEYS), rng.sample(KEYS, 2), []]),
        "b": lambda: rng.random() < 0.5,
        "t": lambda: rng.choice([" ", ", "]).join(rng.choices(WORDS, k=rng.randint(1, 6))),
        "d": lambda: f"2024-01-0{rng.randint(1, 5)}T{rng.randint(0, 23):02}:00:00+00:00",
        "g": lambda: {"lon": rng.randint(-72, 72) / 8, "lat": rng.randint(-72, 72) / 8},
        "o": lambda: [
            {"a": rng.randint(0, 3), "k": rng.choice(KEYS)} for _ in range(rng.randint(0, 3))
        ],
        "p": lambda: {"q": {"r": rng.randint(0, 3)}},
        "x": lambda: rng.choice(
            [1, 1.5, True, False, None, "ant", "1", [], [None], [1, "ant"], {"r": 1}, [[1]], ""]
        ),
    }
    return {name: make() for name, make in fields.items() if rng.random() < 0.8}


def points() -> list[models.PointStruct]:
    rng = random.Random(20)
    found = []
    for number in range(COUNT):
        given_vectors = vectors(rng)
        if number % 7 == 0:
            del given_vectors[["dense", "euclid", "multi", "sparse"][number // 7 % 4]]
        found.append(
            models.PointStruct(id=point_id(number), vector=given_vectors, payload=payload(rng))
        )
    return found


def create(client: QdrantClient, name: str) -> None:
    dot = models.Distance.DOT
    client.create_collection(
        name,
        {
            "dense": models.VectorParams(size=SIZES["dense"], distance=models.Distance.COSINE),
            "euclid": models.VectorParams(size=SIZES["euclid"], distance=models.Distance.EUCLID),
            "multi": models.VectorParams(
                size=SIZES["multi"],
                distance=dot,
                multivector_config=models.MultiVectorConfig(comparator="max_sim"),
            ),
        },
        {"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    )


INDEXES = {
    "n": "integer",
    "f": "float",
    "k": "keyword",
    "b": "bool",
    "t": "text",
    "d": "datetime",
    "g": "geo",
    "p.q.r": "integer",
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    edge, memory = EdgeClient(tmp_path_factory.mktemp("edge")), QdrantClient(":memory:")
    for client, name in ((edge, "plain"), (edge, "indexed"), (memory, "plain")):
        create(client, name)
        client.upsert(name, points())
    for client in (edge, memory):
        create(client, "updated")
    for field, schema in INDEXES.items():
        edge.create_payload_index("indexed", field, schema)
    yield edge, memory
    edge.close()
    memory.close()


# --- filters

number = st.integers(-6, 6)
quarter = st.integers(-24, 24).map(lambda n: n / 4)
key = st.sampled_from([*KEYS, "1", ""])
text = st.lists(st.sampled_from([*WORDS, "RED", "gre"]), min_size=1, max_size=3).map(" ".join)
moment = st.integers(-5, 105).map(lambda hours: START + timedelta(hours=hours))
a_point = st.builds(models.GeoPoint, lon=st.floats(-9, 9), lat=st.floats(-9, 9))
existing_id = st.integers(0, COUNT - 1).map(point_id)
any_id = st.integers(0, COUNT + 5).map(point_id)


def bounds(model, value):
    limits = st.none() | value
    return st.builds(model, gt=limits, gte=limits, lt=limits, lte=limits)


def one_field(name, **clause):
    return st.builds(models.FieldCondition, key=st.just(name), **clause)


def box(corner: models.GeoPoint, other: models.GeoPoint) -> models.GeoBoundingBox:
    west, east = sorted([corner.lon, other.lon])
    south, north = sorted([corner.lat, other.lat])
    return models.GeoBoundingBox(
        top_left=models.GeoPoint(lon=west, lat=north),
        bottom_right=models.GeoPoint(lon=east, lat=south),
    )


def triangle(corners: list[models.GeoPoint]) -> models.GeoPolygon:
    return models.GeoPolygon(exterior=models.GeoLineString(points=[*corners, corners[0]]))


def matches(value, *, several=True):
    simple = st.builds(models.MatchValue, value=value)
    if not several:
        return simple
    values = st.lists(value, max_size=3)
    return (
        simple
        | st.builds(models.MatchAny, any=values)
        | values.map(lambda v: models.MatchExcept(**{"except": v}))
    )


FIELDS = ["n", "f", "k", "b", "t", "d", "g", "o", "p", "x", "o[].a", "p.q.r", "p.q", "missing"]
paths = st.sampled_from(FIELDS)
field_conditions = st.one_of(
    one_field("n", match=matches(number)),
    one_field("n", range=bounds(models.Range, quarter)),
    one_field("f", range=bounds(models.Range, quarter)),
    one_field("k", match=matches(key)),
    one_field("k", match=st.builds(models.MatchPrefix, prefix=st.sampled_from(["", "a", "be"]))),
    one_field(
        "k", match=st.builds(models.MatchSubstring, substring=st.sampled_from(["", "e", "o"]))
    ),
    one_field("b", match=matches(st.booleans(), several=False)),
    one_field("t", match=st.builds(models.MatchText, text=text)),
    one_field("t", match=st.builds(models.MatchTextAny, text_any=text)),
    one_field("t", match=st.builds(models.MatchPhrase, phrase=text)),
    one_field("d", range=bounds(models.DatetimeRange, moment)),
    one_field(
        "d", range=bounds(models.DatetimeRange, moment.map(lambda m: m.replace(tzinfo=None)))
    ),
    one_field("g", geo_bounding_box=st.builds(box, a_point, a_point)),
    one_field(
        "g", geo_radius=st.builds(models.GeoRadius, center=a_point, radius=st.floats(1e3, 2e6))
    ),
    one_field("g", geo_polygon=st.lists(a_point, min_size=3, max_size=3).map(triangle)),
    one_field("p.q.r", match=matches(number)),
    one_field("o[].a", match=matches(number)),
    one_field("x", match=matches(number)),
    one_field("x", match=matches(key)),
    one_field("x", match=matches(st.booleans(), several=False)),
    one_field("x", range=bounds(models.Range, quarter)),
    st.builds(
        models.FieldCondition,
        key=paths,
        values_count=bounds(models.ValuesCount, st.integers(0, 4)),
    ),
    st.builds(models.FieldCondition, key=paths, is_empty=st.booleans()),
    st.builds(models.FieldCondition, key=paths, is_null=st.booleans()),
    paths.map(lambda p: models.IsEmptyCondition(is_empty=models.PayloadField(key=p))),
    paths.map(lambda p: models.IsNullCondition(is_null=models.PayloadField(key=p))),
)
in_parts = st.one_of(
    one_field("a", match=matches(number)),
    one_field("k", match=matches(key)),
    one_field("a", range=bounds(models.Range, quarter)),
)
conditions = st.one_of(
    field_conditions,
    st.builds(models.HasIdCondition, has_id=st.lists(any_id, max_size=6)),
    st.builds(models.HasVectorCondition, has_vector=st.sampled_from(["dense", "sparse", "multi"])),
    st.builds(
        lambda total, index: models.SliceCondition(
            slice=models.Slice(total=total, index=index % total)
        ),
        st.integers(1, 4),
        st.integers(0, 3),
    ),
    st.builds(
        lambda key, inner: models.NestedCondition(nested=models.Nested(key=key, filter=inner)),
        st.sampled_from(["o", "o[]"]),
        st.builds(models.Filter, must=in_parts, must_not=st.none() | in_parts),
    ),
)


@st.composite
def filters(draw, depth=2):
    """A filter of up to three conditions in each clause; some of them are filters again."""
    inner = conditions | filters(depth - 1) if depth else conditions

    def clause(least=0):
        return draw(st.lists(inner, min_size=least, max_size=3))

    kinds = draw(st.sets(st.sampled_from(["must", "should", "must_not", "min_should"]), max_size=2))
    given_clauses = {name: clause() for name in sorted(kinds - {"min_should"})}
    if "min_should" in kinds:
        given_clauses["min_should"] = models.MinShould(
            conditions=clause(1), min_count=draw(st.integers(1, 2))
        )
    return models.Filter(**given_clauses)


@cases(600)
@given(conditions=filters())
def test_a_filter_selects_the_same_points_with_indexes_and_without(clients, conditions):
    def ids(client, name):
        records, _ = client.scroll(name, conditions, limit=ALL, with_payload=False)
        return {record.id for record in records}

    edge, memory = clients
    expected = ids(memory, "plain")
    assert ids(edge, "plain") == expected
    assert ids(edge, "indexed") == expected
    assert edge.count("indexed", conditions).count == len(expected)


# --- queries

_POOL = [vectors(random.Random(1000 + number)) for number in range(30)]


def pooled(name):
    return st.integers(0, len(_POOL) - 1).map(lambda number: _POOL[number][name])


@st.composite
def vector_queries(draw, using, *, inner, ties):
    """A query by vectors or ids; the examples differ, so that no two scores tie by chance."""
    fresh = pooled(using) | existing_id

    def some(least, most):
        return draw(st.lists(fresh, min_size=least, max_size=most, unique_by=str))

    kinds = ["bare", "nearest", "mmr", "recommend", "discover", "context"]
    if inner or using == "sparse":
        kinds.remove("mmr")
    if not ties:  # points that share no index with sparse examples are all alike to them
        kinds = ["bare", "nearest"] if using == "sparse" else [k for k in kinds if k != "context"]
    kind = draw(st.sampled_from(kinds))
    if kind == "bare":
        return draw(fresh)
    if kind == "nearest":
        return models.NearestQuery(nearest=draw(fresh))
    if kind == "mmr":
        mmr = models.Mmr(
            diversity=draw(st.none() | st.integers(1, 9).map(lambda n: n / 10)),
            candidates_limit=draw(st.integers(1, COUNT)),
        )
        return models.NearestQuery(nearest=draw(pooled(using)), mmr=mmr)
    if kind == "recommend":
        strategy = draw(st.none() | st.sampled_from(models.RecommendStrategy))
        examples, positives = some(1, 5), draw(st.integers(1, 3))
        return models.RecommendQuery(
            recommend=models.RecommendInput(
                positive=examples[:positives], negative=examples[positives:], strategy=strategy
            )
        )
    examples = some(3, 5)
    pairs = [
        models.ContextPair(positive=positive, negative=negative)
        for positive, negative in zip(examples[1::2], examples[2::2], strict=False)
    ]
    if kind == "discover":
        return models.DiscoverQuery(
            discover=models.DiscoverInput(target=examples[0], context=pairs)
        )
    return models.ContextQuery(context=pairs)


@st.composite
def feedback_queries(draw):
    examples = draw(st.lists(pooled("dense") | existing_id, min_size=3, max_size=4, unique_by=str))
    items = [
        models.FeedbackItem(example=example, score=score / 8)
        for score, example in enumerate(examples[1:])
    ]
    part = st.integers(1, 8).map(lambda n: n / 4)
    return models.RelevanceFeedbackQuery(
        relevance_feedback=models.RelevanceFeedbackInput(
            target=examples[0],
            feedback=items,
            strategy=models.NaiveFeedbackStrategy(
                naive=models.NaiveFeedbackStrategyParams(a=draw(part), b=draw(part), c=draw(part))
            ),
        )
    )


names = st.sampled_from(["dense", "euclid", "multi", "sparse"])
narrow = st.none() | conditions.map(lambda c: models.Filter(must=c))


@st.composite
def stages(draw, depth, *, inner=False, ties=True):
    """A query with prefetches down to `depth`, as keyword arguments of `Prefetch`.

    What RRF merges must have no equal scores, as it looks at places alone.
    """
    using = draw(names)
    fields = {"query": draw(vector_queries(using, inner=inner, ties=ties)), "using": using}
    if using == "dense" and draw(st.integers(0, 5)) == 0:
        fields["query"] = draw(feedback_queries())
    if depth and draw(st.booleans()):
        kinds = ["rescore", "dbsf", "rrf", "rrf_k", "formula"] if ties else ["rescore", "dbsf"]
        merge = draw(st.sampled_from(kinds))
        source = stages(depth - 1, inner=True, ties=not merge.startswith("rrf"))
        sources = draw(st.lists(source, min_size=1, max_size=2))
        fields["prefetch"] = [models.Prefetch(**stage) for stage in sources]
        if merge != "rescore":
            fields |= {"query": draw(merges(merge, len(sources))), "using": None}
    return {**fields, "filter": draw(narrow), "limit": ALL}


@st.composite
def merges(draw, kind, sources):
    if kind == "rrf":
        return models.FusionQuery(fusion=models.Fusion.RRF)
    if kind == "dbsf":
        return models.FusionQuery(fusion=models.Fusion.DBSF)
    if kind == "rrf_k":
        weights = st.none() | st.lists(
            st.integers(1, 8).map(float), min_size=sources, max_size=sources
        )
        return models.RrfQuery(
            rrf=models.Rrf(k=draw(st.none() | st.integers(1, 90)), weights=draw(weights))
        )
    return models.FormulaQuery(
        formula=draw(expressions(depth=2)),
        defaults={"f": 0.5, "n": 2, "g": {"lon": 1.0, "lat": 2.0}},
    )


@st.composite
def expressions(draw, depth):
    leaves = (
        st.integers(-8, 8).map(lambda n: n / 4)
        | st.sampled_from(["$score", "$score[0]", "f"])
        | field_conditions
        | a_point.map(
            lambda origin: models.GeoDistance(
                geo_distance=models.GeoDistanceParams(origin=origin, to="g")
            )
        )
    )
    if not depth:
        return draw(leaves)
    inner = expressions(depth - 1)
    several = st.lists(inner, min_size=1, max_size=3)
    decay = st.builds(
        models.DecayParamsExpression,
        x=inner,
        target=st.none() | inner,
        scale=st.none() | st.integers(1, 8).map(float),
        midpoint=st.none() | st.sampled_from([0.25, 0.5, 0.75]),
    )
    kinds = [
        leaves,
        several.map(lambda e: models.SumExpression(sum=e)),
        several.map(lambda e: models.MultExpression(mult=e)),
        several.map(lambda e: models.MaxExpression(max=e)),
        several.map(lambda e: models.MinExpression(min=e)),
        inner.map(lambda e: models.NegExpression(neg=e)),
        inner.map(lambda e: models.AbsExpression(abs=e)),
        inner.map(lambda e: models.SqrtExpression(sqrt=e)),
        inner.map(lambda e: models.ExpExpression(exp=e)),
        inner.map(lambda e: models.LnExpression(ln=e)),
        inner.map(lambda e: models.Log10Expression(log10=e)),
        inner.map(lambda e: models.AcoshExpression(acosh=e)),
        decay.map(lambda d: models.LinDecayExpression(lin_decay=d)),
        decay.map(lambda d: models.ExpDecayExpression(exp_decay=d)),
        decay.map(lambda d: models.GaussDecayExpression(gauss_decay=d)),
        st.builds(
            lambda left, right, default: models.DivExpression(
                div=models.DivParams(left=left, right=right, by_zero_default=default)
            ),
            inner,
            inner,
            st.none() | st.just(1.0),
        ),
        st.builds(
            lambda base, exponent: models.PowExpression(
                pow=models.PowParams(base=base, exponent=exponent)
            ),
            inner,
            st.integers(0, 2).map(float),
        ),
    ]
    return draw(st.one_of(kinds))


def as_request(stage):
    request = {**stage, "query_filter": stage["filter"]}
    del request["filter"], request["limit"]
    return request


def answer(call):
    """Return what a call gives; the errors that a wrong request may give are one."""
    try:
        return call()
    except (ValueError, TypeError, KeyError):
        return "refused"


def scores(points):
    return [point.score for point in points]


def about(number):
    return pytest.approx(number, abs=1e-5, rel=1e-5)


def ranks_equals(client, stage):
    """Say whether a fusion by rank, here or below, ranks points of equal score: in any order."""
    query = stage["query"]
    by_rank = isinstance(query, models.RrfQuery) or (
        isinstance(query, models.FusionQuery) and query.fusion is models.Fusion.RRF
    )
    for prefetch in stage.get("prefetch") or ():
        below = {name: getattr(prefetch, name) for name in (*stage, "prefetch")}
        if ranks_equals(client, below):
            return True
        if by_rank:
            points = client.query_points("plain", **as_request(below), limit=ALL).points
            if any(one == about(other) for one, other in itertools.pairwise(scores(points))):
                return True
    return False


@cases(600)
@given(stage=stages(depth=2), limit=st.integers(1, COUNT), offset=st.integers(0, 5))
def test_a_query_gives_each_place_the_same_score_and_each_point_its_own(
    clients, stage, limit, offset
):
    """Points of equal score may come in any order, so each is held against its own score."""
    request = as_request(stage)

    def search(client, limit, offset):
        return answer(
            lambda: client.query_points("plain", **request, limit=limit, offset=offset).points
        )

    edge, memory = clients
    everything = search(memory, ALL, 0)
    found = search(edge, limit, offset)
    if "refused" in (everything, found):
        assert found == "refused"
        assert not everything or everything == "refused"  # it looks up examples when it needs them
        return
    own = {point.id: point.score for point in everything}
    assert scores(found) == [about(s) for s in scores(everything)[offset : offset + limit]]
    if not ranks_equals(memory, stage):
        assert scores(found) == [about(own[point.id]) for point in found]
    assert len({point.id for point in found}) == len(found)


# --- order, facets, groups and pages

orders = st.sampled_from(["n", "f", "d", "p.q.r"])


@cases(200)
@given(
    key=orders,
    direction=st.none() | st.sampled_from(models.Direction),
    start=st.none() | number,
    conditions=narrow,
    limit=st.integers(1, ALL),
)
def test_an_order_gives_each_place_the_same_value(
    clients, key, direction, start, conditions, limit
):
    edge, memory = clients
    if start is not None and key == "d":
        start = START + timedelta(hours=10 * start)
    order = models.OrderBy(key=key, direction=direction, start_from=start)

    def values(records):
        return [(record.order_value, record.id) for record in records]

    everything = values(memory.scroll("plain", conditions, order_by=order, limit=10 * ALL)[0])
    scrolled, offset = edge.scroll("indexed", conditions, order_by=order, limit=limit)
    queried = edge.query_points(
        "indexed", models.OrderByQuery(order_by=order), query_filter=conditions, limit=limit
    ).points
    assert offset is None
    for found in (values(scrolled), values(queried)):
        assert [value for value, _ in found] == [value for value, _ in everything][:limit]
        assert set(found) <= set(everything)


@cases(150)
@given(key=st.sampled_from(["n", "k", "b", "p.q.r"]), conditions=narrow, limit=st.integers(1, 12))
def test_a_facet_counts_the_same_values(clients, key, conditions, limit):
    edge, memory = clients
    found = edge.facet("indexed", key, conditions, limit=limit, exact=True)
    assert found == memory.facet("plain", key, conditions, limit=limit)


@cases(150)
@given(
    stage=stages(depth=1),
    group_by=st.sampled_from(FIELDS),
    limit=st.integers(1, 6),
    group_size=st.integers(1, 4),
)
def test_groups_hold_the_points_that_a_server_groups(clients, stage, group_by, limit, group_size):
    """Both search as a server does for groups, each by its own code."""
    edge, memory = clients
    request = as_request(stage)
    body = models.QueryGroupsRequest(
        **stage | {"limit": limit}, group_by=group_by, group_size=group_size
    )

    def candidates(wanted):
        return memory.query_points(
            "plain",
            wanted.query,
            using=wanted.using,
            prefetch=wanted.prefetch,
            query_filter=wanted.filter,
            limit=wanted.limit,
            with_payload=wanted.with_payload,
        ).points

    vectors = memory.get_collection("plain").config.params.vectors
    expected = answer(lambda: groups_of_server(candidates, body, vectors))
    given = answer(
        lambda: (
            edge.query_points_groups(
                "plain", group_by, **request, limit=limit, group_size=group_size
            ).groups
        )
    )
    if expected == "refused":
        assert given == "refused"
        return
    found = sorted(scores(memory.query_points("plain", **request, limit=ALL).points))
    assume(all(b - a > 1e-5 for a, b in itertools.pairwise(found)))  # with ties many are right
    assert [(group.id, [hit.id for hit in group.hits]) for group in given] == [
        (group.id, [hit.id for hit in group.hits]) for group in expected
    ]
    assert [scores(group.hits) for group in given] == [
        [about(score) for score in scores(group.hits)] for group in expected
    ]
    for hit in (hit for group in given for hit in group.hits):
        assert hit.payload == memory.retrieve("plain", [hit.id])[0].payload


@cases(100)
@given(conditions=narrow, limit=st.integers(1, 15), start=st.none() | any_id)
def test_pages_are_the_same(clients, conditions, limit, start):
    def pages(client):
        found, offset = [], start
        while True:
            records, offset = client.scroll("plain", conditions, limit=limit, offset=offset)
            found.append([(record.id, record.payload) for record in records])
            if offset is None:
                return found

    edge, memory = map(pages, clients)
    assert edge == memory


# --- payloads

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda value: (
        st.lists(value, max_size=3) | st.dictionaries(st.text(max_size=3), value, max_size=3)
    ),
    max_leaves=8,
)
part = st.sampled_from(["a", "b", "ü", "a b"])
small_payloads = st.dictionaries(
    part,
    st.recursive(
        number | key,
        lambda value: st.lists(value, max_size=3) | st.dictionaries(part, value, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
json_paths = st.lists(
    st.sampled_from(["a", "b", '"a b"', "a[]", "a[0]", "b[1]"]), min_size=1, max_size=3
).map(".".join)
selectors = st.one_of(
    st.booleans(),
    st.lists(json_paths, max_size=3),
    st.lists(json_paths, max_size=3).map(lambda p: models.PayloadSelectorInclude(include=p)),
    st.lists(json_paths, max_size=3).map(lambda p: models.PayloadSelectorExclude(exclude=p)),
)


@cases(300)
@given(
    payload=st.dictionaries(st.text(max_size=3), json_values, max_size=4) | small_payloads,
    selector=selectors,
)
def test_a_payload_comes_back_as_it_was_whole_and_in_part(clients, payload, selector):
    edge, memory = clients
    point = models.PointStruct(id=COUNT + 1, vector={}, payload=payload)
    answers = []
    for client in clients:
        client.upsert("plain", [point])
        answers.append(
            [
                client.retrieve("plain", [COUNT + 1], with_payload=chosen)[0].payload
                for chosen in (True, selector)
            ]
        )
        client.delete("plain", [COUNT + 1])
    edge, memory = answers
    assert edge == last_bits(memory)
    assert edge[0] == last_bits(payload)


def last_bits(value):
    """Let the last bits of long floats differ, which the engine's reader of JSON rounds."""
    if isinstance(value, float):
        return pytest.approx(value, rel=1e-15, abs=0)
    if isinstance(value, list):
        return [last_bits(item) for item in value]
    return {k: last_bits(v) for k, v in value.items()} if isinstance(value, dict) else value


# --- updates

UPDATED = 8
update_ids = st.integers(0, UPDATED).map(point_id)
update_vectors = st.fixed_dictionaries(
    {}, optional={"dense": pooled("dense"), "sparse": pooled("sparse"), "multi": pooled("multi")}
)
update_points = st.lists(
    st.builds(models.PointStruct, id=update_ids, vector=update_vectors, payload=small_payloads),
    min_size=1,
    max_size=4,
)
few = st.one_of(
    one_field("a", match=matches(number)),
    one_field("b", match=matches(key)),
    one_field("a", range=bounds(models.Range, quarter)),
    st.builds(models.HasIdCondition, has_id=st.lists(update_ids, max_size=4)),
    st.builds(models.HasVectorCondition, has_vector=st.sampled_from(["dense", "sparse"])),
).map(lambda condition: models.Filter(must=condition))
selections = st.one_of(
    few.map(lambda f: {"filter": f}),
    st.lists(update_ids, min_size=1, max_size=4).map(lambda ids: {"points": ids}),
)
with_payload = {"payload": small_payloads, "where": selections}
operations = st.one_of(
    st.builds(
        lambda points, mode, condition: models.UpsertOperation(
            upsert=models.PointsList(points=points, update_mode=mode, update_filter=condition)
        ),
        update_points,
        st.none() | st.sampled_from(models.UpdateMode),
        st.none() | few,
    ),
    st.builds(
        lambda points, condition: models.UpdateVectorsOperation(
            update_vectors=models.UpdateVectors(points=points, update_filter=condition)
        ),
        st.lists(
            st.builds(models.PointVectors, id=update_ids, vector=update_vectors),
            min_size=1,
            max_size=3,
        ),
        st.none() | few,
    ),
    st.builds(
        lambda names, where: models.DeleteVectorsOperation(
            delete_vectors=models.DeleteVectors(vector=names, **where)
        ),
        st.lists(st.sampled_from(["dense", "sparse", "multi"]), min_size=1, max_size=2),
        selections,
    ),
    st.builds(
        lambda payload, where, key: models.SetPayloadOperation(
            set_payload=models.SetPayload(payload=payload, key=key, **where)
        ),
        **with_payload,
        key=st.none() | json_paths,
    ),
    st.builds(
        lambda payload, where: models.OverwritePayloadOperation(
            overwrite_payload=models.SetPayload(payload=payload, **where)
        ),
        **with_payload,
    ),
    st.builds(
        lambda keys, where: models.DeletePayloadOperation(
            delete_payload=models.DeletePayload(keys=keys, **where)
        ),
        st.lists(json_paths, max_size=2),
        selections,
    ),
    selections.map(
        lambda where: models.ClearPayloadOperation(
            clear_payload=models.PointIdsList(**where)
            if "points" in where
            else models.FilterSelector(**where)
        )
    ),
    selections.map(
        lambda where: models.DeleteOperation(
            delete=models.PointIdsList(**where)
            if "points" in where
            else models.FilterSelector(**where)
        )
    ),
)


def everything(client, name):
    records, _ = client.scroll(name, limit=ALL, with_vectors=True)
    return [(r.id, r.payload, plain(r.vector)) for r in records]


def plain(value):
    """Return vectors as dicts and lists whose numbers are compared as 32-bit ones."""
    if isinstance(value, models.SparseVector):
        order = np.argsort(value.indices)
        return [[value.indices[i], pytest.approx(value.values[i])] for i in order]
    if isinstance(value, dict):
        return {name: plain(vector) for name, vector in value.items()}
    return [plain(row) if isinstance(row, list) else pytest.approx(row, abs=1e-6) for row in value]


@cases(200)
@given(batches=st.lists(st.lists(operations, min_size=1, max_size=3), min_size=1, max_size=5))
def test_updates_leave_the_same_points(clients, batches):
    """A batch that names a missing point fails in both, after its other changes in both."""
    for client in clients:
        client.delete("updated", models.Filter())
    for batch in batches:
        edge, memory = (
            answer(partial(client.batch_update_points, "updated", batch)) for client in clients
        )
        assert edge == memory
        edge, memory = (everything(client, "updated") for client in clients)
        assert edge == memory
