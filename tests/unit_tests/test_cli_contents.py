"""Files whose name says one thing and whose content another, and those that cannot be read."""

from __future__ import annotations

import io
import sys
import zipfile
from itertools import pairwise

import pytest

from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.kinds import GROUPS, KINDS, LIBRARIES, SUFFIXES
from langchain_gemini_qdrant.cli.documents.readers import leave_out_missing
from langchain_gemini_qdrant.testing import sample_media
from tests.office_files import compound, epub, outlook, slides, word, workbook, zipped
from tests.samples import pdf

PAGE = b"<html><body><h1>Prices</h1><table><tr><td>Tee</td><td>9.5</td></tr></table></body></html>"


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.doc", rb"{\rtf1 Rules}", "Rules"),
        ("a.xls", PAGE, "| Tee | 9.5 |"),
        ("a.docx", PAGE, "# Prices"),
        ("a.xls", b"Name\tPrice\nTee\t9.5\n", "Name: Tee\nPrice: 9.5"),
        ("a.doc", b"Only text.", "Only text."),
        ("a.txt", pdf("A page."), "A page."),
        ("a", word(), "# Travel"),
        ("a.txt", b"ID3 tags, PAR1 and MZ are names.", "ID3 tags"),
        ("a.docx", workbook(A=[["a", "b"], [1, 2]]), "a: 1\nb: 2"),
        ("a.zip", slides(), "The plan"),
        ("a.pptx", epub(), "# Tides"),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><text>Rules</text></svg>', "Rules"),
    ],
)
def test_a_file_is_read_as_what_it_contains(read, name, content, text):
    parts, reading = read(name, content)
    assert text in parts[0][0]
    assert reading.problem is None


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "is an image (image/png), not text"),
        ("a.txt", b"\xff\xd8\xff\xe0" + b"\1" * 99, "is an image (image/jpeg), not text"),
        ("a.txt", b"GIF89a" + b"\1" * 99, "(image/gif), which --media does not"),
        ("a.m4a", b"\0\0\0\x18ftypM4A " + b"\0" * 99, "is a sound (audio/mp4), which"),
        ("a.dat", sample_media.mp3("bread"), "is a sound (audio/mpeg), not text: --media"),
        ("a.mov", sample_media.mp4("a wave"), "is a video (video/mp4), not text: --media"),
        ("a.png", b"\x89PNG", "has the name of an image, but not its content"),
        ("a.mp3", b"a b c", "has the name of a sound, but not its content"),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:4", "run git lfs pull"),
        ("a.aac", b"\xff\xf1\x50\x80" + b"\x02" * 99, "is a sound (audio/aac)"),
        ("log.gz", b"\x1f\x8b\x08" + b"\1" * 99, "is compressed (gzip): unpack it first"),
        ("a.zip", zipped({"a.txt": "x"}), "is an archive (ZIP): unpack it first"),
        ("a.exe", b"MZ\x90\0\3", "is a program, not text"),
        ("a.ttf", b"\0\1\0\0\0\x10", "is a font, not text"),
        ("a.db", b"SQLite format 3\0", "is a database (SQLite), not text"),
        ("a.bin", bytes(range(256)), "is binary data, not text"),
        ("a.doc", compound({"WordDocument": b"x"}), "is of Word 97 to 2003: save it as .docx"),
        ("a.ppt", compound({"PowerPoint Document": b"x"}), "save it as .pptx"),
        ("a.docx", compound({"EncryptedPackage": b"x"}), "is encrypted: save a copy without"),
        ("a.bin", compound({"Other": b"x"}), "is an older Microsoft file"),
        ("a.xlsx", zipped({"xl/workbook.bin": b""}), "is a binary workbook: save it as .xlsx"),
        ("a.xls", (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:'
         b'spreadsheet">'), "is of Excel 2003 (XML): save it as .xlsx"),
        ("a.docx", zipped({"a": b""}), "is damaged: its archive does not contain the document"),
        ("a.docx", word()[:5000], "is damaged: "),
        ("a.msg", outlook(subject="a", body="b", sender="c", recipient="d", attachment="e")[:900],
         "is damaged: "),
        ("a.odt", zipped({"META-INF/manifest.xml": b"<encryption-data/>"},
                         mimetype="application/vnd.oasis.opendocument.text"), "is encrypted"),
        ("a.odt", zipped({"content.xml": b"<a>" * 400, "mimetype": b""},
                         mimetype=None), "is damaged"),
        ("a.odg", zipped({}, mimetype="application/vnd.oasis.opendocument.graphics"),
         "is a kind of OpenDocument that is not read"),
        ("a.ipynb", b"[1]", "is damaged, or not a notebook"),
        ("a.srt", b"no times", "is damaged, or not a subtitle file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_it_is_and_what_to_do(read, name, content, problem):
    parts, reading = read(name, content)
    assert parts == []
    assert problem in reading.problem
    assert "encoding" not in reading.problem


def test_archive_that_unpacks_to_too_much_is_not_unpacked(read):
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w") as stream,
    ):
        for _ in range(110):
            stream.write(b" " * 1_000_000)
    _, reading = read("bomb.docx", out.getvalue())
    assert reading.problem == "unpacks to 110 MB of text, more than 100 MB: split it"


ENTITIES = (
    '<!DOCTYPE a [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 99}">' for a, b in pairwise("abcdefg"))
    + "]>"
)


@pytest.mark.parametrize("name", ["a.odt", "a.docx", "a.epub"])
def test_xml_that_would_grow_is_not_expanded(read, name):
    mime = {"a.odt": "application/vnd.oasis.opendocument.text", "a.epub": "application/epub+zip"}
    body = ENTITIES + "<a><text>&g;</text></a>"
    files = dict.fromkeys(("content.xml", "word/document.xml", "META-INF/container.xml"), body)
    parts, reading = read(name, zipped(files, mimetype=mime.get(name)))
    assert sum(len(text) for text, _ in parts) < 1000
    assert name == "a.odt" or "is damaged" in reading.problem


@pytest.mark.parametrize("kind", LIBRARIES)
def test_kind_that_needs_the_extra_says_which_before_anything_is_read(kind, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, LIBRARIES[kind], None)  # as if it were not installed
    name = f"report{SUFFIXES[kind][0]}"
    (tmp_path / name).write_bytes(b"x")
    found = find_files([str(tmp_path)])
    notice = leave_out_missing(found)
    assert notice == (
        f"Not read: 1 {SUFFIXES[kind][0]}: needs pip install 'langchain-gemini-qdrant[files]'"
    )
    assert found.files == []
    assert [*found.problems.values()] == ["needs pip install 'langchain-gemini-qdrant[files]'"]


def test_every_kind_is_in_one_group_and_every_suffix_in_one_kind():
    kinds = [kind for group in GROUPS.values() for kind in group]
    assert sorted(kinds) == sorted(SUFFIXES)
    assert len(KINDS) == sum(map(len, SUFFIXES.values()))


@pytest.mark.parametrize("name", [f"🎈 a{suffix}" for suffix in KINDS])
def test_empty_file_of_any_kind_is_no_problem(read, name):
    parts, reading = read(name, b"")
    assert (parts, reading.problem) == ([], None)
