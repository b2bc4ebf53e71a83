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
    """Every way to change what a store has.

    Attributes:
        collection: Of the sync methods.
        async_collection: Of the async ones.
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

        While vectors are stored the next ones are on their way from Gemini.

        Args:
            texts: Any iterable of texts, none blank.
            metadatas: One dict, or None, for each text.
            ids: One for each text: any string, an integer, or None for a random UUID. A text
                with the id of a stored one replaces it.
            batch_size: Texts stored at a time, at most.
            **kwargs: For `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: The counts differ, a text cannot be embedded, or an id or metadata
                cannot be stored; nothing is sent or stored.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: Gemini or Qdrant failed, and all texts whose vectors came are
                stored; it has the ids of these and of the others, and the failure as its cause.
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
            texts: Any iterable of texts, asynchronous ones too; none blank.
            metadatas: One dict, or None, for each text.
            ids: One for each text: any string, an integer, or None for a random UUID.
            batch_size: Texts stored at a time, at most.
            **kwargs: For `AsyncQdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `texts`, as they were given.

        Raises:
            InvalidInputError: A text, an id or metadata cannot be stored; nothing is sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: A part is stored; it has the ids of both parts and the cause.
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
        """Embed documents and store them; one with a stored id replaces the stored one.

        Args:
            documents: Any iterable; no text may be blank.
            ids: One for each; None takes the documents' own, and random ones where they have none.
            batch_size: Documents stored at a time, at most.
            **kwargs: For `QdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `documents`.

        Raises:
            InvalidInputError: A text, an id or metadata cannot be stored; nothing is sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: A part is stored; it has the ids of both parts and the cause.
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
            documents: Any iterable, asynchronous ones too; no text may be blank.
            ids: One for each; None takes the documents' own, and random ones where they have none.
            batch_size: Documents stored at a time, at most.
            **kwargs: For `AsyncQdrantClient.upsert`, such as `wait` or `ordering`.

        Returns:
            The ids, in the order of `documents`.

        Raises:
            InvalidInputError: A text, an id or metadata cannot be stored; nothing is sent.
            EmbeddingError: The API failed, and nothing was stored.
            PartialWriteError: A part is stored; it has the ids of both parts and the cause.
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
        """Replace the documents with these ids; those that are not stored yet are added.

        Args:
            ids: One for each of `documents`.
            documents: The new ones.
            document_id: Of a single document, in place of `ids`.
            document: A single new one, in place of `documents`.

        Raises:
            InvalidInputError: Ids and documents are not as many, or not given.
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
            InvalidInputError: Ids and documents are not as many, or not given.
        """
        return await self.aadd_documents(*_points.updated_documents(*args, **kwargs))

    def delete(
        self, ids: Sequence[str | int] | None = None, *, filter: Filter | None = None, **kwargs: Any
    ) -> bool:
        """Delete documents by their ids or by a filter; unknown ids are no error.

        Args:
            ids: Of documents.
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; an empty dict is refused.
            **kwargs: For `QdrantClient.delete`, such as `wait`.

        Returns:
            True once it is done; False where `wait=False` leaves it to the server.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        return run(_write.delete(self.collection, ids, filter, kwargs))

    async def adelete(
        self, ids: Sequence[str | int] | None = None, *, filter: Filter | None = None, **kwargs: Any
    ) -> bool:
        """Delete documents by their ids or by a filter, without blocking the event loop.

        Args:
            ids: Of documents; unknown ids are no error.
            filter: Conditions on the metadata, such as `{"page": {"$gte": 3}}`, or Qdrant's
                `Filter`; an empty dict is refused.
            **kwargs: For `AsyncQdrantClient.delete`, such as `wait`.

        Returns:
            True once it is done; False where `wait=False` leaves it to the server.

        Raises:
            ConfigurationError: Neither or both of `ids` and `filter` are given.
        """
        return await _write.delete(self.async_collection, ids, filter, kwargs)

    def create_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Index metadata fields, those that are not indexed yet.

        Filters on an indexed field are some hundred times faster, and Qdrant Cloud's strict mode
        refuses others. Local mode has no indexes.

        Args:
            fields: What kind of values a metadata field has: `"keyword"`, `"integer"`, `"float"`,
                `"bool"`, `"datetime"`, `"text"`, `"uuid"`, `"geo"`, `"tenant"` for the keyword
                that tells whose a document is, or a model of qdrant-client.

        Raises:
            ConfigurationError: A kind is unknown.
            CollectionMismatchError: A field is indexed as another kind.
        """
        run(create_payload_indexes(self.collection, fields))

    async def acreate_payload_indexes(self, fields: Mapping[str, PayloadIndex]) -> None:
        """Index metadata fields, those that are not indexed yet, without blocking the event loop.

        Args:
            fields: What kind of values a metadata field has: `"keyword"`, `"integer"`, `"float"`,
                `"bool"`, `"datetime"`, `"text"`, `"uuid"`, `"geo"`, `"tenant"`, or a model of
                qdrant-client.

        Raises:
            ConfigurationError: A kind is unknown.
            CollectionMismatchError: A field is indexed as another kind.
        """
        await create_payload_indexes(self.async_collection, fields)
