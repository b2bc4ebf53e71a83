"""Finds the encoding of a whole text file; characters are never replaced."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.cli.documents.guessing import guess_encoding
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 200_000  # as much as chardet looks at
_NUL = "NUL characters, so it is not text, or is utf-16-le or utf-16-be without a byte order mark"
_ADVICE = "fix it, or name its encoding (--encoding)"

# Control characters that no text has: not line ends, escape sequences, overstrikes of manual pages,
# separators of records, or the end of a file of DOS. No code page has them inside a character.
_BINARY = re.compile(rb"[\x01-\x07\x0e-\x19\x7f]")

# The longer one first: UTF-32 begins as UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Encoding(NamedTuple):
    """The encoding of a file.

    Attributes:
        name: Its name, for `open`.
        notice: A notice for the user if it is a guess.
    """

    name: str
    notice: str | None = None


class _Flaw(NamedTuple):
    """The reason why a file is not text in an encoding, and the byte."""

    reason: str
    position: int


def find_encoding(path: Path, other: str | None = None, *, declared: str | None = None) -> Encoding:
    """Find an encoding in which all of a text file can be decoded.

    A byte order mark decides. Without one it is UTF-8 or `declared`, the first of them that decodes
    the whole file; otherwise it is `other`, or a guess if that is None.

    Args:
        path: A text file of any size.
        other: Encoding of files that are not UTF-8.
        declared: Encoding that the file itself names.

    Raises:
        InvalidInputError: There is none; the message says at which byte decoding fails.
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
    for mark, name in _MARKS:
        if head.startswith(mark):
            return _checked(path, Encoding(name))
    flaw = _find_flaw(path, "utf-8")
    if flaw is None:
        return Encoding("utf-8")
    if declared is not None and _find_flaw(path, declared) is None:
        return Encoding(declared)
    if other is not None:
        return _checked(path, Encoding(other))
    sample = _sample(path, flaw.position)
    if flaw.reason == _NUL or _is_damaged(sample):
        raise InvalidInputError(f"{flaw.reason}: {_ADVICE}")
    if _BINARY.search(sample):
        raise InvalidInputError(
            "is binary data: it has control characters and is not UTF-8. If it is text, name its "
            "encoding (--encoding)"
        )
    name, notice = guess_encoding(sample)
    return _checked(path, Encoding(name, f"read as {name}, {notice}"))


def _checked(path: Path, encoding: Encoding) -> Encoding:
    flaw = _find_flaw(path, encoding.name)
    if flaw is not None:
        raise InvalidInputError(f"{flaw.reason}: {_ADVICE}")
    return encoding


def _find_flaw(path: Path, encoding: str) -> _Flaw | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    done = 0
    with path.open("rb") as stream:
        while True:
            block = stream.read(_BLOCK_BYTES)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                # The object begins with the rest of the block before.
                position = done + len(block) - len(error.object) + error.start
                return _Flaw(f"not {encoding.upper()} at byte {position:,}", position)
            except UnicodeError:  # of UTF-16 and UTF-32, whose mark says how bytes are ordered
                without = f"{encoding}-le or {encoding}-be"
                return _Flaw(f"no byte order mark, so it may be {without}, but not {encoding}", 0)
            if "\0" in text:
                return _Flaw(_NUL, done)
            if not block:
                return None
            done += len(block)


def _sample(path: Path, position: int) -> bytes:
    """Return whole lines around a position, if there are any."""
    start = max(0, position - _SAMPLE_BYTES // 2)
    with path.open("rb") as stream:
        stream.seek(start)
        sample = stream.read(_SAMPLE_BYTES)
        is_last = not stream.read(1)
    first = sample.find(b"\n") + 1 if start else 0
    end = len(sample) if is_last else sample.rfind(b"\n") + 1
    return sample[first:end] or sample


def _is_damaged(sample: bytes) -> bool:
    """Return whether most letters beyond ASCII are UTF-8: a guess would corrupt all of them."""
    text = sample.decode(errors="replace")
    broken = text.count("\ufffd")
    sound = len(text) - len(text.encode("ascii", "ignore")) - broken
    return sound > broken
