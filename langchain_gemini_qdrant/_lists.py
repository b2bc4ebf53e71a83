"""Refuse single values given in place of lists."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping

from pydantic import BaseModel

from langchain_gemini_qdrant.errors import InvalidInputError


def check_list(values: object, name: str) -> None:
    """Refuse a single value in place of a list: a string would be read letter by letter.

    Args:
        values: A list, or any iterable if that is allowed.
        name: Name of the argument, for the message.

    Raises:
        InvalidInputError: `values` is a string, bytes, a dict or a document, or not iterable.
    """
    is_many = isinstance(values, Iterable | AsyncIterable)
    if not is_many or isinstance(values, str | bytes | bytearray | Mapping | BaseModel):
        raise InvalidInputError(
            f"{name} must be a list of {name}, got {type(values).__name__}: put a single one "
            "into a list"
        )
