"""Results of runs and estimates as tables."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from langchain_gemini_qdrant.cli.documents.files import count_skipped, listed
from langchain_gemini_qdrant.cli.media_facts import NAMES
from langchain_gemini_qdrant.cli.progress import console, cost, counted, duration, price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_gemini_qdrant.cli.documents.corpus import Corpus
    from langchain_gemini_qdrant.ingestion._report import IngestProgress, IngestReport

_NAMED = 20  # files and passages to name; the others are counted
_COPIES_NAMED = 5


def summary_table(
    corpus: Corpus, report: IngestReport | IngestProgress, failed: int, where: str | None = None
) -> Table:
    """Return the results of a run.

    Args:
        corpus: The files that were read.
        report: The report of the run.
        failed: Number of passages that are not stored, without files that cannot be read.
        where: Where the others are stored, if known.
    """
    from langchain_gemini_qdrant.ingestion._report import IngestProgress  # noqa: PLC0415

    stored = (
        f"{report.stored:,} stored"
        if isinstance(report, IngestProgress)
        else f"{report.added:,} added, {report.updated:,} updated"
    )
    kinds = by_kind(report.tokens_by_modality, report.usd_by_modality)
    facts = {
        "files": files_line(corpus),
        "passages": f"{stored}, {report.skipped:,} already stored or repeated, "
        f"{report.deleted:,} deleted, {failed:,} failed",
        "sent": f"{counted(report.requests, 'request')}, {counted(report.texts, 'text')}"
        f"{' and media' if kinds else ''}, {', '.join(cost(report))}",
        **kinds,
        "time": f"{duration(report.seconds)}, {report.documents_per_second:,.0f} passages/s",
    }
    return facts_table({**facts, **({"stored in": where} if where else {})})


def by_kind(tokens: Mapping[str, int], usd: Mapping[str, float | None]) -> dict[str, str]:
    """Return tokens and price of each kind of content as a row; no row for texts alone."""
    if not tokens.keys() - {"TEXT"}:
        return {}
    shares = [
        f"{NAMES.get(modality, 'text')}s {count:,} tokens, {price(usd.get(modality))}"
        for modality, count in tokens.items()
    ]
    return {"by kind": "; ".join(shares)}


def show_files(corpus: Corpus, *, list_skipped: bool) -> None:
    """Print notices about single files: those not read, and how some were read.

    Args:
        corpus: The files that were read.
        list_skipped: Whether to name each file and folder that was skipped.
    """
    skipped = corpus.found.skipped
    if list_skipped:
        for each in skipped:
            console.print(f"{each.source}: {each.reason}", markup=False, soft_wrap=True)
    elif skipped:
        counts = {reason: listed(kinds) for reason, kinds in count_skipped(skipped).items()}
        console.print(reasons_table("Not read (--list-skipped names them)", counts))
    content = "content" if corpus.media else "text"
    copies = {
        source: f"its {content} is stored as {other}, too, and is not paid for again"
        for source, other in corpus.copies.items()
    }
    has_two_roots = any(_differ_in_root(*each) for each in corpus.copies.items())
    hint = " (--root keeps sources the same)" if has_two_roots else ""
    kinds = {
        "Notices": (corpus.notices, _NAMED),
        "Files without text": (corpus.empty, _NAMED),
        f"Files that are stored twice{hint}": (copies, _COPIES_NAMED),
        "Files not read, or not in full": (corpus.problems, _NAMED),
    }
    for title, (reasons, named) in kinds.items():
        if reasons:
            console.print(reasons_table(title, reasons, named))


def _differ_in_root(source: str, other: str) -> bool:
    return f"/{source}".endswith(f"/{other}") or f"/{other}".endswith(f"/{source}")


def files_line(corpus: Corpus) -> str:
    """Return how many files were read, and how many were not."""
    unread = len(corpus.problems)
    read = corpus.files_read - corpus.unchanged - len(corpus.empty) - _failed_files(corpus)
    parts = [
        f"{read:,} read",
        f"{corpus.unchanged:,} unchanged" if corpus.unchanged else "",
        f"{len(corpus.empty):,} without text" if corpus.empty else "",
        f"{unread:,} failed" if unread else "",
        f"{len(corpus.found.skipped):,} skipped" if corpus.found.skipped else "",
    ]
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


def reasons_table(title: str, reasons: Mapping[str, str], named: int = _NAMED) -> Table:
    """Return a table of names and reasons, cut after the first ones."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", ratio=2)
    for name, reason in islice(reasons.items(), named):
        table.add_row(Text(name), Text(reason))
    if len(reasons) > named:
        table.add_row(Text("…"), Text(f"and {len(reasons) - named:,} more"))
    return table
