"""A store's collection: its layout, and the objects that its operations call.

A store has two `Collection` objects, one each for the sync and the async API, with one connection
and one state. An operation takes one of them and awaits the methods of its objects; with
`blocking`, each call is done before its `await` returns (see `_runtime`).
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, cast

from qdrant_client.models import BinaryQuantization

from langchain_gemini_qdrant._clock import BlockingClock
from langchain_gemini_qdrant._runtime import AsAsync
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._session import open_session, stream_outcomes
from langchain_gemini_qdrant.embeddings._wrappers import awaitable, gemini_of
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    GeminiQdrantError,
)
from langchain_gemini_qdrant.quantization import (
    merge_search_params,
    quantization_config,
    search_params_for,
)
from langchain_gemini_qdrant.vectorstores import _payloads
from langchain_gemini_qdrant.vectorstores._limits import Limits
from langchain_gemini_qdrant.vectorstores._retry import PATIENT, QUICK, RetryingClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import RetrievalMode, SparseEmbeddings
    from qdrant_client import AsyncQdrantClient, models

    from langchain_gemini_qdrant._clock import AsyncClock, Clock
    from langchain_gemini_qdrant._retry_policy import RetryPolicy
    from langchain_gemini_qdrant.embeddings._session import Embedded, EmbeddingSession
    from langchain_gemini_qdrant.embeddings._waiting import Waits
    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._connection import Connection
    from langchain_gemini_qdrant.vectorstores._media import MediaLayout
    from langchain_gemini_qdrant.vectorstores._ranking import Ranking
    from langchain_gemini_qdrant.vectorstores._scores import FusionModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The vectors and payloads in a store's collection, and the embeddings that make them.

    Attributes:
        collection_name: The collection's name, or an alias.
        embedding: Makes the dense vectors; None if there are none.
        sparse_embedding: Makes the sparse vectors; None if there are none.
        ranking: The formula and groups of all searches, unless a call overrides them.
        title_key: The metadata key of a document's title; None for no titles.
        media: How documents name their media; None if all are texts.
        to_document: Makes a document from a stored point, `collection_name` and the keys of its
            payload.
    """

    collection_name: str
    retrieval_mode: RetrievalMode
    vector_name: str
    distance: models.Distance
    embedding: Embeddings | None
    sparse_vector_name: str
    sparse_embedding: SparseEmbeddings | None
    hybrid_fusion: FusionModel
    ranking: Ranking
    content_key: str
    metadata_key: str
    title_key: str | None
    media: MediaLayout | None
    to_document: Callable[[models.Record | models.ScoredPoint, str, str, str], Document]

    @property
    def known_size(self) -> int | None:
        """Length of the dense vectors, None if only embedding a text would show it."""
        return known_size(self.embedding)

    def metadata(self, payload: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any payload
        """Return a payload's metadata; without a metadata key, the payload's own fields."""
        return payload.get(self.metadata_key) if self.metadata_key else payload

    def title(self, metadata: Any) -> str | None:  # noqa: ANN401 - any payload
        """Return the title that is embedded with a document with this metadata."""
        if self.title_key is None or not isinstance(metadata, dict):
            return None
        title = metadata.get(self.title_key)
        return None if title is None else str(title)


def known_size(embedding: Embeddings | None) -> int | None:
    """Return the length of an embedding's vectors, None if only embedding would show it."""
    gemini = gemini_of(embedding)
    return None if gemini is None else gemini.vector_size


@dataclass(kw_only=True, slots=True)
class CollectionState:
    """What a store knows about its collection.

    Attributes:
        own_search_params: The user's search parameters; they override all defaults.
        search_params: Current defaults of all searches: those that the quantization needs,
            overridden by those that the collection remembers, overridden by the user's.
        size: Length of the dense vectors, None if the collection was not read.
        limits: The collection's limits on opening; none if the collection was not read.
        indexes: The types of its payload indexes when they were last read, by payload key.
        lacks_metadata: Whether it is empty and its metadata does not name its embedding.
        is_checked: Whether it was read on opening and fits the store.
        has_warned: Whether the user was warned of payloads with a different layout.
        quantization: The current quantization, None for full vectors.
    """

    own_search_params: models.SearchParams | None = None
    search_params: models.SearchParams | None = None
    size: int | None = None
    limits: Limits = field(default_factory=Limits)
    indexes: Mapping[str, str] = field(default_factory=dict)
    lacks_metadata: bool = False
    is_checked: bool = False
    has_warned: bool = False
    quantization: Quantization | None = None

    @property
    def has_binary_codes(self) -> bool:
        """Whether scores without rescoring are numbers of bits."""
        return self.quantization is not None and isinstance(
            quantization_config(self.quantization), BinaryQuantization
        )

    def set_search_defaults(
        self, quantization: Quantization | None, remembered: models.SearchParams | None
    ) -> None:
        """Set the search defaults: a quantization's, overridden by `remembered` and the user's."""
        self.quantization = quantization
        defaults = merge_search_params(search_params_for(quantization), remembered)
        self.search_params = merge_search_params(
            self.limits.capped(defaults), self.own_search_params
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Collection:
    """One collection, for either the sync or the async API.

    Attributes:
        name: The collection's name, or an alias.
        layout: Its vectors and payloads.
        connection: The connection to the engine.
        state: What is known about the collection, shared by both APIs.
        clock: Waits between retries.
        blocking: Whether calls are done before their `await` returns.
        embedding: `layout.embedding`; await its `a...` methods, which run the sync ones if
            `blocking`.
        sparse_embedding: `layout.sparse_embedding`, used in the same way.
        policy: How often and when calls are retried if the server is not available.
        waits: The waits before such retries, for the progress of a run.
    """

    name: str
    layout: Layout
    connection: Connection
    state: CollectionState
    clock: AsyncClock
    blocking: bool
    embedding: Embeddings | None
    sparse_embedding: SparseEmbeddings | None
    random: Random = field(default_factory=Random)
    policy: RetryPolicy = QUICK
    waits: Waits | None = None

    def patient(self) -> Collection:
        """Return this collection for a long run, in which a server may be down for a minute."""
        return replace(self, policy=PATIENT)

    @property
    def client(self) -> AsyncQdrantClient:
        """The engine's client; calls are retried by `policy` if the server is not available."""
        connection, blocking = self.connection, self.blocking
        client = connection.client if blocking else connection.async_client
        retrying = RetryingClient(
            client,
            self.clock,
            self.random,
            blocking=blocking,
            policy=self.policy,
            waits=self.waits,
        )
        return cast("AsyncQdrantClient", retrying)

    def require_embedding(self) -> Embeddings:
        """Return the embedding of the dense vectors.

        Raises:
            ConfigurationError: The store has none.
        """
        if self.embedding is None:
            raise ConfigurationError(
                "dense search requires an embedding and retrieval_mode DENSE or HYBRID, this store "
                f"has {self.layout.retrieval_mode.name} and no embedding for dense vectors"
            )
        return self.embedding

    def document(
        self, point: models.Record | models.ScoredPoint, *, is_whole: bool = True
    ) -> Document:
        """Return the document of a point; warn once about payloads with a different layout.

        `is_whole` is True if the whole payload was requested.
        """
        keys = self.layout.content_key, self.layout.metadata_key
        document = self.layout.to_document(point, self.name, *keys)
        if not is_whole or self.state.has_warned:
            return document
        if found := _payloads.problem(point, document, *keys):
            self.state.has_warned = True
            warn(f"point {point.id!r} of collection {self.name!r} {found}")
        return document

    async def optimize(self) -> None:
        """Build graphs and codes on an embedded engine; a server does that on its own."""
        client: Any = self.client
        await client.optimize(self.name)

    async def stream(
        self, texts: Sequence[Any], titles: Sequence[str | None] | None
    ) -> AsyncGenerator[Embedded, None]:
        """Embed many documents with `GeminiEmbeddings`; yield their results as they arrive."""
        embedding: Any = self.layout.embedding
        if type(embedding) is GeminiEmbeddings:
            outcomes = stream_outcomes(embedding, texts, titles, blocking=self.blocking)
            async with aclosing(outcomes) as batches:
                async for batch in batches:
                    yield [*batch]
            return
        # Through a subclass's overridden methods, if there are any.
        vectors: Any
        if self.blocking:
            vectors = AsAsync(embedding.stream_documents(texts, titles=titles))
        else:
            vectors = embedding.astream_documents(texts, titles=titles)
        async with aclosing(vectors):
            try:
                async for vector in vectors:
                    yield [vector]
            except GeminiQdrantError as error:
                yield [error]

    def open_session(self, name: str) -> AbstractAsyncContextManager[EmbeddingSession]:
        """Open a session of the embedding; `name` is its name in traces."""
        return open_session(self.layout.embedding, name, blocking=self.blocking)

    def check_size(self, vector: Sequence[float] | None) -> None:
        """Refuse a vector of a wrong size before it is stored or searched with.

        Raises:
            CollectionMismatchError: The collection's vectors have a different size.
        """
        size = self.state.size
        if vector is not None and size is not None and len(vector) != size:
            raise CollectionMismatchError(
                f"collection {self.name!r} stores vectors of size {size}, this one has "
                f"{len(vector)}: use the embedding that filled it, or a different collection_name"
            )


def collection_faces(
    layout: Layout, connection: Connection, state: CollectionState, clock: Clock
) -> tuple[Collection, Collection]:
    """Return the collection of the sync API and that of the async API."""

    def face(*, blocking: bool) -> Collection:
        return Collection(
            name=layout.collection_name,
            layout=layout,
            connection=connection,
            state=state,
            clock=BlockingClock(clock) if blocking else clock,
            blocking=blocking,
            embedding=awaitable(layout.embedding, blocking=blocking),
            sparse_embedding=awaitable(layout.sparse_embedding, blocking=blocking),
        )

    return face(blocking=True), face(blocking=False)
