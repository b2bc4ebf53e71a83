"""Retry calls of a Qdrant client if the connection is lost or the server asks to wait.

Shared operations call a client only through `RetryingClient`, so every call is retried.
"""

from __future__ import annotations

from functools import partial
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from qdrant_client.http.exceptions import ResponseHandlingException

from langchain_gemini_qdrant._logging import LOGGER
from langchain_gemini_qdrant._retry_policy import LONGEST_DELAY, RetryPolicy
from langchain_gemini_qdrant._telemetry import running
from langchain_gemini_qdrant.embeddings._waiting import Waiting
from langchain_gemini_qdrant.vectorstores._qdrant_errors import read_failure, reason
from langchain_gemini_qdrant.vectorstores._tracing import record_failure, start_call

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from random import Random

    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import AsyncClock
    from langchain_gemini_qdrant._telemetry import Span
    from langchain_gemini_qdrant.embeddings._waiting import Waits

QUICK = RetryPolicy(max_retries=3, initial_delay=0.5, max_delay=2.0, floor=0.5)
"""For interactive calls: 1.7 to 3.5 s of waiting, then the error."""

PATIENT = RetryPolicy(max_retries=16, initial_delay=0.5, max_delay=10.0, floor=0.5)
"""For long runs: 64 to 128 s of waiting, so that a server may be down for a minute."""

_LONGEST_QUICK_DELAY = 61.0  # seconds; Qdrant's rate limits are per minute
_SHOWN = 100  # characters of a reason in a line of progress
_CALLS_MAX_RETRIES = 3  # if the server is available, and this call may be the cause
# Repeating these changes nothing, or fails in a way that the operation recognizes: creation finds
# its collection. All other methods that are called here only read.
_WRITES = frozenset(
    {
        *("batch_update_points", "delete", "set_payload", "upsert"),
        *("create_collection", "delete_collection", "update_collection"),
        *("create_payload_index", "update_collection_aliases"),
    }
)


class RetryingClient:
    """A client whose methods are awaited and retried; cast it to `AsyncQdrantClient`.

    Args:
        client: A sync client if `blocking`, else an async one.
        clock: Waits between retries.
        random: Randomizes the delays.
        blocking: Whether a call is done before its `await` returns.
        policy: How often and when to retry if the server is not available.
        waits: The waits of a run, for its progress; None for calls outside a run.
    """

    def __init__(
        self,
        client: QdrantClient | AsyncQdrantClient,
        clock: AsyncClock,
        random: Random,
        *,
        blocking: bool,
        policy: RetryPolicy = QUICK,
        waits: Waits | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._random = random
        self._blocking = blocking
        self._policy = policy
        self._waits = waits

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._client, name)

        async def call(*args: object, **kwargs: object) -> object:
            span = start_call(self._client, method, name, args, kwargs)
            if span is None:
                return await self._retried(None, name, partial(method, *args, **kwargs))
            with running(span):
                return await self._retried(span, name, partial(method, *args, **kwargs))

        return call

    async def _retried(self, span: Span | None, name: str, send: Callable[[], Any]) -> object:
        attempt = 0
        while True:
            try:
                return await self._send(send)
            except Exception as error:
                delay = self._delay(name, attempt, error)
                record_failure(span, error, attempt, delay)
                if delay is None:
                    raise
                why = f"a retry, after: {reason(error):.{_SHOWN}}"
            if self._waits is not None:
                await self._waits.for_retry(delay, why)
            else:
                waiting = Waiting(seconds=delay, reason=why)
                LOGGER.info("Qdrant: %s", waiting, extra={"waiting": waiting})
                await self._clock.asleep(delay)
            attempt += 1

    async def _send(self, send: Callable[[], Any]) -> object:
        try:
            result = send()
            return result if self._blocking else await result
        except (JSONDecodeError, UnicodeDecodeError) as error:
            # qdrant-client does this for JSON of a wrong shape, but not for text that is not JSON.
            raise ResponseHandlingException(error) from error

    def _delay(self, name: str, attempt: int, error: Exception) -> float | None:
        """Return the seconds before retry number `attempt`, from 0; None for no retry."""
        failure = read_failure(error)
        if failure is None:
            return None
        is_patient = self._policy is PATIENT
        asked = failure.retry_after
        if asked is not None and asked > (LONGEST_DELAY if is_patient else _LONGEST_QUICK_DELAY):
            return None
        # A search that timed out would time out again; a write may be done in the meantime.
        is_slow = failure.timed_out and not is_patient and name not in _WRITES
        if failure.is_away and not is_slow:
            most = self._policy.max_retries
        else:
            most = _CALLS_MAX_RETRIES if failure.may_pass else 0
        if attempt >= most:
            return None
        return self._policy.delay(attempt, retry_after=asked, random=self._random)
