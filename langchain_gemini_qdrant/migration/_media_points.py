"""Points whose vectors were made from media, in a collection that is embedded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import document_id
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._media import media_support_of
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.media._medium import SHA256_KEY
from langchain_gemini_qdrant.vectorstores.filters import metadata_field

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.vectorstores._collection import Collection


async def media_options(collection: Collection, embeddings: Embeddings) -> dict[str, Any]:
    """Return the arguments of a store with new embeddings that reads the media of this one.

    Raises:
        ConfigurationError: The collection has media, and the new embeddings read only texts.
    """
    media = collection.layout.media
    if media is None:
        return {}
    refusal = _refusal(embeddings)
    if refusal is None:
        references = media.references
        return {
            "media_key": media.key,
            "media_root": references.root,
            "fetch_media": references.fetch,
        }
    name = await _first_with_media(collection)
    if name is not None:
        raise ConfigurationError(
            f"collection {collection.name!r} has documents with media, for example {name!r}, and "
            f"{refusal}"
        )
    return {}


def _refusal(embeddings: Embeddings) -> str | None:
    if not isinstance(embeddings, GeminiEmbeddings):
        return f"{type(embeddings).__name__} embeds texts only: use GeminiEmbeddings"
    return media_support_of(embeddings).refusal


async def _first_with_media(collection: Collection) -> str | None:
    """Return the id of a document with media, None if there is none."""
    field = metadata_field(SHA256_KEY, collection.layout.metadata_key)
    is_text = models.IsEmptyCondition(is_empty=models.PayloadField(key=field))
    records, _ = await collection.client.scroll(
        collection.name, scroll_filter=models.Filter(must_not=[is_text]), limit=1, with_payload=True
    )
    return document_id(records[0].id, records[0].payload) if records else None
