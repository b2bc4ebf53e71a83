"""langgraph-store-qdrant: LangGraph's long-term memory."""

from __future__ import annotations

import asyncio

from langgraph.store.base import PutOp, SearchOp
from langgraph.store.qdrant import AsyncQdrantStore, QdrantStore
from steps import ANSWER, QUESTION, TEXTS, async_client, client, embeddings, report, step

INDEX = {"dims": embeddings.vector_size, "embed": embeddings, "fields": ["text"]}
ALICE, BOB = ("users", "alice"), ("users", "bob")


def keys(found):
    return [memory.key for memory in found]


qdrant = client()
with step("create"):
    store = QdrantStore(qdrant, index=INDEX, ttl={"omit_expired": True})
    store.setup()
    store.setup()
with step("add"):
    for year, (name, text) in enumerate(TEXTS.items(), 2024):
        store.put(ALICE, name, {"text": text, "year": year, "tags": [name]})
    store.batch([PutOp(BOB, f"{n}", {"text": f"Rule {n}"}) for n in range(300)])
    assert store.get(ALICE, "travel").value["text"] == ANSWER
with step("search"):
    [found] = store.search(ALICE, query=QUESTION, limit=1)
    assert (found.value["text"], found.score > 0) == (ANSWER, True)
    pages = [store.search(("users",), query=QUESTION, limit=100, offset=n) for n in (0, 100, 200)]
    assert len({(each.namespace, each.key) for page in pages for each in page}) == 300
with step("filter"):
    for condition, expected in (
        ({"year": 2024}, ["vacation"]),
        ({"year": {"$gte": 2026}}, ["bicycle"]),
        ({"year": {"$ne": 2024}, "tags": ["travel"]}, ["travel"]),
    ):
        assert keys(store.search(ALICE, filter=condition)) == expected
with step("namespaces"):
    assert store.list_namespaces(prefix=("users",)) == [ALICE, BOB]
    assert store.list_namespaces(prefix=("*", "bob"), max_depth=1) == [("users",)]
with step("update"):
    before = store.get(ALICE, "vacation").created_at
    store.put(ALICE, "vacation", {"text": "31 days"})
    after = store.get(ALICE, "vacation")
    assert (after.value, after.created_at) == ({"text": "31 days"}, before)
with step("expiry"):
    store.put(ALICE, "gone", {"text": "No longer."}, ttl=-1)
    assert store.get(ALICE, "gone") is None
    assert store.sweep_ttl() == 1
with step("delete"):
    store.delete(ALICE, "bicycle")
    assert store.get(ALICE, "bicycle") is None
with step("reopen"):
    qdrant.close()
    qdrant = client()
    store = QdrantStore(qdrant, index=INDEX)
    store.setup()
    assert keys(store.search(ALICE, query=QUESTION, limit=1)) == ["travel"]
qdrant.close()
with step("async"):

    async def ask():
        asynchronous = async_client()
        try:
            store = AsyncQdrantStore(asynchronous, index=INDEX)
            await store.setup()
            await asyncio.gather(*(store.aput(ALICE, f"{n}", {"text": "More"}) for n in range(50)))
            [found] = await store.abatch([SearchOp(ALICE, query=QUESTION, limit=1)])
            return keys(found), len(await store.asearch(ALICE, limit=100))
        finally:
            await asynchronous.close()

    assert asyncio.run(ask()) == (["travel"], 52)
report()
