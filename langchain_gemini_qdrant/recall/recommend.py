"""Choose a search setting from a recall measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._display import Displayed, text_html
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.recall._row import codes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qdrant_client import models

    from langchain_gemini_qdrant.recall._row import RecallRow
    from langchain_gemini_qdrant.recall.report import RecallReport

_UNFINISHED = "store.optimize(), which waits until graphs and codes are built; then measure again"
_NOISE = 1.05  # medians that differ by less may change places from run to run
_MOST_OVERSAMPLING = 16
_MOST_QUERIES = 10_000
_LADDER = ("turbo-2bit", "turbo-4bit", "scalar")  # from the smallest codes to the largest
# Bits per component by the settings of a quantization, or by its kind if they do not say
_BITS = {
    "one_bit": 1,
    "one_and_half_bits": 1.5,
    "two_bits": 2,
    "int8": 8,
    "bits1": 1,
    "bits1_5": 1.5,
    "bits2": 2,
    "bits4": 4,
    "bits8": 8,
    "x4": 8,
    "x8": 4,
    "x16": 2,
    "x32": 1,
    "x64": 0.5,
}
_UNSAID_BITS = {"binary": 1, "product": 2, "scalar": 8, "turbo": 4}
_UNTIL_OPTIMIZED = {"two_bits", "one_and_half_bits"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recommendation(Displayed):
    """The result of `recommend`; `print` shows it.

    Attributes:
        recall_at_k: The target, in (0, 1).
        limit: k, the number of hits.
        row: The setting to use, None if none reaches the target.
        best: The setting with the highest recall, even if it does not reach the target.
        advice: Suggested changes, cheapest first; empty if there are none.
    """

    recall_at_k: float
    limit: int
    row: RecallRow | None
    best: RecallRow
    advice: tuple[str, ...]

    @property
    def setting(self) -> str:
        """The setting to use in words, or `none` if none reaches the target."""
        return "none" if self.row is None else self.row.setting

    @property
    def search_params(self) -> models.SearchParams | None:
        """The setting as Qdrant's search parameters, None if none reaches the target."""
        return None if self.row is None else self.row.search_params

    def __str__(self) -> str:
        """Return the setting, or that none reaches the target, and the advice, line by line."""
        if self.row is None:
            first = (
                f"No measured setting reaches the target, a recall@{self.limit} of "
                f"{self.recall_at_k:g}. The best, {self.best.setting}, has {_figures(self.best)}. "
                "Try, the cheapest first:"
            )
        else:
            first = (
                f"Use {self.row.setting}. It has {_figures(self.row)}. The target is a "
                f"recall@{self.limit} of {self.recall_at_k:g}."
            )
        return "\n".join([first, *(f"- {each}" for each in self.advice)])

    def _repr_html_(self) -> str:
        return text_html("Recommendation", str(self))


def recommend(
    report: RecallReport, recall_at_k: float = 0.95, *, limit: int = 10
) -> Recommendation:
    """Return the fastest measured setting whose lower confidence bound reaches the target.

    The fastest setting has the lowest median latency. Among settings within 5 % of it, a
    difference within noise, the one with the highest recall is chosen. Without latencies, the one
    with the fewest candidates to rescore is chosen.

    Args:
        report: A report of `measure_recall`.
        recall_at_k: The target, in (0, 1).
        limit: k, one of the limits in the report.

    Returns:
        The setting, or suggested changes to reach the target.

    Raises:
        ConfigurationError: The target is out of its range, or the limit was not measured.
    """
    if not 0 < recall_at_k < 1:
        raise ConfigurationError(
            f"recall_at_k must be above 0 and below 1, got {recall_at_k}: only "
            "models.SearchParams(exact=True) finds all, and no sample can show this for a "
            "different setting"
        )
    rows = [row for row in report.rows if row.limit == limit]
    if not rows:
        known = sorted({row.limit for row in report.rows})
        raise ConfigurationError(f"limit must be one that was measured, {known}, got {limit}")
    best = max(rows, key=lambda row: (row.low, row.recall))
    holding = [row for row in rows if row.low >= recall_at_k]
    row = _fastest(holding) if holding else None
    advice = _advice(report, rows, best, recall_at_k) if row is None else _remarks(report)
    return Recommendation(
        recall_at_k=recall_at_k, limit=limit, row=row, best=best, advice=tuple(advice)
    )


