"""What 429s teach the limiter, how long that holds, and what the user's own limits do to it."""

from __future__ import annotations

import logging
import math

import pytest

from langchain_gemini_qdrant._retry_policy import uncut
from langchain_gemini_qdrant.embeddings._quota import Reservation
from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter
from tests.unit_tests.test_rate_limiter import (
    Run,
    SlidingServer,
    acquire,
    drain,
    granted,
    limiter,
    state,
)

TOLD_100 = {"retry_after": 30.0, "limits": {"texts": 100}}


def limits(target, now=0.0):
    found = state(target, now)
    return found.requests_per_minute, found.tokens_per_minute


def test_each_quota_that_a_429_names_is_kept_to():
    target = Limiter()
    target.rate_limited(0.0, retry_after=30.0, limits={"tokens": 30_000, "texts": 100})
    assert limits(target) == (100, 30_000)


@pytest.mark.parametrize("named", ["texts", "tokens"])
def test_a_limit_that_is_named_is_not_taken_for_the_quota_beside_it(named):
    target = Limiter()
    other = "tokens" if named == "texts" else "texts"
    target.rate_limited(0.0, retry_after=30.0, limits={other: None, named: 3000})
    assert limits(target) == ((3000, None) if named == "texts" else (None, 3000))


def test_a_raised_tier_is_used_a_quarter_of_an_hour_later():
    target = Limiter()
    target.rate_limited(0.0, **TOLD_100)
    assert drain(target, 30.0, 540.0) < 1_000
    drain(target, 600.0, 300.0)
    assert drain(target, 900.0, 60.0) > 2_000


def test_a_limit_that_still_holds_costs_fewer_refusals_each_time_it_is_doubted():
    run = Run(server=SlidingServer, texts_per_minute=3000, minutes=240).run()
    in_hours = [sum(3600 * h <= at < 3600 * (h + 1) for at in run.refused) for h in range(4)]
    assert run.use() >= 0.97
    assert run.refused_share() < 0.01
    assert in_hours[3] < in_hours[0]


def test_a_guess_is_doubted_too():
    target = Limiter()
    for _ in range(2):
        target.settle(granted(acquire(target, 0.0)), tokens=None)
    for now in (1.0, 70.0, 140.0, 210.0):  # each makes it grow more slowly
        target.rate_limited(now, retry_after=None, limits={})
    drain(target, 220.0, 580.0)
    assert limits(target, 800.0)[0] < 200
    drain(target, 810.0, 180.0)
    assert limits(target, 990.0)[0] > 400


@pytest.mark.parametrize("doubted", [False, True])
def test_a_limit_lowered_below_the_user_s_comes_back_to_it_and_no_further(doubted):
    target = limiter(texts=3000)
    target.rate_limited(0.0, **TOLD_100)
    assert limits(target) == (100, None)
    if doubted:
        drain(target, 30.0, 1_200.0)
        assert limits(target, 1_230.0) == (3000, None)


def test_what_the_user_sets_wins_over_an_earlier_lesson_with_a_word(caplog):
    target = Limiter("gemini-embedding-2")
    target.rate_limited(0.0, **TOLD_100)
    target.configure(requests_per_minute=3000, tokens_per_minute=None)
    assert limits(target) == (3000, None)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "requests_per_minute=3,000, which is set now, overrides it" in record.getMessage()
    assert "a limit of 100 texts a minute" in record.getMessage()


def test_the_same_setting_of_another_instance_leaves_a_lesson_as_it_is():
    target = limiter(texts=3000)
    target.rate_limited(0.0, **TOLD_100)
    target.configure(requests_per_minute=3000, tokens_per_minute=None)
    assert limits(target) == (100, None)


def test_a_lesson_is_told_in_words():
    target = Limiter()
    assert target.rate_limited(0.0, **TOLD_100).lesson == "100 texts a minute (reported by the API)"
    assert target.rate_limited(31.0, **TOLD_100).lesson == "90 texts a minute (a guess)"


DELAYS = {
    "cut to seconds": lambda wait: uncut(math.floor(wait)),
    "a second too short": lambda wait: max(wait - 1.0, 0.6),
}


@pytest.mark.parametrize("told", DELAYS.values(), ids=DELAYS)
def test_a_delay_that_is_not_exact_costs_one_attempt_and_teaches_nothing(told):
    """A quota of 3,000 texts that others have used up, which is free again after 39.8 s."""
    target, now, attempts = limiter(texts=3000), 0.0, 0
    while True:
        turn = acquire(target, now, texts=1)
        if not isinstance(turn, Reservation):
            now += turn
            continue
        if now >= 39.8:
            break
        pause = target.rate_limited(
            now + 0.03,
            retry_after=told(39.8 - now),
            limits={"texts": 3000},
            reservation=turn,
        )
        attempts += not pause.was_too_short
    assert now < 41.0
    assert limits(target, now) == (3000, None)
    assert attempts == 1


def test_a_server_that_always_asks_for_a_little_more_uses_up_the_attempts():
    target, now, short = Limiter(), 0.0, []
    for _ in range(9):
        turn = acquire(target, now, texts=1)
        while not isinstance(turn, Reservation):
            now += turn
            turn = acquire(target, now, texts=1)
        pause = target.rate_limited(now, retry_after=0.5, limits={}, reservation=turn)
        short.append(pause.was_too_short)
    assert short == [False, True, True] + [False] * 6


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({}, ""),
        ({"texts": 300}, "300 texts a minute"),
        ({"texts": 1}, "1 text a minute"),
        ({"texts": 3000, "tokens": 1_000_000}, "3,000 texts and 1,000,000 tokens a minute"),
    ],
)
def test_limits_in_force_are_told_in_words(known, words):
    assert limiter(**known).limits == words


def test_a_raised_limit_of_one_s_own_is_kept_to_at_once():
    target = limiter(texts=10)
    granted(acquire(target, 0.0, texts=100))
    assert acquire(target, 1.0, texts=1) > 50
    target.configure(requests_per_minute=3000, tokens_per_minute=None)
    granted(acquire(target, 1.0, texts=1))
