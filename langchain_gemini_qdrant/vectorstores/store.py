"""`GeminiQdrantVectorStore`: LangChain's vector store over a Qdrant collection, sync and async."""

from __future__ import annotations

from contextlib import aclosing, closing
from typing import TYPE_CHECKING, TypeVar

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK
from langchain_gemini_qdrant._runtime import as_sync, run
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.vectorstores import _read, _settings
from langchain_gemini_qdrant.vectorstores._arguments import (
    as_fusion,
    as_member,
    as_search_params,
    check_embedding,
    check_name,
)
from langchain_gemini_qdrant.vectorstores._collection import (
    CollectionState,
    Layout,
    collection_faces,
)
from langchain_gemini_qdrant.vectorstores._connection import Connection
from langchain_gemini_qdrant.vectorstores._display_methods import DisplayMethods
from langchain_gemini_qdrant.vectorstores._media import check_media_keys, media_layout
from langchain_gemini_qdrant.vectorstores._media_methods import MediaMethods
from langchain_gemini_qdrant.vectorstores._mmr_methods import MmrMethods
from langchain_gemini_qdrant.vectorstores._open import open_existing
from langchain_gemini_qdrant.vectorstores._opening_methods import OpeningMethods
from langchain_gemini_qdrant.vectorstores._payloads import check_keys
from langchain_gemini_qdrant.vectorstores._ranking import as_ranking
from langchain_gemini_qdrant.vectorstores._settings_methods import SettingsMethods
from langchain_gemini_qdrant.vectorstores._vector_methods import VectorMethods
from langchain_gemini_qdrant.vectorstores._write_methods import WriteMethods

if TYPE_CHECKING:
    import os
    from collections.abc import (
        AsyncIterator,
        Collection,
        Iterator,
        Sequence,
    )

    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings
    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._scores import Fusion, FusionModel
    from langchain_gemini_qdrant.vectorstores.filters import Filter
    from langchain_gemini_qdrant.vectorstores.score_factors import ScoreFactor, ScoreFormula

T = TypeVar("T")

# Set by langchain-qdrant's constructor; they cannot be changed after opening.
_FIXED = {
    "collection_name",
    "content_payload_key",
    "distance",
    "metadata_payload_key",
    "retrieval_mode",
    "sparse_vector_name",
    "vector_name",
}


