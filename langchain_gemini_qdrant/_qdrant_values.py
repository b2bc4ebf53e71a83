"""Values as Qdrant stores them: point ids made of any string, payloads as JSON will carry them."""

from __future__ import annotations

import json
import math
import re
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.documents import Document

V = TypeVar("V")

ID_KEY = "document_id"
"""Payload key of an id that cannot be a point id as it stands."""

_NAMESPACE = uuid.UUID("6f0f8c1e-6a0b-5b6e-9c55-0f2f0d6f3c11")
_MAX_INTEGER_ID = 2**64 - 1
_INTEGER = re.compile("0|[1-9][0-9]{0,19}")
CANONICAL_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The spelling that `str(uuid.UUID(...))` gives."""
_PLAIN_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")


def point_id(document_id: str | int) -> str | int:
    """Return the point id of a document's id.

    Qdrant takes unsigned 64-bit integers and UUIDs. An integer and its decimal form are one id,
    as LangChain shows ids as strings. A UUID is one id in upper or lower case, with its four
    hyphens or with none, as in every Qdrant. Any other string is an id of its own, whatever else
    reads a UUID or an integer in it (`urn:uuid:...`, braces, hyphens in other places, `01`, `+1`):
    its point has a UUID made of the string. A document that an earlier version stored under the
    UUID that it read in such a string has that UUID as its id.

    Raises:
        InvalidInputError: UTF-8 cannot carry the id.
    """
    text = str(document_id)
    if CANONICAL_UUID.fullmatch(text):
        return text  # `uuid.UUID` would say the same, ten times as slow
    if _INTEGER.fullmatch(text) and (number := int(text)) <= _MAX_INTEGER_ID:
        return number
    if _PLAIN_UUID.fullmatch(text):
        return str(uuid.UUID(text))
    try:
        return str(uuid.uuid5(_NAMESPACE, text))
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"An id must not hold half of a surrogate pair, got {text!r}"
        ) from error


def id_payload(document_id: str | int, point: str | int) -> dict[str, str]:
    """Return what a payload must keep so that the id comes back as given; `point` is its own."""
    text = str(document_id)
    return {} if str(point) == text else {ID_KEY: text}


def document_id(point: str | int | uuid.UUID, payload: Mapping[str, object] | None) -> str:
    """Return the id by which a stored document is found: the caller's, or the point's.

    Other programs keep something else under `ID_KEY`; that is no id of the point.
    """
    kept = (payload or {}).get(ID_KEY)
    with suppress(InvalidInputError):  # local mode keeps what no id can be
        if isinstance(kept, str) and str(point_id(kept)) == str(point):
            return kept
    return str(point)


def content_id(document: Document, keys: Sequence[str] = ("source",)) -> str:
    """Return an id that the same text with the same metadata under `keys` always gets."""
    marks = map(document.metadata.get, keys)
    name = _encode([*marks, document.page_content])
    return str(uuid.uuid5(_NAMESPACE, name))


def _as_text(value: object) -> object:
    """Return what stands for a value that JSON has not, the same in every process."""
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)


_encode = json.JSONEncoder(default=_as_text).encode  # `json.dumps` would make one each time


JsonObject: TypeAlias = "dict[str, object]"

_U64, _I64 = 2**64 - 1, -(2**63)
_MOST_DEPTHS = 50  # of what is read in place; anything deeper is copied
MOST_LEVELS = 110
"""How deep payloads and filters may nest: from 123 levels on, Edge cannot read its own log."""


class CheckedPayload(dict[str, Any]):
    """A payload that JSON will carry as it stands; nobody changes it any more.

    Attributes:
        size_bytes: About what it takes.
    """

    __slots__ = ("size_bytes",)

    def __init__(self, payload: Mapping[str, Any], size_bytes: int) -> None:
        super().__init__(payload)
        self.size_bytes = size_bytes

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Arrive as a plain dict in another process, which checks for itself."""
        return dict, (dict(self),)


