"""Reads Jupyter notebooks: text, code, and output of the code."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.cli.documents.plain_text import first_heading
from langchain_gemini_qdrant.cli.documents.reading import MarkdownText, one_line, packed
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_LONGEST_OUTPUT = 2000  # characters of one output: logs and tables may be megabytes
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colours of a terminal
_IMAGES = re.compile(r"!\[([^\]]*)\]\((?:data|attachment):[^)]*\)|<img[^>]*>")
_OBJECT = re.compile(r"<[\w.]+\b[^<>\n]*(?: at 0x[0-9a-f]+| Axes)>")


def read_notebook(reading: Reading) -> Iterator[Document]:
    """Yield the cells as Markdown, small ones joined, each with the number of its first cell.

    Pictures and HTML in outputs are left out; other outputs are cut after 2,000 characters.
    """
    with reading.open() as stream:
        try:
            notebook = json.load(stream)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidInputError("is damaged, or not a notebook: it is not JSON") from error
    cells = _cells(notebook)
    about = notebook.get("metadata") or {}
    language = (about.get("language_info") or {}).get("name") or "python"
    pieces = [(_cell(cell, language), number) for number, cell in enumerate(cells, 1)]
    texts = [(text, number) for text, number in pieces if text]
    title = one_line(about.get("title")) or first_heading("\n\n".join(text for text, _ in texts))
    for text, number in packed(texts, reading.chunk_size, separator="\n\n", heading="#"):
        metadata = {TITLE_KEY: title or reading.file.stem, "cell": number}
        yield MarkdownText(page_content=text, continues=True, metadata=metadata)


def _cells(notebook: object) -> list[Any]:
    """Return the cells; before format 4 they are on worksheets."""
    if isinstance(notebook, dict):
        sheets = notebook.get("worksheets", [notebook])
        if sheets and all("cells" in sheet for sheet in sheets):
            return [cell for sheet in sheets for cell in sheet["cells"]]
    raise InvalidInputError("is damaged, or not a notebook: it has no cells")


def _cell(cell: dict[str, Any], language: str) -> str:
    kind = cell.get("cell_type")
    source = _joined(cell.get("source") or cell.get("input"))
    if kind == "heading":
        return f"{'#' * cell.get('level', 1)} {source}"
    if kind != "code":
        return _IMAGES.sub(r"\1", source).strip()
    outputs = [_output(each) for each in cell.get("outputs") or []]
    code = f"```{language}\n{source.strip()}\n```" if source.strip() else ""
    shown = [f"```text\n{text}\n```" for text in outputs if text]
    return "\n\n".join(filter(None, [code, *shown]))


def _output(output: dict[str, Any]) -> str:
    data = output.get("data") or output  # before format 4 the types are next to the data
    if output.get("output_type") in {"error", "pyerr"}:
        text = f"{output.get('ename')}: {output.get('evalue')}"
    else:
        text = _joined(data.get("text") or data.get("text/plain") or data.get("text/markdown"))
    text = _OBJECT.sub("", _ESCAPES.sub("", text)).strip()
    cut = "\n…" if len(text) > _LONGEST_OUTPUT else ""
    return text[:_LONGEST_OUTPUT] + cut


def _joined(source: object) -> str:
    return "".join(source) if isinstance(source, list) else str(source or "")
