"""`gemini-qdrant search` as people and programs read it."""

from __future__ import annotations

import json

import pytest

PAGE = """\
# Cats

Cats like boxes.
They sleep for 14 hours, which is most of the day.

## Food

Cats eat mice.
"""


@pytest.fixture
def search(command, tmp_path):
    """Search two files with the same text, and a table."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text(PAGE)
    (folder / "cats.en.md").write_text(PAGE)
    (folder / "trees.csv").write_text("name,use\nAsh,\x1b[31mtools\nOak,ships [red]\n")
    assert command("ingest", "texts").exit_code == 0
    return lambda *arguments: command("search", *arguments)


def test_each_hit_is_a_line_with_score_place_title_and_the_sentence_that_matches(search):
    result = search("How many hours do they sleep?", "-k", "2")
    assert result.exit_code == 0, result.output
    hits = [line.split("\t") for line in result.stdout.splitlines()]
    assert {place for _, place, _, _ in hits} == {"texts/cats.md", "texts/cats.en.md"}
    for score, _, title, sentence in hits:
        assert 0 < float(score) < 1
        assert title == "Cats"
        assert sentence.startswith("… They sleep for 14 hours, which is most of the day.")


def test_a_row_says_which_one_it_is(search):
    assert "\ttexts/trees.csv row 2\t" in search("Oak ships", "-k", "1").stdout


@pytest.mark.parametrize("columns", [60, 120])
def test_a_terminal_shows_hits_as_text_within_its_width(search, terminal, columns):
    terminal(columns)
    result = search("When do cats sleep?", "-k", "1", "--filter", '{"source": "texts/cats.md"}')
    place, first, *_ = result.stdout.splitlines()
    assert place.startswith("1. texts/cats.md · Cats · score 0.")
    assert first.startswith("   … They sleep for 14 hours, which is most of the")
    assert max(map(len, result.stdout.splitlines())) <= columns


def test_full_shows_whole_passages_with_their_lines(search, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")  # of no meaning in a pipe
    result = search("Do cats sleep in boxes?", "-k", "1", "--full")
    assert "\n   Cats like boxes.\n" in result.stdout
    assert "\n   They sleep for 14 hours, which is most of the day.\n" in result.stdout


def test_a_filter_limits_the_hits(search):
    result = search("cats", "--json", "--filter", '{"row": {"$gte": 2}}')
    hits = [json.loads(line) for line in result.stdout.splitlines()]
    assert [hit["metadata"]["row"] for hit in hits] == [2]


@pytest.mark.parametrize(
    ("conditions", "exit_code", "told"),
    [
        ('{"row": ', 2, "Invalid value for '--filter': Expecting value: line 1 column 9"),
        ("[1]", 2, 'expected a JSON object. Example: \'{"page"'),
        ('{"row": {"gte": 2}}', 1, "lacks the '$' of an operator: write '$gte'"),
    ],
)
def test_a_filter_that_cannot_be_read_is_told_with_an_example(search, conditions, exit_code, told):
    result = search("cats", "--filter", conditions)
    assert result.exit_code == exit_code
    assert told in result.stderr


def test_no_hit_is_told(search):
    result = search("cats", "--filter", '{"row": 99}')
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No passage found.\n"


@pytest.mark.parametrize("arguments", [(), ("--full",), ("--json",)])
def test_stored_escape_sequences_and_markup_are_shown_and_not_obeyed(search, arguments):
    for query in ("Ash tools", "Oak ships"):
        result = search(query, "-k", "1", *arguments)
        assert "\x1b" not in result.stdout
    assert "ships [red]" in result.stdout


def places(result):
    assert result.exit_code == 0, result.output
    return [line.split("\t")[1] for line in result.stdout.splitlines()]


def test_group_by_shows_one_hit_of_each_source(search):
    assert places(search("cats", "-k", "9")).count("texts/cats.md") > 1
    found = places(search("cats", "-k", "9", "--group-by", "source"))
    assert [place.split()[0] for place in found].count("texts/cats.md") == 1
    assert len({place.split()[0] for place in found}) == len(found) == 3


@pytest.mark.parametrize(("half_life", "row"), [("1.5d", 2), ("999999w", 1), ("12h", 2)])
def test_newer_passages_come_first(command, tmp_path, half_life, row):
    rows = "text,date\nOaks make good ships,2001-01-01\nPines,2099-01-01\n"
    (tmp_path / "trees.csv").write_text(rows)
    assert command("ingest", "trees.csv").exit_code == 0
    query = ("search", "Oaks make good ships", "-k", "1")
    found = places(command(*query, "--newer-first", "date", "--half-life", half_life))
    assert found == [f"trees.csv row {row}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--newer-first", "date"), "--newer-first and --half-life need each other"),
        (("--half-life", "90d"), "--newer-first and --half-life need each other"),
        (("--newer-first", "date", "--half-life", "90"), "'90' is not a duration: expected one"),
        (("--newer-first", "date", "--half-life", "0d"), "'0d' is not a duration"),
        (("--newer-first", "date", "--half-life", "-1d"), "'-1d' is not a duration"),
    ],
)
def test_wrong_durations_are_wrong_usage(search, arguments, message):
    result = search("cats", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize(
    "arguments", [("--group-by", "sauce"), ("--newer-first", "day", "--half-life", "90d")]
)
def test_a_field_that_no_hit_has_is_told(search, arguments):
    option, field, *_ = arguments
    result = search("cats", *arguments)
    assert (result.exit_code, len(places(result))) == (0, 4)
    assert result.stderr == f"{option}: no passage found has the metadata field {field!r}\n"
    assert search("cats", "--group-by", "source").stderr == ""


def test_a_group_that_is_no_field_is_told(search):
    result = search("cats", "--group-by", "tags[]")
    assert result.exit_code == 1
    assert "--group-by must name a metadata field" in " ".join(result.output.split())
