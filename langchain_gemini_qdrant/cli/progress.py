"""A progress bar with the time left and the reason of waits; formatted numbers."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TimeElapsedColumn
from rich.text import Text

from langchain_gemini_qdrant._eta import EtaEstimator
from langchain_gemini_qdrant._logging import LOGGER, LONG_WAIT
from langchain_gemini_qdrant._words import counted as counted  # noqa: PLC0414 - commands use it
from langchain_gemini_qdrant.embeddings._waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType
    from rich.progress import Task

    from langchain_gemini_qdrant.ingestion._report import IngestProgress, RunCost

console = Console(highlight=False)

_shown: list[_Bar | _Lines] = []  # displays of the active runs, the innermost last

_QUIET = 60.0  # seconds between two lines without a terminal


@contextmanager
def progress_bar(
    total: int, *, now: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, str], None]]:
    """Show a bar with time passed and left, and a line below it, until the block ends.

    While the run waits, a line between them counts down, and what is logged is printed above. If
    the output is no terminal, or one that cannot move its cursor (`TERM=dumb`), a line is printed
    as a wait begins, and one every minute.

    Args:
        total: The value at which the bar is full.
        now: Returns seconds that never go backwards.

    Yields:
        A function that moves it, called with the value so far and the line.
    """
    run = _Shown(total, now)
    if not console.is_interactive:
        lines = _Lines(run)
        with _on_show(lines):
            yield lines.show
        return
    with _Bar(run) as bar, _on_show(bar):
        yield bar.show


@contextmanager
def _on_show(shown: _Bar | _Lines) -> Iterator[None]:
    _shown.append(shown)
    try:
        yield
    finally:
        _shown.remove(shown)


def say(message: str) -> None:
    """Print a message on standard error, wrapped between words, or above the bar on show."""
    if _shown and isinstance(_shown[-1], _Bar):
        _print_line(message)
    else:
        errors = Console(stderr=True, highlight=False)
        errors.print(Text(message), soft_wrap=not errors.is_terminal)


def _print_line(text: str) -> None:
    console.print(text, markup=False, soft_wrap=not console.is_terminal)


@contextmanager
def shown_log() -> Iterator[None]:
    """Show the package's log, such as reasons of waits, until the block ends."""
    handler, level = _LogHandler(logging.INFO), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)


class _LogHandler(logging.Handler):
    """Prints log records, and shows long waits in the bar; short ones are left out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        waiting = getattr(record, "waiting", None)
        if waiting is None:
            say(record.getMessage())
        elif waiting.seconds >= LONG_WAIT:
            if _shown:
                _shown[-1].wait(waiting)
            else:
                say(record.getMessage())


class _Shown:
    """State of a run: progress, reason of a wait, duration."""

    def __init__(self, total: int, now: Callable[[], float]) -> None:
        self.total = total
        self.completed = 0
        self.line = ""
        self.now = now
        self.began = now()
        self._lock = threading.Lock()  # waits are reported by the threads that send
        self._eta = EtaEstimator()
        self._ends_at: float | None = None
        self._waiting: tuple[float, str] | None = None

    def show(self, completed: int, line: str) -> None:
        self.completed, self.line = completed, line
        self._estimate()

    def wait(self, waiting: Waiting) -> None:
        self._waiting = self.now() + waiting.seconds, waiting.reason
        self._estimate()

    def _estimate(self) -> None:
        now, waiting = self.now(), self.waiting
        wait = 0.0 if waiting is None else waiting.seconds
        with self._lock:
            left = self._eta.remaining(now - self.began, self.completed, self.total, wait=wait)
            self._ends_at = None if left is None else now + left

    @property
    def waiting(self) -> Waiting | None:
        """The wait, if it is not over."""
        if self._waiting is None or self._waiting[0] <= self.now():
            return None
        return Waiting(seconds=self._waiting[0] - self.now(), reason=self._waiting[1])

    @property
    def left(self) -> float | None:
        """The seconds left, None if not known."""
        if self._ends_at is None or self._ends_at < self.now():
            return None
        return self._ends_at - self.now()


class _Left(ProgressColumn):
    """The time left."""

    def __init__(self, run: _Shown) -> None:
        self._run = run
        super().__init__()

    def render(self, _: Task) -> Text:
        """Return it as `left 0:01:53`."""
        left = self._run.left
        return Text(f"left {'-:--:--' if left is None else duration(left)}")


class _Bar(Progress):
    """A bar, the reason of a wait, and a line of text."""

    def __init__(self, run: _Shown) -> None:
        self._run = run
        super().__init__(
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            _Left(run),
            console=console,
            expand=True,
            transient=True,
            get_time=run.now,
        )
        self._task = self.add_task("", total=run.total)

    def show(self, completed: int, line: str) -> None:
        self._run.show(completed, line)
        self.update(self._task, completed=completed)

    def wait(self, waiting: Waiting) -> None:
        self._run.wait(waiting)
        self.refresh()

    def get_renderables(self) -> Iterator[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self._run.waiting is not None:
            yield Text(str(self._run.waiting), style="yellow")
        yield Text(self._run.line)


class _Lines:
    """Lines of text if a bar cannot be drawn."""

    def __init__(self, run: _Shown) -> None:
        self._run = run
        self._last, self._last_wait = run.began, -math.inf

    def show(self, completed: int, line: str) -> None:
        run = self._run
        run.show(completed, line)
        if run.now() - self._last >= _QUIET:
            self._last = run.now()
            parts = [
                f"{completed / max(run.total, 1):.0%}",
                f"{duration(run.now() - run.began)} passed",
            ]
            left = run.left
            if left is not None:
                parts.append(f"{duration(left)} left")
            _print_line(f"{', '.join(parts)}: {line}")

    def wait(self, waiting: Waiting) -> None:
        self._run.wait(waiting)
        if self._run.now() - self._last_wait >= _QUIET:
            self._last_wait = self._run.now()
            _print_line(str(waiting))


def ingest_line(done: IngestProgress) -> str:
    """Return passages, rate, tokens and price of a run so far."""
    parts = [
        f"{done.stored:,} stored",
        f"{done.skipped:,} already stored" if done.skipped else "",
        f"{done.failed:,} failed" if done.failed else "",
        f"{done.deleted:,} deleted" if done.deleted else "",
        f"{done.documents_per_second:,.0f} passages/s",
        *cost(done),
    ]
    return " · ".join(filter(None, parts))


def cost(sent: RunCost) -> tuple[str, str]:
    """Return tokens and price as text; `~` marks an estimate."""
    about = "~" if sent.is_estimate else ""
    return f"{about}{counted(sent.tokens, 'token')}", price(sent.usd, about)


def price(usd: float | None, about: str = "") -> str:
    """Return US dollars as text, behind a mark such as `~`."""
    return "price not known" if usd is None else f"{about}${usd:,.4f}"


def duration(seconds: float) -> str:
    """Return a time as `h:mm:ss`."""
    return str(timedelta(seconds=round(seconds)))
