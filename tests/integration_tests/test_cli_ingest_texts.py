"""What `gemini-qdrant ingest` stores of texts in other encodings, Markdown and web pages."""

from __future__ import annotations

from contextlib import closing

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings, GeminiQdrantVectorStore
from langchain_gemini_qdrant.cli import cli
from tests.samples import write

SIZE = 128


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch, emulator, tmp_path):
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def ingest(*arguments):
    command = ["ingest", "docs", "--output-dimensionality", str(SIZE), *arguments]
    return CliRunner().invoke(cli, command, prog_name="gemini-qdrant")


def found(**condition):
    """Return the stored texts that a filter finds, in order."""
    with closing(EdgeClient("gemini-qdrant-index")) as client:
        store = GeminiQdrantVectorStore.from_existing_collection(
            "documents", GeminiEmbeddings(output_dimensionality=SIZE), client=client
        )
        return sorted(document.page_content for document in store.iter_documents(condition))


def test_wrong_guess_is_shown_and_undone_by_the_command_that_the_notice_names(tmp_path):
    write(tmp_path / "docs", {"name.txt": "Michał".encode("cp1250")})
    result = ingest()
    assert result.exit_code == 0, result.output
    assert "read as cp1252, which is a guess: “Micha³” (cp1250: “Michał”)" in result.stdout
    assert found() == ["Micha³"]
    result = ingest("--encoding", "cp1250", "--cleanup", "source")
    assert result.exit_code == 0, result.output
    assert found() == ["Michał"]


def test_nothing_is_embedded_of_a_file_without_a_probable_encoding(tmp_path, emulator):
    write(tmp_path / "docs", {"name.txt": "Zażółć gęślą jaźń".encode("cp1250"), "b.txt": b"b"})
    result = ingest()
    assert result.exit_code == 1
    assert "name it with --encoding (cp1250: “Zażółć gęślą jaźń”)" in result.stdout
    assert [each.text for each in emulator.texts] == ["title: b | text: b"]


def test_passages_are_found_by_front_matter_and_heading(tmp_path, emulator):
    page = "---\ntags: [hr]\n---\n# Rules\n\n## Leave\n\nThirty days.\n\n## Sick\n\nCall.\n"
    write(tmp_path / "docs", {"rules.md": page.encode(), "other.md": b"## Leave\n\nNone."})
    result = ingest()
    assert result.exit_code == 0, result.output
    assert found(tags="hr") == ["# Rules\n\n## Leave\n\nThirty days.", "## Sick\n\nCall."]
    assert found(heading="Leave", tags="hr") == ["# Rules\n\n## Leave\n\nThirty days."]
    assert not any("tags" in each.text for each in emulator.texts)


def test_web_page_with_thousands_of_open_tags_is_stored(tmp_path):
    page = f"<nav>Home</nav><p>Top.{'<div><b>' * 3000}Deep."
    write(tmp_path / "docs", {"page.html": page.encode()})
    result = ingest()
    assert result.exit_code == 0, result.output
    assert "".join(found()[0].split()).replace("*", "") == "Top.Deep."
