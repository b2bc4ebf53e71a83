"""`gemini-qdrant list`, `info`, `show` and `delete`: what is stored, and how it leaves."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys

import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient

PLACES = ["folder", pytest.param("server", marks=pytest.mark.slow)]
OTHERS = {"content": "Vacation is 30 days.", "metadata": {"source": "rules.md"}}


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text("# About cats\n\nCats sleep for most of the day.\n")
    rows = "".join(f"tree {number},wood\n" for number in range(12))
    (folder / "trees.csv").write_text(f"name,use\n{rows}")
    return folder


@pytest.fixture(params=PLACES)
def at(request, command, texts):
    """Run a command on a folder, or on a server, that has 13 passages."""
    if request.param == "folder":
        where = ("--path", "index")
    else:
        where = ("--url", request.getfixturevalue("qdrant_server").url)

    def at(name, *arguments):
        return command(name, *arguments, *where)

    at.has_files = request.param == "folder"
    assert at("ingest", texts.name).exit_code == 0
    return at


def test_list_shows_each_collection_on_a_line(at):
    [line] = at("list").stdout.splitlines()
    name, points, model, size, quantization, disk = line.split("\t")
    assert (name, points, model, size) == ("documents", "13", "gemini-embedding-2", "3072")
    assert quantization == "binary"
    assert disk == "?" or int(disk) > 13 * 3072 * 4
    assert (disk != "?") == at.has_files


def test_list_and_info_print_json(at):
    listed = json.loads(at("list", "--json").stdout)
    found = json.loads(at("info", "--json").stdout)
    assert found == {
        **listed,
        "sources": 2,
        "media": {},
        "disk_bytes": found["disk_bytes"],
    }
    assert found["vectors"] == [
        {
            "name": "",
            "size": 3072,
            "distance": "Cosine",
            "quantization": "binary",
            "model": "gemini-embedding-2",
            "task": "RETRIEVAL_DOCUMENT",
            "conditioning": "prefix",
        }
    ]


def test_info_shows_what_a_collection_remembers(at):
    text = at("info").stdout
    assert "13, from 2 sources" in text
    assert "made by gemini-embedding-2" in text
    assert "(prefix)" in text


def test_a_terminal_shows_the_list_as_a_table(at, terminal):
    terminal(80)
    lines = at("list").stdout.splitlines()
    assert "collection" in lines[1]
    assert "gemini-embedding-2" in lines[3]


def test_a_narrow_terminal_shows_all_of_the_list(at, terminal):
    terminal(40)
    text = at("list").stdout
    for cell in ("documents", "13", "gemini-embedding-2", "3072", "binary"):
        assert f" {cell} " in text


def test_show_prints_a_source_in_the_order_of_its_rows(at):
    result = at("show", "--source", "texts/trees.csv", "--json")
    rows = [json.loads(line)["metadata"]["row"] for line in result.stdout.splitlines()]
    assert rows == list(range(1, 13))


def test_show_says_how_many_more_there_are(at):
    result = at("show", "--limit", "3")
    assert len(result.stdout.split("\n\n")) == 4
    assert result.stderr == "10 more: --limit 13 shows all.\n"


def test_show_finds_by_id_and_by_filter(at):
    [line] = at("show", "--filter", '{"row": 5}', "--json").stdout.splitlines()
    found = json.loads(line)
    assert set(found) == {"id", "text", "metadata"}
    assert json.loads(at("show", "--id", found["id"], "--json").stdout) == found
    assert at("show", "--id", "unknown").stderr == "No passage found.\n"


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (("--source", "texts/trees.csv"), 1),
        (("--source", "texts/trees.csv", "--filter", '{"row": {"$lte": 2}}'), 11),
        (("--source", "texts/trees.csv", "--source", "texts/cats.md"), 0),
    ],
)
def test_delete_takes_what_is_chosen_and_says_how_many(at, chosen, left):
    result = at("delete", *chosen, "--yes")
    gone = 13 - left
    assert result.stdout == f"Deleted {gone} passages of collection 'documents'.\n"
    assert json.loads(at("list", "--json").stdout)["points"] == left


def test_delete_takes_ids(at):
    found = json.loads(at("show", "--limit", "1", "--json").stdout)
    assert at("delete", "--id", found["id"], "--yes").stdout.startswith("Deleted 1 passage of")
    assert at("show", "--id", found["id"]).stderr == "No passage found.\n"


def test_delete_takes_a_whole_collection_that_is_named(at):
    result = at("delete", "--all", "--yes")
    assert result.exit_code == 2
    assert "--collection NAME" in result.stderr
    result = at("delete", "--all", "--yes", "--collection", "documents")
    assert result.stdout == "Deleted collection 'documents' with 13 passages.\n"
    assert at("list").stderr == "There are no collections.\n"


@pytest.mark.parametrize(
    "chosen",
    [(), ("--filter", "{}"), ("--all", "--source", "x"), ("--id", "x", "--source", "y", "--yes")],
)
def test_delete_needs_one_choice(at, chosen):
    result = at("delete", *chosen, "--collection", "documents")
    assert result.exit_code == 2
    assert json.loads(at("list", "--json").stdout)["points"] == 13


def test_delete_needs_yes_where_nobody_can_be_asked(at):
    result = at("delete", "--source", "texts/trees.csv")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    assert json.loads(at("list", "--json").stdout)["points"] == 13


def test_an_alias_is_no_collection_to_delete(command, texts):
    assert command("ingest", str(texts)).exit_code == 0
    reembed = ("reembed", "--output-dimensionality", "128", "--alias", "live")
    assert command(*reembed).exit_code == 0
    result = command("delete", "--all", "--collection", "live", "--yes")
    assert result.exit_code == 1
    assert "'live' is an alias of collection 'documents-gemini-embedding-2-128'" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "left"), [("n", 13), ("y", 1)])
def test_delete_asks_a_person(command, texts, answer, left):
    assert command("ingest", texts.name).exit_code == 0
    own, others = pty.openpty()
    arguments = ["delete", "--source", "texts/trees.csv"]
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-m", "langchain_gemini_qdrant", *arguments],
        stdin=others,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        os.write(own, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=60)
    os.close(own)
    os.close(others)
    assert out.startswith("Delete 12 passages of collection 'documents'? [y/N]: ")
    assert json.loads(command("list", "--json").stdout)["points"] == left


@pytest.fixture
def others(tmp_path):
    """Fill a collection as other programs do: named vectors, other keys, no model."""
    with contextlib.closing(EdgeClient(tmp_path / "index")) as client:
        params = models.VectorParams(size=4, distance=models.Distance.DOT)
        client.create_collection("notes", vectors_config={"dense": params})
        point = models.PointStruct(id=7, vector={"dense": [1, 0, 0, 0]}, payload=OTHERS)
        client.upsert("notes", [point])
    return ("--path", "index", "--collection", "notes")


def test_collections_of_others_are_listed_without_a_model(command, others):
    assert command("list", *others[:2]).stdout.startswith("notes\t1\t?\t4\tnone\t")
    assert "model not remembered" in command("info", *others).stdout


def test_collections_of_others_are_shown_by_their_own_keys(command, others):
    result = command("show", *others)
    assert "--text-key and --metadata-key" in result.stderr
    [line] = command("show", *others, "--text-key", "content", "--json").stdout.splitlines()
    assert json.loads(line) == {
        "id": "7",
        "text": OTHERS["content"],
        "metadata": OTHERS["metadata"],
    }


def test_numbered_points_of_others_are_found_and_deleted_by_their_number(command, others):
    assert "Vacation" in command("show", "--id", "7", *others, "--text-key", "content").stdout
    assert command("delete", "--id", "7", "--yes", *others).exit_code == 0
    assert command("list", *others[:2]).stdout.startswith("notes\t0\t")


def test_a_collection_of_sparse_vectors_alone_is_listed_and_shown(command, qdrant_server):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    client.create_collection("words", sparse_vectors_config={"bm25": models.SparseVectorParams()})
    client.close()
    where = ("--url", qdrant_server.url)
    assert json.loads(command("list", "--json", *where).stdout)["sparse_vectors"] == ["bm25"]
    result = command("show", "--collection", "words", *where)
    assert (result.exit_code, result.stderr) == (0, "No passage found.\n")
