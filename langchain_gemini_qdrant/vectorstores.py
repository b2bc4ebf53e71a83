"""`GeminiQdrantVectorStore` and the factory that opens one on any engine."""

from __future__ import annotations

import inspect
import uuid
import warnings
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from pydantic import SecretStr
from qdrant_client import models

from langchain_gemini_qdrant._batching import batches
from langchain_gemini_qdrant._engines import (
    check_quantization,
    check_vectors,
    connect,
    is_local_mode,
    vector_params,
)
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.gemini_models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.identity import document_id, id_payload, point_id
from langchain_gemini_qdrant.quantization import (
    merge_search_params,
    quantization_config,
    search_params_for,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings
    from qdrant_client import QdrantClient

    from langchain_gemini_qdrant.quantization import Quantization


_BATCHES_AT_A_TIME = 10


class _Row(NamedTuple):
    """One text on its way into the collection."""

    id: str | int
    text: str
    metadata: dict[str, Any]


class GeminiQdrantVectorStore(QdrantVectorStore):
    """`QdrantVectorStore` with search defaults, ids and checks that hold.

    - `search_params` reach every search method and retriever; what a call sets wins.
    - Any string is an id, and comes back on `Document.id`; metadata comes back as it went in.
    - `lambda_mult` of MMR means what LangChain says: 1 is relevance only, 0 diversity only.
    - Opening sends nothing to Gemini, and each search one request.

    Most users want `create_vector_store`, which makes the client and the collection too.

    Args:
        client: A `QdrantClient`, an `EdgeClient` among them.
        collection_name: An existing collection.
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        quantization: What the collection must have; None takes it as it is.
        search_params: Defaults of all searches, over those that the collection's quantization
            needs.
        title_key: The metadata key that holds a document's title, which Gemini then reads with
            the text; None for no titles.
        validate_collection_config: Check the collection's vectors.

    The other arguments are those of `langchain_qdrant.QdrantVectorStore`.

    Raises:
        CollectionMismatchError: The collection's vectors have another name, size, distance or
            quantization.
        ConfigurationError: `title_key` with an embedding that reads no titles.
    """

    def __init__(
        self,
        client: QdrantClient,
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
        quantization: Quantization | None = None,
        search_params: models.SearchParams | None = None,
        title_key: str | None = None,
    ) -> None:
        if title_key is not None and not isinstance(embedding, GeminiEmbeddings):
            raise ConfigurationError(
                "title_key needs GeminiEmbeddings, which read a title with each text, got "
                f"{type(embedding).__name__}"
            )
        super().__init__(
            client=client,
            collection_name=collection_name,
            embedding=embedding,
            retrieval_mode=retrieval_mode,
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
        stored = self._check_collection(quantization, validate=validate_collection_config)
        self.search_params = merge_search_params(search_params_for(stored), search_params)

    # Writing

    def add_texts(  # type: ignore[override] # langchain-qdrant's, which takes integer ids too
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        ids: Sequence[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed texts as documents and store them.

        Args:
            texts: Any iterable of texts, none blank.
            metadatas: One dict for each text.
            ids: One for each text: any string, an integer, or None for a random UUID. A text
                with the id of a stored one replaces it.
            batch_size: Texts stored at a time; ten times as many are embedded at a time.
            **kwargs: For `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: The counts differ, or a text cannot be embedded; in the first
                case nothing is stored.
            EmbeddingError: The API failed; the batches before are stored.
        """
        rows = _rows(texts, metadatas, ids)
        # As many batches at a time as the embedding may have under way.
        for part in batches(rows, max_texts=batch_size * _BATCHES_AT_A_TIME):
            embedded = zip(part, self._vectors(part), strict=True)
            while batch := list(islice(embedded, batch_size)):
                self._upsert([row for row, _ in batch], [vector for _, vector in batch], **kwargs)
        return [row.id for row in rows]

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str | int]:  # type: ignore[override] # any iterable, integer ids
        """Embed documents and store them; see `add_texts`.

        The ids are those in `ids`, else the documents' own, else random.
        """
        documents = list(documents)
        kwargs.setdefault("ids", [document.id for document in documents])
        return self.add_texts(
            (document.page_content for document in documents),
            [document.metadata for document in documents],
            **kwargs,
        )

    def embed_documents(self, documents: Sequence[Document]) -> list[models.VectorStruct]:
        """Embed documents as `add_documents` does, for `upsert_embedded`; store nothing.

        Returns:
            One named vector, or set of them, for each document, in order.
        """
        return self._vectors(_document_rows(documents))

    def upsert_embedded(
        self, documents: Sequence[Document], vectors: Sequence[models.VectorStruct]
    ) -> None:
        """Store documents with the vectors that `embed_documents` made of them.

        Args:
            documents: Each with its id, or None for a random one.
            vectors: One for each document.
        """
        if len(documents) != len(vectors):
            raise InvalidInputError(
                f"one vector is needed for each document: {len(documents)} documents, "
                f"{len(vectors)} vectors"
            )
        self._upsert(_document_rows(documents), vectors)

    def delete(
        self,
        ids: Sequence[str | int] | None = None,
        *,
        filter: models.Filter | None = None,
        **kwargs: Any,
    ) -> bool:
        """Delete documents by their ids or by a filter; unknown ids are no error.

        Returns:
            True once it is done.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        if (ids is None) == (filter is None):
            raise ConfigurationError("delete needs ids or a filter, and not both")
        selector: Any = filter
        if ids is not None:
            if not ids:
                return True
            selector = [point_id(each) for each in ids]
        result = self.client.delete(self.collection_name, points_selector=selector, **kwargs)
        return result.status == models.UpdateStatus.COMPLETED

    # Reading

    def get_by_ids(self, ids: Sequence[str | int], /) -> list[Document]:
        """Return the documents with these ids, in their order; unknown ids are left out."""
        points = {
            point.id: point
            for point in self.client.retrieve(
                self.collection_name, [point_id(each) for each in ids], with_payload=True
            )
        }
        found = [points[key] for key in map(point_id, ids) if key in points]
        return [self._document(point) for point in found]

    def similarity_search_with_score(
        self,
        query: str,
        k: int = 4,
        filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        hybrid_fusion: models.FusionQuery | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a text.

        Args:
            query: Embedded as a query, with one request.
            k: Documents wanted.
            filter: Conditions on the payload.
            search_params: What it sets wins over the store's `search_params`, field by field.
            offset: Hits to skip.
            score_threshold: Lowest score (highest distance) of a hit, on the engine's scale.
            consistency: How many replicas must agree.
            hybrid_fusion: How dense and sparse hits are merged, in hybrid mode.
            **kwargs: For `QdrantClient.query_points`; and `score_key`, a metadata key under
                which each hit's score is written, for chains that see documents only.

        Returns:
            Documents and their scores, best first.
        """
        if self.retrieval_mode == RetrievalMode.DENSE:
            return self.similarity_search_with_score_by_vector(
                self._require_embeddings("DENSE mode").embed_query(query),
                k,
                filter=filter,
                search_params=search_params,
                offset=offset,
                score_threshold=score_threshold,
                consistency=consistency,
                **kwargs,
            )
        score_key = kwargs.pop("score_key", None)
        hits = super().similarity_search_with_score(
            query,
            k,
            filter=filter,
            search_params=merge_search_params(self.search_params, search_params),
            offset=offset,
            score_threshold=score_threshold,
            consistency=consistency,
            hybrid_fusion=hybrid_fusion,
            **kwargs,
        )
        return [(_scored(document, score, score_key), score) for document, score in hits]

    def similarity_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        offset: int = 0,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a vector; see `similarity_search_with_score`."""
        return self._search(
            embedding,
            limit=k,
            query_filter=filter,
            search_params=search_params,
            offset=offset,
            score_threshold=score_threshold,
            consistency=consistency,
            **kwargs,
        )

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: models.Filter | None = None,
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
            filter: Conditions on the payload.
            search_params: What it sets wins over the store's `search_params`, field by field.
            score_threshold: Lowest score of a hit, on the engine's scale.
            consistency: How many replicas must agree.
            **kwargs: As of `similarity_search_with_score`.

        Returns:
            Documents, in the order chosen.
        """
        return self.max_marginal_relevance_search_by_vector(
            self._require_embeddings("max_marginal_relevance_search").embed_query(query),
            k=k,
            fetch_k=fetch_k,
            lambda_mult=lambda_mult,
            filter=filter,
            search_params=search_params,
            score_threshold=score_threshold,
            consistency=consistency,
            **kwargs,
        )

    def max_marginal_relevance_search_with_score_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: models.Filter | None = None,
        search_params: models.SearchParams | None = None,
        score_threshold: float | None = None,
        consistency: models.ReadConsistency | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with a vector for hits that are relevant and unlike each other."""
        # Qdrant's diversity grows where LangChain's lambda_mult falls.
        mmr = models.Mmr(diversity=1.0 - lambda_mult, candidates_limit=max(fetch_k, k))
        return self._search(
            models.NearestQuery(nearest=embedding, mmr=mmr),
            limit=k,
            query_filter=filter,
            search_params=search_params,
            score_threshold=score_threshold,
            consistency=consistency,
            **kwargs,
        )

    # Opening

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
    ) -> GeminiQdrantVectorStore:
        """Open or create a collection with langchain-qdrant's arguments.

        `from_texts` and `from_documents` come here. `client_options` are those of
        `create_vector_store`: `path` is the embedded engine, and `client`, `quantization`,
        `search_params` and `title_key` are taken too.
        """
        options = dict(client_options or {})
        own = {
            key: options.pop(key, None) for key in ("quantization", "search_params", "title_key")
        }
        collection_name = collection_name or uuid.uuid4().hex
        if validate_embeddings:
            cls._validate_embeddings(retrieval_mode, embedding, sparse_embedding)
        client = connect(**options)
        if force_recreate:
            client.delete_collection(collection_name)
        if not client.collection_exists(collection_name):
            create_options = dict(collection_create_options or {})
            if embedding is not None and retrieval_mode != RetrievalMode.SPARSE:
                size = _known_size(embedding) or len(embedding.embed_query("size"))
                params = {"size": size, "distance": distance, **(vector_params or {})}
                create_options["vectors_config"] = {vector_name: models.VectorParams(**params)}
            if retrieval_mode != RetrievalMode.DENSE:
                sparse = models.SparseVectorParams(**(sparse_vector_params or {}))
                create_options["sparse_vectors_config"] = {sparse_vector_name: sparse}
            if own["quantization"] is not None:
                create_options["quantization_config"] = quantization_config(own["quantization"])
            client.create_collection(collection_name, **create_options)
        return cls(
            client=client,
            collection_name=collection_name,
            embedding=embedding,
            retrieval_mode=retrieval_mode,
            vector_name=vector_name,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            distance=distance,
            sparse_embedding=sparse_embedding,
            sparse_vector_name=sparse_vector_name,
            validate_embeddings=False,
            validate_collection_config=validate_collection_config,
            **own,
        )

    @classmethod
    def from_existing_collection(  # type: ignore[override] # the same arguments, named in **kwargs
        cls,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        **kwargs: Any,
    ) -> GeminiQdrantVectorStore:
        """Open an existing collection with langchain-qdrant's arguments.

        `kwargs` are those of this class and, for the client, of `create_vector_store`.
        """
        known = inspect.signature(cls).parameters
        own = {key: kwargs.pop(key) for key in list(kwargs) if key in known and key != "client"}
        return cls(connect(**kwargs), collection_name, embedding, retrieval_mode, **own)

    # Inside

    def _check_collection(
        self, quantization: Quantization | None, *, validate: bool
    ) -> models.QuantizationConfig | None:
        """Refuse a collection that does not fit; return how it is quantized."""
        name = self.collection_name
        info = self.client.get_collection(name)
        stored = info.config.quantization_config
        if self.retrieval_mode != RetrievalMode.SPARSE:
            params = vector_params(info, name, self.vector_name)
            stored = params.quantization_config or stored
            if validate:
                size = _known_size(self.embeddings)
                check_vectors(params, name, size=size, distance=self.distance)
        if validate and self.retrieval_mode != RetrievalMode.DENSE:
            self._validate_collection_for_sparse(self.client, name, self.sparse_vector_name)
        if quantization is not None and is_local_mode(self.client):
            warnings.warn(
                f"quantization={quantization!r} has no effect here: qdrant-client's local mode "
                "searches the full vectors. path= has an engine that quantizes",
                stacklevel=5,
            )
        elif quantization is not None:
            check_quantization(stored, name, quantization)
        return stored

    def _search(
        self,
        query: list[float] | models.NearestQuery,
        *,
        search_params: models.SearchParams | None,
        score_key: str | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        points = self.client.query_points(
            self.collection_name,
            query=query,
            using=self.vector_name,
            search_params=merge_search_params(self.search_params, search_params),
            with_payload=True,
            **kwargs,
        ).points
        return [
            (_scored(self._document(point), point.score, score_key), point.score)
            for point in points
        ]

    def _vectors(self, rows: Sequence[_Row]) -> list[models.VectorStruct]:
        texts = [row.text for row in rows]
        if self.title_key is None or not isinstance(self.embeddings, GeminiEmbeddings):
            return self._build_vectors(texts)
        found = [row.metadata.get(self.title_key) for row in rows]
        titles = [None if title is None else str(title) for title in found]
        return [
            {self.vector_name: vector}
            for vector in self.embeddings.embed_documents(texts, titles=titles)
        ]

    def _upsert(
        self, rows: Sequence[_Row], vectors: Sequence[models.VectorStruct], **kwargs: Any
    ) -> None:
        points = [
            models.PointStruct(
                id=point_id(row.id),
                vector=vector,
                payload={
                    self.content_payload_key: row.text,
                    self.metadata_payload_key: row.metadata,
                    **id_payload(row.id),
                },
            )
            for row, vector in zip(rows, vectors, strict=True)
        ]
        self.client.upsert(self.collection_name, points=points, **kwargs)

    def _document(self, point: models.Record | models.ScoredPoint) -> Document:
        return self._document_from_point(
            point, self.collection_name, self.content_payload_key, self.metadata_payload_key
        )

    @classmethod
    def _document_from_point(
        cls,
        scored_point: models.Record | models.ScoredPoint,
        collection_name: str,  # noqa: ARG003 - langchain-qdrant's signature
        content_payload_key: str,
        metadata_payload_key: str,
    ) -> Document:
        payload = scored_point.payload or {}
        return Document(
            id=document_id(scored_point.id, payload),
            page_content=payload.get(content_payload_key) or "",
            metadata=payload.get(metadata_payload_key) or {},
        )


def create_vector_store(
    embedding: Embeddings,
    collection_name: str,
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    api_key: str | SecretStr | None = None,
    prefer_grpc: bool = False,
    grpc_port: int = 6334,
    timeout: int | None = None,
    quantization: Quantization | None = None,
    search_params: models.SearchParams | None = None,
    distance: models.Distance = models.Distance.COSINE,
    vector_name: str = QdrantVectorStore.VECTOR_NAME,
    title_key: str | None = None,
    force_recreate: bool = False,
) -> GeminiQdrantVectorStore:
    """Open a collection, or create it, and return the store over it.

    The vector size comes from the model table, so nothing is sent to Gemini; only an embedding
    of unknown size is asked for one vector when a collection is created.

    Args:
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        collection_name: Opened if it exists, else created.
        path: A folder for the embedded engine, Qdrant Edge; made if it is missing.
        url: A Qdrant server, cluster or Qdrant Cloud.
        location: `":memory:"` for a throw-away collection in pure Python.
        client: A `QdrantClient` of your own. Of `path`, `url`, `location` and `client`, one.
        api_key: Qdrant's, with `url`.
        prefer_grpc: Talk gRPC to the server, with `url`.
        grpc_port: The server's, with `prefer_grpc`.
        timeout: Seconds for a request to the server, with `url`; None is qdrant-client's 5.
        quantization: `"binary"`, or a `qdrant_client.models.QuantizationConfig`, for a new
            collection. None stores plain vectors, and takes an existing collection as it is.
        search_params: Defaults of all searches, over those that the quantization needs: for
            binary codes oversampling 3.0 and rescoring.
        distance: How vectors are compared.
        vector_name: Empty is the collection's unnamed vector.
        title_key: The metadata key that holds a document's title; None for no titles.
        force_recreate: Delete the collection first, if it exists, with all that it stores.

    Returns:
        The store. `as_retriever()` makes a retriever of it.

    Raises:
        ConfigurationError: Not exactly one engine, or options that it does not have.
        CollectionMismatchError: The collection exists with another vector size, distance or
            quantization.
        StorageError: `path` cannot be used.
    """
    options = {
        "path": path,
        "url": url,
        "location": location,
        "client": client,
        "api_key": api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key,
        "prefer_grpc": prefer_grpc,
        "grpc_port": grpc_port,
        "timeout": timeout,
        "quantization": quantization,
        "search_params": search_params,
        "title_key": title_key,
    }
    return GeminiQdrantVectorStore.construct_instance(
        embedding,
        client_options=options,
        collection_name=collection_name,
        distance=distance,
        vector_name=vector_name,
        force_recreate=force_recreate,
    )


def _known_size(embedding: Embeddings | None) -> int | None:
    return embedding.vector_size if isinstance(embedding, GeminiEmbeddings) else None


def _document_rows(documents: Sequence[Document]) -> list[_Row]:
    return _rows(
        (document.page_content for document in documents),
        [document.metadata for document in documents],
        [document.id for document in documents],
    )


def _rows(
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
) -> list[_Row]:
    """Bring texts, metadatas and ids together, or refuse them where the counts differ."""
    texts = list(texts)
    metadatas = [None] * len(texts) if metadatas is None else list(metadatas)
    ids = [None] * len(texts) if ids is None else list(ids)
    if not len(texts) == len(metadatas) == len(ids):
        raise InvalidInputError(
            "texts, metadatas and ids must have the same count, got "
            f"{len(texts)}, {len(metadatas)} and {len(ids)}: nothing is stored"
        )
    return [
        _Row(str(uuid.uuid4()) if each is None else each, text, dict(metadata or {}))
        for text, metadata, each in zip(texts, metadatas, ids, strict=True)
    ]


def _scored(document: Document, score: float, score_key: str | None) -> Document:
    if score_key is not None:
        document.metadata[score_key] = score
    return document
