"""Texts near a model's limit: counted by the API, as few of them as will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.errors import RequestRejectedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec
    from langchain_gemini_qdrant.embeddings._vectors import Result

_SAMPLES = 8  # texts that are counted before others are judged by them
_MARGIN = 1.15  # on top of the largest true count per estimated token among the samples
_ALIKE = 0.1  # by so much may tokens per byte differ from a sample's, in texts of one kind


class Counted(NamedTuple):
    """What the count of a text has shown.

    Attributes:
        density: Estimated tokens of a byte.
        ratio: True tokens of each estimated one.
    """

    density: float
    ratio: float


async def too_long(
    spec: RequestSpec,
    contents: Sequence[Content],
    count: Callable[[Sequence[Content]], Awaitable[list[Result[int]]]],
    known: list[Counted],
) -> set[Content]:
    """Return the contents that are longer than the model reads.

    Prose of one kind has much the same number of true tokens for each estimated one. So some are
    counted, and of the others only those that these do not settle.

    Args:
        spec: Of the model.
        contents: Each near the limit by its estimate.
        count: Asks the API for the tokens of several texts.
        known: What counts of the same call have shown; those made here are added.

    Raises:
        EmbeddingError: The API did not say, though it counts tokens.
    """
    limit = spec.max_input_tokens or 0
    counts: dict[Content, int] = {}
    try:
        for most in (_SAMPLES, None):
            rest = [c for c in contents if c not in counts and not _is_short(c, known, limit)]
            step = 1 if most is None else max(len(rest) // most, 1)
            chosen = rest[::step][:most]
            for content, result in zip(chosen, await count(chosen), strict=True):
                counts[content] = tokens = result.unwrap()
                known.append(Counted(_density(content), tokens / content.tokens))
    except RequestRejectedError as error:
        warn(
            f"{spec.model}: tokens are not counted here ({error.status_code} of countTokens): the "
            "lengths of long texts are judged by an estimate that may be off by a third"
        )
        return {c for c in contents if counts.get(c, c.tokens) > limit}
    return {content for content, tokens in counts.items() if tokens > limit}


def _is_short(content: Content, known: Sequence[Counted], limit: int) -> bool:
    """Return whether the counts of texts of its kind show that a text is within the limit."""
    density = _density(content)
    ratios = [c.ratio for c in known if abs(c.density - density) <= _ALIKE * density]
    return bool(ratios) and content.tokens * max(ratios) * _MARGIN <= limit


def _density(content: Content) -> float:
    """Return the estimated tokens of a byte, which tell prose from code, digits and noise."""
    return content.tokens / len(content.text.encode())
