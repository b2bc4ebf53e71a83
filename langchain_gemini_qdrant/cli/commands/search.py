"""`gemini-qdrant search`: ask a collection."""

from __future__ import annotations

import json
from typing import Any

import click

from langchain_gemini_qdrant.cli.options import (
    TITLE_KEY,
    embedding_options,
    make_embeddings,
    open_store,
    store_options,
)
from langchain_gemini_qdrant.cli.progress import console
from langchain_gemini_qdrant.cli.tables import hits_table


@click.command()
@click.argument("query")
@store_options
@embedding_options
@click.option("-k", type=click.IntRange(min=1), default=4, show_default=True, help="Hits wanted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each hit.")
def search(  # noqa: PLR0917 - one argument for each option
    query: str,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    k: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Embed QUERY as a query and show the passages nearest to it.

    Without --path and --url the folder is ./gemini-qdrant-index.
    """
    store = open_store(
        make_embeddings(**options),
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        create=False,
    )
    hits = store.similarity_search_with_score(query, k)
    if not as_json:
        console.print(hits_table(query, hits, TITLE_KEY))
        return
    for document, score in hits:
        hit = {
            "id": document.id,
            "score": score,
            "text": document.page_content,
            "metadata": document.metadata,
        }
        click.echo(json.dumps(hit, ensure_ascii=False))
