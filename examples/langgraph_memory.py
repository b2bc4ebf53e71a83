"""Long-term memory for LangGraph on the embedded engine, with Qdrant's langgraph-store-qdrant.

    pip install langgraph langgraph-store-qdrant
    python examples/langgraph_memory.py

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them. There is no chat model: the node returns the
memory that it found.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore  # noqa: TC002 - LangGraph reads the annotation
from langgraph.store.qdrant import QdrantIndexConfig, QdrantStore

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url

MEMORIES = {
    "vacation": "Alice takes her vacation in May.",
    "travel": "Alice books travel through the office in Lisbon.",
    "bicycle": "Alice parks her bicycle in the yard.",
}


class State(TypedDict):
    """The state of the graph."""

    question: str
    answer: str


def answer(state: State, *, store: BaseStore) -> dict[str, str]:
    """Return the memory nearest to the question; in your application, a chat model reads it."""
    [memory] = store.search(("users", "alice"), query=state["question"], limit=1)
    return {"answer": memory.value["text"]}


# To keep the memories, pass a folder instead of ":temporary:", or use QdrantClient with a server.
with (
    GeminiEmbeddings(output_dimensionality=768) as embeddings,
    closing(EdgeClient(":temporary:")) as client,
):
    index: QdrantIndexConfig = {"dims": 768, "embed": embeddings, "fields": ["text"]}
    store = QdrantStore(client, index=index)
    store.setup()
    for key, text in MEMORIES.items():
        store.put(("users", "alice"), key, {"text": text})
    graph = StateGraph(State).add_node(answer).add_edge(START, "answer").compile(store=store)
    question: State = {"question": "Where does Alice book travel?", "answer": ""}
    print(graph.invoke(question)["answer"])
