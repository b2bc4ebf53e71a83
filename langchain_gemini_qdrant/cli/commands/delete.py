"""`gemini-qdrant delete`: stored passages, or a whole collection."""

from __future__ import annotations

import sys
from typing import Any

import click

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.cli.chosen import Chosen
from langchain_gemini_qdrant.cli.connecting import aliases, retrying
from langchain_gemini_qdrant.cli.excerpts import printable
from langchain_gemini_qdrant.cli.opening import open_documents
from langchain_gemini_qdrant.cli.options import choosing_options, layout_options, store_options
from langchain_gemini_qdrant.cli.progress import counted
from langchain_gemini_qdrant.cli.sources import nothing_found
from langchain_gemini_qdrant.errors import ConfigurationError


@click.command()
@store_options
@choosing_options
@layout_options
@click.option(
    "--all", "whole", is_flag=True, help="Delete the whole collection, which --collection names."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete(  # noqa: PLR0917 - one argument for each option
    context: click.Context,
    /,
    sources: tuple[str, ...],
    ids: tuple[str, ...],
    conditions: dict[str, Any] | None,
    whole: bool,
    yes: bool,
    **place: Any,
) -> None:
    """Delete passages by source, id or filter, or a whole collection.

    It shows the number of passages and asks before it deletes them. If the input is not a terminal,
    --yes is needed. Without --path and --url the folder is ./gemini-qdrant-index.
    """
    if whole == bool(sources or ids or conditions):
        raise click.UsageError("one of --source, --id, --filter and --all is needed")
    is_named = context.get_parameter_source("collection") is not click.core.ParameterSource.DEFAULT
    if whole and not is_named:
        raise click.UsageError("--all needs the name of the collection: --collection NAME")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("cannot ask, as the input is not a terminal: add --yes")
    store = open_documents(**place)
    name = store.collection_name
    if whole and (behind := aliases(store.collection.connection).get(name)):
        raise ConfigurationError(f"{name!r} is an alias of collection {behind!r}: name that one")
    chosen = Chosen.of(sources, ids, conditions)
    count = chosen.count(store)
    if not count and not whole:
        hint = "No passage found." if ids else nothing_found(store, sources, place)
        click.echo(printable(f"Nothing was deleted. {hint}"), err=True)
        return
    what = f"collection {name!r} with {counted(count, 'passage')}"
    if not whole:
        what = f"{counted(count, 'passage')} of collection {name!r}"
    if not yes:
        click.confirm(f"Delete {what}?", abort=True)
    if whole:
        run(retrying(store.collection.connection).delete_collection(name))
    elif chosen.ids:
        store.delete(chosen.ids)
    else:
        store.delete(filter=chosen.conditions)
    click.echo(f"Deleted {what}.")
