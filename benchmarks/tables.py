"""Tables as plain text and as Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_NUMBER = re.compile(r"-?[\d.,]+%?|-")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells, formatted already.

    Attributes:
        note: What a reader must know to read it.
    """

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Return it in columns."""
        widths = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        rules = ["-" * width for width in widths]
        lines = [
            "  ".join(
                cell.rjust(width) if _is_number(cell) else cell.ljust(width)
                for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in (self.head, rules, *self.rows)
        ]
        return "\n".join((self.title, self.note, "", *lines, ""))

    def markdown(self) -> str:
        """Return it as a section with a table."""
        sides = [
            "---:" if all(_is_number(cell) for cell in column) else "---"
            for column in zip(*self.rows, strict=True)
        ]
        lines = [f"| {' | '.join(row)} |" for row in (self.head, sides, *self.rows)]
        return "\n".join((f"### {self.title}", "", self.note, "", *lines, ""))


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None
