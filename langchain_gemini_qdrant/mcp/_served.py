"""A collection that the server offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedCollection:
    """A collection that an MCP server offers to models.

    Attributes:
        store: The open store. Its async methods are used: with `worker=True` or a server, they do
            not block the event loop.
        description: What is in the collection, for the model that chooses one.
        not_searchable: Why texts can be neither searched nor stored, for example because a
            different program made the vectors; None if they can. Documents can be read and listed.
    """

    store: GeminiQdrantVectorStore
    description: str = ""
    not_searchable: str | None = None

    @property
    def problem(self) -> str | None:
        """`not_searchable`, or that the store was opened without an embedding; None if neither."""
        layout = self.store.collection.layout
        has_none = layout.embedding is None and layout.sparse_embedding is None
        if self.not_searchable is None and has_none:
            return f"collection {layout.collection_name!r} was opened without an embedding"
        return self.not_searchable
