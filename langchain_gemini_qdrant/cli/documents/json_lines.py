"""Reads JSON and JSON Lines: a text and metadata in each record."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import one_line, renamed
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_gemini_qdrant.cli.documents.reading import Reading

TEXT_FIELDS = ("text", "page_content", "content")
"""Fields that may have the text of a JSON record: names in data sets, LangChain and chats."""

_SCALARS = (str, int, float, bool)
_LARGEST = 200_000_000  # bytes of a JSON file: in memory it is ten times as large
_DEEP = "is nested too deeply to be read"
_BASE64 = re.compile(r"(?:data:[\w/+.-]+;base64,)?[A-Za-z0-9+/\s]{200,}={0,2}")


def read_json_lines(reading: Reading) -> Iterator[Document]:
    """Yield the record of each line."""
    with reading.open() as stream:
        for number, line in enumerate(stream, 1):
            reading.position = stream.buffer.tell()
            if not line.strip():
                continue
            place = f"line {number:,}"
            try:
                record = json.loads(line.strip(), parse_constant=_refuse, parse_float=_finite)
                yield _record(record, reading, {"line": number})
            except json.JSONDecodeError as error:
                reading.fail(f"not JSON: {error.msg}", place)
            except InvalidInputError as error:
                reading.fail(str(error), place)
            except RecursionError:
                reading.fail(_DEEP, place)


def read_json(reading: Reading) -> Iterator[Document]:
    """Yield the records of a list, such as `[...]` or `{"messages": [...]}`, or all as one text.

    A record without a text field, or a value that is not a list, is read as lines of `field:
    value`.
    """
    if reading.file.size > _LARGEST:
        raise InvalidInputError(
            f"has {reading.file.size / 1e6:,.0f} MB, more than {_LARGEST // 1_000_000} MB: "
            "save it as JSON Lines (.jsonl)"
        )
    with reading.open() as stream:
        try:
            value = json.load(stream, parse_constant=_refuse, parse_float=_finite)
        except json.JSONDecodeError as error:
            raise InvalidInputError(
                f"line {error.lineno:,}: not JSON: {error.msg} (column {error.colno:,})"
            ) from error
        except RecursionError as error:
            raise InvalidInputError(_DEEP) from error
    records = _records(value)
    for number, record in enumerate(records or [value], 1):
        place = {"record": number} if records else {}
        yield _any_record(record, reading, place)


def _records(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """Return the records in a value: a list of objects or texts, or the only list inside it."""
    if isinstance(value, dict):
        lists = [each for each in value.values() if _is_list_of(each, dict)]
        has_text = any(isinstance(value.get(name), str) for name in TEXT_FIELDS)
        return lists[0] if len(lists) == 1 and _has_texts(lists[0]) and not has_text else []
    return list(value) if _is_list_of(value, (dict, str)) else []


def _is_list_of(value: object, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, kinds) for v in value)


def _has_texts(records: list[dict[str, object]]) -> bool:
    return any(isinstance(each.get(name), str) for each in records for name in TEXT_FIELDS)


def _any_record(record: object, reading: Reading, place: Mapping[str, int]) -> Document:
    if isinstance(record, dict) and isinstance(record.get("kwargs"), dict) and "lc" in record:
        record = {
            **record["kwargs"],
            "type": None,
        }  # a document in LangChain's `dumpd` format
    if isinstance(record, str) or (
        isinstance(record, dict) and _text_name(record, reading.text_field) is not None
    ):
        return _record(record, reading, place)
    fields = _scalars(record) if place and isinstance(record, dict) else {}
    title = one_line(fields.pop(TITLE_KEY, None)) or reading.file.stem
    own = renamed(fields, *place)
    return Document("\n".join(_lines(record)), metadata={**own, TITLE_KEY: title, **place})


def _lines(value: object, path: str = "") -> Iterator[str]:
    """Yield lines of `field.inner: value`, without pictures and other data in base64."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        if any(isinstance(each, (dict, list)) for each in value):
            for i, inner in enumerate(value):
                yield from _lines(inner, f"{path}.{i}" if path else str(i))
        elif value:
            yield f"{path}: {', '.join(map(_shown, value))}".removeprefix(": ")
    elif value not in {None, ""} and not (isinstance(value, str) and _BASE64.fullmatch(value)):
        yield f"{path}: {_shown(value)}".removeprefix(": ")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _refuse(constant: str) -> None:
    raise InvalidInputError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidInputError(f"{digits[:40]} is too large a number")
    return number


def _text_name(record: Mapping[str, object], text_field: str | None) -> str | None:
    names = TEXT_FIELDS if text_field is None else (text_field,)
    return next((name for name in names if isinstance(record.get(name), str)), None)


def _record(record: object, reading: Reading, place: Mapping[str, int]) -> Document:
    """Return the text of a JSON record, with its other fields as metadata."""
    if isinstance(record, str):
        record = {reading.text_field or TEXT_FIELDS[0]: record}
    if not isinstance(record, dict):
        raise InvalidInputError(f"must be an object or a string, got {type(record).__name__}")
    name = _text_name(record, reading.text_field)
    if name is None:
        names = TEXT_FIELDS if reading.text_field is None else (reading.text_field,)
        raise InvalidInputError(
            f"no text in {' or '.join(map(repr, names))}; the record has {sorted(record)!r}: name "
            "one with --text-field"
        )
    inner = record.get("metadata")
    fields = {**_scalars(inner if isinstance(inner, dict) else {}), **_scalars(record)}
    text = str(fields.pop(name))
    title = one_line(fields.pop(TITLE_KEY, None)) or reading.file.stem
    return Document(text, metadata={**renamed(fields, *place), TITLE_KEY: title, **place})


def _scalars(record: Mapping[str, Any]) -> dict[str, object]:
    return {key: value for key, value in record.items() if isinstance(value, _SCALARS)}
