"""Create, delete and check collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import EVERYWHERE, check_payload, named_vectors
from langchain_gemini_qdrant.embeddings._checks import check_count
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.quantization import quantization_config, stored_alike
from langchain_gemini_qdrant.vectorstores._metadata import (
    METADATA_KEY,
    advice_for,
    embedding_metadata,
    stored_embeddings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.embeddings import Embeddings
    from qdrant_client import AsyncQdrantClient

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._collection import Collection, Layout

_WAYS_OUT = "use a different collection_name, or recreate it with force_recreate=True"


async def creation(
    collection: Collection,
    *,
    quantization: Quantization | None,
    vector_params: Mapping[str, Any],
    sparse_vector_params: Mapping[str, Any],
    create_options: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the options of a new collection; an embedding of unknown size embeds a text first.

    Raises:
        ConfigurationError: The vector's settings cannot store the embedding's vectors.
    """
    layout = collection.layout
    options = dict(create_options)
    size = 0
    if layout.embedding is not None:
        size = layout.known_size or await measured_size(collection)
        params = models.VectorParams(**{"size": size, "distance": layout.distance, **vector_params})
        check_vector(params, layout.embedding)
        options["vectors_config"] = {layout.vector_name: params}
    if layout.sparse_embedding is not None:
        modifier = getattr(layout.sparse_embedding, "modifier", None)
        sparse = models.SparseVectorParams(**{"modifier": modifier, **sparse_vector_params})
        options["sparse_vectors_config"] = {layout.sparse_vector_name: sparse}
    if quantization is not None:
        options["quantization_config"] = quantization_config(quantization)
    own = check_payload(options.pop("metadata", None), EVERYWHERE)
    if metadata := {**own, **embedding_metadata(layout, size)}:
        options["metadata"] = metadata
    return options


async def measured_size(collection: Collection) -> int:
    """Return the vector length of an embedding of unknown size, by embedding one text."""
    embedding: Any = collection.embedding
    vectors = await embedding.aembed_documents(["size"])
    check_count(collection.layout.embedding, vectors, 1)
    return len(vectors[0])


async def create_if_missing(
    client: AsyncQdrantClient, name: str, options: Mapping[str, Any]
) -> None:
    """Create a collection that was missing a moment ago.

    If another process was faster, or only the answer was lost, the existing collection is used and
    has to be checked like any other.
    """
    try:
        await client.create_collection(name, **options)
    except Exception:
        if not await client.collection_exists(name):
            raise


def check_vector(params: models.VectorParams, embedding: Embeddings | None) -> None:
    """Refuse settings of a vector that cannot store Gemini's vectors.

    Raises:
        ConfigurationError: The datatype is uint8, or a point has several vectors.
    """
    if not gemini_of(embedding):
        return
    if params.multivector_config is not None:
        raise ConfigurationError(
            "multivector_config stores several vectors of a document, and Gemini makes one: use "
            "a vector without it"
        )
    if params.datatype is models.Datatype.UINT8:
        raise ConfigurationError(
            "datatype uint8 stores whole numbers from 0 to 255, and Gemini's vectors have "
            "components between -1 and 1: use datatype float16, or quantization='scalar' for 8 "
            "bits a component"
        )


async def delete(client: AsyncQdrantClient, name: str) -> None:
    """Delete a collection if it exists.

    Raises:
        ConfigurationError: The name is an alias.
    """
    for alias in (await client.get_aliases()).aliases:
        if alias.alias_name == name:
            raise ConfigurationError(
                f"{name!r} is an alias of collection {alias.collection_name!r}: "
                "force_recreate deletes only collections: pass that name, or a different one"
            )
    await client.delete_collection(name)


def dense_params(layout: Layout, info: models.CollectionInfo) -> models.VectorParams | None:
    """Return the settings of the store's dense vector, None if it has none.

    Raises:
        CollectionMismatchError: The collection has no such vector.
    """
    if layout.embedding is None:
        return None
    by_name = named_vectors(info.config.params.vectors)
    if layout.vector_name not in by_name:
        raise CollectionMismatchError(
            f"collection {layout.collection_name!r} has no dense vector named "
            f"{layout.vector_name!r}, {describe_vectors(by_name)}: pass vector_name, or {_WAYS_OUT}"
        )
    return by_name[layout.vector_name]


