"""`gemini-qdrant ingest` once more: unchanged files, the same files under other names, changes."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient
from tests.integration_tests.command_line import cells, counts, ingest, stored
from tests.samples import paragraphs, write

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

INDEX = "gemini-qdrant-index"
FILES = {
    "a.md": b"# The ash\n\nThe ash sheds its leaves in autumn.",
    "sub/b.txt": b"The oak keeps them until spring.",
    "rows.csv": b"title,height\nThe elm,30\nThe yew,20\n",
}


def aged(folder, names=FILES):
    """Let files be older than what a disk may fail to tell from now."""
    for name in names:
        os.utime(folder / name, ns=(10**18, 10**18))
    return folder


@pytest.fixture
def docs(in_an_empty_folder):
    """A folder that was stored."""
    folder = aged(write(in_an_empty_folder / "docs", FILES))
    result = ingest("docs")
    assert result.exit_code == 0, result.output
    assert counts(result) == [4, 0, 0, 0, 0]
    return folder


def files(result):
    return cells(result)["files"]


# Unchanged files


@pytest.mark.usefixtures("docs")
def test_unchanged_files_are_not_read_again(emulator):
    emulator.clear()
    result = ingest("docs")
    assert files(result) == "0 read, 3 unchanged"
    assert counts(result) == [0, 0, 4, 0, 0]
    assert emulator.requests == []
    assert cells(ingest("docs", "--dry-run"))["to send"] == "0 texts, ~0 tokens"
    assert files(ingest("docs", "--reread")) == "3 read"
    assert files(ingest("docs")) == "0 read, 3 unchanged"


def test_a_changed_file_is_read_though_its_size_and_time_are_the_same(docs):
    changed = FILES["a.md"].replace(b"ash", b"fir")
    aged(write(docs, {"a.md": changed}), ["a.md"])
    result = ingest("docs", "--cleanup", "source")
    assert files(result) == "1 read, 2 unchanged"
    assert counts(result) == [1, 0, 3, 1, 0]
    assert stored()["docs/a.md"][0].page_content.startswith("# The fir")


def test_a_file_that_took_the_place_of_another_is_read(docs):
    aged(write(docs, {"new": FILES["a.md"].replace(b"ash", b"fir")}), ["new"])
    (docs / "new").replace(docs / "a.md")
    assert files(ingest("docs")) == "1 read, 2 unchanged"


def test_a_file_of_this_moment_may_change_unseen_and_is_read_again(docs):
    write(docs, {"a.md": b"# The birch\n\nIt is white."})
    for _ in range(2):
        assert files(ingest("docs")) == "1 read, 2 unchanged"


@pytest.mark.parametrize("cleanup", ["none", "source", "full"])
@pytest.mark.usefixtures("docs")
def test_what_was_deleted_from_the_collection_is_read_and_stored_again(cleanup):
    gone = stored()["docs/rows.csv"][1].id
    with closing(EdgeClient(INDEX)) as client:
        client.delete("documents", [gone])
    result = ingest("docs", "--cleanup", cleanup)
    assert files(result) == "1 read, 2 unchanged"
    assert counts(result) == [1, 0, 3, 0, 0]
    assert len(stored()["docs/rows.csv"]) == 2


@pytest.mark.slow
def test_of_many_files_only_the_one_that_lacks_a_passage_is_read_again(tmp_path, emulator):
    rows = "".join(f"row {i}\n" for i in range(2_300))
    many = {f"{i}.md": b"# %d" % i for i in range(130)} | {"big.csv": f"title\n{rows}".encode()}
    aged(write(tmp_path / "docs", many), many)
    ingest("docs")
    assert files(ingest("docs")) == "0 read, 131 unchanged"
    gone = stored()["docs/big.csv"][2_200].id
    with closing(EdgeClient(INDEX)) as client:
        client.delete("documents", [gone])
    emulator.clear()
    assert files(ingest("docs")) == "1 read, 130 unchanged"
    assert len(emulator.texts) == 1


@pytest.mark.usefixtures("docs")
def test_another_collection_or_a_new_one_of_the_name_gets_everything():
    assert counts(ingest("docs", "--collection", "other")) == [4, 0, 0, 0, 0]
    with closing(EdgeClient(INDEX)) as client:
        client.delete_collection("documents")
    assert counts(ingest("docs")) == [4, 0, 0, 0, 0]
    assert set(stored()) == set(stored(collection="other")) == {f"docs/{name}" for name in FILES}


@pytest.mark.usefixtures("docs")
@pytest.mark.parametrize(
    "options",
    [("--chunk-size", "900"), ("--encoding", "cp1252"), ("--text-field", "x"), ("--root", "docs")],
)
def test_files_are_read_again_in_another_way(options):
    assert files(ingest("docs", *options)) == "3 read"


@pytest.mark.parametrize("cleanup", ["source", "full"])
def test_cleanup_keeps_what_unchanged_files_have_and_deletes_what_they_no_longer_have(
    docs, cleanup
):
    aged(write(docs, {"a.md": b"# The fir\n\nAn evergreen."}), ["a.md"])
    assert counts(ingest("docs")) == [1, 0, 3, 0, 0]
    result = ingest("docs", "--cleanup", cleanup)
    assert files(result) == "0 read, 3 unchanged"
    assert counts(result) == [0, 0, 4, 1, 0]
    assert {len(documents) for documents in stored().values()} == {1, 2}
    assert set(stored()) == {f"docs/{name}" for name in FILES}


def test_what_was_to_be_known_of_a_file_is_said_again(tmp_path):
    odd = {"a.txt": "Größe und Maß. ".encode("cp1252") * 40, "b.txt": b" ", "c.jsonl": b"{"}
    aged(write(tmp_path / "docs", odd), odd)
    first = ingest("docs")
    again = ingest("docs")
    assert files(again) == "0 read, 1 unchanged, 1 without text, 1 failed"
    for name in odd:
        assert cells(again)[f"docs/{name}"] == cells(first)[f"docs/{name}"]
    assert first.exit_code == again.exit_code == 1


@pytest.mark.parametrize("damage", [b"no database at all", b""])
def test_a_damaged_memory_of_files_costs_reading_them_and_nothing_else(docs, damage):
    (Path(INDEX) / "read-files.sqlite").write_bytes(damage)
    result = ingest("docs", "--cleanup", "full")
    assert result.exit_code == 0, result.output
    assert files(result) == "3 read"
    assert counts(result) == [0, 0, 4, 0, 0]
    assert ("all files are read again" in result.stderr) is bool(damage)
    assert len(list(docs.iterdir())) == 3


def test_a_run_that_ends_early_remembers_nothing_that_is_not_stored(tmp_path, emulator):
    aged(write(tmp_path / "docs", FILES))
    emulator.fail_next(status=429, quota="requests_per_day")
    assert ingest("docs").exit_code == 1
    assert counts(ingest("docs")) == [4, 0, 0, 0, 0]


def test_a_dry_run_leaves_index_and_memory_as_they_are(docs):
    memory = Path(INDEX, "read-files.sqlite")
    with closing(EdgeClient(INDEX)) as client:
        client.delete_payload_index("documents", "metadata.source")
    before = memory.read_bytes()
    aged(write(docs, {"new/a.md": FILES["a.md"]}), ["new/a.md"])
    assert cells(ingest("docs", "--dry-run"))["to send"].startswith("1 text,")
    assert memory.read_bytes() == before
    with closing(EdgeClient(INDEX)) as client:
        assert client.get_collection("documents").payload_schema == {}


# The same files under other names


def test_a_folder_is_the_same_however_it_is_spelled(docs, monkeypatch, emulator):
    emulator.clear()
    ways = [(str(docs),), ("./docs/../docs",), ("docs/sub", "docs")]
    for arguments in ways:
        assert counts(ingest(*arguments)) == [0, 0, 4, 0, 0]
    monkeypatch.chdir(docs)
    assert counts(ingest(".", "--path", f"../{INDEX}")) == [0, 0, 4, 0, 0]
    assert emulator.requests == []


def test_sources_are_relative_to_the_root(docs):
    ingest("docs", "--path", "elsewhere/index")
    ingest("docs", "--path", "elsewhere/rooted", "--root", "docs")
    assert set(stored("elsewhere/index")) == {(docs / name).as_posix() for name in FILES}
    assert set(stored("elsewhere/rooted")) == set(FILES)


@pytest.mark.parametrize("others", [("docs/a.md",), ("docs/a.md", "x/a.md", "y/a.md", "z/a.md")])
def test_a_copy_is_stored_told_and_not_paid_for(docs, emulator, others):
    for name in others[1:]:
        write(docs.parent, {name: b"# Another one\n\nOf the same name."})
        ingest(name)
    write(docs.parent, {"copy/a.md": FILES["a.md"]})
    emulator.clear()
    foretold = ingest("copy", "--dry-run")
    result = ingest("copy")
    for each in (foretold, result):
        assert cells(each)["copy/a.md"] == (
            "its text is stored as docs/a.md, too, and is not paid for again"
        )
    assert cells(foretold)["to send"] == "0 texts, ~0 tokens"
    assert counts(result) == [1, 0, 0, 0, 0]
    assert emulator.requests == []
    [copy] = stored()["copy/a.md"]
    [original] = stored()["docs/a.md"]
    assert copy.page_content == original.page_content
    with closing(EdgeClient(INDEX)) as client:
        points = client.retrieve("documents", [copy.id, original.id], with_vectors=True)
    assert points[0].vector == pytest.approx(points[1].vector)
    assert "copy/a.md" not in cells(ingest("copy", "--reread"))


def test_at_most_five_copies_are_named(tmp_path):
    write(tmp_path, {f"old/{i}.md": b"# Page %d" % i for i in range(7)})
    ingest("old")
    for copy, options, hint in (("new", (), False), ("old", ("--root", "old"), True)):
        write(tmp_path, {f"{copy}/{i}.md": b"# Page %d" % i for i in range(7)})
        result = ingest(copy, *options)
        assert result.stdout.count("its text is stored as") == 5
        assert cells(result)["…"] == "and 2 more"
        assert ("--root keeps sources the same" in result.stdout) is hint


def test_copies_that_are_read_in_one_run_are_paid_for_once(tmp_path, emulator):
    text = paragraphs(150_000).encode()
    write(
        tmp_path, {"old/big.txt": text, "old/b.md": b"# B", "new/big.txt": text, "new/b.md": b"# B"}
    )
    foretold = ingest("old", "new", "--dry-run")
    result = ingest("old", "new")
    for each in (foretold, result):
        assert cells(each)["new/big.txt"].startswith("its text is stored as old/big.txt, too")
    sent = len(emulator.texts)
    added, *others = counts(result)
    assert (added, others) == (2 * sent, [0, 0, 0, 0])
    assert cells(foretold)["to send"].startswith(f"{sent} texts,")
    assert len(stored()["new/big.txt"]) == len(stored()["old/big.txt"]) == sent - 1


def test_of_a_copy_that_was_edited_only_what_is_new_is_paid_for(tmp_path, emulator):
    rows = [f"row {i},{i}" for i in range(20)]
    write(tmp_path, {"docs/t.csv": "\n".join(["title,n", *rows]).encode()})
    ingest("docs")
    rows[7] = "row 7,70"
    write(tmp_path, {"moved/t.csv": "\n".join(["title,n", *rows]).encode()})
    emulator.clear()
    assert cells(ingest("moved", "--dry-run"))["to send"].startswith("1 text,")
    assert counts(ingest("moved", "--cleanup", "full")) == [20, 0, 0, 20, 0]
    assert [len(request.texts) for request in emulator.requests] == [1]


def test_a_passage_with_another_title_is_paid_for(docs, emulator):
    write(docs.parent, {"copy/rows.csv": FILES["rows.csv"].replace(b"title", b"Title")})
    emulator.clear()
    ingest("copy")
    assert len(emulator.texts) == 2


@pytest.mark.parametrize("fault", [{"status": 400}, {"status": 429, "quota": "requests_per_day"}])
def test_a_file_whose_new_title_is_not_stored_is_read_again(docs, emulator, fault):
    page = b"---\ntitle: %s\n---\nThe ash is tall."
    aged(write(docs, {"titled.md": page % b"Old"}), ["titled.md"])
    ingest("docs")
    aged(write(docs, {"titled.md": page % b"New"}), ["titled.md"])
    emulator.fail_next(**fault)
    assert ingest("docs").exit_code == 1
    result = ingest("docs")
    assert files(result) == "1 read, 3 unchanged"
    assert counts(result) == [0, 1, 4, 0, 0]
    assert stored()["docs/titled.md"][0].metadata["title"] == "New"
    assert files(ingest("docs")) == "0 read, 4 unchanged"


@pytest.mark.usefixtures("docs")
def test_standard_input_under_the_name_of_an_unchanged_file_is_read():
    assert files(ingest("docs", "-", "--stdin-name", "docs/a.md", stdin="New.")) == (
        "1 read, 3 unchanged"
    )
    assert len(stored()["docs/a.md"]) == 2


def test_no_other_index_is_read(docs):
    with closing(QdrantClient(path=str(docs / "local"))) as client:
        client.create_collection("c", models.VectorParams(size=2, distance="Cosine"))
    ingest("docs", "--path", "docs/one")
    result = ingest("docs", "--path", "docs/two")
    assert set(stored("docs/two")) == set(FILES)
    assert "an index" in result.output


@pytest.mark.slow
def test_of_many_files_of_one_name_those_that_moved_are_found_by_their_folders(tmp_path, emulator):
    many = {f"docs/{i}/index.md": b"Page %d." % i for i in range(110)}
    write(tmp_path, many)
    ingest("docs")
    (tmp_path / "docs").rename("moved")
    emulator.clear()
    assert counts(ingest("moved", "--cleanup", "full")) == [110, 0, 0, 110, 0]
    assert emulator.requests == []
