"""What the last line of a notebook's cell shows."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser

import pytest

from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    edge,
    embeddings,
    ingestion,
    migration,
    quantization,
    recall,
    recommend,
    sizing,
    vectorstores,
)
from langchain_gemini_qdrant.edge import Repair
from langchain_gemini_qdrant.embeddings import GEMINI_MODELS, EmbeddingUsage
from langchain_gemini_qdrant.ingestion import IngestProgress, IngestReport
from langchain_gemini_qdrant.migration import MigrationReport
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.recall import ComparisonRow, QuantizationComparison, RecallRow
from langchain_gemini_qdrant.recall.report import RecallReport
from langchain_gemini_qdrant.sizing import memory_size

KEY = "no-one-may-see-this"
NOT_RESULTS = {"EdgeBm25", "OptimizeProgress", "RecallProgress", "Waiting"}


def row(oversampling, recall):
    return RecallRow(
        limit=10,
        oversampling=oversampling,
        rescore=True,
        hnsw_ef=None,
        recall=recall,
        low=recall - 0.01,
        high=recall + 0.01,
        p50_s=0.0012,
        p95_s=0.0034,
    )


REPORT = RecallReport(
    collection="<b>",
    engine="edge",
    points=300,
    vector_size=768,
    quantization={"binary": {}},
    segments=1,
    indexed_vectors=0,
    status="green",
    queries=50,
    query_kind="texts",
    latency_queries=50,
    filtered=False,
    confidence=0.95,
    measured_at="2026-11-27",
    rows=(row(1.0, 0.8), row(4.0, 0.97)),
)
COMPARISON = QuantizationComparison(
    collection="<b>",
    points=300,
    vector_size=768,
    queries=50,
    query_kind="texts",
    latency_queries=50,
    confidence=0.95,
    measured_at="2026-11-27",
    rows=(
        ComparisonRow(quantization="binary", bits=1, bytes_per_vector=96, figures=row(3.0, 0.96)),
    ),
)
REPAIR = Repair(collection="<b>", outcome="left out", operation="upsert_points", point_ids=(1,))
# What is shown, and words of it
SHOWN = {
    "an ingest report": (
        IngestReport(added=1234, seconds=2.5, usd=0.01, failed={"<b>": "it is blank"}),
        ["1,234", "2.5 s", "$0.0100", "&lt;b&gt;: it is blank"],
    ),
    "the progress of a run": (IngestProgress(total=10, stored=3), ["total", "10", "stored"]),
    "a migration": (MigrationReport(total=5, not_kept=("hnsw_config",)), ["hnsw_config"]),
    "a measurement": (REPORT, ["&#x27;&lt;b&gt;&#x27; (edge)", "0.970", "1.20/3.40", "rescore"]),
    "a comparison": (COMPARISON, ["binary", "0.960", "recall@10"]),
    "a recommendation": (recommend(REPORT, 0.9), ["Use oversampling 4"]),
    "an advice": (recommend(REPORT, 0.99), ["No measured setting", "more oversampling"]),
    "an estimate": (memory_size(1_000_000, quantization="binary"), ["GiB", "disk"]),
    "a usage": (EmbeddingUsage(texts=7), ["texts", "7"]),
    "a model": (GEMINI_MODELS["gemini-embedding-2"], ["gemini-embedding-2", "8,192"]),
    "a preset": (QUANTIZATION_PRESETS["binary"], ["oversampling"]),
    "a repair": (REPAIR, ["left out"]),
    "embeddings": (GeminiEmbeddings(api_key=KEY, timeout=5), ["gemini-embedding-2", "timeout"]),
}


class Elements(HTMLParser):
    """Checks that what is opened is closed, and keeps the names of elements and attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.names = [], set()

    def handle_starttag(self, tag, attrs):
        self.names |= {tag, *(name for name, _ in attrs)}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_shows_a_table_without_scripts_colors_and_outside_resources(name):
    shown, words = SHOWN[name]
    html = shown._repr_html_()
    elements = Elements()
    elements.feed(html)
    assert elements.open == []
    assert elements.names <= {
        *("div", "strong", "small", "br", "table", "thead", "tbody", "tr", "th", "td"),
        *("style", "scope"),
    }
    assert "color" not in html
    assert "<b>" not in html
    for word in words:
        assert word in html


def test_no_table_shows_a_key():
    assert KEY not in SHOWN["embeddings"][0]._repr_html_()


def test_long_entries_are_counted_and_not_all_shown():
    html = IngestReport(failed={str(n): "blank" for n in range(1000)})._repr_html_()
    assert "and 980 more" in html


def test_what_a_text_console_shows_is_what_print_shows():
    report = SHOWN["an ingest report"][0]
    told = []
    printer = type("Printer", (), {"text": staticmethod(told.append)})
    vars(type(report))["_repr_pretty_"](report, printer, cycle=False)  # where IPython looks
    assert told == [str(report)]


@pytest.mark.parametrize(
    "home", [edge, embeddings, ingestion, migration, quantization, recall, sizing, vectorstores]
)
def test_every_result_is_shown_so(home):
    """But for settings, and for what only `on_progress` is called with."""
    for name in home.__all__:
        public = getattr(home, name)
        if dataclasses.is_dataclass(public) and name not in NOT_RESULTS:
            assert hasattr(public, "_repr_html_"), name
