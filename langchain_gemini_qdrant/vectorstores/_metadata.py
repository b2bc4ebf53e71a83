"""What a collection's metadata says: what makes its vectors, and how it is searched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qdrant_client import models

from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import model_id
from langchain_gemini_qdrant.embeddings.tasks import task_sides
from langchain_gemini_qdrant.errors import CollectionMismatchError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores._collection import Layout

METADATA_KEY = "langchain_gemini_qdrant"
"""Key of a collection's metadata under which all entries of this package are."""


def embedding_metadata(layout: Layout, size: int) -> dict[str, Any]:
    """Return the metadata that says what makes the vectors; `size` is of the dense one."""
    entries: dict[str, Any] = {}
    if isinstance(layout.embedding, GeminiEmbeddings):
        entries[layout.vector_name] = {
            "model": model_id(layout.embedding.model),
            "size": size,
            "task": task_sides(layout.embedding.task_type).document,
            "normalized": True,
        }
    if isinstance(layout.sparse_embedding, EdgeBm25):
        entries[layout.sparse_vector_name] = layout.sparse_embedding.note()
    return {METADATA_KEY: {"embeddings": entries}} if entries else {}


def stored_embeddings(info: models.CollectionInfo) -> dict[str, Any]:
    """Return what made the vectors, by their names; empty where the collection does not say."""
    entries: dict[str, Any] = own_metadata(info).get("embeddings", {})
    return entries


def stored_search_params(info: models.CollectionInfo) -> models.SearchParams | None:
    """Return the search settings that the collection keeps, None if it has none.

    Raises:
        CollectionMismatchError: They are none that this version of qdrant-client knows.
    """
    entry = own_metadata(info).get("search_params")
    try:
        return None if entry is None else models.SearchParams.model_validate(entry)
    except ValidationError as error:
        raise CollectionMismatchError(
            f"a collection remembers search_params {entry!r}, which this version of qdrant-client "
            "does not know: upgrade it, or open the store with validate_collection_config=False "
            "and call remember_search_params(None)"
        ) from error


def changed_metadata(info: models.CollectionInfo, **entries: Any) -> dict[str, Any]:
    """Return the metadata of this package with some entries changed; None removes one."""
    changed = {**own_metadata(info), **entries}
    return {METADATA_KEY: {name: entry for name, entry in changed.items() if entry is not None}}


def own_metadata(info: models.CollectionInfo) -> dict[str, Any]:
    """Return all entries of this package."""
    return (info.config.metadata or {}).get(METADATA_KEY) or {}
