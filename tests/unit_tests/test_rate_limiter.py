"""The limiter against models of Google's servers, in virtual time: nothing here waits."""

from __future__ import annotations

import gc
import heapq
import itertools
import math
import random
import threading
import weakref
from collections import deque
from dataclasses import dataclass, field

import pytest

from langchain_gemini_qdrant._retry_policy import RetryPolicy, uncut
from langchain_gemini_qdrant.embeddings._quota import BURST, WINDOW, Reservation
from langchain_gemini_qdrant.embeddings._rate_limiter import Limiter, LimiterRegistry
from langchain_gemini_qdrant.errors import ConfigurationError


class SlidingServer:
    """At most `limit` in any 60 s."""

    def __init__(self, limit, biggest):
        self.limit, self.log, self.used = max(limit, biggest), deque(), 0

    def room_in(self, now, amount):
        while self.log and self.log[0][0] + 60 <= now:
            self.used -= self.log.popleft()[1]
        if self.used + amount <= self.limit:
            return 0.0
        return self.log[0][0] + 60 - now

    def take(self, now, amount):
        self.log.append((now, amount))
        self.used += amount


class BucketServer:
    """A bucket of 10 s of quota (or one request, if bigger) that refills evenly."""

    def __init__(self, limit, biggest):
        self.limit, self.size = limit, max(limit / 6, biggest)
        self.level, self.at = self.size, 0.0

    def room_in(self, now, amount):
        self.level = min(self.size, self.level + (now - self.at) * self.limit / 60)
        self.at = now
        return max(0.0, (amount - self.level) * 60 / self.limit)

    def take(self, _now, amount):
        self.level -= amount


class MinuteServer:
    """At most `limit` between two strokes of the minute; the first stroke comes after 23 s."""

    def __init__(self, limit, biggest):
        self.limit, self.minute, self.used = max(limit, biggest), None, 0

    def room_in(self, now, amount):
        minute = (now + 37) // 60
        if minute != self.minute:
            self.minute, self.used = minute, 0
        return 0.0 if self.used + amount <= self.limit else 60 * (minute + 1) - 37 - now

    def take(self, _now, amount):
        self.used += amount


@dataclass(frozen=True)
class State:
    requests_per_minute: float | None
    tokens_per_minute: float | None
    texts_sent: int
    tokens_sent: int
    token_ratio: float


def state(limiter, now):
    """Limits in force (None: unknown), and use in the last window."""
    limiter._expire(now)
    texts, tokens = limiter._texts, limiter._tokens
    return State(texts.limit, tokens.limit, texts.sent, tokens.sent, limiter._ratio())


SERVERS = [SlidingServer, BucketServer, MinuteServer]


