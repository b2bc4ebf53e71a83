"""A RAG chain in LCEL: find passages, put them into a prompt, ask a chat model.

    python examples/rag_chain.py

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them. The chat model is a stand-in that repeats its prompt.
"""

from __future__ import annotations

import os

from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import ParrotFakeChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url

HANDBOOK = [
    Document("Employees get 30 days of paid vacation a year.", metadata={"page": 3}),
    Document("Unused vacation days expire at the end of March.", metadata={"page": 4}),
    Document("Travel is booked through the office in Lisbon.", metadata={"page": 9}),
    Document("Bicycles are parked in the yard.", metadata={"page": 12}),
]

# In your application: init_chat_model("google_genai:...") of langchain, or any other chat model.
model = ParrotFakeChatModel()
prompt = ChatPromptTemplate.from_template(
    "Answer from these passages, and name the page.\n\n{context}\n\nQuestion: {question}"
)


def join(documents: list[Document]) -> str:
    """Return the passages with their pages, in the format of the prompt."""
    return "\n".join(f"[page {each.metadata['page']}] {each.page_content}" for each in documents)


# To keep the index, pass a folder instead of ":temporary:", or url="https://..." of a server.
with (
    GeminiEmbeddings() as embeddings,
    create_vector_store(embeddings, "handbook", path=":temporary:", quantization="binary") as store,
):
    store.add_documents(HANDBOOK)
    retriever = store.as_retriever(search_kwargs={"k": 2})
    chain = (
        {"context": retriever | join, "question": RunnablePassthrough()}
        | prompt
        | model
        | StrOutputParser()
    )
    print(chain.invoke("How many days of paid vacation do employees get?"))
