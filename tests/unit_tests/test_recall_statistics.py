from __future__ import annotations

import pytest

from langchain_gemini_qdrant.recall._statistics import goes_on, interval, percentile, recall_of

EXACT = {"a": 0.9, "b": 0.8, "c": 0.8, "d": 0.8, "e": 0.1}


@pytest.mark.parametrize(
    ("found", "limit", "recall"),
    [
        ("a", 1, 1.0),
        ("b", 1, 0.0),
        ("ab", 2, 1.0),
        ("ad", 2, 1.0),  # b, c and d tie at rank 2
        ("bc", 2, 0.5),  # only one of them belongs to a top 2, and a is missing
        ("bcd", 3, 2 / 3),
        ("acd", 3, 1.0),
        ("abe", 3, 2 / 3),
        ("abcde", 5, 1.0),
        ("abcde", 9, 1.0),  # fewer points than the limit: all that there are
        ("ae", 9, 2 / 5),
        ("", 3, 0.0),
        ("xyz", 3, 0.0),
    ],
)
def test_recall_is_the_overlap_with_the_top_k_that_has_most_of_it(found, limit, recall):
    assert recall_of(dict.fromkeys(found, 0.5), EXACT, limit) == pytest.approx(recall)


def test_only_scores_that_single_precision_cannot_tell_apart_tie():
    exact = {"a": 0.5, "b": 0.5 * (1 - 5e-7), "c": 0.5 * (1 - 5e-6)}
    assert recall_of({"b": 0.5}, exact, 1) == 1.0
    assert recall_of({"c": 0.5}, exact, 1) == 0.0


def test_distances_count_as_scores_do():
    exact = {"a": 0.0, "b": 1.0, "c": 1.0, "d": 7.0}
    assert recall_of(dict.fromkeys("ac"), exact, 2) == 1.0
    assert recall_of(dict.fromkeys("ad"), exact, 2) == 0.5


@pytest.mark.parametrize(
    ("scores", "limit", "unclear"),
    [
        ([0.9, 0.8, 0.7], 2, False),
        ([0.9, 0.8, 0.8], 2, True),
        ([0.8, 0.8, 0.8], 2, True),
        ([0.8, 0.8], 2, False),  # there are no more points
    ],
)
def test_a_list_is_deep_enough_once_a_score_differs_or_it_ends(scores, limit, unclear):
    assert goes_on(dict(enumerate(scores)), limit, depth=limit + 1) is unclear


def test_interval_of_single_hits_is_wilson_s():
    """n = 50, 45 found: https://en.wikipedia.org/wiki/Binomial_proportion_confidence_interval"""
    z = 1.959964
    centre, scale = (0.9 + z * z / 100) / (1 + z * z / 50), z / (1 + z * z / 50)
    half = scale * (0.9 * 0.1 / 50 + z * z / (4 * 50 * 50)) ** 0.5
    low, high = interval([1.0] * 45 + [0.0] * 5, 1, 0.95)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_perfect_recall_of_few_queries_is_no_certainty():
    low, high = interval([1.0] * 20, 10, 0.95)
    assert (round(low, 3), high) == (0.839, 1.0)
    assert interval([1.0] * 200, 10, 0.95)[0] == pytest.approx(0.981, abs=0.001)


def test_interval_holds_the_mean_and_stays_within_0_and_1():
    for shares in ([0.0] * 5, [1.0], [0.5, 1.0, 0.9], [0.0, 1.0] * 40, [1.0] * 60, [0.0] * 60):
        low, high = interval(shares, 10, 0.9)
        assert 0.0 <= low <= sum(shares) / len(shares) <= high <= 1.0


def test_interval_narrows_with_queries_that_agree_and_widens_with_confidence():
    agreeing, scattered = [0.9] * 100, [1.0] * 90 + [0.0] * 10

    def width(*args):
        low, high = interval(*args)
        return high - low

    assert width(agreeing, 10, 0.95) < width(scattered, 10, 0.95)
    assert width(agreeing * 4, 10, 0.95) < width(agreeing, 10, 0.95)
    assert width(agreeing, 10, 0.95) < width(agreeing, 10, 0.99)


def test_no_queries_promise_more_than_perfect_ones():
    for queries in (20, 200):
        ends = [
            interval([1.0] * (queries - worse) + [0.9] * worse, 10, 0.95)[0]
            for worse in range(queries)
        ]
        assert max(ends) == ends[0]


def test_percentile_is_a_value_that_so_many_keep_within():
    assert percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert percentile([float(value) for value in range(1, 101)], 0.95) == 95.0
    assert percentile([7.0], 0.95) == 7.0
