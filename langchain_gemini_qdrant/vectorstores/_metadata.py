"""A collection's metadata: the embeddings of its vectors, and its search parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from qdrant_client import models

from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.edge.bm25 import EdgeBm25
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of, mixes_sides
from langchain_gemini_qdrant.embeddings.models import find_model, guess_conditioning, model_id
from langchain_gemini_qdrant.embeddings.tasks import task_sides
from langchain_gemini_qdrant.errors import CollectionMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.vectorstores._collection import Layout

METADATA_KEY = "langchain_gemini_qdrant"
"""Key of a collection's metadata that contains all entries of this package."""


def embedding_metadata(layout: Layout, size: int) -> dict[str, Any]:
    """Return the metadata that describes the embeddings; `size` is that of dense vectors."""
    entries: dict[str, Any] = {}
    gemini = gemini_of(layout.embedding)
    if gemini is not None:
        entry = {
            "model": model_id(gemini.model),
            "size": size,
            "task": task_sides(gemini.task_type).document,
            "normalized": True,
        }
        entries[layout.vector_name] = _with_conditioning(entry)
    if isinstance(layout.sparse_embedding, EdgeBm25):
        entries[layout.sparse_vector_name] = layout.sparse_embedding.note()
    return {METADATA_KEY: {"embeddings": entries}} if entries else {}


def _with_conditioning(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of an embedding with the way in which its model gets texts.

    That is `"prefix"` if a prefix tells the model the task, `"raw"` if texts are sent as they are;
    models without prefixes have no such field. It follows from the task, and only that was recorded
    by older versions of this package.
    """
    name, task = entry.get("model"), entry.get("task")
    if task is None or not isinstance(name, str) or "conditioning" in entry:
        return {**entry}
    known = find_model(name)
    if (known.conditioning if known else guess_conditioning(name)) != "prefix":
        return {**entry}
    return {**entry, "conditioning": "raw" if task == "TASK_TYPE_UNSPECIFIED" else "prefix"}


def sends_raw(layout: Layout) -> bool:
    """Return whether texts are sent as they are to a model that reads the prefix of a task."""
    entries = embedding_metadata(layout, 0).get(METADATA_KEY, {}).get("embeddings", {})
    return bool(entries.get(layout.vector_name, {}).get("conditioning") == "raw")


def advice_for(stored: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return how to open a collection with these stored vectors, whose entry is not ours."""
    ways = {"raw": "as they are", "prefix": "with the prefix of a task"}
    way, our_way = stored.get("conditioning"), ours.get("conditioning")
    if stored.get("model") != ours["model"] or way == our_way or not {way, our_way} <= ways.keys():
        return "open it with the same settings"
    task = None if stored["task"] == "RETRIEVAL_DOCUMENT" else stored["task"]
    return (
        f"its texts were sent {ways[str(way)]}, and this embedding sends them "
        f"{ways[str(our_way)]}: pass GeminiEmbeddings(task_type={task!r})"
    )


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
    return {name: _with_conditioning(entry) for name, entry in entries.items()}


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
