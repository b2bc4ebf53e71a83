"""What other programs over qdrant-client ask of a client, on the embedded engine."""

from __future__ import annotations

import warnings
from contextlib import aclosing, closing
from datetime import UTC, datetime

import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.errors import InvalidInputError

POINTS = [models.PointStruct(id=n, vector={}, payload={"n": n}) for n in (1, 2, 3)]
ABOVE_1 = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gt=1))])


async def test_info_names_the_version_whose_calls_are_served(tmp_path):
    expected = QdrantClient(":memory:").info().version
    with closing(EdgeClient(tmp_path)) as client:
        assert client.info() == models.VersionInfo(title="Qdrant Edge", version=expected)
        assert await AsyncEdgeClient.over(client).info() == client.info()


@pytest.mark.slow
async def test_a_worker_names_it_too(tmp_path):
    async with aclosing(AsyncEdgeClient(tmp_path)) as client:
        assert (await client.info()).title == "Qdrant Edge"


@pytest.mark.parametrize("client", ["edge", ":memory:", "server"], indirect=True)
def test_a_collection_without_vectors_keeps_payloads(client, tmp_path):
    assert client.create_collection("c", {})
    client.upsert("c", POINTS)
    for _ in range(2):
        assert client.get_collection("c").config.params.vectors == {}
        assert client.count("c", ABOVE_1).count == 2
        records, _ = client.scroll("c", ABOVE_1, with_vectors=True)
        assert [(each.id, each.vector) for each in records] == [(2, {}), (3, {})]
        if not isinstance(client, EdgeClient):
            return
        client.close()
        client = EdgeClient(tmp_path / "index")
    client.close()


def test_a_vector_that_a_collection_has_not_is_refused_and_may_be_added(tmp_path):
    with closing(EdgeClient(tmp_path)) as client:
        client.create_collection("c")
        with pytest.raises(InvalidInputError, match=r"this collection has the vectors \[\]"):
            client.upsert("c", [models.PointStruct(id=1, vector={"a": [1.0, 0.0]})])
        added = models.DenseVectorConfig(size=2, distance=models.Distance.COSINE)
        client.create_vector_name("c", "a", models.DenseVectorNameConfig(dense=added))
        client.upsert("c", [models.PointStruct(id=1, vector={"a": [1.0, 0.0]})])
        assert client.storage_info("c").points_count == 1
    with closing(EdgeClient(tmp_path)) as client:
        [hit] = client.query_points("c", [1.0, 0.0], using="a", with_vectors=True).points
        assert hit.vector == {"a": [1.0, 0.0]}
        client.delete_vector_name("c", "a")
        assert client.count("c").count == 1


KEYWORD = {"type": models.KeywordIndexType.KEYWORD}
INDEXES = {
    "tenant": models.KeywordIndexParams(**KEYWORD, is_tenant=True, enable_hnsw=False),
    "tags": models.KeywordIndexParams(**KEYWORD),
    "depth": models.IntegerIndexParams(
        type=models.IntegerIndexType.INTEGER, lookup=False, enable_hnsw=False
    ),
    "written": models.DatetimeIndexParams(
        type=models.DatetimeIndexType.DATETIME, enable_hnsw=False
    ),
}
MEMORIES = [
    models.PointStruct(
        id=number,
        vector={"text": vectors} if vectors else {},
        payload={
            "tenant": tenant,
            "tags": [tenant, "all"],
            "depth": number,
            "written": f"2026-01-0{number}T00:00:00.000001+00:00",
            "value": {'odd "name"': None},
        },
    )
    for number, tenant, vectors in (
        (1, '["a"]', [[1.0, 0.0], [0.0, 1.0]]),
        (2, '["a"]', [[0.8, 0.6]]),
        (3, '["b"]', None),
        (4, '["b"]', [[-1.0, 0.0]]),
    )
]


def match(key, value):
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def written(**bounds):
    return models.FieldCondition(key="written", range=models.DatetimeRange(**bounds))


@pytest.fixture
def memories(client):
    """A collection as langgraph-store-qdrant makes it: one vector for each text of a point."""
    vectors = models.VectorParams(
        size=2,
        distance=models.Distance.COSINE,
        multivector_config=models.MultiVectorConfig(
            comparator=models.MultiVectorComparator.MAX_SIM
        ),
    )
    client.create_collection("c", {"text": vectors}, metadata={"format": 1})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")
        for key, schema in INDEXES.items():
            client.create_payload_index("c", key, schema, wait=True)
    client.upsert("c", MEMORIES, wait=True)
    return client


@pytest.mark.parametrize("client", ["edge", ":memory:", "server"], indirect=True)
def test_memories_are_searched_by_text_and_by_time_in_one_batch(memories):
    newest = models.OrderBy(key="written", direction=models.Direction.DESC)
    requests = [
        models.QueryRequest(query=[[0.0, 1.0]], using="text", limit=10, with_payload=["depth"]),
        models.QueryRequest(
            query=models.OrderByQuery(order_by=newest),
            filter=models.Filter(must=[match("tags", "all")], must_not=[match("tenant", '["a"]')]),
            limit=10,
            with_payload=True,
        ),
    ]
    by_text, by_time = memories.query_batch_points("c", requests)
    scores = {point.id: round(point.score, 5) for point in by_text.points}
    assert scores == {1: 1.0, 2: 0.6, 4: 0.0}
    assert by_text.points[0].payload == {"depth": 1}
    assert [point.id for point in by_time.points] == [4, 3]
    assert by_time.points[0].payload == MEMORIES[3].payload
    assert memories.get_collection("c").config.metadata == {"format": 1}


@pytest.mark.parametrize("client", ["edge", ":memory:", "server"], indirect=True)
def test_memories_are_counted_by_tenant_and_expire_by_time(memories):
    largest = 2**31 - 1
    facet = memories.facet("c", "tenant", limit=largest, exact=False)
    assert {hit.value: hit.count for hit in facet.hits} == {'["a"]': 2, '["b"]': 2}
    later = models.SetPayload(
        payload={"written": "2027-01-01T00:00:00+00:00"},
        filter=models.Filter(must=[models.HasIdCondition(has_id=[1, 99])]),
    )
    memories.batch_update_points("c", [models.SetPayloadOperation(set_payload=later)], wait=True)
    old = models.Filter(must=[written(lte=datetime(2026, 1, 3, 12, tzinfo=UTC))])
    assert memories.count("c", old, exact=True).count == 2
    memories.delete("c", models.FilterSelector(filter=old), wait=True)
    facet = memories.facet(
        "c",
        "tenant",
        facet_filter=models.Filter(
            must=[models.FieldCondition(key="tenant", match=models.MatchAny(any=['["a"]', "x"]))]
        ),
        limit=2,
        exact=True,
    )
    assert [(hit.value, hit.count) for hit in facet.hits] == [('["a"]', 1)]
    assert memories.count("c").count == 2
