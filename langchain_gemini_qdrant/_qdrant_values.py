"""Values as Qdrant stores them: point ids made of any string, payloads as JSON will carry them."""

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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel
from pydantic_core import from_json, to_json
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.documents import Document

V = TypeVar("V")

ID_KEY = "document_id"
"""Payload key of an id that cannot be a point id as it stands."""

_NAMESPACE = uuid.UUID("6f0f8c1e-6a0b-5b6e-9c55-0f2f0d6f3c11")
_MAX_INTEGER_ID = 2**64 - 1
_MAX_FLOAT32 = 3.4028234e38
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
        InvalidInputError: UTF-8 cannot carry the id, or it is not a string, integer or UUID.
    """
    text = str(document_id)
    if CANONICAL_UUID.fullmatch(text):
        return text  # `uuid.UUID` would say the same, ten times as slow
    if isinstance(document_id, bool) or not isinstance(document_id, str | Integral):
        # as text, NaN and None would each be one id of all that have none
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
            f"An id must not hold half of a surrogate pair, got {text!r}"
        ) from error


def id_payload(document_id: str | int, point: str | int) -> dict[str, str]:
    """Return what a payload must keep so that the id comes back as given; `point` is its own."""
    text = str(document_id)
    return {} if str(point) == text else {ID_KEY: text}


def document_id(point: str | int | uuid.UUID, payload: Mapping[str, object] | None) -> str:
    """Return the id by which a stored document is found: the caller's, or the point's.

    Other programs keep other values under `ID_KEY`, which are not ids of points.
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

_I64 = -(2**63)


class Bounds(NamedTuple):
    """How much a payload may hold so that it can be read again as it was stored.

    Attributes:
        levels: Objects and lists inside each other, the payload being the first.
        highest: The highest integer.
    """

    levels: int
    highest: int


EVERYWHERE = Bounds(levels=31, highest=2**63 - 1)
"""What every engine reads again, over REST and gRPC: protobuf reads 100 messages inside each other,
and a level takes three of them; its integers have a sign."""

ON_EDGE = Bounds(levels=110, highest=2**64 - 1)
"""What the embedded engine reads again: from 123 levels on, it cannot read its own log."""

_FILTER_LEVELS = 94
"""What is inside each other in a filter as JSON: 45 filters and a condition. Of 50, protobuf would
make more than 100 messages; the embedded engine's log takes 55."""

_EXACT_POWERS = 22  # of ten, which are floats
_SHORT = 100  # characters of a text that need no exact count
_SHOWN = 80  # characters of a key in a message


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


def check_payload(payload: object, bounds: Bounds = ON_EDGE) -> CheckedPayload:
    """Return the payload as JSON will carry it; one that was checked is returned as it is.

    As in qdrant-client, datetimes, UUIDs, tuples and models become what JSON has for them; so do
    NumPy's numbers.

    Raises:
        InvalidInputError: It holds what an engine would refuse, silently change or not read again:
            NaN, infinity, half surrogate pairs, what JSON does not have, or more than `bounds`.
    """
    if type(payload) is CheckedPayload:
        return payload
    if payload is None:
        return CheckedPayload({}, 0)
    if type(payload) is dict and (size_bytes := _plain_bytes(payload, bounds)):
        return CheckedPayload(_copied(payload), size_bytes)
    try:
        # NaN and infinity come as constants, which no JSON has
        copy = from_json(to_json(payload, fallback=_number), allow_inf_nan=False)
    # pydantic's serialisation error is a ValueError; its text can hold the payload's
    except (TypeError, ValueError, RecursionError) as error:
        reason = _unfit(payload, bounds) or f"JSON cannot carry it ({type(error).__name__})"
        raise InvalidInputError(f"A payload cannot be stored: {reason}") from error
    if not isinstance(copy, dict):
        raise InvalidInputError(f"A payload must be a JSON object, got {type(payload).__name__}")
    if not (size_bytes := _plain_bytes(copy, bounds)):
        raise InvalidInputError(f"A payload cannot be stored: {_unfit(copy, bounds)}")
    return CheckedPayload(copy, size_bytes)


def _copied(value: Any) -> Any:  # noqa: ANN401 - of JSON's kinds
    """Return a copy that shares no list or dict: its owner may change them while texts are sent."""
    if type(value) is dict:
        return {key: _copied(inner) for key, inner in value.items()}
    if type(value) is list:
        return [_copied(inner) for inner in value]
    return value


def _number(value: object) -> object:
    """Return a number of NumPy's as Python's."""
    if isinstance(value, np.bool_ | np.integer | np.floating):
        return value.item()
    raise TypeError


