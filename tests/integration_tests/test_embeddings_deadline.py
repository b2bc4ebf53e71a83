"""`deadline` bounds a whole call: its requests, its retries, and whatever it waits for."""

from __future__ import annotations

import time

import pytest
from langchain_core.rate_limiters import BaseRateLimiter

from langchain_gemini_qdrant.errors import EmbeddingError, PartialEmbeddingError, ServiceError
from tests.integration_tests.conftest import CountingClock

TEXTS = [f"passage {i}." for i in range(50)]


class PassingClock(CountingClock):
    """A second passes whenever somebody looks at it."""

    def now(self):
        with self._lock:
            self._now += 1
            return self._now


class OneInAnHour(BaseRateLimiter):
    """Admits one text, and the next one an hour later."""

    def __init__(self, clock):
        self._clock, self._next = clock, 0.0

    def acquire(self, *, blocking=True):
        if self._clock.now() < self._next:
            assert not blocking, "this would wait for an hour"
            return False
        self._next = self._clock.now() + 3600
        return True

    async def aacquire(self, *, blocking=True):
        return self.acquire(blocking=blocking)


def test_no_request_starts_after_the_deadline(make_embeddings, emulator, call):
    clock = PassingClock()
    options = {"batch_size": 1, "max_concurrency": 1, "output_dimensionality": 128}
    embeddings = make_embeddings(clock=clock, deadline=40, max_retries=99, **options)
    begin = clock._now
    with pytest.raises(PartialEmbeddingError, match="the deadline ended the call") as caught:
        call(embeddings, "embed_documents", TEXTS)
    embedded = sum(vector is not None for vector in caught.value.vectors)
    assert embedded == len(emulator.requests)
    assert 0 < embedded < 40
    assert clock._now - begin < 40 + 3 * len(TEXTS)  # each batch that is left looks at it


def test_request_that_hangs_ends_with_the_deadline(make_embeddings, emulator, call):
    emulator.answer_next("hang", times=None)
    begin = time.monotonic()
    with pytest.raises(ServiceError, match="the deadline ended the call") as caught:
        call(make_embeddings(timeout=60, deadline=0.3), "embed_query", "a")
    assert time.monotonic() - begin < 20
    assert caught.value.attempts == 1


def test_waiting_for_a_rate_limiter_of_one_s_own_counts(make_embeddings, emulator, call, clock):
    embeddings = make_embeddings(clock=clock, deadline=5, rate_limiter=OneInAnHour(clock))
    assert call(embeddings, "embed_query", "a")
    begin = clock.now()
    with pytest.raises(ServiceError, match="the deadline ended the call"):
        call(embeddings, "embed_query", "b")
    assert 4.9 < clock.now() - begin <= 5.1
    assert len(emulator.requests) == 1


def test_counting_tokens_counts(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=503, times=None)
    embeddings = make_embeddings(
        clock=clock, deadline=5, model="gemini-embedding-001", max_retries=99
    )
    begin = clock.now()
    with pytest.raises(EmbeddingError):
        call(embeddings, "embed_query", "word " * 1700)
    assert clock.now() - begin <= 5
