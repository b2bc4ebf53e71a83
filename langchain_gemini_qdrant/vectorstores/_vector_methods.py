"""Searches with a vector: LangChain's and langchain-qdrant's signatures over `_search`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.vectorstores._plan import search_options
from langchain_gemini_qdrant.vectorstores._search import search_by_vector

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from qdrant_client import models

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter


class VectorMethods(QdrantVectorStore):
    """The methods of a store that search for the documents nearest to a vector.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

    def similarity_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a vector for the documents nearest to it.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            offset: Number of hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            **kwargs: `score_formula`, `group_by`, `group_size` and `fetch_k`, as in
                `similarity_search`; `score_key`, a metadata key under which each hit's score is
                written; and options of `QdrantClient.query_points`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        options = search_options(
            filter, search_params, score_threshold, consistency, kwargs, offset
        )
        hits = self.similarity_search_with_score_by_vector(embedding, k, **options)
        return [document for document, _ in hits]

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Search with a vector without blocking the event loop.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            **kwargs: The options of the sync method: `filter`, `search_params`, `offset`,
                `score_threshold`, `consistency`, `score_formula`, `group_by`, `group_size`,
                `score_key`, `fetch_k`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        hits = await self.asimilarity_search_with_score_by_vector(embedding, k, **kwargs)
        return [document for document, _ in hits]

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a vector for documents and their scores.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            offset: Number of hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            **kwargs: `score_formula`, `group_by`, `group_size` and `fetch_k`, as in
                `similarity_search`; `score_key`, a metadata key under which each hit's score is
                written; and options of `QdrantClient.query_points`.

        Returns:
            Documents and their scores, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        options = search_options(
            filter, search_params, score_threshold, consistency, kwargs, offset
        )
        return run(search_by_vector(self.collection, embedding, k=k, **options))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a vector, for documents with scores, without blocking the event loop.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            **kwargs: The options of the sync method: `filter`, `search_params`, `offset`,
                `score_threshold`, `consistency`, `score_formula`, `group_by`, `group_size`,
                `score_key`, `fetch_k`.

        Returns:
            Documents and their scores, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        return await search_by_vector(self.async_collection, embedding, k=k, **kwargs)
