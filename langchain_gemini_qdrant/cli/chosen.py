"""Passages that options choose: by source, id and filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The passages that `--source`, `--id` and `--filter` choose.

    Attributes:
        ids: Ids of single passages; empty if conditions choose.
        conditions: A filter; None chooses all.
    """

    ids: tuple[str | int, ...] = ()
    conditions: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls, sources: Sequence[str], ids: Sequence[str], conditions: Mapping[str, Any] | None
    ) -> Chosen:
        """Combine the options.

        Raises:
            click.UsageError: There are ids and conditions.
        """
        if ids:
            if sources or conditions:
                raise click.UsageError("--id chooses passages by itself: leave out the others")
            # Programs that number their points use integers.
            return cls(ids=(*ids, *(int(each) for each in ids if each.isdecimal())))
        parts = [{"source": {"$in": [*sources]}}] if sources else []
        parts += [dict(conditions)] if conditions else []
        return cls(conditions={"$and": parts} if parts else None)

    def count(self, store: GeminiQdrantVectorStore) -> int:
        """Return how many passages there are."""
        return len([*self.documents(store)]) if self.ids else store.count(self.conditions)

    def documents(self, store: GeminiQdrantVectorStore) -> Iterator[Document]:
        """Yield the passages."""
        if self.ids:
            yield from store.get_by_ids(self.ids)
        else:
            yield from store.iter_documents(self.conditions)
