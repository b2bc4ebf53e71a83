"""Files that `--include` and `--exclude` choose, as people write the patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_gemini_qdrant.cli.documents.files import EXCLUDED, count_skipped, find_files
from langchain_gemini_qdrant.errors import InvalidInputError
from tests.samples import write

FILES = ("a.md", "drafts/b.md", "sub/c.md", "sub/drafts/d.md")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "docs", dict.fromkeys(FILES, b"x"))


def find(*paths, **options):
    return find_files(paths, root=Path("docs"), **options)


def sources(*paths, **options):
    return [file.source for file in find(*paths, **options).files]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("drafts/", ["a.md", "sub/c.md"]),
        ("drafts", ["a.md", "sub/c.md"]),
        ("./drafts", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("./drafts/", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("/drafts", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("docs/drafts", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("./docs/drafts/", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("docs/**/drafts", ["a.md", "sub/c.md"]),
        ("docs/sub/*.md", ["a.md", "drafts/b.md", "sub/drafts/d.md"]),
    ],
)
def test_a_pattern_may_begin_at_the_folder_or_at_the_current_one(folder, pattern, left):
    for path in ("docs", "./docs/", str(folder)):
        found = find(path, exclude=[pattern])
        assert [file.source for file in found.files] == left
        assert found.unused == []


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("drafts/", ["a.md", "sub/c.md"]),
        ("./drafts", ["a.md", "sub/c.md"]),
        ("docs/drafts", ["a.md", "sub/c.md", "sub/drafts/d.md"]),
        ("sub/drafts", ["a.md", "drafts/b.md", "sub/c.md"]),
        ("docs/a.md", ["drafts/b.md", "sub/c.md", "sub/drafts/d.md"]),
        ("a.md", ["drafts/b.md", "sub/c.md", "sub/drafts/d.md"]),
    ],
)
def test_what_a_shell_writes_for_a_star_is_excluded(pattern, left):
    found = find("docs/a.md", "docs/drafts", "docs/sub", exclude=[pattern])
    assert [file.source for file in found.files] == left
    assert found.unused == []
    assert EXCLUDED in count_skipped(found.skipped)


@pytest.mark.parametrize("pattern", ["docs/sub/*.md", "sub/*.md", "./sub/*.md"])
def test_patterns_to_include_are_read_in_the_same_way(pattern):
    assert sources("docs/a.md", "docs/drafts", "docs/sub", include=[pattern]) == ["sub/c.md"]


def test_the_last_pattern_decides_from_wherever_it_begins():
    patterns = ["sub/*.md", "!docs/sub/c.md"]
    assert sources("docs", exclude=patterns) == [
        "a.md",
        "drafts/b.md",
        "sub/c.md",
        "sub/drafts/d.md",
    ]
    assert sources("docs", exclude=patterns[::-1]) == ["a.md", "drafts/b.md", "sub/drafts/d.md"]


def test_names_of_folders_above_those_named_are_no_matter(folder, monkeypatch):
    assert sources("docs/drafts/b.md", exclude=["drafts/"]) == ["drafts/b.md"]
    write(folder, {"drafts/more/e.md": b"x"})
    assert sources("docs/drafts/more", exclude=["drafts/"]) == ["drafts/more/e.md"]
    monkeypatch.chdir(folder / "drafts")
    found = find_files(["."], exclude=["drafts/", "/drafts"])
    assert [file.source for file in found.files] == ["b.md", "more/e.md"]


def test_a_pattern_that_matches_nothing_is_named(folder):
    write(folder, {".gitignore": b"", "node_modules/x.md": b"x", ".cache/y.md": b"x"})
    patterns = ["draft/", "*.md", "a.*", "node_modules", ".cache/", "!nothing"]
    found = find("docs", "docs/a.md", exclude=["*.pdf"], include=patterns[1:3])
    assert found.unused == ["--exclude '*.pdf' matched nothing"]
    with pytest.raises(InvalidInputError, match=r"--exclude 'draft/' matched nothing\. --exclude"):
        find("docs", exclude=patterns)
    assert find("docs", exclude=patterns[2:]).unused == ["--exclude '!nothing' matched nothing"]
