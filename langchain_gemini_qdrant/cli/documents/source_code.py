"""Reads source code and settings."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from langchain_core.documents import Document

from langchain_gemini_qdrant.cli.documents.kinds import LANGUAGES
from langchain_gemini_qdrant.cli.documents.plain_text import blocks
from langchain_gemini_qdrant.cli.documents.reading import CodeText
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.reading import Reading


def read_code(reading: Reading) -> Iterator[Document]:
    """Yield source code in blocks; its title is the file's whole name."""
    language = LANGUAGES[reading.file.path.suffix.lower()]
    line = 1
    with reading.open() as stream:
        for block in blocks(reading, stream):
            metadata = {TITLE_KEY: _name(reading), "language": language}
            yield CodeText(
                page_content=block, language=language, first_line=line, metadata=metadata
            )
            line += block.count("\n")


def read_settings(reading: Reading) -> Iterator[Document]:
    """Yield YAML, TOML, INI or XML unchanged; its title is the file's whole name."""
    with reading.open() as stream:
        for block in blocks(reading, stream):
            yield Document(block, metadata={TITLE_KEY: _name(reading)})


def _name(reading: Reading) -> str:
    return PurePosixPath(reading.file.source).name
