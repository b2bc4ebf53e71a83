"""`gemini-qdrant ingest`: text and Markdown files into a collection."""

from __future__ import annotations

from typing import Any

import click

from langchain_gemini_qdrant.cli.options import (
    embedding_options,
    make_embeddings,
    open_store,
    store_options,
)
from langchain_gemini_qdrant.cli.progress import console, ingest_bars


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@store_options
@embedding_options
@click.option(
    "--quantization",
    type=click.Choice(["binary", "none"]),
    default="binary",
    show_default=True,
    help="Of a new collection.",
)
@click.option(
    "--chunk-size",
    type=click.IntRange(min=50),
    default=1000,
    show_default=True,
    help="Characters of a passage.",
)
def ingest(  # noqa: PLR0917 - one argument for each option
    paths: tuple[str, ...],
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    quantization: str,
    chunk_size: int,
    **options: Any,
) -> None:
    """Split, embed and store text files (.md, .markdown, .rst, .txt), or folders of them.

    Passages that are stored already are skipped, so the same command goes on after an
    interruption. Without --path and --url the folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.cli.passages import read_files, split  # noqa: PLC0415
    from langchain_gemini_qdrant.ingestion import ingest as ingest_documents  # noqa: PLC0415

    embeddings = make_embeddings(**options)
    passages = split(read_files(paths), chunk_size=chunk_size)
    store = open_store(
        embeddings,
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        quantization=quantization,
    )
    with ingest_bars(len(passages)) as show:
        report = ingest_documents(store, passages, on_progress=show)
    console.print(
        f"{report.added} passages added, {report.updated} updated, {report.skipped} found stored"
    )
