"""The factories: an engine, a collection and the store over it, in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant.vectorstores._arguments import check_name
from langchain_gemini_qdrant.vectorstores._open import aopened, opened, plan
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings
    from pydantic import SecretStr
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.edge import Durability
    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._payload_indexes import PayloadIndex
    from langchain_gemini_qdrant.vectorstores._scores import Fusion


def create_vector_store(
    embedding: Embeddings | None,
    collection_name: str,
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    async_client: AsyncQdrantClient | None = None,
    worker: bool = False,
    durability: Durability | None = None,
    api_key: str | SecretStr | None = None,
    prefer_grpc: bool = False,
    grpc_port: int = 6334,
    timeout: int | None = None,
    client_options: Mapping[str, Any] | None = None,
    quantization: Quantization | None = None,
    search_params: models.SearchParams | None = None,
    distance: models.Distance = models.Distance.COSINE,
    vector_name: str = QdrantVectorStore.VECTOR_NAME,
    title_key: str | None = None,
    payload_indexes: Mapping[str, PayloadIndex] | None = None,
    retrieval_mode: RetrievalMode | None = None,
    sparse_embedding: SparseEmbeddings | None = None,
    sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
    hybrid_fusion: Fusion | None = None,
    content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
    metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
    vector_params: Mapping[str, Any] | None = None,
    sparse_vector_params: Mapping[str, Any] | None = None,
    collection_create_options: Mapping[str, Any] | None = None,
    force_recreate: bool = False,
    clock: Clock | None = None,
) -> GeminiQdrantVectorStore:
    """Open a collection, or create it, and return the store over it.

    The vector size comes from the model table, so nothing is sent to Gemini; only an embedding
    of unknown size is asked for one vector when a collection is created. A collection made here
    remembers its embedding where the engine keeps metadata (Qdrant 1.16 and later, the embedded
    engine and local mode); with an older server only size and distance are checked later on.

    Args:
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`; None for sparse vectors only.
        collection_name: Opened if it exists, else created; an alias is a name, too.
        path: A folder for the embedded engine, Qdrant Edge; made if it is missing.
            `":temporary:"` is one that goes when the store is closed.
        url: A Qdrant server, cluster or Qdrant Cloud.
        location: `":memory:"` for a temporary collection in pure Python.
        client: A `QdrantClient` of your own. Of `path`, `url`, `location` and `client`, one.
        async_client: An `AsyncQdrantClient` of your own for async use, with `client` or alone.
        worker: With `path`, run the engine in a process of its own, so that event loops and other
            threads keep running while it works. A call takes a millisecond longer.
        durability: With `path`, what an update survives once it is stored: `"process"`, the end
            of the process (None means this), or `"power"`, a power cut too.
        api_key: Qdrant's, with `url`.
        prefer_grpc: Talk gRPC to the server, with `url`.
        grpc_port: The server's, with `prefer_grpc`.
        timeout: Seconds for a request to the server, with `url`; None is qdrant-client's 5.
        client_options: Further options of `QdrantClient`, with `url`: `headers`, `prefix`,
            `grpc_options`, `pool_size`, and for TLS, over gRPC too, `https`, `verify` (a file of
            certificates, True, False or an `ssl.SSLContext`) and `cert` (a file, or a tuple of the
            certificate and its key).
        quantization: For a new collection: the name of a preset (`"binary"`, `"binary-1.5bit"`,
            `"binary-2bit"`, `"scalar"`, `"product"`, `"turbo-1bit"`, `"turbo-2bit"`,
            `"turbo-4bit"`), a `QuantizationPreset`, a `qdrant_client.models.QuantizationConfig` or
            a dict of one. None stores plain vectors, and takes an existing collection as it is.
        search_params: Defaults of all searches, over those that the collection remembers, over
            those that the quantization needs: for `"binary"` oversampling 3.0 and rescoring.
        distance: How vectors are compared.
        vector_name: Empty is the collection's unnamed vector.
        title_key: The metadata key that holds a document's title; None for no titles.
        payload_indexes: Metadata fields to index, those that are not yet; see
            `GeminiQdrantVectorStore.create_payload_indexes`.
        retrieval_mode: None is hybrid with a `sparse_embedding`, else dense.
        sparse_embedding: Makes the sparse vectors of hybrid search, such as `EdgeBm25`.
        sparse_vector_name: Their name.
        hybrid_fusion: How hybrid search merges hits: `"rrf"`, `"dbsf"` or a model of
            qdrant-client; None is RRF as Qdrant has it.
        content_payload_key: The payload key of a point's text.
        metadata_payload_key: The payload key of its metadata; `""` if its fields are next to the
            text, as some other programs store them.
        vector_params: Further fields of `VectorParams` for a new collection: `on_disk` or
            `memory`, `datatype`, `hnsw_config`, `quantization_config`.
        sparse_vector_params: Fields of `SparseVectorParams`, over the `modifier` that the sparse
            embedding needs.
        collection_create_options: Further options of `QdrantClient.create_collection`:
            `hnsw_config`, `optimizers_config`, `on_disk_payload`, `shard_number`,
            `replication_factor`, `write_consistency_factor`, `metadata`.
        force_recreate: Delete the collection first, if it exists, with all that it stores.
        clock: What waits between retries; for tests. None is this machine's.

    Returns:
        The store. `as_retriever()` makes a retriever of it.

    Raises:
        ConfigurationError: Not exactly one engine, options that it does not have, a setting that
            cannot be read, a server that is too old for the quantization, or payload keys of which
            one hides another. No collection is created or deleted.
        CollectionMismatchError: The collection exists with another vector size, distance,
            embedding or quantization.
        StorageError: `path` cannot be used.
    """
    return opened(
        GeminiQdrantVectorStore,
        plan(
            embedding,
            _retrieval_mode(retrieval_mode, sparse_embedding),
            sparse_embedding,
            {
                "path": path,
                "url": url,
                "location": location,
                "client": client,
                "async_client": async_client,
                "worker": worker,
                "durability": durability,
                "api_key": api_key,
                "prefer_grpc": prefer_grpc,
                "grpc_port": grpc_port,
                "timeout": timeout,
                "quantization": quantization,
                "search_params": search_params,
                "title_key": title_key,
                "hybrid_fusion": hybrid_fusion,
                "payload_indexes": payload_indexes,
                "clock": clock,
                **(client_options or {}),
            },
            _named(collection_name),
            distance=distance,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            vector_name=vector_name,
            sparse_vector_name=sparse_vector_name,
            force_recreate=force_recreate,
            collection_create_options=collection_create_options,
            vector_params=vector_params,
            sparse_vector_params=sparse_vector_params,
        ),
    )


async def acreate_vector_store(
    embedding: Embeddings | None,
    collection_name: str,
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    async_client: AsyncQdrantClient | None = None,
    worker: bool = False,
    durability: Durability | None = None,
    api_key: str | SecretStr | None = None,
    prefer_grpc: bool = False,
    grpc_port: int = 6334,
    timeout: int | None = None,
    client_options: Mapping[str, Any] | None = None,
    quantization: Quantization | None = None,
    search_params: models.SearchParams | None = None,
    distance: models.Distance = models.Distance.COSINE,
    vector_name: str = QdrantVectorStore.VECTOR_NAME,
    title_key: str | None = None,
    payload_indexes: Mapping[str, PayloadIndex] | None = None,
    retrieval_mode: RetrievalMode | None = None,
    sparse_embedding: SparseEmbeddings | None = None,
    sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
    hybrid_fusion: Fusion | None = None,
    content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
    metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
    vector_params: Mapping[str, Any] | None = None,
    sparse_vector_params: Mapping[str, Any] | None = None,
    collection_create_options: Mapping[str, Any] | None = None,
    force_recreate: bool = False,
    clock: Clock | None = None,
) -> GeminiQdrantVectorStore:
    """Open a collection, or create it, without blocking the event loop.

    The arguments are those of `create_vector_store`: an embedding and a name; one of `path`,
    `url`, `location` and `client`; `quantization`, `search_params` and `payload_indexes`.

    Returns:
        The store; `aclose` closes what it has opened.

    Raises:
        CollectionMismatchError: The collection exists and has other vectors.
        ConfigurationError: An argument cannot be used.
    """
    return await aopened(
        GeminiQdrantVectorStore,
        plan(
            embedding,
            _retrieval_mode(retrieval_mode, sparse_embedding),
            sparse_embedding,
            {
                "path": path,
                "url": url,
                "location": location,
                "client": client,
                "async_client": async_client,
                "worker": worker,
                "durability": durability,
                "api_key": api_key,
                "prefer_grpc": prefer_grpc,
                "grpc_port": grpc_port,
                "timeout": timeout,
                "quantization": quantization,
                "search_params": search_params,
                "title_key": title_key,
                "hybrid_fusion": hybrid_fusion,
                "payload_indexes": payload_indexes,
                "clock": clock,
                **(client_options or {}),
            },
            _named(collection_name),
            distance=distance,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            vector_name=vector_name,
            sparse_vector_name=sparse_vector_name,
            force_recreate=force_recreate,
            collection_create_options=collection_create_options,
            vector_params=vector_params,
            sparse_vector_params=sparse_vector_params,
        ),
    )


def _named(collection_name: str) -> str:
    """Return the name; None would be a random one, as of `from_texts`, that nobody finds again."""
    check_name(collection_name, "collection_name")
    return collection_name


def _retrieval_mode(
    given: RetrievalMode | None, sparse_embedding: SparseEmbeddings | None
) -> RetrievalMode:
    if given is not None:
        return given
    return RetrievalMode.DENSE if sparse_embedding is None else RetrievalMode.HYBRID
