"""What a command says when it fails, and what it leaves behind: nothing."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant.cli import cli

WITHOUT_INDEX = {
    "search": ("cats",),
    "list": (),
    "info": (),
    "show": (),
    "delete": ("--source", "x", "--yes"),
    "recall": (),
    "tune": (),
    "migrate": ("--to-path", "copy"),
    "reembed": (),
    "mcp": ("--read-only",),
}
SLOW = pytest.mark.slow
# An argument of Python, or a call.
PYTHON = re.compile(r"(?<![/?&])\b[a-z_]+=|\w\(\)|force_recreate|\b[a-z]+_[a-z_]+\b")


@pytest.fixture(autouse=True)
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text("# About cats\n\nCats sleep for most of the day.\n")
    return folder


def left_in(folder):
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))


@pytest.mark.parametrize("path", ["nowhere", "a/b/nowhere", "texts"])
@pytest.mark.parametrize("name", WITHOUT_INDEX)
def test_no_index_is_told_and_none_is_made(command, tmp_path, name, path):
    before = left_in(tmp_path)
    result = command(name, *WITHOUT_INDEX[name], "--path", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: there is no index in {path}: name its folder with --p")
    assert left_in(tmp_path) == before


@pytest.mark.parametrize(
    "path", ["index", *(pytest.param(each, marks=SLOW) for each in ("a/b/index", ".", "texts"))]
)
@pytest.mark.parametrize("fault", ["key", "no key", "no file", "no text", "size"])
def test_a_new_index_in_which_nothing_is_stored_is_not_left(
    command, monkeypatch, tmp_path, texts, fault, path
):
    options = ("--output-dimensionality", "1") if fault == "size" else ()
    if fault == "key":
        monkeypatch.setenv("GOOGLE_API_KEY", "wrong")
    elif fault == "no key":
        monkeypatch.delenv("GOOGLE_API_KEY")
    elif fault == "no text":
        (texts / "cats.md").write_text("")
    source = "nowhere.md" if fault == "no file" else "texts/cats.md"
    before = left_in(tmp_path)
    result = command("ingest", source, "--path", path, *options)
    assert result.exit_code == (0 if fault == "no text" else 1), result.output
    assert left_in(tmp_path) == before


def test_a_new_collection_in_which_nothing_is_stored_is_not_left(command, monkeypatch):
    assert command("ingest", "texts").exit_code == 0
    monkeypatch.setenv("GOOGLE_API_KEY", "wrong")
    assert command("ingest", "texts", "--collection", "new").exit_code == 1
    assert [line.split("\t")[:2] for line in command("list").stdout.splitlines()] == [
        ["documents", "1"]
    ]


def test_a_new_index_in_which_something_is_stored_is_kept(command, texts, emulator):
    (texts / "bad.md").write_text("Something else.\n")
    for _ in range(2):
        emulator.fail_next(status=400, message="refused for a test")
    assert command("ingest", "texts").exit_code == 1
    assert command("list").stdout.startswith("documents\t1\t")


def test_a_failed_copy_leaves_no_folder(command, tmp_path):
    assert command("ingest", "texts", "--path", "index").exit_code == 0
    before = set(left_in(tmp_path))
    result = command("migrate", "--path", "index", "--collection", "other", "--to-path", "copy")
    assert result.exit_code == 1
    assert set(left_in(tmp_path)) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        "search x --collection other",
        "search x --output-dimensionality 768",
        "search x --model gemini-embedding-001",
        'search x --filter {"row":{"gte":1}}',
        "search x --path a --url b",
        "search x --url http://a,http://b",
        "search x --url http://u:p@localhost",
        "search x --url http://localhost --qdrant-api-key é",
        "search x --url ftp://localhost",
        "search x --url http://localhost:port",
        "search x --url localhost:9 --qdrant-api-key x --prefer-grpc --ca-file texts/cats.md",
        "ingest texts --output-dimensionality 768",
        "ingest texts --quantization scalar",
        "ingest texts --path new --output-dimensionality 1",
        "ingest texts --path new --model gemini-unknown",
        "ingest nowhere",
        "ingest texts --path texts/cats.md",
        "info --collection other",
        'show --filter {"":1}',
        "delete --source x",
        "delete --all --yes",
        "recall --collection other",
        "recall --limit 1",
        "recall --queries texts/cats.md --model gemini-embedding-001",
        "tune -k 1",
        "migrate --to-path copy --collection other",
        "migrate --to-path gemini-qdrant-index",
        "migrate --to-path texts/cats.md",
        "reembed --collection other",
        "reembed --alias documents",
        "reembed --delete-old",
        "reembed --output-dimensionality 1",
        "reembed --reuse-vectors --model gemini-embedding-001",
        "reembed --vector-name other",
        "reembed --to-collection documents --output-dimensionality 128",
        "ingest texts --path new --model nomodel",
        "search x --url https://localhost:9 --client-cert texts/cats.md",
        "repair texts new",
        "emulator --fault nothing",
    ],
)
def test_errors_speak_of_options_and_not_of_python(command, arguments):
    """One point is too few to measure anything."""
    assert command("ingest", "texts").exit_code == 0
    result = command(*arguments.split())
    assert result.exit_code != 0, result.output
    assert "Traceback" not in result.output
    assert PYTHON.findall(result.stderr) == [], result.stderr


def test_a_key_that_is_missing_or_wrong_is_told_by_its_variables(command, monkeypatch):
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert "api_key" not in command("ingest", "texts").stderr
    monkeypatch.setenv("GOOGLE_API_KEY", "wrong")
    told = command("ingest", "texts").stderr
    assert "GOOGLE_API_KEY" in told
    assert "api_key" not in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("reembed", "--no-reuse-vectors", "--to-collection", "new"),
        pytest.param(("demo",), marks=SLOW),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_used_up_day_is_told_once_with_the_time_to_run_again(command, emulator, arguments):
    assert command("ingest", "texts").exit_code == 0
    emulator.fail_next(status=429, quota="requests_per_day", times=None)
    told = command(*arguments).stderr
    assert told.count("the API answered 429") == 1
    assert "head to: " not in told
    assert "Run it again" not in told
    assert "run the command again after midnight Pacific time" in told


def test_a_blank_query_is_told_before_anything_is_opened(command):
    told = command("search", " ", "--path", "nowhere")
    assert told.exit_code == 2
    assert "Error: QUERY is blank" in told.stderr


def test_a_wrong_certificate_is_named_alone(command):
    told = command("search", "x", "--url", "https://localhost:9", "--client-cert", "texts/cats.md")
    assert "in PEM, got 'texts/cats.md': [SSL]" in told.stderr


def test_an_unnamed_vector_is_told_in_words(command):
    assert command("ingest", "texts").exit_code == 0
    told = command("reembed", "--vector-name", "other").stderr
    assert "has no dense vector named 'other', only an unnamed one: pass --vector-name\n" in told


@pytest.mark.slow
def test_a_reader_that_leaves_ends_a_command_in_silence(command):
    assert command("ingest", "texts").exit_code == 0
    with subprocess.Popen(
        [sys.executable, "-m", "langchain_gemini_qdrant", "list"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize("name", ["ingest", "search"])
def test_ctrl_c_speaks_of_what_is_stored_where_a_command_stores(name):
    def interrupted():
        raise KeyboardInterrupt

    group = type(cli)(commands=[click.Command(name, callback=interrupted)])
    told = CliRunner().invoke(group, [name]).stderr
    kept = " Stored data is kept; run the same command to resume." if name == "ingest" else ""
    assert told == f"Interrupted.{kept}\n"


@pytest.mark.slow
@pytest.mark.parametrize("way", [(), ("--prefer-grpc", "--grpc-port", "9")])
def test_a_server_that_does_not_answer_is_named(command, way):
    result = command("list", "--url", "http://127.0.0.1:9", *way)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("Error: no answer from Qdrant")
    assert result.stderr.endswith("(http://127.0.0.1:9)\n")


def test_a_key_without_the_right_is_told_what_may_be_wrong(command, qdrant_server):
    qdrant_server.fail_next(kind="status", status=403, message="Access denied", path="/exists")
    result = command("info", "--url", qdrant_server.url)
    assert result.stderr == (
        "Error: Qdrant answered 403: Access denied. The key may not read collection 'documents', "
        "or there is no such collection: check --qdrant-api-key and --collection\n"
    )


def test_an_index_whose_list_is_lost_is_not_taken_for_none(command, tmp_path):
    assert command("ingest", "texts").exit_code == 0
    (tmp_path / "gemini-qdrant-index" / "meta.json").unlink()
    for arguments in (("list",), ("ingest", "texts"), ("ingest", "texts", "--dry-run")):
        result = command(*arguments)
        assert result.exit_code == 1
        assert "meta.json is missing although" in result.stderr
    assert any((tmp_path / "gemini-qdrant-index" / "collections").iterdir())


@pytest.mark.slow
def test_the_last_line_is_wrapped_between_words_on_a_terminal(command, terminal):
    terminal(40)
    told = command("search", "x", "--path", "nowhere").stderr.splitlines()
    assert max(map(len, told)) <= 40
    assert " ".join(map(str.rstrip, told)).startswith(
        "Error: there is no index in nowhere: name its"
    )


def test_every_command_without_an_index_is_tried():
    needs_none = {"demo", "ingest", "repair", "emulator"}
    assert set(WITHOUT_INDEX) == set(cli.commands) - needs_none
