"""Reads Word documents, PowerPoint presentations and RTF."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.plain_text import first_heading
from langchain_gemini_qdrant.cli.documents.reading import MarkdownText, one_line
from langchain_gemini_qdrant.cli.documents.webpages import markdown_of
from langchain_gemini_qdrant.cli.documents.xml_trees import find_text, parse_xml
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pptx.chart.chart import Chart
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide
    from pptx.table import Table

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_STYLES = "p[style-name='Title'] => h1:fresh"
_UNTITLED = {"PowerPoint Presentation", "PowerPoint-Präsentation", "Présentation PowerPoint"}
_RTF_TITLE = re.compile(r"\{\\title\s([^{}]*)\}")


def read_word(reading: Reading) -> Iterator[Document]:
    """Yield a Word document as Markdown: headings, lists, tables and notes, without pictures."""
    import mammoth  # noqa: PLC0415 - of the extra

    path = reading.file.path
    no_pictures = mammoth.images.img_element(lambda _: {"src": ""})
    with path.open("rb") as stream:
        page = mammoth.convert_to_html(stream, style_map=_STYLES, convert_image=no_pictures).value
    text = markdown_of(page)
    title = ""
    with zipfile.ZipFile(path) as archive:
        if "docProps/core.xml" in archive.namelist():
            title = find_text(parse_xml(archive.read("docProps/core.xml")), "title")
    title = title or first_heading(text) or reading.file.stem
    yield MarkdownText(page_content=text, metadata={TITLE_KEY: title})


def read_slides(reading: Reading) -> Iterator[Document]:
    """Yield the text of each slide, its tables and its notes."""
    import pptx  # noqa: PLC0415 - of the extra

    with reading.file.path.open("rb") as stream:
        slides = pptx.Presentation(stream)
    title = one_line(slides.core_properties.title)
    if title in _UNTITLED:
        title = ""
    count = len(slides.slides)
    for number, slide in enumerate(slides.slides, 1):
        reading.position = reading.file.size * number // count
        try:
            shape = slide.shapes.title
            heading = one_line(shape.text_frame.text) if shape is not None else ""
            text = "\n\n".join(filter(str.strip, _slide_texts(slide)))
        except Exception as error:  # noqa: BLE001 - as in `read`; other slides may be sound
            reading.fail(f"{type(error).__name__}: {error}", f"slide {number}")
            continue
        title = title or heading or reading.file.stem
        own = {"heading": heading} if heading not in {"", title} else {}
        yield Document(text, metadata={TITLE_KEY: title, "slide": number, **own})


def _slide_texts(slide: Slide) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None:
        yield title.text_frame.text
    for shape in _shapes(slide.shapes):
        if title is not None and shape.shape_id == title.shape_id:
            continue
        if shape.has_text_frame:
            yield shape.text_frame.text  # type: ignore[attr-defined]
        elif getattr(shape, "has_table", False):
            yield _table(shape.table)  # type: ignore[attr-defined]
        elif getattr(shape, "has_chart", False):
            yield _chart(shape.chart)  # type: ignore[attr-defined]
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        yield f"Notes: {notes.text}"


def _shapes(shapes: Iterable[BaseShape]) -> Iterator[BaseShape]:
    for shape in shapes:
        inner = getattr(shape, "shapes", None)
        if inner is None:
            yield shape
        else:
            yield from _shapes(inner)


def _chart(chart: Chart) -> str:
    """Return the numbers of a chart as a table; none for a kind that python-pptx does not know."""
    try:
        plot = chart.plots[0]
        names = ["", *(one_line(series.name) for series in plot.series)]
        columns = [[str(each) for each in plot.categories]]
        columns += [["" if v is None else f"{v:g}" for v in each.values] for each in plot.series]
    except (IndexError, NotImplementedError, ValueError):
        return ""
    return markdown_table([names, *map(list, zip(*columns, strict=False))])


def _table(table: Table) -> str:
    rows = [[one_line(cell.text) for cell in row.cells] for row in table.rows]
    return markdown_table(rows)


def markdown_table(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table, the first one as its header."""
    lines = [f"| {' | '.join(cell.replace('|', ' ') for cell in row)} |" for row in rows]
    return "\n".join([*lines[:1], f"|{' --- |' * len(rows[0])}", *lines[1:]]) if rows else ""


def read_rtf(reading: Reading) -> Iterator[Document]:
    """Yield the text of an RTF document; RTF marks no headings."""
    from striprtf.striprtf import rtf_to_text  # noqa: PLC0415 - of the extra

    source = reading.file.path.read_text("latin-1")  # RTF is ASCII; it escapes other characters
    try:
        text = rtf_to_text(source)
        found = _RTF_TITLE.search(source)
        title = one_line(rtf_to_text(rf"{{\rtf1 {found[1]}}}")) if found else ""
    except UnicodeError as error:
        raise InvalidInputError(f"names an encoding that its text is not in: {error}") from error
    yield Document(text, metadata={TITLE_KEY: title or reading.file.stem})
