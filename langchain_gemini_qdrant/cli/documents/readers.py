"""Reads files of each kind as texts with titles, in parts, so that no file must fit in memory.

Parts that cannot be read are recorded with the reason, and the rest is read.
"""

from __future__ import annotations

import csv
import json
import logging
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.decoding import find_encoding
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pypdf import PdfReader

    from langchain_gemini_qdrant.cli.documents.files import Kind, SourceFile

TEXT_FIELDS = ("text", "page_content", "content")
"""Where the text of a JSON record is looked for: as data sets, LangChain and chats name it."""

_BLOCK = 1 << 20  # characters of a text held at a time
_PROBLEMS_TOLD = 3  # of one file
_HEAD_BYTES = 4096  # of a page, where its encoding is declared
_LARGEST_FIELD = 1 << 24  # characters: a quote that is never closed would take the whole file
_SCALARS = (str, int, float, bool)

_FRONT_MATTER = re.compile(r"\A---\n.*?^title:[ \t]*(?P<title>.+?)[ \t]*$.*?^---$", re.M | re.S)
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.M)
_UNDERLINED = re.compile(r"^(?!\W+$)(\S.*)\n([=\-~#*^\"'`+])\2{2,}[ \t]*$", re.M)
_FENCED = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(^ {0,3}\1|\Z)", re.M | re.S)


@dataclass(kw_only=True, slots=True)
class Reading:
    """The reading of one file.

    Attributes:
        file: The file.
        encoding: Encoding of text that is not UTF-8, None for a guess.
        text_field: Text field of JSON records, None for the first of `TEXT_FIELDS`.
        position: Bytes read so far.
        notice: A notice on how it was read.
        problems: The first parts that cannot be read.
        problem_count: Number of all such parts.
    """

    file: SourceFile
    encoding: str | None = None
    text_field: str | None = None
    position: int = 0
    notice: str | None = None
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def fail(self, problem: str) -> None:
        """Record that something cannot be read."""
        self.problem_count += 1
        if len(self.problems) < _PROBLEMS_TOLD:
            self.problems.append(problem)

    @property
    def problem(self) -> str | None:
        """Everything that cannot be read, None if everything can."""
        if not self.problems:
            return None
        more = self.problem_count - len(self.problems)
        return "; ".join(self.problems) + (f"; and {more:,} more" if more else "")

    def open(self, *, declared: str | None = None, newline: str | None = None) -> TextIO:
        """Open the file as text of its own encoding."""
        found = find_encoding(self.file.path, declared or self.encoding)
        self.notice = found.notice
        return self.file.path.open(encoding=found.name, newline=newline)


def read(reading: Reading) -> Iterator[Document]:
    """Yield a file's texts with their titles; `reading` collects notices and problems.

    A text is a block of a long file, a page of a PDF, or a record of JSON Lines or CSV.
    """
    try:
        if reading.file.size:
            yield from _READERS[reading.file.kind](reading)
    except OSError as error:
        reading.fail(error.strerror or type(error).__name__)
    except InvalidInputError as error:
        reading.fail(str(error))
    except Exception as error:  # noqa: BLE001 - parsers of broken files raise whatever they like
        reading.fail(f"{type(error).__name__}: {error}".removesuffix(": "))
    reading.position = reading.file.size


def _text(reading: Reading) -> Iterator[Document]:
    title = None
    with reading.open() as stream:
        for block in _blocks(reading, stream):
            if title is None:
                title = _title_of(block, reading.file)
            yield Document(block, metadata={TITLE_KEY: title})


