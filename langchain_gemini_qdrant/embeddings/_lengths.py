"""Texts near a model's limit: counted by the API, as few of them as will do."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec
    from langchain_gemini_qdrant.embeddings._vectors import Result

_SAMPLES = 8  # texts that are counted before others are judged by them
_MARGIN = 1.15  # on top of the largest true count per estimated token among the samples
_ALIKE = 0.1  # by so much may tokens per byte differ from a sample's, in texts of one kind


async def too_long(
    spec: RequestSpec,
    contents: Sequence[Content],
    count: Callable[[Sequence[Content]], Awaitable[list[Result[int]]]],
    *,
    stacklevel: int,
) -> set[Content]:
    """Return the contents that are longer than the model reads.

    Prose of one kind has much the same number of true tokens for each estimated one. So some are
    counted, and of the others only those that these do not settle.

    Args:
        spec: Of the model.
        contents: Each near the limit by its estimate.
        count: Asks the API for the tokens of several texts.
        stacklevel: For a warning, from here to the line that calls.

    Raises:
        EmbeddingError: The API did not say, though it counts tokens.
    """
    limit = spec.max_input_tokens or 0
    step = max(len(contents) // _SAMPLES, 1)
    samples = list(contents[::step][:_SAMPLES])
    counts: dict[Content, int] = {}
    try:
        await _count(samples, counts, count)
        known = [(_density(c), tokens / c.tokens) for c, tokens in counts.items()]
        rest = [c for c in contents if c not in counts and not _is_short(c, known, limit)]
        await _count(rest, counts, count)
    except RequestRejectedError as error:
        warnings.warn(
            f"{spec.model}: tokens are not counted here ({error.status_code} of countTokens): the "
            "lengths of long texts are judged by an estimate that may be off by a third",
            stacklevel=stacklevel,
        )
        return {c for c in contents if counts.get(c, c.tokens) > limit}
    return {content for content, tokens in counts.items() if tokens > limit}


async def _count(
    contents: Sequence[Content],
    counts: dict[Content, int],
    count: Callable[[Sequence[Content]], Awaitable[list[Result[int]]]],
) -> None:
    for content, result in zip(contents, await count(contents), strict=True):
        counts[content] = result.unwrap()


def _is_short(content: Content, known: Sequence[tuple[float, float]], limit: int) -> bool:
    """Say whether the counts of texts of its kind show that a text is within the limit."""
    density = _density(content)
    ratios = [ratio for other, ratio in known if abs(other - density) <= _ALIKE * density]
    return bool(ratios) and content.tokens * max(ratios) * _MARGIN <= limit


def _density(content: Content) -> float:
    """Return the estimated tokens of a byte, which tell prose from code, digits and noise."""
    return content.tokens / len(content.text.encode())
