"""Collections: how they are made, what an existing one must look like, what one remembers."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from langchain_qdrant import RetrievalMode
from pydantic import ValidationError
from qdrant_client import models

from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
from langchain_gemini_qdrant.embeddings._request import check_count
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.tasks import task_sides
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
)
from langchain_gemini_qdrant.quantization import quantization_config, stored_alike
from langchain_gemini_qdrant.vectorstores._retry import Call, Embed
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_core.embeddings import Embeddings
    from langchain_qdrant import SparseEmbeddings

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._retry import Steps

PayloadIndex: TypeAlias = (
    Literal["keyword", "integer", "float", "bool", "datetime", "text", "uuid", "geo", "tenant"]
    | models.PayloadSchemaParams
)
"""How a metadata field is indexed: Qdrant's types, `"tenant"` for the keyword that tells whose a
document is, or qdrant-client's own model."""

MEMORY_KEY = "langchain_gemini_qdrant"
"""Key of a collection's metadata under which it remembers what made its vectors."""

_WAYS_OUT = "take another collection_name, or recreate it with force_recreate=True"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which vectors the store keeps in a collection, and what makes them.

    Attributes:
        embedding: Of the dense vector; None if there is none.
        sparse_embedding: Of the sparse vector; None if there is none.
    """

    collection_name: str
    vector_name: str
    distance: models.Distance
    embedding: Embeddings | None
    sparse_vector_name: str
    sparse_embedding: SparseEmbeddings | None

    @classmethod
    def of(
        cls,
        retrieval_mode: RetrievalMode,
        *,
        embedding: Embeddings | None,
        sparse_embedding: SparseEmbeddings | None,
        **fields: Any,
    ) -> Layout:
        """Return the layout of a retrieval mode, which may leave one embedding unused."""
        return cls(
            embedding=None if retrieval_mode == RetrievalMode.SPARSE else embedding,
            sparse_embedding=None if retrieval_mode == RetrievalMode.DENSE else sparse_embedding,
            **fields,
        )

    def memory(self, size: int) -> dict[str, Any]:
        """Return what the collection shall remember of the embeddings; `size` of the dense one."""
        notes: dict[str, Any] = {}
        if isinstance(self.embedding, GeminiEmbeddings):
            notes[self.vector_name] = {
                "model": self.embedding.model.removeprefix("models/"),
                "size": size,
                "task": task_sides(self.embedding.task_type).document,
                "normalized": True,
            }
        if isinstance(self.sparse_embedding, EdgeBm25):
            notes[self.sparse_vector_name] = self.sparse_embedding.note()
        return {MEMORY_KEY: {"embeddings": notes}} if notes else {}


def known_size(embedding: Embeddings | None) -> int | None:
    """Return the length of an embedding's vectors, None where only embedding would tell."""
    return embedding.vector_size if isinstance(embedding, GeminiEmbeddings) else None


def create(
    layout: Layout,
    *,
    quantization: Quantization | None,
    vector_params: Mapping[str, Any],
    sparse_vector_params: Mapping[str, Any],
    create_options: Mapping[str, Any],
) -> Steps[None]:
    """Create the collection; an embedding of unknown size is asked for one vector first.

    Raises:
        ConfigurationError: A setting can only lose what the embedding makes.
    """
    options = dict(create_options)
    size = 0
    if layout.embedding is not None:
        size = known_size(layout.embedding) or 0
        if not size:
            vectors = yield Embed(layout.embedding, "embed_documents", ["size"])
            check_count(layout.embedding, vectors, 1)
            size = len(vectors[0])
        params = models.VectorParams(**{"size": size, "distance": layout.distance, **vector_params})
        check_datatype(params, layout.embedding)
        options["vectors_config"] = {layout.vector_name: params}
    if layout.sparse_embedding is not None:
        modifier = getattr(layout.sparse_embedding, "modifier", None)
        sparse = models.SparseVectorParams(**{"modifier": modifier, **sparse_vector_params})
        options["sparse_vectors_config"] = {layout.sparse_vector_name: sparse}
    if quantization is not None:
        options["quantization_config"] = quantization_config(quantization)
    memory = layout.memory(size)
    if memory:
        options["metadata"] = {**(options.get("metadata") or {}), **memory}

    def call(method: str, **options: Any) -> Steps[Any]:
        return (yield Call(method, (layout.collection_name,), options))

    yield from make(call, options)


