"""Embeddings that wrap others, such as LangChain's `CacheBackedEmbeddings`."""

from __future__ import annotations

from langchain_core.embeddings import Embeddings

from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings

_DEEPEST = 8  # nested wrappers; a wrapper of itself would be endless


def gemini_of(embedding: object) -> GeminiEmbeddings | None:
    """Return the `GeminiEmbeddings` that make an embedding's vectors, None if there are none.

    That is the embedding itself, or one that it wraps as `underlying_embeddings`.
    """
    for _ in range(_DEEPEST):
        if isinstance(embedding, GeminiEmbeddings):
            return embedding
        if not isinstance(embedding, Embeddings):
            return None
        embedding = getattr(embedding, "underlying_embeddings", None)
    return None


def mixes_sides(embedding: object) -> bool:
    """Return whether a wrapper caches documents and queries together, keyed only by text.

    LangChain's `query_embedding_cache=True` does: a query that equals a document's text gets the
    document's vector.
    """
    documents = getattr(embedding, "document_embedding_store", None)
    queries = getattr(embedding, "query_embedding_store", None)
    if documents is None or queries is None:
        return False
    # Both may encode keys and values for the underlying byte store.
    return getattr(documents, "store", documents) is getattr(queries, "store", queries)
