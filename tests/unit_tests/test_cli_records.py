"""JSON, tables, notebooks, subtitles, source code and reStructuredText to texts with places."""

from __future__ import annotations

import json

import pytest
from langchain_core.documents import Document
from langchain_core.load import dumpd

from langchain_gemini_qdrant.cli.documents.passages import Splitter


def test_columns_are_metadata_and_numbers_where_all_of_a_column_are(read):
    rows = "sku,price,code,count,zip,note\n007,9.50,12,3,8001,\n008,-0.5,A7,,12345,x\n"
    parts, _ = read("t.csv", rows.encode())
    assert [metadata for _, metadata in parts] == [
        {"sku": "007", "price": 9.5, "code": "12", "count": 3, "zip": 8001, "title": "t", "row": 1},
        {
            "sku": "008",
            "price": -0.5,
            "code": "A7",
            "zip": 12345,
            "note": "x",
            "title": "t",
            "row": 2,
        },
    ]
    assert parts[0][0].startswith("sku: 007\nprice: 9.50\n")


@pytest.mark.parametrize(("line", "delimiter"), [("sep=;\r\n", ";"), ("SEP=\t\n", "\t")])
def test_a_first_line_that_names_the_delimiter_for_excel_is_no_row(read, line, delimiter):
    parts, _ = read("t.csv", f"{line}a,b{delimiter}c\n1{delimiter}2\n".encode())
    assert parts == [("a,b: 1\nc: 2", {"a,b": 1, "c": 2, "title": "t", "row": 1})]


@pytest.mark.parametrize(
    "value", ["1,5", "1e5", "+49", "0x1F", "1_000", "٣", "nan", "9" * 16, "1."]
)
def test_what_may_be_read_in_two_ways_is_no_number(read, value):
    [(_, metadata)], _ = read("t.csv", f"a;b\n{value};x\n".encode())
    assert metadata["a"] == value


def test_columns_named_as_ours_are_renamed_and_long_values_are_text_only(read):
    [(text, metadata)], _ = read("t.csv", b"source,row,heading,body\nweb,7,h," + b"w " * 600)
    assert metadata == {
        "record_source": "web",
        "record_row": 7,
        "record_heading": "h",
        "title": "t",
        "row": 1,
    }
    assert "body: w w" in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            [{"text": "A", "id": 1}, {"text": "B"}],
            [("A", {"id": 1, "record": 1}), ("B", {"record": 2})],
        ),
        (["A", "B"], [("A", {"record": 1}), ("B", {"record": 2})]),
        (
            {"model": "m", "messages": [{"role": "user", "content": "Hi", "record": 9}]},
            [("Hi", {"role": "user", "record_record": 9, "record": 1})],
        ),
        (
            [dumpd(Document("A", metadata={"page": 3})), dumpd(Document("B"))],
            [
                ("A", {"page": 3, "record": 1}),
                ("B", {"record": 2}),
            ],
        ),
        (
            [{"q": "Who?", "a": {"en": "I", "de": "Ich"}, "title": "T"}],
            [("q: Who?\na.en: I\na.de: Ich\ntitle: T", {"q": "Who?", "title": "T", "record": 1})],
        ),
        (
            {
                "name": "x",
                "tags": ["a", 1],
                "rules": [{"on": True}, {"no": None}],
                "icon": "QUJD" * 99,
            },
            [("name: x\ntags: a, 1\nrules.0.on: true", {})],
        ),
        ("text", [("text", {})]),
        ({"content": "One.", "n": 2}, [("One.", {"n": 2})]),
        ([], []),
    ],
)
def test_json_is_records_if_it_is_a_list_of_them_and_lines_otherwise(read, value, expected):
    parts, reading = read("r.json", json.dumps(value).encode())
    assert [(text, metadata) for text, metadata in parts if text] == [
        (text, {"title": "r", **metadata}) for text, metadata in expected
    ]
    assert reading.problem is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"a":\n 1,,}', "line 2: not JSON: "),
        (b"[" * 200_000, "is nested too deeply to be read"),
        (b'{"a": NaN}', "NaN is not JSON"),
    ],
)
def test_broken_json_says_where(read, content, problem):
    parts, reading = read("r.json", content)
    assert parts == []
    assert problem in reading.problem


def test_the_same_reason_is_told_once(read):
    lines = [json.dumps({"question": i, "answer": i}) for i in range(50)] + ["{"]
    parts, reading = read("r.jsonl", "\n".join(lines).encode())
    assert parts == []
    assert reading.problem == (
        "line 1: no text in 'text' or 'page_content' or 'content'; the record has "
        "['answer', 'question']: name one with --text-field (and 49 more like it); "
        "line 51: not JSON: Expecting property name enclosed in double quotes"
    )


def cell(kind, source, *outputs, **more):
    return {
        "cell_type": kind,
        "source": source.splitlines(keepends=True),
        "outputs": outputs,
        **more,
    }


