"""A run that waits says why and for how long: in the log, in its progress, at the terminal."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from langchain_core.documents import Document

import langchain_gemini_qdrant
from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.embeddings import Waiting
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
        "gemini-embedding-2: 429: the limit is now 100 texts a minute (named by the API)",
        "gemini-embedding-2: waiting 39 s for the quota",  # and a text's share of the quota
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
    """Lets long waits begin and not end before somebody has heard of one."""

    def __init__(self):
        super().__init__()
        self.heard = threading.Event()

    def sleep(self, seconds, cancelled):
        if seconds > 2:
            assert self.heard.wait(10)
        super().sleep(seconds, cancelled)

    async def asleep(self, seconds):
        await asyncio.to_thread(self.sleep, seconds, threading.Event())


async def test_progress_of_ingest_says_what_it_waits_for(make_embeddings, twin):
    clock, seen = GateClock(), []

    def on_progress(progress):
        seen.append(progress)
        if progress.waiting is not None:
            clock.heard.set()

    embeddings = make_embeddings(clock=clock, output_dimensionality=128, requests_per_minute=100)
    store = create_vector_store(embeddings, "c", location=":memory:", clock=clock)
    await twin(langchain_gemini_qdrant, "ingest", store, DOCUMENTS, on_progress=on_progress)
    [wait, *_] = [progress.waiting for progress in seen if progress.waiting is not None]
    assert isinstance(wait, Waiting)
    assert 2 < wait.seconds <= 61
    assert str(wait) == f"waiting {wait.seconds:.0f} s for the quota"
    assert seen[-1].waiting is None
    assert seen[-1].stored == 150
    await store.aclose()
    await embeddings.aclose()
