"""A store's collection: what it keeps where, and what its operations call.

A store has two of them, one for each face of its API, over one connection and one state. An
operation takes one and awaits the methods of what it holds; with `blocking`, each call is done
before its `await` returns (see `_runtime`).
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar, cast

from qdrant_client.models import BinaryQuantization

from langchain_gemini_qdrant._clock import BlockingClock
from langchain_gemini_qdrant._runtime import AsAsync, Blocking
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._session import open_session, stream_outcomes
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
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
    from langchain_gemini_qdrant.vectorstores._scores import FusionModel

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which vectors and payloads a store keeps in its collection, and what makes them.

    Attributes:
        collection_name: Its name, or an alias.
        embedding: Makes the dense vectors; None if there are none.
        sparse_embedding: Makes the sparse vectors; None if there are none.
        title_key: Where metadata has a document's title; None for no titles.
        to_document: Makes a document of a stored point, `collection_name` and the keys of its
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
    content_key: str
    metadata_key: str
    title_key: str | None
    to_document: Callable[[models.Record | models.ScoredPoint, str, str, str], Document]

    @property
    def known_size(self) -> int | None:
        """Length of the dense vectors, None where only embedding would tell."""
        return known_size(self.embedding)

    def metadata(self, payload: Mapping[str, Any]) -> Any:  # noqa: ANN401 - payloads hold anything
        """Return a payload's metadata; without a key for them, its fields."""
        return payload.get(self.metadata_key) if self.metadata_key else payload

    def title(self, metadata: Any) -> str | None:  # noqa: ANN401 - payloads hold anything
        """Return the title that is embedded with a document of this metadata."""
        if self.title_key is None or not isinstance(metadata, dict):
            return None
        title = metadata.get(self.title_key)
        return None if title is None else str(title)


def known_size(embedding: Embeddings | None) -> int | None:
    """Return the length of an embedding's vectors, None where only embedding would tell."""
    gemini = gemini_of(embedding)
    return None if gemini is None else gemini.vector_size


@dataclass(kw_only=True, slots=True)
class CollectionState:
    """What a store has learnt of its collection.

    Attributes:
        own_search_params: Given by the user; they override all defaults.
        search_params: Defaults in force for all searches: what the quantization needs, overridden
            by what the collection remembers, overridden by the user's.
        size: Of the dense vectors, None if it was not read.
        limits: Of the collection when it was opened; none if it was not read.
        lacks_metadata: It is empty and does not say what makes its vectors.
        is_checked: It was read when the store was opened, and fits it.
        has_warned: The user knows of payloads that are laid out in another way.
        quantization: In force, None for full vectors.
    """

    own_search_params: models.SearchParams | None = None
    search_params: models.SearchParams | None = None
    size: int | None = None
    limits: Limits = field(default_factory=Limits)
    lacks_metadata: bool = False
    is_checked: bool = False
    has_warned: bool = False
    quantization: Quantization | None = None

    @property
    def has_binary_codes(self) -> bool:
        """Whether scores are numbers of bits, without rescoring."""
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
    """One collection and one face of the API.

    Attributes:
        name: The collection's, or an alias.
        layout: What the store keeps in it.
        connection: To the engine.
        state: Shared by both faces.
        clock: Waits between retries.
        blocking: Whether calls are done before their `await` returns.
        embedding: `layout.embedding`; await its `a...` methods, which run the sync ones if
            `blocking`.
        sparse_embedding: As `embedding`.
        policy: How often and when calls are retried where the server is away.
        waits: Before such retries, for whoever shows the progress of a run.
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
        """Return this collection for a long run: a server may be away for a minute."""
        return replace(self, policy=PATIENT)

    @property
    def client(self) -> AsyncQdrantClient:
        """The engine's client; a call is retried where the server is away, as `policy` says."""
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
            ConfigurationError: There is none.
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
        """Return the document of a point; warn once of payloads that have another layout.

        `is_whole` says that all of the payload was asked for.
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
        """Build graphs and codes on an embedded engine; a server does that by itself."""
        client: Any = self.client
        await client.optimize(self.name)

    async def stream(
        self, texts: Sequence[str], titles: Sequence[str | None] | None
    ) -> AsyncGenerator[Embedded, None]:
        """Embed many documents with `GeminiEmbeddings`; yield their results as they arrive."""
        embedding: Any = self.layout.embedding
        if type(embedding) is GeminiEmbeddings:
            outcomes = stream_outcomes(embedding, texts, titles, blocking=self.blocking)
            async with aclosing(outcomes) as batches:
                async for batch in batches:
                    yield [*batch]
            return
        # By the methods of a subclass, which may do more.
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
        """Refuse a vector that the collection cannot have, before it is stored or searched.

        Raises:
            CollectionMismatchError: It has another size.
        """
        size = self.state.size
        if vector is not None and size is not None and len(vector) != size:
            raise CollectionMismatchError(
                f"collection {self.name!r} stores vectors of size {size}, this one has "
                f"{len(vector)}: use the embedding that filled it, or another collection_name"
            )


def collection_faces(
    layout: Layout, connection: Connection, state: CollectionState, clock: Clock
) -> tuple[Collection, Collection]:
    """Return the collection of the sync face and the one of the async face."""

    def face(*, blocking: bool) -> Collection:
        return Collection(
            name=layout.collection_name,
            layout=layout,
            connection=connection,
            state=state,
            clock=BlockingClock(clock) if blocking else clock,
            blocking=blocking,
            embedding=_awaitable(layout.embedding, blocking=blocking),
            sparse_embedding=_awaitable(layout.sparse_embedding, blocking=blocking),
        )

    return face(blocking=True), face(blocking=False)


def _awaitable(embedding: T, *, blocking: bool) -> T:
    if embedding is None or not blocking:
        return embedding
    return cast("T", Blocking(embedding, "a"))
