"""Check texts near a model's input limit, with as few token counts by the API as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.errors import RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec
    from langchain_gemini_qdrant.embeddings._vectors import Result

_SAMPLES = 8  # texts that are counted before their counts are applied to others
_MARGIN = 1.15  # on top of the largest true count per estimated token among the samples
_ALIKE = 0.1  # texts whose tokens per byte differ by less than this are of one kind


class Counted(NamedTuple):
    """The result of counting a text's tokens.

    Attributes:
        density: Estimated tokens per byte.
        ratio: True tokens per estimated token.
    """

    density: float
    ratio: float


async def too_long(
    spec: RequestSpec,
    contents: Sequence[Content],
    count: Callable[[Sequence[Content]], Awaitable[list[Result[int]]]],
    known: list[Counted],
) -> set[Content]:
    """Return the contents over the model's input limit.

    In texts of one kind, the ratio of true to estimated tokens is nearly constant. So a sample is
    counted, and then only those texts that the sample does not decide.

    Args:
        spec: The request specification of the model.
        contents: Contents whose estimate is near the limit.
        count: Asks the API for the tokens of several texts.
        known: Counts of the same call; those made here are added.

    Raises:
        EmbeddingError: The API supports token counts, but this count failed.
    """
    counts: dict[Content, int] = {}
    try:
        for most in (_SAMPLES, None):
            rest = [
                c for c in contents if c not in counts and not _is_short(c, known, spec.room(c))
            ]
            step = 1 if most is None else max(len(rest) // most, 1)
            chosen = rest[::step][:most]
            for content, result in zip(chosen, await count(chosen), strict=True):
                counts[content] = tokens = result.unwrap()
                known.append(Counted(_density(content), tokens / _text_tokens(content)))
    except RequestRejectedError as error:
        warn(
            f"{spec.model}: tokens cannot be counted (countTokens answered {error.status_code}): "
            "the lengths of long texts are estimated, with an error of up to a third"
        )
        return {c for c in contents if counts.get(c, _text_tokens(c)) > spec.room(c)}
    return {content for content, tokens in counts.items() if tokens > spec.room(content)}


def _is_short(content: Content, known: Sequence[Counted], room: float) -> bool:
    """Return whether the counts of similar texts show that a text is within the limit."""
    density = _density(content)
    ratios = [c.ratio for c in known if abs(c.density - density) <= _ALIKE * density]
    return bool(ratios) and _text_tokens(content) * max(ratios) * _MARGIN <= room


def _density(content: Content) -> float:
    """Return the estimated tokens per byte, which distinguish prose, code, digits and noise."""
    return _text_tokens(content) / len(content.text.encode())


def _text_tokens(content: Content) -> int:
    """Return the estimated tokens of a text alone: the API counts it without its media."""
    return content.tokens - content.media_tokens
