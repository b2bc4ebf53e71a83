"""The report of `reembed`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._display import Displayed

if TYPE_CHECKING:
    from langchain_gemini_qdrant.ingestion._report import IngestReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class ReembedReport(Displayed):
    """Result of `reembed`.

    Attributes:
        store: Store of the new collection, opened by the alias if there is one. It shares the
            engine of the old store: closing one of them closes both.
        collection_name: Name of the new collection, not an alias.
        old_collection_name: Name of the old collection, not an alias.
        aliases: Aliases that now point to the new collection.
        old_deleted: Whether the old collection was deleted.
        ingest: Report of the stored documents, with the price of those that were embedded.
        vectors_reused: Documents stored with shortened vectors, without a request to Gemini.
        not_reused: Why stored vectors were not reused, None if they were, or if that was not asked.
    """

    store: GeminiQdrantVectorStore
    collection_name: str
    old_collection_name: str
    aliases: tuple[str, ...]
    old_deleted: bool
    ingest: IngestReport
    vectors_reused: int = 0
    not_reused: str | None = None
