"""Vectors as NumPy arrays: stored to the bit, and refused in the words that lists are."""

from __future__ import annotations

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.errors import InvalidInputError
from tests.integration_tests.ingesting import passages

NAME = "passages"
SIZE = 64
ROW = np.random.default_rng(3).standard_normal(SIZE).astype(np.float32)
PLACES = ["edge", pytest.param("worker", marks=pytest.mark.slow)]
SERVERS = [pytest.param(each, marks=pytest.mark.slow) for each in ("server", "grpc")]
READ_ONLY = ROW.copy()
READ_ONLY.setflags(write=False)
ARRAYS = {
    "32 bits": ROW,
    "read-only": READ_ONLY,
    "every second number": np.repeat(ROW, 2)[::2],
    "backwards": ROW[::-1].copy()[::-1],
    "of other byte order": ROW.astype(">f4"),
    "64 bits": ROW.astype(np.float64),
    "a list": ROW.tolist(),
}


def numbers(vector):
    """The numbers that were read back, as they were stored."""
    assert type(vector) is list
    return np.float32(vector).tolist()


@pytest.fixture
def over_grpc(emulator):
    """Embeddings whose answers arrive as protobuf, two texts in a request."""
    pytest.importorskip("google.ai.generativelanguage_v1beta")
    embeddings = GeminiEmbeddings(
        model="gemini-embedding-001",
        backend="google-generativeai",
        transport="grpc",
        api_key=emulator.api_key,
        base_url=emulator.grpc_url,
        output_dimensionality=256,
        batch_size=2,
    )
    yield embeddings
    embeddings.close()


@pytest.fixture
def place(engine, tmp_path):
    """Make a client by the name of its engine, with two more: `"worker"` and `"folder"`."""
    made = []

    def make(kind):
        if kind not in {"worker", "folder"}:
            return engine(kind)
        folder = tmp_path / kind
        made.append(
            EdgeClient(folder, worker=True) if kind == "worker" else QdrantClient(path=folder)
        )
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture(params=PLACES)
def edge(request, place):
    """An embedded engine with a collection of a dense and a sparse vector."""
    client = place(request.param)
    client.create_collection(
        NAME,
        vectors_config={"dense": models.VectorParams(size=SIZE, distance=models.Distance.DOT)},
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    return client


def point(number, dense):
    """A point with a vector of each kind; pydantic's check would turn an array into a list."""
    words = models.SparseVector(indices=[number], values=[1.0])
    return models.PointStruct.model_construct(
        id=number, vector={"dense": dense, "words": words}, payload={"number": number}
    )


@pytest.mark.parametrize("adds", [False, True], ids=["ingest", "add_documents"])
@pytest.mark.parametrize("kind", [*PLACES, ":memory:", "folder", *SERVERS])
def test_the_vectors_of_an_answer_are_stored_to_the_bit(
    place, over_grpc, run, on_store, kind, adds
):
    store = create_vector_store(over_grpc, NAME, client=place(kind), distance=models.Distance.DOT)
    documents = passages(5)
    if adds:
        on_store(store, "add_documents", documents)
    else:
        run(store, documents)
    records, _ = store.client.scroll(NAME, with_vectors=True, with_payload=True)
    found = {record.payload["page_content"]: numbers(record.vector) for record in records}
    texts = [document.page_content for document in documents]
    assert found == dict(zip(texts, map(numbers, over_grpc.embed_documents(texts)), strict=True))


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_arrays_are_stored_as_their_numbers(edge, array):
    edge.upsert(NAME, [point(1, array)])
    edge.upload_collection(NAME, {"dense": [array]}, ids=[2])
    edge.upsert(NAME, [point(3, [0.0] * SIZE)])
    edge.update_vectors(NAME, [models.PointVectors.model_construct(id=3, vector={"dense": array})])
    records = edge.retrieve(NAME, [1, 2, 3], with_vectors=True)
    assert [numbers(record.vector["dense"]) for record in records] == [ROW.tolist()] * 3
    assert records[0].vector["words"] == models.SparseVector(indices=[1], values=[1.0])


def test_points_that_are_given_remain_as_they_are(edge):
    given = point(1, ROW)
    edge.upsert(NAME, [given])
    assert given.vector["dense"] is ROW


@pytest.mark.parametrize(
    "vector",
    [
        [1.0] * (SIZE - 1),
        [],
        [float("nan")] * SIZE,
        [float("inf"), *[1.0] * (SIZE - 1)],
        [3.4e38] * SIZE,
        [[1.0]] * SIZE,
    ],
    ids=["too short", "empty", "NaN", "infinity", "too long", "nested"],
)
def test_arrays_are_refused_in_the_words_of_lists(edge, vector):
    def refusal(wrong):
        with pytest.raises(ValueError, match="Vector") as refused:
            edge.upsert(NAME, [point(1, ROW), point(2, wrong)])
        return type(refused.value), str(refused.value), refused.value.indices

    assert refusal(np.float32(vector)) == refusal(vector)
    assert edge.count(NAME).count == 0


def test_an_array_with_a_signalling_nan_is_refused_without_a_warning_of_numpys(edge):
    wrong = np.frombuffer(b"\x01\x00\xa0\x7f" * SIZE, "<f4")
    with pytest.raises(InvalidInputError, match="must have finite 32-bit numbers, got NaN"):
        edge.upsert(NAME, [point(1, wrong)])


def test_an_array_that_is_no_sparse_vector_is_refused(edge):
    wrong = models.PointStruct.model_construct(id=1, vector={"words": ROW}, payload=None)
    with pytest.raises(ValueError, match="must be a SparseVector, got ndarray"):
        edge.upsert(NAME, [wrong])


def test_a_vector_whose_square_is_too_large_for_32_bits_is_stored(edge):
    large = np.float32([1e30, *[0.0] * (SIZE - 1)])
    edge.upsert(NAME, [point(1, large)])
    [record] = edge.retrieve(NAME, [1], with_vectors=["dense"])
    assert numbers(record.vector["dense"]) == large.tolist()


def test_queries_by_arrays_score_as_those_by_lists(edge):
    rows = np.random.default_rng(4).standard_normal((9, SIZE)).astype(np.float32)
    edge.upsert(NAME, [point(number, row) for number, row in enumerate(rows)])

    def scores(*vectors):
        example = models.RecommendInput.model_construct(
            positive=[*vectors[:3]], negative=[*vectors[3:]], strategy=None
        )
        queries = vectors[0], models.RecommendQuery.model_construct(recommend=example)
        return [
            [(hit.id, hit.score) for hit in edge.query_points(NAME, query, using="dense").points]
            for query in queries
        ]

    assert scores(*rows[:5]) == scores(*rows[:5].tolist())
