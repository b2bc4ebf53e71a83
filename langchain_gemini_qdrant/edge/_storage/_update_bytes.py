"""Updates in the engine's log: CBOR, parsed without a limit of depth.

The engine writes no tags and no text in pieces. Source: https://www.rfc-editor.org/rfc/rfc8949
"""

from __future__ import annotations

import re
import sys
from math import inf
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from langchain_gemini_qdrant._qdrant_values import ON_EDGE

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = b"\xbfmdelete_points\xa1cids\x80\xff"
"""An update that deletes no point; it replaces one that is left out."""

# In a filter, a number that is not finite is written like this, and read back as no bound.
_NOT_FINITE = re.compile(
    rb"(?:b[gl]t|c[gl]te|clat|clon|fradius)\xf9[\x7c-\x7f\xfc-\xff]", re.DOTALL
)


def is_unbounded(body: bytes) -> bool:
    """Return whether a filter has a bound that is not finite, which is read back as no bound."""
    return _NOT_FINITE.search(body) is not None


_COUNT, _, _BYTES, _TEXT, _LIST, _MAP = range(6)  # kinds of CBOR items; the rest is 7
_ENDLESS = 31
_NUMBER_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}  # after the head, which has smaller numbers itself
_NULL, _END, _EMPTY = b"\xf6", b"\xff", b"\xa0"
_CONDITION_LEVEL = 2  # in an upsert; deeper ones have other names


class _Token(NamedTuple):
    """A token of CBOR: a plain value, or the start or end of a list or map."""

    level: int
    kind: int
    detail: int
    number: int
    content: bytes

    @property
    def opens(self) -> bool:
        """Whether a list or map starts."""
        return self.kind in {_LIST, _MAP}


def _tokens(body: bytes) -> Iterator[_Token]:
    """Yield the tokens of CBOR, in order."""
    missing: list[float] = [1]  # items still to come at each level; infinite: until the end mark
    at = 0
    while missing:
        if missing[-1] == 0:
            missing.pop()
            continue
        kind, detail = body[at] >> 5, body[at] & 31
        end = at + 1 + _NUMBER_BYTES.get(detail, 0)
        number = int.from_bytes(body[at + 1 : end], "big") if end > at + 1 else detail
        if kind in {_BYTES, _TEXT}:
            end += number
        token = _Token(len(missing) - 1, kind, detail, number, body[at:end])
        yield token
        missing[-1] -= 1
        if token.content == _END:
            missing.pop()
        elif token.opens:
            missing.append(inf if detail == _ENDLESS else number * (2 if kind == _MAP else 1))
        at = end


def _tokens_and_payloads(body: bytes) -> Iterator[tuple[_Token, int]]:
    """Yield each token with its depth inside a payload; 0 outside payloads."""
    payload = sys.maxsize  # the level of the name, and of the value after it
    begun = False
    for token in _tokens(body):
        if token.level > payload or (token.level == payload and not begun):
            begun = True
            yield token, token.level - payload + 1
            continue
        begun = False
        payload = token.level if token.content == _text("payload") else sys.maxsize
        yield token, 0


def shorten(body: bytes) -> tuple[bytes, list[int | str]]:
    """Replace values that nest too deep in payloads by null.

    Returns:
        The update without them, and the ids of the affected points.
    """
    kept = bytearray()
    ids = point_ids(body)
    payloads, shortened = -1, set()
    deepest = sys.maxsize
    for token, level in _tokens_and_payloads(body):
        if token.level > deepest:
            continue
        deepest = sys.maxsize
        payloads += level == 1
        if token.opens and level > ON_EDGE.levels:
            deepest = token.level
            shortened.add(payloads)
        kept += _NULL if token.level == deepest else token.content
    has_one_each = payloads + 1 == len(ids)
    return bytes(kept), [ids[n] for n in sorted(shortened)] if has_one_each else ids


def unconditional(body: bytes) -> bytes:
    """Give an upsert a condition that every point meets; other updates stay unchanged."""
    kept = bytearray()
    before, condition = b"", sys.maxsize
    for token in _tokens(body):
        if token.level > condition:
            continue
        condition = sys.maxsize
        if token.level == _CONDITION_LEVEL and token.opens and before == _text("condition"):
            condition = token.level
        kept += _EMPTY if token.level == condition else token.content
        before = token.content
    return bytes(kept)


def point_ids(body: bytes) -> list[int | str]:
    """Return the ids that an update names, without those that a filter finds."""
    found: list[int | str] = []
    last: dict[int, bytes] = {}  # the token before, at each level
    holder: dict[int, bytes] = {}  # the name of the list or map whose items are at a level
    for token, in_payload in _tokens_and_payloads(body):
        if in_payload:
            continue
        level, before = token.level, last.get(token.level, b"")
        if token.opens:
            holder[level + 1] = before
        elif before == _text("id") or holder.get(level) in {_text("ids"), _text("points")}:
            if token.kind == _COUNT:
                found.append(token.number)
            elif token.kind == _BYTES:
                found.append(str(UUID(bytes=token.content[-16:])))
        last[level] = token.content
    return found


def operation(body: bytes) -> str:
    """Return the engine's name of an update, such as "upsert_points"."""
    token = next(token for token in _tokens(body) if token.kind == _TEXT)
    return token.content[-token.number :].decode()


def _text(name: str) -> bytes:
    return bytes([_TEXT << 5 | len(name)]) + name.encode()
