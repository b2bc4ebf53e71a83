"""How many tokens a text has, and texts to requests by count and tokens."""

from __future__ import annotations

import re
import string
from collections.abc import AsyncIterable
from itertools import islice, repeat
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

# Pieces of one token each, as a subword tokenizer with a large vocabulary makes them of scripts
# other than ASCII: some 6 letters of an English word, 3 of another alphabet's, each digit, sign and
# Chinese character by itself, spaces with the word behind them.
_PIECE = re.compile(
    r"[A-Za-z]{1,6}|[0-9]|[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]"
    r"|[^\W\d_]{1,3}|\n+|[^\S\n]{2,}|[^\w\s]|[\d_]"
)
# Common pairs of Chinese characters are one token.
_IDEOGRAPH = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]")
_TOKENS_OF_AN_IDEOGRAPH = 0.8

# ASCII, which is most text, is counted without a regular expression: six times as fast.
_SIGN_CODES = (string.digits + string.punctuation).encode()
_LETTERS = bytes(c if chr(c).isalpha() else ord(" ") for c in range(128)) + bytes(128)
_SIGNS = bytes(ord(".") if c in _SIGN_CODES else c for c in range(128)) + bytes(128)
_LETTERS_BEYOND_A_WORD = 10  # a further token for so many: 1.3 to 1.5 tokens a word of English


class HasText(Protocol):
    """Anything with a text to be sent."""

    @property
    def text(self) -> str:
        """The text as it is sent."""


T = TypeVar("T", bound=HasText)
V = TypeVar("V")


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text in any script, without a tokenizer; at least 1.

    For prose, code and mixtures it is meant to be within a third of the truth; a text of one
    repeated character can be further off. English comes to the 4 characters a token that
    https://ai.google.dev/gemini-api/docs/tokens gives.
    """
    if text.isascii():
        return max(1, _ascii_tokens(text.encode()))
    tokens = len(_PIECE.findall(text))
    tokens -= round((1 - _TOKENS_OF_AN_IDEOGRAPH) * len(_IDEOGRAPH.findall(text)))
    return max(1, tokens)


def _ascii_tokens(text: bytes) -> int:
    words = text.translate(_LETTERS).split()
    letters = sum(map(len, words))
    signs = text.translate(_SIGNS).count(b".")
    lines = text.count(b"\n") + text.count(b"\n ")  # and their indentation
    return len(words) + letters // _LETTERS_BEYOND_A_WORD + signs + lines


def batches(
    passages: Iterable[T],
    *,
    max_texts: int,
    max_tokens: float | None = None,
    estimate: Callable[[str], int] = estimate_tokens,
) -> Iterator[list[T]]:
    """Yield consecutive runs of at most `max_texts` texts and `max_tokens` tokens, none empty.

    A text of more than `max_tokens` goes alone.
    """
    batch: list[T] = []
    tokens = 0
    for passage in passages:
        size = estimate(passage.text) if max_tokens is not None else 0
        if batch and (
            len(batch) == max_texts or (max_tokens is not None and tokens + size > max_tokens)
        ):
            yield batch
            batch, tokens = [], 0
        batch.append(passage)
        tokens += size
    if batch:
        yield batch


def chunks(
    texts: Iterable[str], titles: Iterable[str | None] | None, size: int
) -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """Yield runs of at most `size` texts with their titles, each with its first position.

    Raises:
        ValueError: There are fewer or more titles than texts.
    """
    pairs = zip(texts, repeat(None)) if titles is None else zip(texts, titles, strict=True)
    first = 0
    while chunk := list(islice(pairs, size)):
        yield first, chunk
        first += len(chunk)


async def achunks(
    texts: Iterable[str] | AsyncIterable[str],
    titles: Iterable[str | None] | None,
    size: int,
) -> AsyncIterator[tuple[int, list[tuple[str, str | None]]]]:
    """Yield runs of texts; see `chunks`."""
    if not isinstance(texts, AsyncIterable):
        for first, chunk in chunks(texts, titles, size):
            yield first, chunk
        return
    remaining = repeat(None) if titles is None else iter(titles)
    first, chunk = 0, []
    async for text in texts:
        chunk.append((text, next(remaining)))
        if len(chunk) == size:
            yield first, chunk
            first, chunk = first + size, []
    if chunk:
        yield first, chunk


async def iterate(values: Iterable[V]) -> AsyncIterator[V]:
    """Yield values where an asynchronous iterator is wanted."""
    for value in values:
        yield value
