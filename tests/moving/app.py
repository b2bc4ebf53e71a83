"""A service that answers questions on a handbook, with langchain-google-genai and langchain-qdrant.

`python app.py` reads the handbook into a folder, or opens the folder that is there, asks in every
way that the service has, and prints the answers as JSON. `make moving` runs it as it stands, and
with the changes that docs/moving.md names.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
from fastapi import FastAPI
from langchain.agents import create_agent
from langchain.tools import tool
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.storage import LocalFileStore
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_google_genai import GoogleGenerativeAIEmbeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from qdrant_client import models

HANDBOOK = {
    "vacation.md": "Vacation is 30 days a year. It is booked with the office in Lisbon, two weeks "
    "ahead.\n\nUnused days of vacation are lost at the end of March of the next year.",
    "hours.md": "The office opens at eight and closes at six.\n\nOn Fridays the office closes at "
    "four, and nobody needs to be there after two.",
    "travel.md": "Travel is booked through the office in Lisbon. Trains are preferred to planes."
    "\n\nReceipts of travel are handed in within ten days.",
    "kitchen.md": "The kitchen is cleaned by those who use it.\n\nCoffee is free, and so is fruit.",
}
QUESTION = "How many days of vacation are there in a year?"
api_key = os.environ["GOOGLE_API_KEY"]

embeddings = CacheBackedEmbeddings.from_bytes_store(
    GoogleGenerativeAIEmbeddings(
        model="models/gemini-embedding-001",
        google_api_key=api_key,
        output_dimensionality=768,
        request_options={"timeout": 10},
    ),
    LocalFileStore("./cache"),
    namespace="handbook",
)


def open_store() -> QdrantVectorStore:
    """Open the folder of the handbook, which the first start fills."""
    if Path("./handbook.done").exists():
        return QdrantVectorStore.from_existing_collection(
            collection_name="handbook", embedding=embeddings, path="./qdrant_data"
        )
    splitter = RecursiveCharacterTextSplitter(chunk_size=120, chunk_overlap=0)
    documents = splitter.split_documents(
        [
            Document(text, metadata={"source": name, "length": len(text)})
            for name, text in HANDBOOK.items()
        ]
    )
    Path("./handbook.done").touch()
    return QdrantVectorStore.from_documents(
        documents,
        embeddings,
        ids=[f"00000000-0000-0000-0000-{number:012}" for number in range(len(documents))],
        path="./qdrant_data",
        collection_name="handbook",
    )


store = open_store()
service = FastAPI()


@service.get("/search")
async def search(question: str) -> list[dict[str, object]]:
    """Return the passages that answer a question, with their ids."""
    documents = await store.asimilarity_search(question, k=2)
    return [
        {"id": document.metadata["_id"], "source": document.metadata["source"]}
        for document in documents
    ]


@tool
def handbook(question: str) -> str:
    """Look a question up in the handbook."""
    return "\n".join(each.page_content for each in store.similarity_search(question, k=1))


class Model(GenericFakeChatModel):
    """A chat model that says what it is told to, with tools or without."""

    def bind_tools(self, tools: object, **kwargs: object) -> Model:  # noqa: ARG002
        """Return the same model: its answers are written down."""
        return self


def texts(documents: list[Document]) -> list[str]:
    """Return the passages alone."""
    return [document.page_content for document in documents]


def only(source: str) -> models.Filter:
    """Return a filter that lets one file through."""
    match = models.MatchValue(value=source)
    return models.Filter(must=[models.FieldCondition(key="metadata.source", match=match)])


def ask_agent() -> str:
    """Let an agent look the question up; return what its tool found."""
    call = {"name": "handbook", "args": {"question": QUESTION}, "id": "1", "type": "tool_call"}
    model = Model(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("30 days")]))
    agent = create_agent(model, [handbook])
    messages = agent.invoke({"messages": [("user", QUESTION)]})["messages"]
    return str(messages[-2].content)


def ask_chain() -> str:
    """Answer by a chain over the retriever; return the answer."""
    prompt = ChatPromptTemplate.from_template("{context}\n\n{question}")
    context = store.as_retriever(search_kwargs={"k": 2}) | (lambda found: "\n".join(texts(found)))
    model = Model(messages=iter([AIMessage("30 days")]))
    inputs = {"context": context, "question": RunnablePassthrough()}
    return (inputs | prompt | model | StrOutputParser()).invoke(QUESTION)


async def ask_service() -> object:
    """Ask the endpoint as a browser would."""
    transport = httpx.ASGITransport(app=service)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        return (await client.get("/search", params={"question": QUESTION})).json()


def answers() -> dict[str, object]:
    """Ask in every way; nothing but a passage that is added and deleted is written."""
    certain = store.as_retriever(
        search_type="similarity_score_threshold",
        search_kwargs={"score_threshold": 0.8, "k": 8},
    )
    diverse = store.max_marginal_relevance_search(QUESTION, k=3, fetch_k=8, lambda_mult=0.3)
    late = store.add_documents(
        [Document("Shoes stay at the door.", metadata={"source": "door.md"})],
        ids=["00000000-0000-0000-0000-000000000099"],
    )
    found = {
        "nearest": texts(store.similarity_search(QUESTION, k=4)),
        "in one file": texts(store.similarity_search(QUESTION, k=4, filter=only("hours.md"))),
        "certain": texts(certain.invoke(QUESTION)),
        "diverse": texts(diverse),
        "scores": [round(s, 4) for _, s in store.similarity_search_with_score(QUESTION, k=4)],
        "added": texts(store.similarity_search("Where do shoes stay?", k=1)),
        "agent": ask_agent(),
        "chain": ask_chain(),
        "service": asyncio.run(ask_service()),
    }
    store.delete(late)
    return found | {"passages": store.client.count("handbook").count}


if __name__ == "__main__":
    json.dump(answers(), sys.stdout, indent=1)
    store.client.close()
