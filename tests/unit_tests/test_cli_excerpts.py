"""The part of a passage that is shown for a query, and what may be printed at all."""

from __future__ import annotations

import io
import json

import pytest
from langchain_core.documents import Document
from rich.console import Console

from langchain_gemini_qdrant.cli.excerpts import Query, escaped, in_order, printable
from langchain_gemini_qdrant.cli.hits import PassageView, hits_view

MANUAL = """\
# Manual

A kitchen opens at nine.
Tables are reserved by telephone, and only on
working days. We serve 14 guests at most!

## Waste

- bottles go into the green box
- papers go into the blue box
"""
ESCAPES = "\x1b[31mred\x1b[0m \x9b2J \x07 \u202ebackwards"


@pytest.mark.parametrize(
    ("query", "excerpt"),
    [
        (
            "who reserves a table?",
            "… Tables are reserved by telephone, and only on working days. We",
        ),
        ("14 guests", "… We serve 14 guests at most!"),
        ("where do bottles go?", "… bottles go into the green box papers go into the blue box"),
        ("nothing of this", "A kitchen opens at nine. Tables are reserved by telephone"),
        ("the manual", "A kitchen opens at nine. Tables are reserved by telephone"),
        ("the waste", "… bottles go into the green box"),
    ],
)
def test_the_sentence_or_line_with_most_words_of_the_query_is_shown(query, excerpt):
    assert Query.of(query).excerpt(MANUAL).startswith(excerpt)


def test_a_section_is_not_continued_by_the_next_one():
    assert Query.of("14 guests").excerpt(MANUAL) == "… We serve 14 guests at most! …"


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_heading_is_no_part_of_the_sentence_below_it(gap):
    passage = f"## Where engines differ{gap}A store hides most differences. Engines round."
    for query in ("where engines differ", "differences"):
        assert Query.of(query).excerpt(passage) == "A store hides most differences. Engines round."


def test_a_sentence_with_the_words_of_its_heading_is_shown():
    passage = "# Vacation\n\nAsk early. Vacation is 30 days."
    assert Query.of("vacation").excerpt(passage) == "… Vacation is 30 days."


@pytest.mark.parametrize("passage", ["# Waste", "# Manual\n\n## Waste\n"])
def test_headings_without_text_are_shown(passage):
    assert Query.of("waste").excerpt(passage).endswith("Waste")


def test_marks_of_code_blocks_are_left_out():
    code = "Sort them:\n\n```python\nsorted(cats)\n```\n\nThat is all."
    assert Query.of("sort").excerpt(code) == "Sort them: sorted(cats) That is all."


def test_a_row_of_a_table_is_shown_alone():
    table = "Prices.\n\n| name | price |\n|---|---:|\n| ash | 12 |\n| oak | 14 |\n"
    assert Query.of("ash").excerpt(table) == "… | ash | 12 | …"
    assert Query.of("prices").excerpt(table) == "Prices. …"


@pytest.mark.parametrize("passage", ["word " * 500, "word " * 200 + "needle " + "word " * 200])
def test_a_long_sentence_is_cut_between_words_around_the_match(passage):
    excerpt = Query.of("needle").excerpt(passage)
    assert len(excerpt) < 260
    assert set(excerpt.split()) <= {"word", "needle", "…"}
    assert ("needle" in passage) == ("needle" in excerpt)


@pytest.mark.parametrize(
    ("query", "word", "is_found"),
    [
        ("quantize", "Quantization", True),
        ("sleeping", "sleeps", True),
        ("sleep", "sleeping", True),
        ("study", "studies", True),
        ("internet", "internal", False),
        ("1024", "1025", False),
        ("API", "api", True),
        ("how do I use the API", "the", False),
        ("cat", "cat", True),
    ],
)
def test_words_match_but_for_their_endings(query, word, is_found):
    assert bool([*Query.of(query).spans(word)]) is is_found


def shown(view, *, width=80, color=True):
    out = io.StringIO()
    system = "standard" if color else None
    console = Console(
        file=out, force_terminal=True, width=width, color_system=system, highlight=False
    )
    console.print(view)
    return out.getvalue()


def test_a_hit_has_source_place_title_heading_and_score():
    metadata = {"source": "a.pdf", "page": 3, "title": "Rules", "heading": "Holidays"}
    document = Document("Vacation is 30 days.", metadata=metadata)
    text = shown(hits_view("vacation", [(document, 0.5)]), color=False)
    assert "1. a.pdf, page 3 · Rules · Holidays · score 0.500\n   Vacation is 30 days." in text


def test_words_of_the_query_are_emphasised():
    document = Document("Vacation is 30 days.", metadata={"source": "a.md"})
    assert "\x1b[1;33mVacation\x1b[0m is" in shown(hits_view("vacation", [(document, 0.5)]))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_terminal_and_break_between_words(width):
    view = PassageView("1. ", Document("", metadata={}), "some longer words " * 40)
    lines = shown(view, width=width, color=False).splitlines()
    assert max(map(len, lines)) <= width or not lines
    assert {word for line in lines for word in line.split()} == {"1.", "some", "longer", "words"}


def test_markup_in_passages_is_not_interpreted():
    document = Document("[bold]x[/bold] [/]", metadata={"source": "[red]a[/]"})
    text = shown(hits_view("[x]", [(document, 0.5)]), color=False)
    assert "[bold]x[/bold] [/]" in text
    assert "[red]a[/]" in text


def test_control_characters_of_stored_text_do_not_reach_the_terminal():
    metadata = {"source": ESCAPES, "title": ESCAPES, "heading": f"h{ESCAPES}", "page": ESCAPES}
    text = shown(PassageView("1 ", Document(ESCAPES, metadata=metadata), ESCAPES), color=False)
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(text)
    assert "�[31mred" in text


def test_json_reads_back_as_it_was_with_control_characters_escaped():
    text = escaped(json.dumps(ESCAPES + "é", ensure_ascii=False))
    assert text.isprintable()
    assert json.loads(text) == ESCAPES + "é"


def test_other_text_stays_as_it_is():
    text = "tab\t, line\nfeed, 👩\u200d🍳, \u200f\u05e2, soft\xadhyphen"
    assert printable(text) == text


def test_passages_are_in_the_order_of_their_sources_pages_and_rows():
    places = [
        {"source": "b", "page": 1},
        {"source": "a", "page": 10},
        {"source": "a", "page": 9, "row": 2},
        {"source": "a", "page": 9, "row": 1},
        {"source": "a"},
        {"source": "a", "page": "ix"},
    ]
    documents = in_order([Document("", metadata=each) for each in places])
    order = [4, 3, 2, 1, 5, 0]
    assert [each.metadata for each in documents] == [places[index] for index in order]
