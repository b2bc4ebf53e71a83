"""The command line over gRPC: what it needs, what it prints, and when `ingest` recommends it."""

from __future__ import annotations

import shlex
import sys

import pytest

from langchain_gemini_qdrant.cli import grpc_hint
from tests.integration_tests.test_emulator_command import command as emulator_command

BACK_ENDS = "langchain_gemini_qdrant.embeddings._backends.g"
PACKAGE = "google.ai.generativelanguage_v1beta"
COMMANDS = {
    "ingest": ("ingest", "texts", "--path", "new"),
    "search": ("search", "Who sleeps?"),
    "recall": ("recall", "--limit", "1", "--queries", "texts/questions.txt"),
    "tune": ("tune", "-k", "1", "--queries", "texts/questions.txt"),
    "reembed": ("reembed", "--no-reuse-vectors", "--to-collection", "new"),
}


@pytest.fixture(autouse=True)
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text("# About cats\n\nCats sleep for most of the day.\n")
    (folder / "questions.txt").write_text("Who sleeps all day?\nWho works at night?\n")
    return folder


@pytest.fixture
def over_grpc(emulator):
    """Options that lead a command to the emulator's gRPC."""
    return ("--backend", "grpc", "--base-url", emulator.grpc_url)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_embeds_over_grpc_in_an_index_made_over_rest(
    command, emulator, over_grpc, name
):
    assert command("ingest", "texts").exit_code == 0
    before = len(emulator.requests)
    result = command(*COMMANDS[name], *over_grpc)
    assert result.exit_code == (name == "tune"), result.output  # too few points to measure
    assert result.stderr == ""
    assert {request.transport for request in emulator.requests[before:]} == {"grpc"}


@pytest.mark.slow
def test_the_demo_without_a_key_speaks_grpc_with_its_own_emulator(command, monkeypatch):
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    result = command("demo", "--output-dimensionality", "128", "--backend", "grpc")
    assert result.exit_code == 0, result.output
    assert "recall@10" in result.output


def test_an_index_made_over_grpc_is_searched_over_rest_with_the_same_hits(command, over_grpc):
    assert command("ingest", "texts", *over_grpc).exit_code == 0
    over_rest = command("search", "Who sleeps?")
    assert over_rest.exit_code == 0, over_rest.output
    assert over_rest.output == command("search", "Who sleeps?", *over_grpc).output
    assert "0 requests, 0 texts" in command("ingest", "texts").output


def test_the_printed_search_uses_grpc_as_the_run_did(command, over_grpc):
    told = command("ingest", "texts", *over_grpc).stdout
    [line] = [line for line in told.splitlines() if line.startswith("Search it: ")]
    search = shlex.split(line.removeprefix("Search it: gemini-qdrant "))
    assert search[2:] == ["--base-url", over_grpc[3], "--backend", "grpc"]
    assert command(*search).exit_code == 0


@pytest.fixture
def without_package(monkeypatch):
    """Make imports fail as if Google's client were not installed."""
    for module in [each for each in sys.modules if each.startswith((PACKAGE, BACK_ENDS))]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, PACKAGE, None)


@pytest.mark.parametrize("name", COMMANDS)
def test_without_the_package_the_command_that_installs_it_is_told_in_one_line(
    command, request, over_grpc, name
):
    assert command("ingest", "texts").exit_code == 0
    request.getfixturevalue("without_package")
    result = command(*COMMANDS[name], *over_grpc)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: --backend grpc needs a package that is not installed (")
    assert line.endswith("): pip install 'langchain-gemini-qdrant[grpc]'")


@pytest.mark.usefixtures("without_package")
@pytest.mark.parametrize("arguments", [("demo", "--backend", "grpc"), ("emulator", "--grpc")])
def test_an_emulator_without_the_package_is_told_in_one_line_too(command, monkeypatch, arguments):
    monkeypatch.delenv("GOOGLE_API_KEY")
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    result = command(*arguments, *(("--port", "0") if arguments[0] == "emulator" else ()))
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: gRPC of the emulator needs ")


@pytest.mark.parametrize("is_option", [True, False])
@pytest.mark.parametrize("name", ["ingest", "search"])
def test_an_address_with_a_path_is_refused_in_options(command, monkeypatch, name, is_option):
    assert command("ingest", "texts").exit_code == 0
    address = "http://127.0.0.1:9/gemini"
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", address)
    given = ("--base-url", address) if is_option else ()
    result = command(*COMMANDS[name], "--backend", "grpc", *given)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: --base-url ")
    assert "'/gemini': use --backend google-genai for an address with a path" in line


def test_the_address_of_rest_is_refused_in_options_and_at_once(command, emulator):
    assert command("ingest", "texts").exit_code == 0
    before = len(emulator.requests)
    result = command("search", "Who?", "--backend", "grpc", "--base-url", emulator.base_url)
    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: the address (--base-url, GOOGLE_GEMINI_BASE_URL")
    assert "does not serve gRPC" in line
    assert line.endswith("send over REST with --backend google-genai")
    assert len(emulator.requests) == before + 1  # a 404 for "PRI * HTTP/2.0", and no retry


@pytest.mark.slow
def test_the_emulators_line_about_grpc_can_be_copied(command, monkeypatch):
    with emulator_command("--grpc") as (environment, said, _):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        [line] = [line for line in said if "--backend grpc" in line]
        options = shlex.split(line[line.index("--backend") :])
        assert command("ingest", "texts", *options).exit_code == 0
        assert "cats.md" in command("search", "Who sleeps?", *options).output


@pytest.fixture
def every_run_is_long(monkeypatch):
    monkeypatch.setattr(grpc_hint, "_LEAST_SECONDS", 0.0)
    monkeypatch.setattr(grpc_hint, "_LEAST_SHARE", 0.0)


HINT = "add --backend grpc"


@pytest.mark.usefixtures("every_run_is_long")
def test_a_run_recommends_grpc_once_if_it_used_rest(command, over_grpc):
    assert command("ingest", "texts").output.count(HINT) == 1
    assert command("search", "Who sleeps?").output.count(HINT) == 0
    assert (
        command("reembed", "--no-reuse-vectors", "--to-collection", "new").output.count(HINT) == 1
    )
    assert command("ingest", "texts", "--path", "new", *over_grpc).output.count(HINT) == 0


@pytest.mark.usefixtures("every_run_is_long")
def test_a_run_that_sent_nothing_recommends_nothing(command):
    assert command("ingest", "texts").output.count(HINT) == 1
    assert HINT not in command("ingest", "texts").output


def test_a_short_run_recommends_nothing(command):
    assert HINT not in command("ingest", "texts").output
