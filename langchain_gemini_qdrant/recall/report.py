"""The report of a recall measurement: tables, JSON, a DataFrame and a plot."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant._display import Displayed, table_html
from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall import _tables
from langchain_gemini_qdrant.recall._plot import Line, draw
from langchain_gemini_qdrant.recall._row import (
    RecallRow,
    codes_text,
    interval_text,
    latency_text,
    on_off,
    query_text,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import Group

    from langchain_gemini_qdrant.recall._row import QueryKind
    from langchain_gemini_qdrant.vectorstores._connection import EngineKind
    from langchain_gemini_qdrant.vectorstores._optimize import CollectionStatus

_PAGE_COLUMNS = 6  # as on Qdrant's page: https://qdrant.tech/documentation/embeddings/gemini/


@dataclass(frozen=True, kw_only=True, slots=True)
class RecallReport(Displayed):
    """Report of `measure_recall`: recall against exact search, and latency, by limit and setting.

    `print` shows it as a table, `rich.print` in color; other forms have methods.

    Attributes:
        collection: Name of the collection.
        engine: Kind of engine.
        points: Number of stored points.
        vector_size: Components of a vector.
        quantization: The collection's quantization in Qdrant's JSON; None for full vectors.
        segments: Number of segments. Recall rises with it, because each segment rescores its own
            candidates. An empty segment for new points counts. None if the engine does not
            report it.
        indexed_vectors: Vectors in the graph, as the engine counts them, over all vector names; 0
            if the collection has no graph (`m=0`).
        status: The collection's status in Qdrant: `"green"` when all graphs and codes are built.
        queries: Number of queries.
        query_kind: Kind of the queries. Stored vectors were searched without their own point.
        latency_queries: Searches timed for each row.
        filtered: Whether a filter narrowed the searches.
        confidence: Confidence level of the intervals, in (0, 1).
        measured_at: Time of the measurement: ISO 8601, UTC.
        rows: Results, ordered by limit, `hnsw_ef`, oversampling and rescore.
    """

    collection: str
    engine: EngineKind
    points: int
    vector_size: int
    quantization: dict[str, Any] | None
    segments: int | None
    indexed_vectors: int | None
    status: CollectionStatus
    queries: int
    query_kind: QueryKind
    latency_queries: int
    filtered: bool
    confidence: float
    measured_at: str
    rows: tuple[RecallRow, ...]

    @property
    def optimizing(self) -> bool:
        """Whether graphs or codes were not all built; then figures may change."""
        return self.status != "green"

    @property
    def index_built(self) -> bool:
        """Whether the graph has all points; without it, a search scans the codes."""
        return bool(self.indexed_vectors) and (self.indexed_vectors or 0) >= self.points

    def row(
        self,
        *,
        limit: int,
        oversampling: float | None = None,
        rescore: bool | None = None,
        hnsw_ef: int | None = None,
    ) -> RecallRow:
        """Return the row of a setting.

        Raises:
            KeyError: It was not measured.
        """
        wanted = (limit, oversampling, rescore, hnsw_ef)
        for row in self.rows:
            if (row.limit, row.oversampling, row.rescore, row.hnsw_ef) == wanted:
                return row
        raise KeyError(f"limit, oversampling, rescore, hnsw_ef {wanted} were not measured")

    # Tables

    def describe(self) -> list[str]:
        """Return lines that describe what was measured, and how."""
        stored = "full vectors" if self.quantization is None else codes_text(self.quantization)
        segments = "" if self.segments is None else f"{counted(self.segments, 'segment')}, "
        graph = (
            "index built"
            if self.index_built
            else f"{self.indexed_vectors:,} vectors in the index"
            if self.indexed_vectors
            else "no index"
        )
        points = counted(self.points, "point")
        where = f"{self.collection!r} ({self.engine}): {points} of size {self.vector_size:,}"
        how = query_text(self.queries, self.query_kind) + (", filtered" if self.filtered else "")
        lines = [
            f"{where}, {stored}, {segments}{graph}",
            f"against exact search by {how}",
            f"at {self.measured_at}",
        ]
        if self.optimizing:
            lines.append(
                f"not all graphs and codes were built (status {self.status}): measure again after "
                "store.optimize()"
            )
        if self.engine == "local":
            lines.append("qdrant-client's local mode ignores quantization and has no index")
        return lines

    def __str__(self) -> str:
        """Return plain tables: recall, its interval, and latency where it was measured."""
        parts = ["\n".join(self.describe())]
        if self._is_wide:
            parts.append(_tables.plain(self._list()))
            return "\n\n".join(parts)
        head, _ = self._grid(_recall)
        for title, cell in self._quantities():
            parts.append(f"{title}\n" + _tables.plain([*head, *self._grid(cell)[1]]))
        return "\n\n".join(parts)

    def to_markdown(self) -> str:
        """Return the tables of `print` as Markdown, laid out as Qdrant's page for Gemini."""
        parts = ["\n".join(f"- {line}" for line in self.describe())]
        if self._is_wide:
            header, *rows = self._list()
            return f"{parts[0]}\n\n{_tables.markdown(header, rows)}\n"
        for title, cell in self._quantities():
            head, body = self._grid(cell)
            parts.append(f"**{title}**\n\n" + _tables.markdown(head[0], [*head[1:], *body]))
        return "\n\n".join(parts) + "\n"

    def __rich__(self) -> Group:
        """Return one table for rich: recall, its interval and latency in each cell."""
        return _tables.rich(self.describe(), *self._table())

    def _repr_html_(self) -> str:
        return table_html("Recall", self.describe(), *self._table())

    def _table(self) -> _tables.Cells:
        """Return header, rows and caption of one table."""
        if self._is_wide:
            names, *lines = self._list()
            return names, [[(cell,) for cell in line] for line in lines], ""
        quantities = self._quantities()
        head, _ = self._grid(_recall)
        bodies = [self._grid(cell)[1] for _, cell in quantities]
        header = ["\n".join(cells) for cells in zip(*head, strict=True)]
        rows: list[Sequence[Sequence[str]]] = []
        for first, *others in zip(*bodies, strict=True):
            setting, *cells = zip(first, *others, strict=True)
            rows.append([setting[:1], *cells])
        return header, rows, "in each cell: " + "; ".join(title for title, _ in quantities)

    def _quantities(self) -> list[tuple[str, Callable[[RecallRow], str]]]:
        found: list[tuple[str, Callable[[RecallRow], str]]] = [
            ("recall@limit", _recall),
            (f"{self.confidence:.0%} interval", interval_text),
        ]
        if self.latency_queries:
            found.append(("latency p50/p95, ms", latency_text))
        return found

    @property
    def _is_wide(self) -> bool:
        """Whether settings side by side would not fit into a terminal's 80 columns."""
        return len({(row.oversampling, row.rescore) for row in self.rows}) > _PAGE_COLUMNS

    def _list(self) -> list[list[str]]:
        """Return a header and one line for each row of the report, for many settings."""
        columns: dict[str, Callable[[RecallRow], str]] = {"limit": lambda row: f"{row.limit}"}
        if any(row.hnsw_ef is not None for row in self.rows):
            columns["ef"] = lambda row: "" if row.hnsw_ef is None else f"{row.hnsw_ef}"
        columns |= {
            "oversampling": lambda row: f"{row.oversampling or 1:g}",
            "rescore": lambda row: on_off(value=bool(row.rescore)),
            "recall": _recall,
            f"{self.confidence:.0%} interval": interval_text,
        }
        if self.latency_queries:
            columns["p50/p95, ms"] = latency_text
        return [list(columns), *([cell(row) for cell in columns.values()] for row in self.rows)]

    def _grid(
        self, cell: Callable[[RecallRow], str]
    ) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
        """Return head and body: limits in rows, oversampling and rescore in columns."""
        columns = list(dict.fromkeys((row.oversampling, row.rescore) for row in self.rows))
        lines = list(dict.fromkeys((row.limit, row.hnsw_ef) for row in self.rows))
        cells = {
            (row.limit, row.hnsw_ef, row.oversampling, row.rescore): cell(row) for row in self.rows
        }
        head: list[Sequence[str]]
        if columns == [(None, None)]:
            head = [("limit", "full vectors")]
        else:
            head = [
                ("oversampling", *(f"{each:g}" for each, _ in columns if each is not None)),
                ("rescore", *(on_off(value=bool(each)) for _, each in columns)),
            ]
        body = [
            (
                f"limit {limit}" + ("" if ef is None else f", ef {ef}"),
                *(cells.get((limit, ef, *column), "") for column in columns),
            )
            for limit, ef in lines
        ]
        return head, list(body)

    # Data

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the whole report as JSON, for `from_json`."""
        return json.dumps(asdict(self), indent=indent)

    @classmethod
    def from_json(cls, text: str) -> RecallReport:
        """Return the report from the JSON of `to_json`.

        Raises:
            ConfigurationError: The text is not JSON of this form.
        """
        try:
            found = json.loads(text)
            rows = tuple(RecallRow(**row) for row in found.pop("rows"))
            return cls(**found, rows=rows)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"the JSON of a RecallReport has {[field.name for field in fields(cls)]}, and "
                f"rows with {[field.name for field in fields(RecallRow)]}: {error}"
            ) from error

    def to_dataframe(self) -> pd.DataFrame:
        """Return the rows as a pandas DataFrame, one column for each attribute of `RecallRow`.

        Raises:
            ConfigurationError: pandas is missing.
        """
        return dataframe([asdict(row) for row in self.rows])

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draw recall against latency: one line for each limit, one point for each setting.

        Without latencies, the x axis shows the oversampling.

        Args:
            path: File to write. Its ending names the format, such as `.svg`; `.png` is added if it
                has none.

        Raises:
            ConfigurationError: matplotlib or the folder is missing, or matplotlib has no format of
                that ending. Nothing is drawn.
        """
        groups = list(dict.fromkeys((row.limit, row.hnsw_ef) for row in self.rows))
        lines = []
        for color, (limit, hnsw_ef) in enumerate(groups):
            name = f"limit {limit}" + ("" if hnsw_ef is None else f", ef {hnsw_ef}")
            for rescore in (True, None, False):
                rows = [
                    row
                    for row in self.rows
                    if (row.limit, row.hnsw_ef, row.rescore) == (limit, hnsw_ef, rescore)
                ]
                if rows:
                    ending = ", no rescoring" if rescore is False else ""
                    lines.append(
                        Line(label=name + ending, color=color, rows=rows, hollow=rescore is False)
                    )
        return draw([("", lines)], "\n".join(self.describe()[:2]), path)


def dataframe(records: list[dict[str, Any]]) -> pd.DataFrame:
    """Return records as a DataFrame.

    Raises:
        ConfigurationError: pandas is missing.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            "a DataFrame needs pandas: pip install 'langchain-gemini-qdrant[dataframe]'"
        ) from error
    return pd.DataFrame.from_records(records)


def _recall(row: RecallRow) -> str:
    return f"{row.recall:.3f}"
