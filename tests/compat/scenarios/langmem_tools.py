"""LangMem's tools, with which an agent keeps and searches memories, over langgraph-store-qdrant."""

from __future__ import annotations

from langgraph.store.qdrant import QdrantStore
from langmem import create_manage_memory_tool, create_search_memory_tool
from steps import ANSWER, QUESTION, TEXTS, client, embeddings, report, step

INDEX = {"dims": embeddings.vector_size, "embed": embeddings, "fields": ["content"]}
ALICE = ("memories", "{user}")
RUN = {"configurable": {"user": "alice"}}


def texts(store, **options):
    search = create_search_memory_tool(ALICE, store=store, response_format="content_and_artifact")
    call = {"name": "search_memory", "args": {"query": QUESTION, **options}, "id": "1"}
    found = search.invoke({**call, "type": "tool_call"}, RUN).artifact
    return [each.value["content"] for each in found]


qdrant = client()
with step("create"):
    store = QdrantStore(qdrant, index=INDEX)
    store.setup()
    manage = create_manage_memory_tool(ALICE, store=store)
with step("add"):
    for text in TEXTS.values():
        manage.invoke({"content": text, "action": "create"}, RUN)
with step("search"):
    assert texts(store, limit=1) == [ANSWER]
with step("filter"):
    assert texts(store, filter={"content": TEXTS["bicycle"]}) == [TEXTS["bicycle"]]
with step("delete"):
    keys = {each.value["content"]: each.key for each in store.search(("memories", "alice"))}
    manage.invoke({"id": keys[TEXTS["bicycle"]], "action": "delete"}, RUN)
    assert TEXTS["bicycle"] not in texts(store)
with step("reopen"):
    qdrant.close()
    qdrant = client()
    assert texts(QdrantStore(qdrant, index=INDEX), limit=1) == [ANSWER]
qdrant.close()
report()
