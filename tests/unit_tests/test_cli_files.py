"""Which files the command line reads."""

from __future__ import annotations

import os
import sys

import pytest

from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.errors import InvalidInputError
from tests.samples import write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ("a.md", "b.txt", "sub/c.md", "sub/deep/d.html", "drafts/e.md", "f.png", ".git/g.md")
    return write(tmp_path / "docs", dict.fromkeys((*files, ".h.md"), b"x"))


def sources(*paths, **options):
    return [file.source for file in find_files(paths, **options).files]


def test_folder_is_read_in_order_without_hidden_files_and_other_kinds():
    assert sources("docs") == [
        "docs/a.md",
        "docs/b.txt",
        "docs/drafts/e.md",
        "docs/sub/c.md",
        "docs/sub/deep/d.html",
    ]
    assert find_files(["docs"]).others == {".png": 1}


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.md"], [], ["a.md", "drafts/e.md", "sub/c.md"]),
        (["*.md", "b.*"], ["drafts"], ["a.md", "b.txt", "sub/c.md"]),
        (["sub/*"], [], ["sub/c.md", "sub/deep/d.html"]),
        ([], ["sub/"], ["a.md", "b.txt", "drafts/e.md"]),
        ([], ["sub/deep", "?.md"], ["b.txt"]),
    ],
)
def test_patterns_are_for_names_or_for_paths_inside_the_folder(include, exclude, expected):
    found = sources("docs", include=include, exclude=exclude)
    assert found == [f"docs/{name}" for name in expected]


def test_source_is_the_path_as_given_so_that_a_second_run_finds_it(folder):
    assert sources("./docs/a.md") == ["docs/a.md"]
    assert sources(str(folder / "a.md")) == [(folder / "a.md").as_posix()]


def test_a_file_that_is_named_twice_is_read_once(folder):
    assert sources("docs/a.md", "docs/../docs/a.md", str(folder / "a.md")) == ["docs/a.md"]
    assert sources("docs/sub", "docs").count("docs/sub/c.md") == 1


def test_a_named_file_of_another_kind_is_read_as_text():
    [file] = find_files(["docs/f.png"]).files
    assert file.kind == "text"


def test_missing_paths_are_all_named_at_once():
    with pytest.raises(InvalidInputError, match=r"^nowhere, docs/x\.md: no such file"):
        find_files(["nowhere", "docs/a.md", "docs/x.md"])


def test_nothing_to_read_is_an_error_that_says_what_is_there(folder):
    with pytest.raises(InvalidInputError, match=r"no file to read in docs: files of \.txt"):
        find_files(["docs"], include=["*.pdf"])
    write(folder, {"images/a.png": b"x"})
    with pytest.raises(InvalidInputError, match=r"docs/images \(1 \.png of other kinds\)"):
        find_files(["docs/images"])


def test_engine_folder_is_left_out(folder):
    write(folder, {"index/x.md": b"x"})
    assert "docs/index/x.md" not in sources("docs", leave_out=folder / "index")


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX's")
def test_loops_of_links_end_and_dead_links_and_pipes_are_told(folder):
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "gone.md").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.txt")
    found = find_files(["docs"])
    assert len(found.files) == 5
    assert found.others["links to folders"] == 1
    assert set(found.problems) == {"docs/gone.md", "docs/pipe.txt"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_that_is_no_unicode_is_written_out(folder):
    (folder / os.fsdecode(b"caf\xe9.md")).write_bytes(b"x")
    assert r"docs/caf\xe9.md" in sources("docs")
