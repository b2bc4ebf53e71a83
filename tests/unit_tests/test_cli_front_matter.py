"""Front matter of Markdown files as titles and metadata."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant._qdrant_values import check_payload
from langchain_gemini_qdrant.cli.documents import readers
from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.reading import Reading
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
    """Return the text of a Markdown file, its metadata, and the notice about the file."""

    def read(text, encoding="utf-8"):
        folder = write(tmp_path, {"a.md": text.encode(encoding)})
        reading = Reading(file=find_files([str(folder)]).files[0])
        [part] = readers.read(reading)
        check_payload(part.metadata)
        assert reading.problem is None
        return part.page_content.strip(), part.metadata, reading.notice

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
def test_broken_front_matter_is_told_and_stays_in_the_text(read, front, problem):
    text, metadata, notice = read(f"{front}\nThirty days a year.\n")
    assert text == f"```\n{front.splitlines()[1]}\n```\n\nThirty days a year."
    assert metadata == {"title": "a"}
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


def test_notice_on_the_encoding_stays_too(read):
    front = "---\ntitle: [open\n---\nFür Gäste gibt es früh um sieben Kaffee.\n"
    text, _, notice = read(front, "cp1252")
    assert text.endswith("Für Gäste gibt es früh um sieben Kaffee.")
    assert "read as cp1252" in notice
    assert "the front matter is read as text" in notice
