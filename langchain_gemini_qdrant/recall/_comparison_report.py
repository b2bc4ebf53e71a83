"""The report of a comparison of quantizations: tables, JSON, a DataFrame and a plot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._display import Displayed, table_html
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall import _tables
from langchain_gemini_qdrant.recall._plot import Line, draw
from langchain_gemini_qdrant.recall._row import (
    RecallRow,
    interval_text,
    latency_text,
    query_text,
)
from langchain_gemini_qdrant.recall.report import dataframe

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import Group

    from langchain_gemini_qdrant.recall._row import QueryKind


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparisonRow(Displayed):
    """Result of one quantization with one search setting at one limit.

    Attributes:
        quantization: Name of a preset, a custom setting in words, or `none`.
        bits: Bits per component of the preset; None for a custom setting.
        bytes_per_vector: Measured bytes of a code, or of a full vector.
        figures: Limit, search setting, recall and latency.
    """

    quantization: str
    bits: float | None
    bytes_per_vector: float
    figures: RecallRow


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizationComparison(Displayed):
    """Recall, latency and size of quantizations on one sample; `print` shows them as a table.

    Attributes:
        collection: Name of the sampled collection, None for vectors of the caller.
        points: Number of points in the sample.
        vector_size: Components of a vector.
        queries: Number of queries.
        query_kind: Kind of the queries.
        latency_queries: Searches timed for each row.
        confidence: Confidence level of the intervals, in (0, 1).
        measured_at: Time of the measurement: ISO 8601, UTC.
        rows: Results, ordered by quantization, limit and oversampling.
    """

    collection: str | None
    points: int
    vector_size: int
    queries: int
    query_kind: QueryKind
    latency_queries: int
    confidence: float
    measured_at: str
    rows: tuple[ComparisonRow, ...]

    def describe(self) -> list[str]:
        """Return lines that describe what was measured, and how."""
        source = "vectors" if self.collection is None else f"vectors of {self.collection!r}"
        return [
            f"{self.points:,} {source}, size {self.vector_size:,}, in one flat segment each",
            f"against exact search by {query_text(self.queries, self.query_kind)}",
            "a larger collection has a lower recall than its sample",
            f"at {self.measured_at}",
        ]

    def __str__(self) -> str:
        """Return a plain table."""
        header, rows = self._flat()
        return "\n".join(self.describe()) + "\n\n" + _tables.plain([header, *rows])

    def to_markdown(self) -> str:
        """Return the table of `print` as Markdown."""
        lines = "\n".join(f"- {line}" for line in self.describe())
        return f"{lines}\n\n{_tables.markdown(*self._flat())}\n"

    def __rich__(self) -> Group:
        """Return a table for rich; each limit has a cell with recall, its interval and latency."""
        return _tables.rich(self.describe(), *self._table())

    def _repr_html_(self) -> str:
        return table_html("Quantizations", self.describe(), *self._table())

    def _table(self) -> _tables.Cells:
        """Return header, rows and caption of one table."""
        header = [*_COLUMNS, *(f"recall@{limit}" for limit in self._limits())]
        rows: list[Sequence[Sequence[str]]] = []
        for rows_of_line in self._lines():
            figures = [row.figures for row in rows_of_line]
            cells: list[Sequence[str]] = [(cell,) for cell in _leading(rows_of_line[0])]
            cells += [
                (f"{each.recall:.3f}", interval_text(each), latency_text(each)) for each in figures
            ]
            rows.append(cells)
        caption = f"below recall: {self.confidence:.0%} confidence interval; latency p50/p95, ms"
        return header, rows, caption

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the whole comparison as JSON, for `from_json`."""
        return json.dumps(asdict(self), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> QuantizationComparison:
        """Return the comparison from the JSON of `to_json`.

        Raises:
            ConfigurationError: The text is not JSON of this form.
        """
        try:
            found = json.loads(text)
            rows = tuple(
                ComparisonRow(**{**row, "figures": RecallRow(**row["figures"])})
                for row in found.pop("rows")
            )
            return cls(**found, rows=rows)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the JSON of a QuantizationComparison has "
                f"{[field.name for field in fields(cls)]}: {error}"
            ) from error

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame, with one column for each attribute of `figures`.

        Raises:
            ConfigurationError: pandas is missing.
        """
        records: list[dict[str, Any]] = []
        for row in self.rows:
            record = asdict(row)
            figures = record.pop("figures")
            records.append({**record, **figures})
        return dataframe(records)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw recall against latency: a panel for each limit, a line for each quantization.

        The legend has the measured bytes of a vector.

        Args:
            path: File to write. Its ending names the format, such as `.svg`; `.png` is added if it
                has none.

        Raises:
            ConfigurationError: matplotlib or the folder is missing, or matplotlib has no format of
                that ending. Nothing is drawn.
        """
        names = {row.quantization: row.bytes_per_vector for row in self.rows}
        panels = []
        for limit in self._limits():
            lines = [
                Line(
                    label=f"{name}, {size:,.0f} bytes",
                    color=color,
                    rows=[
                        row.figures
                        for row in self.rows
                        if (row.quantization, row.figures.limit) == (name, limit)
                    ],
                )
                for color, (name, size) in enumerate(names.items())
            ]
            panels.append((f"limit {limit}", lines))
        return draw(panels, "\n".join(self.describe()[:2]), path)

    def _limits(self) -> list[int]:
        return list(dict.fromkeys(row.figures.limit for row in self.rows))

    def _lines(self) -> list[list[ComparisonRow]]:
        """Return the rows in groups that differ only in their limit."""
        lines: dict[tuple[str, float | None], list[ComparisonRow]] = {}
        for row in self.rows:
            lines.setdefault((row.quantization, row.figures.oversampling), []).append(row)
        return list(lines.values())

    def _flat(self) -> tuple[list[str], list[list[str]]]:
        header = list(_COLUMNS)
        for limit in self._limits():
            header += [f"recall@{limit}", f"{self.confidence:.0%} CI"]
            header += ["p50/p95 ms"] if self.latency_queries else []
        body = []
        for line in self._lines():
            cells = _leading(line[0])
            for row in line:
                cells += [f"{row.figures.recall:.3f}", interval_text(row.figures)]
                cells += [latency_text(row.figures)] if self.latency_queries else []
            body.append(cells)
        return header, body


_COLUMNS = ("quantization", "bits", "bytes", "oversampling")


def _leading(row: ComparisonRow) -> list[str]:
    oversampling = row.figures.oversampling
    return [
        row.quantization,
        "" if row.bits is None else f"{row.bits:g}",
        f"{row.bytes_per_vector:,.0f}",
        "" if oversampling is None else f"{oversampling:g}",
    ]
