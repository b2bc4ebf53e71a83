"""Clients for every engine, and what an existing collection must look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.quantization import quantization_config, stored_alike

if TYPE_CHECKING:
    import os

    from langchain_gemini_qdrant.quantization import Quantization

_WAYS_OUT = "take another collection_name, or recreate it with force_recreate=True"


def connect(
    *,
    path: str | os.PathLike[str] | None = None,
    url: str | None = None,
    host: str | None = None,
    location: str | None = None,
    client: QdrantClient | None = None,
    **options: Any,
) -> QdrantClient:
    """Return the client of one engine; `options` are those of `QdrantClient`, for a server.

    Raises:
        ConfigurationError: Not exactly one engine, or options that it does not have.
        StorageError: `path` cannot be used.
    """
    engines = {"path": path, "url": url, "host": host, "location": location, "client": client}
    given = [name for name, value in engines.items() if value is not None]
    if len(given) != 1:
        raise ConfigurationError(
            "one of path= (embedded engine), url= (server), location=':memory:' and client= is "
            f"needed, got {' and '.join(given) or 'none'}"
        )
    if url is not None or host is not None:
        # Asking for the server's version would be a request that nobody asked for.
        return QdrantClient(url=url, host=host, check_compatibility=False, **options)
    misplaced = [name for name in ("api_key", "prefer_grpc", "timeout") if options.get(name)]
    if misplaced:
        raise ConfigurationError(f"{' and '.join(misplaced)} go with url=, not with {given[0]}=")
    if client is not None:
        return client
    if path is not None:
        return EdgeClient(path)
    if location != ":memory:":
        raise ConfigurationError(
            f"location must be ':memory:', got {location!r}: the address of a server is url="
        )
    return QdrantClient(location=location)


def is_local_mode(client: QdrantClient) -> bool:
    """Say whether this is qdrant-client's pure-Python engine, which does not quantize."""
    if isinstance(client, EdgeClient):
        return False
    options = client.init_options
    return options.get("location") == ":memory:" or options.get("path") is not None


def vector_params(
    info: models.CollectionInfo, collection_name: str, vector_name: str
) -> models.VectorParams:
    """Return the settings of one dense vector.

    Raises:
        CollectionMismatchError: The collection has no such vector.
    """
    vectors = info.config.params.vectors or {}
    by_name = vectors if isinstance(vectors, dict) else {"": vectors}
    if vector_name not in by_name:
        raise CollectionMismatchError(
            f"collection {collection_name!r} has no dense vector named {vector_name!r}, only "
            f"{sorted(by_name)}: pass vector_name, or {_WAYS_OUT}"
        )
    return by_name[vector_name]


def check_vectors(
    params: models.VectorParams,
    collection_name: str,
    *,
    size: int | None,
    distance: models.Distance,
) -> None:
    """Refuse a collection of another size or distance; a `size` of None is not compared.

    Raises:
        CollectionMismatchError: One of them differs.
    """
    if size is not None and params.size != size:
        raise CollectionMismatchError(
            f"collection {collection_name!r} stores vectors of size {params.size}, the embedding "
            f"makes {size}: set output_dimensionality={params.size}, {_WAYS_OUT}"
        )
    if params.distance != distance:
        raise CollectionMismatchError(
            f"collection {collection_name!r} compares by {params.distance.value}, not by "
            f"{distance.value}: pass distance=models.Distance.{params.distance.name}, {_WAYS_OUT}"
        )


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
