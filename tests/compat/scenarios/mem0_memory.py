"""mem0 with the client of its configuration; `infer=False` stores memories without a chat model."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from steps import ANSWER, FOLDER, QUESTION, TEXTS, client, report, similarity, step

os.environ |= {"MEM0_TELEMETRY": "false", "MEM0_DIR": f"{FOLDER}.mem0", "OPENAI_API_KEY": "unused"}
from mem0 import AsyncMemory, Memory  # reads the environment

ALICE = {"user_id": "alice"}


def config(qdrant):
    vectors = {"client": qdrant, "embedding_model_dims": similarity.vector_size}
    return {
        "vector_store": {"provider": "qdrant", "config": {"collection_name": "memory", **vectors}},
        "embedder": {"provider": "langchain", "config": {"model": similarity}},
        "history_db_path": str(Path(f"{FOLDER}.mem0") / "history.db"),
    }


def texts(answer):
    return [memory["memory"] for memory in answer["results"]]


qdrant = client()
with step("create"):
    memory = Memory.from_config(config(qdrant))
with step("add"):
    ids = {}
    for name, text in TEXTS.items():
        added = memory.add(text, **ALICE, metadata={"name": name}, infer=False)
        ids[name] = added["results"][0]["id"]
with step("search"):
    assert texts(memory.search(QUESTION, filters=ALICE, top_k=1)) == [ANSWER]
    assert texts(memory.search(QUESTION, filters={"user_id": "bob"})) == []
with step("filter"):
    found = memory.search(QUESTION, filters=ALICE | {"name": {"in": ["bicycle"]}}, threshold=0.0)
    assert texts(found) == [TEXTS["bicycle"]]
    assert len(texts(memory.get_all(filters=ALICE))) == len(TEXTS)
with step("update"):
    memory.update(ids["vacation"], "Employees get 31 days of paid vacation a year.")
    assert "31 days" in memory.get(ids["vacation"])["memory"]
with step("delete"):
    memory.delete(ids["bicycle"])
    assert memory.get(ids["bicycle"]) is None
with step("async"):

    async def ask():
        found = AsyncMemory.from_config(config(qdrant))
        return await found.search(QUESTION, filters=ALICE, top_k=1)

    assert texts(asyncio.run(ask())) == [ANSWER]
with step("reopen"):
    qdrant.close()
    qdrant = client()
    memory = Memory.from_config(config(qdrant))
    assert texts(memory.search(QUESTION, filters=ALICE, top_k=1)) == [ANSWER]
    memory.reset()
qdrant.close()
report()
