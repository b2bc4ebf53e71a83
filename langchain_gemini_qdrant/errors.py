"""Everything that this package raises on purpose.

```
GeminiQdrantError                        catch this to catch all of ours
├─ ConfigurationError (ValueError)       a wrong or missing setting; before any request
├─ InvalidInputError (ValueError)        a text, document or point cannot be taken; nothing sent
├─ EmbeddingError                        model, attempts, status_code; __cause__ is the SDK's error
│  ├─ RateLimitError                     429; retry_after (s, or None)
│  ├─ ServiceError                       5xx, timeout, connection lost
│  ├─ RequestRejectedError               any other 4xx; never retried
│  └─ ResponseMismatchError              count, size or numbers of the vectors are wrong
├─ CollectionMismatchError (ValueError)  an existing collection's size, distance or quantization
└─ StorageError                          the embedded engine failed, or its folder cannot be used
```

Messages never contain an API key or a document's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class GeminiQdrantError(Exception):
    """Catches every error that this package raises on purpose."""


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
    """

    def __init__(
        self, message: str, *, model: str, retry_after: float | None = None, attempts: int = 1
    ) -> None:
        super().__init__(message, model=model, status_code=429, attempts=attempts)
        self.retry_after = retry_after


class ServiceError(EmbeddingError):
    """5xx, a timeout, or a lost or refused connection."""


class RequestRejectedError(EmbeddingError):
    """4xx other than 429: the same request would be refused again."""


class ResponseMismatchError(EmbeddingError):
    """The answer does not fit the request: count, size, or numbers that are not finite."""


class CollectionMismatchError(GeminiQdrantError, ValueError):
    """An existing collection has another size, distance or quantization than was asked."""


class StorageError(GeminiQdrantError):
    """The embedded engine failed, or its folder cannot be used."""