def check_payload(payload: object) -> CheckedPayload:
    """Return the payload as JSON will carry it; one that was checked is returned as it is.

    As in qdrant-client, datetimes, UUIDs, tuples and models become what JSON has for them.

    Raises:
        InvalidInputError: See `json_copy`.
    """
    if type(payload) is CheckedPayload:
        return payload
    if payload is None:
        return CheckedPayload({}, 0)
    if type(payload) is dict and (size_bytes := plain_bytes(payload)):
        return CheckedPayload(payload, size_bytes)
    result = json_copy(payload)
    return CheckedPayload(result, len(to_json(result)))


def payload_bytes(payload: object) -> int:
    """Return about how many bytes any payload takes."""
    if type(payload) is CheckedPayload:
        return payload.size_bytes
    return plain_bytes(payload) or len(repr(payload))


def json_copy(payload: object) -> JsonObject:
    """Return a copy of an object as JSON will carry it.

    Raises:
        InvalidInputError: It holds what the engine would refuse, silently change or not read
            again: NaN, infinity, half surrogate pairs, integers that 64 bits do not hold, or
            more than `MOST_LEVELS` levels.
    """
    try:
        text = to_json(payload)
        # NaN and infinity come as constants, which no JSON has
        result = from_json(text, allow_inf_nan=False)
    # pydantic's serialisation error is a ValueError; its text can hold the payload's
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            "A payload must be a JSON object without NaN, infinity or half a surrogate pair "
            f"({type(error).__name__})"
        ) from error
    if not isinstance(result, dict):
        raise InvalidInputError(f"A payload must be a JSON object, got {type(payload).__name__}")
    json.loads(text, parse_int=_check_integer)
    check_levels(result)
    return result


def check_levels(value: object, above: int = 0) -> None:
    """Refuse what nests deeper than it can be read again; `above` levels hold the value.

    Raises:
        InvalidInputError: There are more than `MOST_LEVELS` levels.
    """
    level = [value]
    for _ in range(above, MOST_LEVELS + 1):
        if not level:
            return
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
    raise InvalidInputError(f"A payload must not nest deeper than {MOST_LEVELS} levels")


def _check_integer(digits: str) -> None:
    if not _I64 <= int(digits) <= _U64:
        raise InvalidInputError(
            f"A payload's integers must be in {_I64}..{_U64}; store this one as a string"
        )


def check_utf8(value: object, name: str) -> None:
    """Refuse what holds half of a surrogate pair, which nothing can send.

    Raises:
        InvalidInputError: It does; it was cut inside a character.
    """
    try:
        to_json(value, fallback=repr)
    except ValueError as error:
        if "surrogates" in str(error):
            raise InvalidInputError(
                f"{name} must not hold half of a surrogate pair, got {value!r}"
            ) from error


def plain_bytes(value: object) -> int:  # noqa: C901 - one loop: it runs for all that is stored
    """Return about how many bytes a value takes that is JSON as it stands; 0 if it may not be."""
    total = 0
    pending: list[tuple[Any, int]] = [(value, _MOST_DEPTHS)]
    while pending:
        each, depths = pending.pop()
        kind = type(each)
        if kind is str:
            size_bytes = len(each) if each.isascii() else _encoded_bytes(each)
        elif kind is bool or each is None:
            size_bytes = 2
        elif kind is int:
            size_bytes = 6 if _I64 <= each <= _U64 else -1
        elif kind is float:
            size_bytes = 6 if math.isfinite(each) else -1
        elif kind is list and depths:
            size_bytes = 0
            pending += [(inner, depths - 1) for inner in each]
        elif kind is dict and depths:
            size_bytes = 0
            for key, inner in each.items():
                if type(key) is not str or not key.isascii():
                    return 0
                size_bytes += len(key) + 3
                pending.append((inner, depths - 1))
        else:
            return 0
        if size_bytes < 0:
            return 0
        total += size_bytes + 2
    return total


def _encoded_bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return -1


def named_vectors(vectors: V | Mapping[str, V] | None) -> Mapping[str, V]:
    """Return vectors, or their settings, by name; the unnamed one has the name `""`."""
    if vectors is None:
        return {}
    by_name: Any = vectors if isinstance(vectors, dict) else {"": vectors}
    return by_name  # type: ignore[no-any-return] # no type says that a vector is no dict
