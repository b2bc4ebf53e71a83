"""`gemini-qdrant ingest` on folders as people have them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import get_args

import pytest

from langchain_gemini_qdrant.cli.options import QUANTIZATIONS
from langchain_gemini_qdrant.quantization import QuantizationName
from tests.integration_tests.command_line import SIZE, cells, counts, ingest, stored
from tests.samples import BROKEN, SOUND, paragraphs, write

WITHOUT_TEXT = {"empty.txt", "blank.md", "header.csv"}
READ = set(SOUND) - WITHOUT_TEXT - {"image.png", ".hidden.md"}


pytestmark = pytest.mark.usefixtures("in_an_empty_folder")


def test_folder_of_all_formats_is_stored_with_titles_and_places(tmp_path):
    write(tmp_path / "docs", SOUND)
    result = ingest("docs")
    assert result.exit_code == 0, result.output
    by_source = stored()
    assert set(by_source) == {f"docs/{name}" for name in READ}
    added = sum(map(len, by_source.values()))
    assert counts(result) == [added, 0, counts(result)[2], 0, 0]
    assert cells(result)["files"].startswith(f"{len(READ)} read, {len(WITHOUT_TEXT)} without text")
    assert max(len(d.page_content) for ds in by_source.values() for d in ds) <= 1000
    first = {source: documents[0].metadata for source, documents in by_source.items()}
    assert first["docs/guide.md"]["title"] == "The guide"
    assert first["docs/page.html"]["title"] == "A page"
    assert first["docs/обзор.md"]["title"] == "Обзор"
    assert {d.metadata["page"] for d in by_source["docs/paper.pdf"]} == {1, 2}
    assert {d.metadata["title"] for d in by_source["docs/rows.csv"]} == {"The ash", "The oak"}
    assert {d.metadata["id"] for d in by_source["docs/records.jsonl"]} == set(range(5))
    assert len(by_source["docs/copies/a.txt"]) == len(by_source["docs/copies/b.txt"]) == 1


def test_titles_are_embedded(tmp_path, emulator):
    write(tmp_path / "docs", {"guide.md": SOUND["guide.md"]})
    ingest("docs")
    assert emulator.texts[0].text.startswith("title: The guide | text: # The guide")


def test_second_run_sends_nothing(tmp_path, emulator):
    write(tmp_path / "docs", SOUND)
    ingest("docs")
    emulator.clear()
    result = ingest("docs")
    assert result.exit_code == 0, result.output
    assert counts(result)[:2] == [0, 0]
    assert emulator.requests == []


def test_what_cannot_be_read_is_named_and_the_rest_is_stored(tmp_path):
    write(tmp_path / "docs", {**SOUND, **BROKEN})
    result = ingest("docs")
    assert result.exit_code == 1
    rows = cells(result)
    assert "not UTF-8 at byte 72" in rows["docs/damaged.txt"]
    assert "NUL characters" in rows["docs/binary.txt"]
    assert "line 2: not JSON" in rows["docs/bad.jsonl"]
    assert "line 3: no text in" in rows["docs/bad.jsonl"]
    assert "no text on its 2 pages" in rows["docs/scanned.pdf"]
    assert "nothing after it was read" in rows["docs/open.csv"]
    assert "docs/broken.pdf" in rows
    assert "which is a guess" in rows["docs/cyrillic.txt"]
    assert rows["docs/empty.txt"] == "0 bytes"
    assert f"{len(BROKEN)} failed" in rows["files"]
    assert counts(result)[-1] == 0
    assert result.stderr == (
        f"Error: Not read, or not in full: {len(BROKEN)} files. Stored data is kept\n"
    )
    texts = {d.page_content for d in stored()["docs/bad.jsonl"]}
    assert texts == {"good", "also good"}
    assert set(stored()) == {f"docs/{name}" for name in READ | {"bad.jsonl", "open.csv"}}


def test_passages_that_gemini_refuses_are_counted_by_file_with_the_reason(tmp_path, emulator):
    files = {"good.txt": b"A sound text.", "bad.txt": b"Something refused."}
    write(tmp_path / "docs", files)
    for _ in range(2):
        emulator.fail_next(status=400, message="refused for a test")
    result = ingest("docs")
    assert result.exit_code == 1
    assert "refused for a test" in cells(result)["docs/bad.txt"]
    assert result.stderr == "Error: Not stored: 1 passage of those read. Stored data is kept\n"


def test_a_full_cleanup_without_any_text_says_how_to_delete_all(tmp_path):
    write(tmp_path / "docs", {"a.md": b"# A"})
    ingest("docs", "--path", "my index")
    write(tmp_path / "docs", {"a.md": b""})
    result = ingest("docs", "--path", "my index", "--cleanup", "full")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: no file has text, so --cleanup full would delete all passages, and nothing is "
        "deleted. To delete all: gemini-qdrant delete --path 'my index' --collection documents "
        "--all\n"
    )
    assert set(stored("my index")) == {"docs/a.md"}


def test_include_and_exclude_choose_files(tmp_path):
    write(tmp_path / "docs", SOUND)
    result = ingest("docs", "--include", "*.md", "--include", "copies/*", "--exclude", "b.txt")
    assert result.exit_code == 0, result.output
    assert {s for s in stored() if not s.endswith(".md")} == {"docs/copies/a.txt"}
    assert "docs/guide.md" in stored()


def test_chunk_size_text_field_and_encoding_are_as_asked(tmp_path):
    files = {"r.jsonl": b'{"body": "In the body."}', "t.txt": "Größe. ".encode("cp850") * 40}
    write(tmp_path / "docs", files)
    result = ingest(
        "docs", "--chunk-size", "60", "--text-field", "body", "--encoding", "IBM850", "--path", "ix"
    )
    assert result.exit_code == 0, result.output
    by_source = stored("ix")
    assert by_source["docs/r.jsonl"][0].page_content == "In the body."
    assert all(len(d.page_content) <= 60 for d in by_source["docs/t.txt"])
    assert by_source["docs/t.txt"][0].page_content.startswith("Größe.")


@pytest.mark.parametrize(
    ("cleanup", "left", "deleted"),
    [
        ("none", {"a.md", "b.md", "gone.md"}, 0),
        ("source", {"a.md", "gone.md"}, 2),
        ("full", {"a.md"}, 3),
    ],
)
def test_cleanup_deletes_what_files_no_longer_have(tmp_path, cleanup, left, deleted):
    docs = write(tmp_path / "docs", dict.fromkeys(("a.md", "b.md", "gone.md"), b"Old text."))
    ingest("docs")
    write(docs, {"a.md": b"# New\n\nNew text.", "b.md": b""})
    (docs / "gone.md").unlink()
    result = ingest("docs", "--cleanup", cleanup)
    assert result.exit_code == 0, result.output
    assert counts(result) == [1, 0, 0, deleted, 0]
    assert set(stored()) == {f"docs/{name}" for name in left}


@pytest.mark.parametrize("cleanup", ["source", "full"])
def test_cleanup_keeps_what_is_stored_of_files_that_fail(tmp_path, cleanup):
    docs = write(tmp_path / "docs", {"a.md": b"# A", "r.jsonl": b'{"text": "x"}\n{"text": "y"}'})
    ingest("docs")
    write(docs, {"a.md": b"# New", "r.jsonl": b'{"text": "x"}\n{'})
    result = ingest("docs", "--cleanup", cleanup)
    assert result.exit_code == 1
    assert "was deleted, because not everything is stored." in result.stdout
    assert {d.page_content for d in stored()["docs/r.jsonl"]} == {"x", "y"}
    assert len(stored()["docs/a.md"]) == (1 if cleanup == "source" else 2)


def test_dry_run_says_what_it_takes_and_sends_and_makes_nothing(tmp_path, emulator, monkeypatch):
    monkeypatch.delenv("GOOGLE_API_KEY")
    write(tmp_path / "docs", SOUND)
    result = ingest("docs", "--dry-run", "--requests-per-minute", "10")
    assert result.exit_code == 0, result.output
    assert emulator.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["docs"]
    rows = cells(result)
    texts, tokens = (int(n.replace(",", "")) for n in re.findall(r"[\d,]*\d", rows["to send"]))
    assert rows["price"] == f"~${tokens * 0.20 / 1e6:,.4f}"
    minutes = texts // 10
    assert rows["time"].startswith(f"{minutes // 60}:{minutes % 60:02}:")


def test_dry_run_foretells_the_run(tmp_path):
    write(tmp_path / "docs", SOUND)
    ingest("docs", "--include", "*.md")
    foretold = cells(ingest("docs", "--dry-run"))["to send"]
    sent = cells(ingest("docs"))["sent"]
    assert foretold.split(" text")[0] == re.search(r"requests?, ([\d,]+) text", sent)[1]
    assert cells(ingest("docs", "--dry-run"))["to send"] == "0 texts, ~0 tokens"


def test_dry_run_names_what_cannot_be_read(tmp_path):
    write(tmp_path / "docs", BROKEN)
    result = ingest("docs", "--dry-run")
    assert result.exit_code == 1
    assert f"cannot be read, or not in full: {len(BROKEN)} files" in result.stderr


def test_missing_files_are_told_before_anything_is_sent(tmp_path, emulator):
    write(tmp_path / "docs", {"a.md": b"# A"})
    result = ingest("docs", "nowhere.md")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: nowhere.md: no such file")
    assert emulator.requests == []


def test_unknown_encoding_is_wrong_usage():
    for name in ("nonsense", "base64", "rot13", "undefined"):
        assert ingest("x", "--encoding", name).exit_code == 2


def test_quota_of_the_day_leaves_a_summary_and_says_when_to_go_on(tmp_path, emulator):
    write(tmp_path / "docs", SOUND)
    emulator.fail_next(status=429, quota="requests_per_day", retry_after=33)
    result = ingest("docs")
    assert result.exit_code == 1
    assert "run the command again after midnight Pacific time" in result.stderr
    assert counts(result)[-1] > 0
    again = ingest("docs")
    assert again.exit_code == 0, again.output
    assert counts(again)[-1] == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_ctrl_c_ends_cleanly_says_how_to_go_on_and_the_next_run_does(tmp_path, emulator):
    write(tmp_path / "docs", {"big.txt": paragraphs(250_000).encode()})
    arguments = ["docs", "--chunk-size", "100"]
    command = [sys.executable, "-m", "langchain_gemini_qdrant", "ingest", *arguments]
    command += ["--output-dimensionality", SIZE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603 - ours
        emulator.wait_for_requests(18, timeout=200)  # of 16 at a time: some vectors are stored
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=200)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1] == (
        "Interrupted. Stored data is kept; run the same command to resume."
    )
    assert "passages" in out
    emulator.clear()
    result = ingest(*arguments)
    assert result.exit_code == 0, result.output
    added, _, found, *_ = counts(result)
    assert found > 0
    assert len(stored()["docs/big.txt"]) == added + found
    assert sum(len(request.texts) for request in emulator.requests) == added


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_second_ctrl_c_does_not_wait_for_gemini(tmp_path, emulator):
    write(tmp_path / "docs", {"a.txt": b"Some text."})
    emulator.latency = 50.0
    command = [sys.executable, "-m", "langchain_gemini_qdrant", "ingest", "docs"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        emulator.wait_for_requests(1, timeout=200)
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline().startswith("Stopping after the requests in flight")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=40) == 1


def test_all_quantizations_can_be_chosen():
    assert {*QUANTIZATIONS} == {*get_args(QuantizationName), "none"}
