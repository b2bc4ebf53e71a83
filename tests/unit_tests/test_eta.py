"""How long a run still takes, at its pace of late and with what it waits for."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant._eta import EtaEstimator


def test_remaining_time_follows_from_the_rate():
    pace = EtaEstimator()
    assert pace.remaining(0.0, 0, 100) is None
    assert pace.remaining(10.0, 20, 100) == pytest.approx(40)
    assert pace.remaining(20.0, 60, None) is None
    assert pace.remaining(25.0, 100, 100) == 0
    assert pace.remaining(26.0, 120, 100) == 0


def test_remaining_time_forgets_how_fast_it_was_to_skip():
    """9,000 documents are found stored in a second, then 10 are embedded each second."""
    pace = EtaEstimator()
    pace.remaining(1.0, 9_000, 10_000)
    for second in range(2, 62):
        left = pace.remaining(second, 9_000 + 10 * (second - 1), 10_000)
    assert left == pytest.approx(40)


def test_a_pause_of_a_minute_still_has_a_rate():
    pace = EtaEstimator()
    pace.remaining(1.0, 100, 300)
    assert pace.remaining(100.0, 199, 300) == pytest.approx(101)


def test_a_wait_is_part_of_the_time_left_and_of_the_pace_before_it():
    """300 texts of 900 in 7 s, and then the quota of a minute is used up."""
    pace = EtaEstimator()
    assert pace.remaining(7.0, 300, 900, wait=53.0) == pytest.approx(53 + 120)
    assert pace.remaining(27.0, 300, 900, wait=33.0) == pytest.approx(33 + 120)


def test_time_left_stays_that_of_the_quota_after_a_wait():
    pace = EtaEstimator()
    pace.remaining(7.0, 300, 900, wait=53.0)
    for done, seconds in ((320, 64.0), (400, 80.0), (600, 120.0)):
        left = pace.remaining(seconds, done, 900)
        assert left == pytest.approx((900 - done) / 5, rel=0.05)


def test_a_wait_longer_than_what_counts_still_has_a_rate():
    pace = EtaEstimator()
    pace.remaining(7.0, 300, 900, wait=593.0)
    assert pace.remaining(400.0, 300, 900, wait=200.0) == pytest.approx(200 + 1200)


def test_time_left_is_not_known_before_anything_is_done():
    assert EtaEstimator().remaining(1.0, 0, 900, wait=30.0) is None
