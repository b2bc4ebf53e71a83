"""Dense and sparse search together, on each engine, with BM25 that needs no model."""

from __future__ import annotations

from itertools import compress

import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant import EdgeBm25, GeminiQdrantVectorStore, create_vector_store
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from tests.integration_tests.plane import Plane

RRF = models.FusionQuery(fusion=models.Fusion.RRF)
DBSF = models.FusionQuery(fusion=models.Fusion.DBSF)


class Words(Plane):
    """Puts a text by its number of words, which has nothing to do with what they say."""

    def embed_documents(self, texts):
        return [[1.0, len(text.split()) / 10] for text in texts]


TEXTS = [
    "cats sleep",
    "dogs bark at night",
    "cats hunt mice at night in the garden",
    "a train leaves the station early in the morning",
]


@pytest.fixture
def hybrid(client):
    store = create_vector_store(Words(), "c", client=client, sparse_embedding=EdgeBm25())
    store.add_texts(TEXTS, ids=[f"{i}th" for i in range(4)])
    return store


def ids(hits):
    return [(hit[0] if isinstance(hit, tuple) else hit).id for hit in hits]


def test_a_sparse_embedding_makes_the_store_hybrid_with_idf(hybrid):
    assert hybrid.retrieval_mode == RetrievalMode.HYBRID
    params = hybrid.client.get_collection("c").config.params
    assert params.sparse_vectors["langchain-sparse"].modifier == models.Modifier.IDF


def test_words_and_meaning_both_count(hybrid, call):
    hits = call(hybrid, "similarity_search", "mice sleep")
    assert ids(hits)[0] == "0th"  # has the word, and as many of them
    assert set(ids(hits)[:2]) == {"0th", "2th"} or ids(hits)[1] == "1th"
    assert len(hits) == 4


def test_weights_move_the_balance(hybrid, call):
    def first(weights, k=None):
        fusion = models.RrfQuery(rrf=models.Rrf(k=k, weights=weights))
        return ids(call(hybrid, "similarity_search", "garden", k=1, hybrid_fusion=fusion))[0]

    assert first([1.0, 0.1]) == "0th"
    assert first([0.1, 1.0]) == "2th"
    assert first([0.1, 1.0], k=60) == "2th"


@pytest.mark.one_node("a shard has candidates and word counts of its own")
@pytest.mark.parametrize("fusion", [RRF, DBSF], ids=["rrf", "dbsf"])
def test_relevance_is_a_share_of_the_best_score_there_can_be(hybrid, call, fusion):
    hits = call(
        hybrid, "similarity_search_with_relevance_scores", "cats sleep", hybrid_fusion=fusion
    )
    raw = call(hybrid, "similarity_search_with_score", "cats sleep", hybrid_fusion=fusion)
    assert ids(hits) == ids(raw)
    assert ids(hits)[0] == "0th"
    scores = [score for _, score in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    if fusion is RRF:
        assert scores[0] == pytest.approx(1)  # first of both kinds


@pytest.mark.one_node("a shard has candidates and word counts of its own")
def test_relevance_of_weighted_rrf_reaches_1_too(hybrid, call):
    fusion = models.RrfQuery(rrf=models.Rrf(k=5, weights=[3.0, 1.0]))
    hits = call(
        hybrid, "similarity_search_with_relevance_scores", "cats sleep", hybrid_fusion=fusion
    )
    assert hits[0][1] == pytest.approx(1)


@pytest.mark.one_node("a shard has candidates and word counts of its own")
def test_pages_of_fused_hits_follow_each_other(client, call):
    store = create_vector_store(Words(), "c", client=client, sparse_embedding=EdgeBm25())
    store.add_texts([" ".join(["word"] * (1 + i % 7) + [f"nr{i}"]) for i in range(60)])
    query, search = "word nr7 nr50", "similarity_search_with_score"
    whole = store.similarity_search_with_score(query, k=60)
    pages = [
        hit
        for offset in range(0, 60, 20)
        for hit in call(store, search, query, k=20, offset=offset)
    ]
    assert len(set(ids(whole))) == 60
    scores = [score for _, score in whole]
    assert [score for _, score in pages] == scores
    # Engines return hits with one score in any order, which may change from call to call.
    alone = [scores.count(score) == 1 for score in scores]
    assert sum(alone) > 40
    assert list(compress(ids(pages), alone)) == list(compress(ids(whole), alone))


@pytest.mark.one_node("a shard has candidates and word counts of its own")
def test_fetch_k_sets_the_candidates_of_each_kind(hybrid, call):
    assert len(call(hybrid, "similarity_search", "cats sleep", fetch_k=1)) == 1
    assert len(call(hybrid, "similarity_search", "cats sleep", fetch_k=4)) == 4


def test_filters_hold_for_both_kinds(client, call):
    store = create_vector_store(Words(), "c", client=client, sparse_embedding=EdgeBm25())
    store.add_documents([Document(text, metadata={"n": i}) for i, text in enumerate(TEXTS)])
    hits = call(store, "similarity_search", "cats sleep", filter={"n": {"$gte": 2}})
    assert {hit.metadata["n"] for hit in hits} == {2, 3}


def test_sparse_only_needs_no_dense_embedding(client, call):
    store = create_vector_store(
        None,
        "c",
        client=client,
        retrieval_mode=RetrievalMode.SPARSE,
        sparse_embedding=EdgeBm25(language="german"),
        sparse_vector_name="words",
    )
    call(store, "add_texts", ["Die Häuser sind alt", "Der Zug ist pünktlich"], ids=["h", "z"])
    [(hit, relevance)] = call(store, "similarity_search_with_relevance_scores", "Haus")
    assert hit.id == "h"
    assert 0 < relevance < 1
    assert call(store, "similarity_search", "Katze") == []
    for name, query in (
        ("max_marginal_relevance_search", "Haus"),
        ("similarity_search_by_vector", [1]),
    ):
        with pytest.raises(ConfigurationError, match="retrieval_mode DENSE or HYBRID"):
            call(store, name, query)


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_another_language_is_a_mismatch_that_says_both(client):
    create_vector_store(Words(), "c", client=client, sparse_embedding=EdgeBm25())
    german = EdgeBm25(language="german")
    with pytest.raises(CollectionMismatchError, match="language english.*language german"):
        create_vector_store(Words(), "c", client=client, sparse_embedding=german)


def test_a_missing_sparse_vector_is_a_mismatch(client):
    create_vector_store(Words(), "c", client=client)
    with pytest.raises(CollectionMismatchError, match="no sparse vector named 'langchain-sparse'"):
        create_vector_store(Words(), "c", client=client, sparse_embedding=EdgeBm25())


def test_hybrid_collections_of_langchain_qdrant_open_here_and_the_other_way_round(client):
    client.create_collection(
        "c",
        {"": models.VectorParams(size=2, distance=models.Distance.COSINE)},
        sparse_vectors_config={
            "langchain-sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)
        },
    )
    settings = {"retrieval_mode": RetrievalMode.HYBRID, "sparse_embedding": EdgeBm25()}
    theirs = QdrantVectorStore(client, "c", Words(), **settings)
    theirs.add_texts(TEXTS)
    ours = GeminiQdrantVectorStore(client, "c", Words(), **settings)
    for query in ("cats", "garden station"):
        found = [hit.page_content for hit in ours.similarity_search(query)]
        assert found == [hit.page_content for hit in theirs.similarity_search(query)]
