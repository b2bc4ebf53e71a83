"""Everything that this package raises on purpose.

```
GeminiQdrantError                        catch this to catch all of ours
├─ ConfigurationError (ValueError)       a wrong or missing setting; before any request
├─ InvalidInputError (ValueError)        a text, document or point cannot be taken; indices
│  └─ TextTooLongError                   more tokens than the model reads; before it is embedded
├─ EmbeddingError                        model, attempts, status_code; __cause__ is the SDK's error
│  ├─ RateLimitError                     429 after the last retry; retry_after in s, limit, unit
│  │  └─ DailyQuotaError                 the day's quota is used up; not retried
│  ├─ ServiceError                       5xx, timeout or connection lost after the last retry
│  ├─ RequestRejectedError               any other 4xx; never retried
│  ├─ ResponseMismatchError              count, size or numbers of the vectors are wrong
│  └─ PartialEmbeddingError              some texts failed; vectors of the others, failures by index
├─ PartialWriteError                     some documents are stored, others not; ids of both
├─ IngestError                           an ingest run did not store everything; see `report`
├─ CollectionMismatchError (ValueError)  an existing collection's size, distance or embedding
└─ StorageError                          the embedded engine failed, or its folder cannot be used
```

Messages never contain an API key or a document's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_gemini_qdrant.ingestion._report import IngestReport


__all__ = [
    "CollectionMismatchError",
    "ConfigurationError",
    "DailyQuotaError",
    "EmbeddingError",
    "GeminiQdrantError",
    "IngestError",
    "InvalidInputError",
    "PartialEmbeddingError",
    "PartialWriteError",
    "RateLimitError",
    "RequestRejectedError",
    "ResponseMismatchError",
    "ServiceError",
    "StorageError",
    "TextTooLongError",
]


class GeminiQdrantError(Exception):
    """Base class of all errors of this package."""


class ConfigurationError(GeminiQdrantError, ValueError):
    """A setting is wrong or missing; nothing was sent."""


class InvalidInputError(GeminiQdrantError, ValueError):
    """Some inputs cannot be taken; nothing was sent or stored.

    Attributes:
        indices: Positions of the refused inputs in what the caller passed, from 0.
    """

    def __init__(self, message: str, *, indices: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.indices = tuple(indices)


class TextTooLongError(InvalidInputError):
    """Texts have more tokens than the model reads; the API would cut them without a word.

    Attributes:
        indices: Positions of the texts, from 0.
        max_input_tokens: What the model reads.
    """

    def __init__(self, message: str, *, indices: Sequence[int], max_input_tokens: int) -> None:
        super().__init__(message, indices=indices)
        self.max_input_tokens = max_input_tokens


class EmbeddingError(GeminiQdrantError):
    """The Gemini API gave no usable answer.

    Attributes:
        model: The model that was asked.
        attempts: How many times the request was sent.
        status_code: HTTP status (gRPC codes are translated), None where no answer came.
    """

    def __init__(
        self, message: str, *, model: str, status_code: int | None = None, attempts: int = 1
    ) -> None:
        super().__init__(message)
        self.model = model
        self.attempts = attempts
        self.status_code = status_code


class RateLimitError(EmbeddingError):
    """429: a quota is used up.

    Attributes:
        retry_after: Seconds the server asks to wait, None where it did not say.
        limit: The quota's size, None where the server did not say.
        unit: What the quota counts, None where the server did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        retry_after: float | None = None,
        limit: float | None = None,
        unit: Literal["texts", "tokens"] | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message, model=model, status_code=429, attempts=attempts)
        self.retry_after = retry_after
        self.limit = limit
        self.unit = unit


class DailyQuotaError(RateLimitError):
    """429: the quota of a day is used up; waiting some seconds does not help."""


class ServiceError(EmbeddingError):
    """5xx, a timeout, or a lost or refused connection."""


class RequestRejectedError(EmbeddingError):
    """4xx other than 429: the same request would be refused again."""


class ResponseMismatchError(EmbeddingError):
    """The answer does not fit the request: count, size, or numbers that are not finite."""


class PartialEmbeddingError(EmbeddingError):
    """Some texts could not be embedded; the vectors of the others are here.

    Attributes:
        vectors: One for each text, in order; None where it failed.
        failures: What went wrong, by the text's position from 0.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        vectors: Sequence[list[float] | None],
        failures: Mapping[int, EmbeddingError],
    ) -> None:
        first = next(iter(failures.values()))
        super().__init__(
            message, model=model, status_code=first.status_code, attempts=first.attempts
        )
        self.vectors = list(vectors)
        self.failures = dict(failures)
        self.unfinished: object = None  # for `retry_failed`


class PartialWriteError(GeminiQdrantError):
    """Adding documents broke off after some of them were stored; `__cause__` says why.

    Attributes:
        written: Ids of the documents that are stored, in the order given.
        missing: Ids of those that are not.
    """

    def __init__(
        self, message: str, *, written: Sequence[str | int], missing: Sequence[str | int]
    ) -> None:
        super().__init__(message)
        self.written = list(written)
        self.missing = list(missing)


class IngestError(GeminiQdrantError):
    """A run of `ingest` is over, and not all documents are stored; run it again to go on.

    `__cause__` is what ended the run before its time, None where it came to its end.

    Attributes:
        report: What is stored and what is not, by id and with the reasons.
    """

    def __init__(self, message: str, *, report: IngestReport) -> None:
        super().__init__(message)
        self.report = report


class CollectionMismatchError(GeminiQdrantError, ValueError):
    """An existing collection has other vectors, embedding, quantization or indexes than asked."""


class StorageError(GeminiQdrantError):
    """The embedded engine failed, or its folder cannot be used."""
