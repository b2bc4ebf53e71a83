"""Quantization in the embedded engine is real: in what is found and in what is stored."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant.edge import EdgeClient, VectorStorageSize
from langchain_gemini_qdrant.errors import StorageError

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


def test_optimizing_builds_a_graph_and_keeps_what_is_measured_and_found(tmp_path):
    client = EdgeClient(tmp_path)
    vectors = np.random.default_rng(1).normal(size=(400, 768))
    client.create_collection(
        "optimized",
        models.VectorParams(size=768, distance="Cosine"),
        quantization_config=binary(),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
    )
    client.upsert("optimized", models.Batch(ids=list(range(400)), vectors=vectors.tolist()))
    assert client.get_collection("optimized").indexed_vectors_count == 0
    assert client.optimize("optimized") is True
    assert client.optimize("optimized") is False
    assert client.get_collection("optimized").indexed_vectors_count == 400
    assert client.vector_storage_size("optimized") == VectorStorageSize(
        original_bytes=400 * 768 * 4, quantized_bytes=400 * 768 // 8
    )
    exact = models.SearchParams(exact=True)
    found = client.query_points("optimized", 7, search_params=exact, limit=400).points
    assert {point.id for point in found} == {*range(400)} - {7}
    client.close()


# --- settings that change later


@pytest.fixture
def plain(tmp_path):
    """A collection of 300 points without quantization, large enough for a graph."""
    client = EdgeClient(tmp_path)
    client.create_collection(
        "plain",
        {"a": models.VectorParams(size=128, distance="Dot", on_disk=True)},
        {"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        optimizers_config=models.OptimizersConfigDiff(
            indexing_threshold=1, default_segment_number=2
        ),
        hnsw_config=models.HnswConfigDiff(m=8),
        metadata={"kept": 1},
    )
    vectors = np.random.default_rng(3).normal(size=(300, 128)).tolist()
    client.upsert("plain", models.Batch(ids=list(range(300)), vectors={"a": vectors}))
    yield client
    client.close()


def quantized_bytes(client):
    client.optimize("plain")
    return client.vector_storage_size("plain").quantized_bytes


def test_quantization_set_later_is_built_when_the_collection_is_optimized(plain, tmp_path):
    assert plain.update_collection("plain", quantization_config=binary())
    assert plain.vector_storage_size("plain").quantized_bytes == 0
    assert quantized_bytes(plain) == 300 * 128 // 8
    assert plain.get_collection("plain").config.quantization_config == binary()
    plain.close()
    again = EdgeClient(tmp_path)
    assert again.get_collection("plain").config.quantization_config == binary()
    assert again.count("plain").count == 300
    again.close()


def test_a_vector_has_a_quantization_of_its_own_until_it_is_disabled(plain):
    scalar = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))
    own = models.VectorParamsDiff(
        quantization_config=scalar, hnsw_config=models.HnswConfigDiff(m=5)
    )
    plain.update_collection("plain", vectors_config={"a": own}, quantization_config=binary())
    assert quantized_bytes(plain) >= 300 * 128
    none = models.VectorParamsDiff(quantization_config=models.Disabled.DISABLED)
    plain.update_collection("plain", vectors_config={"a": none})
    assert quantized_bytes(plain) == 300 * 128 // 8
    params = plain.get_collection("plain").config.params.vectors["a"]
    assert (params.quantization_config, params.hnsw_config.m, params.on_disk) == (None, 5, True)


def test_quantization_of_a_collection_is_switched_off_again(plain, tmp_path):
    plain.update_collection("plain", quantization_config=binary())
    assert quantized_bytes(plain) == 300 * 128 // 8
    plain.update_collection("plain", quantization_config=models.Disabled.DISABLED)
    assert quantized_bytes(plain) == 0
    plain.close()
    again = EdgeClient(tmp_path)
    assert again.get_collection("plain").config.quantization_config is None
    assert (quantized_bytes(again), again.count("plain").count) == (0, 300)
    again.close()


def test_a_vector_that_is_added_later_is_quantized_as_the_collection_is(plain):
    plain.update_collection("plain", quantization_config=binary())
    dense = models.DenseVectorConfig(size=128, distance="Dot")
    plain.create_vector_name("plain", "b", models.DenseVectorNameConfig(dense=dense))
    points = [models.PointVectors(id=i, vector={"b": [0.5 - i % 2] * 128}) for i in range(300)]
    plain.update_vectors("plain", points)
    assert quantized_bytes(plain) == 2 * 300 * 128 // 8


def test_a_change_of_settings_keeps_those_that_it_does_not_name(plain):
    plain.update_collection(
        "plain",
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=2),
        hnsw_config=models.HnswConfigDiff(ef_construct=50),
        collection_params=models.CollectionParamsDiff(on_disk_payload=True, replication_factor=3),
        sparse_vectors_config={
            "words": models.SparseVectorParams(
                index=models.SparseIndexParams(full_scan_threshold=9), modifier=models.Modifier.IDF
            )
        },
        timeout=5,
    )
    config = plain.get_collection("plain").config
    assert config.optimizer_config.indexing_threshold == 2
    assert config.optimizer_config.default_segment_number == 2
    assert (config.hnsw_config.m, config.hnsw_config.ef_construct) == (8, 50)
    assert config.params.on_disk_payload is True
    assert config.params.sparse_vectors["words"].index.full_scan_threshold == 9
    assert config.metadata == {"kept": 1}
    assert plain.count("plain").count == 300


@pytest.mark.parametrize(
    ("change", "way_round"),
    [
        (
            {"sparse_vectors_config": {"words": models.SparseVectorParams(modifier="none")}},
            "migrate",
        ),
        ({"strict_mode_config": models.StrictModeConfig(enabled=True)}, "strict_mode_config"),
    ],
)
def test_a_setting_that_the_engine_cannot_change_stays(plain, change, way_round):
    before = plain.get_collection("plain")
    with pytest.raises(NotImplementedError, match=way_round):
        plain.update_collection("plain", **change)
    assert plain.get_collection("plain") == before


def test_settings_that_the_engine_refuses_leave_the_collection_open(plain):
    before = plain.get_collection("plain")
    collection = plain._client._folder.collection("plain")
    other = models.CreateCollection(vectors={"a": models.VectorParams(size=3, distance="Dot")})
    with pytest.raises(StorageError, match="change a collection's settings"):
        collection.reconfigure(other)
    assert plain.get_collection("plain") == before