def make(send: Callable[..., Steps[Any]], options: Mapping[str, Any]) -> Steps[None]:
    """Create a collection that was not there; `send` calls a client's method with its name.

    Where another process was faster, or only the answer was lost, the one that is there is to be
    checked as any other.
    """
    try:
        yield from send("create_collection", **options)
    except Exception:
        if not (yield from send("collection_exists")):
            raise


def check_datatype(params: models.VectorParams, embedding: Embeddings) -> None:
    if params.datatype is models.Datatype.UINT8 and isinstance(embedding, GeminiEmbeddings):
        raise ConfigurationError(
            "datatype uint8 stores whole numbers from 0 to 255, and Gemini's vectors have "
            "components between -1 and 1: take datatype float16, or quantization='scalar' for 8 "
            "bits a component"
        )


def delete(collection_name: str) -> Steps[None]:
    """Delete a collection if it exists.

    Raises:
        ConfigurationError: The name is an alias.
    """
    aliases = (yield Call("get_aliases", (), {})).aliases
    for alias in aliases:
        if alias.alias_name == collection_name:
            raise ConfigurationError(
                f"{collection_name!r} is an alias of collection {alias.collection_name!r}: "
                "force_recreate deletes collections only, so pass that name, or another one"
            )
    yield Call("delete_collection", (collection_name,), {})


def dense_params(layout: Layout, info: models.CollectionInfo) -> models.VectorParams | None:
    """Return the settings of the store's dense vector, None if it has none.

    Raises:
        CollectionMismatchError: The collection has no such vector.
    """
    if layout.embedding is None:
        return None
    vectors = info.config.params.vectors or {}
    by_name = vectors if isinstance(vectors, dict) else {"": vectors}
    if layout.vector_name not in by_name:
        raise CollectionMismatchError(
            f"collection {layout.collection_name!r} has no dense vector named "
            f"{layout.vector_name!r}, only {sorted(by_name)}: pass vector_name, or {_WAYS_OUT}"
        )
    return by_name[layout.vector_name]


def check(layout: Layout, info: models.CollectionInfo) -> None:
    """Refuse a collection that does not fit the store.

    Raises:
        CollectionMismatchError: A vector is missing, or has another size, distance or embedding.
    """
    name = layout.collection_name
    params = dense_params(layout, info)
    if params is not None:
        size = known_size(layout.embedding)
        if size is not None and params.size != size:
            raise CollectionMismatchError(
                f"collection {name!r} stores vectors of size {params.size}, the embedding makes "
                f"{size}: set output_dimensionality={params.size}, {_WAYS_OUT}"
            )
        if params.distance != layout.distance:
            raise CollectionMismatchError(
                f"collection {name!r} compares by {params.distance.value}, not by "
                f"{layout.distance.value}: pass distance=models.Distance.{params.distance.name}, "
                f"{_WAYS_OUT}"
            )
    sparse = info.config.params.sparse_vectors or {}
    if layout.sparse_embedding is not None and layout.sparse_vector_name not in sparse:
        raise CollectionMismatchError(
            f"collection {name!r} has no sparse vector named {layout.sparse_vector_name!r}, only "
            f"{sorted(sparse)}: pass sparse_vector_name, or {_WAYS_OUT}"
        )
    known = remembered(info)
    ours = layout.memory(params.size if params is not None else 0)
    for vector, note in ours.get(MEMORY_KEY, {}).get("embeddings", {}).items():
        if known.get(vector, note) != note:
            raise CollectionMismatchError(
                f"collection {name!r} stores vectors made with {_as_text(known[vector])}, "
                f"the embedding is {_as_text(note)}: open it with the same settings, or {_WAYS_OUT}"
            )


def remembers(info: models.CollectionInfo) -> bool:
    """Say whether the collection knows what made its vectors."""
    return bool(remembered(info))


def remembered_search_params(info: models.CollectionInfo) -> models.SearchParams | None:
    """Return the search settings that the collection remembers, None if it has none.

    Raises:
        CollectionMismatchError: They are none that this version of qdrant-client knows.
    """
    noted = _memory(info).get("search_params")
    try:
        return None if noted is None else models.SearchParams.model_validate(noted)
    except ValidationError as error:
        raise CollectionMismatchError(
            f"a collection remembers search_params {noted!r}, which this version of qdrant-client "
            "does not know: upgrade it, or open the store with validate_collection_config=False "
            "and call remember_search_params(None)"
        ) from error


