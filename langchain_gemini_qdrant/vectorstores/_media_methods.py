"""How media are added and searched for: the names that LangChain's multimodal stores have."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._runtime import AsAsync, run
from langchain_gemini_qdrant.vectorstores._media import media_of
from langchain_gemini_qdrant.vectorstores._media_write import add_blobs, add_references
from langchain_gemini_qdrant.vectorstores._search_methods import SearchMethods

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from langchain_core.documents import Document
    from langchain_core.documents.base import Blob

    from langchain_gemini_qdrant.vectorstores.filters import Filter


class MediaMethods(SearchMethods):
    """The methods of a store that add media without texts, and search by references to media."""

    def add_media(
        self, blobs: Iterable[Blob], ids: Iterable[str | int | None] | None = None, **options: Any
    ) -> list[str | int]:
        """Embed images, sounds, videos and PDFs and store their vectors, without their bytes.

        The document of a blob has a blank text, the blob's metadata, and the blob's path or source
        under the store's `media_key`. Blobs are read as they are needed, at most 1,000 at a time
        and fewer if they hold more than 64 MB of bytes: these are checked before any of them is
        sent, and stored before the next are read.

        Args:
            blobs: Any iterable of blobs, made by `Blob.from_path(path)`, or by `Blob.from_data`
                with `metadata={"source": ...}`; bytes in memory are embedded as they are.
            ids: One id for each blob; None uses the blobs' own ids, or random UUIDs.
            **options: `batch_size`, most documents stored at a time, and options of
                `QdrantClient.upsert`, such as `wait`.

        Returns:
            The ids, in the order of `blobs`.

        Raises:
            ConfigurationError: The store has no `media_key`.
            InvalidInputError: A blob cannot be embedded, or names no source; nothing is stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part of the blobs read so far is stored; it has the ids of
                both parts and the cause.
        """
        check_list(blobs, "blobs")
        return run(add_blobs(self.collection, AsAsync(blobs), ids, options))

    async def aadd_media(
        self,
        blobs: Iterable[Blob] | AsyncIterable[Blob],
        ids: Iterable[str | int | None] | None = None,
        **options: Any,
    ) -> list[str | int]:
        """Embed images, sounds, videos and PDFs and store their vectors, without blocking.

        Args:
            blobs: Any sync or async iterable of blobs, read as they are needed.
            ids: One id for each blob; None uses the blobs' own ids, or random UUIDs.
            **options: `batch_size`, most documents stored at a time, and options of
                `AsyncQdrantClient.upsert`, such as `wait`.

        Returns:
            The ids, in the order of `blobs`.

        Raises:
            ConfigurationError: The store has no `media_key`.
            InvalidInputError: A blob cannot be embedded, or names no source; nothing is stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part of the blobs read so far is stored; it has the ids of
                both parts and the cause.
        """
        check_list(blobs, "blobs")
        source = blobs if isinstance(blobs, AsyncIterable) else AsAsync(blobs)
        return await add_blobs(self.async_collection, source, ids, options)

    def add_images(
        self,
        uris: Iterable[str | os.PathLike[str]],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        **options: Any,
    ) -> list[str | int]:
        """Embed images by their paths or addresses and store their vectors, without their bytes.

        Sounds, videos and PDFs are accepted, too. A document's text is blank.

        Args:
            uris: References to media, as they are stored under the store's `media_key`.
            metadatas: One dict, or None, for each image.
            ids: One id for each image: any string, an integer, or None for a random UUID.
            **options: `batch_size`, most documents stored at a time, and options of
                `QdrantClient.upsert`, such as `wait`.

        Returns:
            The ids, in the order of `uris`.

        Raises:
            ConfigurationError: The store has no `media_key`.
            InvalidInputError: An image is missing, is outside `media_root` or cannot be embedded;
                nothing is sent or stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part is stored; it has the ids of both parts and the cause.
        """
        return run(add_references(self.collection, uris, metadatas, ids, options))

    async def aadd_images(
        self,
        uris: Iterable[str | os.PathLike[str]],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        **options: Any,
    ) -> list[str | int]:
        """Embed images by their paths or addresses and store their vectors, without blocking.

        Args:
            uris: References to media, as they are stored under the store's `media_key`.
            metadatas: One dict, or None, for each image.
            ids: One id for each image: any string, an integer, or None for a random UUID.
            **options: `batch_size`, most documents stored at a time, and options of
                `AsyncQdrantClient.upsert`, such as `wait`.

        Returns:
            The ids, in the order of `uris`.

        Raises:
            ConfigurationError: The store has no `media_key`.
            InvalidInputError: An image is missing, is outside `media_root` or cannot be embedded;
                nothing is sent or stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part is stored; it has the ids of both parts and the cause.
        """
        return await add_references(self.async_collection, uris, metadatas, ids, options)

    def similarity_search_by_image(
        self,
        uri: str | os.PathLike[str],
        k: int = 4,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with an image for the documents nearest to it; sound, video and PDF work, too.

        Args:
            uri: A path or address, read like the references of documents: within `media_root`, and
                from the network only with `fetch_media`. For a file from elsewhere, use
                `similarity_search(Blob.from_path(path))`.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf"}`, or Qdrant's `Filter`.
            **kwargs: Further options of `similarity_search`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: The image is missing or cannot be embedded, or an option is not
                valid; nothing is sent.
            EmbeddingError: Gemini did not embed the image.
        """
        image: Any = run(media_of(self.collection, uri))
        return self.similarity_search(image, k, filter=filter, **kwargs)

    async def asimilarity_search_by_image(
        self,
        uri: str | os.PathLike[str],
        k: int = 4,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Search with an image for the documents nearest to it, without blocking the event loop.

        Args:
            uri: A path or address, read like the references of documents.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf"}`, or Qdrant's `Filter`.
            **kwargs: Further options of `asimilarity_search`.

        Returns:
            Documents, best first.

        Raises:
            InvalidInputError: The image is missing or cannot be embedded, or an option is not
                valid; nothing is sent.
            EmbeddingError: Gemini did not embed the image.
        """
        image: Any = await media_of(self.async_collection, uri)
        return await self.asimilarity_search(image, k, filter=filter, **kwargs)

    def similarity_search_by_image_with_relevance_score(
        self,
        uri: str | os.PathLike[str],
        k: int = 4,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with an image for documents with their relevance, from 0 to 1, best first.

        Args:
            uri: A path or address, read like the references of documents.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf"}`, or Qdrant's `Filter`.
            **kwargs: Further options of `similarity_search_with_relevance_scores`.

        Returns:
            Documents and their relevance. Images and texts are less similar than texts and texts:
            a threshold for one is wrong for the other.

        Raises:
            InvalidInputError: The image is missing or cannot be embedded, or an option is not
                valid; nothing is sent.
            EmbeddingError: Gemini did not embed the image.
        """
        image: Any = run(media_of(self.collection, uri))
        return self.similarity_search_with_relevance_scores(image, k, filter=filter, **kwargs)

    async def asimilarity_search_by_image_with_relevance_score(
        self,
        uri: str | os.PathLike[str],
        k: int = 4,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """Search with an image for documents with their relevance, without blocking.

        Args:
            uri: A path or address, read like the references of documents.
            k: Most documents to return.
            filter: Conditions on the metadata, such as `{"source": "a.pdf"}`, or Qdrant's `Filter`.
            **kwargs: Further options of `asimilarity_search_with_relevance_scores`.

        Returns:
            Documents and their relevance, from 0 to 1, best first.

        Raises:
            InvalidInputError: The image is missing or cannot be embedded, or an option is not
                valid; nothing is sent.
            EmbeddingError: Gemini did not embed the image.
        """
        image: Any = await media_of(self.async_collection, uri)
        return await self.asimilarity_search_with_relevance_scores(
            image, k, filter=filter, **kwargs
        )
