"""The command line as a person meets it."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.cli.opening import until_the_end
from tests.integration_tests.folders import is_free


@pytest.fixture
def run(monkeypatch, emulator, tmp_path):
    """Run a command in an empty folder, with the emulator as the API."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")

    return run


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text("# About cats\n\nCats sleep for most of the day.\n")
    (folder / "vectors.txt").write_text("Qdrant quantizes vectors to one bit.\n")
    (folder / "empty.md").write_text("\n")
    (folder / "image.png").write_bytes(b"\x89PNG")
    return folder


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("search", "cats"), 0),
        (("search", "cats", "--collection", "missing"), 1),
        (("search", "cats", "--output-dimensionality", "128"), 1),
        (("ingest", "texts"), 0),
        (("ingest", "texts", "--output-dimensionality", "128"), 1),
        (("recall", "--limit", "1", "--sample-size", "2"), 0),
        (("recall", "--collection", "missing"), 1),
        (("tune", "-k", "1", "--sample-size", "2"), 1),
        (("migrate", "--to-path", "copy"), 0),
        (("migrate", "--to-path", "texts/cats.md"), 1),
        (("reembed", "--output-dimensionality", "256"), 0),
    ],
)
def test_a_command_leaves_no_index_open_however_it_ends(run, texts, tmp_path, arguments, exit_code):
    assert run("ingest", str(texts)).exit_code == 0
    index = tmp_path / "gemini-qdrant-index"
    assert is_free(index)
    result = run(*arguments)
    assert result.exit_code == exit_code, result.output
    assert is_free(index)