def test_notebook_has_text_code_and_what_was_printed_without_pictures(read):
    image = {"image/png": "iVBORw0KGgo" * 99, "text/plain": ["<Figure size 640x480 with 1 Axes>"]}
    cells = [
        cell("markdown", "# Waves\n![plot](data:image/png;base64,iVBORw0KGgo=)"),
        cell("code", "print(1)", {"output_type": "stream", "text": ["1\n", "\x1b[31mred\x1b[0m"]}),
        cell("code", "plot()", {"output_type": "display_data", "data": image}),
        cell("code", "1/0", {"output_type": "error", "ename": "ZeroDivisionError", "evalue": "no"}),
        cell("markdown", "## End\nof it"),
    ]
    notebook = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}
    parts, reading = read("n.ipynb", json.dumps(notebook).encode())
    assert parts == [
        (
            (
                "# Waves\nplot\n\n```python\nprint(1)\n```\n\n```text\n1\nred\n```\n\n"
                "```python\nplot()\n```\n\n```python\n1/0\n```\n\n"
                "```text\nZeroDivisionError: no\n```"
            ),
            {"title": "Waves", "cell": 1},
        ),
        ("## End\nof it", {"title": "Waves", "cell": 5}),
    ]
    assert reading.problem is None


def test_notebook_of_format_3_is_read(read):
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Old"},
        {"cell_type": "code", "input": "1+1", "outputs": [{"output_type": "pyout", "text": "2"}]},
    ]
    [(text, _)], _ = read("n.ipynb", json.dumps({"worksheets": [{"cells": cells}]}).encode())
    assert text == "## Old\n\n```python\n1+1\n```\n\n```text\n2\n```"


@pytest.mark.parametrize(
    ("name", "head", "comma"), [("s.srt", "", ","), ("s.vtt", "WEBVTT\n\n", ".")]
)
def test_subtitles_are_joined_with_the_time_of_the_first(read, name, head, comma):
    cues = "".join(
        f"{i + 1}\n01:00:{i:02}{comma}000 --> 01:00:{i:02}{comma}900\n<i>Line {i // 2}</i>\n\n"
        for i in range(30)
    )
    parts, _ = read(name, (head + cues).encode(), chunk_size=60)
    assert parts[0] == (
        "\n".join(f"Line {i}" for i in range(8)),
        {"title": "s", "time": "01:00:00"},
    )
    assert parts[1][1]["time"] == "01:00:16"


def test_rst_has_markdown_headings_in_the_order_of_their_signs(read):
    text = (
        "=====\nTitle\n=====\n\nFirst::\n\n   # no heading\n   x = 1\n\nSection\n-------\n\na\n\n"
        "Inner\n~~~~~\n\nb\n\nNext\n----\n\n----\n\n== ==\na  b\n== ==\n"
    )
    [(markdown, metadata)], _ = read("a.rst", text.encode())
    assert metadata == {"title": "Title"}
    assert [line for line in markdown.splitlines() if line.startswith("#")] == [
        "# Title",
        "## Section",
        "### Inner",
        "## Next",
    ]
    assert "x = 1" in markdown
    assert "\n== ==\na  b\n== ==" in markdown


def test_code_has_its_language_and_the_whole_name_as_title(read):
    [(text, metadata)], _ = read("main.go", b"package main\n")
    assert (text, metadata) == ("package main\n", {"title": "main.go", "language": "go"})
    [(_, metadata)], _ = read("setup.cfg", b"[a]\nb = 1\n")
    assert metadata == {"title": "setup.cfg"}


def test_code_is_cut_between_functions_and_each_passage_knows_its_line():
    functions = [f"def f{i}():\n    return {i}\n" + "    # more\n" * 6 for i in range(20)]
    text = "\n\n".join(functions)
    passages = Splitter(200).split_code(text, "python")
    assert all(passage.startswith("def f") for passage, _ in passages)
    for passage, line in passages:
        assert text.splitlines()[line - 1] == passage.splitlines()[0]


@pytest.mark.parametrize("language", ["perl", "sh", "sql", "no such language"])
def test_code_of_other_languages_is_cut_at_paragraphs(language):
    passages = Splitter(100).split_code("\n\n".join(f"step {i}\n" * 5 for i in range(9)), language)
    assert [line for _, line in passages][:3] == [1, 15, 29]


def test_a_number_that_no_float_can_be_is_refused_with_its_line(read):
    parts, reading = read("r.jsonl", b'{"text": "a", "n": 1e400}\n{"text": "b", "n": 1e30}\n')
    assert [text for text, _ in parts] == ["b"]
    assert reading.problem == "line 1: 1e400 is too large a number"
    _, reading = read("r.json", b'[{"text": "a", "n": -1e999}]')
    assert reading.problem == "-1e999 is too large a number"


def test_a_notebook_may_have_null_where_nothing_is(read):
    output = {"output_type": "stream", "data": None, "text": "shown"}
    cells = [cell("markdown", "# Waves"), cell("code", "1", output), cell("code", "2")]
    cells[2]["outputs"] = None
    for about in (None, {"language_info": None}):
        [(text, _)], reading = read(
            "n.ipynb", json.dumps({"cells": cells, "metadata": about}).encode()
        )
        assert reading.problem is None
        assert "shown" in text
