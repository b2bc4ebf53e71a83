"""Split texts into requests, by count, tokens and bytes."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Protocol, TypeVar

from langchain_gemini_qdrant.embeddings._media import held_bytes, images_in
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

    from langchain_gemini_qdrant.media._contents import Parts

# 100 texts of the greatest length that a model reads are about 3.5 MB, so this only splits texts
# that will be truncated. A gRPC server accepts 4 MiB by default, other proxies 10 MB; Google's own
# limit for inline data is higher (100 MB, "gemini-api-new-file-limits" on https://blog.google).
# Media alone could be 15 MB. But a request is four times in memory while it is sent, it blocks an
# event loop while the SDK writes its JSON, and it has 60 s with seven others beside it.
MAX_BYTES = 4_000_000
"""Most bytes of the texts and media of several contents in one request."""

MAX_IMAGES = LIMITS["IMAGE"].most
"""Most images in one request: Google's limit of one content; none is documented for several."""


class HasTokens(Protocol):
    """A text with an estimate of its tokens."""

    @property
    def text(self) -> str:
        """The text as it is sent."""

    @property
    def tokens(self) -> int:
        """Estimated tokens of the text as it is sent."""

    @property
    def parts(self) -> Parts:
        """Its texts and media, empty for a text alone."""


T = TypeVar("T", bound=HasTokens)


def batches(
    contents: Iterable[T], *, max_texts: int, max_tokens: float | None = None
) -> Iterator[list[T]]:
    """Yield consecutive batches of at most `max_texts` contents, `max_tokens` tokens and 4 MB.

    Images are at most `MAX_IMAGES`. No batch is empty. A content that exceeds a bound on its own is
    a batch of one.
    """
    batch: list[T] = []
    tokens = size_bytes = images = 0
    for content in contents:
        own_bytes, own_images = len(content.text.encode(errors="surrogatepass")), 0
        if content.parts:
            own_bytes += _media_bytes(content.parts)
            own_images = images_in([content.parts])
        tokens += content.tokens
        size_bytes += own_bytes
        images += own_images
        is_full = (
            len(batch) == max_texts
            or (max_tokens is not None and tokens > max_tokens)
            or size_bytes > MAX_BYTES
            or images > MAX_IMAGES
        )
        if batch and is_full:
            yield batch
            batch, tokens, size_bytes, images = [], content.tokens, own_bytes, own_images
        batch.append(content)
    if batch:
        yield batch


def _media_bytes(parts: Parts) -> int:
    return sum([part.size_bytes for part in parts if not isinstance(part, str)])


async def read_ahead(
    texts: AsyncIterable[object], titles: Iterable[str | None] | None, size: int
) -> AsyncGenerator[tuple[int, list[tuple[object, str | None]]], None]:
    """Yield batches of at most `size` contents with their titles, each with its first position.

    A batch ends early if its media hold 4 MB of memory. If `texts` raises, the texts before the
    error are yielded first.

    Raises:
        InvalidInputError: The number of titles differs from the number of texts.
    """
    remaining = repeat(None) if titles is None else iter(titles)
    first = held = 0
    run: list[tuple[object, str | None]] = []
    problem: Exception | None = None
    try:
        async for text in texts:
            run.append((text, _next_title(remaining)))
            held += 0 if isinstance(text, str) else held_bytes(text)
            if len(run) == size or held >= MAX_BYTES:
                yield first, run
                first, run, held = first + len(run), [], 0
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
