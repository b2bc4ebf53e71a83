"""`gemini-qdrant ingest` on Office files, e-mail, tables and code: what is stored can be cited."""

from __future__ import annotations

import json
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings, GeminiQdrantVectorStore
from langchain_gemini_qdrant.cli import cli
from tests.office_files import compound, epub, opendocument, slides, word, workbook
from tests.samples import write

ROWS = [["Name", "Price"], ["Tee", 9.5], ["Cup", 12]]
FILES = {
    "trip.docx": word(),
    "plan.pptx": slides(),
    "prices.xlsx": workbook(Shop=ROWS),
    "more.csv": b"Name,Price\nPen,2.00\nBag,30\n",
    "sea.epub": epub(),
    "rules.odt": opendocument("text", '<text:h text:outline-level="1">Rules</text:h>'),
    "lunch.eml": b"From: Ada <a@x.org>\nSubject: Lunch\nContent-Type: text/html\n\n<h1>Noon</h1>",
    "n.ipynb": json.dumps(
        {"cells": [{"cell_type": "markdown", "source": "# Waves"}], "metadata": {}}
    ).encode(),
    "main.py": b"import os\n\n\n"
    + b"".join(b"def f%d():\n    return %d\n\n\n" % (i, i) for i in range(99)),
    "chat.json": b'{"messages": [{"role": "user", "content": "Hi"}]}',
    "talk.srt": b"1\n00:00:01,000 --> 00:00:02,000\nWelcome\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch, emulator, tmp_path):
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)


def ingest(*arguments):
    return CliRunner().invoke(cli, ["ingest", "--output-dimensionality", "128", *arguments])


def stored(filter=None):
    with closing(EdgeClient("gemini-qdrant-index")) as client:
        store = GeminiQdrantVectorStore.from_existing_collection(
            "documents", GeminiEmbeddings(output_dimensionality=128), client=client
        )
        return [document.metadata for document in store.iter_documents(filter=filter)]


def test_passages_of_each_kind_have_their_place(tmp_path):
    write(tmp_path / "docs", FILES)
    result = ingest("docs")
    assert result.exit_code == 0, result.output
    places = {}
    for metadata in stored():
        places.setdefault(metadata["source"].removeprefix("docs/"), []).append(metadata)
    assert places.keys() == FILES.keys()
    first = {name: found[0] for name, found in places.items()}
    assert {each["slide"] for each in places["plan.pptx"]} == {1, 2}
    assert {(each["sheet"], each["row"]) for each in places["prices.xlsx"]} == {
        ("Shop", 2),
        ("Shop", 3),
    }
    assert {each["chapter"] for each in places["sea.epub"]} == {"Low tide", "Waves"}
    assert (first["lunch.eml"]["from"], first["lunch.eml"]["heading"]) == ("Ada <a@x.org>", "Noon")
    assert (first["n.ipynb"]["cell"], first["talk.srt"]["time"]) == (1, "00:00:01")
    assert (first["chat.json"]["role"], first["chat.json"]["record"]) == ("user", 1)
    code = sorted(each["line"] for each in places["main.py"])
    assert code[0] == 1
    assert all((line - 4) % 4 == 0 for line in code[1:])
    assert first["trip.docx"]["title"] == "Travel"


def test_columns_of_tables_can_be_filtered_by(tmp_path):
    write(tmp_path, {name: FILES[name] for name in ("prices.xlsx", "more.csv")})
    ingest("prices.xlsx", "more.csv")
    assert {each["Name"] for each in stored({"Price": {"$lt": 10}})} == {"Tee", "Pen"}
    assert {each["Name"] for each in stored({"Price": {"$gte": 12}})} == {"Cup", "Bag"}


def test_files_that_need_the_extra_are_told_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mammoth", None)  # as if it were not installed
    write(tmp_path / "docs", {"a.docx": FILES["trip.docx"], "b.md": b"# B\n\ntext"})
    result = ingest("docs")
    assert result.exit_code == 1
    advice = "needs pip install 'langchain-gemini-qdrant[files]'"
    assert result.stderr.startswith(f"Not read: 1 .docx: {advice}\n")
    assert advice in " ".join(result.stdout.split())
    assert [each["source"] for each in stored()] == ["docs/b.md"]
    estimate = ingest("docs", "--dry-run")
    assert estimate.stderr.startswith(f"Not read: 1 .docx: {advice}\n")


def test_named_files_of_other_kinds_are_told_as_what_they_are(tmp_path):
    files = {
        "photo.png": b"\x89PNG\r\n\x1a\n\0",
        "old.doc": compound({"WordDocument": b"x"}),
        "LICENSE": b"All rights are yours.",
    }
    write(tmp_path, files)
    result = ingest(*files)
    assert result.exit_code == 1
    shown = " ".join(result.stdout.split())
    assert "is an image (image/png), not text: --media embeds it" in shown
    assert "is of Word 97 to 2003: save it as .docx" in shown
    assert "encoding" not in shown
    assert [each["source"] for each in stored()] == ["LICENSE"]


def test_a_pattern_that_matches_nothing_is_told_before_anything_is_sent(tmp_path, emulator):
    write(tmp_path / "docs", {"a.md": b"# A"})
    emulator.fail_next(status=401)
    result = ingest("docs", "--exclude", "draft/", "--include", "*.md", "--include", "*.rst")
    first, second, error, *_ = result.stderr.splitlines()
    assert [first, second] == [
        "--include '*.rst' matched nothing",
        "--exclude 'draft/' matched nothing",
    ]
    assert error.startswith("Error: ")
