"""`gemini-qdrant info`: all facts about one collection."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from langchain_gemini_qdrant._sources import source_of
from langchain_gemini_qdrant.cli.excerpts import escaped, printable
from langchain_gemini_qdrant.cli.media_facts import counted_kinds, kinds_of
from langchain_gemini_qdrant.cli.opening import open_documents
from langchain_gemini_qdrant.cli.options import layout_options, store_options
from langchain_gemini_qdrant.cli.progress import console, counted
from langchain_gemini_qdrant.cli.tables import facts_table

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@store_options
@layout_options
@click.option(
    "--sources",
    "only_sources",
    is_flag=True,
    help="List the sources instead, each with its number of passages.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object; with --sources, one for each source.",
)
def info(collection: str, only_sources: bool, as_json: bool, **place: Any) -> None:
    """Show the contents and settings of a collection.

    These are model, size and quantization of its vectors, sources and media (for which all points
    are read), status, indexes, search defaults and bytes on disk. Without --path and --url the
    folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for the engines.
    from langchain_gemini_qdrant.cli.described import described  # noqa: PLC0415

    store = open_documents(collection=collection, **place)
    passages, media = Counter[str](), Counter[str]()
    for document in store.iter_documents():
        passages[source_of(document)] += 1
        media.update(kinds_of(document))
    if only_sources:
        _print_sources(passages, as_json=as_json)
        return
    named = sum(bool(source) for source in passages)
    facts = {
        **described(store.collection.connection, collection),
        "sources": named,
        "media": dict(media),
    }
    if as_json:
        click.echo(escaped(json.dumps(facts, ensure_ascii=False)))
    else:
        console.print(facts_table({key: printable(fact) for key, fact in _lines(facts).items()}))


def _print_sources(passages: Mapping[str, int], *, as_json: bool) -> None:
    """Print each source with its passages; those without a source are last."""
    if not passages:
        click.echo("There are no passages.", err=True)
        return
    order = sorted(passages.items(), key=lambda each: (not each[0], each[0]))
    if as_json:
        for source, count in order:
            facts = {"source": source or None, "passages": count}
            click.echo(escaped(json.dumps(facts, ensure_ascii=False)))
        return
    rows = [(printable(source or "(no source)"), count) for source, count in order]
    if not console.is_terminal:
        for source, count in rows:
            click.echo(f"{source}\t{count}")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    table.add_column("source", overflow="fold")
    table.add_column("passages", justify="right", no_wrap=True)
    for source, count in rows:
        table.add_row(Text(source), f"{count:,}")
    console.print(table)


def _lines(facts: Mapping[str, Any]) -> dict[str, str]:
    disk = facts["disk_bytes"]
    params = facts["search_params"]
    indexes = [f"{field} ({kind})" for field, kind in facts["payload_indexes"].items()]
    lines = {
        "collection": facts["name"],
        "aliases": ", ".join(facts["aliases"]),
        "points": f"{facts['points']:,}, from {counted(facts['sources'], 'source')}",
        "media": counted_kinds(facts["media"]),
        "status": facts["status"],
        **{f"vector {each['name']}".rstrip(): _vector(each) for each in facts["vectors"]},
        "sparse vectors": ", ".join(facts["sparse_vectors"]),
        "indexes": ", ".join(indexes),
        "search defaults": "" if params is None else json.dumps(params),
        "on disk": "" if disk is None else f"{disk:,} bytes",
    }
    return {name: line for name, line in lines.items() if line}


def _vector(vector: Mapping[str, Any]) -> str:
    made = f"made by {vector['model']}" if vector["model"] else "model not remembered"
    task = f" as {vector['task']}" if vector["task"] else ""
    task += f" ({vector['conditioning']})" if vector["conditioning"] else ""
    return (
        f"size {vector['size']:,}, {vector['distance']}, quantization {vector['quantization']}, "
        f"{made}{task}"
    )
