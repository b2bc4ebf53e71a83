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
    """What a run has sent to Gemini, and how long it took.

    Attributes:
        requests: To Gemini, answered.
        texts: In these requests.
        tokens: In these texts, as the API counted, or as an estimate where it did not.
        estimated_tokens: Of these, the estimated ones. gemini-embedding-001 and older report no
            counts on the Developer API.
        usd: Price of `tokens` in US dollars, None where the model's is not known.
        seconds: From the start to now, or to the end.
    """

    requests: int = 0
    texts: int = 0
    tokens: int = 0
    estimated_tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0

    @property
    def is_estimate(self) -> bool:
        """Whether `tokens` and `usd` are estimates, at least in part."""
        return self.estimated_tokens > 0

    @property
    def tokens_per_second(self) -> float:
        """Tokens sent."""
        return _rate(self.tokens, self.seconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class IngestProgress(RunCost):
    """How far a run has come, and what it has cost so far (see `RunCost`).

    Attributes:
        total: Documents that there are, None where that is not known.
        read: Documents taken so far.
        skipped: Found stored as they are, or given twice.
        embedded: Their vectors have come.
        stored: Added, or stored in place of another text or metadata.
        failed: Not known to be stored, and not tried again.
        deleted: Removed by the cleanup.
        remaining_seconds: Seconds left, at the rate of the last half minute, or of the last two
            minutes in a run that has waited; `waiting.seconds` are among them. None where the
            rate or the total is not known.
        waiting: What the run waits for, such as a quota, if that takes long: its text is
            `waiting 38 s for the quota: 300 texts a minute`. None while requests go out.
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
        """Documents that nothing more will happen to."""
        return self.skipped + self.stored + self.failed

    @property
    def documents_per_second(self) -> float:
        """Documents done, skipped ones among them."""
        return _rate(self.done, self.seconds)

    @property
    def remark(self) -> str:
        """What a progress bar says beside the counts: failures, price, what the run waits for."""
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
    """What a run did, in documents, and what it cost (see `RunCost`).

    Attributes:
        added: Embedded and stored under a new id.
        updated: Stored in place of another text or metadata of the same id.
        skipped: Found stored as they are, or given twice.
        deleted: Removed by the cleanup.
        failed: Why a document is not known to be stored, by its id. It may be stored all the
            same, where only Qdrant's answer was lost, or where a part of a cluster took it.
        stopped: What ended the run before its time, None if nothing did.
        causes: The exception behind each reason in `failed`, by that reason: one for each of the
            first 20 reasons, and none where a document was refused before anything was sent.
            They stay in the process: a pickled report has none.
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
        """Whether all documents are stored, and all that the cleanup is for is deleted."""
        return not self.failed and self.stopped is None

    @property
    def documents_per_second(self) -> float:
        """Documents done, skipped ones among them."""
        done = self.added + self.updated + self.skipped + len(self.failed)
        return _rate(done, self.seconds)

    def __str__(self) -> str:
        """Return the counts in one line, without what differs between runs; `~` is an estimate."""
        about = "~" if self.is_estimate else ""
        price = "" if self.usd is None else f", {about}${self.usd:.4f}"
        return (
            f"{self.added:,} added, {self.updated:,} updated, {self.skipped:,} skipped, "
            f"{self.deleted:,} deleted, {len(self.failed):,} failed; "
            f"sent: texts {self.texts:,}, tokens {about}{self.tokens:,}{price}"
        )


def _rate(count: int, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
