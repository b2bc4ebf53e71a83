"""`gemini-qdrant ingest`: files of many kinds into a collection."""

from __future__ import annotations

import codecs
import os
import shlex
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from langchain_gemini_qdrant.cli.cleanup import check_media_are_read, delete_all_of, show_stale
from langchain_gemini_qdrant.cli.connecting import DEFAULT_PATH, READ_FILES
from langchain_gemini_qdrant.cli.documents.kinds import KINDS_OF_FILES
from langchain_gemini_qdrant.cli.opening import open_store, open_store_if_any, until_the_end
from langchain_gemini_qdrant.cli.options import (
    MEDIA_KEY,
    QUANTIZATIONS,
    quota_options,
    store_options,
    stored_embedding_options,
)
from langchain_gemini_qdrant.cli.progress import console, counted, ingest_line, progress_bar, say
from langchain_gemini_qdrant.cli.reasons import first_sentence
from langchain_gemini_qdrant.embeddings._options import variable
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    IngestError,
    InvalidInputError,
    RateLimitError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.cli.documents.files import SourceFile
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.ingestion import CleanupMode
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

_FAILED = 1
_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_CLOUD_PROJECT")
_PLACE = ("collection", "path", "url")


def _known_encoding(_: object, __: object, name: str | None) -> str | None:
    try:
        " ".encode(name or "utf-8")  # bytes in base64 have a codec, too, and are no text
        return name and codecs.lookup(name).name
    except (LookupError, UnicodeError) as error:
        raise click.BadParameter(f"{name!r} is not a text encoding that Python knows") from error


