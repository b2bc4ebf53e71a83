"""Subclasses of GeminiEmbeddings: a method that one replaces is called for every text."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document

import langchain_gemini_qdrant
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, recall

DOCUMENTS = [
    Document(f"passage {i}.", id=str(i), metadata={"title": f"title {i}"}) for i in range(25)
]


class Sync(GeminiEmbeddings):
    def embed_documents(self, texts, **options):
        return super().embed_documents([f"kept {text}" for text in texts], **options)

    def embed_query(self, text, **options):
        return super().embed_query(f"asked {text}", **options)


class Async(GeminiEmbeddings):
    async def aembed_documents(self, texts, **options):
        return await super().aembed_documents([f"kept {text}" for text in texts], **options)

    async def aembed_query(self, text, **options):
        return await super().aembed_query(f"asked {text}", **options)


class Both(Sync, Async):
    pass


@pytest.fixture(params=[Sync, Async, Both])
async def embeddings(request, emulator):
    embeddings = request.param(
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        output_dimensionality=128,
        batch_size=10,
    )
    yield embeddings
    await embeddings.aclose()
    embeddings.close()


@pytest.fixture
async def store(embeddings):
    store = create_vector_store(embeddings, "notes", path=":temporary:", title_key="title")
    yield store
    await store.aclose()


def sent(emulator):
    return sorted(sent.text for sent in emulator.texts)


def kept(documents):
    return sorted(f"title: {d.metadata['title']} | text: kept {d.page_content}" for d in documents)


@pytest.mark.parametrize("count", [1, 10, 11, 25])
async def test_added_documents_are_embedded_by_the_method_of_a_subclass(
    store, emulator, twin, count
):
    await twin(store, "add_documents", DOCUMENTS[:count])
    assert sent(emulator) == kept(DOCUMENTS[:count])


@pytest.mark.parametrize("count", [1, 25])
async def test_ingested_documents_are_embedded_by_the_method_of_a_subclass(
    store, emulator, twin, count
):
    report = await twin(langchain_gemini_qdrant, "ingest", store, DOCUMENTS[:count], batch_size=10)
    assert sent(emulator) == kept(DOCUMENTS[:count])
    assert (report.added, report.texts) == (count, count)


async def test_documents_are_embedded_again_by_the_method_of_a_subclass(store, emulator, twin):
    await twin(store, "add_documents", DOCUMENTS)
    emulator.clear()
    smaller = store.embeddings.model_copy(update={"output_dimensionality": 256})
    await twin(langchain_gemini_qdrant, "reembed", store, smaller)
    assert sent(emulator) == kept(DOCUMENTS)


async def test_queries_are_embedded_by_the_method_of_a_subclass(store, emulator, twin):
    await twin(store, "add_documents", DOCUMENTS)
    emulator.clear()
    await twin(store, "similarity_search", "a")
    await twin(recall, "measure_recall", store, ["b", "c"], latency_queries=1)
    queries = [f"task: search result | query: asked {text}" for text in "abc"]
    assert sent(emulator) == queries
