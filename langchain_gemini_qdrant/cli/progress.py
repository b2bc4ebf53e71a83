"""Bars, tables and numbers as people read them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.ingestion import IngestProgress

console = Console(highlight=False)

_PASSAGE_LENGTH = 160


@contextmanager
def ingest_bars(total: int) -> Iterator[Callable[[IngestProgress], None]]:
    """Show a bar for embedding and one for storing; yield what moves them."""
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        embedding = progress.add_task("embedding", total=total)
        storing = progress.add_task("storing", total=total)

        def show(done: IngestProgress) -> None:
            progress.update(embedding, completed=done.skipped + done.embedded)
            progress.update(storing, completed=done.skipped + done.stored)

        yield show


def hits_table(title: str, hits: Iterable[tuple[Document, float]], title_key: str) -> Table:
    """Return documents and their scores as a table."""
    table = Table(
        title=title, title_justify="left", title_style="bold", show_lines=True, expand=True
    )
    table.add_column("title", ratio=2, overflow="fold")
    table.add_column("score", justify="right", width=6)
    table.add_column("passage", ratio=5, overflow="fold")
    for document, score in hits:
        passage = " ".join(document.page_content.split())
        if len(passage) > _PASSAGE_LENGTH:
            passage = passage[:_PASSAGE_LENGTH] + " …"
        # Text and not markup: passages are full of square brackets.
        cells = (str(document.metadata.get(title_key, "")), f"{score:.3f}", passage)
        table.add_row(*map(Text, cells))
    return table
