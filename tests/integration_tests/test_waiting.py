"""A run that waits says why and for how long: in the log, in its progress, at the terminal."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from langchain_core.documents import Document
from langchain_core.stores import InMemoryByteStore

import langchain_gemini_qdrant
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest
from langchain_gemini_qdrant.embeddings import Waiting
from langchain_gemini_qdrant.errors import EmbeddingError
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.conftest import CountingClock

DOCUMENTS = [Document(f"passage {i}") for i in range(150)]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "langchain_gemini_qdrant")
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "langchain_gemini_qdrant"
    ]


def test_429_says_what_it_taught_and_how_long_the_call_waits(
    make_embeddings, emulator, call, clock, log
):
    emulator.fail_next(status=429, retry_after=38.2)
    call(make_embeddings(clock=clock), "embed_query", "a")
    assert log() == [
        "gemini-embedding-2: 429: the limit is now 100 texts a minute (reported by the API)",
        # and a text's share of the quota
        "gemini-embedding-2: waiting 39 s for the quota: 100 texts a minute",
    ]


def test_each_retry_says_which_one_it_is_and_why(make_embeddings, emulator, call, clock, log):
    emulator.fail_next(status=503, times=2)
    call(make_embeddings(clock=clock), "embed_query", "a")
    first, second = (f"{wait:.1f}" for wait in clock.waits)
    assert log() == [
        f"gemini-embedding-2: waiting {first} s for retry 1 of 6, after an answer of 503",
        f"gemini-embedding-2: waiting {second} s for retry 2 of 6, after an answer of 503",
    ]


def test_steady_pace_of_a_quota_is_quiet(make_embeddings, call, clock, log):
    embeddings = make_embeddings(clock=clock, batch_size=10, requests_per_minute=1000)
    call(embeddings, "embed_documents", [f"text {i}" for i in range(300)])
    assert clock.waits
    assert log() == []


class GateClock(CountingClock):
    """Lets a second of a long wait pass once somebody has heard of it."""

    def __init__(self):
        super().__init__()
        self.heard = threading.Event()

    def sleep(self, seconds, cancelled):
        if seconds == 1:
            assert self.heard.wait(10)
            self.heard.clear()
        super().sleep(seconds, cancelled)

    async def asleep(self, seconds):
        await asyncio.to_thread(self.sleep, seconds, threading.Event())


async def test_progress_of_ingest_says_every_second_what_it_waits_for(make_embeddings, twin):
    clock, seen = GateClock(), []

    def on_progress(progress):
        seen.append(progress)
        if progress.waiting is not None:
            clock.heard.set()

    embeddings = make_embeddings(clock=clock, output_dimensionality=128, requests_per_minute=100)
    store = create_vector_store(embeddings, "c", location=":memory:", clock=clock)
    await twin(langchain_gemini_qdrant, "ingest", store, DOCUMENTS, on_progress=on_progress)
    waits = [progress.waiting for progress in seen if progress.waiting is not None]
    assert isinstance(waits[0], Waiting)
    assert 25 < waits[0].seconds <= 61
    assert len({round(wait.seconds) for wait in waits}) > 20
    first = f"waiting {waits[0].seconds:.0f} s for the quota: 100 texts a minute"
    assert str(waits[0]) == first
    assert all(
        progress.remaining_seconds >= progress.waiting.seconds
        for progress in seen
        if progress.waiting is not None and progress.remaining_seconds is not None
    )
    assert seen[-1].waiting is None
    assert seen[-1].stored == 150
    await store.aclose()
    await embeddings.aclose()


def test_a_limit_raised_meanwhile_ends_the_wait(make_embeddings, call):
    """Each instance of a key and model has the same limiter."""

    class RaisingClock(CountingClock):
        def sleep(self, seconds, cancelled):
            super().sleep(seconds, cancelled)
            if len(self.waits) == 1:
                make_embeddings(clock=self, requests_per_minute=3000).embed_query("x")

    clock = RaisingClock()
    embeddings = make_embeddings(clock=clock, requests_per_minute=100)
    assert len(call(embeddings, "embed_documents", [f"text {i}" for i in range(150)])) == 150
    assert sum(clock.waits) < 5


class ThirdLookUp(InMemoryByteStore):
    """A cache that says when a third request begins: one of two has ended by then."""

    def __init__(self):
        super().__init__()
        self.third = threading.Event()
        self.look_ups = 0

    def mget(self, keys):
        self.look_ups += 1
        if self.look_ups == 3:
            self.third.set()
        return super().mget(keys)


def test_an_error_that_every_request_would_meet_ends_the_wait_of_a_retry(
    make_embeddings, emulator, call
):
    """One request is asked to wait for 15 s, and meanwhile the key is refused to the other."""
    cache = ThirdLookUp()

    class RefusedClock(CountingClock):
        def sleep(self, seconds, cancelled):
            assert cache.third.wait(10)
            super().sleep(seconds, cancelled)

        async def asleep(self, seconds):
            await asyncio.to_thread(self.sleep, seconds, threading.Event())

    emulator.fail_next(status=503, retry_after=15)
    emulator.fail_next(status=401, times=None)
    clock = RefusedClock()
    embeddings = make_embeddings(clock=clock, batch_size=1, max_concurrency=2, cache=cache)
    with pytest.raises(EmbeddingError, match="401"):
        call(embeddings, "embed_documents", ["a", "b", "c"])
    assert sum(clock.waits) <= 1


def test_progress_after_ctrl_c_counts_what_came_of_the_requests_under_way():
    received, seen = threading.Event(), []

    def documents():
        for i in range(600):
            yield Document(f"passage {i}")
        assert received.wait(10)
        raise KeyboardInterrupt

    with (
        GeminiEmulator(on_request=lambda _: received.set()) as emulator,
        GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url) as embeddings,
        create_vector_store(embeddings, "c", location=":memory:") as store,
    ):
        with pytest.raises(KeyboardInterrupt):
            ingest(store, documents(), on_progress=seen.append)
        assert seen[-1].stored == store.count() > 0
        assert seen[-1].failed == 0
