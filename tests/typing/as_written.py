"""Code as people write it, checked by mypy and pyright in strict mode and without a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from langchain_core.documents import Document

import langchain_gemini_qdrant
from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    create_vector_store,
    measure_recall,
    recommend,
)

if TYPE_CHECKING:
    from pydantic import SecretStr


def version() -> str:
    return langchain_gemini_qdrant.__version__


def keys(key: SecretStr) -> list[GeminiEmbeddings]:
    return [
        GeminiEmbeddings(api_key="..."),
        GeminiEmbeddings(google_api_key="..."),
        GeminiEmbeddings(api_key=key, model="gemini-embedding-001", timeout=10),
    ]


def tasks() -> list[GeminiEmbeddings]:
    return [
        GeminiEmbeddings(task_type="question_answering"),
        GeminiEmbeddings(task_type="QUESTION_ANSWERING", output_dimensionality=768),
    ]


def mistakes(embeddings: GeminiEmbeddings) -> None:
    GeminiEmbeddings(ouput_dimensionality=768)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    GeminiEmbeddings(task_type="question")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    create_vector_store(embeddings, "c", quantization="binry")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def stores(embeddings: GeminiEmbeddings) -> None:
    documents = [Document("a")]
    store = GeminiQdrantVectorStore.from_texts(["a"], embeddings, path="index")
    assert_type(store.count(), int)
    store = GeminiQdrantVectorStore.from_documents(documents, embeddings, location=":memory:")
    assert_type(store.count(), int)
    store = GeminiQdrantVectorStore.from_existing_collection("c", embeddings, path="index")
    assert_type(store.count(), int)
    store = await GeminiQdrantVectorStore.afrom_texts(["a"], embeddings, path="index")
    assert_type(await store.acount(), int)
    store = await GeminiQdrantVectorStore.afrom_documents(documents, embeddings)
    assert_type(await store.acount(), int)
    with create_vector_store(embeddings, "c", path="index") as store:
        assert_type(store, GeminiQdrantVectorStore)


def tuned(store: GeminiQdrantVectorStore) -> str:
    found = recommend(measure_recall(store, progress=True), 0.95, limit=10)
    store.remember_search_params(found.search_params)
    return found.setting
