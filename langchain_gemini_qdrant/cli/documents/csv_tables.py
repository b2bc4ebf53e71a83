"""Reads tables of separated values, row by row."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.files import SourceFile
    from langchain_gemini_qdrant.cli.documents.reading import Reading

_LARGEST_FIELD = 1 << 24  # characters: a quote that is never closed would take the whole file


def read_table(reading: Reading) -> Iterator[Document]:
    """Yield each row as lines of `column: value`."""
    csv.field_size_limit(_LARGEST_FIELD)
    with reading.open(newline="") as stream:
        first = stream.readline()
        delimiter = max(",;\t|", key=first.count)
        stream.seek(0)
        rows = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            names = [name.strip() for name in next(rows, [])]
            for number, row in enumerate(rows, 1):
                reading.position = stream.buffer.tell()
                yield _row(names, row, reading.file, number)
        except csv.Error as error:
            raise InvalidInputError(
                f"line {rows.line_num:,}: {error}; nothing behind it was read"
            ) from error


def _row(names: list[str], row: list[str], file: SourceFile, number: int) -> Document:
    """Return a row as lines of `column: value`; a value beyond the columns is a line alone."""
    named = zip(names, row, strict=False)
    lines = [f"{name}: {value}" if name else value for name, value in named if value.strip()]
    title = next((v for n, v in zip(names, row, strict=False) if n.lower() == TITLE_KEY), None)
    text = "\n".join([*lines, *filter(str.strip, row[len(names) :])])
    return Document(text, metadata={TITLE_KEY: one_line(title) or file.stem, "row": number})
