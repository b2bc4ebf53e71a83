"""Which waits are told: long ones once, retries always."""

from __future__ import annotations

import asyncio
import logging

import pytest

from langchain_gemini_qdrant.embeddings._waiting import Waiting, Waits


class StoppedClock:
    """Time stands still unless a test moves it."""

    def __init__(self):
        self.time = 1000.0

    def now(self):
        return self.time

    async def asleep(self, seconds):
        pass


@pytest.fixture
def clock():
    return StoppedClock()


@pytest.fixture
def waits(clock, caplog):
    caplog.set_level(logging.INFO, "langchain_gemini_qdrant")
    return Waits("m", clock)


@pytest.mark.parametrize(
    ("seconds", "text"), [(38.4, "38"), (10.0, "10"), (9.96, "10.0"), (0.25, "0.2")]
)
def test_a_wait_reads_as_a_line(seconds, text):
    assert str(Waiting(seconds=seconds, reason="the quota")) == f"waiting {text} s for the quota"


def test_waits_for_one_pause_are_told_once_and_for_a_longer_one_again(waits, clock, caplog):
    told = []
    waits.on_long_wait = lambda: told.append(waits.current)
    for seconds in (38.0, 38.5, 20.0):
        asyncio.run(waits.for_quota(seconds))
    clock.time += 30
    asyncio.run(waits.for_quota(40.0))
    assert caplog.messages == ["m: waiting 38 s for the quota", "m: waiting 40 s for the quota"]
    assert [wait.seconds for wait in told] == [38.0, 40.0]


def test_short_waits_for_a_quota_are_quiet_and_those_of_retries_are_not(waits, caplog):
    asyncio.run(waits.for_quota(1.9))
    asyncio.run(waits.for_retry(0.3, "retry 1 of 6"))
    assert caplog.messages == ["m: waiting 0.3 s for retry 1 of 6"]
    assert waits.current is None


def test_a_wait_is_over_when_its_time_is(waits, clock):
    asyncio.run(waits.for_quota(38.0))
    clock.time += 30
    assert waits.current == Waiting(seconds=8.0, reason="the quota")
    clock.time += 8
    assert waits.current is None
