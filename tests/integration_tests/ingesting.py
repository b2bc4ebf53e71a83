"""`ingest` and `aingest` under one name, for tests of both."""

from __future__ import annotations

from langchain_core.documents import Document

from langchain_gemini_qdrant import GeminiEmbeddings, aingest, ingest
from langchain_gemini_qdrant.testing import sample_media


class Runs:
    """A target for the fixture `call`."""

    def __init__(self, store):
        self._store = store

    def ingest(self, *args, **options):
        return ingest(self._store, *args, **options)

    async def aingest(self, *args, **options):
        return await aingest(self._store, *args, **options)

    async def aclose(self):
        await self._store.async_client.close()
        if isinstance(self._store.embeddings, GeminiEmbeddings):
            await self._store.embeddings.aclose()


def passages(count, first=0):
    """Return documents of three sources, without ids."""
    return [
        Document(f"passage {i}.", metadata={"source": f"file {i % 3}"})
        for i in range(first, first + count)
    ]


def captioned(folder, count):
    """Return the same passages as captions of pictures, made in the folder if they are missing."""
    documents = passages(count)
    for number, document in enumerate(documents):
        name = f"{number % 50}.png"
        if number < 50 and not (folder / name).exists():
            (folder / name).write_bytes(sample_media.png(f"picture {number}", size=(8, 8)))
        document.metadata["media"] = name
    return documents


def stored(store):
    """Return the texts that the collection has, in order."""
    return sorted(document.page_content for document in store.iter_documents())


def texts(documents):
    return sorted(document.page_content for document in documents)
