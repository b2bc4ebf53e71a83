"""`gemini-qdrant show`: stored passages."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from langchain_gemini_qdrant.cli.chosen import Chosen
from langchain_gemini_qdrant.cli.excerpts import in_order, printable
from langchain_gemini_qdrant.cli.hits import PassageView, print_json, print_passage
from langchain_gemini_qdrant.cli.opening import open_documents
from langchain_gemini_qdrant.cli.options import choosing_options, layout_options, store_options
from langchain_gemini_qdrant.cli.sources import nothing_found


@click.command()
@store_options
@choosing_options
@layout_options
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Passages at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each passage.")
@click.pass_context
def show(  # noqa: PLR0917 - one argument for each option
    context: click.Context,
    /,
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    conditions: dict[str, Any] | None,
    limit: int,
    as_json: bool,
    **place: Any,
) -> None:
    """Show stored passages, with --source in the order of pages, rows and lines.

    The exit status is 1 if --source, --id and --filter match nothing. Without --path and --url the
    folder is ./gemini-qdrant-index.
    """
    store = open_documents(**place)
    chosen = Chosen.of(sources, ids, conditions)
    count = chosen.count(store)
    found = chosen.documents(store)
    # To sort them, all must be read: those of a source are, those of a whole collection are not.
    shown = in_order([*found])[:limit] if sources else islice(found, limit)
    for document in shown:
        if as_json:
            print_json(document)
        else:
            print_passage(PassageView(f"{document.id} ", document, document.page_content))
    if not count and not (sources or conditions):
        click.echo("No passage found.", err=True)
    elif not count:
        click.echo(printable(nothing_found(store, sources, place)), err=True)
    elif count > limit:
        click.echo(f"{count - limit:,} more: --limit {count} shows all.", err=True)
    if not count and (sources or ids or conditions):
        context.exit(1)
