"""Which failed requests are sent again in halves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from langchain_gemini_qdrant.embeddings._response import NoVectorError
from langchain_gemini_qdrant.embeddings._vectors import Result, Vectors
from langchain_gemini_qdrant.errors import (
    GeminiQdrantError,
    InvalidInputError,
    RequestRejectedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.embeddings._call import CallContext
    from langchain_gemini_qdrant.embeddings._request import Content

# A request that is too large: the status of a proxy, and the words of Google, whose status is 400.
_TOO_LARGE_STATUS = 413
_TOO_LARGE = "payload size exceeds the limit"


class SentInHalvesError(GeminiQdrantError):
    """A request of several contents was not sent, because its halves may pass."""


def is_worth_halving(
    call: CallContext, error: GeminiQdrantError, contents: Sequence[Content]
) -> bool:
    """Return whether the halves of a request that failed are sent."""
    if not isinstance(error, RequestRejectedError):
        return halves_may_pass(error)
    return _is_too_large(error) or (
        error is not call.fatal_error and any(content.parts for content in contents)
    )


def after_failure(
    call: CallContext, contents: Sequence[Content], error: GeminiQdrantError
) -> tuple[Vectors, list[list[Content]]]:
    """Return what a failed request of several contents has given, and the requests to send next.

    If only one content got no vector, that is its result.
    """
    wanted = Vectors(call.spec, contents)
    if isinstance(error, NoVectorError):
        wanted, error.vectors = Vectors(call.spec, contents, error.vectors or None), ()
    missing = wanted.missing
    if len(missing) == 1:
        wanted.collect(missing, Result(error=error))
        return wanted, []
    call.event("halved", {"error.type": type(error).__name__, "gemini_qdrant.texts": len(missing)})
    half = len(missing) // 2
    return wanted, [missing[:half], missing[half:]]


def halves_may_pass(error: BaseException) -> TypeGuard[GeminiQdrantError]:
    """Return whether a request failed with an error that one of its halves may not get."""
    # InvalidInputError: a file has changed or is gone.
    return isinstance(
        error, RequestRejectedError | InvalidInputError | NoVectorError | SentInHalvesError
    )


def _is_too_large(error: RequestRejectedError) -> bool:
    return error.status_code == _TOO_LARGE_STATUS or _TOO_LARGE in str(error)
