"""Check answers of the API before they are used."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import ResponseMismatchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.embeddings._backends.protocol import (
        EmbedAnswer,
        EmbedRequest,
        Vector,
    )

_MEDIA_TOKENS = 10_000  # more than the media of one content have
_UNIT_TOLERANCE = 1e-6  # float32 rounding of a unit vector of 3,072 components stays below it
_ADVICE = ". Check base_url: a gateway may send an error of its own with status 200"


class NoVectorError(ResponseMismatchError):
    """A request with media got `values: null`; sending the same again does not help.

    Attributes:
        vectors: The vectors of its other contents, in order; None for those without one.
    """

    vectors: Sequence[Vector | None] = ()


def check_answer(
    request: EmbedRequest, answer: EmbedAnswer, size: int | None
) -> list[Vector | None]:
    """Return the answer's vectors, scaled to length 1, if they match the request.

    None stands for a missing vector of a request with media; see `all_of`.

    Raises:
        ResponseMismatchError: Their count, size or numbers are wrong.
    """
    vectors = answer.vectors
    if request.parts and len(request.texts) == 1 and not vectors:
        return [None]  # as Vertex AI's answer is read
    if len(vectors) != len(request.texts):
        raise ResponseMismatchError(
            f"{request.model}: {len(request.texts)} texts were sent, {len(vectors)} "
            f"vectors were returned; none of them is used{'' if vectors else _ADVICE}",
            model=request.model,
        )
    size = size or max(map(len, vectors), default=0)
    return [
        None if request.parts and not len(vector) else _unit(vector, size, request)
        for vector in vectors
    ]


def all_of(request: EmbedRequest, vectors: Sequence[Vector | None]) -> list[Vector]:
    """Return the vectors of a checked answer.

    Raises:
        NoVectorError: One is missing.
    """
    found = [vector for vector in vectors if vector is not None]
    if len(found) == len(vectors):
        return found
    error = NoVectorError(
        f"{request.model}: no vector was returned for a content with media, with status 200: "
        "the API does so for bytes that are not of their MIME type or that it cannot read",
        model=request.model,
    )
    error.vectors = vectors
    raise error


def _unit(vector: Vector, size: int, request: EmbedRequest) -> Vector:
    if len(vector) != size:
        raise ResponseMismatchError(
            f"{request.model}: vectors of {size} components were requested, {len(vector)} were "
            "returned; none of them is used",
            model=request.model,
        )
    length = norm(vector)
    if not is_length(length):
        raise ResponseMismatchError(
            f"{request.model}: a vector of length {length} was returned; none of them is used",
            model=request.model,
        )
    if abs(length - 1.0) <= _UNIT_TOLERANCE:
        return vector
    if isinstance(vector, list):
        return [component / length for component in vector]
    return (vector.astype(float) / length).astype(vector.dtype)


def norm(vector: Vector) -> float:
    """Return the length (L2) of a vector, computed in float64."""
    if isinstance(vector, list):
        return math.hypot(*vector)
    import numpy as np  # noqa: PLC0415 - an array is there, so it is imported already

    with np.errstate(invalid="ignore"):  # NumPy warns of a NaN that is signalling
        wide = vector.astype(float)
        return math.sqrt(wide @ wide)


def is_length(norm: float) -> bool:
    """Return whether a vector of this length has a direction: no NaN, no infinity, not only 0."""
    return math.isfinite(norm) and norm > 0.0


def without_odd_count(answer: EmbedAnswer, request: EmbedRequest) -> EmbedAnswer:
    """Return an answer without its token count if the request cannot have that many."""
    media = len(request.texts) if request.parts else 0
    if answer.tokens is None or is_plausible(answer.tokens, request.texts, media=media):
        return answer
    return replace(answer, tokens=None, tokens_by_modality={})


def is_plausible(tokens: int, texts: Sequence[str], *, media: int = 0) -> bool:
    """Return whether texts can have this many tokens: each token has at least one byte."""
    most = sum([4 * len(text) + 16 for text in texts]) + media * _MEDIA_TOKENS
    return 0 < tokens <= most
