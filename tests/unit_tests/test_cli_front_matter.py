"""Front matter of Markdown files as titles and metadata."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant._qdrant_values import check_payload
from langchain_gemini_qdrant.cli.documents.corpus import Corpus
from langchain_gemini_qdrant.cli.documents.files import find_files
from tests.samples import write

OBSIDIAN = """---
title: Vacation rules
aliases: [holidays, "time off"]
tags:
  - hr
  - rules/leave
author: Ada Example
date: 2026-03-14
updated: 2026-03-14T15:09:26
draft: false
rating: 4.5
weight: 12
source: https://intranet.example/vacation
heading: none
cover: {image: beach.png}
empty:
---
# Vacation

Thirty days a year.
"""
HUGO = """+++
title = "Vacation rules"
tags = ["hr", "rules"]
date = 2026-03-14T15:09:26Z
weight = 12

[params]
image = "beach.png"
+++

Thirty days a year.
"""


@pytest.fixture
def read(tmp_path):
    """Return the only passage of a Markdown file, its metadata, and the notice about the file."""

    def read(text):
        corpus = Corpus(
            find_files([str(write(tmp_path, {"a.md": text.encode()}))]), chunk_size=1000
        )
        [passage] = corpus.passages()
        del passage.metadata["source"]
        check_payload(passage.metadata)
        assert corpus.problems == {}
        return passage.page_content, passage.metadata, next(iter(corpus.notices.values()), None)

    return read


def test_yaml_is_metadata_and_not_text(read):
    text, metadata, notice = read(OBSIDIAN)
    assert text == "# Vacation\n\nThirty days a year."
    assert metadata == {
        "title": "Vacation rules",
        "aliases": ["holidays", "time off"],
        "tags": ["hr", "rules/leave"],
        "author": "Ada Example",
        "date": "2026-03-14",
        "updated": "2026-03-14T15:09:26",
        "draft": False,
        "rating": 4.5,
        "weight": 12,
        "record_source": "https://intranet.example/vacation",
        "record_heading": "none",
        "heading": "Vacation",
    }
    assert notice is None


def test_toml_is_metadata_and_not_text(read):
    text, metadata, notice = read(HUGO)
    assert text == "Thirty days a year."
    assert metadata == {
        "title": "Vacation rules",
        "tags": ["hr", "rules"],
        "date": "2026-03-14T15:09:26+00:00",
        "weight": 12,
    }
    assert notice is None


@pytest.mark.parametrize(
    ("front", "problem"),
    [
        ("---\ntitle: [open\n---\n", "line 3: expected"),
        ("---\ntitle: Rules: of leave\n---\n", "line 2: mapping values are not allowed here"),
        ("---\ndate: 2026-13-45\n---\n", "a value that is none"),
        ("+++\ntitle = Rules\n+++\n", "Invalid value"),
        (f"---\na: {'[' * 5000}\n---\n", "front matter is read as text"),
    ],
)
def test_broken_front_matter_is_told_and_stays_in_the_text(tmp_path, front, problem):
    folder = write(tmp_path, {"a.md": f"{front}\nThirty days a year.\n".encode()})
    corpus = Corpus(find_files([str(folder)]), chunk_size=10_000)
    [passage] = corpus.passages()
    assert passage.page_content.startswith(f"```\n{front.splitlines()[1]}\n```\n\nThirty")
    assert passage.metadata["title"] == "a"
    [notice] = corpus.notices.values()
    assert notice.startswith("the front matter is read as text: ")
    assert problem in notice


@pytest.mark.parametrize(
    "text", ["---\n\nA text between two rules.\n\n---\n\nMore.", "---\nkey: never closed\n\nText."]
)
def test_rules_are_no_front_matter(read, text):
    found, metadata, notice = read(text)
    assert "".join(found.split()).strip("-") == "".join(text.split()).strip("-")
    assert (metadata, notice) == ({"title": "a"}, None)


@pytest.mark.parametrize(
    ("front", "metadata"),
    [
        ("a: .nan\nb: .inf\nc: 18446744073709551616\n", {"a": "nan", "b": "inf"}),
        ("2: one\ntrue: two\n", {"2": "one", "True": "two"}),
        ("title: 2026\n", {"title": "2026"}),
        ("title: [a]\n", {}),
        ("tags: [a, {b: c}, 2026-01-02, ]\n", {"tags": ["a", "2026-01-02"]}),
        ("", {}),
    ],
)
def test_fields_are_what_all_engines_store(read, front, metadata):
    expected = {"title": "a", **metadata}
    if "c:" in front:
        expected["c"] = "18446744073709551616"
    assert read(f"---\n{front}---\nText.\n") == ("Text.", expected, None)


def test_notice_on_the_encoding_stays_too(tmp_path):
    text = "---\ntitle: [open\n---\nFür Gäste gibt es früh um sieben Kaffee.\n"
    folder = write(tmp_path, {"a.md": text.encode("cp1252")})
    corpus = Corpus(find_files([str(folder)]), chunk_size=1000)
    [passage] = corpus.passages()
    assert "Für Gäste" in passage.page_content
    [notice] = corpus.notices.values()
    assert "read as cp1252" in notice
    assert "front matter is read as text" in notice
