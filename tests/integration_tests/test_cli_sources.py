"""The sources of a collection, and what `show` and `delete` say of one that is not there."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def at(command, tmp_path):
    """Run a command on a folder `index` with sources `notes/cats.md` and `trees.csv`."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "cats.md").write_text("# About cats\n\nCats sleep all day.\n")
    (tmp_path / "trees.csv").write_text("name,use\noak,ships\nash,tools\n")

    def at(name, *arguments):
        return command(name, *arguments, "--path", "index")

    assert at("ingest", "trees.csv", "notes").exit_code == 0
    return at


LISTED = "`gemini-qdrant info --sources --path index` lists the sources.\n"


def test_info_lists_the_sources_with_their_passages(at):
    assert at("info", "--sources").stdout == "notes/cats.md\t1\ntrees.csv\t2\n"
    lines = at("info", "--sources", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"source": "notes/cats.md", "passages": 1},
        {"source": "trees.csv", "passages": 2},
    ]


def test_a_terminal_shows_the_sources_as_a_table(at, terminal):
    terminal(60)
    lines = [line.split() for line in at("info", "--sources").stdout.splitlines()]
    assert ["trees.csv", "2"] in lines


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--source", "tree.csv"), " Instead of 'tree.csv', do you mean 'trees.csv'? "),
        (("--source", "a/b/cats.md"), " Instead of 'a/b/cats.md', do you mean 'notes/cats.md'? "),
        (("--source", "unknown"), " "),
        (("--source", "trees.csv", "--filter", '{"row": 99}'), " "),
        (("--filter", '{"row": 99}'), " "),
    ],
)
def test_what_matches_nothing_leads_to_the_sources(at, options, hint):
    shown = at("show", *options)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == f"No passage found.{hint}{LISTED}"
    deleted = at("delete", "--yes", *options)
    assert (deleted.exit_code, deleted.stdout) == (0, "")
    assert deleted.stderr == f"Nothing was deleted. {shown.stderr}"


def test_an_unknown_id_is_not_found(at):
    shown = at("show", "--id", "unknown")
    assert (shown.exit_code, shown.stderr) == (1, "No passage found.\n")
    assert at("delete", "--id", "unknown", "--yes").stderr == (
        "Nothing was deleted. No passage found.\n"
    )
