"""langchain-qdrant's own store, dense and hybrid."""

from __future__ import annotations

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models
from steps import ANSWER, IDS, QUESTION, TEXTS, client, embeddings, report, step

from langchain_gemini_qdrant import EdgeBm25

HYBRID = {"retrieval_mode": RetrievalMode.HYBRID, "sparse_vector_name": "words"}


def over(qdrant):
    return QdrantVectorStore(
        qdrant, "handbook", embeddings, sparse_embedding=EdgeBm25(language="english"), **HYBRID
    )


def texts(documents):
    return [document.page_content for document in documents]


qdrant = client()
with step("create"):
    size = models.VectorParams(size=embeddings.vector_size, distance=models.Distance.COSINE)
    words = models.SparseVectorParams(modifier=models.Modifier.IDF)
    qdrant.create_collection("handbook", size, sparse_vectors_config={"words": words})
    store = over(qdrant)
with step("add"):
    metadatas = [{"name": name} for name in TEXTS]
    assert store.add_texts(TEXTS.values(), metadatas, list(IDS.values())) == list(IDS.values())
with step("search"):
    dense = QdrantVectorStore(qdrant, "handbook", embeddings)
    assert texts(dense.similarity_search(QUESTION, k=1)) == [ANSWER]
with step("hybrid"):
    assert texts(store.similarity_search(QUESTION, k=1)) == [ANSWER]
with step("filter"):
    match = models.FieldCondition(key="metadata.name", match=models.MatchValue(value="bicycle"))
    found = store.similarity_search(QUESTION, filter=models.Filter(must=[match]))
    assert texts(found) == [TEXTS["bicycle"]]
with step("delete"):
    assert store.delete([IDS["bicycle"]])
    assert store.get_by_ids([IDS["bicycle"]]) == []
with step("reopen"):
    qdrant.close()
    qdrant = client()
    assert texts(over(qdrant).similarity_search(QUESTION, k=1)) == [ANSWER]
qdrant.close()
report()
