"""What reaches the embedded engine, and in which form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import check_payload
from langchain_gemini_qdrant.edge._convert._validate import (
    VectorSchema,
    check_collection,
    check_point_id,
    check_point_vectors,
    check_points,
    check_vector,
)
from langchain_gemini_qdrant.errors import InvalidInputError

SCHEMA = VectorSchema(dense={"": 2, "named": 3}, multi={"tokens": 2}, sparse=frozenset({"words"}))
CANONICAL = "0189f7a2-5b6c-7d8e-9f01-23456789abcd"


@pytest.mark.parametrize("point_id", [0, 2**64 - 1, CANONICAL])
def test_ids_in_their_final_form_stay(point_id):
    assert check_point_id(point_id) == point_id


@pytest.mark.parametrize(
    "spelling",
    [
        CANONICAL.upper(),
        CANONICAL.replace("-", ""),
        f"{{{CANONICAL}}}",
        f"urn:uuid:{CANONICAL}",
        UUID(CANONICAL),
    ],
)
def test_every_spelling_of_a_uuid_is_one_id(spelling):
    assert check_point_id(spelling) == CANONICAL


@pytest.mark.parametrize("point_id", [True, -1, 2**64, 1.0, "", "1", "0189f7a2-5b6c", None])
def test_other_ids_are_refused_with_what_is_expected(point_id):
    with pytest.raises(InvalidInputError, match=r"integer in 0\.\.18446744073709551615 or a UUID"):
        check_point_id(point_id)


def test_a_payload_becomes_json_and_tells_its_length():
    payload = check_payload(
        {"at": datetime(2024, 5, 1, tzinfo=UTC), "id": UUID(CANONICAL), 1: ("ü",)}
    )
    assert payload == {"at": "2024-05-01T00:00:00Z", "id": CANONICAL, "1": ["ü"]}
    assert (
        payload.size_bytes == len('{"at":"2024-05-01T00:00:00Z","id":"","1":["ü"]}'.encode()) + 36
    )
    assert (check_payload(None), check_payload(None).size_bytes) == ({}, 0)


def test_a_plain_payload_is_taken_as_it_stands_and_measured_about():
    payload = {"text": "ü" * 100, "n": 3, "x": 0.5, "more": {"list": [True, None, "a"]}}
    taken = check_payload(payload)
    assert taken == payload
    assert abs(taken.size_bytes - len(json.dumps(payload, ensure_ascii=False).encode())) < 30


def test_a_payload_deeper_than_any_is_no_error():
    deep = {"a": 1}
    for _ in range(100):
        deep = {"a": deep}
    assert check_payload(deep) == deep


def test_a_refused_payload_is_not_quoted():
    with pytest.raises(InvalidInputError) as refused:
        check_payload({"a": "secret \ud800"})
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "vector"),
    [
        ("", [1, 2.5]),
        ("named", np.array([1.0, 2.0, 3.0])),
        ("tokens", [[1.0, 2.0], [3.0, 4.0]]),
        ("words", models.SparseVector(indices=[9, 2**32 - 1], values=[1.0, -1.0])),
        ("words", models.SparseVector(indices=[], values=[])),
    ],
)
def test_vectors_that_fit_are_taken_as_they_are(name, vector):
    expected = vector.tolist() if isinstance(vector, np.ndarray) else vector
    assert check_vector(vector, name, SCHEMA) == expected


@pytest.mark.parametrize(
    ("name", "vector", "message"),
    [
        ("other", [1.0], r"'other'.*\['', 'named', 'tokens', 'words'\]"),
        ("named", [1.0], "'named' must have 3 components, got 1"),
        ("", "ab", "must be a list of 2 numbers, got str"),
        ("", ["a", "b"], "flat list of numbers"),
        ("", [[1.0], [2.0]], "flat list of numbers"),
        ("", [float("nan"), 1.0], "finite"),
        ("", [10**400, 1], "flat list of numbers"),
        ("tokens", [], "non-empty list of vectors"),
        ("tokens", [[1.0, 2.0], [1.0]], "must have 2 components, got 1"),
        ("words", [1.0], "must be a SparseVector, got list"),
        ("words", models.SparseVector(indices=[1, 1], values=[1, 1]), "repeat"),
        ("words", models.SparseVector(indices=[2**32], values=[1]), r"0\.\.4294967295"),
        ("words", models.SparseVector(indices=[1], values=[]), "as many values as indices"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_with_the_reason(name, vector, message):
    with pytest.raises(InvalidInputError, match=message):
        check_vector(vector, name, SCHEMA)


def test_vectors_of_one_point_are_merged_whatever_the_spelling_of_its_id():
    points = check_point_vectors(
        [
            models.PointVectors(id=CANONICAL, vector=[1.0, 2.0]),
            models.PointVectors(id=2, vector={}),
            models.PointVectors(
                id=CANONICAL.upper(), vector={"": [3.0, 4.0], "named": [1.0, 1.0, 1.0]}
            ),
        ],
        SCHEMA,
    )
    assert [(point.id, point.vectors, point.size_bytes) for point in points] == [
        (CANONICAL, {"": [3.0, 4.0], "named": [1.0, 1.0, 1.0]}, 4 * 5),
        (2, {}, 0),
    ]


@pytest.mark.parametrize(
    "points",
    [
        [],
        None,
        [models.PointStruct(id=1, vector=[1.0, 2.0])],
        [models.PointVectors(id=1, vector=[1.0])],
        [models.PointVectors(id=-1, vector=[1.0, 2.0])],
    ],
)
def test_what_is_no_list_of_vectors_is_refused(points):
    with pytest.raises(InvalidInputError):
        check_point_vectors(points, SCHEMA)


def test_a_batch_is_the_same_points_by_columns():
    batch = models.Batch(
        ids=[1, 2],
        vectors={"named": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "tokens": [[[1.0, 2.0]]] * 2},
        payloads=[{"a": 1}, {}],
    )
    points = list(check_points(batch, SCHEMA))
    assert points[1].vectors == {"named": [4.0, 5.0, 6.0], "tokens": [[1.0, 2.0]]}
    assert [point.payload for point in points] == [{"a": 1}, {}]
    assert points[1].size_bytes == 4 * (3 + 2) + len("{}")


@pytest.mark.parametrize(
    "points",
    [
        [],
        5,
        [{"id": 1}],
        models.Batch(ids=[1, 2], vectors=[[1.0, 2.0]]),
        models.Batch(ids=[1], vectors=[[1.0, 2.0]], payloads=[]),
    ],
)
def test_what_is_no_list_of_points_is_refused(points):
    with pytest.raises(InvalidInputError):
        list(check_points(points, SCHEMA))


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a:b", "x" * 256])
def test_collection_names_that_a_server_refuses_are_refused(name):
    with pytest.raises(InvalidInputError, match="collection name"):
        check_collection(models.CreateCollection(), name)


@pytest.mark.parametrize(
    "config",
    [
        {"vectors": models.VectorParams(size=0, distance="Dot")},
        {"vectors": {"a": models.VectorParams(size=65537, distance="Dot")}},
        {"vectors": {"../a": models.VectorParams(size=2, distance="Dot")}},
        {"vectors": {"ü" * 101: models.VectorParams(size=2, distance="Dot")}},
        {"sparse_vectors": {"": models.SparseVectorParams()}},
        {
            "vectors": {"a": models.VectorParams(size=2, distance="Dot")},
            "sparse_vectors": {"a": models.SparseVectorParams()},
        },
    ],
)
def test_vectors_that_a_server_refuses_are_refused(config):
    with pytest.raises(InvalidInputError, match="(?i)vector"):
        check_collection(models.CreateCollection(**config), "name")
