"""What engines round is no difference: floats' last places, vectors made 1 long."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import create_vector_store, migrate, reembed

KINDS = ["edge", ":memory:", "server", "grpc"]
QUICK = [("edge", ":memory:"), (":memory:", "edge"), ("edge", "edge")]
PAIRS = [
    pytest.param(*pair, marks=() if pair in QUICK else pytest.mark.slow)
    for pair in itertools.product(KINDS, KINDS)
]


@pytest.fixture(autouse=True)
def _engines_keep_other_settings():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have these settings")
        yield


def times(count):
    """Return time stamps of files, of which Qdrant's reader of JSON rounds every tenth."""
    return np.random.default_rng(0).uniform(1.6e9, 1.8e9, count).tolist()


def files(count):
    return [
        Document(
            f"text {i}", id=str(i), metadata={"mtime": at, "deep": [{"at": at, "n": 2**60 + 1}]}
        )
        for i, at in enumerate(times(count))
    ]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_time_stamps_and_long_vectors_are_copied_once(engine, source, target):
    source, target = engine(source), engine(target)
    cosine = models.VectorParams(size=2, distance=models.Distance.COSINE)
    rows = models.VectorParams(
        size=2,
        distance=models.Distance.COSINE,
        multivector_config=models.MultiVectorConfig(comparator="max_sim"),
    )
    source.create_collection("c", {"one": cosine, "rows": rows})
    source.upsert(
        "c",
        [
            models.PointStruct(
                id=i,
                vector={"one": [i + 1.0, 3.0], "rows": [[0.5, i], [0.0, 0.0]]},
                payload={"mtime": at, "list": [at, 2**60 + 1]},
            )
            for i, at in enumerate(times(150))
        ],
    )
    assert migrate(source, target, "c").added == 150
    again = migrate(source, target, "c")
    assert (again.updated, again.skipped) == (0, 150)


def test_what_local_mode_wrote_to_a_folder_is_copied_once(engine, tmp_path):
    """It makes vectors 1 long in memory, and reads them as they were given when reopened."""
    folder = tmp_path / "local"
    source = QdrantClient(path=str(folder))
    params = models.VectorParams(size=3, distance=models.Distance.COSINE)
    source.create_collection("c", params)
    vectors = np.random.default_rng(0).normal(size=(60, 3)) * 0.58
    source.upsert("c", [models.PointStruct(id=i, vector=v) for i, v in enumerate(vectors.tolist())])
    source.close()
    source, target = QdrantClient(path=str(folder)), engine("edge")
    assert migrate(source, target, "c").added == 60
    assert migrate(source, target, "c").skipped == 60
    source.close()


@pytest.mark.parametrize("other", [[0.0, 1.0], [-1.0, 0.0]])
def test_another_direction_is_another_vector(engine, other):
    source, target = engine("edge"), engine("edge")
    params = models.VectorParams(size=2, distance=models.Distance.COSINE)
    for client, vector in [(source, [1.0, 0.0]), (target, other)]:
        client.create_collection("c", params)
        client.upsert("c", [models.PointStruct(id=1, vector=vector)])
    assert migrate(source, target, "c").updated == 1
    assert migrate(source, target, "c").skipped == 1


def test_with_other_distances_another_length_is_another_vector(engine):
    source, target = engine("edge"), engine("edge")
    params = models.VectorParams(size=2, distance=models.Distance.DOT)
    for client, vector in [(source, [1.0, 0.0]), (target, [2.0, 0.0])]:
        client.create_collection("c", params)
        client.upsert("c", [models.PointStruct(id=1, vector=vector)])
    assert migrate(source, target, "c").updated == 1


@pytest.mark.parametrize("title_key", [None, "mtime"])
@pytest.mark.parametrize(
    "kind", ["edge", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
)
def test_documents_with_time_stamps_are_skipped_when_they_come_again(
    engine, run, embeddings, emulator, kind, title_key
):
    store = create_vector_store(embeddings, "c", client=engine(kind), title_key=title_key)
    assert run(store, files(300)).added == 300
    emulator.clear()
    report = run(store, files(300))
    assert (report.updated, report.skipped, emulator.texts) == (0, 300, [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1_700_000_000.5, 1_700_000_000.500_001),
        (2**60, 2**60 + 1),
        (1, True),
        (None, False),
        ([1.5], [1.5, 1.5]),
        ({"a": 1}, {"a": 1, "b": 1}),
    ],
)
def test_a_value_that_differs_by_more_is_updated(engine, run, before, after):
    store = create_vector_store(DeterministicFakeEmbedding(size=8), "c", client=engine("edge"))
    run(store, [Document("text", id="a", metadata={"v": before})])
    assert run(store, [Document("text", id="a", metadata={"v": after})]).updated == 1
    [document] = store.get_by_ids(["a"])
    assert document.metadata["v"] == after
    assert type(document.metadata["v"]) is type(after)


def test_reembedding_time_stamps_ends(engine, embeddings):
    store = create_vector_store(embeddings, "old", client=engine("edge"))
    store.add_documents(files(200))
    smaller = embeddings.model_copy(update={"output_dimensionality": 256})
    report = reembed(store, smaller, collection_name="new")
    assert (report.ingest.added, report.ingest.updated) == (200, 0)
