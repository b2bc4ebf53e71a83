"""Reads subtitles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.reading import packed
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pysubs2 import SSAFile

    from langchain_gemini_qdrant.cli.documents.reading import Reading


def read_subtitles(reading: Reading) -> Iterator[Document]:
    """Yield what is said, as much at a time as a passage holds, with the time of its start."""
    import pysubs2  # noqa: PLC0415 - of the extra

    with reading.open() as stream:
        text = stream.read()
    try:
        subtitles = pysubs2.SSAFile.from_string(text)
    except pysubs2.Pysubs2Error as error:
        raise InvalidInputError("is damaged, or no subtitles: it has no times") from error
    for said, start in packed(_lines(subtitles), reading.chunk_size):
        yield Document(said, metadata={TITLE_KEY: reading.file.stem, "time": start})


def _lines(subtitles: SSAFile) -> Iterator[tuple[str, str]]:
    """Yield lines with their times; what stays on the screen is not said twice."""
    before = ""
    for event in sorted(subtitles):
        text = event.plaintext.strip()
        if text and text != before and not event.is_comment:
            seconds = event.start // 1000
            yield text, f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            before = text
