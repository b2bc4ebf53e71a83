"""Reads PDF files, page by page."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from langchain_core.documents import Document
from pypdf import PdfReader

from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.reading import Reading


def read_pdf(reading: Reading) -> Iterator[Document]:
    """Yield the text of each page."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # warnings about repaired files
    with reading.file.path.open("rb") as stream:
        pdf = PdfReader(stream)
        if pdf.is_encrypted and not pdf.decrypt(""):
            raise InvalidInputError("is encrypted: save a copy without the password")
        metadata = pdf.metadata
        title = one_line(metadata.title if metadata else None) or reading.file.stem
        has_text = False
        for number, text in _pages(reading, pdf):
            has_text = has_text or bool(text.strip())
            yield Document(text, metadata={TITLE_KEY: title, "page": number})
        if not has_text and not reading.problems:
            raise InvalidInputError(
                f"no text on its {counted(len(pdf.pages), 'page')}: if they are scanned, run text "
                "recognition (OCR) first"
            )


def _pages(reading: Reading, pdf: PdfReader) -> Iterator[tuple[int, str]]:
    count = len(pdf.pages)
    for number in range(1, count + 1):
        reading.position = reading.file.size * number // count
        try:
            text = pdf.pages[number - 1].extract_text()
        except Exception as error:  # noqa: BLE001 - as in `read`; other pages may be sound
            reading.fail(f"{type(error).__name__}: {error}", f"page {number}")
        else:
            yield number, text
