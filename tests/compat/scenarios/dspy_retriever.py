"""dspy-qdrant: DSPy's retriever over a collection that exists."""

from __future__ import annotations

from dspy_qdrant import QdrantRM
from dspy_qdrant.qdrant_rm import BaseSentenceVectorizer
from qdrant_client import models
from steps import ANSWER, QUESTION, TEXTS, client, embeddings, report, step

from langchain_gemini_qdrant import create_vector_store


class Gemini(BaseSentenceVectorizer):
    """Gemini's vectors of the queries."""

    def __call__(self, inp_examples):
        return [embeddings.embed_query(query) for query in inp_examples]


def passages(qdrant, **options):
    retriever = QdrantRM("handbook", qdrant, document_field="page_content", vectorizer=Gemini())
    return [found["long_text"] for found in retriever(QUESTION, **options)]


qdrant = client()
with step("create"):
    store = create_vector_store(embeddings, "handbook", client=qdrant)
with step("add"):
    store.add_texts(TEXTS.values(), [{"name": name} for name in TEXTS])
with step("search"):
    assert passages(qdrant, k=1) == [ANSWER]
with step("filter"):
    match = models.FieldCondition(key="metadata.name", match=models.MatchValue(value="bicycle"))
    assert passages(qdrant, filter=models.Filter(must=[match])) == [TEXTS["bicycle"]]
with step("reopen"):
    qdrant.close()
    qdrant = client()
    assert passages(qdrant, k=1) == [ANSWER]
qdrant.close()
report()
