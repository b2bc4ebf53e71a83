"""Images, sounds, videos and pages of PDF files through the command line, beside texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from langchain_core.documents import Document
from pypdf import PdfReader, PdfWriter
from rich.console import Console

from langchain_gemini_qdrant.cli.hits import PassageView
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.command_line import cells, counts, ingest, stored
from tests.samples import write

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

FILES = {
    "notes.md": b"# Notes\n\nThe board meets in Lisbon.",
    "dog.png": sample_media.png("a brown dog on the beach"),
    "cat.jpg": sample_media.jpeg("a grey cat on the sofa"),
    "bells.wav": sample_media.wav("church bells", 3),
    "talk.mp3": sample_media.mp3("a baker about bread", 2),
    "surf.mp4": sample_media.mp4("surfers ride a wave", 4),
    "report.pdf": sample_media.pdf("sales rose by ten percent", "travel cost 2,400 euros"),
}


@pytest.fixture
def folder(in_an_empty_folder):
    """A folder with a file of each kind, older than what a disk may fail to tell from now."""
    docs = write(in_an_empty_folder / "docs", FILES)
    for name in FILES:
        os.utime(docs / name, ns=(10**18, 10**18))
    return docs


@pytest.fixture
def media(folder):
    """The same folder, stored with its media."""
    result = ingest("docs", "--media")
    assert result.exit_code == 0, result.output
    assert counts(result) == [8, 0, 0, 0, 0]
    return folder


def lines(result):
    """Return the place and the facts of each hit that is printed for programs."""
    assert result.exit_code == 0, result.output
    hits = [line.split("\t") for line in result.stdout.splitlines()]
    return [(place, facts) for _, place, facts, _ in hits]


# Storing


@pytest.mark.usefixtures("media")
def test_media_are_stored_beside_texts_by_reference_without_their_bytes(folder):
    documents = stored()
    metadata = {source: each[0].metadata for source, each in documents.items()}
    assert documents.keys() == {f"docs/{name}" for name in FILES}
    dog = metadata["docs/dog.png"]
    assert dog["media"] == str(folder / "dog.png")
    assert (dog["mime_type"], dog["size_bytes"]) == ("image/png", len(FILES["dog.png"]))
    assert documents["docs/dog.png"][0].page_content == ""
    assert metadata["docs/bells.wav"]["seconds"] == 3
    pages = {each.metadata["page"]: each.metadata["media"] for each in documents["docs/report.pdf"]}
    assert pages == {n: f"{folder / 'report.pdf'}#page={n}" for n in (1, 2)}
    assert "media" not in metadata["docs/notes.md"]


def test_a_second_run_sends_nothing_and_a_changed_byte_sends_one_medium(media, emulator):
    emulator.clear()
    again = ingest("docs", "--media")
    assert counts(again) == [0, 0, 8, 0, 0]
    assert "7 unchanged" in cells(again)["files"]
    assert emulator.requests == []
    (media / "dog.png").write_bytes(FILES["dog.png"] + b"\0")
    changed = ingest("docs", "--media", "--cleanup", "source")
    assert counts(changed) == [1, 0, 7, 1, 0]
    assert [len(request.texts) for request in emulator.requests] == [1]
    assert len(stored()["docs/dog.png"]) == 1


def test_touched_and_moved_media_are_read_but_not_sent(media, emulator):
    emulator.clear()
    os.utime(media / "dog.png", ns=(2 * 10**18, 2 * 10**18))
    (media / "sub").mkdir()
    (media / "cat.jpg").rename(media / "sub" / "cat.jpg")
    result = ingest("docs", "--media", "--cleanup", "full")
    assert result.exit_code == 0, result.output
    assert counts(result) == [1, 0, 7, 1, 0]
    assert cells(result)["docs/sub/cat.jpg"].startswith("its content is stored as docs/cat.jpg")
    assert emulator.requests == []


def test_pages_of_a_shorter_pdf_and_files_that_are_gone_are_cleaned_up(media):
    (media / "report.pdf").write_bytes(sample_media.pdf("sales rose by ten percent"))
    (media / "talk.mp3").unlink()
    result = ingest("docs", "--media", "--cleanup", "full")
    assert counts(result)[3] == 3
    found = stored()
    assert "docs/talk.mp3" not in found
    assert [each.metadata["page"] for each in found["docs/report.pdf"]] == [1]


@pytest.mark.usefixtures("folder")
def test_pdf_files_are_read_as_text_if_asked_for():
    result = ingest("docs", "--media", "--pdf", "text")
    assert result.exit_code == 0, result.output
    texts = {each.page_content.strip() for each in stored()["docs/report.pdf"]}
    assert texts == {"sales rose by ten percent", "travel cost 2,400 euros"}
    refused = ingest("docs", "--pdf", "pages")
    assert (refused.exit_code, "--pdf pages goes with --media" in refused.stderr) == (2, True)


@pytest.mark.usefixtures("folder")
def test_without_the_flag_media_are_counted_by_kind_and_the_flag_is_named():
    result = ingest("docs")
    assert result.exit_code == 0, result.output
    told = cells(result)["media (--media embeds them)"]
    assert {*told.split(", ")} == {"1 .png", "1 .jpg", "1 .wav", "1 .mp3", "1 .mp4"}
    assert stored().keys() == {"docs/notes.md", "docs/report.pdf"}
    named = ingest("docs/dog.png")
    assert named.exit_code == 1
    assert "is an image (image/png), not text: --media embeds it" in cells(named)["docs/dog.png"]


@pytest.mark.usefixtures("media")
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_full_cleanup_without_the_flag_does_not_delete_media(dry):
    result = ingest("docs", "--cleanup", "full", *dry)
    assert result.exit_code == 2
    assert "would delete what is stored of 5 media files, such as docs/bells.wav" in result.stderr
    assert len(stored()) == len(FILES)


def test_each_medium_that_cannot_be_embedded_is_told_and_the_others_are_stored(folder):
    writer = PdfWriter(clone_from=PdfReader(BytesIO(FILES["report.pdf"])))
    writer.encrypt("password")
    writer.write(folder / "locked.pdf")
    write(
        folder,
        {
            "long.wav": sample_media.wav("a long talk", 181),
            "cut.mp4": FILES["surf.mp4"][:200],
            "text.png": b"a text",
            "pointer.jpg": b"version https://git-lfs.github.com/spec/v1\n",
            "really.jpg": FILES["dog.png"],
            "song.m4a": b"\0\0\0\x18ftypM4A " + bytes(99),
        },
    )
    result = ingest("docs/song.m4a", "docs", "--media")
    assert result.exit_code == 1
    told = cells(result)
    reasons = {
        "long.wav": "181.0 seconds long, and the model takes at most 180",
        "cut.mp4": "cut off",
        "text.png": "has the name of an image, but not its content",
        "pointer.jpg": "run git lfs pull",
        "locked.pdf": "is encrypted",
        "song.m4a": "convert it to MP3 or WAV",
    }
    for name, reason in reasons.items():
        assert reason in told[f"docs/{name}"]
    found = stored()
    assert found.keys() == {f"docs/{name}" for name in (*FILES, "really.jpg")}
    assert found["docs/really.jpg"][0].metadata["mime_type"] == "image/png"


def test_fields_called_media_in_tables_and_records_lead_to_no_file(in_an_empty_folder):
    secret = in_an_empty_folder / "secret.png"
    secret.write_bytes(FILES["dog.png"])
    files = {
        "t.csv": f"name,media\nx,{secret}\n".encode(),
        "r.jsonl": json.dumps({"text": "a record", "media": str(secret)}).encode(),
        "f.md": f"---\nmedia: {secret}\n---\n# A\n\ntext".encode(),
    }
    write(in_an_empty_folder / "docs", files)
    result = ingest("docs", "--media")
    assert result.exit_code == 0, result.output
    metadata = [each.metadata for found in stored().values() for each in found]
    assert all(each["record_media"] == str(secret) for each in metadata)
    assert not any("media_sha256" in each for each in metadata)


def test_a_medium_from_standard_input_is_refused_as_nothing_leads_to_it_later():
    result = ingest("-", "--media", "--stdin-name", "dog.png", stdin=FILES["dog.png"])
    assert result.exit_code == 1
    assert "needs a file that can be read again" in cells(result)["dog.png"]


@pytest.mark.parametrize("options", [("--model", "gemini-embedding-001"), ("--backend", "grpc")])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
@pytest.mark.usefixtures("folder")
def test_what_sends_texts_only_is_refused_before_a_file_is_read(options, dry, emulator):
    emulator.clear()
    result = ingest("docs", "--media", *options, *dry)
    assert result.exit_code == 1
    assert "texts only: use" in result.stderr
    assert (result.stdout, emulator.requests) == ("", [])


# Prices


@pytest.mark.usefixtures("folder")
def test_the_price_is_estimated_and_reported_by_modality():
    before = cells(ingest("docs", "--media", "--dry-run"))
    for part in ("1 text", "2 images", "2 PDF pages", "2 sounds (0:00:05)", "1 video (0:00:04, 4 "):
        assert part in before["to send"]
    # 516 tokens of images and of pages for $0.45, 125 of sound for $6.50, 264 of video for $12
    after = cells(ingest("docs", "--media"))
    for facts in (before, after):
        assert "images 516 tokens, $0.0002" in facts["by kind"]
        assert "PDF pages 516 tokens, $0.0002" in facts["by kind"]
        assert "sounds 125 tokens, $0.0008" in facts["by kind"]
        assert "videos 264 tokens, $0.0032" in facts["by kind"]
    assert before["price"] == "~$0.0044"
    assert after["sent"].startswith("1 request, 8 texts and media, 1,4")
    assert after["sent"].endswith("$0.0044")
    again = cells(ingest("docs", "--media", "--dry-run"))
    assert again["to send"].startswith("0 texts")


# Finding


@pytest.mark.usefixtures("media")
def test_media_are_found_by_text_and_by_file_and_by_both(command):
    assert lines(command("search", "a brown dog on the beach", "-k", "2"))[1] == (
        "docs/dog.png",
        "image, 1.1 kB",
    )
    assert lines(command("search", "--image", "docs/surf.mp4", "-k", "1")) == [
        ("docs/surf.mp4", "video, 0:00:04, 7.0 kB")
    ]
    both = lines(command("search", "bread", "--media", "docs/talk.mp3", "-k", "1"))
    assert both == [("docs/talk.mp3", "sound, 0:00:02, 8.1 kB")]
    condition = '{"mime_type": "application/pdf"}'
    pages = lines(command("search", "cost of travel", "--filter", condition))
    assert pages[0] == ("docs/report.pdf page 2", "PDF page")


@pytest.mark.usefixtures("media")
def test_hits_link_to_their_files_on_a_terminal_and_have_them_in_json(command, tmp_path):
    hit = json.loads(command("search", "--image", "docs/dog.png", "-k", "1", "--json").stdout)
    assert hit["metadata"]["media"] == str(tmp_path / "docs/dog.png")
    assert hit["metadata"]["mime_type"] == "image/png"
    document = Document(hit["text"], metadata=hit["metadata"])
    on_terminal = Console(file=StringIO(), force_terminal=True, width=100)
    on_terminal.print(PassageView("1. ", document, ""))
    assert f";{(tmp_path / 'docs/dog.png').as_uri()}\x1b\\" in on_terminal.file.getvalue()


@pytest.mark.usefixtures("media")
def test_one_page_of_a_pdf_is_a_query(command):
    page = ("search", "-k", "1", "--image", "docs/report.pdf#page=2")
    assert lines(command(*page)) == [("docs/report.pdf page 2", "PDF page")]
    assert lines(command(*page, "travel cost")) == [("docs/report.pdf page 2", "PDF page")]
    beyond = command("search", "--image", "docs/report.pdf#page=3")
    assert (beyond.exit_code, "2 pages" in beyond.stderr) == (1, True)
    missing = command("search", "--image", "docs/gone.pdf#page=1")
    assert (missing.exit_code, "docs/gone.pdf' does not exist" in missing.stderr) == (2, True)


@pytest.mark.usefixtures("folder")
def test_a_search_without_text_and_file_or_with_a_file_of_no_medium_is_refused(command, emulator):
    ingest("docs", "--media")
    emulator.clear()
    neither = command("search")
    assert (neither.exit_code, "QUERY or --image is needed" in neither.stderr) == (2, True)
    wrong = command("search", "--image", "docs/notes.md")
    assert wrong.exit_code == 1
    assert "docs/notes.md" in wrong.stderr
    assert emulator.requests == []


@pytest.mark.usefixtures("media")
def test_show_info_and_delete_know_media(command):
    shown = command("show", "--source", "docs/report.pdf").stdout
    assert "docs/report.pdf, page 1 · PDF page\n" in shown
    facts = json.loads(command("info", "--json").stdout)
    assert facts["media"] == {"image": 2, "sound": 2, "video": 1, "PDF page": 2}
    assert facts["vectors"][0]["conditioning"] == "prefix"
    assert "2 images" in command("info").stdout
    command("delete", "--source", "docs/report.pdf", "--yes")
    assert "docs/report.pdf" not in stored()


# Further commands


@pytest.mark.slow
def test_files_of_odd_names_are_stored_and_found_by_processes_in_other_folders(tmp_path):
    names = ["photo #1.png", "Größe 🎈.jpg", "a#page=2.png", "%20.wav"]
    write(
        tmp_path / "docs",
        {name: FILES[{"png": "dog.png", "jpg": "cat.jpg", "wav": "bells.wav"}[name[-3:]]]
         for name in names},
    )  # fmt: skip
    (tmp_path / "elsewhere").mkdir()
    index = ("--path", str(tmp_path / "index"))

    def run(*arguments):
        command = [sys.executable, "-m", "langchain_gemini_qdrant", *arguments, *index]
        done = subprocess.run(  # noqa: S603 - ours
            command, cwd=tmp_path / "elsewhere", capture_output=True, check=False, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("ingest", str(tmp_path / "docs"), "--media")
    shown = [json.loads(line) for line in run("show", "--json").splitlines()]
    assert {each["metadata"]["source"] for each in shown} == {f"docs/{name}" for name in names}
    assert all(Path(each["metadata"]["media"]).is_file() for each in shown)
    found = run("search", "--image", str(tmp_path / "docs" / names[1]), "-k", "1")
    assert found.split("\t")[1] == f"docs/{names[1]}"
    assert "4 documents embedded" in run("reembed", "--no-reuse-vectors", "--to-collection", "new")


@pytest.mark.slow
def test_reembed_reads_media_again_and_names_the_files_that_are_gone(media, command):
    first = command("reembed", "--output-dimensionality", "256", "--no-reuse-vectors")
    assert first.exit_code == 0, first.output
    assert "8 passages, ~$0.0044 at most" in first.stdout
    assert "8 documents embedded" in first.stdout
    (media / "dog.png").unlink()
    (media / "cat.jpg").write_bytes(sample_media.jpeg("a black cat"))
    second = command("reembed", "--output-dimensionality", "512", "--no-reuse-vectors")
    assert second.exit_code == 1
    shown = " ".join(second.stdout.replace("│", " ").split())
    assert "No such file" in shown
    assert "has changed since" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("media")
def test_a_mixed_collection_is_migrated_measured_and_tuned(command, tmp_path):
    assert command("migrate", "--to-path", str(tmp_path / "copy")).exit_code == 0
    found = lines(command("search", "--image", "docs/dog.png", "-k", "1", "--path", "copy"))
    assert found == [("docs/dog.png", "image, 1.1 kB")]
    measured = command("recall", "--json", "--limit", "2")
    assert measured.exit_code == 0, measured.output
    assert json.loads(measured.stdout)["queries"] == 8


@pytest.mark.slow
def test_the_demo_of_media_needs_no_key_and_finds_them_by_text_and_by_image(command, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "a key that is not used")
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL")
    first = command("demo", "--media", "--output-dimensionality", "768")
    assert first.exit_code == 0, first.output
    shown = first.stdout
    assert "6 files in " in shown
    assert shown.index("a dog at the sea") < shown.index("1. dog.png · image")
    assert "1. report.pdf, page 2 · PDF page" in shown
    assert shown.index("wave.png") < shown.index("1. surf.mp4 · video")
    again = command("demo", "--media", "--output-dimensionality", "768").stdout
    assert "0 media and pages embedded and stored, 7 already stored" in " ".join(again.split())
