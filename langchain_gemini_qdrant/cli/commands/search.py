"""`gemini-qdrant search`: ask a collection."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from langchain_gemini_qdrant.cli.hits import print_hits, print_json
from langchain_gemini_qdrant.cli.opening import open_store
from langchain_gemini_qdrant.cli.options import (
    filter_option,
    layout_options,
    store_options,
    stored_embedding_options,
)

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from langchain_gemini_qdrant.media import Content
    from langchain_gemini_qdrant.vectorstores import ScoreFactor


class _MediumPath(click.Path):
    """A file, or a page of a PDF: `report.pdf#page=3`."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """Return the path with its page, if the file exists."""
        from langchain_gemini_qdrant.media._medium import split_page  # noqa: PLC0415 - `--help`

        place = os.fspath(value)
        super().convert(split_page(place)[0], param, ctx)
        return place


def _parsed_duration(_: object, __: object, text: str | None) -> timedelta | None:
    """Return a number of hours, days or weeks, such as `90d`, as a duration longer than 0."""
    if text is None:
        return None
    matched = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)([hdw])", text.strip())
    if matched is None or not float(matched[1]):
        raise click.BadParameter(f"{text!r} is not a duration: expected one such as 12h, 90d or 2w")
    unit = {"h": "hours", "d": "days", "w": "weeks"}[matched[2]]
    return timedelta(**{unit: float(matched[1])})


@click.command()
@click.argument("query", required=False)
@click.option(
    "--image",
    "--media",
    "medium",
    type=_MediumPath(exists=True, dir_okay=False),
    help="Search with an image, a sound, a video or a PDF of at most 6 pages, of which #page=3 "
    "takes one; together with QUERY, with both as one.",
)
@store_options
@stored_embedding_options
@click.option("-k", type=click.IntRange(min=1), default=4, show_default=True, help="Hits wanted.")
@filter_option
@click.option(
    "--group-by",
    metavar="FIELD",
    help="Show at most one hit for each value of this metadata field, for example source.",
)
@click.option(
    "--newer-first",
    metavar="FIELD",
    help="Lower the scores of passages with an older date in this metadata field; needs "
    "--half-life.",
)
@click.option(
    "--half-life",
    metavar="DURATION",
    callback=_parsed_duration,
    help="Age at which --newer-first halves a score, in hours, days or weeks: 12h, 90d, 2w.",
)
@layout_options
@click.option("--full", is_flag=True, help="Show whole passages.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each hit.")
def search(  # noqa: PLR0917 - one argument for each option
    query: str | None,
    medium: str | None,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None,
    k: int,
    conditions: dict[str, Any] | None,
    group_by: str | None,
    newer_first: str | None,
    half_life: timedelta | None,
    full: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Embed QUERY, a file, or both, and show the nearest passages and media.

    Each hit has its source, page or row, title, heading and score, and the sentence with most of
    the query's words; an image, sound or video has its length and size. If the output is not a
    terminal, each hit is one line: score, source and place, title, sentence, with tabs between.
    Without --path and --url the folder is ./gemini-qdrant-index.
    """
    if query is None and medium is None:
        raise click.UsageError("QUERY or --image is needed: write what to search for")
    if query is not None and not query.strip():
        raise click.UsageError("QUERY is blank: write what to search for")
    if (newer_first is None) != (half_life is None):
        raise click.UsageError(
            "--newer-first and --half-life need each other: --newer-first date --half-life 90d"
        )
    store = open_store(
        options,
        collection=collection,
        path=path,
        url=url,
        qdrant_api_key=qdrant_api_key,
        create=False,
    )
    hits = store.similarity_search_with_score(
        _content(query, medium),
        k,
        filter=conditions,
        group_by=group_by,
        score_formula=_formula(newer_first, half_life),
    )
    _report_missing_fields({"--group-by": group_by, "--newer-first": newer_first}, hits)
    if not as_json:
        print_hits(query or "", hits, full=full)
        return
    for document, score in hits:
        print_json(document, score=score)


def _report_missing_fields(
    options: dict[str, str | None], hits: list[tuple[Document, float]]
) -> None:
    """Print which options name a field that no hit has: they are misspelt, or have no effect."""
    from langchain_gemini_qdrant.vectorstores.filters import value_at  # noqa: PLC0415 - `--help`

    for option, field in options.items():
        found = field is None or any(
            value_at(document.metadata, field) is not None for document, _ in hits
        )
        if hits and not found:
            click.echo(f"{option}: no passage found has the metadata field {field!r}", err=True)


def _formula(key: str | None, half_life: timedelta | None) -> ScoreFactor | None:
    from langchain_gemini_qdrant.vectorstores import newer_first  # noqa: PLC0415 - `--help`

    return None if key is None or half_life is None else newer_first(key, half_life)


def _content(query: str | None, medium: str | None) -> Content:
    """Return what is embedded: a text, a file, or both as one."""
    from langchain_core.documents.base import Blob  # noqa: PLC0415 - `--help` must not wait

    if medium is None:
        return query or ""
    blob = Blob.from_path(medium, guess_type=False)
    return blob if query is None else [query, blob]
