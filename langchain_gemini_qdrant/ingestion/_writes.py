"""Store the documents of a run: their vectors with payloads, or payloads alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models

from langchain_gemini_qdrant.embeddings._wrappers import DOCUMENTS, is_plain
from langchain_gemini_qdrant.vectorstores import _points
from langchain_gemini_qdrant.vectorstores._parts import in_parts
from langchain_gemini_qdrant.vectorstores._write import named_vectors, upsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.ingestion._lookups import Incoming
    from langchain_gemini_qdrant.vectorstores._collection import Collection


async def store_vectors(
    collection: Collection, embedded: Sequence[tuple[Incoming, list[float] | None]]
) -> None:
    """Store documents with their dense vectors; None is for a store without them."""
    dense = [vector for _, vector in embedded]
    size = collection.state.size
    for vector in dense:
        if vector is not None and len(vector) != size:
            collection.check_size(vector)
    named = await named_vectors(collection, [document.text for document, _ in embedded], dense)
    # Vectors of other embeddings may be anything that pydantic converts to lists of floats.
    is_checked = is_plain(collection.layout.embedding, *DOCUMENTS)
    point = models.PointStruct.model_construct if is_checked else models.PointStruct
    points = (
        point(id=document.key, vector={**document.vectors, **new}, payload=document.payload)
        for (document, _), new in zip(embedded, named, strict=True)
    )
    for request in _points.requests(points):
        await upsert(collection, request, {})


async def store_payloads(
    collection: Collection, changed: Sequence[tuple[Incoming, dict[str, Any]]]
) -> None:
    """Change the payloads of stored documents, without embedding again."""
    operations: list[models.UpdateOperation] = []
    for document, payload in changed:
        change = models.SetPayload(payload=payload, points=[document.key])
        if collection.layout.metadata_key:
            operations.append(models.SetPayloadOperation(set_payload=change))
        else:  # fields to remove: metadata that the document no longer has
            operations.append(models.OverwritePayloadOperation(overwrite_payload=change))
    client, name = collection.client, collection.name
    await in_parts(lambda some: client.batch_update_points(name, some), operations)
