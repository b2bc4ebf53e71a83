"""Collection-wide settings of searches: quantization and search parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant._qdrant_values import check_model
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.quantization import (
    check_version,
    quantization_config,
    required_version,
)
from langchain_gemini_qdrant.vectorstores import _schema
from langchain_gemini_qdrant.vectorstores._arguments import as_search_params
from langchain_gemini_qdrant.vectorstores._metadata import changed_metadata, stored_search_params

if TYPE_CHECKING:
    from qdrant_client import models

    from langchain_gemini_qdrant.quantization import Quantization
    from langchain_gemini_qdrant.vectorstores._collection import Collection

_ASSUMED_VERSION = (1, 14)  # of a server; settings that need no newer one are sent without a check
_METADATA_SINCE = (1, 16)


async def set_quantization(collection: Collection, quantization: Quantization | None) -> None:
    """Change the quantization; forget stored search parameters, chosen for other codes."""
    config = None if quantization is None else quantization_config(quantization)
    if collection.connection.kind == "local":
        if quantization is not None:
            warn_of_local_mode(quantization)
        return
    await require_quantization(collection, config)
    info = await collection.client.get_collection(collection.name)
    change = _schema.quantization_change(collection.layout, info, config)
    if stored_search_params(info) is not None:
        change["metadata"] = changed_metadata(info, search_params=None)
    await collection.client.update_collection(collection.name, **change)
    if collection.connection.kind == "edge":
        await collection.optimize()  # a server does this on its own
    collection.state.set_search_defaults(quantization, None)


async def remember_search_params(
    collection: Collection, search_params: models.SearchParams | None
) -> None:
    """Store search parameters in the collection's metadata, and search with them."""
    search_params = as_search_params(search_params)
    check_model(search_params, "search_params")
    await require_metadata(collection)
    info = await collection.client.get_collection(collection.name)
    entry = search_params and search_params.model_dump(mode="json", exclude_unset=True)
    metadata = changed_metadata(info, search_params=entry)
    await collection.client.update_collection(collection.name, metadata=metadata)
    state = collection.state
    state.own_search_params = None  # the new ones override those given on opening
    state.set_search_defaults(_schema.stored_quantization(collection.layout, info), search_params)


async def require_metadata(collection: Collection) -> None:
    """Refuse a server that is too old to store a collection's metadata.

    Raises:
        ConfigurationError: The server is too old.
    """
    alternative = "pass search_params= wherever the collection is opened"
    await _require(collection, _METADATA_SINCE, "metadata of a collection", alternative)


async def require_quantization(collection: Collection, quantization: Quantization | None) -> None:
    """Refuse a server that is too old for a quantization.

    Raises:
        ConfigurationError: The server is too old.
    """
    if quantization is not None:
        version, what = required_version(quantization_config(quantization))
        if version > _ASSUMED_VERSION:
            alternative = "use one that it supports, such as {'binary': {'always_ram': True}}"
            await _require(collection, version, what, alternative)


async def _require(
    collection: Collection, version: tuple[int, int], what: str, alternative: str
) -> None:
    if collection.connection.kind == "server":
        found = await collection.client.info()
        check_version(version, what, found.version, alternative)


def warn_of_local_mode(quantization: Quantization) -> None:
    """Warn that qdrant-client's local mode does not quantize."""
    warn(
        f"quantization={quantization!r} has no effect here: qdrant-client's local mode "
        "searches the full vectors. Use path= for an engine that quantizes"
    )
