"""What a cleanup after `gemini-qdrant ingest` deletes, and what it must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from langchain_gemini_qdrant.cli.options import SOURCE_KEY
from langchain_gemini_qdrant.cli.progress import console, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.ingestion import CleanupMode
    from langchain_gemini_qdrant.ingestion._report import IngestReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_SOURCES_AT_A_TIME = 500


def check_media_are_read(corpus: Corpus, cleanup: CleanupMode) -> None:
    """Refuse to delete the media of files that are there and are only not read this time.

    Raises:
        click.UsageError: Without --media, a full cleanup would delete them.
    """
    from langchain_gemini_qdrant.cli.documents.files import MEDIA  # noqa: PLC0415

    if cleanup != "full":
        return
    left_out = [each.source for each in corpus.found.skipped if each.reason == MEDIA]
    lost = [source for source in left_out if corpus.stored and not corpus.stored.is_new(source)]
    if lost:
        raise click.UsageError(
            f"--cleanup full would delete what is stored of {counted(len(lost), 'media file')}, "
            f"such as {lost[0]}: add --media"
        )


def show_stale(corpus: Corpus, report: IngestReport, cleanup: CleanupMode) -> None:
    """Print why a cleanup has kept stale passages, or without one, how many there are."""
    if cleanup != "none":
        if not report.complete:
            is_all = cleanup == "full" or report.stopped is not None
            what = "Nothing" if is_all else "Nothing of these files"
            console.print(f"{what} was deleted, because not everything is stored.")
        return
    stale = corpus.stored and report.stopped is None and corpus.stored.stale(corpus.kept)
    if stale:
        console.print(
            f"Stale: {counted(sum(stale.values()), 'passage')} of {counted(len(stale), 'file')} "
            "from before the files or the options changed. --cleanup source deletes them.",
            soft_wrap=True,
        )


def delete_all_of(store: GeminiQdrantVectorStore, sources: Sequence[str]) -> int:
    """Delete the passages of files that no longer have text; return how many."""
    deleted = 0
    if sources:
        store.create_payload_indexes({SOURCE_KEY: "keyword"})
    for start in range(0, len(sources), _SOURCES_AT_A_TIME):
        condition = {SOURCE_KEY: {"$in": list(sources[start : start + _SOURCES_AT_A_TIME])}}
        count = store.count(condition)
        if count:
            store.delete(filter=condition)
            deleted += count
    return deleted