class GeminiQdrantVectorStore(
    OpeningMethods,
    WriteMethods,
    MediaMethods,
    VectorMethods,
    MmrMethods,
    SettingsMethods,
    DisplayMethods,
):
    """A `QdrantVectorStore` with consistent search defaults, string ids, dict filters and checks.

    - `search_params` apply to every search method and retriever; a call's value overrides them.
    - Any string is an id and is returned as `Document.id`; metadata is returned unchanged.
    - A filter is a dict over metadata, `{"source": "a.pdf", "page": {"$gte": 3}}`, or Qdrant's own.
    - `lambda_mult` of MMR has LangChain's meaning: 1 is relevance only, 0 diversity only.
    - `score_threshold` is on the scale of the scores that a method returns: the engine's, or 0 to
      1 for LangChain's relevance scores. With cosine and dot product both are the same.
    - Every method has an async counterpart prefixed with `a`. It uses no thread, and waiting for a
      server does not block the event loop.
    - Opening sends nothing to Gemini; a search sends one request to Gemini and one to Qdrant.
    - After a lost connection, 408, 429 or 5xx, a request is retried three times within four
      seconds; if a server asks to wait, the store waits for up to a minute.
    - Its settings are fixed on opening: setting `collection_name` later is an `AttributeError`.

    Args:
        client: A `QdrantClient`, such as `EdgeClient`. May be None if `async_client` is given; a
            sync client is then made from its options on first use.
        collection_name: An existing collection, or an alias.
        embedding: `GeminiEmbeddings`, or any LangChain `Embeddings`.
        validate_collection_config: Read the collection and check it. False sends nothing; the
            search defaults are then only those of `quantization` and `search_params`.
        async_client: A client for async use; None makes one to the same server for each event loop,
            or one over the engine that `client` has in this process.
        quantization: The quantization that the collection must have: a preset or its name, a model
            of qdrant-client or a dict; None accepts any.
        search_params: Defaults of all searches. They override those that the collection remembers,
            which override those that its quantization needs.
        title_key: The metadata key of a document's title, which Gemini then reads with the text;
            None for no titles.
        media_key: The metadata key under which a document names an image, a sound, a video or a
            PDF, or a list of these: a path, or an address that starts with `file:`, `data:`, `gs:`
            or `https:`. Text and media become one vector. None for texts only.
        media_root: The folder that files must be in, and from which relative paths start; None for
            no such bound, and the current folder.
        fetch_media: Whether media at `https:` addresses are fetched from the network: True for
            public ones, or the names of the only hosts to fetch from.
        hybrid_fusion: How hybrid search merges dense and sparse hits: `"rrf"`, `"dbsf"` or a model
            of qdrant-client; None is RRF with Qdrant's defaults.
        score_formula: How all searches compute scores: `newer_first(...)`, `boost(...)`, a list of
            these, or Qdrant's `FormulaQuery`; None leaves the scores as they are.
        group_by: A metadata field, such as `"source"`: all searches return at most `group_size`
            documents with the same value in it; None for no groups.
        group_size: The most documents with the same value of `group_by`.
        clock: Waits between retries, for tests; None is the machine's clock.

    The other arguments are those of `langchain_qdrant.QdrantVectorStore`.

    Raises:
        CollectionMismatchError: The collection's vectors differ in name, size, distance, embedding
            or quantization.
        ConfigurationError: `title_key` or `media_key` is given with an embedding that reads no
            titles or media, an argument is not valid, or payload keys are not distinct.
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
        media_key: str | None = None,
        media_root: str | os.PathLike[str] | None = None,
        fetch_media: bool | Collection[str] = False,
        hybrid_fusion: Fusion | None = None,
        score_formula: ScoreFormula | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        clock: Clock | None = None,
    ) -> None:
        check_name(collection_name, "collection_name")
        check_embedding(embedding, "embedding")
        check_embedding(sparse_embedding, "sparse_embedding")
        distance = as_member(models.Distance, distance, "distance")
        mode = as_member(RetrievalMode, retrieval_mode, "retrieval_mode")
        fusion = as_fusion(hybrid_fusion) or models.FusionQuery(fusion=models.Fusion.RRF)
        ranking = as_ranking(score_formula, group_by, group_size)
        search_params = as_search_params(search_params)
        if title_key is not None:
            check_name(title_key, "title_key")
        if title_key is not None and not isinstance(embedding, GeminiEmbeddings):
            raise ConfigurationError(
                "title_key needs GeminiEmbeddings, which read a title with each text, got "
                f"{type(embedding).__name__}; they have a cache of their own, cache="
            )
        check_keys(content_payload_key, metadata_payload_key)
        media = media_layout(media_key, media_root, fetch=fetch_media, embedding=embedding)
        check_media_keys(media, content_payload_key, metadata_payload_key)
        super().__init__(
            client=client,  # type: ignore[arg-type] # only read through the property below
            collection_name=collection_name,
            embedding=embedding,
            retrieval_mode=mode,
            vector_name=vector_name,
            content_payload_key=content_payload_key,
            metadata_payload_key=metadata_payload_key,
            distance=distance,
            sparse_embedding=sparse_embedding,
            sparse_vector_name=sparse_vector_name,
            validate_embeddings=validate_embeddings,
            validate_collection_config=False,  # its check would embed a text to find the size
        )
        given: object = client  # the class methods pass a connection
        connection = given if isinstance(given, Connection) else Connection(client, async_client)
        layout = Layout(
            collection_name=collection_name,
            retrieval_mode=mode,
            vector_name=vector_name,
            distance=distance,
            embedding=None if mode == RetrievalMode.SPARSE else embedding,
            sparse_vector_name=sparse_vector_name,
            sparse_embedding=None if mode == RetrievalMode.DENSE else sparse_embedding,
            hybrid_fusion=fusion,
            ranking=ranking,
            content_key=content_payload_key,
            metadata_key=metadata_payload_key,
            title_key=title_key,
            media=media,
            to_document=self._document_from_point,
        )
        state = CollectionState(own_search_params=search_params)
        state.set_search_defaults(quantization, None)
        self.clock = clock or SYSTEM_CLOCK
        self.collection, self.async_collection = collection_faces(
            layout, connection, state, self.clock
        )
        if quantization is not None and connection.kind == "local":
            _settings.warn_of_local_mode(quantization)
        if validate_collection_config:
            run(open_existing(self.collection, quantization))

    def __setattr__(self, name: str, value: object) -> None:
        if name in _FIXED and name in self.__dict__:
            raise AttributeError(
                f"{name} of an open store cannot be set, got {value!r}: open a new store with it"
            )
        super().__setattr__(name, value)

    @property
    def client(self) -> QdrantClient:
        """The client for sync use."""
        return self.collection.connection.client

    @property
    def async_client(self) -> AsyncQdrantClient:
        """The client for async use in the running event loop."""
        return self.collection.connection.async_client

    @property
    def search_params(self) -> models.SearchParams | None:
        """The defaults of all searches, None if there are none."""
        return self.collection.state.search_params

    @property
    def title_key(self) -> str | None:
        """The metadata key of a document's title, None for no titles."""
        return self.collection.layout.title_key

    @property
    def media_key(self) -> str | None:
        """The metadata key of references to media, None if all documents are texts."""
        media = self.collection.layout.media
        return None if media is None else media.key

    @property
    def hybrid_fusion(self) -> FusionModel:
        """The method by which hybrid search merges dense and sparse hits."""
        return self.collection.layout.hybrid_fusion

    @property
    def score_formula(self) -> models.FormulaQuery | tuple[ScoreFactor, ...] | None:
        """How all searches compute scores: score factors, Qdrant's formula, or None."""
        return self.collection.layout.ranking.score_formula

    @property
    def group_by(self) -> str | None:
        """The metadata field that all searches group by, None for no groups."""
        return self.collection.layout.ranking.group_by

    @property
    def group_size(self) -> int:
        """The most documents with the same value of `group_by` in a search."""
        return self.collection.layout.ranking.group_size

    # Reading

    def get_by_ids(self, ids: Sequence[str | int], /) -> list[Document]:
        """Return the documents with these ids, in their order; unknown ids are left out."""
        return run(_read.get(self.collection, ids))

    async def aget_by_ids(self, ids: Sequence[str | int], /) -> list[Document]:
        """Return the documents with these ids, in order, without blocking; omit unknown ids."""
        return await _read.get(self.async_collection, ids)

    def count(self, filter: Filter | None = None) -> int:
        """Return how many documents match `filter`, a dict such as `{"page": {"$gte": 3}}`.

        None counts all documents; Qdrant's own `Filter` is accepted, too.

        If a server's strict mode does not allow exact counts, the ids of the documents are read.
        """
        return run(_read.count(self.collection, filter))

    async def acount(self, filter: Filter | None = None) -> int:
        """Return how many documents match `filter`, without blocking the event loop.

        A filter is a dict such as `{"page": {"$gte": 3}}` or Qdrant's own `Filter`; None counts all
        documents.
        """
        return await _read.count(self.async_collection, filter)

    def iter_documents(
        self, filter: Filter | None = None, *, batch_size: int = 256
    ) -> Iterator[Document]:
        """Yield the documents that match a filter, in the order of their point ids.

        Args:
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; None matches all documents.
            batch_size: Documents fetched at a time, limited by a server's strict mode.
        """
        with closing(as_sync(_read.pages(self.collection, filter, batch_size))) as pages:
            for page in pages:
                yield from page

    async def aiter_documents(
        self, filter: Filter | None = None, *, batch_size: int = 256
    ) -> AsyncIterator[Document]:
        """Yield the documents that match a filter, in the order of their point ids.

        Args:
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; None matches all documents.
            batch_size: Documents fetched at a time, limited by a server's strict mode.
        """
        async with aclosing(_read.pages(self.async_collection, filter, batch_size)) as pages:
            async for page in pages:
                for document in page:
                    yield document
