"""Documents into a collection, each once: what is stored is neither embedded nor sent again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.gemini_models import MAX_BATCH_SIZE
from langchain_gemini_qdrant.identity import content_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.vectorstores import GeminiQdrantVectorStore


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestProgress:
    """How far a run has come, in documents.

    Attributes:
        skipped: Found stored as they are, or given twice.
        embedded: Their vectors have come.
        stored: Their points are in the collection.
    """

    skipped: int = 0
    embedded: int = 0
    stored: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestReport:
    """What a finished run did, in documents.

    Attributes:
        added: Embedded and stored under a new id.
        updated: Embedded and stored in place of another text or metadata of the same id.
        skipped: Found stored as they are, or given twice.
    """

    added: int
    updated: int
    skipped: int


def ingest(
    store: GeminiQdrantVectorStore,
    documents: Iterable[Document],
    *,
    batch_size: int = MAX_BATCH_SIZE,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Embed and store the documents that the collection does not have yet as they are.

    A document without an id gets one made of its text and its metadata's `source`, so a run that
    broke off goes on where it stopped when it is started again. Of documents with one id in the
    same batch the last one counts.

    Args:
        store: Where to.
        documents: Any iterable; it is read a batch at a time.
        batch_size: Documents embedded and stored at a time; 100 are one request.
        on_progress: Called after each batch is looked up, embedded and stored.

    Raises:
        InvalidInputError: A document is blank; the batches before are stored.
        EmbeddingError: The API failed; the batches before are stored.
    """
    report = on_progress or (lambda _: None)
    total = added = skipped = 0
    remaining = iter(documents)
    while batch := list(islice(remaining, batch_size)):
        by_id = {document.id or content_id(document): document for document in batch}
        stored = {document.id: document for document in store.get_by_ids(list(by_id))}
        missing = [
            document.model_copy(update={"id": key})
            for key, document in by_id.items()
            if not _same(document, stored.get(key))
        ]
        skipped += len(batch) - len(missing)
        report(IngestProgress(skipped=skipped, embedded=total, stored=total))
        if missing:
            vectors = store.embed_documents(missing)
            report(IngestProgress(skipped=skipped, embedded=total + len(missing), stored=total))
            store.upsert_embedded(missing, vectors)
            total += len(missing)
            added += sum(document.id not in stored for document in missing)
            report(IngestProgress(skipped=skipped, embedded=total, stored=total))
    return IngestReport(added=added, updated=total - added, skipped=skipped)


def _same(document: Document, stored: Document | None) -> bool:
    return (
        stored is not None
        and stored.page_content == document.page_content
        and stored.metadata == document.metadata
    )
