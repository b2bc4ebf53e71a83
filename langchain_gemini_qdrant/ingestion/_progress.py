"""Counters of an ingest run, and the progress and report made from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._eta import EtaEstimator
from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.embeddings._response import NoVectorError
from langchain_gemini_qdrant.embeddings._usage import EmbeddingUsage
from langchain_gemini_qdrant.embeddings._wrappers import gemini_of
from langchain_gemini_qdrant.embeddings.models import find_model
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    RequestRejectedError,
)
from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from langchain_gemini_qdrant.embeddings._waiting import Waiting
    from langchain_gemini_qdrant.vectorstores._collection import Collection

_REFUSALS = (ConfigurationError, InvalidInputError, NoVectorError, RequestRejectedError)


@dataclass(kw_only=True, slots=True)
class Counters:
    """Counters of a run so far, in documents.

    Attributes:
        embedded: Documents whose vectors have arrived.
        reused: Documents stored with vectors that were known before.
        failed: Reasons of failures, by the caller's ids.
        failed_sources: Sources of the failed documents.
        causes: The exceptions behind the first reasons, by reason.
        error: The error that ended the run early.
        usage: Returns the amounts sent so far.
        waiting: Returns the reason of a long wait of requests.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    deleted: int = 0
    embedded: int = 0
    reused: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    failed_sources: set[object] = field(default_factory=set)
    causes: dict[str, Exception] = field(default_factory=dict)
    error: Exception | None = None
    usage: Callable[[], EmbeddingUsage] = EmbeddingUsage
    waiting: Callable[[], Waiting | None] = lambda: None


class RunStats:
    """The counters of a run, pass by pass; most runs have one.

    Args:
        collection: The target collection.
        on_progress: Called with the progress; None for no calls.

    Attributes:
        in_callback: True while `on_progress` runs: exceptions raised then are the callback's.
    """

    def __init__(
        self, collection: Collection, on_progress: Callable[[IngestProgress], None] | None
    ) -> None:
        self.in_callback = False
        self._clock = collection.clock
        gemini = gemini_of(collection.layout.embedding)
        self._model = None if gemini is None else find_model(gemini.model)
        self._on_progress = on_progress
        self._all_counters: list[Counters] = []
        self._began = self._clock.now()

    @property
    def passes(self) -> int:
        """Number of passes."""
        return len(self._all_counters)

    @property
    def reused(self) -> int:
        """Number of documents stored with vectors that were known before."""
        return sum(counters.reused for counters in self._all_counters)

    def begin(self, total: int | None) -> Counters:
        """Begin a pass over `total` documents, None if the number is not known."""
        self._total = total
        self._eta = EtaEstimator()
        self._pass_began = self._clock.now()
        self._all_counters.append(Counters())
        return self._all_counters[-1]

    @property
    def listener(self) -> Callable[[], None] | None:
        """`notify`, None without a callback."""
        return None if self._on_progress is None else self.notify

    def notify(self) -> None:
        """Report the progress of this pass; a callback that raised is not called again."""
        if self._on_progress is None or self.in_callback:
            return
        counters = self._all_counters[-1]
        waiting = counters.waiting()
        progress = IngestProgress(
            total=self._total,
            read=counters.read,
            skipped=counters.skipped,
            embedded=counters.embedded,
            stored=counters.added + counters.updated,
            failed=len(counters.failed),
            deleted=counters.deleted,
            waiting=waiting,
            **self._cost(),
        )
        seconds = self._clock.now() - self._pass_began
        wait = 0.0 if waiting is None else waiting.seconds
        left = self._eta.remaining(seconds, progress.done, self._total, wait=wait)
        self.in_callback = True
        self._on_progress(replace(progress, remaining_seconds=left))
        self.in_callback = False

    def report(self) -> IngestReport:
        """Return the sum of the passes; documents skipped by the first one were stored before."""
        last = self._all_counters[-1]
        added = updated = deleted = 0
        for counters in self._all_counters:
            added += counters.added
            updated += counters.updated
            deleted += counters.deleted
        return IngestReport(
            added=added,
            updated=updated,
            deleted=deleted,
            skipped=self._all_counters[0].skipped,
            failed=last.failed,
            stopped=None if last.error is None else reason(last.error),
            causes=last.causes,
            **self._cost(),
        )

    def _cost(self) -> dict[str, Any]:
        usage = EmbeddingUsage()
        for counters in self._all_counters:
            usage += counters.usage()
        return {
            "requests": usage.requests,
            "texts": usage.texts,
            "tokens": usage.tokens,
            "estimated_tokens": usage.estimated_tokens,
            "usd": usage.usd,
            "tokens_by_modality": usage.tokens_by_modality,
            "usd_by_modality": self._prices(usage.tokens_by_modality),
            "seconds": self._clock.now() - self._began,
        }

    def _prices(self, tokens: Mapping[str, int]) -> dict[str, float]:
        prices = (
            {} if self._model is None else {m: self._model.usd({m: n}) for m, n in tokens.items()}
        )
        return {modality: usd for modality, usd in prices.items() if usd is not None}


def shortfall(report: IngestReport) -> str:
    """Return a text that names the documents not known to be stored, and the reason."""
    parts = []
    if report.stopped is not None:
        parts.append(f"the run ended early: {report.stopped.removesuffix('.')}")
    if report.failed:
        first, why = next(iter(report.failed.items()))
        is_told = report.stopped is not None and why.endswith(report.stopped)
        example = "" if is_told else f", the first is {first!r}: {why}"
        parts.append(
            f"{counted(len(report.failed), 'document')} failed{example}; `report.failed` has all"
        )
    return "; ".join(parts)


def can_resume(report: IngestReport, cause: BaseException | None) -> bool:
    """Return whether the same run may store more: not if only refused documents are missing.

    Args:
        report: The report of a run that is not complete.
        cause: The error that ended it early, if there is one.
    """
    if report.stopped is not None:
        return not isinstance(cause, ConfigurationError | InvalidInputError)
    return any(map(_may_pass, {report.causes.get(why) for why in report.failed.values()}))


def _may_pass(error: Exception | None) -> bool:
    failure = None if error is None else read_failure(error)
    if failure is not None:
        return failure.may_pass
    return error is not None and not isinstance(error, _REFUSALS)


def first_cause(counters: Counters) -> Exception | None:
    """Return the error that ended a run early, otherwise that of the first failed document."""
    return counters.error or next(iter(counters.causes.values()), None)
