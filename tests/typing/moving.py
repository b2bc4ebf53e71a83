"""Measuring, choosing and moving collections, in use: type-checked, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiQdrantVectorStore,
    ameasure_recall,
    amigrate,
    areembed,
    measure_recall,
    migrate,
    recommend,
    reembed,
)
from langchain_gemini_qdrant.errors import LocalModeError
from langchain_gemini_qdrant.migration import MigrationReport, ReembedReport
from langchain_gemini_qdrant.recall import (
    QuantizationComparison,
    RecallProgress,
    RecallReport,
    RecallRow,
    Recommendation,
    acompare_quantizations,
    compare_quantizations,
)
from langchain_gemini_qdrant.sizing import MemoryEstimate, memory_size
from langchain_gemini_qdrant.testing import assert_statuses, assert_texts, gemini_vcr_config

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

    from langchain_gemini_qdrant import GeminiEmbeddings
    from langchain_gemini_qdrant.testing import GeminiEmulator


async def tuned(store: GeminiQdrantVectorStore) -> None:
    def show(progress: RecallProgress) -> None:
        assert_type(progress, RecallProgress)

    report = measure_recall(store, queries=["q"], limits=(10,), on_progress=show)
    assert_type(report, RecallReport)
    assert_type(report.rows, tuple[RecallRow, ...])
    assert_type(await ameasure_recall(store, filter={"page": {"$gt": 3}}), RecallReport)
    found = recommend(report, 0.95, limit=10)
    assert_type(found, Recommendation)
    assert_type(found.search_params, models.SearchParams | None)
    store.remember_search_params(found.search_params)
    measure_recall(store, limit=10)  # type: ignore[call-arg] # limits


async def compared(store: GeminiQdrantVectorStore) -> None:
    comparison = compare_quantizations(store, presets=["binary"])
    assert_type(comparison, QuantizationComparison)
    assert_type(await acompare_quantizations([[1.0, 0.0]] * 100), QuantizationComparison)
    assert_type(memory_size(1_000_000, 768, quantization="binary"), MemoryEstimate)


async def moved(source: QdrantClient, target: QdrantClient, twin: AsyncQdrantClient) -> None:
    assert_type(migrate(source, target, "c"), MigrationReport)
    assert_type(await amigrate(twin, twin, "c", target_collection_name="d"), MigrationReport)
    migrate(twin, target, "c")  # type: ignore[arg-type] # asynchronous


def opened_or_moved(path: str) -> EdgeClient:
    try:
        return EdgeClient(path)
    except LocalModeError as error:
        assert_type(error.collections, tuple[str, ...])
        client = EdgeClient(f"{error.path}-edge")
        for name in error.collections:
            migrate(QdrantClient(path=error.path), client, name)
        return client


async def embedded_anew(store: GeminiQdrantVectorStore, embeddings: GeminiEmbeddings) -> None:
    report = reembed(store, embeddings, alias="live")
    assert_type(report, ReembedReport)
    assert_type(report.store, GeminiQdrantVectorStore)
    assert_type(report.vectors_reused, int)
    assert_type(report.not_reused, str | None)
    again = await areembed(store, embeddings, delete_old=True, reuse_vectors=True)
    assert_type(again, ReembedReport)


def test_documents_are_embedded(
    gemini_emulator: GeminiEmulator, gemini_qdrant_store: GeminiQdrantVectorStore
) -> None:
    gemini_qdrant_store.add_texts(["a"])
    assert_texts(gemini_emulator, ["a"], task_type="RETRIEVAL_DOCUMENT")
    assert_statuses(gemini_emulator, [200])


def vcr_config() -> dict[str, object]:
    return {**gemini_vcr_config(), "record_mode": "once"}
