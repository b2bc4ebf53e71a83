"""Texts to passages."""

from __future__ import annotations

from pathlib import Path

import pytest

from langchain_gemini_qdrant._qdrant_values import content_id
from langchain_gemini_qdrant.cli.documents.corpus import Corpus
from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.passages import Outline, Splitter
from tests.samples import BROKEN, SOUND, paragraphs, write


@pytest.mark.parametrize("chunk_size", [50, 1000])
@pytest.mark.parametrize(
    "text",
    ["x" * 200_000, "word " * 40_000, "漢字仮名交じり文。" * 9_000, paragraphs(50_000)],
    ids=["no space", "one line", "Chinese", "prose"],
)
def test_no_passage_is_longer_than_asked_and_no_text_is_lost(text, chunk_size):
    passages = Splitter(chunk_size).split(text)
    assert max(map(len, passages)) <= chunk_size
    end = 0
    for passage in passages:
        start = text.index(passage, max(0, end - chunk_size // 10))
        assert not text[end:start].strip()
        end = start + len(passage)
    assert not text[end:].strip()


def test_passages_end_with_sentences():
    passages = Splitter(200).split(paragraphs(5_000))
    assert len(passages) > 20
    assert all(passage.endswith(".") for passage in passages)


def headings(text, title="Guide", chunk_size=80):
    found = Splitter(chunk_size).split_markdown(text, Outline(title))
    return [heading for _, heading in found]


def test_markdown_passages_know_the_headings_above_them():
    text = """# Guide

An introduction of some fifty characters, more or less.

## Install

```sh
# a comment, which is no heading, and some more of it
```

### Linux

Run the installer, and wait for it to come to its end.
Then restart the machine, which takes a minute or two.

# Appendix

What else there is to say, in a paragraph as long as the others.
"""
    linux = "Install > Linux"
    found = headings(text)
    assert found.count(linux) > 1
    assert [*dict.fromkeys(found)] == ["", "Install", linux, "Appendix"]


def test_short_sections_keep_their_own_headings():
    text = "# FAQ\n\n## How?\n\nLike this.\n\n## Why?\n\nBecause.\n"
    found = Splitter(1000).split_markdown(text, Outline("FAQ"))
    assert found == [("# FAQ\n\n## How?\n\nLike this.", "How?"), ("## Why?\n\nBecause.", "Why?")]


def test_question_of_the_faq_is_the_heading_of_its_answer():
    faq = Path(__file__).parents[2] / "docs" / "faq.md"
    question = "How do I delete everything of one file?"
    found = Splitter().split_markdown(faq.read_text(encoding="utf-8"), Outline("FAQ"))
    [(passage, heading)] = [each for each in found if question in each[0]]
    assert (heading, passage.splitlines()[0]) == (question, f"## {question}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Underlined\n===\n\none\n\nBelow\n---\ntwo", ["Underlined", "Underlined > Below"]),
        ("one\n\n---\n\ntwo\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", [""]),
        ('<h1 align="center">\n  The <i>top</i>\n</h1>\n\ntext', ["The top"]),
        ("## Install {#install}\n\ntext", ["Install"]),
        ("## C#\n\ntext\n\n## Closed ##\n\ntext", ["C#", "Closed"]),
        ("~~~\n# code\n```\n# code\n~~~\n\n# A\n\nx", ["", "A"]),
        ("* ```\n  # code\n  ```\n\n> # quoted\n\n    # code\n\n<!--\n# no\n-->\n", [""]),
        ("## Empty\n\n## Full\n\ntext\n\n## Last", ["Full", "Last"]),
        ("#hashtag\n\ntext", [""]),
    ],
)
def test_headings_are_those_of_commonmark_and_html(text, expected):
    assert headings(text, chunk_size=1000) == expected


def test_no_text_is_lost_between_sections():
    text = f"{paragraphs(3000)}\n# A\n\n## B\n\n{paragraphs(500)}\n### C\n\n# D\n"
    found = Splitter(5000).split_markdown(text, Outline())
    assert "".join("".join(passage for passage, _ in found).split()) == "".join(text.split())


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n\f\n"])
def test_headings_and_code_go_on_in_the_next_block(end):
    splitter, outline = Splitter(), Outline()
    assert splitter.split_markdown(f"# A\n\n```\ncode{end}", outline) == [("# A\n\n```\ncode", "A")]
    found = splitter.split_markdown("# code\n```\n## B\n\ntext", outline)
    assert found == [("# code\n```", "A"), ("## B\n\ntext", "A > B")]


def passages_of(folder, **options):
    corpus = Corpus(find_files([str(folder)]), **{"chunk_size": 1000, **options})
    return corpus, [given.document for given in corpus.passages()]


def test_corpus_has_all_files_with_their_sources_and_titles(tmp_path):
    corpus, passages = passages_of(write(tmp_path, SOUND))
    assert all(len(passage.page_content) <= 1000 for passage in passages)
    assert all(passage.metadata["title"] for passage in passages)
    by_name = {p.metadata["source"].removeprefix(f"{tmp_path.as_posix()}/") for p in passages}
    assert by_name == set(SOUND) - {
        "empty.txt",
        "blank.md",
        "header.csv",
        "image.png",
        ".hidden.md",
    }
    assert len(corpus.empty) == 3
    assert corpus.problems == {}
    assert [*corpus.notices] == [f"{tmp_path.as_posix()}/cyrillic.txt"]


def test_what_cannot_be_read_is_a_document_without_text_that_names_its_source(tmp_path):
    corpus, passages = passages_of(write(tmp_path, BROKEN))
    marks = {passage.id for passage in passages if not passage.page_content}
    assert marks == {f"{tmp_path.as_posix()}/{name}" for name in BROKEN} == set(corpus.problems)
    assert {p.page_content for p in passages} - {""} == {"good", "also good", "a: 1\nb: 2"}


def test_half_a_character_is_told(tmp_path):
    corpus, passages = passages_of(write(tmp_path, {"r.jsonl": rb'{"text": "\ud800"}'}))
    assert "line 1: half a character" in next(iter(corpus.problems.values()))
    assert [passage.page_content for passage in passages] == [""]


def test_bar_moves_as_passages_are_done_with(tmp_path):
    files = {"a.txt": paragraphs(30_000).encode(), "b.md": b"# B", "c.pdf": b"broken"}
    corpus, passages = passages_of(write(tmp_path, files))
    positions = [corpus.settled_bytes(done) for done in range(len(passages) + 1)]
    assert positions == sorted(positions)
    assert positions[0] == 0
    assert corpus.total_bytes * 0.4 < positions[len(positions) // 2] < corpus.total_bytes * 0.6
    assert positions[-1] == corpus.total_bytes


def test_failed_passages_are_found_in_their_files(tmp_path):
    corpus, passages = passages_of(write(tmp_path, SOUND))
    some = [p for p in passages if p.metadata["source"].endswith(("big.txt", "rows.csv"))]
    found = corpus.sources_of(map(content_id, some))
    assert found == {content_id(p): p.metadata["source"] for p in some}


def test_a_heading_before_a_long_paragraph_is_in_the_passage_with_its_beginning():
    text = "# A\n\n" + "Cats sleep for fourteen hours. " * 30
    passages = Splitter(200).split_markdown(text, Outline())
    assert passages[0][0].startswith("# A\n\nCats sleep")
    assert max(len(passage) for passage, _ in passages) <= 200
    assert {heading for _, heading in passages} == {"A"}
