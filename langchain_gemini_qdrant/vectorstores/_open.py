"""Open a collection: create it if it is missing, check it, and adopt its search settings."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.quantization import QuantizationPreset
from langchain_gemini_qdrant.vectorstores import _schema
from langchain_gemini_qdrant.vectorstores._arguments import as_model
from langchain_gemini_qdrant.vectorstores._connection import connect
from langchain_gemini_qdrant.vectorstores._limits import Limits
from langchain_gemini_qdrant.vectorstores._metadata import (
    stored_embeddings,
    stored_search_params,
    warn_of_embedding,
)
from langchain_gemini_qdrant.vectorstores._payload_indexes import (
    create_payload_indexes,
    indexes_of,
    wanted_indexes,
)
from langchain_gemini_qdrant.vectorstores._settings import require_quantization

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._opening_methods import OpeningMethods
    from langchain_gemini_qdrant.vectorstores._payload_indexes import PayloadIndex

    StoreT = TypeVar("StoreT", bound=OpeningMethods)

_OWN_OPTIONS = (
    *("quantization", "search_params", "hybrid_fusion", "clock"),
    *("score_formula", "group_by", "group_size"),
    *("title_key", "media_key", "media_root", "fetch_media"),
)
_SHARED = frozenset(
    {
        *("retrieval_mode", "sparse_embedding", "distance", "vector_name", "sparse_vector_name"),
        *("content_payload_key", "metadata_payload_key"),
        *("validate_embeddings", "validate_collection_config"),
    }
)
_PLANNED = _SHARED | {
    *("collection_name", "force_recreate", "collection_create_options"),
    *("vector_params", "sparse_vector_params"),
}
# Options that have a different name in `create_collection` than in its request.
_CREATED = {"vectors_config": "vectors", "sparse_vectors_config": "sparse_vectors"}
_ENGINE_OPTIONS = inspect.signature(connect).parameters.keys()


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The required settings of a collection, and how it is created if it is missing.

    Attributes:
        create: Whether to create the collection if it is missing.
        validate: Whether to read and check the collection.
    """

    create: bool = True
    quantization: Quantization | None = None
    vector_params: Mapping[str, Any] = field(default_factory=dict)
    sparse_vector_params: Mapping[str, Any] = field(default_factory=dict)
    create_options: Mapping[str, Any] = field(default_factory=dict)
    payload_indexes: Mapping[str, PayloadIndex] | None = None
    force_recreate: bool = False
    validate: bool = True


async def open_collection(collection: Collection, wanted: Wanted) -> None:
    """Open the collection; create it first if it is missing and `create` is set."""
    client, name = collection.client, collection.name
    if wanted.force_recreate or (wanted.create and not await client.collection_exists(name)):
        await require_quantization(collection, wanted.quantization)
        for raw in (wanted.vector_params, wanted.create_options):
            await require_quantization(collection, raw.get("quantization_config"))
        options = await _schema.creation(
            collection,
            quantization=wanted.quantization,
            vector_params=wanted.vector_params,
            sparse_vector_params=wanted.sparse_vector_params,
            create_options=wanted.create_options,
        )
        if wanted.force_recreate:  # last: nothing is deleted if an option is refused
            await _schema.delete(client, name)
        await _schema.create_if_missing(client, name, options)
    if wanted.validate:
        await open_existing(collection, wanted.quantization)
    if wanted.payload_indexes:
        await create_payload_indexes(collection, wanted.payload_indexes)


async def open_existing(collection: Collection, quantization: Quantization | None) -> None:
    """Check the collection and adopt the search settings that it needs."""
    info = await checked(collection)
    layout, state = collection.layout, collection.state
    warn_of_embedding(layout, info)
    stored = _schema.stored_quantization(layout, info)
    needed: Quantization | None = stored
    if quantization is not None and collection.connection.kind != "local":
        _schema.check_quantization(stored, collection.name, quantization)
        needed = quantization if isinstance(quantization, QuantizationPreset) else stored
    state.set_search_defaults(needed, stored_search_params(info))
    state.is_checked = True


