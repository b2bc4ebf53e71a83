"""EdgeBm25 in a search: on both engines, and in langchain-qdrant's own store."""

from __future__ import annotations

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.edge.bm25 import EdgeBm25

TEXTS = [
    "Oversampling fetches more candidates than asked for, and rescoring ranks them.",
    "Binary quantization keeps one bit of each component of a vector.",
    "A quantized vector is small; a vector of floats is large. Vectors, vectors, vectors.",
    "The river runs past old houses.",
    "An old house by the river, with an old boat and an old man who runs every morning.",
    "Error 404: page not found",
]
QUERIES = ["quantizing vectors", "old houses", "what is error 404?", "running", "unheard-of", "the"]


def ranking(client, bm25: EdgeBm25, query: str) -> tuple[list[int], list[float]]:
    vector = models.SparseVector(**bm25.embed_query(query).model_dump())
    points = client.query_points("bm25", vector, using="words", limit=len(TEXTS)).points
    points.sort(key=lambda point: (-round(point.score, 5), point.id))
    return [point.id for point in points], [point.score for point in points]


def fill(client, bm25: EdgeBm25) -> None:
    params = models.SparseVectorParams(modifier=bm25.modifier)
    client.create_collection("bm25", vectors_config={}, sparse_vectors_config={"words": params})
    vectors = [models.SparseVector(**v.model_dump()) for v in bm25.embed_documents(TEXTS)]
    client.upsert(
        "bm25",
        [models.PointStruct(id=i, vector={"words": vector}) for i, vector in enumerate(vectors)],
    )


def test_both_engines_rank_alike(tmp_path):
    bm25 = EdgeBm25(avg_len=8)
    edge, memory = EdgeClient(tmp_path / "index"), QdrantClient(":memory:")
    try:
        fill(edge, bm25)
        fill(memory, bm25)
        for query in QUERIES:
            ids, scores = ranking(edge, bm25, query)
            expected_ids, expected_scores = ranking(memory, bm25, query)
            assert ids == expected_ids
            assert scores == pytest.approx(expected_scores, abs=1e-5)
        assert ranking(edge, bm25, "quantizing vectors")[0] == [2, 1]
        assert ranking(edge, bm25, "old houses")[0] == [4, 3]  # "old" three times
        assert ranking(edge, bm25, "what is error 404?")[0] == [5]
        assert ranking(edge, bm25, "the")[0] == []
    finally:
        edge.close()
        memory.close()


def test_a_rare_word_weighs_more_than_a_common_one(client):
    """What the modifier adds, on each engine."""
    bm25 = EdgeBm25(b=0.0)
    fill(client, bm25)
    vector = dict(zip(*bm25.embed_query("error river").model_dump().values(), strict=True))
    assert set(vector.values()) == {1.0}
    _, [rare] = ranking(client, bm25, "error")
    _, [common, _] = ranking(client, bm25, "river")
    assert rare > common


def test_an_empty_vector_is_taken_and_never_found(client):
    bm25 = EdgeBm25()
    fill(client, bm25)
    [empty] = bm25.embed_documents(["the"])
    vector = models.SparseVector(**empty.model_dump())
    client.upsert("bm25", [models.PointStruct(id=99, vector={"words": vector})])
    for query in QUERIES:
        assert 99 not in ranking(client, bm25, query)[0]


@pytest.mark.parametrize("mode", [RetrievalMode.SPARSE, RetrievalMode.HYBRID])
def test_serves_langchain_qdrant_s_own_store(mode):
    bm25 = EdgeBm25()
    store = QdrantVectorStore.from_texts(
        TEXTS,
        DeterministicFakeEmbedding(size=16) if mode == RetrievalMode.HYBRID else None,
        location=":memory:",
        retrieval_mode=mode,
        sparse_embedding=bm25,
        sparse_vector_params={"modifier": bm25.modifier},
    )
    found = store.similarity_search("which error is 404?", k=3)
    assert TEXTS[5] in [document.page_content for document in found]
    assert mode == RetrievalMode.HYBRID or len(found) == 1
    store.client.close()
