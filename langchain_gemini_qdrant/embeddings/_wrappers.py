"""Embeddings that wrap others, such as LangChain's `CacheBackedEmbeddings`, and subclasses."""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar, cast

from langchain_core.embeddings import Embeddings

from langchain_gemini_qdrant._runtime import Blocking
from langchain_gemini_qdrant.embeddings._media import has_media
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.media._contents import as_content

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

T = TypeVar("T")

DOCUMENTS = ("embed_documents", "aembed_documents")
QUERIES = ("embed_query", "aembed_query")

_DEEPEST = 8  # nested wrappers; a wrapper of itself would be endless


def gemini_of(embedding: object) -> GeminiEmbeddings | None:
    """Return the `GeminiEmbeddings` that make an embedding's vectors, None if there are none.

    That is the embedding itself, or one that it wraps as `underlying_embeddings`.
    """
    for _ in range(_DEEPEST):
        if isinstance(embedding, GeminiEmbeddings):
            return embedding
        if not isinstance(embedding, Embeddings):
            return None
        embedding = getattr(embedding, "underlying_embeddings", None)
    return None


def mixes_sides(embedding: object) -> bool:
    """Return whether a wrapper caches documents and queries together, keyed only by text.

    LangChain's `query_embedding_cache=True` does: a query that equals a document's text gets the
    document's vector.
    """
    documents = getattr(embedding, "document_embedding_store", None)
    queries = getattr(embedding, "query_embedding_store", None)
    if documents is None or queries is None:
        return False
    # Both may encode keys and values for the underlying byte store.
    return getattr(documents, "store", documents) is getattr(queries, "store", queries)


def replaced(embedding: object, *methods: str) -> list[str]:
    """Return which of these methods of `GeminiEmbeddings` a subclass replaces."""
    if not isinstance(embedding, GeminiEmbeddings):
        return []
    kind = type(embedding)
    return [each for each in methods if getattr(kind, each) is not getattr(GeminiEmbeddings, each)]


def is_plain(embedding: object, *methods: str) -> TypeGuard[GeminiEmbeddings]:
    """Return whether an embedding is `GeminiEmbeddings` and none of these methods is replaced.

    Only then may other methods of `GeminiEmbeddings` do their work.
    """
    return isinstance(embedding, GeminiEmbeddings) and not replaced(embedding, *methods)


def awaitable(embedding: T, *, blocking: bool) -> T:
    """Return an embedding whose `a...` methods a shared operation can await.

    If a subclass of `GeminiEmbeddings` replaces a method of one API, both APIs call that method.
    """
    if replaced(embedding, *DOCUMENTS, *QUERIES):
        return cast("T", _Replacing(embedding, blocking=blocking))
    face = cast("T", Blocking(embedding, "a")) if blocking and embedding is not None else embedding
    if isinstance(embedding, Embeddings) and not isinstance(embedding, GeminiEmbeddings):
        return cast("T", _TextsOnly(face, type(embedding).__name__))
    return face


class _TextsOnly:
    """Embeddings of another class, which know texts only."""

    def __init__(self, face: Any, name: str) -> None:  # noqa: ANN401 - it has awaitable methods
        self._face = face
        self._name = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any method
        return getattr(self._face, name)

    async def aembed_documents(
        self, texts: Sequence[object], **options: object
    ) -> list[list[float]]:
        read = [self._text(each) for each in texts]
        vectors: list[list[float]] = await self._face.aembed_documents(read, **options)
        return vectors

    async def aembed_query(self, text: object, **options: object) -> list[float]:
        vector: list[float] = await self._face.aembed_query(self._text(text), **options)
        return vector

    def _text(self, content: object) -> object:
        if isinstance(content, str):
            return content
        if has_media(content):
            raise ConfigurationError(
                f"{self._name} embeds texts only: for media pass GeminiEmbeddings, or a subclass. "
                "Its option cache= caches the vectors of media, too"
            )
        return as_content(content)


class _Replacing:
    """A subclass of `GeminiEmbeddings` with methods of its own."""

    def __init__(self, embedding: object, *, blocking: bool) -> None:
        self._embedding = embedding
        self._blocking = blocking

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        sync_name = name.removeprefix("a")
        sync_method, method = getattr(self._embedding, sync_name), getattr(self._embedding, name)
        only = replaced(self._embedding, sync_name, name)
        if not self._blocking:
            return partial(asyncio.to_thread, sync_method) if only == [sync_name] else method
        called = partial(_run_in_loop, method) if only == [name] else sync_method

        async def call(*args: object, **kwargs: object) -> object:
            return called(*args, **kwargs)

        return call


def _run_in_loop(method: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
    """Run an async method in a thread: this one may already run an event loop."""
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(context.run, asyncio.run, method(*args, **kwargs)).result()
