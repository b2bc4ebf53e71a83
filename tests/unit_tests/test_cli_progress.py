"""What the command line shows of a run that waits."""

from __future__ import annotations

import io
import logging
import re
from dataclasses import replace

import pytest

from langchain_gemini_qdrant.cli import progress
from langchain_gemini_qdrant.embeddings import Waiting

LOGGER = logging.getLogger("langchain_gemini_qdrant")
QUOTA = Waiting(seconds=53.0, reason="the quota: 300 texts a minute")


class Clock:
    """Time passes when a test says so."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def console(monkeypatch):
    """Make what is shown go to a terminal of some columns, or to a file."""

    def make(*, is_terminal, width=100, term="xterm"):
        made = progress.Console(
            highlight=False,
            force_terminal=is_terminal,
            width=width,
            file=io.StringIO(),
            _environ={"TERM": term},
        )
        monkeypatch.setattr(progress, "console", made)
        return made

    return make


def wait(waiting):
    LOGGER.info("gemini-embedding-2: %s", waiting, extra={"waiting": waiting})


def frame(console, show, *arguments):
    """Return the lines of the last picture of a bar, without colors."""
    console.file.seek(0)
    console.file.truncate()
    show(*arguments)
    progress._shown[-1].refresh()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    return [line.rstrip() for line in text.rpartition("\r")[2].splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_a_bar_counts_a_wait_down_and_its_time_left_includes_it(console, clock, width):
    shown = console(is_terminal=True, width=width)
    with progress.shown_log(), progress.progress_bar(900, now=clock.now) as show:
        clock.time += 7
        show(300, "300 of 900")
        wait(QUOTA)
        bar, *lines = frame(shown, lambda: None)
        assert lines == ["waiting 53 s for the quota: 300 texts a minute", "300 of 900"]
        assert bar.endswith("33% 0:00:07 left 0:02:53")
        assert len(bar) <= width
        clock.time += 12
        bar, *lines = frame(shown, lambda: None)
        assert lines == ["waiting 41 s for the quota: 300 texts a minute", "300 of 900"]
        assert bar.endswith("33% 0:00:19 left 0:02:41")
        clock.time += 41.5
        bar, *lines = frame(shown, show, 400, "400 of 900")
        assert lines == ["400 of 900"]
        assert bar.endswith("44% 0:01:00 left 0:01:16")


def test_a_bar_whose_time_has_passed_does_not_say_that_none_is_left(console, clock):
    shown = console(is_terminal=True)
    with progress.progress_bar(10, now=clock.now) as show:
        clock.time += 10
        show(9, "")
        clock.time += 60
        assert frame(shown, lambda: None)[0].endswith("left -:--:--")


def test_what_is_logged_stays_above_the_bar(console, clock):
    shown = console(is_terminal=True)
    with progress.shown_log(), progress.progress_bar(10, now=clock.now):
        LOGGER.info("%s", "m: 429: the limit is now 300 texts a minute")
        progress.say("Stopping [soon].")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.file.getvalue()).splitlines()
    kept = [line.rpartition("\r")[2] for line in lines]
    assert "m: 429: the limit is now 300 texts a minute" in kept
    assert "Stopping [soon]." in kept


def test_what_is_logged_above_a_bar_is_wrapped_between_words(console, clock):
    shown = console(is_terminal=True, width=30)
    with progress.progress_bar(10, now=clock.now):
        progress.say("The limit is now 300 texts a minute.")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.file.getvalue())
    lines = [line.rpartition("\r")[2].strip() for line in text.splitlines()]
    assert "minute." in lines


@pytest.mark.parametrize("place", [{"is_terminal": False}, {"is_terminal": True, "term": "dumb"}])
def test_where_no_bar_can_be_drawn_waits_and_minutes_are_lines(console, clock, place):
    shown = console(**place)
    with progress.shown_log(), progress.progress_bar(900, now=clock.now) as show:
        clock.time += 7
        show(300, "300 of 900")
        wait(QUOTA)
        clock.time += 53
        wait(replace(QUOTA, seconds=20.0))
        show(400, "400 of 900")
    assert shown.file.getvalue().splitlines() == [
        "waiting 53 s for the quota: 300 texts a minute",
        "44%, 0:01:00 passed, 0:02:00 left: 400 of 900",
    ]


def test_a_line_has_no_time_left_where_none_is_known(console, clock):
    shown = console(is_terminal=False)
    with progress.progress_bar(900, now=clock.now) as show:
        clock.time += 86
        show(0, "0 of 900")
    assert shown.file.getvalue() == "0%, 0:01:26 passed: 0 of 900\n"


def test_a_command_without_a_bar_says_it_on_standard_error(capsys):
    with progress.shown_log():
        wait(QUOTA)
        wait(replace(QUOTA, seconds=0.3))
    message = "gemini-embedding-2: waiting 53 s for the quota: 300 texts a minute\n"
    assert capsys.readouterr().err == message


def test_the_log_is_as_it_was_after_a_command():
    before = LOGGER.level, list(LOGGER.handlers)
    with progress.shown_log():
        assert LOGGER.isEnabledFor(logging.INFO)
    assert (LOGGER.level, LOGGER.handlers) == before
