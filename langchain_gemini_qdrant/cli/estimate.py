"""Estimate what `ingest` would send, cost and take, without calling Gemini."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._qdrant_values import content_id
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.cli.progress import console, counted, duration, price, progress_bar
from langchain_gemini_qdrant.cli.tables import facts_table, files_line, files_tables
from langchain_gemini_qdrant.embeddings._request import request_spec
from langchain_gemini_qdrant.embeddings._usage import billed_tokens
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE, find_model
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.embeddings._request import RequestSpec
    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

TEXTS_PER_MINUTE = 3_000
TOKENS_PER_MINUTE = 1_000_000
"""Quota of a project of the first paid tier, used if no other quota is given: from the API's
responses in 2026. https://aistudio.google.com/rate-limit shows your own."""


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
        """Return how long it takes to send everything within quotas."""
        return 60 * max(self.texts / texts_per_minute, self.tokens / tokens_per_minute)


def estimate(
    passages: Iterator[Document],
    embeddings: GeminiEmbeddings,
    store: GeminiQdrantVectorStore | None,
    on_progress: Callable[[Estimate], None],
) -> Estimate:
    """Count passages, those already stored, and tokens.

    Args:
        passages: With a source and a title; those without text are left out.
        embeddings: The embeddings they would be embedded with.
        store: Where they may already be stored, None if there is no store.
        on_progress: Called as they are read.
    """
    spec = request_spec(embeddings.model, "RETRIEVAL_DOCUMENT", embeddings.output_dimensionality)
    done = Estimate()
    seen: set[int] = set()  # hashes of ids
    while batch := list(islice(passages, MAX_BATCH_SIZE)):
        new = []
        for passage in batch:
            if passage.page_content:
                done.passages += 1
                name = content_id(passage)
                if hash(name) not in seen:
                    seen.add(hash(name))
                    new.append((name, passage))
        wanted = new if store is None else _missing(store, new)
        done.texts += len(wanted)
        done.tokens += sum(_tokens(spec, passage) for _, passage in wanted)
        done.stored = done.passages - done.texts
        on_progress(done)
    return done


def _missing(
    store: GeminiQdrantVectorStore, passages: Sequence[tuple[str, Document]]
) -> list[tuple[str, Document]]:
    """Return the passages that are not stored with the title they have."""
    found = store.get_by_ids([name for name, _ in passages])
    titles = {str(document.id): document.metadata.get(TITLE_KEY) for document in found}
    return [
        (name, passage)
        for name, passage in passages
        if name not in titles or titles[name] != passage.metadata[TITLE_KEY]
    ]


def _tokens(spec: RequestSpec, passage: Document) -> int:
    content = spec.content(passage.page_content, passage.metadata[TITLE_KEY])
    return billed_tokens(content, spec.max_input_tokens)


def show_estimate(
    corpus: Corpus, embeddings: GeminiEmbeddings, store: GeminiQdrantVectorStore | None
) -> None:
    """Read all files and show what storing them would take.

    Args:
        corpus: The files.
        embeddings: The embeddings they would be embedded with; nothing is sent.
        store: Where passages may already be stored, None if there is no store.

    Raises:
        InvalidInputError: Some files cannot be read; the others are counted.
    """
    with progress_bar(corpus.total_bytes) as show:

        def on_progress(done: Estimate) -> None:
            line = f"{done.passages:,} passages · ~{done.tokens:,} tokens"
            show(corpus.settled_bytes(done.passages), line)

        done = estimate(corpus.passages(), embeddings, store, on_progress)
    for table in files_tables(corpus):
        console.print(table)
    console.print(
        facts_table(
            {
                "files": files_line(corpus),
                "passages": f"{done.passages:,}, of which {done.stored:,} are stored already or "
                "come again",
                "to send": f"{counted(done.texts, 'text')}, ~{done.tokens:,} tokens",
                "price": price(done.usd(embeddings.model), "~"),
                "time": _time(done, embeddings),
            }
        )
    )
    if corpus.problems:
        files = counted(len(corpus.problems), "file")
        raise InvalidInputError(f"cannot be read, or not in full: {files}")


def _time(done: Estimate, embeddings: GeminiEmbeddings) -> str:
    texts, tokens = embeddings.requests_per_minute, embeddings.tokens_per_minute
    if texts or tokens:
        return f"{duration(done.seconds(texts or inf, tokens or inf))} at least, by the quota given"
    seconds = done.seconds(TEXTS_PER_MINUTE, TOKENS_PER_MINUTE)
    return (
        f"{duration(seconds)} at least, with {TEXTS_PER_MINUTE:,} texts and {TOKENS_PER_MINUTE:,} "
        "tokens a minute, as the first paid tier has; --requests-per-minute and "
        "--tokens-per-minute say yours"
    )
