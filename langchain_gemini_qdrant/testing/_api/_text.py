"""Weighted terms and tokens of a text, from which the emulator makes vectors."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from typing import NamedTuple

# Scripts without spaces between words: each character is a word.
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters
    "\U00020000-\U0003ffff"
)
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+|\d|_+|[^\w\s]")
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_SUBWORD = re.compile(r"[^\W\d_a-z]+(?![a-z])|[^\W\d_a-z]?[a-z]+|\d+|[^\W\d_]+")
_STEM_LENGTH = 4
_LETTERS_PER_TOKEN = 6  # with spaces and punctuation, about 4 characters of English per token

# The same rule for ASCII in a few passes over bytes: letters to "a", signs to ".".
_ASCII_KINDS = bytes(
    ord("a" if chr(i).isalpha() else " " if chr(i).isspace() else ".") for i in range(256)
)
_FULL_TOKEN = b"a" * _LETTERS_PER_TOKEN

_FUNCTION_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before being both but by
    can could did do does doing done during each either else ever every few find for from further
    get give given had has have having he her here hers him his how however i if in into is it its
    itself just let like made make many may me might mine more most much must my neither no nor not
    now of off on once one only or other our ours out over own per please same shall she should show
    so some such tell than that the their theirs them then there these they this those through to
    too under until up upon us use used using very was way we were what when where whether which
    while who whom whose why will with within without would you your yours
    """.split()  # noqa: SIM905  150 literals would only be longer
)


class Terms(NamedTuple):
    """Terms -> weights, which are small whole numbers."""

    content: dict[str, int]
    function: dict[str, int]


def count_tokens(text: str) -> int:
    """Count tokens by our own rule: one per 6 letters of a word, digit, sign or character."""
    if text.isascii() and "_" not in text:
        kinds = text.encode().translate(_ASCII_KINDS).replace(_FULL_TOKEN, b".")
        return kinds.count(b".") + len(kinds.replace(b".", b" ").split())
    return sum(map(_token_cost, _TOKEN.findall(text)))


def cut(text: str, limit: int) -> str:
    """Return the text up to its `limit`-th token."""
    if len(text) <= limit:  # a token has at least one character
        return text
    used = 0
    for match in _TOKEN.finditer(text):
        used += _token_cost(match[0])
        if used > limit:
            return text[: match.start()]
    return text


def _token_cost(token: str) -> int:
    return -(-len(token) // _LETTERS_PER_TOKEN) if token[0].isalpha() else 1


def terms(text: str) -> Terms:
    """Return the terms of a text, without case, inflection or order.

    A text with neither letters nor digits has its other characters as terms.
    """
    content: dict[str, int] = {}
    function: dict[str, int] = {}
    for word, count in Counter(_WORD.findall(unicodedata.normalize("NFKC", text))).items():
        for term, has_content in _word_terms(word):
            counts = content if has_content else function
            counts[term] = counts.get(term, 0) + count
    if not content and not function:
        content = dict.fromkeys((f"sign {sign}" for sign in text.split() or [" "]), 1)
    return Terms(_weighted(content), _weighted(function))


def _weighted(counts: dict[str, int]) -> dict[str, int]:
    """Return weighted terms: long terms weigh more than short ones, repetitions less."""
    return {
        term: (4 + min(len(term), 8)) * (1 + count.bit_length()) for term, count in counts.items()
    }


@functools.lru_cache(maxsize=16384)
def _word_terms(word: str) -> tuple[tuple[str, bool], ...]:
    """Return terms of a run of letters, digits and underscores, and whether each has content."""
    if _IS_UNSPACED.match(word):
        pairs = [word[i : i + 2] for i in range(len(word) - 1)]
        return tuple((term, True) for term in (*word, *pairs))
    parts = [part.casefold() for part in _SUBWORD.findall(word)] or [word.casefold()]
    found = [(part, False) if part in _FUNCTION_WORDS else (_stem(part), True) for part in parts]
    if len(parts) > 1:
        found.append(("".join(parts), True))
    return tuple(found)


def _stem(word: str) -> str:
    """Strip the commonest English endings: plurals, -ing, -ed."""
    if not word.isascii() or len(word) < _STEM_LENGTH:
        return word
    if word.endswith("ies") and len(word) > _STEM_LENGTH:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending, shortest in (("ing", 6), ("ed", 5)):
        if word.endswith(ending) and len(word) >= shortest:
            word = word[: -len(ending)]
            if word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if word.endswith("e") and len(word) > _STEM_LENGTH else word
