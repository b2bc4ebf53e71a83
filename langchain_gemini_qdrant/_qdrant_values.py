"""Values in the form that Qdrant stores: point ids made of any string, payloads as JSON."""

from __future__ import annotations

import functools
import json
import math
import re
import uuid
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeGuard, TypeVar

import numpy as np
from pydantic import BaseModel
from pydantic_core import from_json, to_json
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document
    from numpy.typing import NDArray

V = TypeVar("V")

ID_KEY = "document_id"
"""Payload key of an id that cannot be used unchanged as a point id."""

_NAMESPACE = uuid.UUID("6f0f8c1e-6a0b-5b6e-9c55-0f2f0d6f3c11")
_MAX_INTEGER_ID = 2**64 - 1
_MAX_FLOAT32 = 3.4028234e38
_INTEGER = re.compile("0|[1-9][0-9]{0,19}")
CANONICAL_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The spelling that `str(uuid.UUID(...))` gives."""
_PLAIN_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")


def point_id(document_id: str | int) -> str | int:
    """Return the point id of a document's id.

    Qdrant accepts unsigned 64-bit integers and UUIDs. An integer and its decimal string are the
    same id, because LangChain returns ids as strings. A UUID is the same id in upper or lower case,
    with its four hyphens or with none, as in every Qdrant engine. Any other string is a different
    id, even if other programs read it as a UUID or an integer (`urn:uuid:...`, braces, hyphens in
    other places, `01`, `+1`): its point id is a UUID derived from the string. An earlier version
    read UUIDs in such strings; documents that it stored have that UUID as their id.

    Raises:
        InvalidInputError: UTF-8 cannot encode the id, or it is not a string, integer or UUID.
    """
    text = str(document_id)
    if CANONICAL_UUID.fullmatch(text):
        return text  # `uuid.UUID` gives the same and is ten times slower
    if isinstance(document_id, bool) or not isinstance(document_id, str | Integral):
        # converted to text, NaN or None would be one shared id of all documents without an id
        raise InvalidInputError(
            f"An id must be a string, an integer or a UUID, got {type(document_id).__name__}"
        )
    if _INTEGER.fullmatch(text) and (number := int(text)) <= _MAX_INTEGER_ID:
        return number
    if _PLAIN_UUID.fullmatch(text):
        return str(uuid.UUID(text))
    try:
        return str(uuid.uuid5(_NAMESPACE, text))
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"An id must not contain half of a surrogate pair, got {text!r}"
        ) from error


def id_payload(document_id: str | int, point: str | int) -> dict[str, str]:
    """Return the payload fields that preserve the original id; `point` is its point id."""
    text = str(document_id)
    return {} if str(point) == text else {ID_KEY: text}


def document_id(point: str | int | uuid.UUID, payload: Mapping[str, object] | None) -> str:
    """Return the id of a stored document: the caller's id, or the point's.

    Other programs may store other values under `ID_KEY`, which are not ids.
    """
    kept = (payload or {}).get(ID_KEY)
    with suppress(InvalidInputError):  # local mode stores values that cannot be ids
        if isinstance(kept, str) and str(point_id(kept)) == str(point):
            return kept
    return str(point)


def content_id(
    document: Document, keys: Sequence[str] = ("source",), digests: Sequence[str] = ()
) -> str:
    """Return an id that depends only on the text, the media and the metadata under `keys`.

    `digests` are those of the bytes of the media, in order.
    """
    parts = [*map(document.metadata.get, keys), document.page_content]
    if digests:
        parts.append(digests)
    return str(uuid.uuid5(_NAMESPACE, _encode(parts)))


def _as_text(value: object) -> object:
    """Return text for a value that JSON does not support, the same in every process."""
    return sorted(map(str, value)) if isinstance(value, set | frozenset) else str(value)


_encode = json.JSONEncoder(default=_as_text).encode  # `json.dumps` would make one each time


JsonObject: TypeAlias = "dict[str, object]"

_I64 = -(2**63)


class Bounds(NamedTuple):
    """Limits within which a payload is read back exactly as it was stored.

    Attributes:
        levels: Levels of nested objects and lists; the payload itself is the first.
        highest: The largest integer.
    """

    levels: int
    highest: int


EVERYWHERE = Bounds(levels=31, highest=2**63 - 1)
"""Limits of every engine, over REST and gRPC: protobuf reads 100 nested messages, and a level takes
three of them; its integers are signed."""

ON_EDGE = Bounds(levels=110, highest=2**64 - 1)
"""Limits of the embedded engine: from 123 levels on, it cannot read its own log."""

_FILTER_LEVELS = 94
"""Levels of nesting in a filter as JSON: 45 filters and a condition. 50 filters would be more than
protobuf's 100 nested messages; the embedded engine's log can store 55."""

_EXACT_POWERS = 22  # powers of ten up to this one are exact as floats
_SHORT = 100  # characters; the size of a shorter text is not counted exactly
_SHOWN = 80  # characters of a key that a message shows


class CheckedPayload(dict[str, Any]):
    """A payload that can be sent as JSON unchanged; it must not be modified.

    Attributes:
        size_bytes: Its approximate size.
    """

    __slots__ = ("size_bytes",)

    def __init__(self, payload: Mapping[str, Any], size_bytes: int) -> None:
        super().__init__(payload)
        self.size_bytes = size_bytes

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        """Pickle as a plain dict: the receiving process checks it again."""
        return dict, (dict(self),)


def check_payload(payload: object, bounds: Bounds = ON_EDGE) -> CheckedPayload:
    """Return the payload converted to JSON types; a checked one is returned unchanged.

    As in qdrant-client, datetimes, UUIDs, tuples and models are converted to JSON types; so are
    NumPy's numbers.

    Raises:
        InvalidInputError: It contains something that an engine would refuse, silently change or
            not read back: NaN, infinity, half of a surrogate pair, an object that JSON does not
            support, or more than `bounds`.
    """
    if type(payload) is CheckedPayload:
        return payload
    if payload is None:
        return CheckedPayload({}, 0)
    if type(payload) is dict and (size_bytes := _plain_bytes(payload, bounds)):
        return CheckedPayload(_copied(payload), size_bytes)
    try:
        # NaN and infinity become constants that are not valid JSON
        copy = from_json(to_json(payload, fallback=python_number), allow_inf_nan=False)
    # pydantic's serialisation error is a ValueError; its message may quote the payload
    except (TypeError, ValueError, RecursionError) as error:
        reason = _unfit(payload, bounds) or f"it is not valid JSON ({type(error).__name__})"
        raise InvalidInputError(f"A payload cannot be stored: {reason}") from error
    if not isinstance(copy, dict):
        raise InvalidInputError(f"A payload must be a JSON object, got {type(payload).__name__}")
    if not (size_bytes := _plain_bytes(copy, bounds)):
        raise InvalidInputError(f"A payload cannot be stored: {_unfit(copy, bounds)}")
    return CheckedPayload(copy, size_bytes)


def _copied(value: Any) -> Any:  # noqa: ANN401 - of JSON's kinds
    """Return a deep copy: the caller may change the original while texts are sent."""
    if type(value) is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_copied(inner) for inner in value]
    return value


def python_number(value: object) -> object:
    """Return a NumPy number as a Python number."""
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    raise TypeError


def _unfit(value: object, bounds: Bounds, path: str = "", level: int = 1) -> str | None:
    """Return which part of a value cannot be stored and why, without any string's text."""
    if isinstance(value, Mapping | list | tuple):
        if level > bounds.levels:
            return (
                f"{path[:_SHOWN]}... is nested in more than {bounds.levels} levels, counting the "
                "payload as the first: store it as a string of JSON"
            )
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            where = f"{path}[{key!r}]" if path else str(key)
            if isinstance(value, Mapping) and (reason := _unfit_leaf(key, bounds)):
                return f"the key {key!r:.{_SHOWN}} {reason}"
            if reason := _unfit(inner, bounds, where, level + 1):
                return reason
        return None
    reason = _unfit_leaf(value, bounds)
    return reason and f"{path[:_SHOWN]} {reason}"