def describe_vectors(names: Iterable[str]) -> str:
    """Return the names of the vectors that a collection has, in words."""
    found = [repr(name) if name else "an unnamed one" for name in sorted(names)]
    return f"only {', '.join(found)}" if found else "and no other"


def check(layout: Layout, info: models.CollectionInfo) -> None:
    """Refuse a collection that does not fit the store.

    Raises:
        CollectionMismatchError: A vector is missing, or its size, distance or embedding differs.
        ConfigurationError: The vector cannot store those of the embedding.
    """
    name = layout.collection_name
    params = dense_params(layout, info)
    if params is not None:
        check_vector(params, layout.embedding)
        size = layout.known_size
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
            f"collection {name!r} has no sparse vector named {layout.sparse_vector_name!r}, "
            f"{describe_vectors(sparse)}: pass sparse_vector_name, or {_WAYS_OUT}"
        )
    known = stored_embeddings(info)
    ours = embedding_metadata(layout, params.size if params is not None else 0)
    for vector, entry in ours.get(METADATA_KEY, {}).get("embeddings", {}).items():
        if known.get(vector, entry) != entry:
            advice = advice_for(known[vector], entry)
            raise CollectionMismatchError(
                f"collection {name!r} stores vectors made with {_as_text(known[vector])}, the "
                f"embedding is {_as_text(entry)}: {advice}, or {_WAYS_OUT}"
            )


def _as_text(entry: Mapping[str, Any]) -> str:
    rest = ", ".join(f"{key} {value}" for key, value in entry.items() if key != "model")
    return f"{entry['model']!r} ({rest})"


def _searched_params(layout: Layout, info: models.CollectionInfo) -> models.VectorParams | None:
    """Return the settings of the searched vector, also if the store has no embedding for it."""
    if layout.embedding is None and layout.retrieval_mode != RetrievalMode.SPARSE:
        return named_vectors(info.config.params.vectors).get(layout.vector_name)
    return dense_params(layout, info)


def stored_quantization(
    layout: Layout, info: models.CollectionInfo
) -> models.QuantizationConfig | None:
    """Return the quantization of the store's dense vector: its own, or the collection's."""
    params = _searched_params(layout, info)
    return (params and params.quantization_config) or info.config.quantization_config


def read_consistency(info: models.CollectionInfo) -> int | None:
    """Return how many replicas a read must ask to see all confirmed writes; None for one replica.

    A write that too few replicas accepted is refused but remains on those replicas; later reads
    must not take it for stored.
    """
    params = info.config.params
    promised = min(params.replication_factor or 1, params.write_consistency_factor or 1)
    return promised if promised > 1 else None


def is_on_all_replicas(info: models.CollectionInfo) -> bool:
    """Return whether there are several replicas and every confirmed write is on all of them."""
    return read_consistency(info) == (info.config.params.replication_factor or 1)


def quantization_change(
    layout: Layout, info: models.CollectionInfo, config: models.QuantizationConfig | None
) -> dict[str, Any]:
    """Return the options of `update_collection` for a quantization of the dense vector.

    None switches it off. The vector's own setting is changed if it has one, else the collection's.

    Raises:
        ConfigurationError: The store has only sparse vectors.
    """
    params = _searched_params(layout, info)
    if params is None:
        raise ConfigurationError(
            "this store has only sparse vectors; quantization applies to dense vectors"
        )
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
    """Refuse a collection with a different quantization or none.

    Raises:
        CollectionMismatchError: The collection's codes differ from those of `quantization`.
    """
    if not stored_alike(stored, quantization_config(quantization)):
        found = stored.model_dump(mode="json", exclude_none=True) if stored else "none"
        raise CollectionMismatchError(
            f"collection {collection_name!r} has quantization {found}, not {quantization!r}: leave "
            f"quantization out to use the collection as it is, {_WAYS_OUT}"
        )
