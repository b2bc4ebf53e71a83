"""Hits of a search and stored passages, for a terminal and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Group
from rich.style import Style
from rich.text import Text

from langchain_gemini_qdrant._sources import source_of
from langchain_gemini_qdrant.cli.excerpts import Query, escaped, places_of, printable
from langchain_gemini_qdrant.cli.media_facts import facts_of, link_of
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.cli.progress import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

_HEADING_KEY = "heading"


def print_hits(query: str, hits: Sequence[tuple[Document, float]], *, full: bool) -> None:
    """Print hits, the best first: one line each if the output is not a terminal and not full.

    Args:
        query: Its words are emphasised.
        hits: Documents with their scores.
        full: Show whole passages, otherwise the sentence that matches best.
    """
    if not hits:
        click.echo("No passage found.", err=True)
    words = Query.of(query)
    for number, (document, score) in enumerate(hits, 1):
        passage = document.page_content if full else words.excerpt(document.page_content)
        if console.is_terminal or full:
            print_passage(PassageView(f"{number}. ", document, passage, words, score))
        else:
            print_line(f"{score:.3f}", document, passage)


def print_passage(view: PassageView) -> None:
    """Print a passage; lines are wrapped on a terminal only."""
    console.print(view, soft_wrap=not console.is_terminal)


def print_line(first: str, document: Document, text: str) -> None:
    """Print one line with tabs between its fields: `first`, place, title and heading, text.

    A medium has its kind, length and size in place of a title.
    """
    place = " ".join([source_of(document), *places_of(document)])
    names = ", ".join([*facts_of(document), *_names_of(document)])
    fields = (first, place, names, text)
    click.echo("\t".join(printable(" ".join(field.split())) for field in fields))


def print_json(document: Document, **facts: Any) -> None:
    """Print a document as one JSON object on one line."""
    fields = {
        "id": document.id,
        **facts,
        "text": document.page_content,
        "metadata": document.metadata,
    }
    click.echo(escaped(json.dumps(fields, ensure_ascii=False)))


def hits_view(query: str, hits: Sequence[tuple[Document, float]]) -> RenderableType:
    """Return hits below their query, with the sentences that match best."""
    words = Query.of(query)
    views = [
        PassageView(f"{number}. ", document, words.excerpt(document.page_content), words, score)
        for number, (document, score) in enumerate(hits, 1)
    ]
    return Group(Text(printable(query), "bold"), *views)


class PassageView(NamedTuple):
    """A passage, indented below a line with its source and place.

    Attributes:
        name: Text at the start of that line.
        document: The document, with place, title and heading.
        passage: The part of its text to show.
        words: Words to emphasise in the passage; None for none.
        score: Score of the document, None if it has none.
    """

    name: str
    document: Document
    passage: str
    words: Query | None = None
    score: float | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        place = ", ".join(filter(None, [source_of(self.document), *places_of(self.document)]))
        facts = [
            Text(printable(place), Style(color="cyan", link=link_of(self.document))),
            Text(", ".join(facts_of(self.document))),
            *(Text(printable(name), "bold") for name in _names_of(self.document)),
            Text("" if self.score is None else f"score {self.score:.3f}", "dim"),
        ]
        yield Text.assemble((self.name, "dim"), Text(" · ").join(filter(None, facts)))
        # Text, not markup: passages are full of square brackets.
        body = Text(printable(self.passage.strip()).expandtabs())
        if not body:  # of a medium without a caption
            return
        for start, end, _ in () if self.words is None else self.words.spans(body.plain):
            body.stylize("bold yellow", start, end)
        margin = " " * 3
        width = options.max_width - len(margin)
        lines = body.split("\n") if options.no_wrap else body.wrap(console, width)
        for line in lines:
            line.rstrip()
            yield Text(margin) + line
        yield ""


def _names_of(document: Document) -> list[str]:
    """Return title and heading, if there are any and they differ."""
    names = (document.metadata.get(key) for key in (TITLE_KEY, _HEADING_KEY))
    return list(dict.fromkeys(" ".join(str(name).split()) for name in names if name))
