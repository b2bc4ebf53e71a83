"""Splits texts into passages that each have a title and a source."""

from __future__ import annotations

import re
from bisect import bisect_right
from importlib.metadata import distributions
from typing import TYPE_CHECKING

from langchain_core.documents import Document
from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_SIZE = 1000
"""Characters of a passage: some 250 tokens, one thought of a README."""

# Where a text may be cut, best first, once it has no shorter paragraphs or lines.
_ENDS = (r"(?<=[.!?…])\s", r"(?<=[。！？।؟])", r"\s", r"(?<=[，、；：])")  # noqa: RUF001

_HEADING_OR_FENCE = re.compile(
    r"^ {0,3}(?:(?P<fence>`{3,}|~{3,})|(?P<level>#{1,6})[ \t]+(?P<text>.*?)[ \t#]*$)", re.M
)


# What the oldest langchain-text-splitters of pyproject.toml has separators for.
_SPLIT_LANGUAGES = {
    "c", "cpp", "csharp", "elixir", "go", "haskell", "java", "js", "kotlin", "lua", "php",
    "powershell", "proto", "python", "ruby", "rust", "scala", "sol", "swift", "ts",
}  # fmt: skip


class Splitter:
    """Splits texts at headings, paragraphs, lines, sentences or words, else anywhere.

    Args:
        chunk_size: Maximum number of characters of a passage; the next one repeats a tenth.
    """

    def __init__(self, chunk_size: int = CHUNK_SIZE) -> None:
        self._overlap = overlap = chunk_size // 10
        # Text without any end is cut into pieces that go together: ten thousand times as quick as
        # one character at a time, as the splitter would.
        ends = [*_ENDS, rf"(?s:.{{{overlap}}})"]
        markdown = RecursiveCharacterTextSplitter.get_separators_for_language(Language.MARKDOWN)
        lines = markdown[: markdown.index("\n") + 1]

        def splitter(separators: list[str]) -> RecursiveCharacterTextSplitter:
            return RecursiveCharacterTextSplitter(
                [*separators, *ends],
                is_separator_regex=True,
                chunk_size=chunk_size,
                chunk_overlap=overlap,
            )

        self._plain, self._markdown = splitter(["\n\n", "\n"]), splitter(lines)
        self._splitter = splitter
        self._code: dict[str, RecursiveCharacterTextSplitter] = {}

    def split(self, text: str) -> list[str]:
        """Return the passages of a plain text, none blank."""
        return self._plain.split_text(text)

    def split_code(self, text: str, language: str) -> list[tuple[str, int]]:
        """Return the passages of source code, and the line of the text with which each begins.

        Code is cut between classes and functions first, if langchain-text-splitters knows how.
        """
        splitter = self._code.get(language)
        if splitter is None:
            known = RecursiveCharacterTextSplitter.get_separators_for_language
            own = known(Language(language)) if language in _SPLIT_LANGUAGES else ["\n\n", "\n"]
            splitter = self._splitter([each for each in own if each.startswith("\n")])
            self._code[language] = splitter
        passages = []
        end = 0
        for passage in splitter.split_text(text):
            start = text.find(passage, max(0, end - self._overlap))
            end = start + len(passage)
            passages.append((passage, text.count("\n", 0, start) + 1))
        return passages

    def split_markdown(self, text: str, outline: Outline) -> list[tuple[str, str]]:
        """Return the passages of a Markdown text, each with the headings above it."""
        headings = outline.read(text)
        starts = [start for start, _ in headings]
        passages = []
        end = 0
        for passage in self._markdown.split_text(text):
            start = text.find(passage, max(0, end - self._overlap))
            end = start + len(passage)
            passages.append((passage, headings[bisect_right(starts, start) - 1][1]))
        return passages


class Outline:
    """The headings of a Markdown text, which may come in blocks.

    Args:
        title: Left out of the headings, because each passage has it.
    """

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._path: list[tuple[int, str]] = []  # levels and texts
        self._fence = ""  # of the code that the text is in

    def read(self, text: str) -> list[tuple[int, str]]:
        """Return headings such as `Install > Linux`, and where each begins; the first at 0."""
        found = [(0, self._joined())]
        for match in _HEADING_OR_FENCE.finditer(text):
            if fence := match["fence"]:
                if not self._fence:
                    self._fence = fence
                elif fence.startswith(self._fence):
                    self._fence = ""
            elif not self._fence:
                level = len(match["level"])
                self._path = [each for each in self._path if each[0] < level]
                self._path.append((level, match["text"]))
                found.append((match.start(), self._joined()))
        return found

    def _joined(self) -> str:
        return " > ".join(text for _, text in self._path if text not in {"", self._title})


def read_distributions() -> Iterator[Document]:
    """Yield the README of every Python distribution installed here, each once, by name."""
    found = [dist.metadata.json for dist in distributions()]
    for metadata in sorted(found, key=lambda metadata: str(metadata["name"]).lower()):
        text = str(metadata.get("description", ""))
        if text.strip() not in {"", "UNKNOWN"}:
            title = f"{metadata['name']}: {metadata.get('summary', 'a Python distribution')}"
            yield Document(text, metadata={"source": metadata["name"], TITLE_KEY: title})


def split_documents(documents: Iterable[Document]) -> list[Document]:
    """Split Markdown documents into passages."""
    splitter = Splitter()
    return [
        Document(passage, metadata=document.metadata)
        for document in documents
        for passage, _ in splitter.split_markdown(document.page_content, Outline())
    ]
