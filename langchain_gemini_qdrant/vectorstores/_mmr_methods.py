"""Searches by maximal marginal relevance (MMR): hits that are relevant and different."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.vectorstores._arguments import as_vector
from langchain_gemini_qdrant.vectorstores._plan import search_options
from langchain_gemini_qdrant.vectorstores._search import mmr_search

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from qdrant_client import models

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter


class MmrMethods(QdrantVectorStore):
    """The methods of a store that search for diverse hits.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

    def max_marginal_relevance_search(
        self,
        query: Content,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a text or a medium for hits that are relevant and different from each other.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            **kwargs: `score_key`, a metadata key under which each hit's score is written;
                `score_formula=None` and `group_by=None`, as MMR cannot apply those of the store;
                and options of `QdrantClient.query_points`.

        Returns:
            Documents, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        options = search_options(filter, search_params, score_threshold, consistency, kwargs)
        options |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        hits = run(mmr_search(self.collection, query, k=k, **options))
        return [document for document, _ in hits]

    async def amax_marginal_relevance_search(
        self, query: Content, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Search with a text or a medium for relevant, diverse hits, without blocking.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            **kwargs: The options of the sync method: `filter`, `search_params`, `score_threshold`,
                `consistency`, `score_key`.

        Returns:
            Documents, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        kwargs |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        hits = await mmr_search(self.async_collection, query, k=k, **kwargs)
        return [document for document, _ in hits]

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a vector for hits that are relevant and different from each other.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            **kwargs: `score_key`, a metadata key under which each hit's score is written;
                `score_formula=None` and `group_by=None`, as MMR cannot apply those of the store;
                and options of `QdrantClient.query_points`.

        Returns:
            Documents, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        options = search_options(filter, search_params, score_threshold, consistency, kwargs)
        options |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        hits = self.max_marginal_relevance_search_with_score_by_vector(embedding, k, **options)
        return [document for document, _ in hits]

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a vector for relevant, diverse hits without blocking the event loop.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            **kwargs: The options of the sync method: `filter`, `search_params`, `score_threshold`,
                `consistency`, `score_key`.

        Returns:
            Documents, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        kwargs |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        hits = await self.amax_marginal_relevance_search_with_score_by_vector(
            embedding, k, **kwargs
        )
        return [document for document, _ in hits]

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a vector for relevant, diverse hits, and return them with scores.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            **kwargs: `score_key`, a metadata key under which each hit's score is written;
                `score_formula=None` and `group_by=None`, as MMR cannot apply those of the store;
                and options of `QdrantClient.query_points`.

        Returns:
            Documents and their scores, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        options = search_options(filter, search_params, score_threshold, consistency, kwargs)
        options |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        return run(mmr_search(self.collection, vector=as_vector(embedding), k=k, **options))

    async def amax_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a vector for diverse hits with scores without blocking the event loop.

        Args:
            embedding: A vector of the collection's size, such as `embed_query` returns.
            k: Most documents to return.
            fetch_k: Number of nearest hits from which `k` are chosen.
            lambda_mult: Weight of relevance, from 0 (diversity only) to 1 (relevance only).
            **kwargs: The options of the sync method: `filter`, `search_params`, `score_threshold`,
                `consistency`, `score_key`.

        Returns:
            Documents and their scores, in the order chosen.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
        """
        kwargs |= {"fetch_k": fetch_k, "lambda_mult": lambda_mult}
        return await mmr_search(self.async_collection, vector=as_vector(embedding), k=k, **kwargs)
