"""Checks come before work, and results before anything is changed."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.cli import cli
from tests.integration_tests.qdrant_server import QdrantServer

QUICK = ("--limit", "5", "--sample-size", "10", "--seed", "1")
NOWHERE = ("--collection", "not-there")  # a check that comes first does not mind


@pytest.fixture
def run(monkeypatch, embeddings, tmp_path):
    """Run a command in a folder with a small index."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    with create_vector_store(
        embeddings, "documents", path="gemini-qdrant-index", quantization="binary"
    ) as store:
        store.add_texts([f"text {i}" for i in range(30)])

    def run(*arguments):
        return CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")

    return run


@pytest.fixture
def applied(embeddings):
    """Return what the collection remembers of search settings."""

    def applied():
        with create_vector_store(embeddings, "documents", path="gemini-qdrant-index") as store:
            metadata = store.client.get_collection("documents").config.metadata
            return (metadata or {}).get("search_params")

    return applied


COMMANDS = [("recall",), ("recall", "--compare"), ("tune",), ("tune", "--apply")]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("x.bmp", "is not a format of pictures: use one of ."),
        ("missing/x.png", "there is no folder 'missing' for the picture 'x.png'"),
        ("gemini-qdrant-index", "is a directory"),
        ("folder.png", "is a directory"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_measured(
    run, command, file, message
):
    Path("folder.png").mkdir()
    result = run(*command, *NOWHERE, "--plot", file)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_matplotlib_is_told_before_anything_is_measured(run, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run(*command, *NOWHERE, "--plot", "x.png")
    assert result.exit_code == 2
    assert "pip install 'langchain-gemini-qdrant[plot]'" in " ".join(result.stderr.split())


def test_a_picture_without_an_ending_is_a_png_and_its_name_is_told(run):
    result = run("recall", *QUICK, "--plot", "drawn")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("drawn in drawn.png\n")
    assert Path("drawn.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file without room")
@pytest.mark.parametrize("as_json", [False, True])
def test_what_was_measured_is_printed_and_nothing_applied_if_the_picture_fails(
    run, applied, as_json
):
    Path("full.png").symlink_to("/dev/full")
    options = ("--recall-at-k", "0.3", "--apply", "--plot", "full.png")
    result = run("tune", *QUICK, *options, *(["--json"] if as_json else []))
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    if as_json:
        assert json.loads(result.stdout)["applied"] is False
    else:
        assert "Use oversampling" in result.stdout
        assert "from now on" not in result.stdout
    assert applied() is None


def test_a_server_too_old_to_remember_a_setting_is_refused_before_anything_is_measured(
    run, embeddings
):
    with QdrantServer(version="1.15.5") as server:
        with create_vector_store(embeddings, "documents", url=server.url) as store:
            store.add_texts([f"text {i}" for i in range(30)])
        server.clear()
        result = run("tune", *QUICK, "--url", server.url, "--apply")
        assert result.exit_code == 1
        assert "metadata of a collection needs Qdrant 1.16" in result.stderr
        assert not any("query" in request.path for request in server.requests)


def test_a_comparison_refuses_options_that_it_would_ignore(run):
    for options in (("--hnsw-ef", "64"), ("--rescore", "off")):
        result = run("recall", "--compare", *NOWHERE, *options)
        assert result.exit_code == 2
        assert "leave out --hnsw-ef and --rescore" in result.stderr


def test_queries_that_are_not_utf_8_are_told_before_anything_is_opened(run):
    Path("queries.txt").write_bytes("caf\xe9?\n".encode("latin-1"))
    result = run("recall", *NOWHERE, "--queries", "queries.txt")
    assert result.exit_code == 1
    assert result.stderr == "Error: queries.txt is not UTF-8 (byte 4): save it as UTF-8\n"


@pytest.mark.parametrize(
    ("options", "named"),
    [(("--port",), "--port"), (("--port", "0", "--grpc", "--grpc-port"), "--grpc-port")],
)
def test_a_port_in_use_is_told_with_its_option(run, options, named):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("emulator", *options, str(port))
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in result.stderr
    assert named in result.stderr
