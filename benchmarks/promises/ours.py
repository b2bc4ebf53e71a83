"""This package, as its documentation uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import google.genai  # noqa: F401 - on first use otherwise, which some probes would wait for
from qdrant_client import models
from worker import FastClock

from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    create_vector_store,
    ingest,
)
from langchain_gemini_qdrant.testing import GeminiEmulator
from promises.side import COLLECTION, PARAMETER, SIZE, Side

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.stores import ByteStore
    from langchain_qdrant.sparse_embeddings import SparseEmbeddings
    from qdrant_client import QdrantClient


class Ours(Side):
    """langchain-gemini-qdrant."""

    packages = ("langchain-gemini-qdrant",)
    store_class = GeminiQdrantVectorStore

    def embeddings(self, model: str = PARAMETER, **options: object) -> GeminiEmbeddings:
        """Make `GeminiEmbeddings`."""
        settings: dict[str, Any] = {"output_dimensionality": SIZE} | options
        return GeminiEmbeddings(
            model=model, api_key=self.emulator.key, base_url=self.emulator.url, **settings
        )

    def within(self, seconds: float) -> GeminiEmbeddings:
        """Set `timeout`."""
        return self.embeddings(timeout=seconds, max_retries=0)

    def under_quota(self, texts: int, window: float) -> GeminiEmbeddings:
        """Set `requests_per_minute`, and a clock whose minutes are as long as the emulator's."""
        return self.embeddings(requests_per_minute=texts, clock=FastClock(60.0 / window))

    def cached(self, cache: ByteStore) -> GeminiEmbeddings:
        """Set `cache`."""
        return self.embeddings(cache=cache)

    def store(
        self,
        embedding: Embeddings,
        client: QdrantClient,
        *,
        distance: models.Distance = models.Distance.COSINE,
        binary: bool = False,
        sparse: SparseEmbeddings | None = None,
    ) -> GeminiQdrantVectorStore:
        """Call `create_vector_store`."""
        return create_vector_store(
            embedding,
            COLLECTION,
            client=client,
            distance=distance,
            quantization="binary" if binary else None,
            sparse_embedding=sparse,
        )

    def binary_in_folder(self, embedding: Embeddings) -> GeminiQdrantVectorStore:
        """Call `create_vector_store` with `path`."""
        path = self.folder / "index"
        return create_vector_store(embedding, COLLECTION, path=path, quantization="binary")

    def ingest(self, store: GeminiQdrantVectorStore, documents: list[Document]) -> None:
        """Call `ingest`."""
        ingest(store, documents)

    def imitation(self) -> GeminiEmulator:
        """Return the emulator."""
        return GeminiEmulator()
