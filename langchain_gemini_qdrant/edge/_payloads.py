"""Payloads as JSON will carry them, checked before the engine can change or refuse them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_core import from_json, to_json

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

JsonObject: TypeAlias = "dict[str, object]"

_U64, _I64 = 2**64 - 1, -(2**63)
_MOST_DEPTHS = 50  # of what is read in place; anything deeper is copied


def check_payload(payload: object) -> tuple[JsonObject, int]:
    """Return the payload as JSON will carry it, and about how many bytes it takes.

    As in qdrant-client, datetimes, UUIDs, tuples and models become what JSON has for them.

    Raises:
        InvalidInputError: See `json_copy`.
    """
    if payload is None:
        return {}, 0
    if isinstance(payload, dict) and (size_bytes := plain_bytes(payload)):
        return payload, size_bytes
    result = json_copy(payload)
    return result, len(to_json(result))


def json_copy(payload: object) -> JsonObject:
    """Return a copy of an object as JSON will carry it.

    Raises:
        InvalidInputError: It holds what the engine would refuse or silently change: NaN,
            infinity, half surrogate pairs or integers that 64 bits do not hold.
    """
    try:
        text = to_json(payload)
        # NaN and infinity come as constants, which no JSON has
        result = from_json(text, allow_inf_nan=False)
    # pydantic's serialisation error is a ValueError; its text can hold the payload's
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"A payload must be a JSON object without NaN or infinity ({type(error).__name__})"
        ) from error
    if not isinstance(result, dict):
        raise InvalidInputError(f"A payload must be a JSON object, got {type(payload).__name__}")
    json.loads(text, parse_int=_check_integer)
    return result


def _check_integer(digits: str) -> None:
    if not _I64 <= int(digits) <= _U64:
        raise InvalidInputError(
            f"A payload's integers must be in {_I64}..{_U64}; store this one as a string"
        )


def plain_bytes(value: Any, depths: int = _MOST_DEPTHS) -> int:  # noqa: ANN401 - whatever a payload holds
    """Return about how many bytes a value takes that is JSON as it stands; 0 if it may not be."""
    kind = type(value)
    if kind in _SCALARS:
        return _SCALARS[kind](value)
    if depths == 0 or kind not in {dict, list}:
        return 0
    total = 2
    if kind is dict:
        for key in value:
            if type(key) is not str or not key.isascii():
                return 0
            total += len(key) + 3
        value = value.values()
    for each in value:
        size_bytes = plain_bytes(each, depths - 1)
        if not size_bytes:
            return 0
        total += size_bytes
    return total


def _text_bytes(text: str) -> int:
    if text.isascii():
        return len(text) + 2
    try:
        return len(text.encode()) + 2
    except UnicodeEncodeError:
        return 0


_SCALARS: dict[type, Callable[[Any], int]] = {
    str: _text_bytes,
    bool: lambda _: 4,
    type(None): lambda _: 4,
    int: lambda number: 8 if _I64 <= number <= _U64 else 0,
    float: lambda number: 8 if math.isfinite(number) else 0,
}
