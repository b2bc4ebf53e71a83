"""Documents read by id, counted, and listed page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._qdrant_values import point_id
from langchain_gemini_qdrant.vectorstores._points import refuse_single
from langchain_gemini_qdrant.vectorstores._write import in_requests
from langchain_gemini_qdrant.vectorstores.filters import to_filter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores.filters import Filter


async def get(collection: Collection, ids: Sequence[str | int]) -> list[Document]:
    """Return the documents with these ids, in their order; unknown ids are left out."""
    refuse_single(ids, "ids")
    wanted = [point_id(each) for each in ids]
    to_document, keys = collection.layout.to_document, collection.layout.document_keys
    found: dict[Any, Document] = {}
    for some in in_requests(list(dict.fromkeys(wanted))):
        records = await collection.client.retrieve(collection.name, some, with_payload=True)
        found |= {record.id: to_document(record, *keys) for record in records}
    return [found[key] for key in wanted if key in found]


async def count(collection: Collection, filter: Filter | None) -> int:
    """Return how many documents match a filter."""
    condition = to_filter(filter, collection.layout.metadata_key)
    result = await collection.client.count(collection.name, count_filter=condition, exact=True)
    return result.count


async def pages(
    collection: Collection, filter: Filter | None, batch_size: int
) -> AsyncGenerator[list[Document], None]:
    """Yield the documents that match a filter, `batch_size` at a time."""
    to_document, keys = collection.layout.to_document, collection.layout.document_keys
    condition = to_filter(filter, collection.layout.metadata_key)
    offset: Any = None
    while True:
        records, offset = await collection.client.scroll(
            collection.name,
            scroll_filter=condition,
            limit=batch_size,
            offset=offset,
            with_payload=True,
        )
        yield [to_document(record, *keys) for record in records]
        if offset is None:
            return
