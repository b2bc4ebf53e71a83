"""Files of each kind to texts, titles and places."""

from __future__ import annotations

import io
import json
import random

import pypdf
import pytest

from tests.samples import paragraphs, pdf


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_as_it_is_marked(read, encoding):
    parts, reading = read("note.txt", "Größe\r\n猫".encode(encoding))
    assert parts == [("Größe\n猫", {"title": "note"})]
    assert reading.notice is None


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Katzen schlafen „meist“. Größere Übungen führen sie frühmorgens durch.\n"),
        ("cp1251", "Кошки спят большую часть дня и охотятся ночью.\n"),
        ("cp1253", "Γάτες: κοιμούνται το μεγαλύτερο μέρος της ημέρας.\n"),
        ("cp932", "猫は一日の大半を眠って過ごします。\n"),
        ("gb18030", "猫一天中的大部分时间都在睡觉。\n"),
    ],
)
def test_other_encodings_are_guessed_and_told(read, encoding, text):
    parts, reading = read("note.txt", b"ASCII first.\n" + (text * 4).encode(encoding))
    assert parts[0][0] == "ASCII first.\n" + text * 4
    assert "which is a guess" in reading.notice


def test_named_encoding_is_not_guessed(read):
    parts, reading = read("note.txt", "Größe".encode("cp850"), encoding="cp850")
    assert (parts[0][0], reading.notice) == ("Größe", None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Größe".encode() * 200_000 + b"\xff", "not UTF-8 at byte 1,400,000"),
        ("Größe Grö".encode()[:-1], "not UTF-8 at byte 10"),
        ("Größe".encode("utf-16")[:-1], "not UTF-16 at byte"),
        (b"a\0b", "NUL characters"),
        (random.Random(1).randbytes(4096).replace(b"\0", b"\1"), "is binary data: it has control"),
        (b"\x80\x04\x95abc", "is binary data: it has control"),
        (bytes(range(0x80, 0x100)) * 9, "no other encoding is probable"),
    ],
)
def test_text_that_cannot_be_decoded_says_where_and_nothing_is_replaced(read, content, problem):
    parts, reading = read("note.txt", content)
    assert parts == []
    assert problem in reading.problem


def test_long_text_comes_in_blocks_that_end_with_a_paragraph(read):
    text = paragraphs(2_500_000)
    parts, _ = read("long.txt", text.encode())
    assert len(parts) > 1
    assert "".join(block for block, _ in parts) == text
    assert all(block.endswith("\n\n") for block, _ in parts)


@pytest.mark.parametrize(
    ("name", "text", "title"),
    [
        ("a.md", "```sh\n# no heading\n```\n\n# The *title* #\n", "The *title*"),
        ("a.md", "---\ntitle: 'From the front'\n---\n# Heading\n", "From the front"),
        ("a.md", "Underlined title\n======\n\ntext\n\n## Second level\n", "Underlined title"),
        ("a.md", '<h1 align="center"><img src="x"></h1>\n\n<h2>The\ntool</h2>\n', "The tool"),
        ("a.md", "text\n\n## Second level\n", "Second level"),
        ("a.md", "no heading", "a"),
        ("a.rst", "=====\nTitle\n=====\n\ntext\n\nSection\n-------\n", "Title"),
        ("a b.txt", "# no heading in plain text", "a b"),
    ],
)
def test_title_is_taken_from_the_text_or_is_the_file_name(read, name, text, title):
    parts, _ = read(name, text.encode())
    assert parts[0][1] == {"title": title}


def test_web_page_is_markdown_without_scripts_addresses_and_images(read):
    page = """<html><head><title> A
      page </title><style>p {}</style></head><body><script>alert()</script><h1>Top</h1>
      <p>See <a href="https://example.org">the_docs</a> <img src="data:x" alt="a plan"></p>
      <ul><li>one</li></ul><pre>  x = 1</pre><table><tr><th>k</th></tr><tr><td>v</td></tr></table>
      </body></html>"""
    [(text, metadata)], _ = read("page.html", page.encode())
    assert metadata == {"title": "A page"}
    assert "# Top" in text
    assert "See the_docs a plan" in text
    assert "* one" in text
    assert "  x = 1" in text
    assert "| v |" in text
    assert not any(word in text for word in ("alert", "example.org", "data:x", "p {}"))


@pytest.mark.parametrize("declared", ["iso-8859-1", "windows-1252", "nonsense"])
def test_web_page_is_decoded_as_it_declares(read, declared):
    page = f'<meta charset="{declared}"><h1>Größe</h1><p>„Straße“ für Fußgänger, schön.</p>'
    [(text, metadata)], reading = read("page.html", page.encode("cp1252"))
    assert metadata == {"title": "Größe"}
    assert "„Straße“" in text
    assert (reading.notice is None) == (declared != "nonsense")


