"""Groups, and queries with formulas: the embedded engine gives the answers of Qdrant 1.19.

The expected values are what a server of that version answered; with QDRANT_URL they are compared
with a real one again.
"""

from __future__ import annotations

import pytest
from qdrant_client import models

from tests.integration_tests.engine_clients import (
    REFUSED,
    WAYS,
    collection_over,
    outcome,
    product,
    rounded,
    total,
)

pytestmark = [
    pytest.mark.qdrant("1.19", "the answers of this version are recorded"),
    pytest.mark.one_node("a shard has candidates of its own"),
]

# the document of each passage, from the best passage to the worst
DOCUMENTS = "aaaaaaaabbbbbbccccddaeebbffg"


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    return request.param


@pytest.fixture(scope="module")
def client(way, tmp_path_factory):
    points = [
        models.PointStruct(
            id=number,
            vector={
                "near": [1 - number / 32, 0.0],
                "far": [number / 8, 0.0],
                "words": models.SparseVector(indices=[number % 3], values=[1 + number / 64]),
            },
            payload={
                "document": document,
                "number": number % 5 - 2,
                "tags": [document, "all"] if number % 2 else [document],
                "pages": [{"of": document}],
                "mixed": [number % 3, 0.5, document, True, None][number % 5],
            },
        )
        for number, document in enumerate(DOCUMENTS)
    ]
    with collection_over(way, tmp_path_factory.mktemp("answers"), "documents", points) as client:
        yield client


def nearest(**options):
    return models.Prefetch(query=[1.0, 0.0], using="near", **options)


def farthest(**options):
    return models.Prefetch(query=[4.0, 0.0], using="far", **options)


def by_words(**options):
    words = models.SparseVector(indices=[0, 1], values=[1.0, 0.5])
    return models.Prefetch(query=words, using="words", **options)


def formula(expression):
    return models.FormulaQuery(formula=expression)


FIRST = models.FieldCondition(key="document", match=models.MatchValue(value="a"))
DBSF = models.FusionQuery(fusion=models.Fusion.DBSF)
BOOSTED = formula(product("$score", total(1, FIRST)))

