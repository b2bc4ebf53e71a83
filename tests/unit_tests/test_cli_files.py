"""Which files the command line reads."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from langchain_gemini_qdrant.cli.documents.files import (
    EXCLUDED,
    HIDDEN,
    IGNORED,
    INSTALLED,
    LINK,
    MEDIA,
    NOT_INCLUDED,
    OTHER_KIND,
    Skipped,
    count_skipped,
    find_files,
    listed,
    read_stdin,
)
from langchain_gemini_qdrant.errors import InvalidInputError
from tests.samples import write


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = ("a.md", "b.txt", "sub/c.md", "sub/deep/d.html", "drafts/e.md", "f.png", ".git/g.md")
    return write(tmp_path / "docs", dict.fromkeys((*files, ".h.md"), b"x"))


def find(*paths, root=None, **options):
    return find_files(paths, root=root and Path(root), **options)


def sources(*paths, **options):
    return [file.source for file in find(*paths, **options).files]


def skipped(*paths, **options):
    return {reason: dict(n) for reason, n in count_skipped(find(*paths, **options).skipped).items()}


def test_folder_is_read_in_order_without_hidden_files_and_other_kinds():
    assert sources("docs") == [
        "docs/a.md",
        "docs/b.txt",
        "docs/drafts/e.md",
        "docs/sub/c.md",
        "docs/sub/deep/d.html",
    ]


def test_all_that_is_not_read_is_told_with_the_reason(folder):
    more = ("node_modules/x.md", "env/pyvenv.cfg", "env/x.md", "Makefile", "g.PNG", "out/x.md")
    write(folder, {**dict.fromkeys(more, b"x"), ".gitignore": b"out"})
    assert skipped("docs", exclude=["e.md"], include=["*.md", "*.html"]) == {
        HIDDEN: {"folder": 1, "file": 2},
        INSTALLED: {"folder": 2},
        IGNORED: {"folder": 1},
        EXCLUDED: {"file": 1},
        NOT_INCLUDED: {"file": 4},
    }
    assert skipped("docs")[OTHER_KIND] == {"without an ending": 1}
    assert skipped("docs")[MEDIA] == {".png": 2}
    assert MEDIA not in skipped("docs", media=True)
    everything = find("docs")
    names = {each.source for each in everything.skipped}
    assert {"docs/.h.md", "docs/.git/", "docs/node_modules/", "docs/Makefile"} <= names
    assert len(names) == len(everything.skipped)


def test_endings_are_all_listed_and_the_rarest_of_very_many_are_summed_up():
    few = Counter({f".{i}": 1 for i in range(60)})
    assert all(f"1 .{i}" in listed(few).split(", ") for i in range(60))
    many = Counter({f".{i}": 1 for i in range(1_000)}) + Counter({".gif": 1_200, "folder": 2})
    assert listed(many).startswith("1,200 .gif, 2 folders, 1 .0, ")
    assert listed(many).endswith(", 902 with 902 other endings")


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.md"], [], ["a.md", "drafts/e.md", "sub/c.md"]),
        (["*.md", "b.*"], ["drafts"], ["a.md", "b.txt", "sub/c.md"]),
        (["sub/*"], [], ["sub/c.md", "sub/deep/d.html"]),
        (["sub/**/*.md"], [], ["sub/c.md"]),
        (["**/*.md"], [], ["a.md", "drafts/e.md", "sub/c.md"]),
        (["/*.md"], [], ["a.md"]),
        (["*.md", "!e.md"], [], ["a.md", "sub/c.md"]),
        ([], ["sub/"], ["a.md", "b.txt", "drafts/e.md"]),
        ([], ["sub/deep", "?.md"], ["b.txt"]),
    ],
)
def test_patterns_are_those_of_gitignore_inside_the_folder(include, exclude, expected):
    found = sources("docs", include=include, exclude=exclude)
    assert found == [f"docs/{name}" for name in expected]
    assert sources("docs", root="docs", include=include, exclude=exclude) == expected


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("*.png", ["f.png"]),
        ("f.*", ["f.png"]),
        ("sub/*.log", ["sub/x.log"]),
        ("LICENSE", ["sub/LICENSE"]),
        (".h.*", [".h.md"]),
        ("sub/*", ["sub/c.md", "sub/deep/d.html"]),
        ("sub/", ["sub/c.md", "sub/deep/d.html"]),
        ("**", ["a.md", "b.txt", "drafts/e.md", "sub/c.md", "sub/deep/d.html"]),
    ],
)
def test_a_pattern_that_gives_names_has_them_read_whatever_their_kind(folder, include, expected):
    write(folder, {"sub/x.log": b"x", "sub/LICENSE": b"x"})
    assert sources("docs", root="docs", include=[include]) == expected


@pytest.mark.parametrize("option", ["include", "exclude"])
@pytest.mark.parametrize("pattern", ["!", "\\"])
def test_a_pattern_that_is_none_is_refused(option, pattern):
    with pytest.raises(InvalidInputError, match=f"--{option} must be a pattern as in .gitignore"):
        find("docs", **{option: [pattern]})


def test_source_is_the_path_inside_the_root_however_it_is_spelled(folder, monkeypatch):
    assert sources("./docs/a.md") == sources(str(folder / "a.md")) == ["docs/a.md"]
    assert sources("docs/sub/../a.md") == ["docs/a.md"]
    monkeypatch.chdir(folder / "sub")
    assert sources("c.md", root="../..") == ["docs/sub/c.md"]
    assert sources("../a.md", root=".") == [(folder / "a.md").as_posix()]


def test_a_file_that_is_named_twice_is_read_once(folder):
    assert sources("docs/a.md", "docs/../docs/a.md", str(folder / "a.md")) == ["docs/a.md"]
    assert sources("docs/sub", "docs").count("docs/sub/c.md") == 1


def test_a_named_file_of_another_kind_is_read_as_text():
    [file] = find("docs/f.png").files
    assert file.kind == "text"


def test_missing_paths_are_all_named_at_once():
    with pytest.raises(InvalidInputError, match=r"^nowhere, docs/x\.md: no such file"):
        find("nowhere", "docs/a.md", "docs/x.md")


@pytest.mark.parametrize("address", ["https://example.com/a?b=1&c", "s3://bucket/key"])
def test_an_address_is_told_as_it_is_with_the_command_that_reads_it(address):
    with pytest.raises(InvalidInputError, match="only files are read") as caught:
        find("docs", address)
    assert str(caught.value).startswith(f"{address} is an address")
    assert f"gemini-qdrant ingest - --stdin-name {shlex.quote(address)}" in str(caught.value)


def test_nothing_to_read_is_an_error_that_says_what_is_there(folder):
    with pytest.raises(InvalidInputError, match=r"no file to read in docs \(.*--include: 6 files"):
        find("docs", include=["*.pdf"])
    write(folder, {"images/a.png": b"x"})
    with pytest.raises(InvalidInputError, match=r"images \(media \(--media embeds them\): 1 \.png"):
        find("docs/images")


def test_engine_folder_is_left_out(folder):
    write(folder, {"index/x.md": b"x"})
    assert "docs/index/x.md" not in sources("docs", leave_out=folder / "index")


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are POSIX's")
def test_loops_of_links_end_and_dead_links_and_pipes_are_told(folder):
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "gone.md").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe.txt")
    found = find("docs")
    assert len(found.files) == 5
    assert Skipped("docs/sub/loop/", LINK) in found.skipped
    assert set(found.problems) == {"docs/gone.md", "docs/pipe.txt"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_that_is_no_unicode_is_written_out(folder):
    (folder / os.fsdecode(b"caf\xe9.md")).write_bytes(b"x")
    (folder / os.fsdecode(b"caf\xe9.gif")).write_bytes(b"x")
    assert r"docs/caf\xe9.md" in sources("docs")
    assert r"docs/caf\xe9.gif" in {each.source for each in find("docs").skipped}


# What git ignores


@pytest.fixture
def repository(folder):
    """The folder as a repository with rules of every kind."""
    rules = {
        ".gitignore": b"/drafts/\n*.txt\n!keep.txt\n\n# comment\n!\nsub/deep\n",
        "sub/.gitignore": b"!b.txt\nc.md\n",
        ".git/info/exclude": b"secret.md\nb.md\n",
    }
    others = ("keep.txt", "sub/b.txt", "sub/x.txt", "secret.md", "sub/secret.md", "other/c.md")
    return write(folder, {**rules, **dict.fromkeys(others, b"x")})


KEPT = ["a.md", "keep.txt", "other/c.md", "sub/b.txt"]


def test_what_git_ignores_is_not_read_by_the_nearest_rule(repository):
    assert sources("docs", root="docs") == KEPT
    if git := shutil.which("git"):
        subprocess.run([git, "init", "--quiet", repository], check=True)  # noqa: S603
        command = [git, "ls-files", "--others", "--exclude-standard", "*.md", "*.txt"]
        listed = subprocess.run(command, cwd=repository, capture_output=True, check=True)  # noqa: S603
        seen = set(listed.stdout.decode().split())
        assert {name for name in seen if not name.startswith(".")} == set(KEPT)


@pytest.mark.usefixtures("repository")
def test_rules_above_the_folder_that_is_named_hold_in_it():
    assert sources("docs/sub", root="docs") == ["sub/b.txt"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("named", ["docs/drafts", "docs/drafts/e.md"])
def test_what_is_named_is_read_though_git_ignores_it(named):
    assert sources(named, root="docs") == ["drafts/e.md"]


@pytest.mark.usefixtures("repository")
def test_no_gitignore_reads_what_git_ignores():
    found = sources("docs", root="docs", gitignore=False)
    assert {"b.txt", "drafts/e.md", "sub/c.md", "secret.md", "sub/deep/d.html"} < set(found)


def test_gitignore_means_nothing_outside_of_repositories(tmp_path):
    write(tmp_path / "plain", {".gitignore": b"*.md", "a.md": b"x"})
    assert sources("plain") == ["plain/a.md"]


def test_a_repository_in_another_one_has_rules_of_its_own(repository):
    write(repository, {"other/.git/HEAD": b"x", "other/x.txt": b"x", "other/.gitignore": b"c.md"})
    assert sources("docs/other", root="docs") == ["other/x.txt"]
    assert "other/x.txt" in sources("docs", root="docs")


# Standard input


@pytest.mark.parametrize("name", ["", " "])
def test_standard_input_needs_a_name(tmp_path, name):
    with pytest.raises(InvalidInputError, match="--stdin-name must be a name"):
        read_stdin(name, tmp_path)


def test_standard_input_may_be_closed(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InvalidInputError, match="closed"):
        read_stdin("a.md", tmp_path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stdin.txt", "text"),
        ("notes", "text"),
        ("a/page.HTML", "html"),
        ("https://example.com", "html"),
        ("https://example.com/guide?x=a.md", "html"),
        ("https://example.com/guide.md?x=1", "markdown"),
    ],
)
def test_standard_input_is_of_the_kind_that_its_name_says(tmp_path, monkeypatch, name, kind):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"some text")))
    file = read_stdin(name, tmp_path)
    assert (file.source, file.kind, file.size) == (name, kind, 9)
    assert file.path.read_bytes() == b"some text"
    assert sources("docs/a.md", "-", stdin=file) == ["docs/a.md", name]
