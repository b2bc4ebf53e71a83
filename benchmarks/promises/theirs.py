"""langchain-google-genai and langchain-qdrant, as their documentation uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_google_genai import GoogleGenerativeAIEmbeddings
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from promises.side import COLLECTION, PARAMETER, SIZE, Side

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.stores import ByteStore
    from langchain_qdrant.sparse_embeddings import SparseEmbeddings
    from qdrant_client import QdrantClient

    from promises.side import GeminiEmbedding

_BINARY = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))


class Theirs(Side):
    """The packages that are used for this where ours is not."""

    packages = ("langchain-google-genai", "langchain-qdrant")
    store_class = QdrantVectorStore
    _records: InMemoryRecordManager | None = None

    def embeddings(self, model: str = PARAMETER, **options: object) -> GoogleGenerativeAIEmbeddings:
        """Make `GoogleGenerativeAIEmbeddings`."""
        settings: dict[str, Any] = {"output_dimensionality": SIZE} | options
        return GoogleGenerativeAIEmbeddings(
            model=model, google_api_key=self.emulator.key, base_url=self.emulator.url, **settings
        )

    def within(self, seconds: float) -> GoogleGenerativeAIEmbeddings:
        """Set `request_options`: "Example: `{'timeout': 10}`", says its docstring."""
        return self.embeddings(request_options={"timeout": seconds})

    def under_quota(self, texts: int, window: float) -> GoogleGenerativeAIEmbeddings:  # noqa: ARG002
        """Make plain ones: they have no option for it."""
        return self.embeddings()

    def cached(self, cache: ByteStore) -> CacheBackedEmbeddings:
        """Wrap them in LangChain's cache, with queries."""
        return CacheBackedEmbeddings.from_bytes_store(
            self.embeddings(),
            cache,
            namespace=PARAMETER,
            query_embedding_cache=True,
            key_encoder="sha256",
        )

    def store(
        self,
        embedding: GeminiEmbedding,
        client: QdrantClient,
        *,
        distance: models.Distance = models.Distance.COSINE,
        binary: bool = False,
        sparse: SparseEmbeddings | None = None,
    ) -> QdrantVectorStore:
        """Make the collection by hand and construct the store, as its docstring does."""
        if not client.collection_exists(COLLECTION):
            size = getattr(embedding, "output_dimensionality", None) or embedding.size
            client.create_collection(
                COLLECTION,
                vectors_config=models.VectorParams(size=size, distance=distance),
                sparse_vectors_config=sparse
                and {QdrantVectorStore.SPARSE_VECTOR_NAME: models.SparseVectorParams()},
                quantization_config=_BINARY if binary else None,
            )
        return QdrantVectorStore(
            client=client,
            collection_name=COLLECTION,
            embedding=embedding,
            distance=distance,
            sparse_embedding=sparse,
            retrieval_mode=RetrievalMode.HYBRID if sparse else RetrievalMode.DENSE,
        )

    def binary_in_folder(self, embedding: Embeddings) -> QdrantVectorStore:
        """Call `from_texts` with `path`."""
        return QdrantVectorStore.from_texts(
            [],
            embedding,
            path=str(self.folder / "index"),
            collection_name=COLLECTION,
            collection_create_options={"quantization_config": _BINARY},
        )

    def ingest(self, store: QdrantVectorStore, documents: list[Document]) -> None:
        """Call LangChain's `index`, whose records are kept between runs."""
        if self._records is None:
            self._records = InMemoryRecordManager(COLLECTION)
            self._records.create_schema()
        index(documents, self._records, store, source_id_key="source")

    def imitation(self) -> None:
        """Return nothing: neither package has anything of the kind."""
