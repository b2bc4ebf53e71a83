"""An agent that remembers: what it is told in one conversation, it knows in the next ones.

    pip install langchain langgraph-store-qdrant
    python examples/memory_agent.py

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them. The chat model is a stand-in with fixed answers. The
memories are in a folder: after the second conversation, it is closed and opened again.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.qdrant import QdrantIndexConfig, QdrantStore

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url


@dataclass
class User:
    """Who talks to the agent; everyone has memories of their own."""

    name: str


@tool
def remember(text: str, runtime: ToolRuntime[User]) -> str:
    """Keep a sentence about the user."""
    assert runtime.store
    runtime.store.put(("memories", runtime.context.name), str(uuid4()), {"text": text})
    return "remembered"


@tool
def recall(question: str, runtime: ToolRuntime[User]) -> str:
    """Search what is known about the user."""
    assert runtime.store
    found = runtime.store.search(("memories", runtime.context.name), query=question, limit=1)
    return "\n".join(memory.value["text"] for memory in found) or "nothing"


class StandIn(GenericFakeChatModel):
    """In your application: init_chat_model("google_genai:..."), or any model that calls tools."""

    def bind_tools(self, tools: object, **kwargs: Any) -> StandIn:  # noqa: ARG002 - fixed answers
        """Accept tools, as a real model does."""
        return self


def calls(*tools: tuple[str, dict[str, str]]) -> AIMessage:
    """Return an answer of the stand-in that calls tools."""
    named = [{"name": name, "args": args, "id": str(uuid4())} for name, args in tools]
    return AIMessage("", tool_calls=named)


conversations = InMemorySaver()


def converse(store: QdrantStore, user: str, question: str, *answers: AIMessage) -> None:
    """Have a conversation of its own, and print it."""
    agent = create_agent(
        StandIn(messages=iter(answers)),
        [remember, recall],
        system_prompt="Remember what users tell about themselves. Recall it when it helps.",
        context_schema=User,
        store=store,
        checkpointer=conversations,
    )
    state = agent.invoke(
        {"messages": [HumanMessage(question)]},
        {"configurable": {"thread_id": str(uuid4())}},
        context=User(user),
    )
    for message in state["messages"]:
        print(f"{message.type}: {message.text or [call['args'] for call in message.tool_calls]}")
    print()


FLIGHTS = calls(("recall", {"question": "Which seat on a flight?"}))

with (
    tempfile.TemporaryDirectory() as folder,
    GeminiEmbeddings(output_dimensionality=768) as embeddings,
):
    index: QdrantIndexConfig = {"dims": 768, "embed": embeddings, "fields": ["text"]}
    with closing(EdgeClient(f"{folder}/memory")) as client:
        memory = QdrantStore(client, index=index)
        memory.setup()
        converse(
            memory,
            "alice",
            "I always take a window seat on flights, and I do not eat meat.",
            calls(
                ("remember", {"text": "Alice takes a window seat on flights."}),
                ("remember", {"text": "Alice does not eat meat."}),
            ),
            AIMessage("Noted."),
        )
        converse(memory, "bob", "Book my flight.", FLIGHTS, AIMessage("Which seat?"))
    # The program has ended and starts again.
    with closing(EdgeClient(f"{folder}/memory")) as client:
        memory = QdrantStore(client, index=index)
        memory.setup()
        converse(
            memory, "alice", "Book my flight.", FLIGHTS, AIMessage("By the window, as always.")
        )