def _unfit_leaf(value: object, bounds: Bounds) -> str | None:
    if isinstance(value, str):
        return None if _text_bytes(value) >= 0 else "contains half of a surrogate pair"
    kind = f"({type(value).__module__}.{type(value).__qualname__})".replace("builtins.", "")
    try:
        # Python refuses to convert an integer of 4,301 digits to text
        plain = (
            value if isinstance(value, int) else from_json(to_json(value, fallback=python_number))
        )
    except (TypeError, ValueError, RecursionError):
        return f"{kind} is not a type that JSON supports: convert it, or leave it out"
    if isinstance(plain, float) and not math.isfinite(plain):
        return f"{kind} is NaN or infinity, which JSON does not have: use None, or leave it out"
    if isinstance(plain, int) and not _I64 <= plain <= bounds.highest:
        return f"{kind} is an integer outside {_I64}..{bounds.highest}: store it as a string"
    return None


_TOO_DEEP = (
    "A filter must not nest more than 45 filters inside each other: put conditions next to each "
    "other, in one `must`, `should`, $and or $or, or match one of several values with `MatchAny` "
    "or $in"
)


def check_levels(value: object) -> None:
    """Refuse a filter of dicts and lists that is nested too deeply for some engine.

    Raises:
        InvalidInputError: The filter is nested too deeply.
    """
    level = [value]
    for _ in range(_FILTER_LEVELS + 1):
        if not level:
            return
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list | tuple)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
    raise InvalidInputError(_TOO_DEEP)


