"""`reembed` and `areembed` under one name, for tests of both."""

from __future__ import annotations

from langchain_gemini_qdrant import GeminiEmbeddings, areembed, reembed


class Reembedding:
    """A target for the fixture `call`; the options are defaults of each call."""

    def __init__(self, store, **options):
        self._store = store
        self._options = options

    def reembed(self, *args, **options):
        return reembed(self._store, *args, **self._options | options)

    async def areembed(self, *args, **options):
        return await areembed(self._store, *args, **self._options | options)

    async def aclose(self):
        await self._store.async_client.close()
        if isinstance(self._store.embeddings, GeminiEmbeddings):
            await self._store.embeddings.aclose()
