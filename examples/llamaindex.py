"""LlamaIndex with Gemini on the embedded engine, through its adapter for LangChain embeddings.

    pip install llama-index-core llama-index-embeddings-langchain llama-index-vector-stores-qdrant
    python examples/llamaindex.py

If GOOGLE_API_KEY or GEMINI_API_KEY is set, Gemini makes the vectors. Without a key, an emulator of
the Gemini API on this machine makes them. The chat model is a stand-in that repeats its prompt.
"""

from __future__ import annotations

import os
from contextlib import closing

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.embeddings.langchain import LangchainEmbedding
from llama_index.vector_stores.qdrant import QdrantVectorStore

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings
from langchain_gemini_qdrant.testing import GeminiEmulator

if not (os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")):
    emulator = GeminiEmulator()
    emulator.start()
    os.environ["GOOGLE_API_KEY"] = emulator.api_key
    os.environ["GOOGLE_GEMINI_BASE_URL"] = emulator.base_url

HANDBOOK = [
    Document(text="Employees get 30 days of paid vacation a year.", metadata={"page": 3}),
    Document(text="Travel is booked through the office in Lisbon.", metadata={"page": 9}),
    Document(text="Bicycles are parked in the yard.", metadata={"page": 12}),
]

# To keep the index, pass a folder instead of ":temporary:", or use QdrantClient with a server.
with GeminiEmbeddings() as embeddings, closing(EdgeClient(":temporary:")) as client:
    index = VectorStoreIndex.from_documents(
        HANDBOOK,
        embed_model=LangchainEmbedding(embeddings, embed_batch_size=100),
        storage_context=StorageContext.from_defaults(
            vector_store=QdrantVectorStore("handbook", client=client)
        ),
    )
    # In your application: GoogleGenAI of llama-index-llms-google-genai, or any other model.
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    print(engine.query("Where do I book travel?"))
