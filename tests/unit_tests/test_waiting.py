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
        self.on_sleep = lambda _: None

    def now(self):
        return self.time

    def move(self, seconds):
        self.time += seconds

    async def asleep(self, seconds):
        self.on_sleep(seconds)


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
    waits.on_wait = lambda: told.append(waits.current)
    for seconds in (38.0, 38.5, 20.0):
        asyncio.run(waits.for_quota(seconds))
    clock.time += 30
    asyncio.run(waits.for_quota(40.0, "300 texts a minute"))
    assert caplog.messages == [
        "m: waiting 38 s for the quota",
        "m: waiting 40 s for the quota: 300 texts a minute",
    ]
    assert [wait.seconds for wait in told] == [38.0, 40.0]


def test_a_long_wait_for_a_quota_is_a_second_of_it_as_limits_may_be_raised(clock):
    waits, slept = Waits("m", clock), []
    clock.on_sleep = slept.append
    asyncio.run(waits.for_quota(38.0))
    asyncio.run(waits.for_quota(1.9))
    assert slept == [1.0, 1.9]


def test_a_long_wait_is_noted_every_second(clock):
    waits, noted = Waits("m", clock), []
    clock.on_sleep = clock.move
    waits.on_wait = lambda: noted.append(waits.current.seconds)
    asyncio.run(waits.for_retry(4.5, "a retry"))
    assert noted == [4.5, 3.5, 2.5, 1.5]


def test_several_that_wait_side_by_side_are_noted_as_one(clock):
    waits, noted = Waits("m", clock), []
    waits.on_wait = lambda: noted.append(waits.current.seconds)
    for _ in range(3):
        asyncio.run(waits.for_quota(38.0))
    clock.time += 1
    for _ in range(3):
        asyncio.run(waits.for_quota(37.0))
    assert noted == [38.0, 37.0]


def test_a_wait_that_has_no_purpose_any_more_ends(clock):
    waits = Waits("m", clock, is_over=lambda: clock.time >= 1003)
    clock.on_sleep = clock.move
    asyncio.run(waits.for_retry(18.0, "a retry"))
    assert clock.time == 1003


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
