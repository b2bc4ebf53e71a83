"""The vectors of one call, collected by the batch and returned in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    EmbeddingError,
    GeminiQdrantError,
    PartialEmbeddingError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from langchain_gemini_qdrant.embeddings._backends.protocol import Vector
    from langchain_gemini_qdrant.embeddings._request import Content, RequestSpec

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result(Generic[T]):
    """The result of an operation: a value, or an error of this package."""

    value: T | None = None
    error: GeminiQdrantError | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value] # either it or the error is set


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfinished:
    """The data of a `PartialEmbeddingError` that are needed to send only its failures again."""

    spec: RequestSpec
    contents: Sequence[Content]


class Vectors:
    """The vectors of a call's contents; repeated contents are sent once."""

    def __init__(
        self,
        spec: RequestSpec,
        contents: Sequence[Content],
        known: Sequence[Vector | None] | None = None,
        *,
        first: int = 0,
    ) -> None:
        """Start with the known vectors; `first` is the position of the first content."""
        self.spec = spec
        self._first = first
        self._contents = contents
        self._vectors: dict[Content, Vector] = {}
        self._errors: dict[Content, Exception] = {}
        if known is not None:
            pairs = zip(contents, known, strict=True)
            self._vectors = {content: vector for content, vector in pairs if vector is not None}

    @classmethod
    def unfinished(cls, error: PartialEmbeddingError) -> Vectors:
        """Return the vectors of a failed call, some of which are missing.

        Raises:
            ConfigurationError: The error was not raised by a call.
        """
        left = getattr(error, "unfinished", None)
        if not isinstance(left, Unfinished):
            raise ConfigurationError(
                "retry_failed takes a PartialEmbeddingError that a call has raised"
            )
        known = [vector and [*vector] for vector in error.vectors]  # the error keeps its own
        return cls(left.spec, left.contents, known)

    @property
    def missing(self) -> list[Content]:
        """Contents without a vector, each once, in order."""
        return [
            content for content in dict.fromkeys(self._contents) if content not in self._vectors
        ]

    @property
    def missing_count(self) -> int:
        """Number of the call's texts without a vector; repeated texts count each time."""
        if not self._vectors:
            return len(self._contents)
        return len([c for c in self._contents if c not in self._vectors])

    def indices(self, contents: set[Content]) -> list[int]:
        """Return the positions of these contents in the call."""
        return [i for i, c in enumerate(self._contents, self._first) if c in contents]

    def collect(self, batch: Sequence[Content], result: Result[list[Vector]]) -> None:
        """Keep the results of a batch."""
        if result.error is None:
            self._vectors.update(zip(batch, result.unwrap(), strict=True))
            return
        for content, outcome in outcomes(batch, result.error).items():
            if isinstance(outcome, Exception):
                self._errors[content] = outcome
            else:
                self._vectors[content] = outcome

    def make_lists(self, batch: Sequence[Content]) -> None:
        """Replace the arrays of a batch by lists."""
        for content in batch:
            if content in self._vectors:
                self._vectors[content] = as_list(self._vectors[content])

    def done(self) -> tuple[list[Content], list[Vector | Exception]]:
        """Return the contents that have a vector or an error, with these."""
        found: dict[Content, Vector | Exception] = {**self._vectors, **self._errors}
        return list(found), list(found.values())

    def outcomes(self) -> list[Vector | Exception]:
        """Return for each content its vector or its error, in order."""
        pairs = zip(self._contents, self._in_order(), strict=True)
        return [self._errors[content] if vector is None else vector for content, vector in pairs]

    def all(self) -> list[Vector]:
        """Return one vector for each content, in order.

        Raises:
            GeminiQdrantError: All failed for the same reason.
            PartialEmbeddingError: Some failed, or all failed for several reasons.
        """
        if not self._errors:
            return [vector for vector in self._in_order() if vector is not None]
        # Concurrent requests may each have got the same error.
        causes = list({str(error): error for error in self._errors.values()}.values())
        if not self._vectors and len(causes) == 1:
            raise causes[0]
        failures = {
            i: self._failure(self._errors[content])
            for i, content in enumerate(self._contents)
            if content in self._errors
        }
        first = next(iter(failures.values()))
        error = PartialEmbeddingError(
            f"{self.spec.model}: {len(failures)} of {len(self._contents)} texts could not be "
            f"embedded, at index {_ranges(list(failures))}; `vectors` has the others and "
            f"`retry_failed` sends these again. The first failure: {first}",
            model=self.spec.model,
            vectors=[None if each is None else as_list(each) for each in self._in_order()],
            failures=failures,
        )
        error.unfinished = Unfinished(spec=self.spec, contents=self._contents)
        raise error from first

    def _in_order(self) -> Iterator[Vector | None]:
        """Yield the vector of each content; repeated contents get copies."""
        given = set()
        for content in self._contents:
            vector = self._vectors.get(content)
            yield vector.copy() if vector is not None and content in given else vector
            given.add(content)

    def _failure(self, error: Exception) -> EmbeddingError:
        if isinstance(error, EmbeddingError):
            return error
        failure = EmbeddingError(f"{self.spec.model}: {error}", model=self.spec.model)
        failure.__cause__ = error
        return failure


def as_list(vector: Vector) -> list[float]:
    """Return a vector in the form that callers get."""
    return vector if isinstance(vector, list) else vector.tolist()


def outcomes(batch: Sequence[Content], error: Exception) -> dict[Content, Vector | Exception]:
    """Return the result of each content of a batch that failed, completely or partly."""
    if not isinstance(error, PartialEmbeddingError):
        return dict.fromkeys(batch, error)
    return dict(zip(batch, outcomes_of(error), strict=True))


def outcomes_of(error: PartialEmbeddingError) -> list[list[float] | EmbeddingError]:
    """Return for each text of a call its vector or its error."""
    return [error.failures[i] if each is None else each for i, each in enumerate(error.vectors)]


def until_failure(batch: Sequence[Vector | Exception]) -> tuple[list[Vector], Exception | None]:
    """Return the vectors before the first failure, and that failure."""
    vectors: list[Vector] = []
    for each in batch:
        if isinstance(each, Exception):
            return vectors, each
        vectors.append(each)
    return vectors, None


def _ranges(indices: Sequence[int]) -> str:
    """Return `0-99, 120` for the sorted numbers 0 to 99 and 120."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
