from __future__ import annotations

import uuid

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant._qdrant_values import content_id, document_id, id_payload, point_id

UUID = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"


@pytest.mark.parametrize(
    ("given", "point"), [(7, 7), ("7", 7), (UUID, UUID), (2**64 - 1, 2**64 - 1)]
)
def test_integers_and_uuids_stay_point_ids(given, point):
    assert point_id(given) == point
    assert id_payload(given, point) == {}


@pytest.mark.parametrize(
    "given",
    [
        "a",
        "",
        "007",
        "-1",
        "1.0",
        "²",
        "naïve ключ 键",
        str(2**64),
        UUID.upper(),
        UUID.replace("-", ""),
    ],
)
def test_any_other_string_comes_back_as_it_was_given(given):
    point = point_id(given)
    assert uuid.UUID(point)
    assert document_id(point, {"page_content": "x", **id_payload(given, point)}) == given


def test_different_strings_get_different_points():
    given = ["a", "b", "A", "a ", "01", "1", "10"]
    assert len({point_id(each) for each in given}) == len(given)


def test_content_ids_follow_from_text_and_source():
    document = Document("x", metadata={"source": "s", "page": 1})
    assert content_id(document) == content_id(Document("x", metadata={"source": "s", "page": 2}))
    assert content_id(document) != content_id(Document("x", metadata={"source": "t"}))
    assert content_id(document) != content_id(Document("y", metadata={"source": "s"}))