async def checked(collection: Collection) -> models.CollectionInfo:
    """Return the description of the collection, which must fit the store.

    Raises:
        CollectionMismatchError: It does not fit, or its vectors differ from those on opening.
    """
    info = await collection.client.get_collection(collection.name)
    layout, state = collection.layout, collection.state
    _schema.check(layout, info)
    params = _schema.dense_params(layout, info)
    size = params.size if params is not None else None
    if state.size is not None and size != state.size:
        raise CollectionMismatchError(
            f"collection {collection.name!r} had vectors of size {state.size} when it was opened "
            f"and has vectors of size {size} now: it was recreated, or the alias was switched. "
            "Open a store with the embedding that fills it now"
        )
    state.size = size
    state.limits = Limits.of(info)
    state.indexes = indexes_of(info)
    state.lacks_metadata = not stored_embeddings(info) and info.points_count == 0
    return info


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The arguments with which a store is opened.

    Attributes:
        engine: Options of `connect`.
        own: Arguments of the store's class.
        wanted: The required settings of the collection.
    """

    engine: dict[str, Any]
    own: dict[str, Any]
    wanted: Wanted


def plan(  # noqa: PLR0917 - langchain-qdrant's signature of `construct_instance`
    embedding: Embeddings | None = None,
    retrieval_mode: RetrievalMode = RetrievalMode.DENSE,
    sparse_embedding: SparseEmbeddings | None = None,
    client_options: Mapping[str, Any] | None = None,
    collection_name: str | None = None,
    distance: models.Distance = models.Distance.COSINE,
    content_payload_key: str = QdrantVectorStore.CONTENT_KEY,
    metadata_payload_key: str = QdrantVectorStore.METADATA_KEY,
    vector_name: str = QdrantVectorStore.VECTOR_NAME,
    sparse_vector_name: str = QdrantVectorStore.SPARSE_VECTOR_NAME,
    force_recreate: bool = False,  # noqa: FBT001, FBT002
    collection_create_options: Mapping[str, Any] | None = None,
    vector_params: Mapping[str, Any] | None = None,
    sparse_vector_params: Mapping[str, Any] | None = None,
    validate_embeddings: bool = True,  # noqa: FBT001, FBT002
    validate_collection_config: bool = True,  # noqa: FBT001, FBT002
) -> Plan:
    """Plan to open or create a collection, with the arguments of `construct_instance`."""
    if payload_indexes := (client_options or {}).get("payload_indexes"):
        wanted_indexes(payload_indexes, metadata_payload_key)
    _check_creation(vector_params, sparse_vector_params, collection_create_options)
    engine = dict(client_options or {})
    own = {name: engine.pop(name) for name in _OWN_OPTIONS if name in engine}
    wanted = Wanted(
        quantization=own.get("quantization"),
        vector_params=vector_params or {},
        sparse_vector_params=sparse_vector_params or {},
        create_options=collection_create_options or {},
        payload_indexes=engine.pop("payload_indexes", None),
        force_recreate=force_recreate,
        validate=validate_collection_config,
    )
    own |= {
        "collection_name": uuid.uuid4().hex if collection_name is None else collection_name,
        "embedding": embedding,
        "retrieval_mode": retrieval_mode,
        "sparse_embedding": sparse_embedding,
        "distance": distance,
        "content_payload_key": content_payload_key,
        "metadata_payload_key": metadata_payload_key,
        "vector_name": vector_name,
        "sparse_vector_name": sparse_vector_name,
        "validate_embeddings": validate_embeddings,
    }
    return Plan(engine=engine, own=own, wanted=wanted)


def _check_creation(
    vector_params: Mapping[str, Any] | None,
    sparse_vector_params: Mapping[str, Any] | None,
    create_options: Mapping[str, Any] | None,
) -> None:
    """Refuse options with which no collection can be created, before connecting.

    Raises:
        ConfigurationError: An option is unknown, or has a wrong value.
    """
    if vector_params is not None:
        known = {"size": 1, "distance": models.Distance.COSINE}
        as_model(models.VectorParams, vector_params, "vector_params", known)
    if sparse_vector_params is not None:
        as_model(models.SparseVectorParams, sparse_vector_params, "sparse_vector_params")
    if isinstance(create_options, Mapping):
        create_options = {
            _CREATED.get(name, name): value
            for name, value in create_options.items()
            if name != "timeout"
        }
    if create_options is not None:
        as_model(models.CreateCollection, create_options, "collection_create_options")


def plan_of_texts(embedding: Embeddings | None, options: Mapping[str, Any]) -> Plan:
    """Plan to open a collection with the options of `from_texts`, including the engine's."""
    known = {name: value for name, value in options.items() if name in _PLANNED}
    engine = {name: value for name, value in options.items() if name not in _PLANNED}
    return plan(embedding, client_options=engine, **known)