def connections_to(port):
    """Return how many sockets of this process are connected to a port."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with (
            contextlib.suppress(OSError),
            socket.socket(fileno=os.dup(int(descriptor.name))) as copy,
        ):
            found += copy.getpeername()[1] == port
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("fails", [False, True])
def test_a_command_closes_its_connections_to_gemini(run, texts, emulator, fails):
    assert run("ingest", str(texts)).exit_code == 0
    port = urlsplit(emulator.base_url).port
    gc.disable()  # which would close what is left open
    try:
        before = connections_to(port)
        if fails:
            emulator.fail_next(status=400, message="refused for a test")
        assert run("search", "cats").exit_code == int(fails)
        assert connections_to(port) == before
    finally:
        gc.enable()


def test_what_a_command_opens_is_closed_when_it_fails():
    closed = []

    @click.command()
    def fails():
        until_the_end(contextlib.closing(Closes()))
        raise click.ClickException("no")

    class Closes:
        def close(self):
            closed.append(self)

    assert CliRunner().invoke(fails).exit_code == 1
    assert len(closed) == 1


def test_ingest_then_search_finds_the_passage_with_its_title(run, texts):
    ingested = run("ingest", str(texts))
    assert ingested.exit_code == 0, ingested.output
    assert "2 added, 0 updated, 0 already stored" in ingested.output
    found = run("search", "When do cats sleep?", "-k", "1")
    assert found.exit_code == 0, found.output
    assert "About cats" in found.output
    assert "vectors" not in found.output


def test_second_ingest_sends_nothing(run, texts, emulator):
    run("ingest", str(texts))
    emulator.clear()
    assert "0 added, 0 updated, 2 already stored" in run("ingest", str(texts)).output
    assert emulator.requests == []


def test_search_prints_json_for_programs(run, texts):
    run("ingest", str(texts))
    lines = run("search", "cats", "-k", "2", "--json").stdout.splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 2
    assert first["text"].startswith("# About cats")
    assert set(first) == {"id", "score", "text", "metadata"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ingest", "nowhere", "x.md"], "nowhere, x.md: no such file or folder"),
        (["search", "x", "--collection", "other"], "no collection 'other', found 'documents'"),
        (["search", "x", "--path", "/dev/null/x"], "no index in /dev/null/x"),
        (["ingest", "texts", "--path", "/dev/null/x"], "/dev/null/x cannot be used"),
        (["search", "x", "--url", "http://127.0.0.1:9"], "refused"),
        (
            ["ingest", "texts", "--path", "y", "--output-dimensionality", "1"],
            "must be in 128..3072",
        ),
    ],
)
def test_failure_is_one_line_and_exit_status_1(run, texts, arguments, message):
    assert run("ingest", texts.name).exit_code == 0
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"status": 403, "message": "Forbidden: Write access is required"}, "403: Forbidden: W"),
        ({"status": 429, "message": "Rate limit exceeded", "retry_after": 4000}, "429: Rate limit"),
        ({"status": 401, "content": b"Invalid API key or JWT"}, "401: Invalid API key or JWT"),
        ({"status": 400, "content": b"<html>Blocked</html>"}, "400: an HTML page"),
    ],
)
def test_a_server_s_refusal_is_one_line_in_its_own_words(run, qdrant_server, fault, told):
    qdrant_server.fail_next(kind="status", path="/exists", **fault)
    result = run("ingest", __file__, "--url", qdrant_server.url)
    assert result.exit_code == 1
    refusal = f"Error: Qdrant answered {told}"
    assert any(line.startswith(refusal) for line in result.stderr.splitlines())


def test_missing_key_says_where_to_get_one(run, texts, monkeypatch):
    monkeypatch.delenv("GOOGLE_API_KEY")
    result = run("ingest", str(texts))
    assert result.exit_code == 1
    assert "GOOGLE_API_KEY or GEMINI_API_KEY" in result.stderr


def test_quota_of_the_day_says_when_to_run_again(run, texts, emulator):
    emulator.fail_next(status=429, quota="requests_per_day", retry_after=33)
    result = run("ingest", str(texts))
    assert result.exit_code == 1
    assert "run the command again after midnight Pacific time" in result.stderr


def test_retired_model_warns_in_one_line(run, texts):
    result = run("ingest", str(texts), "--model", "text-embedding-004")
    assert result.stderr.startswith("Warning: Google announced the shutdown")


def test_wrong_usage_is_exit_status_2(run):
    assert run("search").exit_code == 2
    assert run("ingest").exit_code == 2
    assert run("nothing").exit_code == 2


@pytest.mark.parametrize("command", ["demo", "ingest", "search", "emulator"])
def test_every_command_explains_itself(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


@pytest.mark.slow
def test_emulator_command_serves_until_it_is_stopped():
    """Started as a user would; the first line it prints is where it listens."""
    command = [sys.executable, "-m", "langchain_gemini_qdrant", "emulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            line = process.stdout.readline()
        finally:
            process.terminate()
    assert re.fullmatch(r"export GOOGLE_GEMINI_BASE_URL=http://127\.0\.0\.1:\d+\n", line)


@pytest.mark.slow
def test_demo_without_a_key_says_so_reports_its_figures_and_embeds_once(run, monkeypatch, emulator):
    monkeypatch.delenv("GOOGLE_API_KEY")
    first = run("demo", "--output-dimensionality", "256")
    assert first.exit_code == 0, first.output
    assert "placeholder vectors" in first.output
    figures = re.search(
        r"([\d,]+) passages, vector size 256, float vectors ([\d,]+) bytes, "
        r"binary ([\d,]+) bytes \(1/32\), recall@10 ([\d.]+) \(([\d.]+) without rescoring\), ",
        first.output,
    )
    passages, float_bytes, binary_bytes = (int(x.replace(",", "")) for x in figures.groups()[:3])
    assert float_bytes == passages * 256 * 4 == binary_bytes * 32
    assert float(figures[4]) > float(figures[5])
    again = run("demo", "--output-dimensionality", "256")
    assert "\n0 passages embedded and stored" in again.output
    assert emulator.requests == []


@pytest.mark.slow
def test_demo_with_a_key_asks_gemini(run, emulator):
    emulator.fail_next(status=429, quota="requests_per_day")
    result = run("demo")
    assert "stand-ins" not in result.output
    assert "run the command again after midnight" in result.stderr
