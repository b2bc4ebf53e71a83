"""Estimate texts, cost and time of an `ingest`, without calling Gemini."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._qdrant_values import content_id
from langchain_gemini_qdrant.cli.documents.stored_files import StoredFiles
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.cli.progress import console, counted, duration, price, progress_bar
from langchain_gemini_qdrant.cli.tables import facts_table, files_line, show_files
from langchain_gemini_qdrant.embeddings._request import request_spec
from langchain_gemini_qdrant.embeddings._usage import billed_tokens
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE, find_model
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.cli.documents.read_before import ReadFiles
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.ingestion import CleanupMode
    from langchain_gemini_qdrant.ingestion._lookups import Given
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

TEXTS_PER_MINUTE = 3_000
TOKENS_PER_MINUTE = 1_000_000
"""Quota of a project of the first paid tier, used if no other quota is given; from the API's
responses in 2026. https://aistudio.google.com/rate-limit shows yours.
"""


@dataclass(kw_only=True, slots=True)
class Estimate:
    """Numbers of passages and tokens to send.

    Attributes:
        passages: All passages.
        stored: Passages that are already stored, or are repeated.
        texts: Passages to embed.
        tokens: Estimated tokens of the passages to embed.
    """

    passages: int = 0
    stored: int = 0
    texts: int = 0
    tokens: int = 0

    def usd(self, model: str) -> float | None:
        """Return the price in US dollars, None if the model's price is not known."""
        known = find_model(model)
        price = known.usd_per_million_tokens if known else None
        return None if price is None else self.tokens * price / 1e6

    def seconds(self, texts_per_minute: float, tokens_per_minute: float) -> float:
        """Return the seconds that sending everything takes within quotas."""
        return 60 * max(self.texts / texts_per_minute, self.tokens / tokens_per_minute)


def estimate(
    passages: Iterator[Given],
    embeddings: GeminiEmbeddings,
    store: GeminiQdrantVectorStore | None,
    on_progress: Callable[[Estimate], None],
) -> Estimate:
    """Count passages, those already stored, and tokens.

    Args:
        passages: Passages with a source and a title; those without text are left out.
        embeddings: The embeddings for them.
        store: Store that may already have them, None if there is none.
        on_progress: Called as passages are read.
    """
    spec = request_spec(embeddings.model, "RETRIEVAL_DOCUMENT", embeddings.output_dimensionality)
    done = Estimate()
    wanted = _wanted(passages, store, done, on_progress)
    while request := list(islice(wanted, MAX_BATCH_SIZE)):
        # A request sends each text once.
        contents = {spec.content(each.page_content, each.metadata[TITLE_KEY]) for each in request}
        done.texts += len(contents)
        done.tokens += sum(billed_tokens(each, spec.max_input_tokens) for each in contents)
    done.stored = done.passages - done.texts
    return done


def _wanted(
    passages: Iterator[Given],
    store: GeminiQdrantVectorStore | None,
    done: Estimate,
    on_progress: Callable[[Estimate], None],
) -> Iterator[Document]:
    """Yield each passage to embed; count all in `done`."""
    seen: set[int] = set()  # hashes of ids
    while batch := list(islice(passages, MAX_BATCH_SIZE)):
        new = {}
        for given in batch:
            if given.is_stored:
                done.passages += 1
            elif given.document.page_content:
                done.passages += 1
                name = content_id(given.document)
                if seen.isdisjoint(map(hash, [name, *given.other_ids])):
                    new[name] = given
                seen.add(hash(name))
        yield from (given.document for given in _missing(store, new))
        on_progress(done)


def _missing(store: GeminiQdrantVectorStore | None, new: Mapping[str, Given]) -> list[Given]:
    """Return the passages that are not stored with their title or under another source."""
    if store is None:
        return list(new.values())
    places = {name: [name, *given.other_ids] for name, given in new.items()}
    found = store.get_by_ids([each for ids in places.values() for each in ids])
    titles = {str(document.id): document.metadata.get(TITLE_KEY) for document in found}
    return [
        given
        for name, given in new.items()
        if all(titles.get(each) != given.document.metadata[TITLE_KEY] for each in places[name])
    ]


def show_estimate(
    corpus: Corpus,
    embeddings: GeminiEmbeddings,
    store: GeminiQdrantVectorStore | None,
    read_files: ReadFiles,
    *,
    cleanup: CleanupMode,
    list_skipped: bool,
) -> None:
    """Read all files and show an estimate of storing them.

    Args:
        corpus: The files.
        embeddings: The embeddings for them; nothing is sent.
        store: Store that may already have passages, None if there is none.
        read_files: Results of the last reading of each file.
        cleanup: Which stale passages the run would delete.
        list_skipped: Whether to name files and folders that are not read.

    Raises:
        InvalidInputError: Some files cannot be read; the others are counted.
    """
    corpus.stored = StoredFiles(store, read_files, dry_run=True)
    with progress_bar(corpus.total_bytes) as show:

        def on_progress(done: Estimate) -> None:
            line = f"{done.passages:,} passages · ~{done.tokens:,} tokens"
            show(corpus.settled_bytes(done.passages), line)

        done = estimate(corpus.passages(), embeddings, store, on_progress)
    show_files(corpus, list_skipped=list_skipped)
    console.print(
        facts_table(
            {
                "files": files_line(corpus),
                "passages": f"{done.passages:,}, {done.stored:,} already stored or repeated",
                **({"to delete": _to_delete(corpus, store, cleanup)} if cleanup != "none" else {}),
                "to send": f"{counted(done.texts, 'text')}, ~{done.tokens:,} tokens",
                "price": price(done.usd(embeddings.model), "~"),
                "time": _time(done, embeddings),
            }
        )
    )
    if corpus.problems:
        files = counted(len(corpus.problems), "file")
        raise InvalidInputError(f"cannot be read, or not in full: {files}")


def _to_delete(corpus: Corpus, store: GeminiQdrantVectorStore | None, cleanup: CleanupMode) -> str:
    """Return how many passages the cleanup of a run would delete."""
    kept = corpus.kept
    if cleanup == "full" and (corpus.problems or len(corpus.empty) == corpus.files_read):
        why = "not all files can be read" if corpus.problems else "no file has text"
        return f"nothing, as {why}"
    stale = None
    if corpus.stored is not None:
        stale = corpus.stored.stale(kept, of_all=cleanup == "full")
    if stale is None:
        return "not estimated, as there is no index of sources"
    count = sum(stale.values())
    if cleanup == "full" and store is not None:  # also those without a source
        count = store.count() - kept.total()
    return f"{counted(count, 'passage')} of {counted(len(stale), 'source')}"


def _time(done: Estimate, embeddings: GeminiEmbeddings) -> str:
    if not done.texts:
        return duration(0)
    texts, tokens = embeddings.requests_per_minute, embeddings.tokens_per_minute
    if texts or tokens:
        return f"{duration(done.seconds(texts or inf, tokens or inf))} at least, by the quota given"
    seconds = done.seconds(TEXTS_PER_MINUTE, TOKENS_PER_MINUTE)
    return (
        f"{duration(seconds)} at least, with {TEXTS_PER_MINUTE:,} texts and {TOKENS_PER_MINUTE:,} "
        "tokens a minute, the quota of the first paid tier; give yours with --requests-per-minute "
        "and --tokens-per-minute"
    )
