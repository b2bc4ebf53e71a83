"""A cluster: what is not on as many replicas as a write promises is not stored."""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient, areembed, create_vector_store, migrate, reembed
from langchain_gemini_qdrant.errors import IngestError
from tests.integration_tests.ingesting import passages
from tests.integration_tests.qdrant_server import QdrantServer

BOTH = {"shard_number": 1, "replication_factor": 2, "write_consistency_factor": 2}


@pytest.fixture
def cluster():
    with QdrantServer(replicated=True) as server:
        yield server


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.slow)], ids=["rest", "grpc"])
def options(request, cluster, clock):
    """Options of a store on the cluster."""
    return {
        "url": cluster.url,
        "grpc_port": cluster.grpc_port,
        "prefer_grpc": request.param,
        "collection_create_options": BOTH,
        "clock": clock,
    }


@pytest.fixture
def store(options):
    with create_vector_store(DeterministicFakeEmbedding(size=8), "c", **options) as store:
        yield store


@pytest.fixture(params=[0, 1])
def replica(request, cluster):
    """The replica that reads without consistency go to."""
    cluster.read_from(request.param)


def on_replicas(cluster, client, name="c"):
    """Return how many points each replica has."""
    cluster.read_from(None)
    return {client.count(name).count for _ in range(2)}


def miss(cluster, store, run, documents):
    """Have one replica miss all of a run, which says so."""
    cluster.miss_next(10_000)
    with pytest.raises(IngestError):
        run(store, documents)
    cluster.miss_next(0)


@pytest.mark.usefixtures("replica")
def test_what_one_replica_missed_is_written_by_the_next_run(store, run, cluster):
    assert run(store, passages(20)).added == 20
    miss(cluster, store, run, passages(40))
    report = run(store, passages(40))
    assert report.skipped == 20
    assert report.added == 20
    assert run(store, passages(40)).skipped == 40
    assert on_replicas(cluster, store.client) == {40}


@pytest.mark.usefixtures("replica")
def test_metadata_that_one_replica_missed_is_written_by_the_next_run(store, run, cluster):
    def documents(value):
        return [Document("text", id=str(i), metadata={"v": value}) for i in range(5)]

    run(store, documents(1))
    cluster.miss_next(10_000)
    with pytest.raises(IngestError):
        run(store, documents(2))
    cluster.miss_next(0)
    run(store, documents(2))
    cluster.read_from(None)
    for _ in range(2):
        assert {each.metadata["v"] for each in store.iter_documents()} == {2}


def test_a_write_that_one_replica_misses_for_a_moment_is_written_again(store, run, cluster):
    cluster.miss_next()
    assert run(store, passages(40)).added == 40
    assert on_replicas(cluster, store.client) == {40}


def test_with_a_promise_of_one_replica_a_read_asks_one(options, run, cluster):
    options["collection_create_options"] = {**BOTH, "write_consistency_factor": 1}
    with create_vector_store(DeterministicFakeEmbedding(size=8), "c", **options) as store:
        cluster.miss_next()
        run(store, passages(40))
        cluster.clear()
        assert run(store, passages(40)).skipped == 40
        assert not any("consistency" in str(request) for request in cluster.requests)


@pytest.mark.parametrize("cleanup", ["source", "full"])
@pytest.mark.usefixtures("replica")
def test_a_cleanup_finds_what_only_one_replica_has(store, run, cluster, cleanup):
    run(store, passages(20))
    miss(cluster, store, run, passages(40))
    run(store, passages(10), cleanup=cleanup)
    assert on_replicas(cluster, store.client) == {10}


@pytest.mark.usefixtures("replica")
def test_a_cleanup_finds_what_only_one_replica_has_deleted(store, run, cluster):
    run(store, passages(20))
    cluster.miss_next(10_000)
    with pytest.raises(IngestError):
        run(store, passages(10), cleanup="source")
    cluster.miss_next(0)
    run(store, passages(10), cleanup="source")
    assert on_replicas(cluster, store.client) == {10}


@pytest.mark.usefixtures("replica")
@pytest.mark.parametrize("prefer_grpc", [False, True])
def test_a_migration_copies_what_one_replica_missed(tmp_path, cluster, clock, prefer_grpc):
    source = EdgeClient(tmp_path)
    params = models.VectorParams(size=2, distance=models.Distance.DOT)
    source.create_collection("c", params)
    source.upsert("c", [models.PointStruct(id=i, vector=[i, 1.0]) for i in range(40)])
    target = QdrantClient(
        url=cluster.url, grpc_port=cluster.grpc_port, prefer_grpc=prefer_grpc, verify=False
    )
    target.create_collection("c", params, **BOTH)
    cluster.miss_next(10_000)
    with pytest.raises(Exception, match="Unavailable"):
        migrate(source, target, "c", batch_size=10, clock=clock)
    cluster.miss_next(0)
    report = migrate(source, target, "c", clock=clock)
    assert report.added == 40
    assert on_replicas(cluster, target) == {40}
    assert migrate(source, target, "c", clock=clock).skipped == 40
    target.close()
    source.close()


@pytest.mark.usefixtures("replica")
@pytest.mark.parametrize("is_async", [False, True])
def test_reembed_deletes_the_old_collection_once_all_replicas_have_the_new_one(
    options, cluster, is_async
):
    with create_vector_store(DeterministicFakeEmbedding(size=8), "old", **options) as store:
        store.add_documents(passages(30))

        async def in_a_loop():
            try:
                return await areembed(store, new, **arguments)
            finally:
                await store.async_client.close()

        def run():
            return asyncio.run(in_a_loop()) if is_async else reembed(store, new, **arguments)

        new = DeterministicFakeEmbedding(size=4)
        arguments = {"collection_name": "new", "alias": "live", "delete_old": True}
        cluster.miss_next(10_000)
        with pytest.raises(IngestError):
            run()
        cluster.miss_next(0)
        assert store.client.collection_exists("old")
        assert run().old_deleted
        assert on_replicas(cluster, store.client, "new") == {30}
