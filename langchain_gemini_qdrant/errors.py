"""The errors of this package.

```
GeminiQdrantError                        base class of all errors of this package
├─ ConfigurationError (ValueError)       a wrong or missing setting; before any request
├─ InvalidInputError (ValueError)        a text, document or point is not valid; indices
│  └─ TextTooLongError                   a text over the model's input limit; nothing was embedded
├─ EmbeddingError                        model, attempts, status_code; __cause__ is the SDK's error
│  ├─ RateLimitError                     429 after the last retry; retry_after in s, limit, unit
│  │  ├─ DailyQuotaError                 the day's quota is used up; not retried
│  │  └─ BillingError                    429 about credits, spending cap or limit 0; not retried
│  ├─ ServiceError                       5xx, timeout or lost connection after the last retry
│  ├─ RequestRejectedError               any other 4xx; never retried
│  ├─ ResponseMismatchError              count, size or numbers of the vectors are wrong
│  └─ PartialEmbeddingError              some texts failed; vectors of the others, failures by index
├─ PartialWriteError                     some documents are stored, others may not be; ids of both
├─ IngestError                           an ingest run did not store everything; see `report`
├─ OptimizationError                     graphs or codes were not built; status
├─ CollectionMismatchError (ValueError)  an existing collection's size, distance or embedding
└─ StorageError                          the embedded engine failed, or its folder cannot be used
   └─ LocalModeError                     the folder is one of qdrant-client's local mode; migrate it
```

Messages never contain an API key or a document's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_gemini_qdrant.ingestion._report import IngestReport


__all__ = [
    "BillingError",
    "CollectionMismatchError",
    "ConfigurationError",
    "DailyQuotaError",
    "EmbeddingError",
    "GeminiQdrantError",
    "IngestError",
    "InvalidInputError",
    "LocalModeError",
    "OptimizationError",
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

    def __reduce__(self) -> tuple[object, ...]:
        # An exception is otherwise copied and unpickled by a call with its message alone.
        return self.__class__.__new__, (self.__class__, *self.args), self.__dict__


class ConfigurationError(GeminiQdrantError, ValueError):
    """A setting is wrong or missing; nothing was sent."""


class InvalidInputError(GeminiQdrantError, ValueError):
    """Some inputs are not valid; nothing was sent or stored.

    Attributes:
        indices: Positions of the refused inputs in what the caller passed, from 0.
    """

    def __init__(self, message: str, *, indices: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.indices = tuple(indices)


class TextTooLongError(InvalidInputError):
    """Texts are over the model's input limit; the API would silently truncate them.

    Attributes:
        indices: Positions of the texts, from 0.
        max_input_tokens: The model's input limit.
    """

    def __init__(self, message: str, *, indices: Sequence[int], max_input_tokens: int) -> None:
        super().__init__(message, indices=indices)
        self.max_input_tokens = max_input_tokens


class EmbeddingError(GeminiQdrantError):
    """The Gemini API returned no usable response.

    Attributes:
        model: The model that was asked.
        attempts: How many times the request was sent.
        status_code: HTTP status (gRPC codes are translated), None if there was no response.
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
        retry_after: Seconds after which the server takes requests again, None if it did not say.
            Google cuts its delay to whole seconds; what the cut may hide is added.
        limits: The quotas that are used up: what each counts, with its size or None if the server
            did not say it; empty if the server named none.
        limit: The size of the first of them, None if the server did not say.
        unit: What that quota counts, None if the server did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        retry_after: float | None = None,
        limits: Mapping[Literal["texts", "tokens"], float | None] | None = None,
        limit: float | None = None,
        unit: Literal["texts", "tokens"] | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message, model=model, status_code=429, attempts=attempts)
        self.retry_after = retry_after
        self.limits = dict(limits or ({} if unit is None else {unit: limit}))
        self.unit, self.limit = next(iter(self.limits.items()), (unit, limit))


class DailyQuotaError(RateLimitError):
    """429: the day's quota is used up, or the server asks to wait for more than an hour.

    Attributes:
        retry_after: None for the quota of a day, which is renewed at midnight Pacific time: the
            delay of some seconds that Google names beside it does not help. Else the seconds that
            the server asks for, more than an hour.

    Source: https://ai.google.dev/gemini-api/docs/rate-limits
    """