def _fastest(rows: Sequence[RecallRow]) -> RecallRow:
    times = [row.p50_s for row in rows if row.p50_s is not None]
    if len(times) < len(rows):
        return min(rows, key=lambda row: (row.hnsw_ef or 0, _candidates(row), -row.recall))
    alike = [row for row in rows if (row.p50_s or 0.0) <= min(times) * _NOISE]
    return max(alike, key=lambda row: (row.low, -_candidates(row)))


def _candidates(row: RecallRow) -> float:
    """Return the number of full vectors that a search reads, as a multiple of the limit."""
    return row.oversampling or 1.0 if row.rescore else 0.0


def _figures(row: RecallRow) -> str:
    latency = "" if row.p50_s is None else f" and a median latency of {row.p50_s * 1000:.3g} ms"
    return (
        f"a measured recall@{row.limit} of {row.recall:.3f} (confidence interval "
        f"{row.low:.3f}-{row.high:.3f}){latency}"
    )


def _remarks(report: RecallReport) -> list[str]:
    """Return remarks on conditions that may change the figures of the chosen setting."""
    if report.optimizing:
        return [f"{_UNFINISHED}: recall may change"]
    return []


def _advice(
    report: RecallReport, rows: Sequence[RecallRow], best: RecallRow, target: float
) -> list[str]:
    """Return suggested changes, cheapest first."""
    found = []
    if report.optimizing:
        found.append(_UNFINISHED)
    all_asked = report.query_kind == "stored vectors" and report.queries >= report.points
    if best.recall > target and not all_asked:
        found.append(_more_queries(report, best, target))
    if report.quantization is None:
        found += _graph_advice(report, best)
        if not found:
            found.append("search with models.SearchParams(exact=True), which finds all")
        return found
    rescored = [row.oversampling or 1.0 for row in rows if row.rescore]
    if not rescored:
        found.append("rescore: measure_recall(store, rescore=(True,))")
    elif max(rescored) < _MOST_OVERSAMPLING:
        more = ", ".join(f"{max(rescored) * times:g}" for times in (1.5, 2, 3))
        found.append(
            f"more oversampling than {max(rescored):g}: measure_recall(store, "
            f"oversampling=({more}), rescore=(True,))"
        )
    return found + _graph_advice(report, best) + _codes_advice(report)


def _more_queries(report: RecallReport, best: RecallRow, target: float) -> str:
    """Suggest a number of queries: the interval narrows with its square root."""
    times = ((best.recall - best.low) / (best.recall - target)) ** 2
    wanted = min(math.ceil(report.queries * times * 1.2 / 100) * 100, _MOST_QUERIES)
    way = "more of `queries`"
    if report.query_kind == "stored vectors":
        wanted = min(wanted, report.points)
        way = f"sample_size={wanted}"
    return (
        f"more queries, as the recall itself is above the target and only its interval reaches "
        f"below: measure_recall(store, {way}), about {wanted:,} in total"
    )


def _graph_advice(report: RecallReport, best: RecallRow) -> list[str]:
    if not report.indexed_vectors:
        return []
    reach = max(best.limit * (best.oversampling or 1), best.hnsw_ef or 0)
    beams = ", ".join(str(math.ceil(reach * times)) for times in (2, 4, 8))
    return [f"a wider beam in the graph: measure_recall(store, hnsw_ef=({beams}))"]


def _codes_advice(report: RecallReport) -> list[str]:
    """Suggest better use of the codes: 8-bit queries, `optimize`, or larger codes."""
    quantization = report.quantization or {}
    [(kind, settings)] = quantization.items()
    found = []
    encoding = settings.get("encoding")
    if kind == "binary" and settings.get("query_encoding") != "scalar8bits":
        config = {"binary": {**settings, "query_encoding": "scalar8bits"}}
        found.append(f"queries of 8 bits over the same codes: store.set_quantization({config})")
    if encoding in _UNTIL_OPTIMIZED and report.engine == "edge" and not report.indexed_vectors:
        found.append(
            f"client.optimize({report.collection!r}): until then codes of {encoding} rank like "
            "those of one bit"
        )
    bits = next((_BITS[each] for each in settings.values() if each in _BITS), _UNSAID_BITS[kind])
    larger = [name for name in _LADDER if QUANTIZATION_PRESETS[name].bits > bits]
    if larger:
        found.append(
            f"codes of more bits than {codes_text(quantization)}: "
            f"store.set_quantization({larger[0]!r}); compare_quantizations(store) shows the recall "
            "of each first"
        )
    return found