# how a formula is asked for, and the documents and scores that Qdrant 1.19 gives
QUERIES = {
    "with a threshold": (
        {"query": BOOSTED, "prefetch": nearest(), "score_threshold": 1.6},
        [(0, 2.0), (1, 1.9375), (2, 1.875), (3, 1.8125), (4, 1.75), (5, 1.6875), (6, 1.625)],
    ),
    "with an offset": (
        {"query": BOOSTED, "prefetch": nearest(), "limit": 3, "offset": 6},
        [(6, 1.625), (7, 1.5625), (8, 0.75)],
    ),
    "of fewer points than are asked for": (
        {"query": BOOSTED, "prefetch": nearest(limit=3), "limit": 5, "offset": 1},
        [(1, 1.9375), (2, 1.875)],
    ),
    "with a filter, which also limits the prefetch": (
        {
            "query": BOOSTED,
            "prefetch": nearest(limit=2),
            "query_filter": models.Filter(must_not=[FIRST]),
        },
        [(8, 0.75), (9, 0.7188)],
    ),
    "of a distance": (
        {"query": formula(models.NegExpression(neg="$score")), "prefetch": farthest(limit=3)},
        [(27, -0.625), (26, -0.75), (25, -0.875)],
    ),
    "of a fusion": (
        {
            "query": BOOSTED,
            "prefetch": models.Prefetch(
                query=DBSF, prefetch=[nearest(limit=9), by_words(limit=4)], limit=4
            ),
        },
        [(0, 1.4869), (1, 1.3651), (2, 1.2434), (27, 0.6936)],
    ),
    "of a formula": (
        {
            "query": formula(total("$score", 1)),
            "prefetch": models.Prefetch(query=BOOSTED, prefetch=nearest(), limit=2),
        },
        [(0, 3.0), (1, 2.9375)],
    ),
    "below a fusion": (
        {
            "query": DBSF,
            "prefetch": [
                models.Prefetch(query=BOOSTED, prefetch=nearest(limit=9), limit=3),
                by_words(limit=3),
            ],
        },
        [(0, 0.6667), (27, 0.6667), (1, 0.5), (24, 0.5), (2, 0.3333), (21, 0.3333)],
    ),
    "below a search": (
        {
            "query": [4.0, 0.0],
            "using": "far",
            "prefetch": models.Prefetch(query=BOOSTED, prefetch=nearest(), limit=3),
        },
        [(2, 3.75), (1, 3.875), (0, 4.0)],
    ),
    "without a prefetch": ({"query": BOOSTED}, REFUSED),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_with_a_formula_gives_the_answer_of_a_server(client, name):
    request, expected = QUERIES[name]
    assert outcome(lambda: rounded(client.query_points("documents", **request).points)) == expected


NEAR = {"query": [1.0, 0.0], "using": "near"}
BY = {**NEAR, "group_by": "document"}

# how groups are asked for, and the groups that Qdrant 1.19 gives
GROUPS = {
    "by text": (
        {**BY, "limit": 3, "group_size": 2},
        [
            ("a", [(0, 1.0), (1, 0.9688)]),
            ("b", [(8, 0.75), (9, 0.7188)]),
            ("c", [(14, 0.5625), (15, 0.5312)]),
        ],
    ),
    "with the size of a server's default": (
        {**BY, "limit": 2},
        [
            ("a", [(0, 1.0), (1, 0.9688), (2, 0.9375)]),
            ("b", [(8, 0.75), (9, 0.7188), (10, 0.6875)]),
        ],
    ),
    "all, some of them small": (
        {**BY, "limit": 9, "group_size": 3},
        [
            ("a", [(0, 1.0), (1, 0.9688), (2, 0.9375)]),
            ("b", [(8, 0.75), (9, 0.7188), (10, 0.6875)]),
            ("c", [(14, 0.5625), (15, 0.5312), (16, 0.5)]),
            ("d", [(18, 0.4375), (19, 0.4062)]),
            ("e", [(21, 0.3438), (22, 0.3125)]),
            ("f", [(25, 0.2188), (26, 0.1875)]),
            ("g", [(27, 0.1562)]),
        ],
    ),
    "by integer": (
        {**NEAR, "group_by": "number", "limit": 9, "group_size": 2},
        [
            (-2, [(0, 1.0), (5, 0.8438)]),
            (-1, [(1, 0.9688), (6, 0.8125)]),
            (0, [(2, 0.9375), (7, 0.7812)]),
            (1, [(3, 0.9062), (8, 0.75)]),
            (2, [(4, 0.875), (9, 0.7188)]),
        ],
    ),
    "by one of several kinds": (
        {**NEAR, "group_by": "mixed", "limit": 9, "group_size": 1},
        [
            (0, [(0, 1.0)]),
            ("a", [(2, 0.9375)]),
            (2, [(5, 0.8438)]),
            (1, [(10, 0.6875)]),
            ("b", [(12, 0.625)]),
            ("c", [(17, 0.4688)]),
        ],
    ),
    "by each value of a list": (
        {**NEAR, "group_by": "tags", "limit": 9, "group_size": 2},
        [
            ("a", [(0, 1.0), (1, 0.9688)]),
            ("all", [(1, 0.9688), (3, 0.9062)]),
            ("b", [(8, 0.75), (9, 0.7188)]),
            ("c", [(14, 0.5625), (15, 0.5312)]),
            ("d", [(18, 0.4375), (19, 0.4062)]),
            ("e", [(21, 0.3438), (22, 0.3125)]),
            ("f", [(25, 0.2188), (26, 0.1875)]),
            ("g", [(27, 0.1562)]),
        ],
    ),
    "by all objects of a list": (
        {**NEAR, "group_by": "pages[].of", "limit": 2, "group_size": 2},
        [("a", [(0, 1.0), (1, 0.9688)]), ("b", [(8, 0.75), (9, 0.7188)])],
    ),
    "by an object of a list": ({**NEAR, "group_by": "pages[0].of", "limit": 2}, []),
    "by a field that is missing": ({**NEAR, "group_by": "missing"}, []),
    "of the smallest distances": (
        {"query": [0.0, 0.0], "using": "far", "group_by": "number", "limit": 3, "group_size": 2},
        [(-2, [(0, 0.0), (5, 0.625)]), (-1, [(1, 0.125), (6, 0.75)]), (0, [(2, 0.25), (7, 0.875)])],
    ),
    "with a threshold": (
        {**BY, "score_threshold": 0.7, "limit": 9, "group_size": 2},
        [("a", [(0, 1.0), (1, 0.9688)]), ("b", [(8, 0.75), (9, 0.7188)])],
    ),
    "with a filter": (
        {**BY, "query_filter": models.Filter(must_not=[FIRST]), "limit": 2, "group_size": 2},
        [("b", [(8, 0.75), (9, 0.7188)]), ("c", [(14, 0.5625), (15, 0.5312)])],
    ),
    "of the neighbors of a point": (
        {**BY, "query": 0, "limit": 2, "group_size": 2},
        [("a", [(1, 0.9688), (2, 0.9375)]), ("b", [(8, 0.75), (9, 0.7188)])],
    ),
    "of recommendations": (
        {
            **BY,
            "query": models.RecommendQuery(
                recommend=models.RecommendInput(positive=[0, 9], negative=[20])
            ),
            "limit": 3,
            "group_size": 2,
        },
        [
            ("a", [(1, 1.3018), (2, 1.2598)]),
            ("b", [(8, 1.0078), (10, 0.9238)]),
            ("c", [(14, 0.7559), (15, 0.7139)]),
        ],
    ),
    "of a prefetch, whose limit grows by the size of a group": (
        {**BY, "prefetch": farthest(limit=3), "limit": 4, "group_size": 2},
        [
            ("a", [(2, 0.9375), (3, 0.9062)]),
            ("c", [(16, 0.5), (17, 0.4688)]),
            ("d", [(18, 0.4375), (19, 0.4062)]),
            ("e", [(21, 0.3438), (22, 0.3125)]),
        ],
    ),
    "of a formula": (
        {
            "query": formula(total("$score", product(0.5, FIRST))),
            "prefetch": nearest(limit=6),
            "group_by": "document",
            "limit": 3,
            "group_size": 2,
        },
        [
            ("a", [(0, 1.5), (1, 1.4688)]),
            ("b", [(8, 0.75), (9, 0.7188)]),
            ("c", [(14, 0.5625), (15, 0.5312)]),
        ],
    ),
    "of DBSF": (
        {
            "query": DBSF,
            "prefetch": [nearest(limit=6), by_words(limit=6)],
            "group_by": "document",
            "limit": 3,
            "group_size": 2,
        },
        [
            ("b", [(12, 1.2329), (10, 1.0208)]),
            ("a", [(0, 1.1695), (3, 1.0631)]),
            ("c", [(15, 1.1274), (16, 0.9462)]),
        ],
    ),
    "of no field": ({**BY, "group_by": None}, REFUSED),
    "no groups": ({**BY, "limit": 0}, REFUSED),
    "of no points": ({**BY, "group_size": 0}, REFUSED),
}
LOCALLY_DIFFERENT = {
    "by one of several kinds",
    "by an object of a list",
    "of a prefetch, whose limit grows by the size of a group",
    "of DBSF",
}


def groups_of(client, request):
    groups = client.query_points_groups("documents", **request).groups
    return [(group.id, rounded(group.hits)) for group in groups]


@pytest.mark.parametrize("name", GROUPS)
def test_groups_are_those_of_a_server(client, way, name):
    if name in LOCALLY_DIFFERENT and way == "memory":
        pytest.skip("local mode searches all points for groups")
    request, expected = GROUPS[name]
    assert outcome(lambda: groups_of(client, request)) == expected


def test_each_request_for_groups_ranks_its_points_again(client, way):
    """So all groups of a fusion by ranks may have the same scores, as on a server."""
    if way == "memory":
        pytest.skip("local mode searches all points for groups")
    request = {
        "query": models.FusionQuery(fusion=models.Fusion.RRF),
        "prefetch": [nearest(limit=7), nearest(limit=7)],
        "group_by": "document",
        "limit": 3,
        "group_size": 2,
    }
    assert sorted(groups_of(client, request)) == [
        ("a", [(0, 1.0), (1, 0.6667)]),
        ("b", [(8, 1.0), (9, 0.6667)]),
        ("c", [(14, 1.0), (15, 0.6667)]),
    ]


def test_groups_that_ten_searches_do_not_find_are_missing(client, way):
    """A server gives up before it has passed the many points of the best documents."""
    client.create_collection("long", models.VectorParams(size=2, distance=models.Distance.DOT))
    client.upsert(
        "long",
        [
            models.PointStruct(id=n, vector=[160.0 - n, 0.0], payload={"document": n // 20})
            for n in range(160)
        ],
    )
    groups = client.query_points_groups("long", "document", [1.0, 0.0], limit=8, group_size=1)
    client.delete_collection("long")
    found = [(group.id, rounded(group.hits)) for group in groups.groups]
    complete = [(number, [(20 * number, 160.0 - 20 * number)]) for number in range(8)]
    assert found == (complete if way == "memory" else complete[:5])
