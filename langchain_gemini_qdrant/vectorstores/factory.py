"""The factories: they open an engine, a collection and its store in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant.vectorstores._arguments import check_name
from langchain_gemini_qdrant.vectorstores._open import aopened, opened, plan
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Mapping

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings
    from pydantic import SecretStr
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.edge import Durability
    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._payload_indexes import PayloadIndex
    from langchain_gemini_qdrant.vectorstores._scores import Fusion
    from langchain_gemini_qdrant.vectorstores.score_factors import ScoreFormula


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
    media_key: str | None = None,
    media_root: str | os.PathLike[str] | None = None,
    fetch_media: bool | Collection[str] = False,
    payload_indexes: Mapping[str, PayloadIndex] | None = None,
    retrieval_mode: RetrievalMode | None = None,
    sparse_embedding: SparseEmbeddings | None = None,
    sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
    hybrid_fusion: Fusion | None = None,
    score_formula: ScoreFormula | None = None,
    group_by: str | None = None,
    group_size: int = 1,
    content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
    metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
    vector_params: Mapping[str, Any] | None = None,
    sparse_vector_params: Mapping[str, Any] | None = None,
    collection_create_options: Mapping[str, Any] | None = None,
    force_recreate: bool = False,
    clock: Clock | None = None,
) -> GeminiQdrantVectorStore:
    """Open a collection, or create it, and return its store.

    The vector size comes from the model table, so nothing is sent to Gemini; only for an embedding
    of unknown size, one text is embedded when a collection is created. A collection created here
    remembers its embedding if the engine stores metadata (Qdrant 1.16 and later, the embedded
    engine and local mode); with an older server only size and distance are checked later on.

    Texts of a collection with media keep the task prefixes of gemini-embedding-2, as most hits are
    texts and Google documents prefixes for searching texts; the effect on media is not measured.
    For media alone, `GeminiEmbeddings(task_type="TASK_TYPE_UNSPECIFIED")` sends texts and queries
    as they are; the collection remembers this, too, and refuses an embedding that does otherwise.

    Args:
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`; None for sparse vectors only.
        collection_name: A collection or an alias. The collection is created if it is missing.
        path: A folder for the embedded engine, Qdrant Edge; created if it is missing.
            `":temporary:"` is a folder that is deleted when the store is closed.
        url: Address of a Qdrant server, cluster or Qdrant Cloud.
        location: `":memory:"` for a temporary collection in pure Python.
        client: A `QdrantClient` of your own. Pass only one of `path`, `url`, `location` and
            `client`.
        async_client: An `AsyncQdrantClient` of your own for async use, with or without `client`.
        worker: With `path`, run the engine in a process of its own, so that event loops and other
            threads keep running while it works. A call takes a millisecond longer.
        durability: With `path`, what a stored update survives: `"process"`, the end of the process
            (None means this), or `"power"`, also a power failure.
        api_key: Qdrant's API key, with `url`.
        prefer_grpc: Use gRPC, with `url`.
        grpc_port: The server's gRPC port, with `prefer_grpc`.
        timeout: Seconds for a request to the server, with `url`; None is qdrant-client's 5.
        client_options: Further options of `QdrantClient`, with `url`: `headers`, `prefix`,
            `grpc_options`, `pool_size`, and for TLS, over gRPC too, `https`, `verify` (a file of
            certificates, True, False or an `ssl.SSLContext`) and `cert` (a file, or a tuple of the
            certificate and its key).
        quantization: For a new collection: the name of a preset (`"binary"`, `"binary-1.5bit"`,
            `"binary-2bit"`, `"scalar"`, `"product"`, `"turbo-1bit"`, `"turbo-2bit"`,
            `"turbo-4bit"`), a `QuantizationPreset`, a `qdrant_client.models.QuantizationConfig` or
            a dict of one. None stores plain vectors, and takes an existing collection as it is.
        search_params: Defaults of all searches. They override those that the collection remembers,
            which override those of the quantization: for `"binary"` oversampling 3.0 and rescoring.
        distance: How vectors are compared.
        vector_name: Name of the dense vector; empty is the collection's unnamed vector.
        title_key: The metadata key of a document's title; None for no titles.
        media_key: The metadata key under which a document names an image, a sound, a video or a
            PDF, or a list of these, by a path or an address that starts with `file:`, `data:`,
            `gs:` or `https:`; text and media become one vector. Only the reference is stored, not
            the bytes. None for texts only.
        media_root: The folder that files must be in, and from which relative paths start; None for
            no such bound, and the current folder.
        fetch_media: Whether media at `https:` addresses are fetched from the network: True for
            public ones, or the names of the only hosts to fetch from.
        payload_indexes: Metadata fields to index, with their types, such as
            `{"source": "keyword"}`; fields that are already indexed are left as they are.
        retrieval_mode: Dense, sparse or hybrid search; None is hybrid with a `sparse_embedding`,
            else dense.
        sparse_embedding: Makes the sparse vectors of hybrid search, such as `EdgeBm25`.
        sparse_vector_name: Name of the sparse vector.
        hybrid_fusion: How hybrid search merges hits: `"rrf"`, `"dbsf"` or a model of
            qdrant-client; None is RRF with Qdrant's defaults.
        score_formula: How all searches compute scores: `newer_first(...)`, `boost(...)`, a list of
            these, or Qdrant's `FormulaQuery`; None leaves the scores as they are. A search
            overrides it.
        group_by: A metadata field, such as `"source"`: all searches return at most `group_size`
            documents with the same value in it; None for no groups.
        group_size: The most documents with the same value of `group_by`.
        content_payload_key: The payload key of a document's text.
        metadata_payload_key: The payload key of its metadata; `""` if the metadata's fields are
            next to the text, as some other programs store them.
        vector_params: Further fields of `VectorParams` for a new collection: `on_disk` or
            `memory`, `datatype`, `hnsw_config`, `quantization_config`.
        sparse_vector_params: Fields of `SparseVectorParams`; they override the `modifier` that the
            sparse embedding needs.
        collection_create_options: Further options of `QdrantClient.create_collection`:
            `hnsw_config`, `optimizers_config`, `on_disk_payload`, `shard_number`,
            `replication_factor`, `write_consistency_factor`, `metadata`.
        force_recreate: Delete the collection and all its documents first, if it exists.
        clock: Waits between retries, for tests; None is the machine's clock.

    Returns:
        The store. `as_retriever()` makes a retriever of it.

    Raises:
        ConfigurationError: Not exactly one engine is given, an option is unknown or not valid, the
            server is too old for the quantization, or payload keys are not distinct. No collection
            is created or deleted.
        CollectionMismatchError: The collection exists with a different vector size, distance,
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
                "media_key": media_key,
                "media_root": media_root,
                "fetch_media": fetch_media,
                "hybrid_fusion": hybrid_fusion,
                "score_formula": score_formula,
                "group_by": group_by,
                "group_size": group_size,
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
    media_key: str | None = None,
    media_root: str | os.PathLike[str] | None = None,
    fetch_media: bool | Collection[str] = False,
    payload_indexes: Mapping[str, PayloadIndex] | None = None,
    retrieval_mode: RetrievalMode | None = None,
    sparse_embedding: SparseEmbeddings | None = None,
    sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
    hybrid_fusion: Fusion | None = None,
    score_formula: ScoreFormula | None = None,
    group_by: str | None = None,
    group_size: int = 1,
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
        The store; `aclose` closes the connections that it has opened.

    Raises:
        CollectionMismatchError: The collection exists and its vectors differ.
        ConfigurationError: An argument is not valid.
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
                "media_key": media_key,
                "media_root": media_root,
                "fetch_media": fetch_media,
                "hybrid_fusion": hybrid_fusion,
                "score_formula": score_formula,
                "group_by": group_by,
                "group_size": group_size,
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
    """Return the name, which is required: `from_texts` would make a random name of None."""
    check_name(collection_name, "collection_name")
    return collection_name


def _retrieval_mode(
    given: RetrievalMode | None, sparse_embedding: SparseEmbeddings | None
) -> RetrievalMode:
    if given is not None:
        return given
    return RetrievalMode.DENSE if sparse_embedding is None else RetrievalMode.HYBRID
