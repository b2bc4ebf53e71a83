"""Texts to requests, by count and tokens."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeVar

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator


class HasTokens(Protocol):
    """Anything with an estimate of its tokens."""

    @property
    def tokens(self) -> int:
        """Estimated tokens of the text as it is sent."""


T = TypeVar("T", bound=HasTokens)


def batches(
    contents: Iterable[T], *, max_texts: int, max_tokens: float | None = None
) -> Iterator[list[T]]:
    """Yield consecutive runs of at most `max_texts` texts and `max_tokens` tokens, none empty.

    A text of more than `max_tokens` goes alone.
    """
    batch: list[T] = []
    tokens = 0
    for content in contents:
        is_full = len(batch) == max_texts or (
            max_tokens is not None and tokens + content.tokens > max_tokens
        )
        if batch and is_full:
            yield batch
            batch, tokens = [], 0
        batch.append(content)
        tokens += content.tokens
    if batch:
        yield batch


async def read_ahead(
    texts: AsyncIterable[str], titles: Iterable[str | None] | None, size: int
) -> AsyncGenerator[tuple[int, list[tuple[str, str | None]]], None]:
    """Yield runs of at most `size` texts with their titles, each with its first position.

    Where `texts` raises, the texts before come first.

    Raises:
        InvalidInputError: There are fewer or more titles than texts.
    """
    remaining = repeat(None) if titles is None else iter(titles)
    first = 0
    run: list[tuple[str, str | None]] = []
    problem: Exception | None = None
    try:
        async for text in texts:
            run.append((text, _next_title(remaining)))
            if len(run) == size:
                yield first, run
                first, run = first + size, []
        _check_exhausted(remaining, titles)
    except Exception as error:  # noqa: BLE001 - the caller's; raised below
        problem = error
    if run:
        yield first, run
    if problem is not None:
        raise problem


def _next_title(titles: Iterator[str | None]) -> str | None:
    try:
        return next(titles)
    except StopIteration:
        raise InvalidInputError("there are fewer titles than texts") from None


def _check_exhausted(remaining: Iterator[str | None], titles: object) -> None:
    if titles is not None and any(True for _ in remaining):
        raise InvalidInputError("there are more titles than texts")
