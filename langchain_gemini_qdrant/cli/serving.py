"""The collections of an MCP server: layouts, embeddings, and why some cannot be searched."""

from __future__ import annotations

import shlex
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant._qdrant_values import named_vectors
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.cli.connecting import (
    DEFAULT_PATH,
    connected,
    find_collection,
    kept_layout,
    require_collection,
    retrying,
)
from langchain_gemini_qdrant.cli.opening import (
    create_store,
    embeddings_even_without_key,
    make_embeddings,
    store_over,
    until_the_end,
    with_defaults,
)
from langchain_gemini_qdrant.cli.progress import say
from langchain_gemini_qdrant.cli.stored import StoredVectors
from langchain_gemini_qdrant.cli.wording import in_options
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.mcp import ServedCollection
from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qdrant_client import models

    from langchain_gemini_qdrant.vectorstores._connection import Connection

_CONTENT_KEY = GeminiQdrantVectorStore.CONTENT_KEY
_METADATA_KEY = GeminiQdrantVectorStore.METADATA_KEY

# The fields that each payload of a program has, and the keys of its text and of its metadata. The
# sources are in tests/integration_tests/test_collections_of_others.py.
_LAYOUTS = (
    ({"page_content"}, "page_content", "metadata"),
    ({"document", "metadata"}, "document", "metadata"),  # mcp-server-qdrant
    ({"content", "metadata"}, "content", "metadata"),  # langchain.js
    ({"content", "meta"}, "content", "meta"),  # Haystack
    ({"_node_content", "_node_type"}, "_node_content", ""),  # LlamaIndex
    ({"data", "hash"}, "data", ""),  # mem0
)
_SAMPLE = 16  # points whose payloads show the layout
_FASTEMBED = "fast-"  # begins the names of vectors that qdrant-client makes with FastEmbed


def open_served(
    names: Sequence[str],
    options: Mapping[str, Any],
    *,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    create: bool,
    worker: bool,
    descriptions: Mapping[str, str],
) -> dict[str, ServedCollection]:
    """Open collections of one engine until the command ends.

    Args:
        names: Names of the collections.
        options: Options of `make_embeddings`.
        path: Folder of the embedded engine.
        url: Address of a server.
        qdrant_api_key: The server's key.
        create: Create the collections that are missing.
        worker: Run the embedded engine in a process of its own. It starts later, and does not keep
            the event loop busy.
        descriptions: Descriptions of some collections.

    Raises:
        ConfigurationError: A collection is missing, and `create` is False.
        CollectionMismatchError: A given option differs from a collection.
    """
    connection = until_the_end(connected(path, url, qdrant_api_key, create=create, worker=worker))
    # Clients start this command in a folder of their own.
    engine = (
        {"url": url} if url else {"path": str(Path(path or DEFAULT_PATH).expanduser().absolute())}
    )
    served = {}
    for name in dict.fromkeys(names):
        each = _open(connection, name, options, engine, create=create)
        until_the_end(closing(each.store))
        if each.not_searchable:
            say(f"Warning: {each.not_searchable}")
        served[name] = replace(each, description=descriptions.get(name, ""))
    return served


def _open(
    connection: Connection,
    name: str,
    options: Mapping[str, Any],
    engine: Mapping[str, str],
    *,
    create: bool,
) -> ServedCollection:
    info = (find_collection if create else require_collection)(connection, name)
    if info is None:
        store = create_store(connection, name, make_embeddings(**with_defaults(options)))
        say(f"Collection {name!r} is new.")
        return ServedCollection(store=store)
    layout = {**_layout(connection, name), **kept_layout()}
    try:
        vectors = StoredVectors.of(name, info)
        given = _embedding_options(name, vectors, options)
    except (CollectionMismatchError, ConfigurationError) as error:
        if options["model"] or options["output_dimensionality"]:
            raise
        problem = f"{_in_options(error)}. {_way_out(name, info, layout, engine)}"
    else:
        embeddings, no_key = embeddings_even_without_key(given)
        if no_key is None:
            store = store_over(connection, name, vectors, embeddings, layout=layout)
            return ServedCollection(store=store)
        problem = f"{_in_options(no_key)}, in the environment of this server"
    store = GeminiQdrantVectorStore(connection.client, name, validate_embeddings=False, **layout)
    return ServedCollection(store=store, not_searchable=problem)


def _embedding_options(
    name: str, vectors: StoredVectors, options: Mapping[str, Any]
) -> dict[str, Any]:
    is_known = options["model"] or vectors.entry.get("model")
    if vectors.name.startswith(_FASTEMBED) and not is_known:
        raise CollectionMismatchError(
            f"collection {name!r} has vectors of FastEmbed, {vectors.name!r} of size "
            f"{vectors.params.size}, which embeddings of Gemini cannot search"
        )
    return vectors.embedding_options(options)


def _way_out(
    name: str,
    info: models.CollectionInfo,
    layout: Mapping[str, str],
    engine: Mapping[str, str],
) -> str:
    """Return what can be done with a collection that cannot be searched."""
    given = {
        **engine,
        "collection": name,
        "vector-name": next(iter(named_vectors(info.config.params.vectors)), ""),
        "text-key": layout.get("content_payload_key", _CONTENT_KEY),
        "metadata-key": layout.get("metadata_payload_key", _METADATA_KEY),
    }
    usual = {"vector-name": "", "text-key": _CONTENT_KEY, "metadata-key": _METADATA_KEY}
    options = [
        f"--{key} {shlex.quote(value)}" for key, value in given.items() if value != usual.get(key)
    ]
    return (
        "Its documents can be listed and read. To search them, "
        f"`gemini-qdrant reembed {' '.join(options)} --model {DEFAULT_MODEL}` creates a "
        "collection with vectors of a Gemini model"
    )


def _layout(connection: Connection, name: str) -> dict[str, str]:
    """Return the keys of text and metadata if the first payloads show them without doubt."""
    points, _ = run(retrying(connection).scroll(name, limit=_SAMPLE, with_payload=True))
    payloads = [point.payload or {} for point in points]
    for fields, content_key, metadata_key in _LAYOUTS:
        if payloads and all(fields <= payload.keys() for payload in payloads):
            return {"content_payload_key": content_key, "metadata_payload_key": metadata_key}
    return {}


def _in_options(error: Exception) -> str:
    return in_options(str(error), click.get_current_context().command)
