"""`embed_image`, the method of LangChain's multimodal embeddings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from langchain_core.embeddings import Embeddings

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant.embeddings._media import at_index, media_support_of
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._references import References

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any

    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.media._medium import Medium


class ImageMethods(Embeddings):
    """Embeds files by their names, as Chroma and others ask multimodal embeddings to."""

    def embed_image(self, uris: Iterable[str | PathLike[str]]) -> list[list[float]]:
        """Embed images, or other media, by their addresses.

        Vector stores that know LangChain's multimodal embeddings call this method, for stored
        images and for queries: Chroma's `add_images` and `similarity_search_by_image`.

        Args:
            uris: `n` paths, `file:`, `data:`, `gs:` or `files/...` addresses. Nothing is fetched
                from the network.

        Returns:
            `n` vectors in the order of `uris`, each of length 1 (L2).

        Raises:
            InvalidInputError: One leads to no file or to no medium, at `indices`.
            ConfigurationError: The model or the back end embeds texts only.
            GeminiQdrantError: The errors of `embed_documents`, such as `RateLimitError`.
        """
        media: Any = _media(cast("GeminiEmbeddings", self), uris)
        return self.embed_documents(media)

    async def aembed_image(self, uris: Iterable[str | PathLike[str]]) -> list[list[float]]:
        """Embed images, or other media, by their addresses, without blocking the event loop.

        Arguments, vectors and errors are those of `embed_image`.
        """
        media: Any = await asyncio.to_thread(_media, cast("GeminiEmbeddings", self), uris)
        return await self.aembed_documents(media)


def _media(
    embeddings: GeminiEmbeddings, uris: Iterable[str | PathLike[str]]
) -> list[tuple[Medium, ...]]:
    check_list(uris, "uris")
    media_support_of(embeddings).check()
    references, media = References(), []
    for index, uri in enumerate(uris):
        try:
            media.append(references.media(uri))
        except InvalidInputError as error:
            raise at_index(index, error) from error
    return media