def _blocks(reading: Reading, stream: TextIO) -> Iterator[str]:
    """Yield a text in pieces that end with a paragraph, a line or a word, where one ends."""
    rest = ""
    while text := stream.read(_BLOCK):
        reading.position = stream.buffer.tell()
        rest += text
        if len(rest) < _BLOCK:
            continue
        ends = (rest.rfind(mark, _BLOCK // 2) + len(mark) for mark in ("\n\n", "\n", " "))
        cut = next((end for end in ends if end >= _BLOCK // 2), len(rest))
        yield rest[:cut]
        rest = rest[cut:]
    if rest:
        yield rest


def _title_of(text: str, file: SourceFile) -> str:
    """Return the title that a text begins with, or its file's name."""
    title = None
    if file.kind == "markdown":
        front = _FRONT_MATTER.search(text)
        heading = _HEADING.search(_FENCED.sub("", text)) or _UNDERLINED.search(text)
        title = front["title"].strip("\"'") if front else heading and heading[1]
    elif file.path.suffix.lower() == ".rst":
        heading = _UNDERLINED.search(text)
        title = heading and heading[1]
    return _one_line(title) or file.stem


def _one_line(title: object) -> str:
    return " ".join(title.split()) if isinstance(title, str) else ""


def _html(reading: Reading) -> Iterator[Document]:
    from bs4 import BeautifulSoup  # noqa: PLC0415 - each kind's library with its first file
    from bs4.dammit import EncodingDetector  # noqa: PLC0415

    from langchain_gemini_qdrant.cli.documents.webpages import to_markdown  # noqa: PLC0415

    with reading.file.path.open("rb") as binary:
        head = binary.read(_HEAD_BYTES)
    declared = EncodingDetector.find_declared_encoding(head, is_html=True)
    with reading.open(declared=_real_encoding(declared)) as stream:
        page = stream.read()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it may be XML, or no page at all
        soup = BeautifulSoup(page, "html.parser")
    heading = soup.title or soup.h1
    title = _one_line(heading.get_text(" ")) if heading else ""
    yield Document(to_markdown(soup), metadata={TITLE_KEY: title or reading.file.stem})


def _real_encoding(declared: str | None) -> str | None:
    """Return the encoding that browsers use for a declared one, None for an unknown one.

    Source: https://encoding.spec.whatwg.org/#names-and-labels
    """
    import codecs  # noqa: PLC0415

    try:
        name = codecs.lookup(declared or "").name
    except LookupError:
        return None
    return {"iso8859-1": "cp1252", "ascii": "cp1252", "utf-8": None}.get(name, name)


def _pdf(reading: Reading) -> Iterator[Document]:
    from pypdf import PdfReader  # noqa: PLC0415

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # of what it has mended
    with reading.file.path.open("rb") as stream:
        pdf = PdfReader(stream)
        if pdf.is_encrypted and not pdf.decrypt(""):
            raise InvalidInputError("is encrypted: save a copy without the password")
        metadata = pdf.metadata
        title = _one_line(metadata.title if metadata else None) or reading.file.stem
        has_text = False
        for number, text in _pages(reading, pdf):
            has_text = has_text or bool(text.strip())
            yield Document(text, metadata={TITLE_KEY: title, "page": number})
        if not has_text and not reading.problems:
            raise InvalidInputError(
                f"no text on its {len(pdf.pages)} pages: if they are scanned, have the text "
                "recognised first"
            )


def _pages(reading: Reading, pdf: PdfReader) -> Iterator[tuple[int, str]]:
    count = len(pdf.pages)
    for number in range(1, count + 1):
        reading.position = reading.file.size * number // count
        try:
            text = pdf.pages[number - 1].extract_text()
        except Exception as error:  # noqa: BLE001 - as in `read`; other pages may be sound
            reading.fail(f"page {number}: {type(error).__name__}: {error}")
        else:
            yield number, text


def _jsonl(reading: Reading) -> Iterator[Document]:
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
    title = _one_line(fields.pop(TITLE_KEY, None)) or reading.file.stem
    own = {f"record_{key}" if key in {"source", "line"} else key: fields[key] for key in fields}
    return Document(text, metadata={**own, TITLE_KEY: title, "line": line})


def _scalars(record: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    return {key: value for key, value in record.items() if isinstance(value, _SCALARS)}


def _csv(reading: Reading) -> Iterator[Document]:
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
    return Document(text, metadata={TITLE_KEY: _one_line(title) or file.stem, "row": number})


_READERS: dict[Kind, Callable[[Reading], Iterator[Document]]] = {
    "text": _text,
    "markdown": _text,
    "html": _html,
    "pdf": _pdf,
    "jsonl": _jsonl,
    "csv": _csv,
}
