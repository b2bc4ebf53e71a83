"""Reads JSON Lines: a text and metadata in each record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_gemini_qdrant.cli.documents.reading import Reading

TEXT_FIELDS = ("text", "page_content", "content")
"""Where the text of a JSON record is looked for: as data sets, LangChain and chats name it."""

_SCALARS = (str, int, float, bool)


def read_json_lines(reading: Reading) -> Iterator[Document]:
    """Yield the record of each line."""
    with reading.open() as stream:
        for number, line in enumerate(stream, 1):
            reading.position = stream.buffer.tell()
            if not line.strip():
                continue
            try:
                record = json.loads(line.strip(), parse_constant=_refuse)
                yield _record(record, reading, number)
            except json.JSONDecodeError as error:
                reading.fail(f"line {number:,}: no JSON: {error.msg} (column {error.colno})")
            except (InvalidInputError, RecursionError) as error:
                reading.fail(f"line {number:,}: {error}")


def _refuse(constant: str) -> None:
    raise InvalidInputError(f"{constant} is no JSON")


def _record(record: object, reading: Reading, line: int) -> Document:
    """Return the text of a JSON record, with its other fields as metadata."""
    if isinstance(record, str):
        record = {TEXT_FIELDS[0] if reading.text_field is None else reading.text_field: record}
    if not isinstance(record, dict):
        raise InvalidInputError(f"must be an object or a string, got {type(record).__name__}")
    names = TEXT_FIELDS if reading.text_field is None else (reading.text_field,)
    name = next((name for name in names if isinstance(record.get(name), str)), None)
    if name is None:
        raise InvalidInputError(
            f"no text in {' or '.join(map(repr, names))}; the record has {sorted(record)!r}: "
            "--text-field names one"
        )
    inner = record.get("metadata")
    fields = {**_scalars(inner if isinstance(inner, dict) else {}), **_scalars(record)}
    text = str(fields.pop(name))
    title = one_line(fields.pop(TITLE_KEY, None)) or reading.file.stem
    own = {f"record_{key}" if key in {"source", "line"} else key: fields[key] for key in fields}
    return Document(text, metadata={**own, TITLE_KEY: title, "line": line})


def _scalars(record: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {key: value for key, value in record.items() if isinstance(value, _SCALARS)}
