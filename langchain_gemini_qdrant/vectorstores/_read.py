"""Read documents by id, count them, and list them page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._qdrant_values import point_id
from langchain_gemini_qdrant.vectorstores._arguments import as_whole
from langchain_gemini_qdrant.vectorstores._limits import at_most, exact_count
from langchain_gemini_qdrant.vectorstores._write import in_requests
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter


async def get(collection: Collection, ids: Sequence[str | int]) -> list[Document]:
    """Return the documents with these ids, in their order; unknown ids are left out."""
    check_list(ids, "ids")
    wanted = [point_id(each) for each in ids]
    found: dict[Any, Document] = {}
    for some in in_requests(list(dict.fromkeys(wanted)), collection.state.limits.lookup):
        records = await collection.client.retrieve(collection.name, some, with_payload=True)
        found |= {record.id: collection.document(record) for record in records}
    return [found[key] for key in wanted if key in found]


async def count(collection: Collection, filter: Filter | None) -> int:
    """Return how many documents match a filter."""
    condition = to_filter(filter, collection.layout.metadata_key)
    limits = collection.state.limits
    return await exact_count(collection.client, collection.name, condition, limits)


async def pages(
    collection: Collection, filter: Filter | None, batch_size: int
) -> AsyncGenerator[list[Document], None]:
    """Yield the documents that match a filter, `batch_size` at a time."""
    condition = to_filter(filter, collection.layout.metadata_key)
    batch_size = at_most(as_whole(batch_size, "batch_size"), collection.state.limits.hits)
    offset: Any = None
    while True:
        records, offset = await collection.client.scroll(
            collection.name,
            scroll_filter=condition,
            limit=batch_size,
            offset=offset,
            with_payload=True,
        )
        yield [collection.document(record) for record in records]
        if offset is None:
            return
