"""Reads tables of separated values, row by row."""

from __future__ import annotations

import csv
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.columns import Columns, number_columns
from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_NAMED_DELIMITER = re.compile(r"sep=([^\w\s\"]|\t)\s*", re.I)  # a first line for Excel
_LARGEST_FIELD = 1 << 24  # characters: a quote that is never closed would take the whole file


def read_table(reading: Reading) -> Iterator[Document]:
    """Yield each row as lines of `column: value`, with the columns as metadata.

    The file is read twice: whether a column has only numbers is known at its end.
    """
    csv.field_size_limit(_LARGEST_FIELD)
    with reading.open(newline="") as stream:
        first = stream.readline()
        named = _NAMED_DELIMITER.fullmatch(first)
        delimiter = named[1] if named else max(",;\t|", key=first.count)
        start = stream.tell() if named else 0
        numbers = number_columns(_sound_rows(stream, delimiter, start))
        stream.seek(start)
        rows = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            names = [one_line(name) for name in next(rows, [])]
            columns = Columns(names=names, numbers=numbers)
            for number, row in enumerate(rows, 1):
                reading.position = stream.buffer.tell()
                yield columns.row(row, reading.file.stem, {"row": number})
        except csv.Error as error:
            raise InvalidInputError(
                f"line {rows.line_num:,}: {error}; nothing after it was read"
            ) from error


def _sound_rows(stream: TextIO, delimiter: str, start: int) -> Iterator[list[str]]:
    """Yield the rows below the header up to the first one that cannot be read."""
    stream.seek(start)
    rows = csv.reader(stream, delimiter=delimiter, strict=True)
    with suppress(csv.Error):
        next(rows, None)
        yield from rows
