"""What `gemini-qdrant ingest` says: what was not read, what stopped it, where it stored."""

from __future__ import annotations

import re
import shlex

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant.cli import cli
from tests.integration_tests.command_line import SIZE, cells, counts, ingest, stored
from tests.samples import write

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

QUOTA = """You exceeded your current quota, please check your plan and billing details. For more \
information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.
* Quota exceeded for metric: embed_content_free_tier_requests, limit: 1000
Please retry in 45s."""


@pytest.fixture
def many(tmp_path):
    """More passages than one request takes."""
    files = {f"{i}.csv": b"row\n" + b"%d\n" * 90 % (*range(90),) for i in range(4)}
    return write(tmp_path / "docs", files)


@pytest.mark.usefixtures("many")
def test_a_used_up_day_is_told_once_with_one_time_to_run_again(emulator):
    emulator.fail_next(status=429, quota="requests_per_day", message=QUOTA, retry_after=45, times=4)
    result = ingest("docs")
    assert result.exit_code == 1
    assert result.output.count("exceeded your current quota") == 1
    assert "retry in" not in result.output
    assert "docs/0.csv" not in result.output
    said, when = result.stderr.splitlines()[-2:]
    assert re.fullmatch(
        r"Error: The run ended early: .*429: You exceeded your current quota, please check your "
        r"plan and billing details\. Not stored: \d+ passages of those read",
        said,
    )
    assert when == (
        "Stored data is kept: run the command again after midnight Pacific time, when the day's "
        "quota is renewed."
    )


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("credits", "prepayment credits are depleted"),
        ("expired-key", "API key"),
        ("limit-0", "quota"),
    ],
)
def test_what_stops_a_run_is_told_once(emulator, error, told):
    emulator.fail_next(error=error, times=4)
    result = ingest("docs")
    assert result.exit_code == 1
    assert result.output.count("the API answered") == 1
    assert told in result.stderr.splitlines()[0]
    assert len(result.stderr.splitlines()) <= 2
    assert "run the" in result.stderr.splitlines()[-1]


def test_a_search_tells_a_used_up_day_in_two_lines(tmp_path, emulator):
    write(tmp_path, {"a.md": b"# A"})
    ingest("a.md")
    emulator.fail_next(status=429, quota="requests_per_day", message=QUOTA, retry_after=45)
    command = ["search", "x", "--output-dimensionality", SIZE]
    result = CliRunner().invoke(cli, command, prog_name="gemini-qdrant")
    assert result.stderr.splitlines()[1] == (
        "Run the command again after midnight Pacific time, when the day's quota is renewed."
    )
    assert "retry in" not in result.stderr


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ((), "in gemini-qdrant-index"),
        (("--path", "my index", "--collection", "c"), "in my index"),
    ],
)
def test_the_end_says_where_it_stored_and_what_searches_it(tmp_path, options, where):
    write(tmp_path, {"a.md": b"# A", "b.md": b"# B"})
    for name in ("a.md", "b.md"):
        result = ingest(name, *options)
    assert f"{where}, which has 2 passages now" in cells(result)["stored in"]
    *_, line = result.stdout.splitlines()
    assert line.startswith("Search it: gemini-qdrant search 'your question'")
    command = shlex.split(line.removeprefix("Search it: gemini-qdrant "))
    assert command[2:] == sorted(options, key=["--collection", "c", *options].index)
    found = CliRunner().invoke(cli, [*command, "--output-dimensionality", SIZE, "--json"])
    assert found.exit_code == 0, found.output


def test_the_command_that_searches_a_server_never_shows_a_key(tmp_path, qdrant_server):
    write(tmp_path, {"a.md": b"# A"})
    result = ingest("a.md", "--url", qdrant_server.url, "--qdrant-api-key", "secret-of-ours")
    assert result.exit_code == 0, result.output
    assert f"--url {qdrant_server.url}" in result.stdout
    assert "secret" not in result.output


def test_a_folder_of_another_place_is_told_and_not_paid_for_on_a_server(
    tmp_path, qdrant_server, monkeypatch, emulator
):
    docs = write(tmp_path / "docs", {"a.md": b"# A", "b.md": b"# B"})
    place = ("--url", qdrant_server.url)
    assert counts(ingest("docs", *place)) == [2, 0, 0, 0, 0]
    assert counts(ingest(str(docs), *place)) == [0, 0, 2, 0, 0]
    monkeypatch.chdir(docs)
    emulator.clear()
    result = ingest(".", *place)
    assert counts(result) == [2, 0, 0, 0, 0]
    assert cells(result)["a.md"].startswith("its text is stored as docs/a.md, too")
    assert emulator.requests == []
    assert counts(ingest(".", *place, "--root", "..")) == [0, 0, 2, 0, 0]


@pytest.mark.parametrize("option", ["--list-skipped", "--dry-run"])
def test_what_is_not_read_is_listed_by_reason_or_by_name(tmp_path, option):
    kinds = {f"x.k{i}": b"x" for i in range(30)}
    write(tmp_path / "docs", {"a.md": b"# A", ".h.md": b"x", "node_modules/m.md": b"x", **kinds})
    result = ingest("docs", option)
    assert cells(result)["files"] == "1 read, 32 skipped"
    if option == "--list-skipped":
        lines = result.stdout.splitlines()
        assert "docs/node_modules/: installed packages and caches" in lines
        assert all(f"docs/{name}: of a kind that is not read" in lines for name in kinds)
    else:
        told = cells(result)["of a kind that is not read"].split(", ")
        assert sorted(told) == sorted(f"1 .k{i}" for i in range(30))
        assert cells(result)["hidden: the name begins with a dot"] == "1 file"


def test_a_pattern_reads_files_of_unknown_kinds_as_text(tmp_path):
    write(tmp_path / "docs", {"a.md": b"# A", "sub/b.conf": b"a = 1", "c.conf.bak": b"x"})
    result = ingest("docs", "--include", "**/*.conf")
    assert result.exit_code == 0, result.output
    assert set(stored()) == {"docs/sub/b.conf"}


def test_standard_input_is_read_under_the_name_that_is_given(tmp_path):
    page = "<html><head><title>A page</title></head><body><p>Its text.</p></body></html>"
    result = ingest("-", "--stdin-name", "https://example.com/guide", stdin=page)
    assert result.exit_code == 0, result.output
    [document] = stored()["https://example.com/guide"]
    assert (document.page_content, document.metadata["title"]) == ("Its text.", "A page")
    assert ingest("-", stdin="Some text.").exit_code == 0
    assert set(stored()) == {"https://example.com/guide", "stdin.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["gemini-qdrant-index"]


def test_empty_standard_input_is_a_file_without_text():
    assert cells(ingest("-", stdin=""))["stdin.txt"] == "0 bytes"


def test_dry_run_counts_a_text_that_comes_again_as_it_is_sent(tmp_path):
    write(tmp_path / "docs", {f"{i}/same.txt": b"The same text in each folder." for i in range(30)})
    foretold = cells(ingest("docs", "--dry-run"))
    assert foretold["to send"].startswith("1 text,")
    assert " 1 text," in cells(ingest("docs"))["sent"]
