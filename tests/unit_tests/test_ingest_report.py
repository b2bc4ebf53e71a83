from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from langchain_gemini_qdrant.ingestion import IngestProgress, IngestReport


def test_a_report_says_its_counts_in_one_line_that_is_the_same_each_run():
    report = IngestReport(
        added=1_200,
        updated=3,
        skipped=40,
        failed={"a": "x"},
        texts=1_203,
        tokens=5_000,
        usd=0.00123,
    )
    line = (
        "1,200 added, 3 updated, 40 skipped, 0 deleted, 1 failed; sent: texts 1,203, tokens 5,000"
    )
    assert str(report) == f"{line}, $0.0012"
    unpriced = IngestReport(
        added=1_200, updated=3, skipped=40, failed={"a": "x"}, texts=1_203, tokens=5_000, usd=None
    )
    assert str(unpriced) == line
    estimated = IngestReport(texts=7, tokens=1_300, estimated_tokens=300, usd=0.00123)
    assert str(estimated).endswith("sent: texts 7, tokens ~1,300, ~$0.0012")


@pytest.mark.parametrize(
    ("report", "complete"),
    [
        (IngestReport(), True),
        (IngestReport(failed={"a": "x"}), False),
        (IngestReport(stopped="x"), False),
    ],
)
def test_complete_is_without_failures_and_to_the_end(report, complete):
    assert report.complete is complete


def test_rates_are_per_second_and_zero_before_the_first():
    report = IngestReport(added=4, updated=1, skipped=3, failed={"a": "x", "b": "y"}, tokens=50)
    assert (report.documents_per_second, report.tokens_per_second) == (0.0, 0.0)
    progress = IngestProgress(skipped=3, stored=5, failed=2, tokens=50, seconds=5.0)
    assert (progress.done, progress.documents_per_second, progress.tokens_per_second) == (10, 2, 10)


def test_with_media_tokens_and_price_are_given_by_modality():
    tokens, prices = {"TEXT": 500, "IMAGE": 2_580}, {"TEXT": 0.0001, "IMAGE": 0.00116}
    report = IngestReport(
        added=10,
        texts=10,
        tokens=3_080,
        usd=0.00126,
        tokens_by_modality=tokens,
        usd_by_modality=prices,
    )
    shares = "TEXT 500 tokens, $0.0001; IMAGE 2,580 tokens, $0.0012"
    assert str(report).endswith(f"sent: texts 10, tokens 3,080, $0.0013 ({shares})")
    assert "IMAGE: 2,580 tokens, $0.0012" in report._repr_html_()
    unpriced = replace(report, usd=None, usd_by_modality={})
    assert str(unpriced).endswith("tokens 3,080 (TEXT 500 tokens; IMAGE 2,580 tokens)")
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301 - made here
    texts = replace(report, tokens_by_modality={"TEXT": 3_080}, usd_by_modality={"TEXT": 0.0006})
    assert "modality" not in texts._repr_html_()
    assert str(texts).endswith("$0.0013")
