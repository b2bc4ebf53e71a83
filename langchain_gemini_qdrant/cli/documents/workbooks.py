"""Reads spreadsheets of Excel and LibreOffice, row by row."""

from __future__ import annotations

import io
import warnings
import zipfile
from contextlib import closing
from datetime import date, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.columns import Columns, shown
from langchain_gemini_qdrant.cli.documents.contents import ENCRYPTED
from langchain_gemini_qdrant.cli.documents.reading import one_line, packed
from langchain_gemini_qdrant.cli.documents.xml_trees import attribute, find_all, parse_xml
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lxml.etree import _Element as Element
    from xlrd.sheet import Cell

    from langchain_gemini_qdrant.cli.documents.reading import Reading

    # Name of a sheet, and its rows with their numbers.
    _Sheet = tuple[str, Iterable[tuple[int, Sequence[object]]]]

_LINES_ABOVE = 20  # rows in which the header is searched
_WIDEST = 16_384  # cells of a row, as in Excel


def read_workbook(reading: Reading) -> Iterator[Document]:
    """Yield each row of each sheet as lines of `column: value`, with the columns as metadata.

    The header is the first row with two or more texts and nothing else. Rows above it, and sheets
    without a header, are text: their rows are joined to passages.
    """
    with reading.file.path.open("rb") as stream:
        head = stream.read(2)
    sheets = _old_sheets(reading) if head != b"PK" else _sheets(reading)
    for name, rows in sheets:
        yield from _sheet(reading, name, rows)


def _sheet(
    reading: Reading, name: str, rows: Iterable[tuple[int, Sequence[object]]]
) -> Iterator[Document]:
    title = f"{reading.file.stem}: {name}"
    numbered = ((number, list(map(_plain, row))) for number, row in rows)
    first = list(islice(numbered, _LINES_ABOVE))
    header = next((i for i, (_, row) in enumerate(first) if _is_header(row)), len(first))
    is_table = any(map(_filled, (row for _, row in first[header + 1 :])))
    others = first[:header] if is_table else chain(first, numbered)
    lines = ((" | ".join(texts), number) for number, row in others if (texts := _filled(row)))
    for text, number in packed(lines, reading.chunk_size):
        yield Document(text, metadata={TITLE_KEY: title, "sheet": name, "row": number})
    if is_table:
        columns = Columns(names=[one_line(value) for value in first[header][1]])
        for number, row in chain(first[header + 1 :], numbered):
            if _filled(row):
                yield columns.row(row, title, {"sheet": name, "row": number})


def _filled(row: Sequence[object]) -> list[str]:
    return list(filter(None, map(shown, row)))


def _is_header(row: Sequence[object]) -> bool:
    """Return whether a row has two or more names and nothing else."""
    return len(_filled(row)) > 1 and all(isinstance(value, str) for value in row)


def _plain(value: object) -> object:
    """Return a cell's value as metadata: dates as ISO 8601, times as text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime):
        is_day = not (value.hour or value.minute or value.second)
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, (int, float)) else shown(value)


def _sheets(reading: Reading) -> Iterator[_Sheet]:
    with zipfile.ZipFile(reading.file.path) as archive:
        if "content.xml" in archive.namelist():
            tree = parse_xml(archive.read("content.xml"))
            yield from _opendocument_sheets(tree)
            return
    import openpyxl  # noqa: PLC0415 - of the extra

    with warnings.catch_warnings(), reading.file.path.open("rb") as stream:
        warnings.simplefilter("ignore")  # warnings about styles and rules that it does not keep
        with closing(openpyxl.load_workbook(stream, read_only=True, data_only=True)) as book:
            for number, sheet in enumerate(book.worksheets):
                reading.position = reading.file.size * number // len(book.worksheets)
                sheet.reset_dimensions()  # some programs write it incorrectly
                yield sheet.title, enumerate(sheet.iter_rows(values_only=True), 1)
            if not book.worksheets:
                raise InvalidInputError("has no sheet that can be read: save it as .xlsx again")


def _old_sheets(reading: Reading) -> Iterator[_Sheet]:
    """Yield the sheets of Excel 97 to 2003."""
    import xlrd  # noqa: PLC0415 - of the extra

    path, silent = reading.file.path, io.StringIO()
    try:
        book = xlrd.open_workbook(path, logfile=silent, on_demand=True, ragged_rows=True)
    except xlrd.XLRDError as error:
        is_encrypted = "encrypted" in str(error)
        raise InvalidInputError(ENCRYPTED if is_encrypted else f"is damaged: {error}") from error
    with book:
        for name in book.sheet_names():
            sheet = book.sheet_by_name(name)
            rows = ([_old_value(cell, book.datemode) for cell in row] for row in sheet.get_rows())
            yield name, enumerate(rows, 1)
            book.unload_sheet(name)


def _old_value(cell: Cell, datemode: int) -> object:
    import xlrd  # noqa: PLC0415 - of the extra

    kind, value = cell.ctype, cell.value
    if kind == xlrd.XL_CELL_DATE:
        try:
            return xlrd.xldate_as_datetime(value, datemode)
        except (ValueError, OverflowError):
            return value
    if kind == xlrd.XL_CELL_BOOLEAN:
        return bool(value)
    return None if kind == xlrd.XL_CELL_ERROR else value


def _opendocument_sheets(tree: Element) -> Iterator[_Sheet]:
    body = next(find_all(tree, "spreadsheet"))
    for table in find_all(body, "table"):
        yield attribute(table, "name"), _opendocument_rows(table)


def _opendocument_rows(table: Element) -> Iterator[tuple[int, list[object]]]:
    number = 1
    for row in find_all(table, "table-row"):
        yield number, _opendocument_row(row)
        number += int(attribute(row, "number-rows-repeated") or 1)


def _opendocument_row(row: Element) -> list[object]:
    values: list[object] = []
    for cell in find_all(row, "table-cell", "covered-table-cell"):
        count = int(attribute(cell, "number-columns-repeated") or 1)
        if len(values) + count > _WIDEST:
            break
        values += [_opendocument_value(cell)] * count
    return values


def _opendocument_value(cell: Element) -> object:
    kind = attribute(cell, "value-type")
    if kind in {"float", "percentage", "currency"}:
        return float(attribute(cell, "value"))
    if kind == "boolean":
        return attribute(cell, "boolean-value") == "true"
    if kind == "date":
        return attribute(cell, "date-value").removesuffix("T00:00:00")
    lines = ("".join(map(str, line.itertext())) for line in find_all(cell, "p"))
    return "\n".join(lines)
