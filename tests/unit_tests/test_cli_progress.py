"""What the command line shows of a run that waits."""

from __future__ import annotations

import io
import logging

import pytest

from langchain_gemini_qdrant.cli import progress
from langchain_gemini_qdrant.embeddings import Waiting
from langchain_gemini_qdrant.ingestion import IngestProgress

LOGGER = logging.getLogger("langchain_gemini_qdrant")
WAITS = "gemini-embedding-2: waiting 38 s for the quota"


@pytest.fixture
def console(monkeypatch):
    """Record what a terminal of 100 columns shows."""

    def record(*, is_terminal):
        made = progress.Console(
            highlight=False, record=True, force_terminal=is_terminal, width=100, file=io.StringIO()
        )
        monkeypatch.setattr(progress, "console", made)
        return made

    return record


def test_a_line_of_ingest_says_first_what_the_run_waits_for():
    waiting = Waiting(seconds=38.2, reason="the quota")
    line = progress.ingest_line(IngestProgress(stored=100, waiting=waiting))
    assert line.startswith("waiting 38 s for the quota · 100 stored")


def test_a_bar_has_the_wait_below_it(console):
    shown = console(is_terminal=True)
    with progress.shown_log(), progress.progress_bar(10) as show:
        show(5, "5 of 10")
        LOGGER.info("%s", WAITS, extra={"waiting_s": 38.0})
        assert WAITS in shown.file.getvalue()
        assert "50%" in shown.file.getvalue()


def test_without_a_terminal_a_wait_is_a_line(console):
    shown = console(is_terminal=False)
    with progress.shown_log(), progress.progress_bar(10):
        LOGGER.info("%s", WAITS, extra={"waiting_s": 38.0})
    assert shown.file.getvalue() == f"{WAITS}\n"


def test_a_command_without_a_bar_says_it_on_standard_error(capsys):
    with progress.shown_log():
        LOGGER.info("%s", WAITS, extra={"waiting_s": 38.0})
        LOGGER.info("gemini-embedding-2: waiting 0.3 s", extra={"waiting_s": 0.3})
    assert capsys.readouterr().err == f"{WAITS}\n"


def test_the_log_is_as_it_was_after_a_command():
    before = LOGGER.level, list(LOGGER.handlers)
    with progress.shown_log():
        assert LOGGER.isEnabledFor(logging.INFO)
    assert (LOGGER.level, LOGGER.handlers) == before
