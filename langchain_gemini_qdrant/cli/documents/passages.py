"""Splits texts into passages that each have a title and a source."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from langchain_core.documents import Document
from langchain_text_splitters import Language, RecursiveCharacterTextSplitter
from markdown_it import MarkdownIt

from langchain_gemini_qdrant.cli.documents.reading import one_line
from langchain_gemini_qdrant.cli.options import TITLE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from markdown_it.token import Token

CHUNK_SIZE = 1000
"""Characters of a passage: about 250 tokens, one topic of a README."""

# Where a text may be cut, best first, if it has no shorter paragraphs or lines.
_ENDS = (r"(?<=[.!?…])\s", r"(?<=[。！？।؟])", r"\s", r"(?<=[，、；：])")  # noqa: RUF001

# READMEs have them, for alignment.
_HTML_HEADING = re.compile(r"<h([1-6])\b[^>]*>(.*?)</h\1\s*>", re.I | re.S)
_LINE_END = re.compile(r"\r\n?|\n")
_HTML_TAG = re.compile(r"<[^>]*>")
_ATTRIBUTES = re.compile(r"[ \t]+\{[#.:][^}]*\}$")  # `## Install {#install}`


# Languages with separators in the oldest langchain-text-splitters of pyproject.toml.
_SPLIT_LANGUAGES = {
    "c", "cpp", "csharp", "elixir", "go", "haskell", "java", "js", "kotlin", "lua", "php",
    "powershell", "proto", "python", "ruby", "rust", "scala", "sol", "swift", "ts",
}  # fmt: skip


class Splitter:
    """Splits texts at headings, paragraphs, lines, sentences or words, otherwise anywhere.

    Args:
        chunk_size: Maximum number of characters of a passage; the next one repeats a tenth.
    """

    def __init__(self, chunk_size: int = CHUNK_SIZE) -> None:
        self._chunk_size = chunk_size
        self._overlap = overlap = chunk_size // 10
        # Text without any break is cut into pieces that are joined later: ten thousand times as
        # fast as one character at a time, as in the splitter.
        ends = [*_ENDS, rf"(?s:.{{{overlap}}})"]
        markdown = RecursiveCharacterTextSplitter.get_separators_for_language(Language.MARKDOWN)
        lines = markdown[: markdown.index("\n") + 1]

        def splitter(
            separators: list[str], size: int = chunk_size
        ) -> RecursiveCharacterTextSplitter:
            return RecursiveCharacterTextSplitter(
                [*separators, *ends],
                is_separator_regex=True,
                chunk_size=size,
                chunk_overlap=overlap,
            )

        self._lines = lines
        self._plain, self._markdown = splitter(["\n\n", "\n"]), splitter(lines)
        self._splitter = splitter
        self._code: dict[str, RecursiveCharacterTextSplitter] = {}

    def split(self, text: str) -> list[str]:
        """Return the passages of a plain text, none blank."""
        return self._plain.split_text(text)

    def split_code(self, text: str, language: str) -> list[tuple[str, int]]:
        """Return the passages of source code, and the line on which each begins.

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
        """Return the passages of a Markdown text, each with the headings above it.

        A passage never has text of two sections; a section without its own text begins the next.
        """
        passages: list[tuple[str, str]] = []
        start = 0
        for section in outline.read(text):
            if text[section.body : section.end].strip():
                own = self._split_section(text[start : section.body], text[start : section.end])
                passages.extend((passage, section.heading) for passage in own)
                start = section.end
        rest = self._markdown.split_text(text[start:])
        return [*passages, *((passage, outline.heading) for passage in rest)]

    def _split_section(self, headings: str, text: str) -> list[str]:
        """Return the passages of a section, of which none has only its headings."""
        passages = self._markdown.split_text(text)
        above = headings.strip()
        room = self._chunk_size - len(above) - len("\n\n")
        if passages[0] != above or room < self._chunk_size // 2:
            return passages
        first, *rest = self._splitter(self._lines, room).split_text(text[len(headings) :])
        return [f"{above}\n\n{first}", *rest]


class Section(NamedTuple):
    """A part of a Markdown text, up to the next heading.

    Attributes:
        heading: The headings above its text, such as `Install > Linux`.
        body: Position where its text begins, after the heading.
        end: Position where it ends.
    """

    heading: str
    body: int
    end: int


class Outline:
    """The headings of a Markdown text, which may come in blocks.

    Args:
        title: Left out of the headings, because each passage has it.
    """

    def __init__(self, title: str = "") -> None:
        self._title = title
        self._path: list[tuple[int, str]] = []  # levels and texts
        self._fence = ""  # the fence of the code that the text is in
        self._parser = MarkdownIt("commonmark")
        self._parser.core.ruler.enableOnly(["normalize", "block"])

    @property
    def heading(self) -> str:
        """The headings above the following text."""
        return " > ".join(text for _, text in self._path if text not in {"", self._title})

    def read(self, text: str) -> Iterator[Section]:
        """Yield the sections of a text; the first one may be without a heading."""
        begun = f"{self._fence}\n" if self._fence else ""
        whole = begun + text
        ends = (match.end() for match in _LINE_END.finditer(whole))
        places = [place - len(begun) for place in (0, *ends, len(whole))]  # start of each line
        heading, body = self.heading, 0
        for (level, name), (start, end) in self._headings(whole):
            yield Section(heading, body, places[start])
            self._path = [each for each in self._path if each[0] < level]
            self._path.append((level, name))
            heading, body = self.heading, places[end]
        yield Section(heading, body, len(text))

    def _headings(self, text: str) -> Iterator[tuple[tuple[int, str], list[int]]]:
        """Yield the level and text of each heading, its first line and the line after it."""
        tokens = [token for token in self._parser.parse(text) if token.level <= 1]
        for token, inner in pairwise([*tokens, None]):
            if token is None or token.map is None or token.level:
                continue
            if token.type == "heading_open" and inner is not None:
                name = _ATTRIBUTES.sub("", inner.content)
                yield (int(token.tag[1]), one_line(name)), token.map
            elif token.type == "html_block" and (found := _HTML_HEADING.search(token.content)):
                yield (int(found[1]), one_line(_HTML_TAG.sub("", found[2]))), token.map
        last = tokens[-1] if tokens else None
        self._fence = last.markup if last and _is_open_fence(last) else ""


def _is_open_fence(token: Token) -> bool:
    """Return whether a token is code that does not end with the text."""
    if token.type != "fence" or token.map is None:
        return False
    lines = token.content.removesuffix("\n").count("\n") + 1 if token.content else 0
    return token.map[1] - token.map[0] == 1 + lines


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
