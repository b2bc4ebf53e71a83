"""How documents are added, replaced and deleted: langchain-qdrant's signatures over `_write`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_qdrant import QdrantVectorStore

from langchain_gemini_qdrant._lists import check_list
from langchain_gemini_qdrant._runtime import collected, run
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.vectorstores import _points, _write
from langchain_gemini_qdrant.vectorstores._payload_indexes import create_payload_indexes

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._payload_indexes import PayloadIndex
    from langchain_gemini_qdrant.vectorstores.filters import Filter


class WriteMethods(QdrantVectorStore):
    """The methods of a store that add, replace and delete documents.

    Attributes:
        collection: The collection for the sync methods.
        async_collection: The collection for the async methods.
    """

    collection: Collection
    async_collection: Collection

    def add_texts(  # type: ignore[override] # langchain-qdrant's, which takes integer ids too
        self,
        texts: Iterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed texts as documents and store them.

        While vectors are being stored, the next texts are being embedded.

        Args:
            texts: Any iterable of texts, none blank unless its metadata names a medium under the
                store's `media_key`.
            metadatas: One dict, or None, for each text.
            ids: One id for each text: any string, an integer, or None for a random UUID. A text
                replaces a stored one with the same id.
            batch_size: Most texts stored at a time.
            **kwargs: Options of `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: The counts differ, a text or medium cannot be embedded, or an id or
                metadata cannot be stored; nothing is sent or stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Gemini or Qdrant failed, and only some texts are stored. It has the
                ids of these and of the others, and the failure as its cause.
        """
        return run(
            _write.add(self.collection, _points.rows(texts, metadatas, ids), batch_size, kwargs)
        )

    async def aadd_texts(  # type: ignore[override] # as add_texts
        self,
        texts: Iterable[str] | AsyncIterable[str],
        metadatas: Iterable[dict[str, Any] | None] | None = None,
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed texts as documents and store them, without blocking the event loop.

        Args:
            texts: Any sync or async iterable of texts, none blank.
            metadatas: One dict, or None, for each text.
            ids: One id for each text: any string, an integer, or None for a random UUID.
            batch_size: Most texts stored at a time.
            **kwargs: Options of `AsyncQdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: A text, a medium, an id or metadata cannot be stored; nothing is
                sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part is stored; it has the ids of both parts and the cause.
        """
        check_list(texts, "texts")
        rows = _points.rows(await collected(texts), metadatas, ids)
        return await _write.add(self.async_collection, rows, batch_size, kwargs)

    def add_documents(  # type: ignore[override] # any iterable, integer ids
        self,
        documents: Iterable[Document],
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed documents and store them; each replaces a stored document with the same id.

        Args:
            documents: Any iterable of documents; no text may be blank unless the metadata names a
                medium under the store's `media_key`.
            ids: One id for each document; None uses the documents' own ids, or random UUIDs for
                documents without an id.
            batch_size: Most documents stored at a time.
            **kwargs: Options of `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `documents`.

        Raises:
            InvalidInputError: A text, a medium, an id or metadata cannot be stored; nothing is
                sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part is stored; it has the ids of both parts and the cause.
        """
        rows = _points.document_rows(documents, ids)
        return run(_write.add(self.collection, rows, batch_size, kwargs))

    async def aadd_documents(  # type: ignore[override] # any iterable, integer ids
        self,
        documents: Iterable[Document] | AsyncIterable[Document],
        ids: Iterable[str | int | None] | None = None,
        batch_size: int = MAX_BATCH_SIZE,
        **kwargs: Any,
    ) -> list[str | int]:
        """Embed documents and store them, without blocking the event loop.

        Args:
            documents: Any sync or async iterable of documents; no text may be blank unless the
                metadata names a medium.
            ids: One id for each document; None uses the documents' own ids, or random UUIDs for
                documents without an id.
            batch_size: Most documents stored at a time.
            **kwargs: Options of `AsyncQdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `documents`.

        Raises:
            InvalidInputError: A text, a medium, an id or metadata cannot be stored; nothing is
                sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Only a part is stored; it has the ids of both parts and the cause.
        """
        check_list(documents, "documents")
        rows = _points.document_rows(await collected(documents), ids)
        return await _write.add(self.async_collection, rows, batch_size, kwargs)

    def update_documents(
        self,
        ids: Sequence[str | int] | None = None,
        documents: Sequence[Document] | None = None,
        *,
        document_id: str | int | None = None,
        document: Document | None = None,
    ) -> list[str | int]:
        """Replace the documents with these ids; documents with unknown ids are added.

        Args:
            ids: One id for each of `documents`.
            documents: The new documents.
            document_id: The id of a single document, in place of `ids`.
            document: A single new document, in place of `documents`.

        Returns:
            The ids.

        Raises:
            InvalidInputError: Ids or documents are missing, or their counts differ.
        """
        return self.add_documents(*_points.updated_documents(ids, documents, document_id, document))

    async def aupdate_documents(self, *args: Any, **kwargs: Any) -> list[str | int]:
        """Replace the documents with these ids, without blocking the event loop.

        Args:
            *args: `ids` and `documents`, one id for each document.
            **kwargs: The same by name, or `document_id` and `document` for a single one.

        Returns:
            The ids.

        Raises:
            InvalidInputError: Ids or documents are missing, or their counts differ.
        """
        return await self.aadd_documents(*_points.updated_documents(*args, **kwargs))

    def delete(
        self, ids: Sequence[str | int] | None = None, *, filter: Filter | None = None, **kwargs: Any
    ) -> bool:
        """Delete documents by their ids or by a filter; unknown ids are ignored.

        Args:
            ids: Ids of documents.
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; an empty dict is refused.
            **kwargs: Options of `QdrantClient.delete`, such as `wait`.

        Returns:
            True after the deletion; False if `wait=False` leaves it to the server.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        return run(_write.delete(self.collection, ids, filter, kwargs))

    async def adelete(
        self, ids: Sequence[str | int] | None = None, *, filter: Filter | None = None, **kwargs: Any
    ) -> bool:
        """Delete documents by their ids or by a filter, without blocking the event loop.

        Args:
            ids: Ids of documents; unknown ids are ignored.
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; an empty dict is refused.
            **kwargs: Options of `AsyncQdrantClient.delete`, such as `wait`.

        Returns:
            True after the deletion; False if `wait=False` leaves it to the server.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        return await _write.delete(self.async_collection, ids, filter, kwargs)

    def create_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Create indexes of metadata fields that are not indexed yet.

        Filters on indexed fields are about a hundred times faster, and Qdrant Cloud's strict mode
        refuses filters on other fields. Local mode has no indexes.

        Args:
            fields: The type of each metadata field's values: `"keyword"`, `"integer"`, `"float"`,
                `"bool"`, `"datetime"`, `"text"`, `"uuid"`, `"geo"`, `"tenant"` for a keyword that
                identifies the owner of a document, or a model of qdrant-client.

        Raises:
            ConfigurationError: A type is unknown.
            CollectionMismatchError: A field is indexed with a different type.
        """
        run(create_payload_indexes(self.collection, fields))

    async def acreate_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Create indexes of metadata fields that are not indexed yet, without blocking.

        Args:
            fields: The type of each metadata field's values: `"keyword"`, `"integer"`, `"float"`,
                `"bool"`, `"datetime"`, `"text"`, `"uuid"`, `"geo"`, `"tenant"`, or a model of
                qdrant-client.

        Raises:
            ConfigurationError: A type is unknown.
            CollectionMismatchError: A field is indexed with a different type.
        """
        await create_payload_indexes(self.async_collection, fields)
