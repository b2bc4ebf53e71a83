"""A collection's metadata: the embeddings of its vectors, and its search parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qdrant_client import models

from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of, mixes_sides
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.embeddings.tasks import task_sides
from langchain_gemini_qdrant.errors import CollectionMismatchError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores._collection import Layout

METADATA_KEY = "langchain_gemini_qdrant"
"""Key of a collection's metadata that contains all entries of this package."""


def embedding_metadata(layout: Layout, size: int) -> dict[str, Any]:
    """Return the metadata that describes the embeddings; `size` is that of dense vectors."""
    entries: dict[str, Any] = {}
    gemini = gemini_of(layout.embedding)
    if gemini is not None:
        entries[layout.vector_name] = {
            "model": model_id(gemini.model),
            "size": size,
            "task": task_sides(gemini.task_type).document,
            "normalized": True,
        }
    if isinstance(layout.sparse_embedding, EdgeBm25):
        entries[layout.sparse_vector_name] = layout.sparse_embedding.note()
    return {METADATA_KEY: {"embeddings": entries}} if entries else {}


def warn_of_embedding(layout: Layout, info: models.CollectionInfo) -> None:
    """Warn of an embedding that cannot be checked, or that caches documents as queries."""
    name = type(layout.embedding).__name__
    known = stored_embeddings(info).get(layout.vector_name)
    if known is not None and layout.embedding is not None and gemini_of(layout.embedding) is None:
        warn(
            f"collection {layout.collection_name!r} stores vectors made with {known['model']!r}, "
            f"and {name} does not name its model: vectors of two models cannot be compared. Pass "
            "GeminiEmbeddings, which have a cache of their own (cache=)"
        )
    if mixes_sides(layout.embedding):
        warn(
            f"{name} keeps documents and queries in one cache, keyed only by text: a query gets "
            "the vector of a document with the same text. Pass a different query_embedding_cache, "
            "or GeminiEmbeddings(cache=...), whose keys differ for documents and queries"
        )


def stored_embeddings(info: models.CollectionInfo) -> dict[str, Any]:
    """Return the embeddings by names of vectors; empty if the collection does not have them."""
    entries: dict[str, Any] = own_metadata(info).get("embeddings", {})
    return entries


def stored_search_params(info: models.CollectionInfo) -> models.SearchParams | None:
    """Return the search parameters that the collection remembers, None if it has none.

    Raises:
        CollectionMismatchError: This version of qdrant-client does not support them.
    """
    entry = own_metadata(info).get("search_params")
    try:
        return None if entry is None else models.SearchParams.model_validate(entry)
    except ValidationError as error:
        raise CollectionMismatchError(
            f"a collection remembers search_params {entry!r}, which this version of qdrant-client "
            "does not support: upgrade it, or open the store with validate_collection_config=False "
            "and call remember_search_params(None)"
        ) from error


def changed_metadata(info: models.CollectionInfo, **entries: Any) -> dict[str, Any]:
    """Return the metadata of this package with some entries changed; None removes one."""
    changed = {**own_metadata(info), **entries}
    return {METADATA_KEY: {name: entry for name, entry in changed.items() if entry is not None}}


def own_metadata(info: models.CollectionInfo) -> dict[str, Any]:
    """Return all entries of this package."""
    return (info.config.metadata or {}).get(METADATA_KEY) or {}
