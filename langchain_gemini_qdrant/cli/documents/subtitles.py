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
    """Yield the subtitles in texts of the length of a passage, with the time of their start."""
    import pysubs2  # noqa: PLC0415 - of the extra

    with reading.open() as stream:
        text = stream.read()
    try:
        subtitles = pysubs2.SSAFile.from_string(text)
    except pysubs2.Pysubs2Error as error:
        raise InvalidInputError("is damaged, or not a subtitle file: it has no times") from error
    for said, start in packed(_lines(subtitles), reading.chunk_size):
        yield Document(said, metadata={TITLE_KEY: reading.file.stem, "time": start})


def _lines(subtitles: SSAFile) -> Iterator[tuple[str, str]]:
    """Yield lines with their times; text that stays on the screen is not repeated."""
    before = ""
    for event in sorted(subtitles):
        text = event.plaintext.strip()
        if text and text != before and not event.is_comment:
            seconds = event.start // 1000
            yield text, f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
            before = text
