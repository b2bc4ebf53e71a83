"""`gemini-qdrant search`: ask a collection."""

from __future__ import annotations

from typing import Any

import click

from langchain_gemini_qdrant.cli.hits import print_hits, print_json
from langchain_gemini_qdrant.cli.options import (
    filter_option,
    layout_options,
    open_store,
    store_options,
    stored_embedding_options,
)


@click.command()
@click.argument("query")
@store_options
@stored_embedding_options
@click.option("-k", type=click.IntRange(min=1), default=4, show_default=True, help="Hits wanted.")
@filter_option
@layout_options
@click.option("--full", is_flag=True, help="Show whole passages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each hit.")
def search(  # noqa: PLR0917 - one argument for each option
    query: str,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    k: int,
    conditions: dict[str, Any] | None,
    full: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Embed QUERY as a query and show the passages nearest to it.

    Each hit has its source, page or row, title, heading and score, and the sentence with most of
    the query's words. If the output is not a terminal, each hit is one line: score, source and
    place, title, sentence, with tabs between. Without --path and --url the folder is
    ./gemini-qdrant-index.
    """
    if not query.strip():
        raise click.UsageError("QUERY is blank: write what to search for")
    store = open_store(
        options,
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        create=False,
    )
    hits = store.similarity_search_with_score(query, k, filter=conditions)
    if not as_json:
        print_hits(query, hits, full=full)
        return
    for document, score in hits:
        print_json(document, score=score)
