"""Estimate texts, cost and time of an `ingest`, without calling Gemini."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.corpus import passage_id
from langchain_gemini_qdrant.cli.documents.reading import MediumPart
from langchain_gemini_qdrant.cli.media_facts import NAMES
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.cli.progress import console, counted, duration, price, progress_bar
from langchain_gemini_qdrant.cli.tables import by_kind, facts_table, files_line, show_files
from langchain_gemini_qdrant.embeddings._request import request_spec
from langchain_gemini_qdrant.embeddings._usage import billed_tokens
from langchain_gemini_qdrant.embeddings.models import MAX_BATCH_SIZE, find_model
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import LIMITS
from langchain_gemini_qdrant.media._medium import Medium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec
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
    """Numbers of passages, media and tokens to send.

    Attributes:
        passages: All passages; an image, sound, video or page counts as one.
        stored: Passages that are already stored, or are repeated.
        sent: Passages to embed, by modality.
        tokens_by_modality: Estimated tokens of the passages to embed.
        seconds_by_modality: Length of sounds and videos to embed.
    """

    passages: int = 0
    stored: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    tokens_by_modality: Counter[str] = field(default_factory=Counter)
    seconds_by_modality: dict[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> int:
        """Passages to embed, each of which counts in the quota."""
        return self.sent.total()

    @property
    def tokens(self) -> int:
        """Estimated tokens of the passages to embed."""
        return self.tokens_by_modality.total()

    def add(self, content: Content, tokens: int) -> None:
        """Count a content to embed."""
        medium = next((part for part in content.parts if isinstance(part, Medium)), None)
        modality = "TEXT" if medium is None else medium.modality
        self.sent[modality] += 1
        self.tokens_by_modality[modality] += tokens
        if medium is not None and medium.seconds is not None:
            before = self.seconds_by_modality.get(modality, 0.0)
            self.seconds_by_modality[modality] = before + medium.seconds

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
        for content in dict.fromkeys(_content(spec, each) for each in request):
            done.add(content, billed_tokens(content, spec.max_input_tokens))
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
            elif given.document.page_content or isinstance(given.document, MediumPart):
                done.passages += 1
                name = passage_id(given.document)
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
    stored = {(str(document.id), document.metadata.get(TITLE_KEY)) for document in found}
    return [
        given
        for name, given in new.items()
        if stored.isdisjoint(
            (each, given.document.metadata.get(TITLE_KEY)) for each in places[name]
        )
    ]


def _content(spec: RequestSpec, passage: Document) -> Content:
    if isinstance(passage, MediumPart):
        return spec.content((passage.medium,))
    return spec.content(passage.page_content, passage.metadata[TITLE_KEY])


def show_estimate(
    corpus: Corpus,
    embeddings: GeminiEmbeddings,
    store: GeminiQdrantVectorStore | None,
    *,
    cleanup: CleanupMode,
    list_skipped: bool,
) -> None:
    """Read all files and show an estimate of storing them.

    Args:
        corpus: The files; its `stored` changes nothing.
        embeddings: The embeddings for them; nothing is sent.
        store: Store that may already have passages, None if there is none.
        cleanup: Which stale passages the run would delete.
        list_skipped: Whether to name files and folders that are not read.

    Raises:
        InvalidInputError: Some files cannot be read; the others are counted.
    """
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
                "to send": f"{_to_send(done)}, ~{done.tokens:,} tokens",
                **_prices(done, embeddings.model),
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


def _to_send(done: Estimate) -> str:
    """Return what would be sent: `12 texts, 3 images, 2 sounds (0:02:10)`."""
    parts = []
    for modality, count in done.sent.items():
        part = counted(count, NAMES.get(modality, "text"))
        if seconds := done.seconds_by_modality.get(modality):
            part += f" ({duration(seconds)}{_frames(done, modality)})"
        parts.append(part)
    return ", ".join(parts) or "0 texts"


def _frames(done: Estimate, modality: str) -> str:
    if modality != "VIDEO":
        return ""
    return f", {done.tokens_by_modality[modality] // LIMITS['VIDEO'].tokens:,} frames"


def _prices(done: Estimate, model: str) -> dict[str, str]:
    """Return the price, and with media its shares."""
    known = find_model(model)
    tokens = done.tokens_by_modality
    usd = {} if known is None else {each: known.usd({each: tokens[each]}) for each in tokens}
    total = None if known is None else known.usd(tokens)
    return {"price": price(total, "~"), **by_kind(tokens, usd)}


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
