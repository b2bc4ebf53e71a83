"""LlamaIndex with Gemini, by its adapter for LangChain's embeddings, on the embedded engine.

    pip install llama-index-core llama-index-embeddings-langchain llama-index-vector-stores-qdrant
    python examples/llamaindex.py

With GOOGLE_API_KEY or GEMINI_API_KEY set, Gemini makes the vectors; without, an emulator of its
API on this machine does. The language model is a stand-in that repeats what it was asked.
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

# A folder in place of ":temporary:" keeps the index; qdrant-client's QdrantClient is a server.
with GeminiEmbeddings() as embeddings, closing(EdgeClient(":temporary:")) as client:
    index = VectorStoreIndex.from_documents(
        HANDBOOK,
        embed_model=LangchainEmbedding(embeddings, embed_batch_size=100),
        storage_context=StorageContext.from_defaults(
            vector_store=QdrantVectorStore("handbook", client=client)
        ),
    )
    # In an application: GoogleGenAI of llama-index-llms-google-genai, or any other model.
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=1)
    print(engine.query("Where do I book travel?"))
