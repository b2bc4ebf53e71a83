"""A progress bar with the time left; numbers formatted for people."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from langchain_gemini_qdrant._logging import LOGGER, LONG_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from langchain_gemini_qdrant.ingestion._report import IngestProgress, RunCost

console = Console(highlight=False)

_shown: list[Callable[[str], None]] = []  # the lines of the bars on show, the innermost last

_QUIET = 60.0  # seconds between two lines where there is no terminal
_RATE_OVER = 120.0  # seconds: a quota lets texts through in lumps of a minute


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int, str], None]]:
    """Show a bar with time passed and left, and a line below it, until the block ends.

    If the output is not a terminal, a line is printed every minute.

    Args:
        total: The value at which the bar is full.

    Yields:
        A function that moves it, called with the value so far and the line.
    """
    if not console.is_terminal:
        with _on_show(lambda line: console.print(line, soft_wrap=True)):
            yield _print_lines(total)
        return
    columns = (
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = _Bar(
        *columns,
        console=console,
        expand=True,
        transient=True,
        speed_estimate_period=_RATE_OVER,
    )
    with bar, _on_show(bar.say):
        task = bar.add_task("", total=total)

        def show(completed: int, line: str) -> None:
            bar.line = line
            bar.update(task, completed=completed)

        yield show


@contextmanager
def _on_show(say: Callable[[str], None]) -> Iterator[None]:
    _shown.append(say)
    try:
        yield
    finally:
        _shown.remove(say)


@contextmanager
def shown_log() -> Iterator[None]:
    """Show the package's log, such as what it waits for, until the block ends."""
    handler, level = _LogHandler(logging.INFO), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)


class _LogHandler(logging.Handler):
    """Shows records below the bar that is on show, else on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record; short waits are not worth a line."""
        if getattr(record, "waiting_s", LONG_WAIT) < LONG_WAIT:
            return
        if _shown:
            _shown[-1](record.getMessage())
        else:
            click.echo(record.getMessage(), err=True)


class _Bar(Progress):
    """A bar with a line of text below it."""

    line = ""

    def say(self, line: str) -> None:
        self.line = line
        self.refresh()

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.line)


def _print_lines(total: int) -> Callable[[int, str], None]:
    began = last = time.monotonic()

    def show(completed: int, line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _QUIET:
            last = now
            passed = now - began
            left = passed * (total - completed) / completed if completed else None
            console.print(
                f"{completed / max(total, 1):.0%}, {duration(passed)} passed, "
                f"{duration(left)} left: {line}",
                soft_wrap=True,
            )

    return show


def ingest_line(done: IngestProgress) -> str:
    """Return passages, rate, tokens and price of a run so far."""
    parts = [
        "" if done.waiting is None else str(done.waiting),
        f"{done.stored:,} stored",
        f"{done.skipped:,} found stored" if done.skipped else "",
        f"{done.failed:,} failed" if done.failed else "",
        f"{done.deleted:,} deleted" if done.deleted else "",
        f"{done.documents_per_second:,.0f} passages/s",
        *cost(done),
    ]
    return " · ".join(filter(None, parts))


def cost(sent: RunCost) -> tuple[str, str]:
    """Return tokens and price as text; `~` is an estimate."""
    about = "~" if sent.is_estimate else ""
    return f"{about}{sent.tokens:,} tokens", price(sent.usd, about)


def price(usd: float | None, about: str = "") -> str:
    """Return US dollars as text, behind a mark such as `~`."""
    return "price not known" if usd is None else f"{about}${usd:,.4f}"


def duration(seconds: float | None) -> str:
    """Return a time as `h:mm:ss`."""
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
