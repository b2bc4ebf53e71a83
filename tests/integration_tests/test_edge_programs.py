"""What other programs over qdrant-client ask of a client, on the embedded engine."""

from __future__ import annotations

from contextlib import aclosing, closing

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
