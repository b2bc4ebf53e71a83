"""Output in an encoding that lacks characters of the texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant.cli import cli

TEXT = "Vélos 🚲 “ride” every day."
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(autouse=True)
def stored(command, tmp_path):
    (tmp_path / "vélos.md").write_text(TEXT, encoding="utf-8")
    assert command("ingest", "vélos.md").exit_code == 0


def run(*arguments, charset):
    return CliRunner(charset=charset).invoke(cli, arguments, prog_name="gemini-qdrant")


@pytest.mark.parametrize("arguments", [("show",), ("search", "vélos")])
def test_characters_that_the_output_lacks_are_replaced(arguments):
    result = run(*arguments, charset="cp1252")
    assert result.exit_code == 0, result.output
    assert TEXT.encode("cp1252", "replace") in result.stdout_bytes


@pytest.mark.parametrize("arguments", [("show", "--json"), ("search", "vélos", "--json")])
@pytest.mark.parametrize("charset", ["cp1252", "utf-8"])
def test_json_has_the_same_text_in_every_encoding(arguments, charset):
    result = run(*arguments, charset=charset)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout_bytes.decode())["text"] == TEXT
    assert (TEXT.encode() in result.stdout_bytes) == (charset == "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"PYTHONIOENCODING": "cp1252"}, TEXT.encode("cp1252", "replace")),
        (
            {"PYTHONIOENCODING": "cp1252:backslashreplace"},
            TEXT.encode("cp1252", "backslashreplace"),
        ),
        (ASCII, TEXT.encode("ascii", "replace")),
    ],
)
def test_a_process_replaces_characters_as_its_environment_says(environment, shown):
    process = subprocess.run(
        [sys.executable, "-m", "langchain_gemini_qdrant", "show"],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert shown in process.stdout
