"""LangChain's retriever over a store, for queries with media."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langchain_core import vectorstores
from langchain_core.documents.base import Blob

from langchain_gemini_qdrant._telemetry import below_run
from langchain_gemini_qdrant.media._medium import short

if TYPE_CHECKING:
    from langchain_core.callbacks import (
        AsyncCallbackManagerForRetrieverRun,
        CallbackManagerForRetrieverRun,
    )
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableConfig

    from langchain_gemini_qdrant.media import Content


class _Described(str):
    """The description of a query with media, which callbacks and tracers get in its place."""

    __slots__ = ("query",)

    query: Content


class VectorStoreRetriever(vectorstores.VectorStoreRetriever):
    """LangChain's `VectorStoreRetriever`; a query may also be a `Blob`, or have content blocks.

    It has LangChain's name, by which its runs are listed in traces. These show what kind of medium
    was searched with; its bytes are not sent to them.
    """

    def invoke(
        self, input: Content, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Return the documents that the store's search finds.

        Args:
            input: A text, a `Blob`, a content block such as an image, or a sequence of these.
            config: Callbacks, tags and metadata of the run.
            **kwargs: Options of the search that override the retriever's `search_kwargs`.
        """
        return super().invoke(_described(input), config, **kwargs)

    async def ainvoke(
        self, input: Content, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """Return the documents that the store's search finds, without blocking the event loop.

        Args:
            input: A text, a `Blob`, a content block such as an image, or a sequence of these.
            config: Callbacks, tags and metadata of the run.
            **kwargs: Options of the search that override the retriever's `search_kwargs`.
        """
        return await super().ainvoke(_described(input), config, **kwargs)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        with below_run(run_manager.run_id):
            return super()._get_relevant_documents(_given(query), run_manager=run_manager, **kwargs)

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **kwargs: Any
    ) -> list[Document]:
        with below_run(run_manager.run_id):
            return await super()._aget_relevant_documents(
                _given(query), run_manager=run_manager, **kwargs
            )


def _described(query: Content) -> str:
    if isinstance(query, str):
        return query
    described = _Described(description(query))
    described.query = query
    return described


def _given(query: str) -> Any:  # noqa: ANN401 - any content
    return query.query if isinstance(query, _Described) else query


def description(query: object) -> str:
    """Return a query's texts, and its media in words."""
    if isinstance(query, str):
        return query
    if isinstance(query, Blob):
        return f"[{short(str(query.source or 'bytes'))}, {query.mimetype or 'no MIME type'}]"
    if isinstance(query, Mapping):
        text = query.get("text")
        return text if isinstance(text, str) else f"[{query.get('type')}, {query.get('mime_type')}]"
    if isinstance(query, list | tuple):
        return " ".join(map(description, query))
    return f"[{type(query).__name__}]"