def check_model(value: object, name: str) -> None:
    """Refuse a filter or a different Qdrant model that some engine could not read back.

    Raises:
        InvalidInputError: It is nested too deeply, or contains NaN, infinity, an integer of more
            than 64 bits or half of a surrogate pair.
    """
    pending: list[tuple[str, object, int]] = [(name, value, 1)]
    while pending:
        field, each, level = pending.pop()
        if level > _FILTER_LEVELS:
            raise InvalidInputError(_TOO_DEEP)
        if isinstance(each, models.Filter):  # a single condition counts as a list of one
            clauses = vars(each).items()
            lists = ((key, c if isinstance(c, list) else [c]) for key, c in clauses if c)
            pending += [(key, clause, level + 1) for key, clause in lists]
        elif isinstance(each, BaseModel):
            pending += [(key, inner, level + 1) for key, inner in vars(each).items()]
        elif isinstance(each, dict):
            pending += [(str(key), inner, level + 1) for key, inner in each.items()]
            pending += [(field, key, level) for key in each]
        elif isinstance(each, list | tuple | set):
            pending += [(field, inner, level + 1) for inner in each]
        elif reason := (each is not None and _unfit_number_or_text(each)):
            where = name if field is name else f"{name}: {field}"
            raise InvalidInputError(f"{where} {reason}")


def _unfit_number_or_text(value: object) -> str | None:
    if isinstance(value, str):
        return None if _text_bytes(value) >= 0 else f"contains half of a surrogate pair: {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, got {value}"
    if isinstance(value, int) and not _I64 <= value <= ON_EDGE.highest:
        return "must be an integer that fits into 64 bits"
    return None


def check_utf8(value: object, name: str) -> None:
    """Refuse a value with half of a surrogate pair, which cannot be encoded.

    Raises:
        InvalidInputError: The value contains one; a text was cut inside a character.
    """
    try:
        to_json(value, fallback=repr)
    except ValueError as error:
        if "surrogates" in str(error):
            raise InvalidInputError(
                f"{name} must not contain half of a surrogate pair, got {value!r}"
            ) from error


