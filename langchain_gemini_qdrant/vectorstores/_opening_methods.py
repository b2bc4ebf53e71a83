"""How a store is opened and closed: langchain-qdrant's signatures over `_open`."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.vectorstores import _open

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable
    from typing import Self

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings

    from langchain_gemini_qdrant.vectorstores._collection import Collection


class OpeningMethods(QdrantVectorStore):
    """The methods of a store that open and close it.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

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

        `client_options` has the engine's options of `create_vector_store`, such as `path` for the
        embedded engine, and also `client`, `async_client`, `quantization`, `search_params`,
        `title_key`, `media_key`, `media_root`, `fetch_media`, `hybrid_fusion`, `score_formula`,
        `group_by`, `group_size`, `clock` and `payload_indexes`.
        """
        return _open.opened(
            cls,
            _open.plan(
                *(embedding, retrieval_mode, sparse_embedding, client_options, collection_name),
                *(distance, content_payload_key, metadata_payload_key, vector_name),
                *(sparse_vector_name, force_recreate, collection_create_options, vector_params),
                *(sparse_vector_params, validate_embeddings, validate_collection_config),
            ),
        )

    @classmethod
    async def aconstruct_instance(cls, *args: Any, **kwargs: Any) -> Self:
        """Open or create a collection with langchain-qdrant's arguments, without blocking.

        `client_options` has `path` for the embedded engine, `url` for a server, or `location`, and
        `quantization`, `search_params`, `title_key`, `media_key`, `media_root`, `fetch_media`,
        `hybrid_fusion`, `score_formula`, `group_by`, `group_size` and `payload_indexes`.
        """
        return await _open.aopened(cls, _open.plan(*args, **kwargs))

    @classmethod
    def from_texts(  # noqa: D417 - the others are langchain-qdrant's
        cls,
        texts: Iterable[str],
        embedding: Embeddings | None = None,
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        collection_name: str | None = None,
        location: str | None = None,
        url: str | None = None,
        port: int | None = 6333,
        grpc_port: int = 6334,
        prefer_grpc: bool = False,
        https: bool | None = None,
        api_key: str | None = None,
        prefix: str | None = None,
        timeout: int | None = None,
        host: str | None = None,
        path: str | None = None,
        distance: models.Distance = models.Distance.COSINE,
        content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
        metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
        vector_name: str = QdrantVectorStore.VECTOR_NAME,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        sparse_embedding: SparseEmbeddings | None = None,
        sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
        collection_create_options: dict[str, Any] | None = None,
        vector_params: dict[str, Any] | None = None,
        sparse_vector_params: dict[str, Any] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        force_recreate: bool = False,
        validate_embeddings: bool = True,
        validate_collection_config: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Open or create a collection, embed texts and store them.

        Args:
            texts: Any iterable of texts, none blank.
            embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
            metadatas: One dict, or None, for each text.
            ids: One id for each text: any string, an integer, or None for a random UUID.
            collection_name: Name of the collection; None generates a random name.
            location: `":memory:"` for a temporary collection.
            url: Address of a Qdrant server, cluster or Qdrant Cloud; `api_key`, `prefer_grpc` and
                `timeout` (seconds) apply to it.
            path: A folder for the embedded engine. Pass only one of `location`, `url`, `host` and
                `path`.
            force_recreate: Delete an existing collection of that name first.
            **kwargs: `quantization`, `search_params`, `title_key`, `media_key`, `media_root`,
                `fetch_media`, `hybrid_fusion`, `score_formula`, `group_by`, `group_size`,
                `payload_indexes`, `client`, `async_client`.

        Returns:
            The open store. The arguments that are not named here are langchain-qdrant's.

        Raises:
            CollectionMismatchError: The collection exists and its vectors differ.
            PartialWriteError: Only some of the texts are stored.
            GeminiQdrantError: An argument is not valid, or Gemini did not embed the texts.
        """
        options = {
            "location": location,
            "url": url,
            "port": port,
            "grpc_port": grpc_port,
            "prefer_grpc": prefer_grpc,
            "https": https,
            "api_key": api_key,
            "prefix": prefix,
            "timeout": timeout,
            "host": host,
            "path": path,
            **kwargs,
        }
        plan = _open.plan(
            *(embedding, retrieval_mode, sparse_embedding, options, collection_name),
            *(distance, content_payload_key, metadata_payload_key, vector_name),
            *(sparse_vector_name, force_recreate, collection_create_options, vector_params),
            *(sparse_vector_params, validate_embeddings, validate_collection_config),
        )
        return _open.opened_with(cls, plan, texts, metadatas, ids, batch_size)

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
        """Open or create a collection, embed texts and store them, without blocking.

        Args:
            texts: Any sync or async iterable of texts, none blank.
            embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
            metadatas: One dict, or None, for each text.
            ids: One id for each text: any string, an integer, or None for a random UUID.
            batch_size: Most texts stored at a time.
            **kwargs: `collection_name`; one of `path`, `url` and `location`; and other arguments of
                `from_texts`, such as `quantization`.

        Returns:
            The open store.

        Raises:
            GeminiQdrantError: An argument is not valid, the collection does not fit, or Gemini did
                not embed the texts.
        """
        plan = _open.plan_of_texts(embedding, kwargs)
        return await _open.aopened_with(cls, plan, texts, metadatas, ids, batch_size)

    @classmethod
    def from_existing_collection(  # type: ignore[override] # the same arguments, named in **kwargs
        cls,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        **kwargs: Any,
    ) -> Self:
        """Open an existing collection.

        Args:
            collection_name: The collection's name, or an alias.
            embedding: The embedding that made its dense vectors; None for sparse vectors only.
            retrieval_mode: Dense, sparse or hybrid search.
            **kwargs: One of `path`, `url`, `location` and `client`, with the engine's options, and
                arguments of this class.

        Raises:
            CollectionMismatchError: Its vectors differ in name, size, distance or embedding.
            ConfigurationError: An argument is not valid.
        """
        return _open.opened(
            cls, _open.plan_of_existing(cls, collection_name, embedding, retrieval_mode, kwargs)
        )

    @classmethod
    async def afrom_existing_collection(
        cls,
        collection_name: str,
        embedding: Embeddings | None = None,
        retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
        **kwargs: Any,
    ) -> Self:
        """Open an existing collection, without blocking the event loop.

        Args:
            collection_name: The collection's name, or an alias.
            embedding: The embedding that made its dense vectors; None for sparse vectors only.
            retrieval_mode: Dense, sparse or hybrid search.
            **kwargs: One of `path`, `url`, `location` and `async_client`, with the engine's
                options, and arguments of this class.

        Raises:
            CollectionMismatchError: Its vectors differ in name, size, distance or embedding.
            ConfigurationError: An argument is not valid.
        """
        options = _open.plan_of_existing(cls, collection_name, embedding, retrieval_mode, kwargs)
        return await _open.aopened(cls, options)

    def close(self) -> None:
        """Close the clients that this store made; clients that were passed to it stay open."""
        self.collection.connection.close()

    async def aclose(self) -> None:
        """Close the clients that this store made, including that of the running event loop."""
        await self.collection.connection.aclose()

    def __copy__(self) -> Self:
        """Return a store with the same clients."""
        shared = self.__class__.__new__(self.__class__)
        shared.__dict__.update(self.__dict__)
        return shared

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return a store with the same clients: connections and open folders cannot be copied."""
        return copy(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a store has connections or an open folder and cannot be pickled: open it where it is"
            " needed, with create_vector_store()"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
