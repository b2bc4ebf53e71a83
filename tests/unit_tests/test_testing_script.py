"""Faults by chance: which requests they meet, and how often."""

from __future__ import annotations

from collections import Counter

import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator, RecordedText
from langchain_gemini_qdrant.testing._api._script import Act, Fault, Script

UNAVAILABLE, SHORT = Act(Fault(status=503)), Act("short")

TEXTS = [
    RecordedText(
        text="a", parts=1, model="m", title=None, task_type=None, output_dimensionality=None
    )
]


def fates(count=1000, *, rate=0.3, seed=0, kinds=(503, "short"), **options):
    script = Script()
    script.misbehave(rate, seed=seed, kinds=kinds, **options)
    return [script.take(TEXTS) for _ in range(count)]


def test_a_seed_decides_which_requests_fail():
    assert fates() == fates()
    assert fates() != fates(seed=1)


def test_the_rate_is_the_share_of_requests_and_all_kinds_are_equally_likely():
    found = Counter(fates(10_000))
    assert found.keys() == {None, UNAVAILABLE, SHORT}
    assert found[None] == pytest.approx(7000, rel=0.05)
    assert found[SHORT] == pytest.approx(1500, rel=0.1)


def test_the_rate_may_be_none_or_all():
    assert set(fates(rate=0)) == {None}
    assert None not in fates(rate=1)


def test_a_higher_rate_fails_the_same_requests_and_more():
    low, high = fates(rate=0.1), fates(rate=0.4)
    met = [fate for fate in zip(low, high, strict=True) if fate[0] is not None]
    assert [b for _, b in met] == [a for a, _ in met]
    assert 0 < len(met) < 1000 - high.count(None)


def test_only_slow_answers_wait():
    assert set(fates(rate=1, kinds=["slow", "nan"], delay=2.5)) == {Act("slow", 2.5), Act("nan")}


def test_only_requests_with_texts_meet_chance():
    script = Script()
    script.misbehave(1, seed=0, kinds=[503])
    assert script.take([]) is None
    assert script.take(TEXTS) == UNAVAILABLE
    script.clear()
    assert script.take(TEXTS) is None


def test_what_was_asked_for_comes_first():
    script = Script()
    script.misbehave(1, seed=0, kinds=[503])
    script.add(Act("empty"), times=1, containing=None)
    assert [script.take(TEXTS) for _ in range(2)] == [Act("empty"), UNAVAILABLE]


@pytest.mark.parametrize(
    ("rate", "kinds", "message"),
    [
        (1.1, [503], "rate must be in 0..1"),
        (-0.1, [503], "rate must be in 0..1"),
        (0.5, [], "non-empty"),
        (0.5, "short", "non-empty"),
        (0.5, [200], "got 200"),
        (0.5, ["shrt"], "got 'shrt'"),
    ],
)
def test_what_chance_cannot_do_is_refused(rate, kinds, message):
    with pytest.raises(ValueError, match=message):
        GeminiEmulator().misbehave(rate, kinds=kinds)


def test_a_step_for_a_method_waits_for_it():
    script = Script()
    script.add(UNAVAILABLE, times=1, containing=None, method="files.get")
    script.add(SHORT, times=1, containing="a", method="embedContent")
    assert script.take((), "files.create") is None
    assert script.take((), "files.get") == UNAVAILABLE
    assert script.take((), "files.get") is None
    assert script.take((), "embedContent") is None
    assert script.take(TEXTS, "embedContent") == SHORT
