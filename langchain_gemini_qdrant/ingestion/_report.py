"""Progress and report of an ingest run."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from langchain_gemini_qdrant._display import Displayed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.embeddings._waiting import Waiting


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCost(Displayed):
    """Requests, texts and tokens that a run has sent to Gemini, their price, and the time.

    Attributes:
        requests: Answered requests to Gemini.
        texts: Texts in these requests.
        tokens: Tokens of these texts, as counted by the API, or estimated where it reports none.
        estimated_tokens: The estimated part of `tokens`. gemini-embedding-001 and older report no
            counts on the Developer API.
        usd: Price of `tokens` in US dollars, None if the model's price is not known.
        tokens_by_modality: The tokens as `TEXT`, `IMAGE`, `AUDIO`, `VIDEO` and `DOCUMENT` (pages
            of PDFs).
        usd_by_modality: The price in the same way; empty if it is not known.
        seconds: Seconds from the start of the run until now, or until its end.
    """

    requests: int = 0
    texts: int = 0
    tokens: int = 0
    estimated_tokens: int = 0
    usd: float | None = 0.0
    tokens_by_modality: Mapping[str, int] = field(default_factory=dict, hash=False)
    usd_by_modality: Mapping[str, float] = field(default_factory=dict, hash=False)
    seconds: float = 0.0

    @property
    def is_estimate(self) -> bool:
        """Whether `tokens` and `usd` are estimates, at least in part."""
        return self.estimated_tokens > 0

    @property
    def tokens_per_second(self) -> float:
        """Tokens sent per second."""
        return _rate(self.tokens, self.seconds)

    def _shares(self) -> dict[str, str]:
        """Return tokens and price by modality in words; empty without media."""
        if not self.tokens_by_modality.keys() - {"TEXT"}:
            return {}
        prices = {name: f", ${usd:,.4f}" for name, usd in self.usd_by_modality.items()}
        return {
            name: f"{tokens:,} tokens{prices.get(name, '')}"
            for name, tokens in self.tokens_by_modality.items()
        }

    def _facts(self) -> dict[str, object]:
        facts = super(RunCost, self)._facts()  # a class with slots knows no `super()`
        del facts["usd_by_modality"]
        shares = self._shares() or None  # None is not shown
        return {name: shares if name == "tokens_by_modality" else facts[name] for name in facts}


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestProgress(RunCost):
    """Progress of a run, and its cost so far (see `RunCost`).

    Attributes:
        total: Number of documents, None if it is not known.
        read: Documents read so far.
        skipped: Documents that are already stored unchanged, or repeated.
        embedded: Documents whose vectors have arrived.
        stored: Documents added, or stored in place of a different text or metadata.
        failed: Documents not known to be stored, and not retried.
        deleted: Documents deleted by the cleanup.
        remaining_seconds: Seconds left, at the rate of the last half minute, or of the last two
            minutes in a run that has waited; `waiting.seconds` are included. None if the rate or
            the total is not known.
        waiting: Reason of a long wait, such as a quota; as text
            `waiting 38 s for the quota: 300 texts a minute`. None while requests are sent.
    """

    total: int | None = None
    read: int = 0
    skipped: int = 0
    embedded: int = 0
    stored: int = 0
    failed: int = 0
    deleted: int = 0
    remaining_seconds: float | None = None
    waiting: Waiting | None = None

    @property
    def done(self) -> int:
        """Documents that the run has finished with: skipped, stored or failed."""
        return self.skipped + self.stored + self.failed

    @property
    def documents_per_second(self) -> float:
        """Documents done per second, including skipped ones."""
        return _rate(self.done, self.seconds)

    @property
    def remark(self) -> str:
        """The text of a progress bar next to the counts: wait, failures, tokens, price."""
        about = "~" if self.is_estimate else ""
        parts = (
            "" if self.waiting is None else str(self.waiting),
            f"{self.failed:,} failed" if self.failed else "",
            f"{about}{self.tokens:,} tokens" if self.tokens else "",
            f"{about}${self.usd:,.4f}" if self.usd else "",
        )
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestReport(RunCost):
    """Result of a run, in documents, and its cost (see `RunCost`).

    Attributes:
        added: Documents stored under a new id.
        updated: Documents stored in place of a different text or metadata with the same id.
        skipped: Documents that are already stored unchanged, or repeated.
        deleted: Documents deleted by the cleanup.
        failed: Documents not known to be stored: id to reason. One may be stored nevertheless, if
            only Qdrant's answer was lost, or if a part of a cluster stored it.
        stopped: Reason why the run ended early, None if it did not.
        causes: Exceptions of the first 20 reasons in `failed`, by reason; none for documents that
            were refused before anything was sent. A pickled report has no exceptions.
    """

    added: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0
    _hidden: ClassVar[tuple[str, ...]] = ("causes",)

    failed: Mapping[str, str] = field(default_factory=dict)
    stopped: str | None = None
    causes: Mapping[str, Exception] = field(default_factory=dict, compare=False, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions of other libraries cannot all be unpickled.
        names = (each.name for each in fields(self) if each.name != "causes")
        return partial(IngestReport, **{name: getattr(self, name) for name in names}), ()

    @property
    def complete(self) -> bool:
        """Whether all documents are stored, and the cleanup has deleted all stale ones."""
        return not self.failed and self.stopped is None

    @property
    def documents_per_second(self) -> float:
        """Documents done per second, including skipped ones."""
        done = self.added + self.updated + self.skipped + len(self.failed)
        return _rate(done, self.seconds)

    def __str__(self) -> str:
        """Return the counts in one line, without the time; `~` marks an estimate.

        With media, tokens and price are also given by modality.
        """
        about = "~" if self.is_estimate else ""
        price = "" if self.usd is None else f", {about}${self.usd:.4f}"
        if shares := self._shares():
            price += f" ({'; '.join(f'{name} {share}' for name, share in shares.items())})"
        return (
            f"{self.added:,} added, {self.updated:,} updated, {self.skipped:,} skipped, "
            f"{self.deleted:,} deleted, {len(self.failed):,} failed; "
            f"sent: texts {self.texts:,}, tokens {about}{self.tokens:,}{price}"
        )


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