@dataclass(kw_only=True)
class Run:
    """Workers that send without end, a server that counts, and what came of it."""

    server: type
    texts_per_minute: float | None = None
    tokens_per_minute: float | None = None
    batch: int = 100
    tokens_per_text: int = 100
    estimate: float = 1.0
    spread: float = 0.2
    bodies: bool = True
    minutes: int = 16
    workers: int = 8
    settles: bool = True
    limiter: Limiter = field(default_factory=Limiter)
    accepted: list[tuple[float, int, int]] = field(default_factory=list)
    granted: list[tuple[float, int]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def configured(self):
        self.limiter.configure(
            requests_per_minute=self.texts_per_minute, tokens_per_minute=self.tokens_per_minute
        )
        return self.run()

    def run(self):
        biggest = {"texts": self.batch, "tokens": self.batch * self.tokens_per_text * 2}
        self.quotas = {"texts": self.texts_per_minute, "tokens": self.tokens_per_minute}
        self.servers = {u: self.server(q, biggest[u]) for u, q in self.quotas.items() if q}
        self.rng, self.order, self.events = random.Random(7), itertools.count(), []
        for _ in range(self.workers):
            self.begin(self.rng.uniform(0, 0.2))
        while self.events[0][0] < self.minutes * 60:
            now, _, step, arguments = heapq.heappop(self.events)
            step(now, *arguments)
        return self

    def at(self, now, step, *arguments):
        heapq.heappush(self.events, (now, next(self.order), step, arguments))

    def begin(self, now):
        spread = self.rng.uniform(1 - self.spread, 1 + self.spread)
        self.at(now, self.ask, now, round(self.batch * self.tokens_per_text * spread))

    def ask(self, now, since, tokens):
        estimate = round(tokens * self.estimate)
        turn = self.limiter.try_acquire(now, texts=self.batch, tokens=estimate, since=since)
        if isinstance(turn, Reservation):
            self.granted.append((now, self.batch))
            self.at(now + self.rng.uniform(0, 0.5), self.arrive, turn, since, tokens)
        else:
            assert turn > 0
            self.at(now + turn, self.ask, since, tokens)

    def arrive(self, now, reservation, since, tokens):
        amounts = {"texts": self.batch, "tokens": tokens}
        waits = {u: server.room_in(now, amounts[u]) for u, server in self.servers.items()}
        full = max(waits, key=waits.get)
        if waits[full] > 0:
            self.refused.append(now)
            self.at(now + 0.1, self.refuse, reservation, full, waits[full], since, tokens)
            return
        for unit, server in self.servers.items():
            server.take(now, amounts[unit])
        self.accepted.append((now, self.batch, tokens))
        self.at(now + self.rng.uniform(0.2, 0.6), self.answer, reservation, tokens)

    def answer(self, now, reservation, tokens):
        self.limiter.settle(reservation, tokens=tokens if self.settles else None)
        self.begin(now)

    def refuse(self, now, reservation, unit, wait, since, tokens):
        # Google cuts its delays to whole seconds.
        delay = uncut(math.floor(wait)) if self.bodies else None
        limits = {unit: self.quotas[unit]} if self.bodies else {}
        self.limiter.rate_limited(now, reservation=reservation, retry_after=delay, limits=limits)
        self.at(now, self.ask, since, tokens)

    def use(self, unit="texts"):
        """Share of the quota that got through, from the first to the last after a minute."""
        quota = self.texts_per_minute if unit == "texts" else self.tokens_per_minute
        column = 1 if unit == "texts" else 2
        steady = [entry for entry in self.accepted if entry[0] > 60]
        span = steady[-1][0] - steady[0][0]
        return sum(entry[column] for entry in steady[1:]) / (quota * span / 60)

    def refused_share(self):
        return len(self.refused) / (len(self.refused) + len(self.accepted))


SETTINGS = {
    "3000 texts": {"texts_per_minute": 3000},
    "100 texts in one batch": {"texts_per_minute": 100},
    "5000 texts in sevens": {"texts_per_minute": 5000, "batch": 7},
    "200k tokens": {"tokens_per_minute": 200_000, "batch": 20},
    "3000 texts and 200k tokens": {
        "texts_per_minute": 3000,
        "tokens_per_minute": 200_000,
        "batch": 20,
    },
    "3000 texts and 200k tokens in big batches": {
        "texts_per_minute": 3000,
        "tokens_per_minute": 200_000,
        "spread": 0.0,
    },
    "3000 texts and 1M tokens": {
        "texts_per_minute": 3000,
        "tokens_per_minute": 1_000_000,
        "batch": 20,
        "tokens_per_text": 700,
    },
    "both alike, 3000 texts and 300k tokens": {
        "texts_per_minute": 3000,
        "tokens_per_minute": 300_000,
        "batch": 30,
    },
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_a_known_quota_is_used_and_not_exceeded(setting, server):
    run = Run(server=server, **SETTINGS[setting]).configured()
    unit = "tokens" if "tokens" in setting else "texts"
    assert run.use(unit) >= 0.97
    assert run.refused_share() < 0.01
    assert run.refused == []


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("estimate", [0.7, 1.4])
def test_wrong_estimates_are_corrected_by_true_counts(server, estimate):
    run = Run(server=server, tokens_per_minute=200_000, batch=20, estimate=estimate).configured()
    assert run.use("tokens") >= 0.97
    assert run.refused_share() < 0.01
    assert state(run.limiter, 0).token_ratio == pytest.approx(1 / estimate, rel=0.01)


@pytest.mark.parametrize("server", SERVERS)
def test_a_quota_named_by_a_429_is_used_from_then_on(server):
    run = Run(server=server, texts_per_minute=3000, minutes=30).run()
    assert state(run.limiter, 0).requests_per_minute == 3000
    assert run.use() >= 0.97
    assert run.refused_share() < 0.01


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("quota", [100, 3000, 10_000])
@pytest.mark.parametrize("minutes", [11, 21])
def test_a_quota_that_nobody_names_is_found(server, quota, minutes):
    run = Run(
        server=server, texts_per_minute=quota, bodies=False, minutes=minutes, workers=16
    ).run()
    assert run.use() >= 0.8


def test_repeated_429s_without_a_body_do_not_stop_a_run_that_goes_on_for_an_hour():
    run = Run(
        server=SlidingServer, texts_per_minute=3000, bodies=False, minutes=60, settles=False
    ).run()
    assert run.use() >= 0.9
    assert run.refused_share() < 0.02


@pytest.mark.parametrize("batch", [7, 100, 130, 1000])
def test_no_window_holds_more_than_the_limit_and_no_second_more_than_the_burst(batch):
    run = Run(server=SlidingServer, texts_per_minute=3000, batch=batch, minutes=10).configured()
    for start, (begin, _) in enumerate(run.granted):
        ahead = list(itertools.takewhile(lambda g: g[0] < begin + WINDOW, run.granted[start:]))  # noqa: B023
        assert sum(texts for _, texts in ahead) <= 3000
        second = sum(texts for now, texts in ahead if now < begin + 1)
        assert second <= max(3000 * (BURST + 1) / 60, batch)


def limiter(texts=None, tokens=None):
    result = Limiter()
    result.configure(requests_per_minute=texts, tokens_per_minute=tokens)
    return result


def granted(turn):
    assert isinstance(turn, Reservation), f"must wait {turn} s"
    return turn


def acquire(target, now, texts=100, tokens=0, since=None):
    return target.try_acquire(now, texts=texts, tokens=tokens, since=since)


def refuse(target, now, retry_after=None, unit=None, limit=None, reservation=None):
    limits = {} if unit is None else {unit: limit}
    return target.rate_limited(
        now, retry_after=retry_after, limits=limits, reservation=reservation
    ).seconds


def drain(target, now, seconds=WINDOW, texts=100, *, settle=True):
    """Send all that may go out from `now` on for `seconds`; return how many texts that was."""
    end, sent = now + seconds, 0
    while now < end:
        turn = acquire(target, now, texts)
        if isinstance(turn, Reservation):
            sent += texts
            if settle:
                target.settle(turn, tokens=None)
        else:
            now += turn
    return sent


def test_an_unknown_limit_holds_nothing_back():
    target = Limiter()
    for _ in range(1000):
        granted(acquire(target, 0.0, tokens=10**6))


@pytest.mark.parametrize("now", [0.0, 1e6 + 0.1, 4e9 + 1 / 3])
def test_who_waits_as_long_as_told_gets_through(now):
    target = limiter(texts=100)
    granted(acquire(target, now))
    turn = acquire(target, now)
    assert turn == pytest.approx(WINDOW)
    assert isinstance(acquire(target, now + turn - 0.1), float)
    granted(acquire(target, now + turn + 0.01))


def test_no_wait_is_so_short_that_a_caller_spins():
    target = limiter(texts=100)
    granted(acquire(target, 0.0))
    assert acquire(target, WINDOW - 1e-12) == 0.01


@pytest.mark.parametrize("unit", ["texts", "tokens"])
def test_a_request_bigger_than_the_limit_goes_out_alone(unit):
    target = limiter(**{unit: 50})
    size = {"texts": 1, "tokens": 1}
    granted(target.try_acquire(0.0, **size))
    wait = target.try_acquire(0.0, **(size | {unit: 500}))
    assert wait == pytest.approx(WINDOW)
    granted(target.try_acquire(wait, **(size | {unit: 500})))
    again = target.try_acquire(wait, **size)
    assert again == pytest.approx(WINDOW)
    granted(target.try_acquire(wait + again, **size))


@pytest.mark.parametrize("big", [100, 5000])
def test_small_requests_pass_a_big_one_but_not_for_ever(big):
    target, now, passed = limiter(texts=100), 0.0, 0
    granted(acquire(target, 0.0, 1))
    while not isinstance(acquire(target, now, big, since=0.0), Reservation):
        passed += isinstance(acquire(target, now, 1, since=now), Reservation)
        now += 0.25
        assert now < 3 * WINDOW
    assert passed > 50


def test_a_big_request_that_gave_up_waiting_holds_nobody_up():
    target = limiter(texts=100)
    granted(acquire(target, 0.0, 1))
    granted(acquire(target, 60.0, 1))
    wait = acquire(target, WINDOW + 1, 100, since=0.0)
    held = acquire(target, WINDOW + 1, 1, since=WINDOW + 1)
    assert held == pytest.approx(wait)
    granted(acquire(target, WINDOW + 1 + wait + 1.1, 1, since=WINDOW + 1))


def test_true_token_counts_replace_estimates_at_once_and_correct_later_ones():
    target = limiter(tokens=100_000)
    reservation = granted(acquire(target, 0.0, tokens=5_000))
    target.settle(reservation, tokens=7_500)
    assert state(target, 0.0).tokens_sent == 7_500
    assert state(target, 0.0).token_ratio == pytest.approx(1.5)
    granted(acquire(target, 10.0, tokens=1_000))
    assert state(target, 10.0).tokens_sent == 9_000


def test_an_unknown_token_count_leaves_the_estimate():
    target = limiter(tokens=100_000)
    target.settle(granted(acquire(target, 0.0, tokens=5_000)), tokens=None)
    assert state(target, 0.0).tokens_sent == 5_000
    assert state(target, 0.0).token_ratio == 1.0


def test_a_released_request_gives_its_place_back():
    target = limiter(texts=100)
    reservation = granted(acquire(target, 0.0))
    assert isinstance(acquire(target, 0.0), float)
    target.release(reservation)
    granted(acquire(target, 0.0))


def test_an_answer_that_comes_after_the_window_changes_nothing_in_it():
    target = limiter(texts=100, tokens=1000)
    late = granted(acquire(target, 0.0, tokens=10))
    granted(acquire(target, WINDOW, tokens=10))
    target.settle(late, tokens=900)
    target.release(late)
    assert state(target, WINDOW).tokens_sent == 10
    assert state(target, WINDOW).texts_sent == 100


def test_a_429_pauses_everybody_as_long_as_the_server_asks():
    target = limiter(texts=3000)
    assert refuse(target, 10.0, retry_after=33.0) == pytest.approx(33.0)
    assert target._paused_until == pytest.approx(43.0)
    for texts in (1, 100):
        assert acquire(target, 11.0, texts) >= 32.0


def test_the_latest_end_of_a_pause_counts():
    target = limiter(texts=3000)
    refuse(target, 10.0, retry_after=33.0)
    assert refuse(target, 11.0, retry_after=5.0) == pytest.approx(32.0)
    assert refuse(target, 12.0, retry_after=50.0) == pytest.approx(50.0)


def test_pauses_of_unknown_length_double_to_a_minute_until_a_success():
    target, now, pauses = Limiter(), 0.0, []
    for _ in range(9):
        pauses.append(refuse(target, now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    target.settle(granted(acquire(target, now)), tokens=None)
    assert refuse(target, now + 1) == 1


def test_requests_that_are_refused_together_lower_the_limit_once():
    target = limiter(texts=3000)
    reservations = [granted(acquire(target, 0.0, 10)) for _ in range(8)]
    for number, reservation in enumerate(reservations):
        refuse(target, 1.0 + number, reservation=reservation)
    assert state(target, 9.0).requests_per_minute == pytest.approx(2700)
    assert target._paused_until == pytest.approx(9.0)


def test_a_success_that_was_under_way_before_a_429_proves_nothing():
    target = limiter(texts=100)
    reservation = granted(acquire(target, 0.0, 10))
    refuse(target, 1.0)
    target.settle(reservation, tokens=None)
    assert refuse(target, 2.0) == 2


def test_a_known_limit_is_lowered_by_429s_and_comes_back_with_success():
    target = limiter(texts=3000)
    refuse(target, 0.0)
    assert state(target, 0.0).requests_per_minute == pytest.approx(2700)
    drain(target, 1.0, 4 * WINDOW)
    assert 2850 < state(target, 250.0).requests_per_minute < 3000
    drain(target, 250.0, 4 * WINDOW)
    assert state(target, 500.0).requests_per_minute == 3000


def test_a_known_limit_never_falls_below_a_tenth():
    target = limiter(texts=3000)
    for now in range(0, 6000, 61):
        refuse(target, float(now))
    assert state(target, 6000.0).requests_per_minute == 300


def test_a_429_lowers_only_the_quota_that_it_names():
    target = limiter(texts=3000, tokens=100_000)
    refuse(target, 0.0, unit="tokens")
    snapshot = state(target, 0.0)
    assert snapshot.tokens_per_minute == pytest.approx(90_000)
    assert snapshot.requests_per_minute == 3000


@pytest.mark.parametrize(
    ("configured", "told", "in_force"), [(None, 3000, 3000), (3000, 100, 100), (100, 3000, 90)]
)
def test_the_lower_of_what_user_and_server_say_is_in_force(configured, told, in_force):
    target = limiter(texts=configured)
    refuse(target, 0.0, unit="texts", limit=told)
    assert state(target, 0.0).requests_per_minute == in_force


def test_the_newest_limit_that_the_server_names_counts():
    target = Limiter()
    refuse(target, 0.0, unit="texts", limit=100)
    refuse(target, 100.0, unit="texts", limit=3000)
    assert state(target, 100.0).requests_per_minute == 3000


def test_saying_the_same_limit_again_does_not_undo_what_429s_taught():
    target = limiter(texts=3000)
    refuse(target, 0.0)
    target.configure(requests_per_minute=3000, tokens_per_minute=None)
    assert state(target, 0.0).requests_per_minute == pytest.approx(2700)


def test_a_guess_is_nine_tenths_of_what_was_accepted():
    target = Limiter()
    assert drain(target, 0.0, 0.0) == 0
    for _ in range(10):
        target.settle(granted(acquire(target, 0.0)), tokens=None)
    unanswered = granted(acquire(target, 0.0))
    refuse(target, 1.0, reservation=unanswered)
    assert state(target, 1.0).requests_per_minute == pytest.approx(900)


def test_a_429_after_less_than_the_smallest_quota_only_pauses():
    target = Limiter()
    target.settle(granted(acquire(target, 0.0, 99, tokens=29_999)), tokens=None)
    assert refuse(target, 1.0) == 1
    snapshot = state(target, 1.0)
    assert (snapshot.requests_per_minute, snapshot.tokens_per_minute) == (None, None)


def test_long_texts_make_the_guess_a_token_limit():
    target = Limiter()
    target.settle(granted(acquire(target, 0.0, 20, tokens=40_000)), tokens=None)
    refuse(target, 1.0)
    snapshot = state(target, 1.0)
    assert snapshot.requests_per_minute is None
    assert snapshot.tokens_per_minute == pytest.approx(36_000)


def test_a_lowered_limit_that_is_hardly_used_does_not_grow():
    target = limiter(texts=3000)
    refuse(target, 0.0)
    for now in range(10, 600, 10):
        target.settle(granted(acquire(target, float(now), 10)), tokens=None)
    assert state(target, 600.0).requests_per_minute == pytest.approx(2700)


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_limit_that_is_not_above_zero_and_finite_is_refused(name, value):
    unset = {"requests_per_minute": None, "tokens_per_minute": None}
    with pytest.raises(ConfigurationError, match=f"{name} must be a finite number above 0, got"):
        Limiter().configure(**(unset | {name: value}))


def test_threads_together_get_no_more_than_one_would():
    target, reservations = limiter(texts=6000), []

    def ask():
        for _ in range(500):
            turn = acquire(target, 0.0, 1)
            if isinstance(turn, Reservation):
                reservations.append(turn)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reservations) == 600
    assert state(target, 0.0).texts_sent == 600


def test_one_key_and_model_share_one_limiter():
    limiters = LimiterRegistry()
    assert limiters.of_account("key", "a") is limiters.of_account("key", "a")
    assert limiters.of_account("key", "a") is not limiters.of_account("key", "b")
    assert limiters.of_account("key", "a") is not limiters.of_account("other", "a")


def test_the_registry_does_not_hold_the_key_in_the_clear():
    limiters = LimiterRegistry()
    made = limiters.of_account("AIza-secret", "a")
    held = [limiters._last, dict(limiters._by_account), vars(made)]
    assert "AIza-secret" not in repr(held)


def test_limiters_in_use_stay_and_of_the_others_the_last_ones():
    limiters = LimiterRegistry(kept=2)
    used = limiters.of_account("used", "a")
    learnt = weakref.ref(limiters.of_account("first", "a"))
    for name in ("second", "third"):
        limiters.of_account(name, "a")
    gc.collect()
    assert learnt() is None
    assert limiters.of_account("used", "a") is used
    assert len(limiters._by_account) == 2


def test_limiter_of_a_client_goes_with_the_client():
    class Client:
        pass

    limiters, client = LimiterRegistry(), Client()
    gone = weakref.ref(limiters.of_client(client, "a"))
    assert limiters.of_client(client, "a") is gone()
    assert limiters.of_client(Client(), "a") is not gone()
    del client
    gc.collect()
    assert gone() is None


def test_clients_that_cannot_be_told_apart_share_nothing():
    limiters, client = LimiterRegistry(), object()
    assert limiters.of_client(client, "a") is not limiters.of_client(client, "a")


def test_a_retry_delay_is_what_the_server_asked_for_and_up_to_a_tenth_more():
    rng = random.Random(1)
    delays = [RetryPolicy().delay(0, retry_after=33.0, random=rng) for _ in range(500)]
    assert min(delays) >= 33.0
    assert max(delays) <= 36.3
    assert max(delays) - min(delays) > 3.0


@pytest.mark.parametrize(("attempt", "bound"), [(0, 1), (1, 2), (5, 32), (6, 60), (10_000, 60)])
def test_a_retry_delay_is_random_up_to_a_bound_that_doubles(attempt, bound):
    rng = random.Random(1)
    delays = [RetryPolicy().delay(attempt, retry_after=None, random=rng) for _ in range(500)]
    assert 0 <= min(delays) < 0.02 * bound
    assert 0.98 * bound < max(delays) <= bound
