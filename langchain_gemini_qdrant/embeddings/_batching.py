"""Split texts into requests, by count, tokens and bytes."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeVar

from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

# 100 texts of the greatest length that a model reads are about 3.5 MB, so this only splits texts
# that will be truncated. A gRPC server accepts 4 MiB by default, other proxies 10 MB; Google's own
# limit for inline data is higher (100 MB, "gemini-api-new-file-limits" on https://blog.google).
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
    """Yield consecutive batches of at most `max_texts` texts, `max_tokens` tokens and 4 MB.

    No batch is empty. A text that exceeds a bound on its own is a batch of one.
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
    """Yield batches of at most `size` texts with their titles, each with its first position.

    If `texts` raises, the texts before the error are yielded first.

    Raises:
        InvalidInputError: The number of titles differs from the number of texts.
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
