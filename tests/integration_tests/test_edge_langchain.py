"""langchain-qdrant's store runs on the embedded engine as it stands, and ours on its worker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import QdrantVectorStore, RetrievalMode, SparseEmbeddings, SparseVector
from qdrant_client import models

from langchain_gemini_qdrant import AsyncEdgeClient, acreate_vector_store, create_vector_store
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import ConfigurationError

TEXTS = ["the red house", "the blue house", "a green car", "an old tree", "rain in the north"]


class WordCounts(SparseEmbeddings):
    def embed_documents(self, texts: list[str]) -> list[SparseVector]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> SparseVector:
        words = sorted({sum(word.encode()) for word in text.split()})
        return SparseVector(indices=words, values=[1.0] * len(words))


@pytest.fixture(params=list(RetrievalMode))
def store(request, tmp_path):
    client = EdgeClient(tmp_path)
    client.create_collection(
        "store",
        {"dense": models.VectorParams(size=32, distance=models.Distance.COSINE)},
        {"sparse": models.SparseVectorParams()},
        quantization_config=models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(always_ram=True)
        ),
    )
    yield QdrantVectorStore(
        client,
        "store",
        embedding=DeterministicFakeEmbedding(size=32),
        sparse_embedding=WordCounts(),
        vector_name="dense",
        sparse_vector_name="sparse",
        retrieval_mode=request.param,
    )
    client.close()


def test_documents_are_added_found_read_and_deleted(store):
    ids = [str(uuid4()) for _ in TEXTS]
    documents = [
        Document(page_content=text, metadata={"number": number, "even": number % 2 == 0})
        for number, text in enumerate(TEXTS)
    ]
    assert store.add_documents(documents, ids=ids) == ids

    [(found, _)] = store.similarity_search_with_score(
        TEXTS[2],
        k=1,
        search_params=models.SearchParams(
            quantization=models.QuantizationSearchParams(rescore=True, oversampling=3.0)
        ),
    )
    assert found.page_content == TEXTS[2]
    even = models.Filter(
        must=models.FieldCondition(key="metadata.even", match=models.MatchValue(value=True))
    )
    assert {d.metadata["number"] for d in store.similarity_search("house", k=5, filter=even)} <= {
        0,
        2,
        4,
    }
    if store.retrieval_mode is not RetrievalMode.SPARSE:
        mmr = store.max_marginal_relevance_search(TEXTS[0], k=2, fetch_k=4)
        assert mmr[0].page_content == TEXTS[0]

    assert [d.page_content for d in store.get_by_ids([ids[3], ids[0]])] == [TEXTS[3], TEXTS[0]]
    assert store.delete([ids[0]]) is True
    assert store.get_by_ids([ids[0]]) == []


async def test_the_async_methods_run_from_executor_threads(store):
    ids = await store.aadd_texts(TEXTS)
    assert [d.page_content for d in await store.asimilarity_search(TEXTS[1], k=1)] == [TEXTS[1]]
    assert await store.adelete(ids) is True


# --- an asynchronous client over a synchronous one


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
async def test_an_async_client_over_a_sync_one_has_its_engine_and_is_an_async_edge_client(
    tmp_path, worker
):
    client = EdgeClient(tmp_path / "index", worker=worker, durability="power")
    over = AsyncEdgeClient.over(client)
    assert isinstance(over, AsyncEdgeClient)
    assert over.init_options == {"path": str(tmp_path / "index"), "durability": "power"}
    await over.create_collection("c", models.VectorParams(size=2, distance=models.Distance.DOT))
    await over.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0])])
    over.upload_points("c", [models.PointStruct(id=2, vector=[0.0, 1.0])])  # no coroutine, as ever
    assert [point.id for point in (await over.query_points("c", [1.0, 0.0])).points] == [1, 2]
    assert await over.optimize("c") == client.optimize("c")
    assert await over.vector_storage_size("c") == client.vector_storage_size("c")
    assert (await over.storage_info("c")).points_count == 2
    await over.backup(tmp_path / "backup")
    await over.aclose()
    assert client.count("c").count == 2
    client.close()


async def test_the_async_side_of_a_store_is_an_async_edge_client(tmp_path):
    store = create_vector_store(DeterministicFakeEmbedding(size=8), "c", path=tmp_path)
    assert isinstance(store.async_client, AsyncEdgeClient)
    store.close()


# --- a store on a worker


@pytest.mark.slow
def test_a_store_on_a_worker_shares_it_with_its_async_side():
    embeddings = DeterministicFakeEmbedding(size=8)

    async def use():
        async with await acreate_vector_store(
            embeddings, "c", path=":temporary:", worker=True, durability="power"
        ) as store:
            assert isinstance(store.async_client, AsyncEdgeClient)
            await store.aadd_texts(["a"], ids=["x"])
            assert store.count() == 1
            store.add_texts(["b"])
            assert await store.acount() == 2
            return store.client.init_options

    options = asyncio.run(use())
    assert (options["worker"], options["durability"]) == (True, "power")
    assert not Path(options["path"]).exists()


@pytest.mark.slow
async def test_an_async_edge_client_of_the_user_s_serves_both_sides(tmp_path):
    own = AsyncEdgeClient(tmp_path)
    embeddings = DeterministicFakeEmbedding(size=8)
    async with await acreate_vector_store(
        embeddings, "c", async_client=own, quantization="binary"
    ) as store:
        await store.aadd_texts(["a"])
        assert store.count() == 1
        assert store.search_params.quantization.oversampling == 3.0
    assert (await own.count("c")).count == 1
    await own.close()


@pytest.mark.parametrize("options", [{"worker": True}, {"durability": "power"}])
def test_options_of_the_embedded_engine_go_with_a_path(options):
    embeddings = DeterministicFakeEmbedding(size=8)
    with pytest.raises(ConfigurationError, match="goes? with path=, not with location="):
        create_vector_store(embeddings, "c", location=":memory:", **options)