def _unfit(value: object, bounds: Bounds, path: str = "", level: int = 1) -> str | None:
    """Say what of a value cannot be stored, where and why; never what a string holds."""
    if isinstance(value, Mapping | list | tuple):
        if level > bounds.levels:
            return (
                f"{path[:_SHOWN]}... is nested in more than {bounds.levels} levels, of which the "
                "payload is the first: store it as a string of JSON"
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
        return None if _text_bytes(value) >= 0 else "holds half of a surrogate pair"
    kind = f"({type(value).__module__}.{type(value).__qualname__})".replace("builtins.", "")
    try:
        # Python turns no integer of 4,301 digits into text
        plain = value if isinstance(value, int) else from_json(to_json(value, fallback=_number))
    except (TypeError, ValueError, RecursionError):
        return f"{kind} is nothing that JSON has: convert it, or leave it out"
    if isinstance(plain, float) and not math.isfinite(plain):
        return f"{kind} is NaN or infinity, which JSON does not have: use None, or leave it out"
    if isinstance(plain, int) and not _I64 <= plain <= bounds.highest:
        return f"{kind} is an integer outside {_I64}..{bounds.highest}: store it as a string"
    return None


_TOO_DEEP = (
    "A filter must not nest so deep, with more than 45 filters inside each other: put conditions "
    "beside each other, in one `must`, `should`, $and or $or, or look for one of several values "
    "with `MatchAny` or $in"
)


def check_levels(value: object) -> None:
    """Refuse a filter of dicts and lists that nests deeper than every engine reads it.

    Raises:
        InvalidInputError: It does.
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
    """Refuse a filter, or another of Qdrant's models, that an engine could not read again.

    Raises:
        InvalidInputError: It nests too deep, or holds NaN, infinity, an integer of more than 64
            bits or half of a surrogate pair.
    """
    pending: list[tuple[str, object, int]] = [(name, value, 1)]
    while pending:
        field, each, level = pending.pop()
        if level > _FILTER_LEVELS:
            raise InvalidInputError(_TOO_DEEP)
        if isinstance(each, models.Filter):  # a single condition goes as a list of one
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
        return None if _text_bytes(value) >= 0 else f"holds half of a surrogate pair, got {value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"must be a finite number, got {value}"
    if isinstance(value, int) and not _I64 <= value <= ON_EDGE.highest:
        return "must be an integer of 64 bits"
    return None


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


def payload_bytes(payload: object) -> int:
    """Return about how many bytes any payload takes."""
    if type(payload) is CheckedPayload:
        return payload.size_bytes
    return _plain_bytes(payload, ON_EDGE) or len(repr(payload))


def _plain_bytes(value: object, bounds: Bounds) -> int:  # noqa: C901 - one loop, for all is stored
    """Return about how many bytes a value takes that JSON has and bounds hold; 0 for any other."""
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
    """Return about how long a text is in JSON, which escapes control characters; -1 for no text."""
    if len(text) < _SHORT and text.isascii():
        return len(text)
    try:
        return len(to_json(text))
    except ValueError:  # half of a surrogate pair
        return -1


@functools.cache
def _zeros(size: int) -> tuple[float, ...]:
    return (0.0,) * size


def check_finite(numbers: Sequence[Any], name: str) -> None:
    """Refuse values that are not numbers, or not finite as 32-bit floats of the engine.

    Raises:
        InvalidInputError: There is one among the numbers.
    """
    try:
        # it checks the numbers itself, and is faster than `hypot`, which takes them one by one
        length = math.dist(numbers, _zeros(len(numbers)))
    except (TypeError, OverflowError) as error:
        raise InvalidInputError(f"Vector {name!r} must be a flat list of numbers") from error
    if not length <= _MAX_FLOAT32:  # false for NaN, too
        raise InvalidInputError(
            f"Vector {name!r} must hold finite 32-bit numbers, got NaN, infinity or too large ones"
        )


def is_read_exactly(value: float) -> bool:
    """Return whether every engine reads this number back as it was written.

    Servers and the embedded engine read a float as its digits times a power of ten, which is exact
    where both are exact floats. Other floats, such as those of 17 digits, were read up to two units
    off in the last place (Edge 0.9, gRPC), over REST four (server 1.19; 30,000 floats each).

    Source: https://github.com/serde-rs/json/issues/1336
    """
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    written = int("".join(map(str, digits)))
    return written <= 2**53 and isinstance(exponent, int) and abs(exponent) <= _EXACT_POWERS


def named_vectors(vectors: V | Mapping[str, V] | None) -> Mapping[str, V]:
    """Return vectors, or their settings, by name; the unnamed one has the name `""`."""
    if vectors is None:
        return {}
    by_name: Any = vectors if isinstance(vectors, dict) else {"": vectors}
    return by_name  # type: ignore[no-any-return] # no type says that a vector is no dict
