"""Re-embed a collection with another model or vector size into a new collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.migration._reembedding import ReembedRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_core.embeddings import Embeddings

    from langchain_gemini_qdrant.ingestion._report import IngestProgress
    from langchain_gemini_qdrant.migration._report import ReembedReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore


def reembed(
    store: GeminiQdrantVectorStore,
    new_embeddings: Embeddings,
    *,
    collection_name: str | None = None,
    alias: str | None = None,
    delete_old: bool = False,
    reuse_vectors: bool | None = None,
    batch_size: int = MAX_BATCH_SIZE,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection with another model or size from the texts of a store.

    A smaller size of the same model needs no request to Gemini: the stored vectors are cut to the
    first numbers and scaled to length 1, which are the vectors that the API would send.

    Points keep their ids, whole payloads and other vectors, including sparse ones. With another
    model or a larger size, the store's dense vector is embedded again from the text, the title and
    the media, whose files are read again.

    The new collection has the settings and payload indexes of the old one. When it is complete,
    the alias by which the store was opened, and `alias`, are repointed to it in one step, so every
    search by an alias sees either the old or the new collection.

    The same call resumes an interrupted run; texts that are already embedded are not sent again.
    Changes in the old collection during the run are found by further passes over it, until a pass
    finds nothing new. Texts, titles, payloads and reused vectors are compared; the other vectors
    are not.

    Args:
        store: The store with the old vectors; its embedding makes none. Do not use a store with
            the old embedding that was opened by an alias after the alias is switched.
        new_embeddings: The new embedding: `GeminiEmbeddings` or any LangChain `Embeddings`.
        collection_name: Name of the new collection; None makes one from the old name, model and
            size. An existing collection must be empty with the new vectors, or come from an earlier
            run.
        alias: Alias to create for the new collection, or to repoint to it.
        delete_old: Delete the old collection, after the switch.
        reuse_vectors: Whether stored vectors are shortened instead of embedding again. None does so
            where the collection records that they are from the same model and task, and the new
            size is not larger; points without a usable vector are embedded. True sends nothing, and
            trusts you if the collection does not record the model; points without a usable vector
            fail. False embeds all, for example if `title_key` of the store has changed.
        batch_size: Documents read, embedded and stored at a time.
        progress: Show a bar with counts, price and waits: a widget in a notebook that has
            ipywidgets, otherwise text.
        on_progress: Called with the progress, as in `ingest`; it counts from 0 in each pass.

    Returns:
        A report with the new store.

    Raises:
        IngestError: Not all documents could be embedded and stored, for example because a file is
            gone or has changed, or the old collection kept changing; no alias is switched and
            nothing is deleted. `report` has ids and reasons.
        CollectionMismatchError: The new collection exists and has other vectors, a different
            embedding or other points.
        ConfigurationError: The name, the alias or `delete_old` is not possible here, the store has
            media and the new embedding takes only texts, or `reuse_vectors=True` is not possible;
            the message says why.
    """
    this = ReembedRun(
        *(store, new_embeddings, collection_name, alias),
        delete_old=delete_old,
        reuse_vectors=reuse_vectors,
        blocking=True,
    )
    with progress_bar("documents", on_progress, shown=progress) as show:
        return run(this.run(batch_size, show))


async def areembed(
    store: GeminiQdrantVectorStore,
    new_embeddings: Embeddings,
    *,
    collection_name: str | None = None,
    alias: str | None = None,
    delete_old: bool = False,
    reuse_vectors: bool | None = None,
    batch_size: int = MAX_BATCH_SIZE,
    progress: bool = False,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> ReembedReport:
    """Build a new collection with another model or size, without blocking the event loop.

    The arguments are those of `reembed`. The same call resumes an interrupted run.

    Returns:
        A report with the new store.

    Raises:
        IngestError: Not all documents could be embedded and stored; no alias is switched.
        CollectionMismatchError: The new collection exists and does not fit.
        ConfigurationError: The name, the alias, `delete_old` or `reuse_vectors` is not possible
            here.
    """
    this = ReembedRun(
        *(store, new_embeddings, collection_name, alias),
        delete_old=delete_old,
        reuse_vectors=reuse_vectors,
        blocking=False,
    )
    with progress_bar("documents", on_progress, shown=progress) as show:
        return await this.run(batch_size, show)
