"""Quotas of the emulator on a clock that only counts."""

from __future__ import annotations

import itertools
import random

import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator
from langchain_gemini_qdrant.testing._api._quotas import Limits, Quotas


class Project:
    """The quotas of one project, and its clock."""

    def __init__(self, **limits):
        self.now = 1000.0
        self.quotas = Quotas(Limits(**limits), clock=lambda: self.now)

    def ask(self, texts=1, tokens=0, model="a"):
        """None if it fits, else the quota and the delay."""
        excess = self.quotas.take(model, texts, lambda: tokens)
        return excess and (excess.quota, excess.retry_after)


def test_each_text_counts_and_what_is_refused_costs_nothing():
    project = Project(requests_per_minute=100)
    assert project.ask(60) is None
    assert project.ask(41) == ("requests_per_minute", 60)
    assert project.ask(40) is None
    assert project.ask(1) == ("requests_per_minute", 60)


def test_each_model_has_its_own_quotas():
    project = Project(requests_per_minute=1)
    assert project.ask(model="a") is None
    assert project.ask(model="b") is None
    assert project.ask(model="a") is not None


def test_the_minute_slides_and_the_delay_is_what_is_missing():
    project = Project(requests_per_minute=100)
    for texts in (30, 30, 40):
        assert project.ask(texts) is None
        project.now += 10
    assert project.ask(30) == ("requests_per_minute", 30)
    assert project.ask(31) == ("requests_per_minute", 40)
    assert project.ask(100) == ("requests_per_minute", 50)
    project.now += 30
    assert project.ask(31) == ("requests_per_minute", 10)
    assert project.ask(30) is None


def test_tokens_are_counted_and_the_longer_wait_is_told():
    project = Project(requests_per_minute=2, tokens_per_minute=100)
    assert project.ask(tokens=10) is None
    project.now += 20
    assert project.ask(tokens=90) is None
    assert project.ask(tokens=50) == ("tokens_per_minute", 60)
    assert project.ask(tokens=5) == ("requests_per_minute", 40)
    assert project.ask(tokens=101) == ("tokens_per_minute", 60)


def test_a_day_begins_with_its_first_request_and_has_a_short_delay():
    project = Project(requests_per_minute=5, requests_per_day=8)
    assert project.ask(5) is None
    project.now += 60
    assert project.ask(4) == ("requests_per_day", 45)
    assert project.ask(3) is None
    project.now += 24 * 60 * 60 - 61
    assert project.ask() == ("requests_per_day", 45)
    project.now += 1
    assert project.ask(5) is None


def test_a_minute_may_be_short():
    project = Project(requests_per_minute=1, requests_per_day=2, window=0.5)
    assert project.ask() is None
    project.now += 0.2
    assert project.ask() == ("requests_per_minute", 0.3)
    project.now += 0.3
    assert project.ask() is None
    assert project.ask() == ("requests_per_day", 0.375)
    project.now += 24 * 60 * 0.5
    assert project.ask() is None


@pytest.mark.parametrize("window", [60.0, 1.0, 0.7])
def test_who_waits_as_told_is_not_refused_again(window):
    numbers = random.Random(7)
    project = Project(requests_per_minute=100, tokens_per_minute=1000, window=window)
    delays = []
    for _ in range(500):
        texts = numbers.randint(1, 100)
        refused = project.ask(texts, texts * 12)
        if refused:
            delays.append(refused[1])
            project.now += refused[1]
            if texts * 12 <= 1000:
                assert project.ask(texts, texts * 12) is None
        project.now += numbers.random() * window / 5
    assert len(delays) > 100
    assert max(delays) <= window


def test_a_quota_of_nothing_refuses_all():
    assert Project(requests_per_minute=0).ask() == ("requests_per_minute", 60)


def test_tokens_are_counted_only_for_their_quota():
    quotas = Quotas(Limits(requests_per_minute=9), clock=itertools.count().__next__)
    assert quotas.take("a", 1, lambda: 1 // 0) is None


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "requests_per_day"])
def test_a_quota_is_none_or_not_negative(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        GeminiEmulator(**{name: -1})
    emulator = GeminiEmulator(**{name: 7})
    assert getattr(emulator, name) == 7
    setattr(emulator, name, None)
    assert getattr(emulator, name) is None
    with pytest.raises(ValueError, match=f"{name} must be at least 0"):
        setattr(emulator, name, -1)
    emulator.clear()
    assert getattr(emulator, name) == 7


def test_a_window_has_a_length():
    with pytest.raises(ValueError, match="quota_window"):
        GeminiEmulator(quota_window=0)
    emulator = GeminiEmulator(quota_window=2)
    emulator.quota_window = 5
    assert emulator.quota_window == 5
    emulator.clear()
    assert emulator.quota_window == 2
