"""Measure the recall of searches against exact ones, and choose search settings by it."""

from __future__ import annotations

from langchain_gemini_qdrant.recall._comparison_report import ComparisonRow, QuantizationComparison
from langchain_gemini_qdrant.recall._row import RecallRow
from langchain_gemini_qdrant.recall.compare import acompare_quantizations, compare_quantizations
from langchain_gemini_qdrant.recall.measure import (
    RecallProgress,
    ameasure_recall,
    measure_recall,
)
from langchain_gemini_qdrant.recall.recommend import Recommendation, recommend
from langchain_gemini_qdrant.recall.report import RecallReport

__all__ = [
    "ComparisonRow",
    "QuantizationComparison",
    "RecallProgress",
    "RecallReport",
    "RecallRow",
    "Recommendation",
    "acompare_quantizations",
    "ameasure_recall",
    "compare_quantizations",
    "measure_recall",
    "recommend",
]
