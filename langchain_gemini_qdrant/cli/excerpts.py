"""The part of a passage that answers a query, and text that is safe to print."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant._sources import source_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_core.documents import Document

PLACES = ("page", "slide", "sheet", "chapter", "row", "line")
"""Metadata keys that say where in its source a passage is, from the outermost in."""

_EXCERPT = 240  # characters

# Everything that moves a cursor, starts an escape sequence or turns the direction of writing; and
# halves of surrogate pairs, which terminals do not accept.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_PLAIN = re.compile(rf"{_CONTROL.pattern}|[^\x00-\x7f]")
_WORD = re.compile(r"\w+")
_HEADING = re.compile(r"^\s*#+\s.*$", re.MULTILINE)
_BLOCK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+#>|]|\d+[.)]) ?)")  # paragraphs, items, table rows
_FENCE = re.compile(r"^\s*(?:```|~~~).*$", re.MULTILINE)
_RULE = re.compile(r"[-=|:\s]+")  # below the head of a table, and between sections
_MARK = re.compile(r"\s*(?:#+|[-*+>])\s+")
_SENTENCE_END = re.compile("""(?<=[.!?…])\\s+|(?<=[.!?…]["')»”])\\s+|(?<=[。\uff01\uff1f])""")
_LEAST_STEM = 4  # letters
_LONGEST_ENDING = 5


def printable(text: str) -> str:
    """Return a text with a visible mark for each character that could control a terminal."""
    return _CONTROL.sub("�", text.replace("\r\n", "\n"))


def escaped(json_text: str) -> str:
    r"""Return JSON that is safe to print, which programs read as the same text.

    Control characters are written as `\u` escapes, and all characters outside ASCII if standard
    output is not in UTF-8.
    """
    unsafe = _CONTROL if (sys.stdout.encoding or "").lower().startswith("utf") else _NOT_PLAIN
    return unsafe.sub(lambda found: json.dumps(found[0])[1:-1], json_text)


def places_of(document: Document) -> list[str]:
    """Return the place of a document in its source: `["page 3", "line 12"]`."""
    metadata = document.metadata
    return [f"{key} {metadata[key]}" for key in PLACES if metadata.get(key) is not None]


@dataclass(frozen=True, slots=True)
class Query:
    """The words of a query that passages are searched for.

    Attributes:
        words: Words in one case. If there are longer words, numbers or abbreviations, only these:
            short words are in every passage.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Query:
        """Read the words of a query."""
        words = _WORD.findall(text)
        telling = [
            word
            for word in words
            if len(word) >= _LEAST_STEM or not word.isalpha() or word[1:].isupper()
        ]
        return cls(tuple(dict.fromkeys(word.casefold() for word in telling or words)))

    def spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Yield the start and end of each word that matches, and the query's word."""
        for found in _WORD.finditer(text):
            folded = found[0].casefold()
            for word in self.words:
                if _are_alike(word, folded):
                    yield found.start(), found.end(), word
                    break

    def excerpt(self, passage: str) -> str:
        """Return the sentence or line with most of the query's words, and the text after it.

        If no word matches, it is the beginning. A heading stands for the text below it, and is
        itself left out. An ellipsis marks omitted text.
        """
        sentences = list(_sentences(passage))
        if not sentences:
            return ""
        best = max(range(len(sentences)), key=lambda index: self._rank(sentences[index]))
        if sentences[best].is_heading and best + 1 < len(sentences):
            best += 1
        later = [*takewhile(lambda each: not each.is_apart, sentences[best + 1 :])]
        first = sentences[best].text
        text = " ".join([first, *(each.text for each in later)])
        before = "" if all(each.is_heading for each in sentences[:best]) else "… "
        after = " …" if best + 1 + len(later) < len(sentences) else ""
        if len(text) > _EXCERPT:
            text, cut, after = self._cut(text, len(first), after)
            before = before or cut
        return before + text + after

    def _rank(self, sentence: _Sentence) -> tuple[int, bool]:
        """Return how many letters of the query's words a sentence has: long words count more.

        If a heading has as many, the sentence ranks first.
        """
        found = {word for _, _, word in self.spans(sentence.text)}
        return sum(map(len, found)), not sentence.is_heading

    def _cut(self, text: str, length: int, after: str) -> tuple[str, str, str]:
        """Cut a text between words; if its first sentence, of `length`, is too long, before too.

        Returns:
            The text, and the marks before and after it.
        """
        start = 0
        if length > _EXCERPT:
            first = next((start for start, _, _ in self.spans(text)), 0)
            if first > _EXCERPT // 2:
                start = text.rfind(" ", 0, first - _EXCERPT // 4) + 1
        rest = text[start:]
        if len(rest) > _EXCERPT:
            end = rest.rfind(" ", 0, _EXCERPT)
            rest, after = rest[: end if end > 0 else _EXCERPT].rstrip(), " …"
        return rest, "… " if start else "", after


class _Sentence(NamedTuple):
    text: str
    is_apart: bool  # a heading or a row of a table does not continue the text before it
    is_heading: bool


def _sentences(passage: str) -> Iterator[_Sentence]:
    """Yield sentences and lines in one line each, without Markdown's marks before them."""
    text = _HEADING.sub(r"\g<0>\n", _FENCE.sub("\n", passage))  # a blank line below each
    for block in _BLOCK.split(text):
        if _RULE.fullmatch(block):
            continue
        mark = _MARK.match(block)
        is_apart = block.lstrip()[:1] in {"#", "|"}
        for sentence in _SENTENCE_END.split(block[mark.end() :] if mark else block):
            if words := " ".join(sentence.split()):
                yield _Sentence(words, is_apart, _HEADING.match(block) is not None)


def _are_alike(one: str, other: str) -> bool:
    """Return whether two words differ only in their endings: `quantize`, `quantization`."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    stem = next(
        (i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    return (
        stem >= _LEAST_STEM
        and len(short) - stem <= 1
        and len(long) - stem <= _LONGEST_ENDING
        and short.isalpha()
        and long.isalpha()
    )


def in_order(documents: Sequence[Document]) -> list[Document]:
    """Return documents sorted by source and place; those without stay in order."""

    def key(document: Document) -> list[tuple[int, float, str]]:
        places = (document.metadata.get(name) for name in PLACES)
        return [(0, 0.0, source_of(document)), *map(_place_key, places)]

    return sorted(documents, key=key)


def _place_key(place: object) -> tuple[int, float, str]:
    if isinstance(place, int | float):
        return 1, float(place), ""
    return (0, 0.0, "") if place is None else (2, 0.0, str(place))
