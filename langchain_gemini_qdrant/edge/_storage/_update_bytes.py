"""Updates as the engine's log has them: CBOR, which is taken apart without a limit of depth.

The engine writes no tags, and no text in pieces. Source: https://www.rfc-editor.org/rfc/rfc8949
"""

from __future__ import annotations

import itertools
import re
import struct
import sys
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from langchain_gemini_qdrant._qdrant_values import ON_EDGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NOTHING = b"\xbfmdelete_points\xa1cids\x80\xff"
"""An update that deletes no point; it stands in for one that is left out."""

# In a filter, a number that is not finite is written so, and read back as no bound at all.
_NOT_FINITE = re.compile(
    rb"(?:b[gl]t|c[gl]te|clat|clon|fradius)\xf9[\x7c-\x7f\xfc-\xff]", re.DOTALL
)


def is_unbounded(body: bytes) -> bool:
    """Return whether a filter has a bound that is not finite, and is read back as none."""
    return _NOT_FINITE.search(body) is not None


_COUNT, _NEGATIVE, _BYTES, _TEXT, _LIST, _MAP = range(6)  # kinds of CBOR items; the rest is 7
_ENDLESS = 31
_NUMBER_BYTES = {24: 1, 25: 2, 26: 4, 27: 8}  # after the head, which else has the number itself
_NULL, _END = b"\xf6", b"\xff"
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_CONSTANTS = {20: False, 21: True, 22: None}


class _Token(NamedTuple):
    """The next thing in a piece of CBOR: a plain value, or the start or end of a list or map."""

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
    """Take CBOR apart, in its order."""
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
    """Tell of each token in how many levels of a payload it is; 0 outside of payloads."""
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


def shorten(body: bytes) -> tuple[bytes, list[Any]]:
    """Replace what nests too deep in payloads by null.

    Returns:
        The update without it, and the ids of the points concerned.
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


def point_ids(body: bytes) -> list[Any]:
    """Return the points that an update names: not those that a filter finds."""
    found = []
    last: dict[int, bytes] = {}  # the token before, at each level
    holder: dict[int, bytes] = {}  # what the list or map is called whose items are at a level
    for token, in_payload in _tokens_and_payloads(body):
        if in_payload:
            continue
        level, before = token.level, last.get(token.level, b"")
        if token.opens:
            holder[level + 1] = before
        elif before == _text("id") or holder.get(level) in {_text("ids"), _text("points")}:
            found.append(_plain(token))
        last[level] = token.content
    return found


def payloads_of(bodies: Iterable[bytes]) -> dict[int | str, dict[str, Any]]:
    """Return the payload that each point was upserted with last, shortened."""
    payloads = {}
    for body in bodies:
        if operation(body).startswith("upsert_points"):
            ((_, upsert),) = _value(_tokens(shorten(body)[0])).items()
            for point in upsert.get("points_op", upsert)["points"]:  # the first if conditional
                payloads[point["id"]] = point["payload"] or {}
    return payloads


def operation(body: bytes) -> str:
    """Return the engine's name of an update, such as "upsert_points"."""
    name: str = next(_plain(token) for token in _tokens(body) if token.kind == _TEXT)
    return name


def _text(name: str) -> bytes:
    return bytes([_TEXT << 5 | len(name)]) + name.encode()


def _value(tokens: Iterator[_Token]) -> Any:  # noqa: ANN401 - any of JSON's
    token = next(tokens)
    if not token.opens:
        return token if token.content == _END else _plain(token)
    pieces: Iterator[Any] = (_value(tokens) for _ in itertools.count())
    if token.detail == _ENDLESS:
        items = list(itertools.takewhile(lambda each: not isinstance(each, _Token), pieces))
    else:
        items = list(itertools.islice(pieces, token.number * (2 if token.kind == _MAP else 1)))
    return dict(zip(items[::2], items[1::2], strict=True)) if token.kind == _MAP else items


def _plain(token: _Token) -> Any:  # noqa: ANN401 - any of JSON's that is no list or map
    if token.kind == _COUNT:
        return token.number
    if token.kind == _NEGATIVE:
        return -1 - token.number
    if token.kind == _TEXT:
        return token.content[len(token.content) - token.number :].decode()
    if token.kind == _BYTES:  # nothing but ids is written so
        return str(UUID(bytes=token.content[-16:]))
    if token.detail in _FLOATS:
        return struct.unpack(_FLOATS[token.detail], token.content[1:])[0]
    return _CONSTANTS[token.detail]