class BillingError(RateLimitError):
    """429 that waiting does not end: a balance, a spending cap, or a quota of 0 in the tier.

    Attributes:
        retry_after: None, whatever delay the server names.

    Source: https://ai.google.dev/gemini-api/docs/billing
    """


class ServiceError(EmbeddingError):
    """5xx, a timeout, or a lost or refused connection.

    Attributes:
        retry_after: Seconds that the server asks to wait, None if it did not say.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        status_code: int | None = None,
        retry_after: float | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message, model=model, status_code=status_code, attempts=attempts)
        self.retry_after = retry_after


class RequestRejectedError(EmbeddingError):
    """4xx other than 429, or 501: the same request would be refused again.

    Attributes:
        refuses_all: Any other request would be refused, too: the key, the project, the place or
            the model is what is wrong, and not the texts.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        status_code: int | None = None,
        refuses_all: bool = False,
        attempts: int = 1,
    ) -> None:
        super().__init__(message, model=model, status_code=status_code, attempts=attempts)
        self.refuses_all = refuses_all


class ResponseMismatchError(EmbeddingError):
    """The response does not match the request: count, size, or numbers that are not finite."""


class PartialEmbeddingError(EmbeddingError):
    """Some texts could not be embedded; the vectors of the others are here.

    Attributes:
        vectors: One for each text, in order; None if the text failed.
        failures: The error of each failed text, by its position from 0.
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
    """Some documents are stored, and others could not be; `__cause__` is the reason.

    Attributes:
        written: Ids of the documents that are stored, in the order given.
        missing: Ids of the documents that are not known to be stored. They may be, where only
            the answer was lost or a part of a cluster took them; add them again under these ids.
    """

    def __init__(
        self, message: str, *, written: Sequence[str | int], missing: Sequence[str | int]
    ) -> None:
        super().__init__(message)
        self.written = list(written)
        self.missing = list(missing)


class IngestError(GeminiQdrantError):
    """A run of `ingest` did not store all documents; run it again to resume.

    `__cause__` is the error that ended the run early; if it ran to its end, the error of the first
    document that failed, None if nothing was sent for it. `report.causes` has one for each reason.

    Attributes:
        report: Counts of the run, and the reasons of failures by id.
    """

    def __init__(self, message: str, *, report: IngestReport) -> None:
        super().__init__(message)
        self.report = report


class OptimizationError(GeminiQdrantError):
    """A server could not build a collection's graphs and codes, or not in the time given.

    Attributes:
        status: The collection's: `"red"` if it failed, else `"yellow"` or `"grey"`.
    """

    def __init__(self, message: str, *, status: Literal["green", "yellow", "grey", "red"]) -> None:
        super().__init__(message)
        self.status = status


class CollectionMismatchError(GeminiQdrantError, ValueError):
    """An existing collection's vectors, embedding, quantization or indexes differ from yours."""


class StorageError(GeminiQdrantError):
    """The embedded engine failed, or its folder cannot be used."""


class LocalModeError(StorageError):
    """The folder is one of qdrant-client's local mode, which has a format of its own.

    Nothing is wrong with the folder, and nothing was written into it. `migrate` copies its
    collections into a folder of the embedded engine.

    Attributes:
        path: The folder.
        collections: Names of the collections in it.
    """

    def __init__(self, path: str, collections: Sequence[str]) -> None:
        call = "migrate(QdrantClient(path={!r}), EdgeClient({!r}), {!r})"
        super().__init__(
            f"{path} is a folder of qdrant-client's local mode, with the collections "
            f"{list(collections)}. Nothing is wrong with it, but Qdrant Edge has another format. "
            "Copy each collection into a new folder with "
            f"{call.format(path, f'{path}-edge', next(iter(collections), 'name'))}, and open that "
            "folder; or pass client=QdrantClient(path=...) to use this one as it is"
        )
        self.path = path
        self.collections = tuple(collections)