@pytest.mark.parametrize(
    ("declared", "text", "real"),
    [
        ("gb2312", "朱镕基", "gb18030"),
        ("shift_jis", "①㈱", "cp932"),
        ("iso-8859-9", "“şehir”", "cp1254"),
        ("euc-kr", "뷁", "cp949"),
    ],
)
def test_declared_encoding_is_what_browsers_take_it_for(read, declared, text, real):
    page = f'<meta charset="{declared}"><p>{text}</p>'
    parts, reading = read("page.html", page.encode(real))
    assert (parts[0][0], reading.notice) == (text, None)


@pytest.mark.parametrize("declared", ["us-ascii", "utf-8", "utf-16", "rot13", "euc-jp"])
def test_page_that_declares_a_wrong_encoding_is_read_with_the_one_that_is_named(read, declared):
    page = f'<meta charset="{declared}"><p>\x81 für Gäste</p>'
    parts, reading = read("page.html", page.encode("cp850", "replace"), encoding="cp850")
    assert (parts[0][0][2:], reading.notice) == ("für Gäste", None)


def test_pdf_comes_page_by_page_with_its_title(read):
    parts, reading = read("p.pdf", pdf("One.", "Two.", title="A paper"))
    assert parts == [
        ("One.", {"title": "A paper", "page": 1}),
        ("Two.", {"title": "A paper", "page": 2}),
    ]
    assert reading.problem is None


def encrypted(password, algorithm):
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("Secret.")))
    writer.encrypt(password, "owner", algorithm=algorithm)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_pdf_that_is_encrypted_without_a_password_is_read(read, algorithm):
    parts, _ = read("p.pdf", encrypted("", algorithm))
    assert parts == [("Secret.", {"title": "p", "page": 1})]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (encrypted("secret", "RC4-128"), "is encrypted"),
        (b"%PDF-1.4 nothing", "Error"),
        (b"no pdf at all", "Error"),
        (pdf(None, None), "no text on its 2 pages"),
    ],
)
def test_pdf_that_cannot_be_read_says_why(read, content, problem):
    parts, reading = read("p.pdf", content)
    assert not any(text for text, _ in parts)
    assert problem in reading.problem


def test_json_lines_have_a_text_and_metadata(read):
    lines = [
        {"text": "One.", "id": 7, "tags": ["x"], "none": None, "source": "web", "title": "T"},
        {"page_content": "Two.", "metadata": {"author": "A", "deep": {}}},
        "Three.",
    ]
    content = "\n\n".join(json.dumps(line) for line in lines)
    parts, reading = read("r.jsonl", content.encode())
    assert parts == [
        ("One.", {"id": 7, "record_source": "web", "title": "T", "line": 1}),
        ("Two.", {"author": "A", "title": "r", "line": 3}),
        ("Three.", {"title": "r", "line": 5}),
    ]
    assert reading.problem is None


def test_bad_lines_are_told_and_the_others_read(read):
    lines = [b'{"text": "good"}', b"{", b'{"body": "x", "n": 1}', b"[1]", b'{"text": NaN}', b"7"]
    parts, reading = read("r.jsonl", b"\n".join([*lines, b'{"text": "also good"}']))
    assert [text for text, _ in parts] == ["good", "also good"]
    assert "line 2: not JSON" in reading.problem
    assert "line 3: no text in 'text' or 'page_content' or 'content'" in reading.problem
    assert "['body', 'n']: name one with --text-field" in reading.problem
    assert reading.problem.endswith("; and 2 more")


def test_text_field_names_where_the_text_is(read):
    parts, _ = read("r.jsonl", b'{"text": "no", "body": "yes"}', text_field="body")
    assert parts == [("yes", {"text": "no", "title": "r", "line": 1})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_are_lines_of_column_and_value(read, delimiter):
    rows = [["Name", "Title", "Note"], ["ash", "The ash", '"a,b;c\nd"'], ["oak", "", "", "more"]]
    content = "\r\n".join(delimiter.join(row) for row in rows)
    parts, _ = read("t.csv", content.encode())
    assert parts == [
        (
            "Name: ash\nTitle: The ash\nNote: a,b;c\nd",
            {"Name": "ash", "Note": "a,b;c\nd", "title": "The ash", "row": 1},
        ),
        ("Name: oak\nmore", {"Name": "oak", "title": "t", "row": 2}),
    ]


def test_quote_that_is_never_closed_is_told(read):
    parts, reading = read("t.csv", b'a,b\n1,2\n3,"open\n5,6\n')
    assert [metadata["row"] for _, metadata in parts] == [1]
    assert "nothing after it was read" in reading.problem


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.pdf", "a.jsonl", "a.csv"])
def test_empty_file_is_no_problem(read, name):
    parts, reading = read(name, b"")
    assert (parts, reading.problem) == ([], None)
