"""What `memory_size` says beforehand is what the engine stores."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.sizing import memory_size

COUNT = 1200
M = 8


@pytest.mark.parametrize("size", [100, 256])
@pytest.mark.parametrize("name", QUANTIZATION_PRESETS)
def test_codes_and_vectors_take_the_bytes_that_were_foretold(name, size):
    vectors = np.random.default_rng(3).normal(size=(COUNT, size))
    client = EdgeClient(":temporary:")
    client.create_collection(
        "points",
        models.VectorParams(size=size, distance=models.Distance.COSINE),
        quantization_config=QUANTIZATION_PRESETS[name].config,
        hnsw_config=models.HnswConfigDiff(m=M, ef_construct=8),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
    )
    ids = [str(uuid.UUID(int=number)) for number in range(COUNT)]
    client.upsert("points", models.Batch(ids=ids, vectors=vectors.tolist()))
    client.optimize("points")
    found = client.storage_info("points")
    client.close()

    foretold = memory_size(COUNT, size, quantization=name, m=M)
    assert found.vectors.original_bytes == foretold.vector_bytes
    assert found.vectors.quantized_bytes == foretold.code_bytes
    # links are compressed, and an id is on disk once: less than foretold, and not by much
    besides = foretold.graph_bytes + foretold.id_bytes
    assert besides / 2 < found.memory_bytes - found.vectors.quantized_bytes < besides
