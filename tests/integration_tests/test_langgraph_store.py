"""Qdrant's own store for LangGraph's memory, langgraph-store-qdrant, over the embedded engine."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing

import pytest

pytest.importorskip("langgraph.store.qdrant", reason="`make examples` has it")

from langgraph.store.base import PutOp, SearchOp
from langgraph.store.qdrant import AsyncQdrantStore, QdrantStore

from langchain_gemini_qdrant import AsyncEdgeClient, EdgeClient

pytestmark = pytest.mark.slow

ALICE, BOB = ("users", "alice"), ("users", "bob")
VACATION = {
    "text": "Vacation is 30 days a year.",
    "year": 2026,
    "tags": ["rules"],
    "deep": {"n": 0.5},
}
TRAVEL = {"text": "Travel is booked in Lisbon.", "year": 2025, "tags": [], "deep": {"n": 1}}


@pytest.fixture
def index(embeddings):
    return {"dims": 768, "embed": embeddings, "fields": ["text"]}


@pytest.fixture(params=[False, True], ids=["in process", "worker"])
def client(request, tmp_path):
    with closing(EdgeClient(tmp_path / "index", worker=request.param)) as client:
        yield client


def fill(store):
    store.setup()
    store.put(ALICE, "vacation", VACATION)
    store.put(ALICE, "travel", TRAVEL)
    store.put(BOB, "vacation", {"text": "Bob is away."})


def check(store):
    assert store.get(ALICE, "vacation").value == VACATION
    assert store.get(ALICE, "unknown") is None
    assert {item.key for item in store.search(("users",))} == {"vacation", "travel"}
    for condition in ({"year": {"$gt": 2025}}, {"deep": {"n": 0.5}}, {"tags": ["rules"]}):
        assert [item.key for item in store.search(ALICE, filter=condition)] == ["vacation"]
    assert store.list_namespaces(prefix=("users",)) == [ALICE, BOB]
    assert store.list_namespaces(max_depth=1) == [("users",)]


def test_memory_is_kept_found_and_listed(client, index, tmp_path):
    store = QdrantStore(client, index=index)
    fill(store)
    check(store)
    found = store.search(ALICE, query="Where is travel booked?", limit=2)
    assert [item.key for item in found] == ["travel", "vacation"]
    assert found[0].score > found[1].score
    client.close()
    with closing(EdgeClient(tmp_path / "index")) as again:
        store = QdrantStore(again, index=index)
        store.setup()
        check(store)
        store.delete(ALICE, "travel")
        assert store.get(ALICE, "travel") is None


def test_memory_needs_no_embeddings(client, tmp_path):
    fill(QdrantStore(client))
    check(QdrantStore(client))
    client.close()
    with closing(EdgeClient(tmp_path / "index")) as again:
        check(QdrantStore(again))


def test_memory_expires(client):
    store = QdrantStore(client, ttl={"omit_expired": True})
    store.setup()
    store.put(ALICE, "gone", {"n": 1}, ttl=-1)
    store.put(ALICE, "kept", {"n": 2}, ttl=60)
    assert [item.key for item in store.search(ALICE)] == ["kept"]
    assert store.sweep_ttl() == 1
    assert client.count(store.collection_name).count == 1


def test_many_memories_go_in_one_batch(client, index):
    store = QdrantStore(client, index=index)
    store.setup()
    store.batch([PutOp(ALICE, f"{i}", {"text": f"Rule {i}", "n": i}) for i in range(1_000)])
    [found] = store.batch([SearchOp(ALICE, filter={"n": {"$gte": 990}}, limit=20)])
    assert {item.key for item in found} == {str(i) for i in range(990, 1_000)}


# Of google-genai, where aiohttp is installed, as it is with the other examples.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_async_memory(embeddings, index, tmp_path):
    async with aclosing(AsyncEdgeClient(tmp_path / "index")) as client:
        store = AsyncQdrantStore(client, index=index)
        await store.setup()
        await asyncio.gather(
            store.aput(ALICE, "vacation", VACATION), store.aput(ALICE, "travel", TRAVEL)
        )
        [found] = await store.asearch(ALICE, query="Where is travel booked?", limit=1)
        assert (found.key, found.value) == ("travel", TRAVEL)
    await embeddings.aclose()
