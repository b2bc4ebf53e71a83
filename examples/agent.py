"""An agent that searches a collection when a question needs it.

    pip install langchain
    python examples/agent.py

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them. The chat model is a stand-in with fixed answers.
"""

from __future__ import annotations

import os
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import create_retriever_tool

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url

QUESTION = "Where do I book a trip?"


class StandIn(GenericFakeChatModel):
    """In your application: init_chat_model("google_genai:..."), or any model that calls tools."""

    def bind_tools(self, tools: object, **kwargs: Any) -> StandIn:  # noqa: ARG002 - fixed answers
        """Accept tools, as a real model does."""
        return self


search = {"name": "search_handbook", "args": {"query": "book travel"}, "id": "1"}
script = [AIMessage("", tool_calls=[search]), AIMessage("Through the office in Lisbon.")]

with (
    GeminiEmbeddings() as embeddings,
    create_vector_store(embeddings, "handbook", path=":temporary:", quantization="binary") as store,
):
    store.add_texts(
        [
            "Employees get 30 days of paid vacation a year.",
            "Travel is booked through the office in Lisbon.",
        ]
    )
    handbook = create_retriever_tool(
        store.as_retriever(search_kwargs={"k": 1}),
        "search_handbook",
        "Search the employee handbook.",
    )
    agent = create_agent(StandIn(messages=iter(script)), [handbook])
    state = agent.invoke({"messages": [("user", QUESTION)]})

for message in state["messages"]:
    print(f"{message.type}: {message.text or message.tool_calls[0]['args']}")