@click.command(epilog=KINDS_OF_FILES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@store_options
@stored_embedding_options
@quota_options
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    help="Quantization of the vectors.  [default: the collection's; binary for a new one]",
)
@click.option(
    "--media",
    is_flag=True,
    help="Also embed images, sounds, videos and the pages of PDF files, beside texts.",
)
@click.option(
    "--pdf",
    type=click.Choice(["pages", "text"]),
    help="Embed each page of a PDF file as it looks (pages), or its text.  [default: pages with "
    "--media, otherwise text]",
)
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Read only files that match, such as '*.md' or 'guide/**/*.txt'; may be repeated. Files "
    "of unknown kinds are read as text if the pattern gives their ending, such as '*.log'.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Skip files and folders that match, such as 'drafts/', also those given as PATH; may be "
    "repeated.",
)
@click.option(
    "--no-gitignore", is_flag=True, help="Also read files that git ignores in repositories."
)
@click.option("--list-skipped", is_flag=True, help="Name each file and folder that is not read.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Sources are paths relative to this folder; files outside it have their absolute path. "
    " [default: the folder that contains the index; with --url, the current folder]",
)
@click.option(
    "--stdin-name",
    metavar="NAME",
    default="stdin.txt",
    show_default=True,
    help="Source of the text from standard input (PATH '-'); its ending names its kind.",
)
@click.option(
    "--reread",
    is_flag=True,
    help="Read all files again, also unchanged ones whose passages are stored.",
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
    media: bool,
    pdf: str | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    no_gitignore: bool,
    list_skipped: bool,
    root: Path | None,
    stdin_name: str,
    reread: bool,
    chunk_size: int,
    text_field: str | None,
    encoding: str | None,
    cleanup: CleanupMode,
    dry_run: bool,
    **options: Any,
) -> None:
    """Split, embed and store files, or folders of them.

    With --media, an image, a sound, a video or a page of a PDF file becomes one vector beside those
    of texts. The collection stores its path and no bytes.

    The kinds of files listed below are read; Office files, e-books, Outlook messages and subtitles
    need the extra 'files'. A file that you name is read as text if it has a different ending. PATH
    may be '-' for standard input. In folders, hidden files, installed packages (such as
    node_modules) and files that git ignores are skipped. PATTERN is written as in .gitignore.

    Passages that are already stored are skipped, and unchanged files are not read again, so the
    same command resumes after Ctrl-C or any failure. A file that cannot be read is listed at the
    end, and the others are stored. Exit status: 0 if everything is stored, 1 if not.

    Without --path and --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.cli.documents.corpus import Corpus  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.files import STDIN, find_files  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.read_before import ReadFiles  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.readers import leave_out_missing  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.documents.stored_files import StoredFiles  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.estimate import show_estimate  # noqa: PLC0415

    if pdf == "pages" and not media:
        raise click.UsageError("--pdf pages goes with --media")
    store_names = ("collection", "path", "url", "qdrant_api_key", "quantization")
    place = {name: options.pop(name) for name in store_names}
    index = None if place["url"] else Path(place["path"] or DEFAULT_PATH)
    found = find_files(
        paths,
        root=root or (index and index.absolute().parent),
        include=include,
        exclude=exclude,
        gitignore=not no_gitignore,
        leave_out=index,
        stdin=_stdin(stdin_name) if STDIN in paths else None,
        media=media,
    )
    for message in found.unused:
        say(message)
    missing = leave_out_missing(found)
    if missing is not None:
        click.echo(missing, err=True)
    how: dict[str, Any] = {"chunk_size": chunk_size, "encoding": encoding, "text_field": text_field}
    if media and pdf != "text":
        how["pages"] = True
    corpus = Corpus(found, media=media, **how)
    kept_in = index or Path(click.get_app_dir("gemini-qdrant"))
    read_files = ReadFiles(kept_in / READ_FILES, how, reread=reread)
    if dry_run:
        api_key = None if variable(*_KEYS) else "not needed"
        embeddings, store_if_any = open_store_if_any({**options, "api_key": api_key}, **place)
        corpus.stored = StoredFiles(store_if_any, read_files, dry_run=True)
        _check_media(corpus, embeddings)
        check_media_are_read(corpus, cleanup)
        show_estimate(corpus, embeddings, store_if_any, cleanup=cleanup, list_skipped=list_skipped)
        return
    store = open_store(options, **place, media_key=MEDIA_KEY if media else None)
    corpus.stored = StoredFiles(store, read_files)
    _check_media(corpus, cast("GeminiEmbeddings", store.embeddings))
    check_media_are_read(corpus, cleanup)
    with _quick_to_stop():
        _ingest(corpus, store, cleanup, list_skipped=list_skipped)


def _stdin(name: str) -> SourceFile:
    from langchain_gemini_qdrant.cli.documents.files import read_stdin  # noqa: PLC0415

    return read_stdin(name, Path(until_the_end(TemporaryDirectory())))


def _ingest(
    corpus: Corpus, store: GeminiQdrantVectorStore, cleanup: CleanupMode, *, list_skipped: bool
) -> None:
    from langchain_gemini_qdrant.cli.grpc_hint import print_grpc_hint  # noqa: PLC0415
    from langchain_gemini_qdrant.cli.tables import (  # noqa: PLC0415
        reasons_table,
        show_files,
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

            passages = cast("Iterator[Document]", corpus.passages())
            report = ingest_documents(store, passages, cleanup=cleanup, on_progress=on_progress)
    except IngestError as error:
        report, cause = error.report, error.__cause__
    except KeyboardInterrupt:
        console.print(summary_table(corpus, last, max(last.failed - len(corpus.problems), 0)))
        raise
    if cleanup == "source" and report.stopped is None:
        report = replace(report, deleted=report.deleted + delete_all_of(store, [*corpus.empty]))
    failed = {name: why for name, why in report.failed.items() if name not in corpus.problems}
    if corpus.stored is not None and report.stopped is None:
        corpus.stored.remember_updates({*corpus.sources_of(failed).values()})
    show_files(corpus, list_skipped=list_skipped)
    # The reason why the run ended is shown at the end, not for each file.
    own = {name: why for name, why in failed.items() if not why.endswith(report.stopped or "\0")}
    if own:
        console.print(reasons_table("Passages not stored", _by_source(corpus, own)))
    show_stale(corpus, report, cleanup)
    # In a run that ended early, Qdrant may be unavailable.
    total = 0 if report.stopped else store.count()
    where = f"{_where(store)}, which has {counted(total, 'passage')} now" if total else None
    console.print(summary_table(corpus, report, len(failed), where))
    if total:
        console.print(f"Search it: {_search_command()}", soft_wrap=True)
        print_grpc_hint(report, cast("GeminiEmbeddings", store.embeddings))
    if not report.complete:
        _check_cleanup(store, cleanup, cause)
        message = _what_is_missing(corpus, report, len(failed), cause)
        raise IngestError(message, report=report) from cause


def _where(store: GeminiQdrantVectorStore) -> str:
    """Return where passages are stored."""
    place = _given(*_PLACE)
    engine = place.get("--url") or place.get("--path") or DEFAULT_PATH
    return f"collection {store.collection_name!r} in {engine}"


def _search_command() -> str:
    """Return the command that searches the same collection, with the given options."""
    options = _given(*_PLACE, "base_url", "backend")
    words = [each for option in options.items() for each in option]
    return shlex.join(["gemini-qdrant", "search", "your question", *words])


def _check_cleanup(
    store: GeminiQdrantVectorStore, cleanup: CleanupMode, cause: BaseException | None
) -> None:
    """Say how to delete all passages, if a run without any passage was to clean up."""
    if cleanup == "full" and isinstance(cause, InvalidInputError):
        place = {**_given(*_PLACE), "--collection": store.collection_name}
        words = [each for option in place.items() for each in option]
        raise InvalidInputError(
            "no file has text, so --cleanup full would delete all passages, and nothing is "
            "deleted. To delete all: "
            f"{shlex.join(['gemini-qdrant', 'delete', *words, '--all'])}"
        ) from cause


def _check_media(corpus: Corpus, embeddings: GeminiEmbeddings) -> None:
    """Refuse a model or a back end that takes texts only."""
    from langchain_gemini_qdrant.embeddings._media import media_support_of  # noqa: PLC0415

    refusal = media_support_of(embeddings).refusal
    if corpus.media and refusal is not None:
        raise ConfigurationError(refusal)


def _given(*names: str) -> dict[str, str]:
    """Return those of the options that are on the command line."""
    context = click.get_current_context()
    return {
        f"--{name.replace('_', '-')}": str(context.params[name])
        for name in names
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _by_source(corpus: Corpus, failed: Mapping[str, str]) -> dict[str, str]:
    """Return for each file how many of its passages failed, and why the first one did."""
    reasons: dict[str, list[str]] = {}
    for name, source in corpus.sources_of(failed).items():
        reasons.setdefault(source, []).append(failed[name])
    return {source: f"{len(whys):,} of them: {whys[0]}" for source, whys in reasons.items()}


def _what_is_missing(
    corpus: Corpus, report: IngestReport, failed: int, cause: BaseException | None
) -> str:
    from langchain_gemini_qdrant.ingestion._progress import can_resume  # noqa: PLC0415

    is_quota = isinstance(cause, RateLimitError)
    stopped = first_sentence(report.stopped or "") if is_quota else report.stopped
    unread = counted(len(corpus.problems), "file")
    advice = ": run the same command to resume" if can_resume(report, cause) else ""
    parts = [
        f"The run ended early: {stopped}" if stopped else "",
        f"Not read, or not in full: {unread}" if corpus.problems else "",
        f"Not stored: {counted(failed, 'passage')} of those read" if failed else "",
        # After a quota is used up, the time to retry is shown instead.
        "" if is_quota else f"Stored data is kept{advice}",
    ]
    return ". ".join(part.removesuffix(".") for part in parts if part)


@contextmanager
def _quick_to_stop() -> Iterator[None]:
    """Explain at Ctrl-C that it waits for the requests in flight; a second Ctrl-C does not.

    Stored data is safe then: the embedded engine keeps a log.
    """

    def end(*_: object) -> None:
        console.show_cursor()  # the bar has hidden the cursor
        os._exit(_FAILED)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, end)
        say("Stopping after the requests in flight; press Ctrl-C again to stop at once.")
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
