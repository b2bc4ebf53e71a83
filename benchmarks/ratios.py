"""The ratios in docs/benchmarks.md, read from its tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from page import DOCS
from tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MEASURED = re.compile(r"\d{4}-\d{2}-\d{2}: ")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A table of the page, and the line above it that says when it was measured and on what."""

    measured: str
    table: Table


# Of each table, the columns that say what was measured, and those that compare.
COLUMNS = {
    "Beside langchain-google-genai": (
        *("texts", "size", "latency, ms", "times faster, google-genai", "times faster, grpc"),
    ),
    "Under a quota": ("client", "texts embedded", "time", "quota used", "requests refused"),
    "Documents in, beside langchain-qdrant": (
        *("ours into", "theirs into", "size", "latency, ms"),
        *("times faster, google-genai", "times faster, grpc"),
    ),
    "Times faster than local mode": (
        *("points", "size", "engine", "k=10 p50", "k=100 p50", "reopen"),
    ),
    "Calls of a search": ("search", "ours", "theirs"),
}


def ratios() -> tuple[list[Found], list[str]]:
    """Return the tables of ratios, and the titles of those that the page does not have yet."""
    found = {each.table.title: each for each in _tables(_lines())}
    present = [_narrowed(found[title], names) for title, names in COLUMNS.items() if title in found]
    return present, [title for title in COLUMNS if title not in found]


def _lines() -> list[str]:
    return (DOCS / "benchmarks.md").read_text(encoding="utf-8").splitlines()


def _tables(lines: Sequence[str]) -> Iterator[Found]:
    """Find each table below a heading: what `Table.markdown` wrote."""
    measured = title = note = ""
    rows: list[list[str]] = []
    for line in [*lines, ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            if title and measured:
                head, _, *body = rows
                yield Found(
                    measured=measured, table=Table(title=title, note=note, head=head, rows=body)
                )
            rows, title = [], ""
        elif line.startswith("#"):
            title, note = line.lstrip("# "), ""
        elif _MEASURED.match(line):
            measured = line
        elif line and not note:
            note = line


def _narrowed(found: Found, names: Sequence[str]) -> Found:
    table = found.table
    places = [table.head.index(name) for name in names]
    narrow = Table(
        title=table.title,
        note=table.note,
        head=names,
        rows=[[row[place] for place in places] for row in table.rows],
    )
    return Found(measured=found.measured, table=narrow)
