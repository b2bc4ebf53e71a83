"""Texts to requests, by count, tokens and bytes."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeVar

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

# 100 texts of the longest that a model reads are some 3.5 MB, so this splits only texts that are to
# be cut. A gRPC server takes 4 MiB unless told otherwise, other proxies 10 MB; Google's own limit
# for inline data is above them all (100 MB, "gemini-api-new-file-limits" on https://blog.google).
_MAX_BYTES = 4_000_000


class HasTokens(Protocol):
    """A text with an estimate of its tokens."""

    @property
    def text(self) -> str:
        """The text as it is sent."""

    @property
    def tokens(self) -> int:
        """Estimated tokens of the text as it is sent."""


T = TypeVar("T", bound=HasTokens)


def batches(
    contents: Iterable[T], *, max_texts: int, max_tokens: float | None = None
) -> Iterator[list[T]]:
    """Yield consecutive runs of at most `max_texts` texts and `max_tokens` tokens, none empty.

    They have at most 4 MB, too. A text that is above a bound by itself goes alone.
    """
    batch: list[T] = []
    tokens = size_bytes = 0
    for content in contents:
        tokens += content.tokens
        size_bytes += (own_bytes := len(content.text.encode(errors="surrogatepass")))
        is_full = (
            len(batch) == max_texts
            or (max_tokens is not None and tokens > max_tokens)
            or size_bytes > _MAX_BYTES
        )
        if batch and is_full:
            yield batch
            batch, tokens, size_bytes = [], content.tokens, own_bytes
        batch.append(content)
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
