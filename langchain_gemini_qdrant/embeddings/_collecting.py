"""The passages of one call, each sent once, and the vectors that come back, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import EmbeddingError, PartialEmbeddingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.embeddings._concurrency import Outcome
    from langchain_gemini_qdrant.embeddings._request import Form, Passage
    from langchain_gemini_qdrant.embeddings._send import Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """What a `PartialEmbeddingError` remembers, so that only its failures are sent again."""

    form: Form
    passages: Sequence[Passage]


class Collection:
    """Vectors by passage, for passages that may repeat."""

    def __init__(
        self,
        form: Form,
        passages: Sequence[Passage],
        known: Sequence[Vector | None] | None = None,
        *,
        first: int = 0,
    ) -> None:
        """Start with the vectors that are known; `first` is the position of the first passage."""
        self._form = form
        self._first = first
        self._passages = passages
        self._vectors: dict[Passage, Vector] = {}
        self._errors: dict[Passage, EmbeddingError] = {}
        if known is not None:
            pairs = zip(passages, known, strict=True)
            self._vectors = {passage: vector for passage, vector in pairs if vector is not None}

    @property
    def missing(self) -> list[Passage]:
        """Passages without a vector, each once, in order."""
        return [
            passage for passage in dict.fromkeys(self._passages) if passage not in self._vectors
        ]

    def indices(self, passages: set[Passage]) -> list[int]:
        """Return the positions at which these passages were given."""
        return [i for i, p in enumerate(self._passages, self._first) if p in passages]

    def take(self, batch: Sequence[Passage], outcome: Outcome[list[Vector]]) -> None:
        """Keep what became of a batch."""
        if outcome.error is None:
            self._vectors.update(zip(batch, outcome.unwrap(), strict=True))
        else:
            self._errors.update(dict.fromkeys(batch, outcome.error))

    def vectors(self) -> list[Vector]:
        """Return one vector for each passage, in order.

        Raises:
            EmbeddingError: Nothing came back, for one reason.
            PartialEmbeddingError: Some failed, or for several reasons.
        """
        if not self._errors:
            return [self._vectors[passage] for passage in self._passages]
        # Requests under way together may each have met it.
        causes = list({str(error): error for error in self._errors.values()}.values())
        if not self._vectors and len(causes) == 1:
            raise causes[0]
        failures = {
            i: self._errors[passage]
            for i, passage in enumerate(self._passages)
            if passage in self._errors
        }
        error = PartialEmbeddingError(
            f"{self._form.model}: {len(failures)} of {len(self._passages)} texts could not be "
            f"embedded, at index {_ranges(list(failures))}; `vectors` has the others and "
            f"`retry_failed` sends these again. The first failure: {causes[0]}",
            model=self._form.model,
            vectors=[self._vectors.get(passage) for passage in self._passages],
            failures=failures,
        )
        error.unfinished = Unfinished(form=self._form, passages=self._passages)
        raise error from causes[0]


def _ranges(indices: Sequence[int]) -> str:
    """Return `0-99, 120` for the sorted numbers 0 to 99 and 120."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
