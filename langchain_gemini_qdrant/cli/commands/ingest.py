"""`gemini-qdrant ingest`: files of many kinds into a collection."""

from __future__ import annotations

import codecs
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.documents.kinds import KINDS_OF_FILES
from langchain_gemini_qdrant.cli.options import (
    DEFAULT_PATH,
    QUANTIZATIONS,
    embedding_options,
    make_embeddings,
    open_store,
    quota_options,
    store_options,
)
from langchain_gemini_qdrant.cli.progress import console, counted, ingest_line, progress_bar
from langchain_gemini_qdrant.embeddings._options import variable
from langchain_gemini_qdrant.errors import IngestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.ingestion import CleanupMode
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_FAILED = 1
_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_CLOUD_PROJECT")
SOURCE_KEY = "source"
_SOURCES_AT_A_TIME = 500


def _known_encoding(_: object, __: object, name: str | None) -> str | None:
    try:
        return name and codecs.lookup(name).name
    except LookupError as error:
        raise click.BadParameter(f"{name!r} is no encoding that Python knows") from error


@click.command(epilog=KINDS_OF_FILES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@store_options
@embedding_options
@quota_options
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    default="binary",
    show_default=True,
    help="Quantization of a newly created collection.",
)
@click.option(
    "--include", multiple=True, metavar="PATTERN", help="Read only these files; may be repeated."
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Skip these files and folders; may be repeated.",
)
@click.option(
    "--chunk-size",
    type=click.IntRange(min=50),
    default=1000,
    show_default=True,
    help="Maximum number of characters of a passage.",
)
@click.option(
    "--text-field",
    metavar="NAME",
    help="Text field of JSON records.  [default: text, page_content or content]",
)
@click.option(
    "--encoding",
    metavar="NAME",
    callback=_known_encoding,
    help="Encoding of text files that are not UTF-8.  [default: a guess, which is shown]",
)
@click.option(
    "--cleanup",
    type=click.Choice(["none", "source", "full"]),
    default="none",
    show_default=True,
    help="Once everything is stored, delete stale passages of the files read (source), or all "
    "passages that were not read (full).",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Estimate passages, tokens, cost and time; call nothing, store nothing.",
)
def ingest(  # noqa: PLR0917 - one argument for each option
    paths: tuple[str, ...],
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    chunk_size: int,
    text_field: str | None,
    encoding: str | None,
    cleanup: CleanupMode,
    dry_run: bool,
    **options: Any,
) -> None:
    """Split, embed and store files, or folders of them.

    The kinds of files listed below are read; Office files, e-books, Outlook messages and subtitles
    need the extra 'files'. A file that you name is read as text if it has a different ending. In
    folders, names that begin with a dot are skipped. PATTERN is for a name, such as '*.md', or for
    the path inside the folder, such as 'drafts/*'.

    Passages that are already stored are skipped, so the same command from the same folder resumes
    after Ctrl-C or any failure. A file that cannot be read is listed at the end, and the others
    are stored. Exit status: 0 if everything is stored, 1 if not.

    Without --path and --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.cli.documents.corpus import Corpus  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.files import find_files  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.readers import leave_out_missing  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.estimate import show_estimate  # noqa: PLC0415

    store_names = ("collection", "path", "url", "qdrant_api_key", "quantization")
    place = {name: options.pop(name) for name in store_names}
    index = None if place["url"] else Path(place["path"] or DEFAULT_PATH)
    found = find_files(paths, include=include, exclude=exclude, leave_out=index)
    missing = leave_out_missing(found)
    if missing is not None:
        click.echo(missing, err=True)
    corpus = Corpus(found, chunk_size=chunk_size, encoding=encoding, text_field=text_field)
    if dry_run:
        api_key = None if variable(*_KEYS) else "not needed"
        embeddings = make_embeddings(**options, api_key=api_key)
        del place["quantization"]
        show_estimate(corpus, embeddings, place)
        return
    store = open_store(make_embeddings(**options), **place)
    with _quick_to_stop():
        _ingest(corpus, store, cleanup)


def _ingest(corpus: Corpus, store: GeminiQdrantVectorStore, cleanup: CleanupMode) -> None:
    from langchain_gemini_qdrant.cli.tables import (  # noqa: PLC0415
        files_tables,
        reasons_table,
        summary_table,
    )
    from langchain_gemini_qdrant.ingestion._report import IngestProgress  # noqa: PLC0415
    from langchain_gemini_qdrant.ingestion.ingest import ingest as ingest_documents  # noqa: PLC0415

    cause: BaseException | None = None
    last = IngestProgress()
    count = len(corpus.found.files)
    try:
        with progress_bar(corpus.total_bytes) as show:

            def on_progress(done: IngestProgress) -> None:
                nonlocal last
                last = done
                files = f"{corpus.files_read:,} of {count:,} files"
                show(corpus.settled_bytes(done.done), f"{files} · {ingest_line(done)}")

            report = ingest_documents(
                store, corpus.passages(), cleanup=cleanup, on_progress=on_progress
            )
    except IngestError as error:
        report, cause = error.report, error.__cause__
    except KeyboardInterrupt:
        console.print(summary_table(corpus, last, max(last.failed - len(corpus.problems), 0)))
        raise
    if cleanup == "source" and report.stopped is None:
        report = replace(report, deleted=report.deleted + _delete_all_of(store, [*corpus.empty]))
    failed = {name: why for name, why in report.failed.items() if name not in corpus.problems}
    for table in files_tables(corpus):
        console.print(table)
    if failed:
        console.print(reasons_table("Passages not stored", _by_source(corpus, failed)))
    if cleanup != "none" and not report.complete:
        kept = "all is" if cleanup == "full" or report.stopped else "what these files had is"
        console.print(f"Not everything is stored, so {kept} kept from the cleanup.")
    console.print(summary_table(corpus, report, len(failed)))
    if not report.complete:
        raise IngestError(_what_is_missing(corpus, report, len(failed)), report=report) from cause


def _delete_all_of(store: GeminiQdrantVectorStore, sources: Sequence[str]) -> int:
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


def _by_source(corpus: Corpus, failed: Mapping[str, str]) -> dict[str, str]:
    """Return for each file how many of its passages failed, and why the first one did."""
    reasons: dict[str, list[str]] = {}
    for name, source in corpus.sources_of(failed).items():
        reasons.setdefault(source, []).append(failed[name])
    return {source: f"{len(whys):,} of them: {whys[0]}" for source, whys in reasons.items()}


def _what_is_missing(corpus: Corpus, report: IngestReport, failed: int) -> str:
    parts = [
        f"the run ended before its time: {report.stopped}" if report.stopped else "",
        f"not read, or not in full: {counted(len(corpus.problems), 'file')}"
        if corpus.problems
        else "",
        f"not stored: {counted(failed, 'passage')}" if failed else "",
    ]
    return (
        f"{'; '.join(filter(None, parts))}. What is stored is kept: run the same command to resume"
    )


@contextmanager
def _quick_to_stop() -> Iterator[None]:
    """Say what Ctrl-C does: it waits for the requests in flight; a second Ctrl-C does not.

    Stored data is safe then: the embedded engine keeps a log.
    """

    def end(*_: object) -> None:
        console.show_cursor()  # the bar has hidden it
        os._exit(_FAILED)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        click.echo("Stopping after the requests under way; Ctrl-C again stops at once.", err=True)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
