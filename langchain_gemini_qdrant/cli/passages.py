"""Texts on this machine, split into passages that each have a title and a source."""

from __future__ import annotations

from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.documents import Document
from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_SIZE = 1000
"""Characters of a passage: some 250 tokens, one thought of a README."""

SUFFIXES = (".md", ".markdown", ".rst", ".txt")


def read_distributions() -> Iterator[Document]:
    """Yield the README of every Python distribution installed here, each once, by name."""
    found = [dist.metadata.json for dist in distributions()]
    for metadata in sorted(found, key=lambda metadata: str(metadata["name"]).lower()):
        text = str(metadata.get("description", ""))
        if text.strip() not in {"", "UNKNOWN"}:
            title = f"{metadata['name']}: {metadata.get('summary', 'a Python distribution')}"
            yield Document(text, metadata={"source": metadata["name"], TITLE_KEY: title})


def read_files(paths: Iterable[str]) -> Iterator[Document]:
    """Yield the text and Markdown files named, and those in the folders named.

    Raises:
        InvalidInputError: A file is missing, of another kind, or not UTF-8.
    """
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        elif path.suffix.lower() in SUFFIXES:
            files = [path]
        else:
            raise InvalidInputError(f"{path} must be a folder or a file of {', '.join(SUFFIXES)}")
        for file in files:
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidInputError(f"{file} cannot be read as UTF-8 text: {error}") from error
            if text.strip():
                yield Document(text, metadata={"source": str(file), TITLE_KEY: _title(text, file)})


def split(documents: Iterable[Document], *, chunk_size: int = CHUNK_SIZE) -> list[Document]:
    """Split documents into passages at headings, paragraphs, lines or words."""
    splitter = RecursiveCharacterTextSplitter.from_language(
        Language.MARKDOWN, chunk_size=chunk_size, chunk_overlap=chunk_size // 10
    )
    passages = splitter.split_documents(documents)
    return [passage for passage in passages if passage.page_content.strip()]


def _title(text: str, file: Path) -> str:
    headings = (line.lstrip("# ").strip() for line in text.splitlines() if line.startswith("# "))
    return next(headings, "") or file.stem
