"""Which setting is recommended of figures that are known, and what is advised."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import recommend
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.recall import RecallReport, RecallRow


def row(oversampling, rescore, low, *, recall=None, ms=None, hnsw_ef=None, limit=10):
    return RecallRow(
        limit=limit,
        oversampling=oversampling,
        rescore=rescore,
        hnsw_ef=hnsw_ef,
        recall=low + 0.01 if recall is None else recall,
        low=low,
        high=1.0,
        p50_s=None if ms is None else ms / 1000,
        p95_s=None if ms is None else ms / 500,
    )


def report(*rows, **changed):
    fields = {
        "collection": "docs",
        "engine": "edge",
        "points": 10_000,
        "vector_size": 768,
        "quantization": {"binary": {"query_encoding": "scalar8bits"}},
        "segments": 1,
        "indexed_vectors": 0,
        "status": "green",
        "queries": 200,
        "query_kind": "stored vectors",
        "latency_queries": 100,
        "filtered": False,
        "confidence": 0.95,
        "measured_at": "2030-01-02T03:04:05+00:00",
    }
    return RecallReport(**{**fields, **changed}, rows=rows)


def test_the_cheapest_setting_whose_lower_end_holds_the_target_is_taken():
    rows = (
        row(1.0, True, 0.94, ms=1.0),  # the mean holds it, its lower end does not
        row(2.0, True, 0.96, ms=2.0),
        row(3.0, True, 0.98, ms=3.0),
    )
    found = recommend(report(*rows))
    assert found.row is rows[1]
    assert found.search_params == models.SearchParams(
        quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0)
    )
    assert found.advice == ()
    assert str(found) == (
        "Use oversampling 2, rescore on. It has a measured recall@10 of 0.970 (confidence interval "
        "0.960-1.000) and a median latency of 2 ms. The target is a recall@10 of 0.95."
    )


def test_of_settings_as_fast_as_each_other_the_one_that_finds_most_is_taken():
    rows = (row(2.0, True, 0.96, ms=2.0), row(3.0, True, 0.98, ms=2.09))
    assert recommend(report(*rows)).row is rows[1]
    slower = (rows[0], row(3.0, True, 0.98, ms=2.11))
    assert recommend(report(*slower)).row is slower[0]


def test_without_latencies_the_fewest_candidates_are_the_cheapest():
    rows = (row(3.0, True, 0.98), row(2.0, True, 0.96), row(3.0, False, 0.955))
    assert recommend(report(*rows)).row is rows[2]
    assert recommend(report(*rows[:2])).row is rows[1]


def test_only_the_limit_asked_for_counts():
    rows = (row(1.0, True, 0.5, ms=1.0), row(1.0, True, 0.99, ms=2.0, limit=100))
    assert recommend(report(*rows)).row is None
    assert recommend(report(*rows), limit=100).row is rows[1]
    with pytest.raises(ConfigurationError, match=r"limit must be .* \[10, 100\], got 20"):
        recommend(report(*rows), limit=20)


@pytest.mark.parametrize("target", [0, 1, 1.5, -1])
def test_a_target_that_no_sample_can_show_is_refused(target):
    with pytest.raises(ConfigurationError, match="above 0 and below 1"):
        recommend(report(row(1.0, True, 0.9)), target)


BELOW = (row(1.0, True, 0.5, ms=1.0), row(3.0, True, 0.8, ms=2.0))


@pytest.mark.parametrize(
    ("rows", "changed", "advice"),
    [
        (BELOW, {}, ["more oversampling than 3", "set_quantization('turbo-2bit')"]),
        (
            BELOW,
            {"quantization": {"binary": {}}},
            ["more oversampling", "'query_encoding': 'scalar8bits'", "'turbo-2bit'"],
        ),
        (
            BELOW,
            {"indexed_vectors": 10_000},
            ["more oversampling", "hnsw_ef=(60, 120, 240)", "'turbo-2bit'"],
        ),
        (
            (row(1.0, False, 0.5),),
            {},
            ["rescore: measure_recall(store, rescore=(True,))", "'turbo-2bit'"],
        ),
        (
            (row(1.0, False, 0.5), row(1.0, True, 0.5)),
            {},
            ["oversampling=(1.5, 2, 3), rescore=(True,)", "'turbo-2bit'"],
        ),
        ((row(16.0, True, 0.9),), {}, ["'turbo-2bit'"]),
        (
            BELOW,
            {"quantization": {"binary": {"encoding": "two_bits", "query_encoding": "scalar8bits"}}},
            ["more oversampling", "client.optimize('docs')", "'turbo-4bit'"],
        ),
        (BELOW, {"quantization": {"turbo": {"bits": "bits2"}}}, ["more", "'turbo-4bit'"]),
        (BELOW, {"quantization": {"turbo": {}}}, ["more", "'scalar'"]),
        (BELOW, {"quantization": {"product": {"compression": "x32"}}}, ["more", "'turbo-2bit'"]),
        (BELOW, {"quantization": {"scalar": {"type": "int8"}}}, ["more oversampling"]),
        (BELOW, {"status": "yellow"}, ["store.optimize()", "more oversampling", "'turbo-2bit'"]),
        (
            (row(3.0, True, 0.94, recall=0.96),),
            {},
            ["sample_size=1000), about 1,000 in total", "more oversampling", "'turbo-2bit'"],
        ),
        (
            (row(3.0, True, 0.94, recall=0.96),),
            {"query_kind": "texts"},
            ["more of `queries`), about 1,000 in total", "more oversampling", "'turbo-2bit'"],
        ),
        (
            (row(3.0, True, 0.94, recall=0.96),),
            {"points": 200},
            ["more oversampling", "'turbo-2bit'"],
        ),
        (
            (row(3.0, True, 0.94, recall=0.96),),
            {"points": 329},
            ["sample_size=329), about 329 in total", "more oversampling", "'turbo-2bit'"],
        ),
        ((row(None, None, 0.9),), {"quantization": None}, ["exact=True"]),
        (
            (row(None, None, 0.9, hnsw_ef=64),),
            {"quantization": None, "indexed_vectors": 10_000},
            ["hnsw_ef=(128, 256, 512)"],
        ),
    ],
)
def test_what_to_change_comes_in_the_order_of_its_cost(rows, changed, advice):
    found = recommend(report(*rows, **changed))
    assert found.search_params is None
    assert found.best is max(rows, key=lambda each: each.low)
    assert len(found.advice) == len(advice)
    for said, expected in zip(found.advice, advice, strict=True):
        assert expected in said
        assert f"- {said}" in str(found)


def test_a_setting_found_while_the_engine_was_building_is_to_be_measured_again():
    found = recommend(report(replace(BELOW[1], low=0.99), status="red"))
    assert found.row is not None
    assert "measure again" in str(found)
