"""`gemini-qdrant tune`: the fastest search setting that reaches a target recall."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.cli.commands.recall import (
    check_embedding_options,
    draw,
    measured_settings,
    measuring_options,
    opened,
    print_report,
    searches_bar,
)
from langchain_gemini_qdrant.cli.options import store_options, stored_embedding_options
from langchain_gemini_qdrant.cli.progress import console
from langchain_gemini_qdrant.cli.wording import in_options

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_gemini_qdrant.recall.recommend import Recommendation
    from langchain_gemini_qdrant.recall.report import RecallReport

_OVERSAMPLING = (1, 1.5, 2, 3, 4, 6, 8)


@click.command()
@store_options
@stored_embedding_options
@click.option(
    "--recall-at-k",
    type=click.FloatRange(min=0, min_open=True, max=1, max_open=True),
    default=0.95,
    show_default=True,
    help="Target recall, which the lower confidence bound must reach.",
)
@click.option(
    "-k", "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Hits wanted."
)
@measuring_options
@click.option(
    "--apply", is_flag=True, help="Make the setting the default of all searches in this collection."
)
@click.pass_context
def tune(  # noqa: PLR0917 - one argument for each option
    context: click.Context,
    /,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    recall_at_k: float,
    limit: int,
    apply: bool,
    as_json: bool,
    picture: Path | None,
    model: str | None,
    output_dimensionality: int | None,
    backend: str,
    base_url: str | None,
    **options: Any,
) -> None:
    """Find the fastest search setting that reaches a target recall, or suggest changes.

    The exit status is 1 if no measured setting reaches it. Without --path and --url the
    folder is ./gemini-qdrant-index.
    """
    # Imported here: `--help` must not wait for LangChain and the engines.
    from langchain_gemini_qdrant.recall import measure_recall  # noqa: PLC0415
    from langchain_gemini_qdrant.recall.recommend import recommend  # noqa: PLC0415
    from langchain_gemini_qdrant.vectorstores._settings import require_metadata  # noqa: PLC0415

    check_embedding_options(context)
    settings = {"oversampling": _OVERSAMPLING, **measured_settings(**options)}
    store = opened(
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        embeds=options["queries_file"] is not None,
        model=model,
        output_dimensionality=output_dimensionality,
        backend=backend,
        base_url=base_url,
    )
    if apply:
        run(require_metadata(store.collection))
    with searches_bar(shown=not as_json) as move:
        report = measure_recall(
            store,
            limits=(limit,),
            on_progress=lambda progress: move("", progress),
            **settings,
        )
    found = recommend(report, recall_at_k, limit=limit)
    if not as_json:
        print_report(report, context.command)
        console.print(in_options(str(found), context.command), markup=False, soft_wrap=True)
    applied = False
    try:
        draw(report, picture, quiet=as_json)
        if apply and found.search_params is not None:
            store.remember_search_params(found.search_params)
            applied = True
    finally:  # the measurement is printed even if the next step fails
        if as_json:
            advice = [in_options(each, context.command) for each in found.advice]
            click.echo(json.dumps(_as_dict(report, found, advice, applied=applied), indent=2))
    if applied and not as_json:
        console.print("All searches of this collection use it from now on.")
    if found.row is None:
        context.exit(1)


def _as_dict(
    report: RecallReport, found: Recommendation, advice: list[str], *, applied: bool
) -> dict[str, Any]:
    params = found.search_params
    return {
        "recall_at_k": found.recall_at_k,
        "limit": found.limit,
        "search_params": None if params is None else params.model_dump(exclude_none=True),
        "advice": advice,
        "applied": applied,
        "report": json.loads(report.to_json()),
    }
