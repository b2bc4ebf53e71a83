"""Quantization in the embedded engine is real: in what is found and in what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant.edge import EdgeClient, VectorStorageSize

SIZE = 256
COUNT = 2000
K = 10


def binary(**settings) -> models.BinaryQuantization:
    return models.BinaryQuantization(
        binary=models.BinaryQuantizationConfig(always_ram=True, **settings)
    )


def fill(client: EdgeClient, name: str, vectors: np.ndarray, quantization=None) -> None:
    client.create_collection(
        name,
        models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE),
        quantization_config=quantization,
    )
    client.upsert(
        name,
        models.Batch(ids=list(range(len(vectors))), vectors=vectors.tolist()),
    )


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.normal(size=(COUNT, SIZE)) * np.exp(-np.arange(SIZE) / 160)


@pytest.fixture(scope="module")
def client(tmp_path_factory, vectors):
    client = EdgeClient(tmp_path_factory.mktemp("quantized"))
    fill(client, "binary", vectors, binary())
    fill(client, "scalar8bits", vectors, binary(query_encoding="scalar8bits"))
    yield client
    client.close()


def recall_at_k(client, name: str, vectors: np.ndarray, **params) -> float:
    queries = vectors[:30] + np.random.default_rng(6).normal(size=(30, SIZE)) * 0.02
    normalised = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = [
        {
            point.id
            for point in client.query_points(
                name, query.tolist(), limit=K, search_params=models.SearchParams(**params)
            ).points
        }
        for query in queries
    ]
    exact = [set(np.argsort(-(normalised @ query))[:K].tolist()) for query in queries]
    return float(np.mean([len(a & b) / K for a, b in zip(found, exact, strict=True)]))


@pytest.mark.parametrize("name", ["binary", "scalar8bits"])
def test_binary_codes_serve_at_once_and_rescoring_makes_up_for_them(client, vectors, name):
    """No optimizer has run. Recall is of one segment, where oversampling is what it says."""
    assert client.get_collection(name).segments_count == 1

    def recall(**params):
        return recall_at_k(client, name, vectors, **params)

    codes_only = recall(quantization=models.QuantizationSearchParams(rescore=False))
    rescored = recall(quantization=models.QuantizationSearchParams(rescore=True, oversampling=6.0))
    more = recall(quantization=models.QuantizationSearchParams(rescore=True, oversampling=24.0))
    assert codes_only + 0.05 < rescored < more < 1.0
    assert recall(quantization=models.QuantizationSearchParams(ignore=True)) == 1.0
    off = models.QuantizationSearchParams(rescore=False)
    assert recall(exact=True, quantization=off) == 1.0


def test_the_query_encoding_reaches_the_engine(client, vectors):
    off = models.QuantizationSearchParams(rescore=False)
    assert recall_at_k(client, "scalar8bits", vectors, quantization=off) > 0.05 + recall_at_k(
        client, "binary", vectors, quantization=off
    )


@pytest.mark.parametrize("size", [768, 3072])
@pytest.mark.parametrize("where", [{}, {"on_disk": True}, {"memory": models.Memory.COLD}])
def test_one_bit_codes_are_measured_at_a_32nd_of_the_vectors(tmp_path, size, where):
    client = EdgeClient(tmp_path)
    client.create_collection(
        "measured",
        {"a": models.VectorParams(size=size, distance=models.Distance.COSINE, **where)},
        quantization_config=binary(query_encoding="scalar8bits"),
    )
    vectors = np.random.default_rng(1).normal(size=(40, size))
    client.upsert("measured", models.Batch(ids=list(range(40)), vectors={"a": vectors.tolist()}))
    assert client.vector_storage_size("measured") == VectorStorageSize(
        original_bytes=40 * size * 4, quantized_bytes=40 * size // 8
    )
    client.close()


def test_sizes_follow_the_datatype_and_count_no_codes_that_are_not_there(tmp_path):
    client = EdgeClient(tmp_path)
    client.create_collection(
        "half",
        models.VectorParams(size=64, distance="Dot", datatype=models.Datatype.FLOAT16),
        {"words": models.SparseVectorParams()},
    )
    assert client.vector_storage_size("half") == VectorStorageSize(
        original_bytes=0, quantized_bytes=0
    )
    client.upsert("half", models.Batch(ids=[1, 2, 3], vectors=np.ones((3, 64)).tolist()))
    assert client.vector_storage_size("half") == VectorStorageSize(
        original_bytes=3 * 64 * 2, quantized_bytes=0
    )
    with pytest.raises(ValueError, match="Collection nowhere not found"):
        client.vector_storage_size("nowhere")
    client.close()


def test_sizes_of_optimized_segments_are_measured_alike(tmp_path):
    """Another program may have optimized the folder, and its files look different then."""
    client = EdgeClient(tmp_path)
    vectors = np.random.default_rng(1).normal(size=(400, 768))
    client.create_collection(
        "optimized",
        models.VectorParams(size=768, distance="Cosine"),
        quantization_config=binary(),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
    )
    client.upsert("optimized", models.Batch(ids=list(range(400)), vectors=vectors.tolist()))
    shard = client._client._folder.collection("optimized")._shard
    assert shard.optimize()
    assert client.vector_storage_size("optimized") == VectorStorageSize(
        original_bytes=400 * 768 * 4, quantized_bytes=400 * 768 // 8
    )
    client.close()
