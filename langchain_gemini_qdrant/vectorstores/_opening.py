"""A store's collection opened, checked and changed as a whole, as steps."""

from __future__ import annotations

import inspect
import uuid
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_qdrant import QdrantVectorStore, RetrievalMode

from langchain_gemini_qdrant.quantization import (
    QuantizationPreset,
    check_version,
    merge_search_params,
    quantization_config,
    required_version,
    search_params_for,
)
from langchain_gemini_qdrant.vectorstores import _schema as _collections
from langchain_gemini_qdrant.vectorstores._connection import connect
from langchain_gemini_qdrant.vectorstores._retry import arun, run, send
from langchain_gemini_qdrant.vectorstores._schema import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from langchain_core.embeddings import Embeddings
    from qdrant_client import AsyncQdrantClient, QdrantClient, models
    from typing_extensions import Self

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._connection import Engine
    from langchain_gemini_qdrant.vectorstores._retry import Steps
    from langchain_gemini_qdrant.vectorstores._schema import PayloadIndex
    from langchain_gemini_qdrant.vectorstores._search import Fusion

T = TypeVar("T")

_PACKAGE = __name__.split(".", maxsplit=1)[0]
_OWN_OPTIONS = ("quantization", "search_params", "title_key", "hybrid_fusion")
_ASSUMED_VERSION = (1, 14)  # of a server; what needs no more is not worth a question
_METADATA_SINCE = (1, 16)


