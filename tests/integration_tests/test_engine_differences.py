"""Where the engines answer one call of a client differently, as docs/edge.md lists it.

The server is that of the tests, which answers as version 1.19 does; with QDRANT_URL it is a real
one.
"""

from __future__ import annotations

import math
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from langchain_gemini_qdrant.edge import EdgeClient

WAYS = ["edge", "memory", "rest", "grpc"]
SMALL = models.VectorParams(size=2, distance=models.Distance.DOT)
BIG = 2**53


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def client(way, request, tmp_path):
    """A client of five points, over each way to an engine."""
    if way == "edge":
        client = EdgeClient(tmp_path)
    elif way == "memory":
        client = QdrantClient(":memory:")
    else:
        server = request.getfixturevalue("qdrant_server")
        client = QdrantClient(
            url=server.url,
            grpc_port=server.grpc_port,
            prefer_grpc=way == "grpc",
            check_compatibility=False,
            verify=False,
        )
    client.create_collection("small", {"": SMALL}, {"words": models.SparseVectorParams()})
    client.upsert(
        "small",
        [
            models.PointStruct(
                id=number,
                vector={
                    "": [float(number), 1.0],
                    "words": models.SparseVector(indices=[number], values=[1.0]),
                },
                payload={
                    "number": number,
                    "even": number % 2 == 0,
                    "text": f"the {number}th one",
                    "gaps": [None, number],
                    "big": BIG + number % 2,
                },
            )
            for number in range(1, 6)
        ],
    )
    yield client
    client.close()


def outcome(call):
    """Return what a call gives, or the name of the error that it raises."""
    try:
        return call()
    except NotImplementedError:
        return "NotImplementedError"
    except (ValueError, TypeError, KeyError, UnexpectedResponse, grpc.RpcError):
        return "error"


def field(**condition):
    return models.Filter(must=[models.FieldCondition(**condition)])


def counted(condition, *, index=None):
    """Count what meets a condition, over an index, (field, type), if one is given."""

    def call(client):
        if index is not None:
            client.create_payload_index("small", *index)
        return client.count("small", condition).count

    return call


def stored(payload):
    def call(client):
        client.upsert("small", [models.PointStruct(id=9, vector={}, payload=payload)])
        return client.retrieve("small", [9])[0].payload

    return call


def found(query, **options):
    return lambda client: len(client.query_points("small", query, **options).points)


def left_after(*operations):
    def call(client):
        outcome(lambda: client.batch_update_points("small", operations))
        return client.count("small").count

    return call


def inserted_twice(client):
    twice = [models.PointStruct(id=9, vector={}, payload={"n": n}) for n in (1, 2)]
    client.upsert("small", twice, update_mode=models.UpdateMode.INSERT_ONLY)
    return client.retrieve("small", [9])[0].payload["n"]


def finds_a_named_point(client):
    prefetch = [models.Prefetch(query=1), models.Prefetch(query=[1.0, 1.0])]
    fused = client.query_points("small", models.FusionQuery(fusion="rrf"), prefetch=prefetch)
    return 1 in {point.id for point in fused.points}


