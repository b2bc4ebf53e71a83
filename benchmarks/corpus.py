"""Texts of 100 tokens, the same on every machine."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKENS = 100
"""Of each text, as the emulator counts: one for each short word, digit and sign."""

_WORDS = 80
_SIGNS = 12
_SENTENCE = 7  # words


def mark(number: int) -> str:
    """Return what stands in the text of this number and in no other."""
    return f"Number {number:06d}:"


def make_texts(count: int) -> list[str]:
    """Return texts that look like prose to whoever counts words and signs; no two are equal."""
    return list(each_text(count))


def each_text(count: int) -> Iterator[str]:
    """Yield the texts of `make_texts`, none of which is kept."""
    chance = random.Random(7)  # noqa: S311 - it keeps no secret
    syllables = [c + v for c in "bdfghklmnprstvw" for v in "aeiou"]
    words = ["".join(chance.choices(syllables, k=chance.choice((1, 2, 2, 3)))) for _ in range(500)]
    for number in range(count):
        yield f"{mark(number)} {_prose(chance.choices(words, k=_WORDS))}"


def _prose(words: list[str]) -> str:
    signs = 0
    for last in range(_SENTENCE - 1, len(words), _SENTENCE):
        words[last] += "."
        signs += 1
    words[-1] += "." * (_SIGNS - signs)
    return " ".join(words)
