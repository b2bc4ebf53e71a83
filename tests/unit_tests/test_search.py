"""What Qdrant is asked for, and what its scores mean."""

from __future__ import annotations

import math

import pytest
from qdrant_client import models

from langchain_gemini_qdrant.vectorstores._arguments import check_options
from langchain_gemini_qdrant.vectorstores._plan import candidates
from langchain_gemini_qdrant.vectorstores._scores import (
    fused_relevance,
    relevance,
    sparse_relevance,
)

RRF = models.FusionQuery(fusion=models.Fusion.RRF)
DBSF = models.FusionQuery(fusion=models.Fusion.DBSF)


@pytest.mark.parametrize(
    ("wanted", "expected"), [(1, 100), (50, 100), (51, 200), (100, 200), (101, 400), (1000, 3200)]
)
def test_candidates_are_at_least_twice_what_is_wanted_and_grow_by_doubling(wanted, expected):
    assert candidates(wanted) == expected
    assert expected >= 2 * wanted


@pytest.mark.parametrize(
    ("distance", "score", "expected"),
    [
        (models.Distance.COSINE, 0.25, 0.25),
        (models.Distance.COSINE, -0.25, 0.0),
        (models.Distance.DOT, 1.0000001, 1.0),
        (models.Distance.EUCLID, 0.0, 1.0),
        (models.Distance.EUCLID, math.sqrt(2), 0.0),
        (models.Distance.EUCLID, 2.0, 0.0),
        (models.Distance.MANHATTAN, 0.0, 1.0),
        (models.Distance.MANHATTAN, 2.0, 0.5),
    ],
)
def test_relevance_is_in_0_to_1_and_0_at_right_angles(distance, score, expected):
    assert relevance(score, distance, size=8) == pytest.approx(expected)


def test_sparse_relevance_grows_towards_1():
    assert sparse_relevance(0.0) == 0.0
    assert sparse_relevance(1.0) == 0.5
    assert 0.99 < sparse_relevance(1000.0) < 1.0


@pytest.mark.parametrize(
    ("fusion", "best"),
    [
        (RRF, 1.0),
        (models.RrfQuery(rrf=models.Rrf()), 1.0),
        (models.RrfQuery(rrf=models.Rrf(k=60)), 2 / 60),
        (models.RrfQuery(rrf=models.Rrf(k=2, weights=[3.0, 1.0])), 1 / (1 / 3 + 1) + 1 / 2),
        (models.RrfQuery(rrf=models.Rrf(weights=[1.0, 0.0])), 0.5),
        (DBSF, 2.0),
    ],
)
def test_fused_relevance_is_a_share_of_the_best_score(fusion, best):
    assert fused_relevance(best, fusion, kinds=2) == pytest.approx(1)
    assert fused_relevance(best / 4, fusion, kinds=2) == pytest.approx(0.25)
    assert fused_relevance(-1.0, fusion, kinds=2) == 0.0


def test_unknown_options_are_refused():
    taken = frozenset({"timeout", "shard_key_selector"})
    check_options({"timeout": 3, "shard_key_selector": "a"}, taken, "this search")
    with pytest.raises(TypeError, match="this search takes no option 'limit': its options are k, "):
        check_options({"tiemout": 3, "limit": 3}, taken, "this search", ours=["k"])
    with pytest.raises(TypeError, match="'tiemout': did you mean 'timeout'"):
        check_options({"tiemout": 3}, taken, "this search")
