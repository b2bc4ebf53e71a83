"""Tables of text: plain, Markdown and rich. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group
    from rich.text import Text

    Cells: TypeAlias = tuple[Sequence[str], Sequence[Sequence[Sequence[str]]], str]
    """Header, rows of cells with one or more lines, and caption of a table."""


def plain(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns: the first one aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if position else cell.ljust(width)
            for position, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; all columns except the first are aligned to the right."""
    rule = [":--", *("--:" for _ in header[1:])]
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in (header, rule, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def rich(
    title: Sequence[str],
    header: Sequence[str],
    rows: Sequence[Sequence[Sequence[str]]],
    caption: str,
) -> Group:
    """Return a table for rich, with lines above and below it.

    Args:
        title: Lines above it.
        header: A title for each column.
        rows: Rows of cells; a cell is a list of lines, the first one bold, the others dim.
        caption: Text below the table; none if it is empty.
    """
    from rich import box  # noqa: PLC0415 - only what has rich asks for this
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(
        box=box.SIMPLE,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_lines=any(len(lines) > 1 for row in rows for lines in row),
    )
    for position, name in enumerate(header):
        # Text and not markup: names of collections may have square brackets.
        table.add_column(Text(name), justify="right" if position else "left", no_wrap=True)
    for first, *others in rows:
        table.add_row(Text(first[0]), *map(_cell, others))
    # Printed outside the table, which would wrap them at its width.
    below = [Text(caption, style="dim")] if caption else []
    return Group(Text("\n".join(title)), table, *below)


def _cell(lines: Sequence[str]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    first, *others = lines
    cell = Text(first, style="bold")
    for line in others:
        cell.append(f"\n{line}", style="not bold dim")
    return cell
