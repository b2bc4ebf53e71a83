from __future__ import annotations

import asyncio
import threading
import time

import pytest

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK


def test_now_is_monotonic_seconds():
    before = time.monotonic()
    now = SYSTEM_CLOCK.now()
    assert before <= now <= time.monotonic()


def test_a_sleep_that_is_cancelled_returns_at_once():
    cancelled = threading.Event()
    cancelled.set()
    SYSTEM_CLOCK.sleep(3600.0, cancelled)


def test_a_sleep_returns_when_its_time_is_over():
    before = SYSTEM_CLOCK.now()
    SYSTEM_CLOCK.sleep(0.01, threading.Event())
    assert SYSTEM_CLOCK.now() - before >= 0.009


async def test_an_async_sleep_lets_the_event_loop_go_on_and_can_be_cancelled():
    sleeper = asyncio.create_task(SYSTEM_CLOCK.asleep(3600.0))
    await SYSTEM_CLOCK.asleep(0.0)
    assert not sleeper.done()
    sleeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeper
