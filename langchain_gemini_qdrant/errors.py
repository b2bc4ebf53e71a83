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

import shlex
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
        # By default, copying and unpickling call the exception's class with the message only.
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
    """Texts exceed the model's input limit; the API would silently truncate them.

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
        retry_after: Seconds until the server accepts requests again, None if it did not say. Google
            truncates its delay to whole seconds, so one second is added to a whole number.
        limits: The quotas that are used up, each as its unit (what it counts) with its size, or
            None if the server did not report the size; empty if the server named no quota.
        limit: The size of the first of these quotas, None if the server did not report it.
        unit: What that quota counts, None if the server did not report it.
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
        retry_after: None for a daily quota, which is renewed at midnight Pacific time; the delay
            of a few seconds that Google sends with it does not help. Otherwise the seconds that
            the server asks for, more than an hour.

    Source: https://ai.google.dev/gemini-api/docs/rate-limits
    """


class BillingError(RateLimitError):
    """429 that waiting does not resolve: a balance, a spending cap, or a quota of 0 in the tier.

    Attributes:
        retry_after: Always None, even if the server sends a delay.

    Source: https://ai.google.dev/gemini-api/docs/billing
    """


class ServiceError(EmbeddingError):
    """5xx, a timeout, or a lost or refused connection.

    Attributes:
        retry_after: Seconds that the server asks to wait, None if it sent no delay.
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
        refuses_all: Whether every other request would be refused, too, because the key, the
            project, the location or the model is wrong, and not the texts.
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
        vectors: One entry for each text, in order: its vector, or None if the text failed.
        failures: The error of each failed text, by the text's position, counted from 0.
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
        missing: Ids of the documents that are not known to be stored. They may be stored if only
            the answer was lost, or if only a part of a cluster accepted them. Add them again under
            these ids.
    """

    def __init__(
        self, message: str, *, written: Sequence[str | int], missing: Sequence[str | int]
    ) -> None:
        super().__init__(message)
        self.written = list(written)
        self.missing = list(missing)


class IngestError(GeminiQdrantError):
    """A run of `ingest` did not store all documents; run it again to resume.

    `__cause__` is the error that stopped the run early. If the run was not stopped, it is the error
    of the first document that failed, or None if nothing was sent for that document.
    `report.causes` has one error for each reason.

    Attributes:
        report: Counts of the run, and the reasons of failures by id.
    """

    def __init__(self, message: str, *, report: IngestReport) -> None:
        super().__init__(message)
        self.report = report


class OptimizationError(GeminiQdrantError):
    """A server failed to build a collection's graphs and codes, or exceeded the time given.

    Attributes:
        status: The collection's status: `"red"` if building failed, else `"yellow"` or `"grey"`.
    """

    def __init__(self, message: str, *, status: Literal["green", "yellow", "grey", "red"]) -> None:
        super().__init__(message)
        self.status = status


class CollectionMismatchError(GeminiQdrantError, ValueError):
    """An existing collection's vectors, embedding, quantization or indexes differ from yours."""


class StorageError(GeminiQdrantError):
    """The embedded engine failed, or its folder cannot be used."""


class LocalModeError(StorageError):
    """The folder belongs to qdrant-client's local mode, which uses a different format.

    Nothing is wrong with the folder, and nothing was written into it. `migrate` copies its
    collections into a folder of the embedded engine.

    Attributes:
        path: The folder's path.
        collections: Names of the collections in it.
    """

    def __init__(self, path: str, collections: Sequence[str]) -> None:
        call = "migrate(QdrantClient(path={!r}), EdgeClient({!r}), {!r})"
        name = next(iter(collections), "name")
        copy = f"{path}-edge"
        command = shlex.join(
            ("gemini-qdrant", "migrate", "--path", path, "--collection", name, "--to-path", copy)
        )
        super().__init__(
            f"{path} is a folder of qdrant-client's local mode, with the collections "
            f"{list(collections)}. Nothing is wrong with it, but Qdrant Edge uses a different "
            "format. Copy each collection into a new folder with "
            f"{call.format(path, copy, name)}, and open that "
            "folder; or pass client=QdrantClient(path=...) to use this one as it is. In a shell, "
            f"`{command}` copies a collection"
        )
        self.path = path
        self.collections = tuple(collections)
