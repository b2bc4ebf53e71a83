"""Lists of arguments, and the single values that are given in their place."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping

from pydantic import BaseModel

from langchain_gemini_qdrant.errors import InvalidInputError


def check_list(values: object, name: str) -> None:
    """Refuse a single value where several are meant: a string would be taken letter by letter.

    Args:
        values: A list, or any iterable where one is allowed.
        name: Of the argument.

    Raises:
        InvalidInputError: It is a string, bytes, a dict or a document, or cannot be iterated over.
    """
    is_many = isinstance(values, Iterable | AsyncIterable)
    if not is_many or isinstance(values, str | bytes | bytearray | Mapping | BaseModel):
        raise InvalidInputError(
            f"{name} must be a list of {name}, got one {type(values).__name__}: put a single one "
            "into a list"
        )
