"""What an administrator limits makes pages and batches smaller, and ends nothing."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeBm25,
    create_vector_store,
    ingest,
    measure_recall,
    migrate,
    reembed,
)
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall import compare_quantizations
from tests.integration_tests.qdrant_server_proxy import UPSTREAM

EMBEDDINGS = DeterministicFakeEmbedding(size=128)
COUNT = 60
IDS = [f"d{number}" for number in range(COUNT)]
TIGHT = {
    "max_query_limit": 11,
    "search_allow_exact": False,
    "search_max_batchsize": 3,
    "max_timeout": 7,
    "search_max_oversampling": 2.0,
}
RATES = {"read_rate_limit": 13, "write_rate_limit": 25}


@pytest.fixture(params=["rest", pytest.param("grpc", marks=pytest.mark.slow)])
def open_store(request, qdrant_server):
    """Open a store over a collection with limits; what is filled is filled without."""
    grpc = {"prefer_grpc": request.param == "grpc", "grpc_port": qdrant_server.grpc_port}
    made = []

    def open_store(*, limits=TIGHT, embedding=EMBEDDINGS, **options):
        options = {"url": qdrant_server.url, **grpc, **options}
        with create_vector_store(embedding, "c", **options) as store:
            store.add_texts([f"text {each}" for each in IDS], [{"n": "one"}] * COUNT, IDS)
            strict = models.StrictModeConfig(enabled=True, **limits)
            store.client.update_collection("c", strict_mode_config=strict)
        made.append(create_vector_store(embedding, "c", **options))
        return made[-1]

    yield open_store
    for store in made:
        store.close()


async def test_documents_are_listed_and_counted_within_the_limits(open_store, twin):
    store = open_store()
    assert {each.id for each in store.iter_documents()} == {*IDS}
    assert {each.id async for each in store.aiter_documents(batch_size=500)} == {*IDS}
    assert await twin(store, "count") == COUNT
    assert await twin(store, "count", {"n": "two"}) == 0


@pytest.mark.skipif(UPSTREAM is not None, reason="a real server has a minute pass between requests")
async def test_no_request_needs_more_than_the_allowance_of_a_minute(open_store, twin):
    store = open_store(limits=RATES)
    assert [each.id for each in await twin(store, "get_by_ids", IDS)] == IDS
    assert measure_recall(store, limits=(5,), latency_queries=0).queries == COUNT
    assert await twin(store, "delete", IDS[:50])
    assert store.count() == 10


async def test_hybrid_search_merges_as_many_hits_as_are_allowed(open_store, twin):
    store = open_store(sparse_embedding=EdgeBm25())
    for further in ({}, {"fetch_k": 50}):
        found = await twin(store, "similarity_search", "text d7", k=3, **further)
        assert len(found) == 3


async def test_oversampling_of_a_preset_keeps_to_the_limit(open_store, twin):
    store = open_store(quantization="binary")
    assert store.search_params.quantization.oversampling == 2.0
    assert len(await twin(store, "similarity_search", "text d7", k=3)) == 3
    store.set_quantization("binary-1.5bit")
    assert store.search_params.quantization.oversampling == 2.0


async def test_oversampling_that_is_remembered_keeps_to_the_limit(open_store, twin):
    store = open_store(quantization="binary")
    codes = models.QuantizationSearchParams(rescore=True, oversampling=5.0)
    store.remember_search_params(models.SearchParams(quantization=codes))
    assert store.search_params.quantization.oversampling == 2.0
    assert len(await twin(store, "similarity_search", "text d7", k=3)) == 3


@pytest.mark.parametrize("seed", [None, 1])
def test_recall_is_measured_within_the_limits(open_store, seed):
    store = open_store(limits={**TIGHT, "search_allow_exact": True}, quantization="binary")
    options = {"limits": (5,), "seed": seed}
    report = measure_recall(store, oversampling=(1, 2), **options)
    assert (report.queries, report.points) == (COUNT, COUNT)
    compared = compare_quantizations(store, presets=["binary"], query_count=20, **options)
    assert compared.points == COUNT


@pytest.mark.parametrize(
    ("limits", "options", "said"),
    [
        ({"search_allow_exact": False}, {}, "'c' allows none .search_allow_exact"),
        ({"max_query_limit": 10}, {"limits": (10,)}, "limits must be below 10 here"),
        ({"search_max_oversampling": 2.0}, {}, "oversampling must be at most 2,.* got 3"),
    ],
)
def test_what_cannot_be_measured_is_told_before_queries_are_embedded(
    open_store, limits, options, said
):
    store = open_store(limits=limits, quantization="binary")
    with pytest.raises(ConfigurationError, match=said):
        measure_recall(store, [object()], **options)


def test_stale_documents_are_cleaned_up_within_the_limits(open_store, embeddings):
    store = open_store(limits={**TIGHT, "write_rate_limit": 5}, embedding=embeddings)
    documents = [Document("new", metadata={"n": "one"}, id="new")]
    for cleanup, deleted in {"source": COUNT, "full": 0}.items():
        report = ingest(store, documents, cleanup=cleanup, source_key="n")
        assert report.deleted == deleted
    assert store.count() == 1


@pytest.mark.filterwarnings("ignore:collection .c. of the target does not have")
def test_collections_are_moved_within_the_limits(open_store, embeddings):
    source = open_store(embedding=embeddings)
    assert migrate(source.client, QdrantClient(":memory:"), "c").added == COUNT
    for counted in ("added", "skipped"):
        report = migrate(source.client, source.client, "c", target_collection_name="copy")
        assert getattr(report, counted) == COUNT
    smaller = embeddings.model_copy(update={"output_dimensionality": 128})
    assert reembed(source, smaller, collection_name="new").store.count() == COUNT
    assert reembed(source, smaller, collection_name="new").ingest.added == 0
