"""Send requests in parts if the server accepts fewer points at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from langchain_gemini_qdrant.vectorstores._qdrant_errors import asks_to_split

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
R = TypeVar("R")


async def in_parts(send: Callable[[list[T]], Awaitable[R]], values: list[T]) -> list[R]:
    """Send values in one request; if the server refuses it as too large, send its halves."""
    try:
        return [await send(values)]
    except Exception as error:
        if len(values) == 1 or not asks_to_split(error):
            raise
    half = len(values) // 2
    return [*await in_parts(send, values[:half]), *await in_parts(send, values[half:])]
