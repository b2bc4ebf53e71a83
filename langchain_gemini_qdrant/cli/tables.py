"""Results of runs, estimates and searches as tables."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from langchain_gemini_qdrant.cli.progress import cost, counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport

_NAMED = 20  # files and passages named before the rest is counted
_KINDS_NAMED = 5
_PASSAGE_LENGTH = 160


def summary_table(corpus: Corpus, report: IngestReport | IngestProgress, failed: int) -> Table:
    """Return the results of a run; `failed` counts passages, not unreadable files."""
    from langchain_gemini_qdrant.ingestion._report import IngestProgress  # noqa: PLC0415

    stored = (
        f"{report.stored:,} stored"
        if isinstance(report, IngestProgress)
        else f"{report.added:,} added, {report.updated:,} updated"
    )
    return facts_table(
        {
            "files": files_line(corpus),
            "passages": f"{stored}, {report.skipped:,} found stored or given twice, "
            f"{report.deleted:,} deleted, {failed:,} failed",
            "sent": f"{counted(report.requests, 'request')}, {counted(report.texts, 'text')}, "
            f"{', '.join(cost(report))}",
            "time": f"{duration(report.seconds)}, {report.documents_per_second:,.0f} passages/s",
        }
    )


def files_tables(corpus: Corpus) -> Iterator[Table]:
    """Yield tables of notices about single files, one for each kind."""
    kinds = {
        "Notices": corpus.notices,
        "Files without text": corpus.empty,
        "Files not read, or not in full": corpus.problems,
    }
    for title, reasons in kinds.items():
        if reasons:
            yield reasons_table(title, reasons)


def files_line(corpus: Corpus) -> str:
    """Return how many files were read, and how many were not."""
    unread = len(corpus.problems)
    parts = [
        f"{corpus.files_read - len(corpus.empty) - _failed_files(corpus):,} read",
        f"{len(corpus.empty):,} without text" if corpus.empty else "",
        f"{unread:,} failed" if unread else "",
    ]
    others = corpus.found.others
    if others.total():
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in others.most_common(_KINDS_NAMED))
        more = ", …" if len(others) > _KINDS_NAMED else ""
        parts.append(f"not of a kind that is read: {kinds}{more}")
    return ", ".join(filter(None, parts))


def _failed_files(corpus: Corpus) -> int:
    return sum(source not in corpus.found.problems for source in corpus.problems)


def facts_table(facts: Mapping[str, str]) -> Table:
    """Return a table of names and facts."""
    table = Table(show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        table.add_row(Text(name), Text(fact))
    return table


def reasons_table(title: str, reasons: Mapping[str, str]) -> Table:
    """Return a table of names and reasons, cut after the first ones."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    for name, reason in islice(reasons.items(), _NAMED):
        table.add_row(Text(name), Text(reason))
    if len(reasons) > _NAMED:
        table.add_row(Text("…"), Text(f"and {len(reasons) - _NAMED:,} more"))
    return table


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