def grouped(client):
    """Count the groups of eight documents of twenty points each."""
    points = [
        models.PointStruct(
            id=100 + n, vector={"": [1000.0 - n, 0.0]}, payload={"document": n // 20}
        )
        for n in range(160)
    ]
    client.upsert("small", points)
    found = client.query_points_groups("small", "document", [1.0, 0.0], limit=8, group_size=1)
    return len(found.groups)


LARGEST = models.FormulaQuery(formula=models.MaxExpression(max=["$score", 1.0]))
NEAREST_FIVE = models.Prefetch(query=[1.0, 0.0])
EVEN = models.FieldCondition(key="even", match=models.MatchValue(value=True))
MMR = models.Mmr()
NEAREST = models.NearestQuery(nearest=[1.0, 0.0], mmr=MMR)
UNLIKE = models.NearestQuery(nearest=[1.0, 0.0], mmr=models.Mmr(candidates_limit=5))
FIRST = models.SparseVector(indices=[1], values=[1.0])
DELETE_1 = models.DeleteOperation(delete=models.PointIdsList(points=[1]))
DELETE_ONE = models.DeleteOperation(delete=models.PointIdsList(points=["one"]))
EMPTY_VECTORS = models.UpdateVectorsOperation(
    update_vectors=models.UpdateVectors(
        points=[models.PointVectors.model_construct(id=str(UUID(int=8)), vector={})]
    )
)
LONG = 2.2864980512635398e27
LONG_READ = 2.28649805126354e27

# what, as docs/edge.md has it: the call, and its outcome on the embedded engine, in memory, and on
# a server over REST and over gRPC
DIFFERENCES = {
    "a facet of a field without an index": (
        lambda c: c.facet("small", "even").hits[0].count,
        *("error", 3, "error", "error"),
    ),
    "an order by a field without an index": (
        lambda c: c.scroll("small", order_by="number", limit=1)[0][0].id,
        *("error", 1, "error", "error"),
    ),
    "MMR over a sparse vector": (
        found(models.NearestQuery(nearest=FIRST, mmr=MMR), using="words"),
        *("NotImplementedError", 1, 1, 1),
    ),
    "MMR in a prefetch": (
        found([1.0, 0.0], prefetch=models.Prefetch(query=NEAREST, limit=1)),
        *("NotImplementedError", 1, 1, 1),
    ),
    "MMR with `offset`": (found(UNLIKE, limit=3, offset=2), 3, 3, 1, 1),
    "a point named in one prefetch, found by another": (
        finds_a_named_point,
        *(True, True, False, False),
    ),
    "NaN in a query": (found([math.nan, 1.0]), "error", "error", "error", 5),
    "groups beyond those that ten searches find": (grouped, 5, 8, 5, 5),
    "`max`, `min` and `acosh` in a formula": (
        found(LARGEST, prefetch=NEAREST_FIVE),
        *(5, 5, "error", "error"),
    ),
    "`retrieve` of one id twice": (lambda c: len(c.retrieve("small", [1, 1])), 2, 2, 1, 1),
    "an id that is no UUID": (
        lambda c: c.retrieve("small", ["one"]),
        "error",
        [],
        "error",
        "error",
    ),
    "one id twice in an upsert that only inserts": (inserted_twice, 1, 1, 2, 2),
    "a batch with an id that is no UUID": (left_after(DELETE_1, DELETE_ONE), 5, 4, 5, 4),
    "a batch with empty vectors for a missing id": (
        left_after(DELETE_1, EMPTY_VECTORS),
        4,
        4,
        5,
        4,
    ),
    "an integer beyond 64 bits in a payload": (
        stored({"a": 2**64}),
        *("error", {"a": 2**64}, {"a": float(2**64)}, "error"),
    ),
    "NaN in a payload": (
        lambda c: str(stored({"a": math.nan})(c)),
        *("error", "{'a': nan}", "{'a': None}", "error"),
    ),
    "the last bits of a long float in a payload": (
        stored({"a": LONG}),
        *({"a": LONG_READ}, {"a": LONG}, {"a": LONG_READ}, {"a": LONG_READ}),
    ),
    "`with_vectors=[]`": (
        lambda c: c.query_points("small", [1.0, 0.0], with_vectors=[], limit=1).points[0].vector,
        *(None, {}, {}, {}),
    ),
    "an integer beyond 64 bits to match": (
        counted(field(key="number", match=models.MatchValue(value=2**70))),
        *("error", 0, "error", "error"),
    ),
    "a range of integers beyond 2^53": (
        counted(field(key="big", range=models.Range(gte=BIG, lte=BIG))),
        *(5, 2, 5, 5),
    ),
    "`MatchText` without a text index, part of a word": (
        counted(field(key="text", match=models.MatchText(text="ne"))),
        *(0, 0, 5, 5),
    ),
    "`MatchText` without a text index, other case": (
        counted(field(key="text", match=models.MatchText(text="ONE"))),
        *(5, 5, 0, 0),
    ),
    "`MatchPhrase` over a text index without `phrase_matching`": (
        counted(
            field(key="text", match=models.MatchPhrase(phrase="3th one")), index=("text", "text")
        ),
        *(1, 1, 0, 0),
    ),
    "`MatchSubstring`": (
        counted(field(key="text", match=models.MatchSubstring(substring="th"))),
        *(5, 5, "error", "error"),
    ),
    "`IsNullCondition` of a list with a null, without an index": (
        counted(models.Filter(must=[models.IsNullCondition(is_null={"key": "gaps"})])),
        *(5, 5, 0, 0),
    ),
    "a `FieldCondition` of a key alone": (
        counted(models.Filter(must_not=[models.FieldCondition(key="text")])),
        *("error", 5, "error", "error"),
    ),
    "`gt` and `gte` over an index": (
        counted(field(key="number", range=models.Range(gt=1, gte=3)), index=("number", "integer")),
        *(3, 3, 4, 4),
    ),
    "`min_should` of more conditions than there are, over an index": (
        counted(
            models.Filter(must=[EVEN], min_should=models.MinShould(conditions=[EVEN], min_count=2)),
            index=("even", "bool"),
        ),
        *(0, 0, 2, 2),
    ),
    "one condition in `must` and in `must_not`, over an index": (
        counted(models.Filter(must=[EVEN], must_not=[EVEN]), index=("even", "bool")),
        *(0, 0, 2, 2),
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_known_difference_is_as_documented(client, way, name):
    call, *expected = DIFFERENCES[name]
    assert outcome(lambda: call(client)) == expected[WAYS.index(way)]


def test_the_table_of_differences_is_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "edge.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.count("|") == 5}
    assert rows >= DIFFERENCES.keys()
