"""Stale passages, which files no longer have: counted in dry runs, and at the end of a run."""

from __future__ import annotations

from contextlib import closing

import pytest

from langchain_gemini_qdrant import EdgeClient
from tests.integration_tests.command_line import cells, counts, ingest, stored
from tests.samples import paragraphs, write

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


@pytest.fixture
def docs(in_an_empty_folder):
    """A folder that was stored and has changed since: a, b and c have a stale passage each."""
    names = ("a.md", "b.md", "c.md", "same.md", "rows.csv")
    old = {name: b"Old text of %s." % name.encode() for name in names}
    folder = write(in_an_empty_folder / "docs", {**old, "rows.csv": b"title\nelm\nyew\nelm\n"})
    ingest("docs")
    write(folder, {"a.md": b"# New\n\nNew text.", "b.md": b"", "new.md": b"More."})
    (folder / "c.md").unlink()
    return folder


@pytest.mark.parametrize(("cleanup", "deleted"), [("source", 2), ("full", 3)])
@pytest.mark.usefixtures("docs")
def test_a_dry_run_says_what_a_cleanup_would_delete(cleanup, deleted):
    before = stored()
    for options in ((), ("--reread",)):
        foretold = ingest("docs", "--dry-run", "--cleanup", cleanup, *options)
        assert cells(foretold)["to delete"] == f"{deleted} passages of {deleted} sources"
    assert stored() == before
    assert counts(ingest("docs", "--cleanup", cleanup))[3] == deleted
    foretold = ingest("docs", "--dry-run", "--cleanup", cleanup)
    assert cells(foretold)["to delete"] == "0 passages of 0 sources"
    assert "to delete" not in cells(ingest("docs", "--dry-run"))


def test_a_dry_run_says_when_a_cleanup_deletes_nothing(docs):
    with closing(EdgeClient("gemini-qdrant-index")) as client:
        client.delete_payload_index("documents", "metadata.source")
    foretold = ingest("docs", "--dry-run", "--cleanup", "source")
    assert cells(foretold)["to delete"] == "not estimated, as there is no index of sources"
    write(docs, {"bad.jsonl": b"{"})
    foretold = ingest("docs", "--dry-run", "--cleanup", "full")
    assert cells(foretold)["to delete"] == "nothing, as not all files can be read"


@pytest.mark.usefixtures("docs")
def test_a_run_without_cleanup_says_how_many_passages_are_stale():
    for _ in range(2):
        assert "Stale: 2 passages of 2 files" in ingest("docs").stdout
    assert "Stale" not in ingest("docs", "--cleanup", "source").stdout
    assert "Stale" not in ingest("docs").stdout


def test_passages_of_another_length_leave_stale_ones(tmp_path):
    write(tmp_path / "docs", {"a.md": paragraphs(3_000).encode()})
    first = ingest("docs")
    assert "Stale" not in first.stdout
    old = counts(first)[0]
    assert f"Stale: {old} passages of 1 file" in ingest("docs", "--chunk-size", "300").stdout
