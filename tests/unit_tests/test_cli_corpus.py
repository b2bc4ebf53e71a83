"""Files that change or vanish between being found and being read."""

from __future__ import annotations

import os
import sys

import pytest

from langchain_gemini_qdrant.cli.documents.corpus import Corpus
from langchain_gemini_qdrant.cli.documents.files import find_files
from tests.samples import paragraphs, write


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"a.txt": paragraphs(9_000).encode(), "b.txt": b"The end."})
    return Corpus(find_files(["."]), chunk_size=1000)


def test_a_file_that_is_written_while_it_is_read_is_told(corpus, tmp_path):
    passages = corpus.passages()
    next(passages)
    with (tmp_path / "a.txt").open("ab") as file:
        file.write(b"One more line.")
    rest = [given.document for given in passages]
    assert rest[-1].page_content == "The end."
    assert corpus.problems == {"a.txt": "it changed while it was read: run the command again"}
    assert [each.id for each in rest if not each.page_content] == ["a.txt"]


def test_a_file_that_another_one_replaces_while_it_is_read_is_told(corpus, tmp_path):
    passages = corpus.passages()
    next(passages)
    (tmp_path / "b.txt").replace(tmp_path / "a.txt")
    assert next(reversed(list(passages))).document.id == "b.txt"
    assert "changed while it was read" in corpus.problems["a.txt"]
    assert "No such file" in corpus.problems["b.txt"]


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="everything can be read there"
)
def test_files_and_folders_without_permission_are_told(corpus, tmp_path):
    (tmp_path / "a.txt").chmod(0)
    write(tmp_path / "closed", {"c.md": b"x"}).chmod(0)
    try:
        list(corpus.passages())
        assert corpus.problems == {"a.txt": "Permission denied"}
        assert find_files(["."]).problems == {"closed": "Permission denied"}
    finally:
        (tmp_path / "closed").chmod(0o700)
