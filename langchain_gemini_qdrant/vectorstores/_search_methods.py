"""Searches with a text or media: LangChain's and langchain-qdrant's signatures over `_search`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.vectorstores._arguments import as_number, check_retriever
from langchain_gemini_qdrant.vectorstores._payloads import to_document
from langchain_gemini_qdrant.vectorstores._plan import search_options
from langchain_gemini_qdrant.vectorstores._retriever import VectorStoreRetriever
from langchain_gemini_qdrant.vectorstores._scores import relevance, threshold
from langchain_gemini_qdrant.vectorstores._search import search

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.documents import Document
    from qdrant_client import models

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._scores import Fusion
    from langchain_gemini_qdrant.vectorstores.filters import Filter


class SearchMethods(QdrantVectorStore):
    """The methods of a store that search for the documents nearest to a text or media.

    As in langchain-qdrant's class, a method without scores calls its counterpart
    `..._with_score...`, so that a subclass has to override only that one.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

    def similarity_search(
        self,
        query: Content,
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        hybrid_fusion: Fusion | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a text or a medium for the documents nearest to it.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            offset: Number of hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: Read consistency: how many replicas must agree.
            hybrid_fusion: How dense and sparse hits are merged in hybrid mode: `"rrf"`, `"dbsf"`,
                `FusionQuery` or `RrfQuery`; None is the store's.
            **kwargs: `score_formula`, how scores are computed; `group_by`, a metadata field of
                which at most `group_size` documents have the same value (None switches the store's
                off); `fetch_k`, the hits that are merged, scored or grouped; `score_key`, a
                metadata key under which each hit's score is written; and options of
                `QdrantClient.query_points`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        hits = self.similarity_search_with_score(
            query,
            k,
            filter=filter,
            search_params=search_params,
            offset=offset,
            score_threshold=score_threshold,
            consistency=consistency,
            hybrid_fusion=hybrid_fusion,
            **kwargs,
        )
        return [document for document, _ in hits]

    async def asimilarity_search(self, query: Content, k: int = 4, **kwargs: Any) -> list[Document]:
        """Search with a text or a medium without blocking the event loop.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            **kwargs: The options of the sync method: `filter`, `search_params`, `offset`,
                `score_threshold`, `consistency`, `hybrid_fusion`, `score_formula`, `group_by`,
                `group_size`, `score_key`, `fetch_k`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        hits = await self.asimilarity_search_with_score(query, k, **kwargs)
        return [document for document, _ in hits]

    def similarity_search_with_score(
        self,
        query: Content,
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        hybrid_fusion: Fusion | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a text or a medium for documents and their scores.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf", "page": {"$gte": 3}}`,
                with `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$and`,
                `$or` and `$not`; or Qdrant's `Filter`, on the whole payload.
            search_params: Search parameters that override the store's, field by field.
            offset: Number of hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale, met
                to 6 decimal places.
            consistency: Read consistency: how many replicas must agree.
            hybrid_fusion: How dense and sparse hits are merged, in hybrid mode: `"rrf"`, `"dbsf"`,
                `FusionQuery` or `RrfQuery` (weights, k); None is the store's. A query of media
                alone has only dense hits, with scores of the same fusion.
            **kwargs: `score_formula`, how scores are computed: `newer_first(...)`, `boost(...)`, a
                list of these, or `FormulaQuery`; `group_by`, a metadata field of which at most
                `group_size` documents have the same value, 1 by default (None switches the
                store's off); `fetch_k`, the hits that are merged in hybrid mode, scored by a
                formula or grouped (at least 100 by default); `score_key`, a metadata key under
                which each hit's score is written, for chains that get only documents; and options
                of `QdrantClient.query_points`.

        Returns:
            Documents and their scores, best first.

        Raises:
            ConfigurationError: `search_params`, `hybrid_fusion`, `score_formula` or `group_by` is
                not valid; nothing is sent.
            InvalidInputError: The filter is not valid, a number is out of range, or
                `score_threshold` is combined with the scores of binary codes (`rescore=False`),
                which are not similarities; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        options = search_options(
            filter, search_params, score_threshold, consistency, kwargs, offset
        )
        options["hybrid_fusion"] = hybrid_fusion
        return run(search(self.collection, query, k=k, **options))

    async def asimilarity_search_with_score(
        self, query: Content, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a text or a medium, for documents with scores, without blocking.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            **kwargs: The options of the sync method: `filter`, `search_params`, `offset`,
                `score_threshold`, `consistency`, `hybrid_fusion`, `score_formula`, `group_by`,
                `group_size`, `score_key`, `fetch_k`.

        Returns:
            Documents and their scores, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        return await search(self.async_collection, query, k=k, **kwargs)

    def similarity_search_with_relevance_scores(
        self, query: Content, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a text or a medium for hits with their relevance, from 0 to 1, best first.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            **kwargs: `score_threshold`, the lowest relevance of a hit, with a tolerance for the
                engine's rounding; `filter`, a dict of conditions on the metadata;
                `search_params`, `offset`, `consistency`, `hybrid_fusion`, `score_formula`,
                `group_by`, `group_size`, `score_key`, `fetch_k`.

        Returns:
            Documents and their relevance, best first. With cosine and dot product the relevance is
            the score, from 0 to 1. With score factors it is that of the changed score.

        Raises:
            InvalidInputError: An option is not valid or out of range, or `score_formula` is a
                `FormulaQuery`, whose scale is not known; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        given: Any = query  # LangChain passes it to the method below
        return super().similarity_search_with_relevance_scores(given, k, **_lowered(kwargs))

    async def asimilarity_search_with_relevance_scores(
        self, query: Content, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a text or a medium, for hits with their relevance, without blocking.

        Args:
            query: A text, a `Blob`, a content block such as an image, or a sequence of these; it is
                embedded with one request to Gemini.
            k: Most documents to return.
            **kwargs: `score_threshold`, the lowest relevance of a hit; `filter`, a dict of
                conditions on the metadata; `search_params`, `offset`, `consistency`,
                `hybrid_fusion`, `score_formula`, `group_by`, `group_size`, `score_key`, `fetch_k`.

        Returns:
            Documents and their relevance, from 0 to 1, best first.

        Raises:
            InvalidInputError: An option is not valid or out of range, or `score_formula` is a
                `FormulaQuery`, whose scale is not known; nothing is sent.
            EmbeddingError: Gemini did not embed the query.
        """
        given: Any = query  # LangChain passes it to the method below
        return await super().asimilarity_search_with_relevance_scores(given, k, **_lowered(kwargs))

    def _similarity_search_with_relevance_scores(
        self, query: Content, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return run(search(self.collection, query, k=k, as_relevance=True, **kwargs))

    async def _asimilarity_search_with_relevance_scores(
        self, query: Content, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return await search(self.async_collection, query, k=k, as_relevance=True, **kwargs)

    def as_retriever(self, **kwargs: Any) -> VectorStoreRetriever:
        """Return a retriever of this store.

        Args:
            **kwargs: `search_type`: `"similarity"` (the default), `"mmr"` or
                `"similarity_score_threshold"`; `search_kwargs`: a dict of that search's options,
                such as `k` and `filter`; and the fields of any retriever: `tags`, `metadata`,
                `name`.

        Returns:
            A retriever whose `invoke` and `ainvoke` search this store with a text, a `Blob`, a
            content block or a sequence of these.

        Raises:
            ConfigurationError: `search_type` is unknown, or an option of the search is outside
                `search_kwargs`, where LangChain would silently drop it.
        """
        check_retriever(kwargs)
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return VectorStoreRetriever(vectorstore=self, tags=tags, **kwargs)

    # Extension points of langchain-qdrant's class

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        size = self.collection.layout.known_size or 0
        return partial(relevance, distance=self.distance, size=size)

    @classmethod
    def _document_from_point(
        cls,
        scored_point: models.Record | models.ScoredPoint,
        collection_name: str,  # noqa: ARG003 - langchain-qdrant's signature
        content_payload_key: str,
        metadata_payload_key: str,
    ) -> Document:
        return to_document(scored_point, content_payload_key, metadata_payload_key)


def _lowered(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return options with the threshold lowered by the engine's rounding error."""
    least = kwargs.get("score_threshold")
    if least is None:
        return kwargs
    return {**kwargs, "score_threshold": threshold(as_number(least, "score_threshold"), None)}