def payload_bytes(payload: object) -> int:
    """Return the approximate size of any payload in bytes."""
    if type(payload) is CheckedPayload:
        return payload.size_bytes
    return _plain_bytes(payload, ON_EDGE) or len(repr(payload))


def _plain_bytes(value: object, bounds: Bounds) -> int:  # noqa: C901 - one loop, as every payload passes it
    """Return the approximate bytes of a JSON value within bounds; 0 for any other value."""
    total = 0
    pending: list[tuple[Any, int]] = [(value, bounds.levels)]
    while pending:
        each, levels = pending.pop()
        kind = type(each)
        if kind is str:
            size_bytes = _text_bytes(each)
        elif kind is bool or each is None:
            size_bytes = 2
        elif kind is int:
            size_bytes = 6 if _I64 <= each <= bounds.highest else -1
        elif kind is float:
            size_bytes = 6 if math.isfinite(each) else -1
        elif kind is list and levels > 0:
            size_bytes = 0
            pending += [(inner, levels - 1) for inner in each]
        elif kind is dict and levels > 0:
            size_bytes = 0
            for key, inner in each.items():
                if type(key) is not str or (key_bytes := _text_bytes(key)) < 0:
                    return 0
                size_bytes += key_bytes + 3
                pending.append((inner, levels - 1))
        else:
            return 0
        if size_bytes < 0:
            return 0
        total += size_bytes + 2
    return total


def _text_bytes(text: str) -> int:
    """Return the approximate bytes of a text in JSON; -1 if it cannot be encoded."""
    if len(text) < _SHORT and text.isascii():
        return len(text)
    try:
        return len(to_json(text))
    except ValueError:  # half of a surrogate pair
        return -1


@functools.cache
def _zeros(size: int) -> tuple[float, ...]:
    return (0.0,) * size


def is_float32(vector: object) -> TypeGuard[NDArray[np.float32]]:
    """Return whether a vector is an array of 32-bit floats, as engines store them."""
    return type(vector) is np.ndarray and vector.dtype == np.float32 and vector.ndim == 1


def check_finite(numbers: Sequence[Any] | NDArray[Any], name: str) -> None:
    """Refuse values that are not numbers, or not finite as the engine's 32-bit floats.

    Raises:
        InvalidInputError: A value is not a finite number.
    """
    if is_float32(numbers):
        # A long vector has a finite length, but not its square; NaN is refused below.
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(np.dot(numbers, numbers)):
                return
    try:
        # `dist` checks the numbers, and is faster than `hypot`, which takes them one by one
        length = math.dist(numbers, _zeros(len(numbers)))
    except (TypeError, OverflowError) as error:
        raise InvalidInputError(f"Vector {name!r} must be a flat list of numbers") from error
    if not length <= _MAX_FLOAT32:  # false for NaN, too
        raise InvalidInputError(
            f"Vector {name!r} must have finite 32-bit numbers, got NaN, infinity or too large ones"
        )


def is_read_exactly(value: float) -> bool:
    """Return whether every engine reads this number back exactly as it was written.

    Servers and the embedded engine read a float as its digits times a power of ten, which is exact
    if both are exact floats. Other floats, such as those with 17 digits, were off by up to two
    units in the last place (Edge 0.9, gRPC), and by four over REST (server 1.19; 30,000 floats
    each).

    Source: https://github.com/serde-rs/json/issues/1336
    """
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    written = int("".join(map(str, digits)))
    return written <= 2**53 and isinstance(exponent, int) and abs(exponent) <= _EXACT_POWERS


def named_vectors(vectors: V | Mapping[str, V] | None) -> Mapping[str, V]:
    """Return vectors, or their settings, by name; the unnamed vector has the name `""`."""
    if vectors is None:
        return {}
    by_name: Any = vectors if isinstance(vectors, dict) else {"": vectors}
    return by_name  # type: ignore[no-any-return] # no type says that a vector is no dict
