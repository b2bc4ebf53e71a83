"""Office documents, spreadsheets and e-books to texts with places that can be cited."""

from __future__ import annotations

import datetime

import pytest

from tests.office_files import epub, old_workbook, opendocument, slides, word, workbook

ROWS = [["Name", "Price", "New"], ["Tee", 9.5, True], ["Tea", 12.0, None]]


def test_word_has_headings_lists_and_tables_without_pictures(read):
    [(text, metadata)], reading = read("trip.docx", word(title="Travel rules"))
    assert metadata == {"title": "Travel rules"}
    assert text == (
        "# Travel\n\nTrips are booked a week ahead.\n\n## Costs\n\n* Trains first.\n\n"
        "| City | Days |\n| --- | --- |\n| Oslo | 3 |"
    )
    assert reading.problem is None


def test_word_without_a_title_has_its_first_heading_or_the_name_of_the_file(read):
    assert read("trip.docx", word())[0][0][1] == {"title": "Travel"}
    assert read("trip.docx", word(headings=False))[0][0][1] == {"title": "trip"}


def test_slides_come_one_by_one_with_tables_charts_notes_and_groups(read):
    parts, reading = read("plan.pptx", slides(title="Our plan"))
    assert parts == [
        (
            (
                "The plan\n\n| Step | Weeks |\n| --- | --- |\n| Build | 6 |\n\n"
                "|  | Sales |\n| --- | --- |\n| May | 4 |\n| June | 5.5 |\n\nNotes: Say thanks."
            ),
            {"title": "Our plan", "slide": 1, "heading": "The plan"},
        ),
        ("Risks\n\nRain in June", {"title": "Our plan", "slide": 2, "heading": "Risks"}),
    ]
    assert reading.problem is None


def test_slides_without_a_title_have_that_of_the_first_one(read):
    parts, _ = read("plan.pptx", slides(title="PowerPoint Presentation"))
    assert [metadata["title"] for _, metadata in parts] == ["The plan", "The plan"]


OLD = old_workbook("Prices", [["Name", "Price", "New"], ["Tee", 9.5, "yes"], ["Tea", 12.0, "no"]])
ODS = opendocument(
    "spreadsheet",
    '<table:table table:name="Prices">'
    + "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="{kind}" office:value="{text}"><text:p>{text}'
            "</text:p></table:table-cell>"
            for kind, text in row
        )
        + '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        for row in (
            [("string", "Name"), ("string", "Price"), ("string", "New")],
            [("string", "Tee"), ("float", "9.5"), ("string", "yes")],
            [("string", "Tea"), ("float", "12"), ("string", "no")],
        )
    )
    + '<table:table-row table:number-rows-repeated="1048000"/></table:table>',
)


@pytest.mark.parametrize(
    ("name", "content", "new"),
    [
        ("p.xlsx", workbook(Prices=ROWS), [True, None]),
        ("p.xls", OLD, ["yes", "no"]),
        ("p.ods", ODS, ["yes", "no"]),
    ],
)
def test_rows_of_sheets_have_columns_as_metadata_and_the_number_that_the_program_shows(
    read, name, content, new
):
    parts, reading = read(name, content)
    assert [text.splitlines()[:2] for text, _ in parts] == [
        ["Name: Tee", "Price: 9.5"],
        ["Name: Tea", "Price: 12"],
    ]
    place = {"title": "p: Prices", "sheet": "Prices"}
    first, second = (metadata for _, metadata in parts)
    assert first == {"Name": "Tee", "Price": 9.5, "New": new[0], **place, "row": 2}
    assert (second["Price"], second.get("New"), second["row"]) == (12, new[1], 3)
    assert reading.problem is None


def test_sheet_keeps_what_stands_above_its_table_and_dates_as_iso(read):
    rows = [
        ["Sales 2026"],
        [],
        ["Day", "title", "source"],
        [datetime.datetime(2026, 3, 1), "March", "shop"],  # noqa: DTZ001 - Excel's have no zone
    ]
    parts, _ = read("s.xlsx", workbook(A=rows))
    assert parts == [
        ("Sales 2026", {"title": "s: A", "sheet": "A", "row": 1}),
        (
            "Day: 2026-03-01\ntitle: March\nsource: shop",
            {
                "Day": "2026-03-01",
                "record_source": "shop",
                "title": "March",
                "sheet": "A",
                "row": 4,
            },
        ),
    ]


def test_sheet_without_a_header_is_text_in_passages(read):
    rows = [[i, i * i] for i in range(1, 201)]
    parts, _ = read("n.xlsx", workbook(Squares=rows, Names=[["only", "a header"]]), chunk_size=500)
    *squares, names = parts
    assert squares[0][0].startswith("1 | 1\n2 | 4\n")
    assert [metadata["row"] for _, metadata in squares] == [1, 56, 105, 146, 187]
    assert all(len(text) <= 500 for text, _ in squares)
    assert names[0] == "only | a header"


def test_opendocument_text_has_headings_lists_and_tables(read):
    body = (
        '<text:h text:outline-level="1">Rules</text:h>'
        '<text:p>A<text:s text:c="2"/>&lt;b&gt;</text:p>'
        "<text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>k</text:p></table:table-cell>"
        "</table:table-row><table:table-row><table:table-cell><text:p>v</text:p>"
        "</table:table-cell></table:table-row></table:table>"
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>"
    )
    [(text, metadata)], _ = read("r.odt", opendocument("text", body))
    assert metadata == {"title": "Rules"}
    assert text == "# Rules\n\nA <b>\n\n* one\n\n| k |\n| --- |\n| v |"
    [(_, metadata)], _ = read("r.odt", opendocument("text", body, title="By laws"))
    assert metadata == {"title": "By laws"}


def test_opendocument_slides_come_one_by_one(read):
    page = "<draw:page><draw:frame><text:p>{}</text:p></draw:frame></draw:page>"
    parts, _ = read("s.odp", opendocument("presentation", page.format("A") + page.format("B")))
    assert parts == [("A", {"title": "A", "slide": 1}), ("B", {"title": "A", "slide": 2})]


def test_book_comes_by_chapters_in_reading_order(read):
    parts, reading = read("sea.epub", epub(encrypted=["OEBPS/font.otf"]))
    about = {"title": "The sea", "author": "Ada Berg"}
    assert parts == [
        ("# Tides\n\n## Low\n\nThe water leaves.", {**about, "chapter": "Low tide"}),
        ("## Waves\n\nThey come.", {**about, "chapter": "Waves"}),
    ]
    assert reading.problem is None


def test_book_that_is_protected_says_so(read):
    parts, reading = read("sea.epub", epub(encrypted=["OEBPS/text/c1.xhtml"]))
    assert (parts, reading.problem) == ([], "is protected against copying (DRM)")


def test_rtf_is_read_without_its_control_words_and_pictures(read):
    source = (
        rb"{\rtf1\ansi\ansicpg1252{\info{\title Our rules}}{\fonttbl{\f0 Times;}}"
        rb"{\pict\pngblip 89504e470d0a1a0a}\f0 Gr\'fc\'dfe \u29483?\par Second.}"
    )
    parts, reading = read("r.rtf", source)
    assert parts == [("Grüße 猫\nSecond.", {"title": "Our rules"})]
    assert reading.problem is None