def plan_of_existing(
    store_class: type[OpeningMethods],
    collection_name: str,
    embedding: Embeddings | None,
    retrieval_mode: RetrievalMode,
    options: Mapping[str, Any],
) -> Plan:
    """Plan to open an existing collection; `options` are those of the class and the engine."""
    # A subclass may have more options than ours, by name or by **kwargs.
    taken = inspect.signature(store_class).parameters.keys() - _ENGINE_OPTIONS
    known = _SHARED | {*_OWN_OPTIONS} | taken
    own = {name: value for name, value in options.items() if name in known}
    engine = {name: value for name, value in options.items() if name not in known}
    validate = own.pop("validate_collection_config", True)
    own |= {
        "collection_name": collection_name,
        "embedding": embedding,
        "retrieval_mode": retrieval_mode,
    }
    wanted = Wanted(create=False, quantization=own.get("quantization"), validate=validate)
    return Plan(engine=engine, own=own, wanted=wanted)


def opened(store_class: type[StoreT], plan: Plan) -> StoreT:
    """Return a store whose collection is open.

    If that fails, everything opened for it is closed: folder lock, worker and sockets.
    """
    connection: Any = connect(**plan.engine)
    try:
        store = store_class(connection, validate_collection_config=False, **plan.own)
        run(open_collection(store.collection, plan.wanted))
    except BaseException:
        connection.close()
        raise
    return store


async def aopened(store_class: type[StoreT], plan: Plan) -> StoreT:
    """Return a store whose collection is open, as `opened` does."""
    connection: Any = connect(**plan.engine)
    try:
        store = store_class(connection, validate_collection_config=False, **plan.own)
        await open_collection(store.async_collection, plan.wanted)
    except BaseException:
        await connection.aclose()
        raise
    return store


def opened_with(  # noqa: PLR0917 - as `from_texts` has them
    store_class: type[StoreT],
    plan: Plan,
    texts: Iterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
    batch_size: int,
) -> StoreT:
    """Return an open store with texts added; if adding fails, close the store."""
    check_list(texts, "texts")  # before a collection is created, or recreated
    store = opened(store_class, plan)
    adding: Any = store  # typed as Any for the methods of other base classes
    try:
        adding.add_texts(texts, metadatas, ids, batch_size)
    except BaseException:
        store.close()
        raise
    return store


async def aopened_with(  # noqa: PLR0917 - as `from_texts` has them
    store_class: type[StoreT],
    plan: Plan,
    texts: Iterable[str] | AsyncIterable[str],
    metadatas: Iterable[dict[str, Any] | None] | None,
    ids: Iterable[str | int | None] | None,
    batch_size: int,
) -> StoreT:
    """Return an open store with texts added, as `opened_with` does."""
    check_list(texts, "texts")
    store = await aopened(store_class, plan)
    adding: Any = store  # typed as Any for the methods of other base classes
    try:
        await adding.aadd_texts(texts, metadatas, ids, batch_size)
    except BaseException:
        await store.aclose()
        raise
    return store
