"""`gemini-qdrant info`: all facts about one collection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.excerpts import escaped, printable, source_of
from langchain_gemini_qdrant.cli.options import layout_options, open_documents, store_options
from langchain_gemini_qdrant.cli.progress import console, counted
from langchain_gemini_qdrant.cli.tables import facts_table

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@store_options
@layout_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(collection: str, as_json: bool, **place: Any) -> None:
    """Show the contents and settings of a collection.

    These are model, size and quantization of its vectors, sources (for which all points are read),
    status, indexes, search defaults and bytes on disk. Without --path and --url the folder is
    ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for the engines.
    from langchain_gemini_qdrant.cli.described import described  # noqa: PLC0415

    store = open_documents(collection=collection, **place)
    sources = {source_of(each) for each in store.iter_documents()}
    facts = {**described(store.collection.connection, collection), "sources": len(sources - {""})}
    if as_json:
        click.echo(escaped(json.dumps(facts, ensure_ascii=False)))
    else:
        console.print(facts_table({key: printable(fact) for key, fact in _lines(facts).items()}))


def _lines(facts: Mapping[str, Any]) -> dict[str, str]:
    disk = facts["disk_bytes"]
    params = facts["search_params"]
    indexes = [f"{field} ({kind})" for field, kind in facts["payload_indexes"].items()]
    lines = {
        "collection": facts["name"],
        "aliases": ", ".join(facts["aliases"]),
        "points": f"{facts['points']:,}, from {counted(facts['sources'], 'source')}",
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
    return (
        f"size {vector['size']:,}, {vector['distance']}, quantization {vector['quantization']}, "
        f"{made}{task}"
    )
