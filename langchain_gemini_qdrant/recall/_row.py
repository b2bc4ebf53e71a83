"""Recall and latency of one setting, and its text forms. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from qdrant_client import models

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

QueryKind: TypeAlias = Literal["texts", "vectors", "stored vectors"]
"""Texts embedded as queries, vectors of the caller, or a sample of the stored vectors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallRow(Displayed):
    """Result of one search setting at one limit.

    Attributes:
        limit: Number of hits requested, k.
        oversampling: Number of candidates chosen by their codes, as a multiple of `limit`; None
            without quantization.
        rescore: Whether candidates are ranked again by their full vectors; None without
            quantization.
        hnsw_ef: Qdrant's `hnsw_ef` for searches in the graph; None for the collection's value.
        recall: Share of the exact top `limit` that was found, in [0, 1], mean over the queries.
        low: Lower end of the confidence interval of `recall`.
        high: Upper end of that interval.
        p50_s: Median seconds of a search, None if it was not measured.
        p95_s: 95th percentile of the seconds, None if it was not measured.
    """

    limit: int
    oversampling: float | None
    rescore: bool | None
    hnsw_ef: int | None
    recall: float
    low: float
    high: float
    p50_s: float | None
    p95_s: float | None

    @property
    def search_params(self) -> models.SearchParams:
        """This setting as search parameters of Qdrant."""
        return search_params(self.oversampling, rescore=self.rescore, hnsw_ef=self.hnsw_ef)

    @property
    def setting(self) -> str:
        """This setting in words."""
        parts = [] if self.hnsw_ef is None else [f"hnsw_ef {self.hnsw_ef}"]
        if self.oversampling is not None:
            parts.append(f"oversampling {self.oversampling:g}")
        if self.rescore is not None:
            parts.append(f"rescore {on_off(value=self.rescore)}")
        return ", ".join(parts) or "the collection's own settings"


def search_params(
    oversampling: float | None, *, rescore: bool | None, hnsw_ef: int | None
) -> models.SearchParams:
    """Return a setting as search parameters of Qdrant; values of None are not set."""
    quantized = {"oversampling": oversampling, "rescore": rescore}
    given = {name: value for name, value in quantized.items() if value is not None}
    params: dict[str, Any] = {} if hnsw_ef is None else {"hnsw_ef": hnsw_ef}
    if given:
        params["quantization"] = models.QuantizationSearchParams(**given)
    return models.SearchParams(**params)


def codes_text(quantization: Mapping[str, Any]) -> str:
    """Return a quantization, in Qdrant's JSON, in words: `binary codes, one_bit`."""
    [(kind, settings)] = quantization.items()
    kept = {key: value for key, value in settings.items() if key not in {"always_ram", "memory"}}
    if kind == "binary":
        kept.setdefault("encoding", "one_bit")
    details = [
        str(value) if key in {"bits", "compression", "encoding", "type"} else f"{key} {value}"
        for key, value in sorted(kept.items())
    ]
    return " ".join([f"{kind} codes", f"({', '.join(details)})"] if details else [f"{kind} codes"])


def query_text(queries: int, kind: QueryKind) -> str:
    """Return the number and kind of the queries in words."""
    if kind == "texts":
        return f"{counted(queries, 'text')} embedded as queries"
    if kind == "vectors":
        return f"{counted(queries, 'vector')} given"
    return f"{counted(queries, 'stored vector')}, each without its own point"


def interval_text(row: RecallRow) -> str:
    """Return the ends of the confidence interval, `.931-.962`."""
    return f"{_share(row.low)}-{_share(row.high)}"


def latency_text(row: RecallRow) -> str:
    """Return p50 and p95 in milliseconds, `0.84/1.06`."""
    if row.p50_s is None or row.p95_s is None:
        return ""
    return f"{milliseconds(row.p50_s)}/{milliseconds(row.p95_s)}"


def milliseconds(seconds: float) -> str:
    """Return seconds as milliseconds, in four characters if possible."""
    value = seconds * 1000
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"  # noqa: PLR2004


def on_off(*, value: bool) -> str:
    """Return a switch as a word."""
    return "on" if value else "off"


def _share(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 0.9995 else "1.00"  # noqa: PLR2004
