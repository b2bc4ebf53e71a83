"""What a run has done so far, and what it tells of that: progress, a report, an error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport, Pace
from langchain_gemini_qdrant.vectorstores import _points as _writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant.ingestion._embedding_session import Session


@dataclass(kw_only=True, slots=True)
class Tally:
    """What a run has done so far, in documents.

    Attributes:
        embedded: Vectors that have come.
        failed: Why, by the id that the caller knows.
        failed_sources: Of these.
        error: What ended the run before its time.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0
    embedded: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_sources: set[object] = field(default_factory=set)
    error: Exception | None = None
    session: Session | None = None


class Account:
    """The counts of a run, pass by pass; most runs have one.

    Attributes:
        is_telling: What is raised meanwhile is the caller's own.
    """

    def __init__(self, clock: Clock, on_progress: Callable[[IngestProgress], None] | None) -> None:
        self.is_telling = False
        self._clock = clock
        self._on_progress = on_progress
        self._tallies: list[Tally] = []
        self._began = clock.now()

    @property
    def passes(self) -> int:
        """How many there were."""
        return len(self._tallies)

    def begin(self, total: int | None) -> Tally:
        """Begin a pass over `total` documents, None where that is not known."""
        self._total = total
        self._pace = Pace()
        self._pass_began = self._clock.now()
        self._tallies.append(Tally())
        return self._tallies[-1]

    def tell(self) -> None:
        """Tell how far this pass has come."""
        if self._on_progress is None:
            return
        tally = self._tallies[-1]
        progress = IngestProgress(
            total=self._total,
            read=tally.read,
            skipped=tally.skipped,
            embedded=tally.embedded,
            stored=tally.added + tally.updated,
            failed=len(tally.failed),
            deleted=tally.deleted,
            **self._cost(),
        )
        seconds = self._clock.now() - self._pass_began
        left = self._pace.remaining(seconds, progress.done, self._total)
        self.is_telling = True
        self._on_progress(replace(progress, remaining_seconds=left))
        self.is_telling = False

    def report(self) -> IngestReport:
        """Sum up the passes; what the first one skipped is what was there before."""
        last = self._tallies[-1]
        return IngestReport(
            added=sum(tally.added for tally in self._tallies),
            updated=sum(tally.updated for tally in self._tallies),
            deleted=sum(tally.deleted for tally in self._tallies),
            skipped=self._tallies[0].skipped,
            failed=last.failed,
            stopped=None if last.error is None else _writing.reason(last.error),
            **self._cost(),
        )

    def _cost(self) -> dict[str, Any]:
        usage = EmbeddingUsage()
        for tally in self._tallies:
            if tally.session is not None:
                usage += tally.session.usage
        return {
            "requests": usage.requests,
            "texts": usage.texts,
            "tokens": usage.tokens,
            "usd": usage.usd,
            "seconds": self._clock.now() - self._began,
        }


def shortfall(report: IngestReport) -> str:
    """Say what is not stored, and why."""
    parts = []
    if report.stopped is not None:
        parts.append(f"the run ended before its time: {report.stopped}")
    if report.failed:
        first, why = next(iter(report.failed.items()))
        parts.append(
            f"{len(report.failed)} documents failed, the first is {first!r}: {why}; "
            "`report.failed` has all"
        )
    return "; ".join(parts)
