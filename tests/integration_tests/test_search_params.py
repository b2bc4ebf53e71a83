"""Every search of a store uses its quantization's defaults, told apart in the engine itself.

The store is asked, then the engine with each setting; oversampling 3 with rescoring must be what
the store used.
"""

from __future__ import annotations

import asyncio

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import GeminiQdrantVectorStore, create_vector_store

QUERY = "the question"
K = 8


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    embeddings = DeterministicFakeEmbedding(size=128)
    path = tmp_path_factory.mktemp("edge")
    store = create_vector_store(embeddings, "c", path=path, quantization="binary")
    store.add_texts([f"text {i}" for i in range(1500)])
    yield store
    store.client.close()


def direct(store, **quantization):
    params = models.SearchParams(quantization=models.QuantizationSearchParams(**quantization))
    points = store.client.query_points(
        "c",
        query=store.embeddings.embed_query(QUERY),
        search_params=params,
        limit=K,
    ).points
    return [point.payload["page_content"] for point in points]


@pytest.fixture(scope="module")
def expected(store):
    """Oversampling 3 with rescoring; the other settings must be told apart from it."""
    expected = direct(store, rescore=True, oversampling=3.0)
    assert expected != direct(store, rescore=True, oversampling=1.0)
    assert expected != direct(store, rescore=False)
    return expected


SEARCHES = {
    "similarity_search": {},
    "similarity_search_with_score": {},
    "similarity_search_with_relevance_scores": {},
    "similarity_search_by_vector": {},
    "similarity_search_with_score_by_vector": {},
    "max_marginal_relevance_search": {"lambda_mult": 1.0, "fetch_k": K},
    "max_marginal_relevance_search_by_vector": {"lambda_mult": 1.0, "fetch_k": K},
}


CALLS = [("sync", name) for name in SEARCHES] + [
    ("async", name) for name in SEARCHES if hasattr(GeminiQdrantVectorStore, f"a{name}")
]


def call(mode, target, name, *args, **kwargs):
    if mode == "sync":
        return getattr(target, name)(*args, **kwargs)
    return asyncio.run(getattr(target, f"a{name}")(*args, **kwargs))


def search(mode, store, name, **kwargs):
    query = store.embeddings.embed_query(QUERY) if name.endswith("by_vector") else QUERY
    hits = call(mode, store, name, query, k=K, **SEARCHES[name], **kwargs)
    documents = [hit[0] if isinstance(hit, tuple) else hit for hit in hits]
    return [document.page_content for document in documents]


@pytest.mark.parametrize(("mode", "name"), CALLS)
def test_search_uses_the_defaults_of_the_store(store, expected, mode, name):
    assert search(mode, store, name) == expected


@pytest.mark.parametrize(("mode", "name"), CALLS)
def test_search_params_of_a_call_win(store, mode, name):
    params = models.SearchParams(quantization=models.QuantizationSearchParams(oversampling=1.0))
    found = search(mode, store, name, search_params=params)
    assert found == direct(store, rescore=True, oversampling=1.0)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("search_type", "kwargs"),
    [
        ("similarity", {}),
        ("mmr", {"lambda_mult": 1.0, "fetch_k": K}),
        ("similarity_score_threshold", {"score_threshold": 0.0}),
    ],
)
def test_retriever_uses_the_defaults_of_the_store(store, expected, mode, search_type, kwargs):
    retriever = store.as_retriever(search_type=search_type, search_kwargs={"k": K, **kwargs})
    assert [hit.page_content for hit in call(mode, retriever, "invoke", QUERY)] == expected


def test_store_s_own_search_params_come_over_those_of_the_preset(store):
    own = models.SearchParams(quantization=models.QuantizationSearchParams(oversampling=1.0))
    again = create_vector_store(store.embeddings, "c", client=store.client, search_params=own)
    hits = again.similarity_search(QUERY, k=K)
    assert [hit.page_content for hit in hits] == direct(store, rescore=True, oversampling=1.0)


def test_existing_quantized_collection_brings_its_defaults_along(store, expected):
    again = create_vector_store(store.embeddings, "c", client=store.client)
    assert again.search_params == store.search_params
    assert [hit.page_content for hit in again.similarity_search(QUERY, k=K)] == expected