class Opening(QdrantVectorStore):
    """A store with its collection, before anything is written or searched."""

    title_key: str | None
    hybrid_fusion: Fusion
    search_params: models.SearchParams | None
    _own_search_params: models.SearchParams | None  # what the user gave, over all defaults
    _engine: Engine
    _clock: Clock
    _random: Random
    _note_missing: bool  # the collection is empty and does not know what makes its vectors
    _size: int | None  # of the collection's dense vectors, None if it was not read

    @property
    def client(self) -> QdrantClient:
        """The client for sync use."""
        return self._engine.client

    @property
    def async_client(self) -> AsyncQdrantClient:
        """The client for async use in the running event loop."""
        return self._engine.async_client

    # How steps are carried out

    def _run(self, steps: Steps[T]) -> T:
        return run(self._engine, self._clock, steps)

    async def _arun(self, steps: Steps[T]) -> T:
        return await arun(self._engine, self._clock, steps)

    def _send(self, method: str, *args: object, **options: Any) -> Steps[Any]:
        return send(self._random, method, self.collection_name, *args, **options)

    # Steps of opening

    @classmethod
    def _prepared(
        cls,
        *,
        client_options: dict[str, Any] | None,
        collection_name: str | None,
        force_recreate: bool,
        collection_create_options: dict[str, Any] | None,
        vector_params: dict[str, Any] | None,
        sparse_vector_params: dict[str, Any] | None,
        validate_collection_config: bool,
        **own: Any,
    ) -> tuple[Self, Steps[None]]:
        """Return a store that has sent nothing yet, and the steps that open its collection."""
        options = dict(client_options or {})
        own |= {name: options.pop(name) for name in _OWN_OPTIONS if name in options}
        indexes = options.pop("payload_indexes", None)
        name = collection_name or uuid.uuid4().hex
        store = cls(connect(**options), name, validate_collection_config=False, **own)  # type: ignore[arg-type] # an engine

        def steps() -> Steps[None]:
            if force_recreate:
                yield from _collections.delete(name)
            if not (yield from store._send("collection_exists")):
                yield from store._check_server(own.get("quantization"))
                for raw in (vector_params, collection_create_options):
                    yield from store._check_server((raw or {}).get("quantization_config"))
                yield from _collections.create(
                    store._layout,
                    quantization=own.get("quantization"),
                    vector_params=vector_params or {},
                    sparse_vector_params=sparse_vector_params or {},
                    create_options=collection_create_options or {},
                )
            if validate_collection_config:
                yield from store._open(own.get("quantization"))
            if indexes:
                yield from store._create_indexes(indexes)

        return store, steps()

    @classmethod
    def _existing(
        cls,
        collection_name: str,
        embedding: Embeddings | None,
        retrieval_mode: RetrievalMode,
        *,
        validate_collection_config: bool = True,
        **kwargs: Any,
    ) -> tuple[Self, Steps[None]]:
        engine_options = inspect.signature(connect).parameters
        known = inspect.signature(cls).parameters.keys() - engine_options.keys()
        own = {name: kwargs.pop(name) for name in list(kwargs) if name in known}
        own |= {"embedding": embedding, "retrieval_mode": retrieval_mode}
        store = cls(connect(**kwargs), collection_name, validate_collection_config=False, **own)  # type: ignore[arg-type] # an engine

        def steps() -> Steps[None]:
            if validate_collection_config:
                yield from store._open(own.get("quantization"))

        return store, steps()

    @property
    def _layout(self) -> Layout:
        return Layout.of(
            self.retrieval_mode,
            collection_name=self.collection_name,
            vector_name=self.vector_name,
            distance=self.distance,
            embedding=self.embeddings,
            sparse_vector_name=self.sparse_vector_name,
            sparse_embedding=self._sparse_embeddings,
        )

    def _open(self, quantization: Quantization | None) -> Steps[None]:
        """Check the collection and take over the search settings that it needs."""
        info: models.CollectionInfo = yield from self._send("get_collection")
        layout = self._layout
        _collections.check(layout, info)
        params = _collections.dense_params(layout, info)
        self._size = params.size if params is not None else None
        stored = _collections.stored_quantization(layout, info)
        needed: Quantization | None = stored
        if quantization is not None and not self._engine.is_local_mode:
            _collections.check_quantization(stored, self.collection_name, quantization)
            needed = quantization if isinstance(quantization, QuantizationPreset) else stored
        self._search_as(needed, _collections.remembered_search_params(info))
        self._note_missing = not _collections.remembers(info) and info.points_count == 0

    def _search_as(
        self, quantization: Quantization | None, remembered: models.SearchParams | None
    ) -> None:
        """Search with what a quantization needs, under what is remembered, under the user's own."""
        defaults = merge_search_params(search_params_for(quantization), remembered)
        self.search_params = merge_search_params(defaults, self._own_search_params)

    # Steps of changing what holds for all searches

    def _check_server(self, quantization: Quantization | None) -> Steps[None]:
        """Refuse a server that is too old for a quantization."""
        if quantization is not None:
            version, what = required_version(quantization_config(quantization))
            if version > _ASSUMED_VERSION:
                way_out = "take one that it has, such as {'binary': {'always_ram': True}}"
                yield from self._require(version, what, way_out)

    def _require(self, version: tuple[int, int], what: str, way_out: str) -> Steps[None]:
        if self._engine.is_server:
            found: models.VersionInfo = yield from send(self._random, "info")
            check_version(version, what, found.version, way_out)

    def _set_quantization(self, quantization: Quantization | None) -> Steps[None]:
        """Change how the collection is quantized; what was remembered was for other codes."""
        config = None if quantization is None else quantization_config(quantization)
        if self._engine.is_local_mode:
            if quantization is not None:
                warn_of_local_mode(quantization)
            return
        yield from self._check_server(config)
        info: models.CollectionInfo = yield from self._send("get_collection")
        change = _collections.quantization_change(self._layout, info, config)
        if _collections.remembered_search_params(info) is not None:
            change["metadata"] = _collections.with_notes(info, search_params=None)
        yield from self._send("update_collection", **change)
        if not self._engine.is_server:
            yield from self._send("optimize")  # which a server does by itself
        self._search_as(quantization, None)

    def _remember_search_params(self, search_params: models.SearchParams | None) -> Steps[None]:
        """Note search settings in the collection, and search with them."""
        way_out = "pass search_params= wherever the collection is opened"
        yield from self._require(_METADATA_SINCE, "a collection that remembers", way_out)
        info: models.CollectionInfo = yield from self._send("get_collection")
        note = search_params and search_params.model_dump(mode="json", exclude_unset=True)
        metadata = _collections.with_notes(info, search_params=note)
        yield from self._send("update_collection", metadata=metadata)
        self._own_search_params = None  # given before these, which win
        self._search_as(_collections.stored_quantization(self._layout, info), search_params)

    def _create_indexes(self, fields: Mapping[str, PayloadIndex]) -> Steps[None]:
        if not self._engine.is_local_mode:
            yield from _collections.create_indexes(
                self.collection_name, self.metadata_payload_key, fields
            )


def warn_of_local_mode(quantization: Quantization) -> None:
    """Say that qdrant-client's local mode does not quantize."""
    warnings.warn(
        f"quantization={quantization!r} has no effect here: qdrant-client's local mode "
        "searches the full vectors. path= has an engine that quantizes",
        stacklevel=outside(),
    )


def outside() -> int:
    """Return the `stacklevel` of the caller's caller outside this package."""
    frame = inspect.currentframe()
    level = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return level
