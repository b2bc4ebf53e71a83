"""`gemini-qdrant list`: the collections of a folder or a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from langchain_gemini_qdrant.cli.connecting import connected, names
from langchain_gemini_qdrant.cli.excerpts import escaped, printable
from langchain_gemini_qdrant.cli.opening import until_the_end
from langchain_gemini_qdrant.cli.options import engine_options
from langchain_gemini_qdrant.cli.progress import console
from langchain_gemini_qdrant.cli.tables import facts_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_COLUMNS = ("collection", "points", "model", "size", "quantization", "on disk")
_WIDE = 80  # columns of a terminal that has room for all of them
_NUMBERS = frozenset({"points", "size", "on disk"})


@click.command("list")
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each collection.")
def list_collections(
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    as_json: bool,
) -> None:
    """List collections: points, model, vector size, quantization, bytes on disk.

    A model is shown if the collection remembers it, bytes if the collection is in a folder. If the
    output is not a terminal, each collection is one line with tabs between. Without --path and
    --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for the engines.
    from langchain_gemini_qdrant.cli.described import described  # noqa: PLC0415

    connection = until_the_end(connected(path, url, qdrant_api_key))
    found = [described(connection, name) for name in names(connection)]
    if as_json:
        for facts in found:
            click.echo(escaped(json.dumps(facts, ensure_ascii=False)))
        return
    if not found:
        click.echo("There are no collections.", err=True)
    if console.is_terminal:
        _print_tables(found)
        return
    for facts in found:
        disk = facts["disk_bytes"]
        click.echo("\t".join([*_cells(facts), "?" if disk is None else f"{disk}"]))


def _print_tables(found: Sequence[Mapping[str, Any]]) -> None:
    """Print one table, or one for each collection where the terminal is too narrow for it."""
    rows = [
        [*_cells(facts), "?" if (disk := facts["disk_bytes"]) is None else decimal(disk)]
        for facts in found
    ]
    if console.width >= _WIDE:
        console.print(_table(rows))
        return
    for row in rows:
        console.print(facts_table(dict(zip(_COLUMNS, row, strict=True))))


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    for column in _COLUMNS:
        table.add_column(
            column,
            justify="right" if column in _NUMBERS else "left",
            no_wrap=column != "collection",
            overflow="fold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _cells(facts: Mapping[str, Any]) -> list[str]:
    """Return all cells but the last one."""
    vectors = facts["vectors"]
    cells = [
        ", ".join([facts["name"], *(f"{alias} (alias)" for alias in facts["aliases"])]),
        f"{facts['points']}",
        *(
            ", ".join(dict.fromkeys(str(each[key] or "?") for each in vectors))
            for key in ("model", "size", "quantization")
        ),
    ]
    return [printable(cell) for cell in cells]
