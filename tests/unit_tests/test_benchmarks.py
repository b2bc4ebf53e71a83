"""The pages that benchmarks write: what they look for is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"


@pytest.fixture
def script(monkeypatch):
    """Import a module of `benchmarks`, whose modules import each other by their bare names."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def test_every_ratio_of_the_comparison_is_in_a_table_of_the_page(script):
    """`make compare` copies columns of docs/benchmarks.md, and finds each of them by its name."""
    found, missing = script("ratios").ratios()
    assert missing == []
    assert all(each.table.rows for each in found)


def test_every_section_of_the_embeddings_has_its_place_on_the_page(script):
    """`make bench-embeddings BENCH=--write` finds where to write, after up to half an hour."""
    places = re.findall(
        r"<!-- written by make bench-embeddings: (\w+) -->\n.*?<!-- until here -->\n",
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert places == list(script("embeddings").SECTIONS)