def with_notes(info: models.CollectionInfo, **notes: Any) -> dict[str, Any]:
    """Return what the collection remembers, as metadata, with these notes; None takes one away."""
    changed = {**_memory(info), **notes}
    return {MEMORY_KEY: {name: note for name, note in changed.items() if note is not None}}


def _memory(info: models.CollectionInfo) -> dict[str, Any]:
    return (info.config.metadata or {}).get(MEMORY_KEY) or {}


def remembered(info: models.CollectionInfo) -> dict[str, Any]:
    notes: dict[str, Any] = _memory(info).get("embeddings", {})
    return notes


def _as_text(note: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in note.items() if key != "model")
    return f"{note['model']!r} ({rest})"


def stored_quantization(
    layout: Layout, info: models.CollectionInfo
) -> models.QuantizationConfig | None:
    """Return what holds for the store's dense vector: its own setting, or the collection's."""
    params = dense_params(layout, info)
    return (params and params.quantization_config) or info.config.quantization_config


def quantization_change(
    layout: Layout, info: models.CollectionInfo, config: models.QuantizationConfig | None
) -> dict[str, Any]:
    """Return the options of `update_collection` that quantize the dense vector so, None for off.

    A vector's own setting is changed where there is one, else the collection's.

    Raises:
        ConfigurationError: The store has sparse vectors only.
    """
    params = dense_params(layout, info)
    if params is None:
        raise ConfigurationError("quantization is for dense vectors, this store has sparse ones")
    value = models.Disabled.DISABLED if config is None else config
    change: dict[str, Any] = {}
    if params.quantization_config is not None:
        diff = models.VectorParamsDiff(quantization_config=value)
        change["vectors_config"] = {layout.vector_name: diff}
    if not change or (config is None and info.config.quantization_config is not None):
        change["quantization_config"] = value
    return change


def check_quantization(
    stored: models.QuantizationConfig | None, collection_name: str, quantization: Quantization
) -> None:
    """Refuse a collection that is quantized in another way, or not at all.

    Raises:
        CollectionMismatchError: Its codes are not those that `quantization` makes.
    """
    if not stored_alike(stored, quantization_config(quantization)):
        found = stored.model_dump(mode="json", exclude_none=True) if stored else "none"
        raise CollectionMismatchError(
            f"collection {collection_name!r} has quantization {found}, not {quantization!r}: leave "
            f"quantization out to use the collection as it is, {_WAYS_OUT}"
        )


def create_indexes(
    collection_name: str, metadata_key: str, fields: Mapping[str, PayloadIndex]
) -> Steps[None]:
    """Index metadata fields, those that are not indexed yet.

    Raises:
        ConfigurationError: A type is unknown; nothing is indexed.
        CollectionMismatchError: A field is indexed with another type; nothing is indexed.
    """
    wanted = {metadata_field(field, metadata_key): _schema(fields[field]) for field in fields}
    info: models.CollectionInfo = yield Call("get_collection", (collection_name,), {})
    for key in wanted.keys() & info.payload_schema.keys():
        found, asked = info.payload_schema[key].data_type.value, wanted[key].type.value
        if found != asked:
            raise CollectionMismatchError(
                f"{key!r} of collection {collection_name!r} is indexed as {found}, not as {asked}: "
                f"leave it out, or delete the index with client.delete_payload_index first"
            )
    for key, schema in wanted.items():
        if key not in info.payload_schema:
            yield Call("create_payload_index", (collection_name, key, schema), {})


_SCHEMAS: dict[str, type[models.PayloadSchemaParams]] = {
    "keyword": models.KeywordIndexParams,
    "integer": models.IntegerIndexParams,
    "float": models.FloatIndexParams,
    "bool": models.BoolIndexParams,
    "datetime": models.DatetimeIndexParams,
    "text": models.TextIndexParams,
    "uuid": models.UuidIndexParams,
    "geo": models.GeoIndexParams,
}


def _schema(index: PayloadIndex) -> models.PayloadSchemaParams:
    if not isinstance(index, str):
        return index
    if index == "tenant":
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    if index not in _SCHEMAS:
        known = [*_SCHEMAS, "tenant"]
        near = difflib.get_close_matches(index, known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigurationError(
            f"a payload index must be one of {known} or a model of qdrant-client, got "
            f"{index!r}{hint}"
        )
    return _SCHEMAS[index].model_validate({"type": index})
