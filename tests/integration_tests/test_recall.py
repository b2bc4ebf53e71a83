from __future__ import annotations

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.recall import recall_at_k

SIZE, COUNT = 128, 600


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = create_vector_store(
        DeterministicFakeEmbedding(size=SIZE),
        "c",
        path=tmp_path_factory.mktemp("edge"),
        quantization="binary",
    )
    store.add_texts([f"text {i}" for i in range(COUNT)])
    yield store
    store.client.close()


def settings(**quantization):
    return models.SearchParams(quantization=models.QuantizationSearchParams(**quantization))


def test_exact_search_finds_all(store):
    assert recall_at_k(store, search_params=models.SearchParams(exact=True)) == 1.0


def test_rescoring_and_oversampling_raise_recall(store):
    without = recall_at_k(store, search_params=settings(rescore=False))
    with_defaults = recall_at_k(store)
    wide = recall_at_k(store, search_params=settings(rescore=True, oversampling=20.0))
    assert without < with_defaults < wide <= 1.0


def test_recall_without_rescoring_is_that_of_sign_bits_worked_out_by_hand(store):
    """Stored: the sign of each component; queries: 8 bits each, here taken as they are."""
    ids = [point.id for point in store.client.scroll("c", limit=COUNT)[0]]
    points = store.client.retrieve("c", ids, with_vectors=True)
    named = [p.vector if isinstance(p.vector, list) else p.vector[""] for p in points]
    vectors = np.array(named)
    signs = np.where(vectors > 0, 1.0, -1.0)

    def top(scores):
        np.fill_diagonal(scores, -np.inf)
        return [set(row) for row in np.argsort(-scores, axis=1)[:, :10]]

    found, wanted = top(vectors @ signs.T), top(vectors @ vectors.T)
    by_hand = np.mean([len(a & b) / 10 for a, b in zip(found, wanted, strict=True)])
    measured = recall_at_k(store, sample_size=COUNT, search_params=settings(rescore=False))
    assert measured == pytest.approx(by_hand, abs=0.015)


def test_float_and_binary_vectors_differ_32_fold(store):
    size = store.client.vector_storage_size("c")
    assert size.original_bytes == COUNT * SIZE * 4
    assert size.original_bytes == 32 * size.quantized_bytes
