"""Calls of a Qdrant client, repeated where the connection is lost or the server asks to wait.

`RetryingClient` is the one way in which shared operations call a client, so no call can do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant._retry_policy import RetryPolicy, read_retry_after, uncut
from langchain_gemini_qdrant.errors import StorageError
from langchain_gemini_qdrant.vectorstores._points import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import AsyncClock

# Three retries outlive the restart of a server or a proxy, and report a wrong address soon.
_RETRIES = RetryPolicy(max_retries=3, initial_delay=0.5, max_delay=10.0)
# The second one of these changes nothing, or fails in a way that the operation recognises.
_WRITES = frozenset(
    {
        *("batch_update_points", "delete", "set_payload", "upsert"),
        *("create_collection", "delete_collection", "update_collection"),
        *("create_payload_index", "update_collection_aliases"),
    }
)
_TRANSIENT_STATUS = frozenset({429, 502, 503, 504})
# A wrong key, no right to write, no such collection.
_REFUSED_STATUS = frozenset({401, 403, 404})
_REFUSED_CODES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
    }
)


class RetryingClient:
    """A client whose methods are awaited and retried; cast it to `AsyncQdrantClient`.

    Args:
        client: A sync one if `blocking`, else an asynchronous one.
        clock: Waits between retries.
        random: Spreads them.
        blocking: Whether a call is done before its `await` returns.
    """

    def __init__(
        self,
        client: QdrantClient | AsyncQdrantClient,
        clock: AsyncClock,
        random: Random,
        *,
        blocking: bool,
    ) -> None:
        self._client = client
        self._clock = clock
        self._random = random
        self._blocking = blocking

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._client, name)
        is_write = name in _WRITES

        async def call(*args: object, **kwargs: object) -> object:
            attempt = 0
            while True:
                try:
                    result = method(*args, **kwargs)
                    return result if self._blocking else await result
                except Exception as error:
                    retry_after = _retry_after(error)
                    may_help = retry_after is not None or is_lost(error, is_write=is_write)
                    if attempt == _RETRIES.max_retries or not may_help:
                        raise
                    why = reason(error)
                delay = _RETRIES.delay(attempt, retry_after=retry_after, random=self._random)
                said = "Qdrant: waiting %.1f s for a retry of %s, after %s"
                LOGGER.info(said, delay, name, why, extra={"waiting_s": delay})
                await self._clock.asleep(delay)
                attempt += 1

        return call


def _retry_after(error: Exception) -> float | None:
    """Return the seconds that a server asks to wait, None if it does not ask."""
    if isinstance(error, ResourceExhaustedResponse):
        return uncut(error.retry_after_s)
    if isinstance(error, UnexpectedResponse) and error.status_code in _TRANSIENT_STATUS:
        seconds = read_retry_after(error.headers)
        return None if seconds is None else uncut(seconds)
    return None


def is_lost(error: Exception, *, is_write: bool) -> bool:
    """Return whether the request, or its answer, was lost on the way.

    A search that took too long would take as long again; a write may have been done meanwhile.
    """
    if isinstance(error, ResponseHandlingException):
        source = error.source
        return isinstance(source, httpx.TransportError) and (
            is_write or not isinstance(source, httpx.TimeoutException)
        )
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _TRANSIENT_STATUS
    if type(error) is QdrantException:  # its client raises it for a 429 whose delay is a date
        return True
    if isinstance(error, grpc.RpcError):
        timeout = is_write and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        return timeout or error.code() is grpc.StatusCode.UNAVAILABLE
    return False


def refuses_all(error: Exception) -> bool:
    """Return whether any other write would meet this error, too, after all retries of this one."""
    if isinstance(error, UnexpectedResponse) and error.status_code in _REFUSED_STATUS:
        return True
    if isinstance(error, grpc.RpcError) and error.code() in _REFUSED_CODES:
        return True
    fatal = (ResourceExhaustedResponse, StorageError)
    return isinstance(error, fatal) or is_lost(error, is_write=True)
