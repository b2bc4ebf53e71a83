"""LlamaIndex: an index over Gemini's vectors, dense and hybrid."""

from __future__ import annotations

import asyncio

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.vector_stores import (
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode
from llama_index.embeddings.langchain import LangchainEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import models
from steps import ANSWER, QUESTION, TEXTS, async_client, client, embeddings, report, step

from langchain_gemini_qdrant import EdgeBm25

MODEL = LangchainEmbedding(embeddings, embed_batch_size=100)
BM25 = EdgeBm25(language="english")
YEAR = {"field_name": "year", "field_schema": models.PayloadSchemaType.INTEGER}


def words(texts):
    vectors = BM25.embed_documents(texts)
    return [vector.indices for vector in vectors], [vector.values for vector in vectors]


def over(**clients):
    return QdrantVectorStore(
        "handbook",
        **clients,
        enable_hybrid=True,
        sparse_doc_fn=words,
        sparse_query_fn=words,
        payload_indexes=[YEAR],
    )


def search(index, **options):
    retriever = index.as_retriever(similarity_top_k=1, **options)
    return [found.text for found in retriever.retrieve(QUESTION)]


def where(*filters):
    return MetadataFilters(filters=[MetadataFilter(**condition) for condition in filters])


qdrant = client()
with step("create"):
    store = over(client=qdrant)
    context = StorageContext.from_defaults(vector_store=store)
with step("add"):
    documents = [
        Document(text=text, doc_id=name, metadata={"name": name, "year": 2024 + number})
        for number, (name, text) in enumerate(TEXTS.items())
    ]
    index = VectorStoreIndex.from_documents(documents, embed_model=MODEL, storage_context=context)
with step("search"):
    assert search(index) == [ANSWER]
with step("filter"):
    late = {"key": "year", "value": 2026, "operator": FilterOperator.GTE}
    assert search(index, filters=where(late)) == [TEXTS["bicycle"]]
    named = {"key": "name", "value": ["vacation"], "operator": FilterOperator.IN}
    assert search(index, filters=where(named)) == [TEXTS["vacation"]]
with step("hybrid"):
    mode = {"vector_store_query_mode": VectorStoreQueryMode.HYBRID, "sparse_top_k": 2}
    assert search(index, **mode) == [ANSWER]
with step("update"):
    index.update_ref_doc(Document(text="Vacation is 31 days.", doc_id="vacation"))
    assert "Vacation is 31 days." in [node.text for node in store.get_nodes()]
with step("delete"):
    index.delete_ref_doc("bicycle")
    assert TEXTS["bicycle"] not in [node.text for node in store.get_nodes()]
with step("reopen"):
    qdrant.close()
    qdrant = client()
    again = VectorStoreIndex.from_vector_store(over(client=qdrant), embed_model=MODEL)
    assert search(again) == [ANSWER]
qdrant.close()
with step("async"):

    async def ask():
        asynchronous = async_client()
        try:
            store = over(aclient=asynchronous)
            index = VectorStoreIndex.from_vector_store(store, embed_model=MODEL)
            found = await index.as_retriever(similarity_top_k=1).aretrieve(QUESTION)
            await store.adelete("vacation")
            return [each.text for each in found], (await asynchronous.count("handbook")).count
        finally:
            await asynchronous.close()

    assert asyncio.run(ask()) == ([ANSWER], 1)
report()
