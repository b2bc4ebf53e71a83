"""ragbits: its vector store over an asynchronous client."""

from __future__ import annotations

import asyncio

from ragbits.core.embeddings.dense import DenseEmbedder
from ragbits.core.options import Options
from ragbits.core.vector_stores.base import VectorStoreEntry
from ragbits.core.vector_stores.qdrant import QdrantVectorStore
from steps import ANSWER, IDS, QUESTION, TEXTS, async_client, report, similarity, step


class Gemini(DenseEmbedder[Options]):
    """Gemini's vectors for ragbits, which has one method for documents and queries."""

    options_cls = Options

    async def get_vector_size(self):
        return similarity.vector_size

    async def embed_text(self, data, options=None):  # noqa: ARG002 - as ragbits calls it
        return await similarity.aembed_documents(data)


def texts(found):
    return [each.entry.text for each in found]


async def main():
    qdrant = async_client()
    with step("create"):
        store = QdrantVectorStore(qdrant, "handbook", Gemini())
    with step("add"):
        await store.store(
            [
                VectorStoreEntry(id=IDS[name], text=text, metadata={"name": name})
                for name, text in TEXTS.items()
            ]
        )
    with step("search"):
        found = await store.retrieve(QUESTION, store.options_cls(k=1))
        assert texts(found) == [ANSWER]
    with step("filter"):
        found = await store.retrieve(QUESTION, store.options_cls(where={"name": "bicycle"}))
        assert texts(found) == [TEXTS["bicycle"]]
    with step("delete"):
        await store.remove([IDS["bicycle"]])
        assert len(await store.list()) == len(TEXTS) - 1
    with step("async"):
        assert len(await store.list(where={"name": "travel"})) == 1
    with step("reopen"):
        await qdrant.close()
        qdrant = async_client()
        again = QdrantVectorStore(qdrant, "handbook", Gemini())
        assert texts(await again.retrieve(QUESTION, store.options_cls(k=1))) == [ANSWER]
    await qdrant.close()
    await similarity.aclose()


asyncio.run(main())
report()
