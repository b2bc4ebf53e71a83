"""A collection's status has four values: green alone is done, and grey is woken or named."""

from __future__ import annotations

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import create_vector_store, measure_recall
from langchain_gemini_qdrant.errors import InvalidInputError, OptimizationError
from tests.integration_tests.qdrant_server import QdrantServer

EMBEDDINGS = DeterministicFakeEmbedding(size=128)


@pytest.fixture
def server():
    with QdrantServer(upstream=None) as server:
        yield server


@pytest.fixture(params=["rest", pytest.param("grpc", marks=pytest.mark.slow)])
def store(request, server, clock):
    options = {"prefer_grpc": request.param == "grpc", "grpc_port": server.grpc_port}
    with create_vector_store(EMBEDDINGS, "c", url=server.url, clock=clock, **options) as store:
        store.add_texts([f"text {i}" for i in range(30)])
        server.clear()
        yield store


@pytest.fixture
def seen():
    return []


def updates(server):
    return [each for each in server.requests if each.method in {"PATCH", "Update"}]


async def test_it_waits_until_the_status_is_green(store, server, twin, seen):
    server.report("yellow", "yellow", "green", "yellow")
    await twin(store, "optimize", on_progress=seen.append)
    assert [each.status for each in seen] == ["yellow", "yellow", "green"]
    assert [each.waited_s for each in seen] == pytest.approx([0.0, 0.1, 0.3])
    assert {each.points for each in seen} == {30}
    assert updates(server) == []


async def test_grey_is_woken_by_an_update_that_changes_nothing(store, server, twin, seen):
    before = store.client.get_collection("c").config
    server.report("grey", "yellow")
    await twin(store, "optimize", on_progress=seen.append)
    assert [each.status for each in seen] == ["grey", "yellow", "green"]
    assert len(updates(server)) == 1
    assert store.client.get_collection("c").config == before


async def test_red_ends_the_wait_with_the_words_of_the_server(store, server, twin):
    server.report("yellow", "red")
    with pytest.raises(OptimizationError, match="'c': no space left on device") as caught:
        await twin(store, "optimize")
    assert caught.value.status == "red"


async def test_the_wait_ends_in_time(store, server, twin, clock):
    server.report(*["yellow"] * 1_000)
    began = clock.now()
    with pytest.raises(OptimizationError, match="after 60 s; its status is yellow") as caught:
        await twin(store, "optimize", timeout=60)
    assert caught.value.status == "yellow"
    assert clock.now() - began == pytest.approx(60)
    with pytest.raises(InvalidInputError, match="timeout must be a number"):
        await twin(store, "optimize", timeout=None)


def test_the_embedded_engine_builds_its_graph_before_it_returns(tmp_path, seen):
    options = {"hnsw_config": {"full_scan_threshold": 10}}
    options["optimizers_config"] = {"indexing_threshold": 10}
    with create_vector_store(
        EMBEDDINGS, "c", path=tmp_path, collection_create_options=options
    ) as store:
        store.add_texts([f"text {i}" for i in range(300)])
        store.optimize(on_progress=seen.append)
        assert [each.status for each in seen] == ["green"]
        assert store.client.get_collection("c").indexed_vectors_count == 300


async def test_local_mode_has_nothing_to_build(twin, seen):
    store = create_vector_store(EMBEDDINGS, "c", client=QdrantClient(":memory:"))
    await twin(store, "optimize", on_progress=seen.append)
    assert [each.status for each in seen] == ["green"]


@pytest.mark.parametrize("status", ["yellow", "grey", "red"])
def test_a_measurement_names_what_is_not_built(store, server, status):
    server.report(status)
    report = measure_recall(store, limits=(5,), latency_queries=0)
    assert (report.status, report.optimizing) == (status, True)
    assert f"(status {status}): measure again after store.optimize()" in str(report)
    assert updates(server) == []


def test_a_measurement_of_a_green_collection_says_nothing(store):
    report = measure_recall(store, limits=(5,), latency_queries=0)
    assert (report.status, report.optimizing) == ("green", False)
    assert "optimize" not in str(report)
