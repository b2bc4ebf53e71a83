"""`GeminiQdrantVectorStore`, the public face of the store's operations: sync and async."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.vectorstores import _points as _writing
from langchain_gemini_qdrant.vectorstores._connection import Engine
from langchain_gemini_qdrant.vectorstores._opening import warn_of_local_mode
from langchain_gemini_qdrant.vectorstores._write import Operations
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings
    from qdrant_client import AsyncQdrantClient, QdrantClient
    from typing_extensions import Self

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._schema import PayloadIndex
    from langchain_gemini_qdrant.vectorstores._search import Fusion
    from langchain_gemini_qdrant.vectorstores.filters import Filter

T = TypeVar("T")


class GeminiQdrantVectorStore(Operations):
    """`QdrantVectorStore` with search defaults, ids, filters and checks that hold.

    - `search_params` reach every search method and retriever; what a call sets wins.
    - Any string is an id, and comes back on `Document.id`; metadata comes back as it went in.
    - A filter is a dict over metadata, `{"source": "a.pdf", "page": {"$gte": 3}}`, or Qdrant's own.
    - `lambda_mult` of MMR means what LangChain says: 1 is relevance only, 0 diversity only.
    - `score_threshold` is on the scale of the scores that a method returns: of the engine in
      `similarity_search` and its likes, from 0 to 1 where LangChain asks for relevance. With
      cosine and dot product both are the same number.
    - Every method has an async twin with the prefix `a`, which never blocks the event loop for a
      server and uses no thread.
    - Opening sends nothing to Gemini, and each search one request to it and one to Qdrant.
    - A connection that is lost is tried again, up to three times.

    Most users want `create_vector_store`, which makes the client and the collection too.

    Args:
        client: A `QdrantClient`, an `EdgeClient` among them. None with `async_client`, whose
            options then make one for sync use when it is needed.
        collection_name: An existing collection, or an alias.
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        validate_collection_config: Read the collection and check it. Without that, nothing is
            sent, and the search defaults are those of `quantization` and `search_params` alone.
        async_client: For async use; None makes one of the same server for each event loop, or one
            over the engine that `client` has in this process.
        quantization: What the collection must have: a preset or its name, a model of qdrant-client
            or a dict; None takes the collection as it is.
        search_params: Defaults of all searches, over those that the collection remembers, over
            those that its quantization needs.
        title_key: The metadata key that holds a document's title, which Gemini then reads with
            the text; None for no titles.
        hybrid_fusion: How hybrid search merges dense and sparse hits; None is RRF as Qdrant has it.

    The other arguments are those of `langchain_qdrant.QdrantVectorStore`.

    Raises:
        CollectionMismatchError: The collection's vectors have another name, size, distance,
            embedding or quantization.
        ConfigurationError: `title_key` with an embedding that reads no titles.
    """

    def __init__(
        self,
        client: QdrantClient | None,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        vector_name: str = QdrantVectorStore.VECTOR_NAME,
        content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
        metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
        distance: models.Distance = models.Distance.COSINE,
        sparse_embedding: SparseEmbeddings | None = None,
        sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
        validate_embeddings: bool = True,
        validate_collection_config: bool = True,
        *,
        async_client: AsyncQdrantClient | None = None,
        quantization: Quantization | None = None,
        search_params: models.SearchParams | None = None,
        title_key: str | None = None,
        hybrid_fusion: Fusion | None = None,
    ) -> None:
        if title_key is not None and not isinstance(embedding, GeminiEmbeddings):
            raise ConfigurationError(
                "title_key needs GeminiEmbeddings, which read a title with each text, got "
                f"{type(embedding).__name__}"
            )
        super().__init__(
            client=client,  # type: ignore[arg-type] # read through the property below only
            collection_name=collection_name,
            embedding=embedding,
            retrieval_mode=RetrievalMode(retrieval_mode),
            vector_name=vector_name,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            distance=distance,
            sparse_embedding=sparse_embedding,
            sparse_vector_name=sparse_vector_name,
            validate_embeddings=validate_embeddings,
            validate_collection_config=False,  # its check embeds a text to learn the size
        )
        self.title_key = title_key
        self.hybrid_fusion = hybrid_fusion or models.FusionQuery(fusion=models.Fusion.RRF)
        given: object = client
        # The class methods pass an engine, users a client.
        self._engine = given if isinstance(given, Engine) else Engine(client, async_client)
        self._clock = SYSTEM_CLOCK
        self._random = Random()  # noqa: S311 - when to try again
        self._note_missing = False
        self._size = None
        self._own_search_params = search_params
        self._search_as(quantization, None)
        if quantization is not None and self._engine.is_local_mode:
            warn_of_local_mode(quantization)
        if validate_collection_config:
            self._run(self._open(quantization))

    # Writing

    def add_texts(  # type: ignore[override] # langchain-qdrant's, which takes integer ids too
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed texts as documents and store them.

        While vectors are stored the next ones are on their way from Gemini.

        Args:
            texts: Any iterable of texts, none blank.
            metadatas: One dict, or None, for each text.
            ids: One for each text: any string, an integer, or None for a random UUID. A text
                with the id of a stored one replaces it.
            batch_size: Texts stored at a time, at most.
            **kwargs: For `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: The counts differ, or a text cannot be embedded; nothing is stored.
            EmbeddingError: The API failed before anything was stored.
            PartialWriteError: Gemini or Qdrant failed after some texts were stored; it has the
                ids of these and of the others, and the failure as its cause.
        """
        return self._run(self._add(_writing.rows(texts, metadatas, ids), batch_size, kwargs))

    async def aadd_texts(  # type: ignore[override] # as add_texts
        self,
        texts: Iterable[str] | AsyncIterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed texts as documents and store them; see `add_texts`."""
        rows = _writing.rows(await _collected(texts), metadatas, ids)
        return await self._arun(self._add(rows, batch_size, kwargs))

    def add_documents(  # type: ignore[override] # any iterable, integer ids
        self,
        documents: Iterable[Document],
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed documents and store them; see `add_texts`.

        Args:
            documents: Any iterable.
            ids: One for each; None takes the documents' own, and random ones where they have none.
            batch_size: See `add_texts`.
            **kwargs: See `add_texts`.
        """
        return self._run(self._add(_writing.document_rows(documents, ids), batch_size, kwargs))

    async def aadd_documents(  # type: ignore[override] # any iterable, integer ids
        self,
        documents: Iterable[Document] | AsyncIterable[Document],
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed documents and store them; see `add_documents`."""
        rows = _writing.document_rows(await _collected(documents), ids)
        return await self._arun(self._add(rows, batch_size, kwargs))

    def update_documents(
        self,
        ids: Sequence[str | int] | None = None,
        documents: Sequence[Document] | None = None,
        *,
        document_id: str | int | None = None,
        document: Document | None = None,
    ) -> list[str | int]:
        """Replace the documents with these ids; those that are not stored yet are added.

        Args:
            ids: One for each of `documents`.
            documents: The new ones.
            document_id: Of a single document, in place of `ids`.
            document: A single new one, in place of `documents`.

        Raises:
            InvalidInputError: Ids and documents are not as many, or not given.
        """
        return self.add_documents(*_updated(ids, documents, document_id, document))

    async def aupdate_documents(
        self,
        ids: Sequence[str | int] | None = None,
        documents: Sequence[Document] | None = None,
        *,
        document_id: str | int | None = None,
        document: Document | None = None,
    ) -> list[str | int]:
        """Replace documents; see `update_documents`."""
        return await self.aadd_documents(*_updated(ids, documents, document_id, document))

    def update_document(self, document_id: str | int, document: Document) -> list[str | int]:
        """Replace one document; see `update_documents`."""
        return self.add_documents([document], [document_id])

    async def aupdate_document(self, document_id: str | int, document: Document) -> list[str | int]:
        """Replace one document; see `update_documents`."""
        return await self.aadd_documents([document], [document_id])

    def embed_documents(self, documents: Sequence[Document]) -> list[dict[str, Any]]:
        """Embed documents as `add_documents` does, for `upsert_embedded`; store nothing.

        Returns:
            One set of named vectors for each document, in order.
        """
        return self._run(self._vectors(_writing.document_rows(documents)))

    async def aembed_documents(self, documents: Sequence[Document]) -> list[dict[str, Any]]:
        """Embed documents; see `embed_documents`."""
        return await self._arun(self._vectors(_writing.document_rows(documents)))

    def upsert_embedded(
        self, documents: Sequence[Document], vectors: Sequence[dict[str, Any]]
    ) -> None:
        """Store documents with the vectors that `embed_documents` made of them.

        Args:
            documents: Each with its id, or None for a random one.
            vectors: One set for each document.

        Raises:
            InvalidInputError: The counts differ; nothing is stored.
            PartialWriteError: Qdrant failed after some documents were stored.
        """
        self._run(self._store(_writing.document_rows(documents), vectors))

    async def aupsert_embedded(
        self, documents: Sequence[Document], vectors: Sequence[dict[str, Any]]
    ) -> None:
        """Store documents with their vectors; see `upsert_embedded`."""
        await self._arun(self._store(_writing.document_rows(documents), vectors))

    def delete(
        self,
        ids: Sequence[str | int] | None = None,
        *,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> bool:
        """Delete documents by their ids or by a filter; unknown ids are no error.

        Args:
            ids: Of documents.
            filter: Conditions on the metadata; an empty dict is refused.
            **kwargs: For `QdrantClient.delete`, such as `wait`.

        Returns:
            True once it is done; False where `wait=False` leaves it to the server.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        return self._run(self._delete(ids, filter, kwargs))

    async def adelete(
        self,
        ids: Sequence[str | int] | None = None,
        *,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> bool:
        """Delete documents by their ids or by a filter; see `delete`."""
        return await self._arun(self._delete(ids, filter, kwargs))

    def create_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Index metadata fields, those that are not indexed yet.

        Filters on an indexed field are some hundred times faster, and Qdrant Cloud's strict mode
        refuses others. qdrant-client's local mode needs and has no indexes.

        Args:
            fields: What kind of values a metadata field has: `"keyword"`, `"integer"`, `"float"`,
                `"bool"`, `"datetime"`, `"text"`, `"uuid"`, `"geo"`, `"tenant"` for the keyword
                that tells whose a document is, or a model of qdrant-client.

        Raises:
            ConfigurationError: A kind is unknown.
            CollectionMismatchError: A field is indexed as another kind.
        """
        self._run(self._create_indexes(fields))

    async def acreate_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Index metadata fields; see `create_payload_indexes`."""
        await self._arun(self._create_indexes(fields))

    # Changing what holds for all searches

    def set_quantization(self, quantization: Quantization | None) -> None:
        """Quantize the collection in another way, or switch quantization on or off.

        The store's searches then have the defaults of the new setting, under `search_params` as
        they were given to the store. What the collection remembered of `search_params` is
        forgotten, as it was chosen for other codes.

        A server makes the new codes in the background and searches with the old ones until then:
        wait until `client.get_collection(name).status` is green. The embedded engine makes them
        before this returns, with `EdgeClient.optimize`, and takes as long. Local mode warns that
        it does not quantize.

        Args:
            quantization: A preset or its name, a model of qdrant-client or a dict; None for off.
                Where the vector has a setting of its own that one is changed, else the
                collection's, which holds for its other vectors, too.

        Raises:
            ConfigurationError: It is none of these, the server is too old for it, or the store has
                sparse vectors only.
        """
        self._run(self._set_quantization(quantization))

    async def aset_quantization(self, quantization: Quantization | None) -> None:
        """Quantize the collection in another way; see `set_quantization`."""
        await self._arun(self._set_quantization(quantization))

    def remember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Search with these from now on, in this store and in all that open the collection later.

        They are kept in the collection's metadata, with what made its vectors. Fields that they
        leave unset stay those that the quantization needs; `search_params` of a store that is
        opened later, and of a call, win over them field by field.

        Args:
            search_params: None forgets those that the collection remembers.

        Raises:
            ConfigurationError: The server keeps no metadata: it is older than 1.16.
        """
        self._run(self._remember_search_params(search_params))

    async def aremember_search_params(self, search_params: models.SearchParams | None) -> None:
        """Search with these from now on; see `remember_search_params`."""
        await self._arun(self._remember_search_params(search_params))

    # Reading

    def get_by_ids(self, ids: Sequence[str | int], /) -> list[Document]:
        """Return the documents with these ids, in their order; unknown ids are left out."""
        return self._run(self._get(ids))

    async def aget_by_ids(self, ids: Sequence[str | int], /) -> list[Document]:
        """Return the documents with these ids; see `get_by_ids`."""
        return await self._arun(self._get(ids))

    def count(self, filter: Filter | None = None) -> int:
        """Return how many documents match a filter; None is all."""
        return self._run(self._count(filter))

    async def acount(self, filter: Filter | None = None) -> int:
        """Return how many documents match a filter; see `count`."""
        return await self._arun(self._count(filter))

    def iter_documents(
        self, filter: Filter | None = None, *, batch_size: int = 256
    ) -> Iterator[Document]:
        """Yield the documents that match a filter, in the order of their point ids.

        Args:
            filter: Conditions on the metadata; None is all.
            batch_size: Documents fetched at a time.
        """
        condition = to_filter(filter, self.metadata_payload_key)
        offset = None
        while True:
            found, offset = self._run(self._page(condition, batch_size, offset))
            yield from found
            if offset is None:
                return

    async def aiter_documents(
        self, filter: Filter | None = None, *, batch_size: int = 256
    ) -> AsyncIterator[Document]:
        """Yield the documents that match a filter; see `iter_documents`."""
        condition = to_filter(filter, self.metadata_payload_key)
        offset = None
        while True:
            found, offset = await self._arun(self._page(condition, batch_size, offset))
            for document in found:
                yield document
            if offset is None:
                return

    # Searching

    def similarity_search(
        self,
        query: str,
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        hybrid_fusion: Fusion | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a text; see `similarity_search_with_score`."""
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
        return _documents(hits)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Search with a text; see `similarity_search_with_score`."""
        return _documents(await self.asimilarity_search_with_score(query, k, **kwargs))

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        hybrid_fusion: Fusion | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a text.

        Args:
            query: Embedded as a query, with one request.
            k: Documents wanted.
            filter: Conditions on the metadata as a dict, or on the payload as Qdrant's `Filter`.
            search_params: What it sets wins over the store's `search_params`, field by field.
            offset: Hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: How many replicas must agree.
            hybrid_fusion: How dense and sparse hits are merged, in hybrid mode: `FusionQuery`
                (RRF or DBSF) or `RrfQuery` (weights, k); None is the store's.
            **kwargs: For `QdrantClient.query_points`; `score_key`, a metadata key under which
                each hit's score is written, for chains that see documents only; and in hybrid
                mode `fetch_k`, the hits of each kind that are merged (at least 100 by default).

        Returns:
            Documents and their scores, best first.

        Raises:
            InvalidInputError: The filter cannot be read.
            EmbeddingError: The API failed.
        """
        return self._run(
            self._search(
                query,
                k=k,
                filter=filter,
                search_params=search_params,
                offset=offset,
                score_threshold=score_threshold,
                consistency=consistency,
                hybrid_fusion=hybrid_fusion,
                **kwargs,
            )
        )

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a text; see `similarity_search_with_score`."""
        return await self._arun(self._search(query, k=k, **kwargs))

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return self._run(self._search(query, k=k, as_relevance=True, **kwargs))

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        return await self._arun(self._search(query, k=k, as_relevance=True, **kwargs))

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
        """Search with a vector; see `similarity_search_with_score`."""
        hits = self.similarity_search_with_score_by_vector(
            embedding,
            k,
            filter=filter,
            search_params=search_params,
            offset=offset,
            score_threshold=score_threshold,
            consistency=consistency,
            **kwargs,
        )
        return _documents(hits)

    async def asimilarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Search with a vector; see `similarity_search_with_score`."""
        hits = await self.asimilarity_search_with_score_by_vector(embedding, k, **kwargs)
        return _documents(hits)

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
        """Search with a vector; see `similarity_search_with_score`."""
        return self._run(
            self._search_dense(
                embedding,
                k=k,
                filter=filter,
                search_params=search_params,
                offset=offset,
                score_threshold=score_threshold,
                consistency=consistency,
                **kwargs,
            )
        )

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Search with a vector; see `similarity_search_with_score`."""
        return await self._arun(self._search_dense(embedding, k=k, **kwargs))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        search_params: models.SearchParams | None = None,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with a text for hits that are relevant and unlike each other.

        Args:
            query: Embedded as a query, with one request.
            k: Documents wanted.
            fetch_k: Nearest hits to choose from.
            lambda_mult: From 0, diversity only, to 1, relevance only.
            filter: As of `similarity_search_with_score`.
            search_params: What it sets wins over the store's `search_params`, field by field.
            score_threshold: Lowest score of a hit, on the engine's scale.
            consistency: How many replicas must agree.
            **kwargs: As of `similarity_search_with_score`.

        Returns:
            Documents, in the order chosen.
        """
        hits = self._run(
            self._search_diverse(
                query,
                k=k,
                fetch_k=fetch_k,
                lambda_mult=lambda_mult,
                filter=filter,
                search_params=search_params,
                score_threshold=score_threshold,
                consistency=consistency,
                **kwargs,
            )
        )
        return _documents(hits)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Search for unlike hits with a text; see `max_marginal_relevance_search`."""
        steps = self._search_diverse(query, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult, **kwargs)
        return _documents(await self._arun(steps))

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
        """Search for unlike hits with a vector; see `max_marginal_relevance_search`."""
        hits = self.max_marginal_relevance_search_with_score_by_vector(
            embedding,
            k,
            fetch_k,
            lambda_mult,
            filter=filter,
            search_params=search_params,
            score_threshold=score_threshold,
            consistency=consistency,
            **kwargs,
        )
        return _documents(hits)

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Search for unlike hits with a vector; see `max_marginal_relevance_search`."""
        hits = await self.amax_marginal_relevance_search_with_score_by_vector(
            embedding, k, fetch_k, lambda_mult, **kwargs
        )
        return _documents(hits)

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
        """Search for unlike hits with a vector; see `max_marginal_relevance_search`."""
        return self._run(
            self._search_diverse(
                embedding,
                k=k,
                fetch_k=fetch_k,
                lambda_mult=lambda_mult,
                filter=filter,
                search_params=search_params,
                score_threshold=score_threshold,
                consistency=consistency,
                **kwargs,
            )
        )

    async def amax_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search for unlike hits with a vector; see `max_marginal_relevance_search`."""
        return await self._arun(
            self._search_diverse(embedding, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult, **kwargs)
        )

    # Opening and closing

    @classmethod
    def construct_instance(
        cls,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        sparse_embedding: SparseEmbeddings | None = None,
        client_options: dict[str, Any] | None = None,
        collection_name: str | None = None,
        distance: models.Distance = models.Distance.COSINE,
        content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
        metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
        vector_name: str = QdrantVectorStore.VECTOR_NAME,
        sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
        force_recreate: bool = False,
        collection_create_options: dict[str, Any] | None = None,
        vector_params: dict[str, Any] | None = None,
        sparse_vector_params: dict[str, Any] | None = None,
        validate_embeddings: bool = True,
        validate_collection_config: bool = True,
    ) -> Self:
        """Open or create a collection with langchain-qdrant's arguments.

        `from_texts` and `from_documents` come here. `client_options` are those of
        `create_vector_store` for its engine: `path` is the embedded one, and `client`,
        `async_client`, `quantization`, `search_params`, `title_key`, `hybrid_fusion` and
        `payload_indexes` are taken too.
        """
        arguments = {name: value for name, value in locals().items() if name != "cls"}
        store, steps = cls._prepared(**arguments)
        cls._run(store, steps)
        return store

    @classmethod
    async def aconstruct_instance(cls, *args: Any, **kwargs: Any) -> Self:
        """Open or create a collection; see `construct_instance`."""
        bound = inspect.signature(cls.construct_instance).bind(*args, **kwargs)
        bound.apply_defaults()
        store, steps = cls._prepared(**bound.arguments)
        await cls._arun(store, steps)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str] | AsyncIterable[str],
        embedding: Embeddings | None = None,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> Self:
        """Open or create a collection and add texts; the arguments are those of `from_texts`."""
        known = inspect.signature(cls.construct_instance).parameters
        own = {name: kwargs.pop(name) for name in list(kwargs) if name in known}
        store = await cls.aconstruct_instance(embedding, client_options=kwargs, **own)
        await store.aadd_texts(texts, metadatas, ids, batch_size)
        return store

    @classmethod
    def from_existing_collection(  # type: ignore[override] # the same arguments, named in **kwargs
        cls,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        **kwargs: Any,
    ) -> Self:
        """Open an existing collection with langchain-qdrant's arguments.

        `kwargs` are those of this class and, for the engine, of `create_vector_store`.
        """
        store, steps = cls._existing(collection_name, embedding, retrieval_mode, **kwargs)
        cls._run(store, steps)
        return store

    @classmethod
    async def afrom_existing_collection(
        cls,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        **kwargs: Any,
    ) -> Self:
        """Open an existing collection; see `from_existing_collection`."""
        store, steps = cls._existing(collection_name, embedding, retrieval_mode, **kwargs)
        await cls._arun(store, steps)
        return store

    def close(self) -> None:
        """Close the clients that this store made; those that it was given stay open."""
        self._engine.close()

    async def aclose(self) -> None:
        """Close the clients that this store made, the one of the running event loop among them."""
        await self._engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _documents(hits: Iterable[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in hits]


def _updated(
    ids: Sequence[str | int] | None,
    documents: Sequence[Document] | None,
    document_id: str | int | None,
    document: Document | None,
) -> tuple[Sequence[Document], Sequence[str | int]]:
    if document_id is not None and document is not None and ids is None and documents is None:
        return [document], [document_id]
    if ids is not None and documents is not None and document_id is None and document is None:
        return documents, ids
    raise InvalidInputError(
        "update_documents needs ids and documents, or document_id and document: nothing is stored"
    )


async def _collected(values: Iterable[T] | AsyncIterable[T]) -> list[T]:
    if isinstance(values, AsyncIterable):
        return [value async for value in values]
    return list(values)
