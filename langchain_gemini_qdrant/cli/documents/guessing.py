"""Guesses the encoding of text that is not UTF-8.

chardet weighs which languages the text may be in. Two checks follow, as its confidence is low for
texts with few letters beyond ASCII: words must look like words, and if nothing is probable, text in
Latin letters is read as cp1252, as in browsers and Excel.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Encodings of Windows, Linux and the web. Each includes the one it extends, such as ISO 8859-1 or
# EUC-KR. Among equally probable ones, the first is used.
_CODE_PAGES = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874"),
    *("iso8859-2", "koi8-r", "koi8-u"),
    *("cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949"),
)
# Encodings of DOS and old Macs, which Excel can still write: used only if no other fits.
_OLD_CODE_PAGES = ("cp850", "cp437", "cp852", "cp866", "mac-roman", "mac-latin2", "mac-cyrillic")

# Measured on windows of 80 to 2,000 characters of manuals in 21 languages: for German, French,
# Spanish and Italian, no code page scores 1.2 times as high as cp1252; for most texts in another
# code page, that one does.
_CONFIDENT = 0.1
_BETTER = 1.2
_MOST_ODD = 0.1  # share of characters; correct decodings have at most 0.08

_CHARACTERS = 2000  # characters beyond ASCII to examine
_INSIDE_WORDS = frozenset("’'‘´·-‐‑–—/\u00ad\u200c\u200d")  # noqa: RUF001
_WORDS_SHOWN = 3
_WORD_LENGTH = 24
_ADVICE = "--encoding NAME --cleanup source"  # the latter deletes passages already stored


class Guess(NamedTuple):
    """A guessed encoding.

    Attributes:
        name: Its name.
        notice: Some words in it and in the next best encoding, with advice if it is wrong.
    """

    name: str
    notice: str


class _Candidate(NamedTuple):
    name: str
    score: float  # in [0, 1]
    text: str


def guess_encoding(sample: bytes) -> Guess:
    """Guess the encoding of a sample, whole lines of which at least one byte is beyond ASCII.

    Raises:
        InvalidInputError: None is probable; the message shows words in the best ones.
    """
    candidates = _candidates(sample, _CODE_PAGES)
    best = _best(candidates)
    if best is None:
        older = _candidates(sample, _OLD_CODE_PAGES)
        candidates = sorted([*candidates, *older], key=_score, reverse=True)
        best = next((each for each in older if each.score >= _CONFIDENT), None)
    if best is None:
        seen = _seen(sample, [each.name for each in candidates])
        shown = ", ".join(f"{name}: “{text}”" for name, text in islice(seen.items(), 3))
        raise InvalidInputError(
            "not UTF-8, and no other encoding is probable: name it with --encoding"
            + (f" ({shown})" if shown else "")
        )
    seen = _seen(sample, [best.name, *(each.name for each in candidates)])
    shown = f"“{seen.pop(best.name)}”"
    for name, text in islice(seen.items(), 1):
        shown += f" ({name}: “{text}”)"
    return Guess(best.name, f"which is a guess: {shown}. If it is wrong: {_ADVICE}")


def _best(candidates: Sequence[_Candidate]) -> _Candidate | None:
    western = next((each for each in candidates if each.name == "cp1252"), None)
    if western and not _is_latin(western.text):
        western = None
    needed = max(_CONFIDENT, _BETTER * western.score if western else 0)
    return candidates[0] if candidates and candidates[0].score >= needed else western


def _candidates(sample: bytes, names: Sequence[str]) -> list[_Candidate]:
    """Return the encodings in which a sample has words, the most probable first."""
    import chardet  # noqa: PLC0415 - most files are UTF-8

    ranking = chardet.detect_all(
        sample, ignore_threshold=True, compat_names=False, include_encodings=names
    )
    confidences = {each["encoding"]: each["confidence"] for each in ranking}
    found = []
    for name in names:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        oddness = _oddness(text)
        if oddness <= _MOST_ODD:
            score = round(confidences.get(name, 0) * (1 - oddness) ** 4, 3)
            found.append(_Candidate(name, score, text))
    return sorted(found, key=_score, reverse=True)


def _score(candidate: _Candidate) -> float:
    return candidate.score


def _is_latin(text: str) -> bool:
    """Return whether most words with letters beyond ASCII also have ASCII letters: `Müller`."""
    words = [word for word in re.findall(r"[^\W\d_]{2,}", text) if not word.isascii()]
    mixed = sum(re.search("[A-Za-z]", word) is not None for word in words)
    return 2 * mixed >= len(words)


def _oddness(text: str) -> float:
    """Return the share of characters beyond ASCII in positions that are impossible in words."""
    places = [m.start() for m in islice(re.finditer(r"[^\x00-\x7f]", text), _CHARACTERS)]
    if any(unicodedata.category(text[place]) in {"Cc", "Cn", "Co"} for place in places):
        return 1.0
    padded = f" {text} "
    odd = sum(_is_odd(*padded[place : place + 3]) for place in places)
    return odd / max(len(places), 1)


def _is_odd(before: str, character: str, after: str) -> bool:
    """Return whether a character is in a position that is impossible in words.

    That is a sign between letters, a capital after a small letter, or a letter of another script.
    """
    if not character.isalpha():
        joined = character in _INSIDE_WORDS or unicodedata.category(character) in {"Mn", "Mc", "Zs"}
        return before.isalpha() and after.isalpha() and not joined
    script = _script(character)
    if script == "":
        return before.isascii() and before.isalpha() and after.isascii() and after.islower()
    mixed = before.isalpha() and _script(before) != script
    mixed = mixed or (after.isascii() and after.isalpha() and script != "LATIN")
    capital = character.isupper() and before.islower()
    return mixed or capital or (character in "ªº" and before.isalpha())


@lru_cache(4096)
def _script(letter: str) -> str:
    """Return the script of a letter; an empty text for letters that occur in any script."""
    name = unicodedata.name(letter, "").split(" ")[0]
    return name if name in {"LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC", "THAI"} else ""


def _seen(sample: bytes, names: Iterable[str]) -> dict[str, str]:
    """Return some words of a sample by encoding, without encodings with the same result."""
    words = list(dict.fromkeys(re.findall(rb"[^\s,;]*[\x80-\xff][^\s,;]*", sample)))[:_WORDS_SHOWN]
    names_by_text: dict[str, str] = {}
    for name in names:
        text = " ".join(_cut(word.decode(name, "replace")) for word in words)
        names_by_text.setdefault(text, name)
    return {name: text for text, name in names_by_text.items()}


def _cut(word: str) -> str:
    """Return a word, or the part around its first character beyond ASCII, with `…` at each cut."""
    if len(word) <= _WORD_LENGTH:
        return word
    first = next((i for i, each in enumerate(word) if not each.isascii()), 0)
    start = max(0, first - _WORD_LENGTH // 2)
    end = start + _WORD_LENGTH
    return f"{'…' if start else ''}{word[start:end]}{'…' if end < len(word) else ''}"
