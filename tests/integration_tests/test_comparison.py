"""Quantizations side by side, in the real embedded engine."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient, create_vector_store
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.quantization import QUANTIZATION_PRESETS
from langchain_gemini_qdrant.recall import compare as comparison
from langchain_gemini_qdrant.recall import compare_quantizations

SIZE, COUNT = 128, 400


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    return rng.normal(size=(COUNT, SIZE)) * np.exp(-np.arange(SIZE) / 60)


def test_every_preset_is_measured_at_its_own_setting_after_the_full_vectors(vectors):
    steps = []
    report = compare_quantizations(
        vectors,
        query_count=20,
        latency_queries=2,
        on_progress=lambda name, progress: steps.append((name, progress)),
    )
    names = ["none", *QUANTIZATION_PRESETS]
    assert [(row.quantization, row.figures.limit) for row in report.rows] == [
        (name, limit) for name in names for limit in (10, 100)
    ]
    assert list(dict.fromkeys(name for name, _ in steps)) == names
    progress = [progress for _, progress in steps]
    done = [each.done for each in progress]
    assert done == sorted(done)  # of all of them: it does not begin again with each
    assert [each.done == each.total for each in progress].index(True) == len(progress) - 1
    assert (report.collection, report.points, report.queries) == (None, COUNT, 20)
    none, *others = report.rows[::2]
    assert (none.bytes_per_vector, none.figures.recall) == (SIZE * 4, 1.0)
    for row in others:
        preset = QUANTIZATION_PRESETS[row.quantization]
        assert (row.figures.oversampling, row.figures.rescore) == (preset.oversampling, True)
        # the engine adds some bytes to the codes of some kinds
        assert 0 <= row.bytes_per_vector - preset.bits * SIZE / 8 <= 8, row.quantization
        assert 0.4 < row.figures.recall <= 1.0
        assert row.figures.p50_s > 0


@pytest.mark.slow
async def test_a_sample_of_a_store_is_searched_with_texts_that_are_embedded_once(
    twin, tmp_path, embeddings, emulator
):
    client = EdgeClient(tmp_path / "index")
    store = create_vector_store(embeddings, "docs", client=client)
    store.add_texts([f"passage {i}" for i in range(60)])
    emulator.clear()
    report = await twin(
        comparison,
        "compare_quantizations",
        store,
        ["which?", "what?"],
        presets=["binary", {"scalar": {"type": "int8"}}],
        limits=(5,),
        oversampling=(1, 12),
        sample_size=50,
        latency_queries=0,
    )
    assert len(emulator.requests) == 1
    assert (report.collection, report.points, report.vector_size) == ("docs", 50, 768)
    assert (report.queries, report.query_kind) == (2, "texts")
    assert [(row.quantization, row.bits, row.figures.oversampling) for row in report.rows] == [
        ("none", 32.0, None),
        ("binary", 1.0, 1.0),
        ("binary", 1.0, 12.0),
        ("scalar codes (int8)", None, 1.0),
        ("scalar codes (int8)", None, 12.0),
    ]
    assert report.rows[2].figures.recall == 1.0  # every point is a candidate
    assert client.get_collections().collections[0].name == "docs"
    await embeddings.aclose()
    client.close()


def test_the_distance_of_the_source_is_kept(vectors):
    """By their dot product long vectors are near to all; by angle they are not."""
    lengths = np.linspace(1, 50, COUNT)[:, None]
    options = {"presets": ["binary"], "limits": (10,), "query_count": 30, "seed": 1}
    options |= {"oversampling": (1,), "latency_queries": 0}

    def recall(distance):
        report = compare_quantizations(vectors * lengths, distance=distance, **options)
        return report.rows[1].figures.recall

    assert recall(models.Distance.COSINE) != recall(models.Distance.DOT)


def test_a_seed_takes_the_same_sample_again(vectors):
    options = {"presets": ["binary"], "limits": (10,), "sample_size": 200, "latency_queries": 0}
    one, two, other = (
        compare_quantizations(vectors, seed=seed, query_count=30, **options).rows
        for seed in (1, 1, 2)
    )
    assert one == two != other


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        ([1.0, 2.0], {}, InvalidInputError, r"shape \(n, size\), got \(2,\)"),
        ([], {}, InvalidInputError, r"shape \(n, size\)"),
        ([[1.0, 2.0]], {"queries": ["text"]}, InvalidInputError, "texts need a store"),
        ([[1.0, 2.0]], {"sample_size": 0}, ConfigurationError, "sample_size must be 1 or larger"),
        ([[1.0, 2.0]], {"limits": (0,)}, ConfigurationError, "limits must be numbers from 1"),
        ([[1.0, 2.0]], {"presets": ["binray"]}, ConfigurationError, "did you mean 'binary'"),
        (
            [[1.0, 2.0], [2.0, 1.0]],
            {"presets": ["scalar"]},
            InvalidInputError,
            "2 vectors are too few",
        ),
    ],
)
def test_what_cannot_be_compared_is_told(source, options, error, message):
    with pytest.raises(error, match=message):
        compare_quantizations(source, **options)


@pytest.mark.parametrize("options", [{"limits": (0,)}, {"sample_size": 0}, {"presets": ["x"]}])
async def test_what_is_wrong_is_told_before_an_engine_starts(twin, tmp_path, monkeypatch, options):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))  # no engine could start
    with pytest.raises(ConfigurationError):
        await twin(comparison, "compare_quantizations", [[1.0, 2.0]], **options)


def test_an_empty_collection_is_told(tmp_path, embeddings):
    with (
        create_vector_store(embeddings, "docs", path=tmp_path) as store,
        pytest.raises(InvalidInputError, match="'docs' has no vectors"),
    ):
        compare_quantizations(store)
