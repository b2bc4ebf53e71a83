"""The facts about a collection, for `list` and `info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant.cli.connecting import aliases, require_collection
from langchain_gemini_qdrant.cli.stored import quantization_name
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.vectorstores._metadata import own_metadata, stored_embeddings

if TYPE_CHECKING:
    from qdrant_client import models

    from langchain_gemini_qdrant.vectorstores._connection import Connection


def described(connection: Connection, collection: str) -> dict[str, Any]:
    """Return the facts about a collection as a JSON object.

    Args:
        connection: The connection to its engine.
        collection: Its name, or an alias.

    Returns:
        The facts; `disk_bytes` is the size of its files, None on a server, which does not report
        it.

    Raises:
        ConfigurationError: There is no such collection.
    """
    info = require_collection(connection, collection)
    behind = aliases(connection)
    name = behind.get(collection, collection)
    client = connection.client
    return {
        "name": name,
        "aliases": [alias for alias, each in behind.items() if each == name],
        "points": info.points_count or 0,
        "status": info.status.value,
        "vectors": _vectors(info),
        "sparse_vectors": sorted(info.config.params.sparse_vectors or {}),
        "payload_indexes": {
            field: index.data_type.value for field, index in info.payload_schema.items()
        },
        "search_params": own_metadata(info).get("search_params"),
        "disk_bytes": client.storage_info(name).disk_bytes
        if isinstance(client, EdgeClient)
        else None,
    }


def _vectors(info: models.CollectionInfo) -> list[dict[str, Any]]:
    remembered = stored_embeddings(info)
    found = []
    for name, params in named_vectors(info.config.params.vectors).items():
        entry = remembered.get(name, {})
        quantization = params.quantization_config or info.config.quantization_config
        found.append(
            {
                "name": name,
                "size": params.size,
                "distance": params.distance.value,
                "quantization": quantization_name(quantization),
                "model": entry.get("model"),
                "task": entry.get("task"),
                "conditioning": entry.get("conditioning"),
            }
        )
    return found
