"""Ids, payloads and vectors as Qdrant stores them."""

from __future__ import annotations

import pickle
import uuid

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant._qdrant_values import (
    check_payload,
    content_id,
    document_id,
    id_payload,
    payload_bytes,
    point_id,
)
from langchain_gemini_qdrant.errors import InvalidInputError

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


# What Python reads as the same UUID or integer
OF_A_UUID = [
    UUID,
    f"urn:uuid:{UUID}",
    f"uuid:{UUID}",
    f"{{{UUID}}}",
    f"{{{UUID}",
    UUID.replace("-", "", 1),
    f"{UUID}-",
    f"{UUID[:5]}-{UUID[5:]}",
    UUID.replace("-", "").replace("1", "\u0661"),
    f"urn:uuid:{UUID.upper()}",
]
OF_AN_INTEGER = ["1", "01", "+1", "\u0661", " 1", "0_1", "1.0", "1e0", "0x1"]


@pytest.mark.parametrize("spellings", [OF_A_UUID, OF_AN_INTEGER])
def test_strings_in_which_python_reads_the_same_are_ids_of_their_own(spellings):
    points = [point_id(each) for each in spellings]
    assert len(set(points)) == len(spellings)
    assert points[0] in {UUID, 1}
    for given, point in zip(spellings, points, strict=True):
        assert document_id(point, id_payload(given, point)) == given


@pytest.mark.parametrize("other", [UUID.upper(), uuid.UUID(UUID).hex, uuid.UUID(UUID).hex.upper()])
def test_a_uuid_is_one_id_in_either_case_and_with_or_without_its_hyphens(other):
    """Qdrant says so, and collections filled with `uuid4().hex` are found by it."""
    assert point_id(other) == UUID
    assert document_id(UUID, id_payload(other, UUID)) == other


@pytest.mark.parametrize("given", OF_A_UUID[1:])
def test_what_an_earlier_version_stored_under_a_uuid_it_read_is_found_by_that_uuid(given):
    assert document_id(UUID, {"document_id": given}) == UUID
    assert point_id(UUID) == UUID


@pytest.mark.parametrize("kept", ["doc-42", 42, None, ["a"], "", UUID])
def test_a_document_id_that_another_program_keeps_is_not_the_point_s(kept):
    assert document_id(7, {"document_id": kept}) == "7"


def test_an_integer_longer_than_python_reads_is_an_id_like_any_string():
    assert uuid.UUID(str(point_id("1" * 5000)))


def test_an_id_that_no_request_can_carry_is_refused():
    with pytest.raises(InvalidInputError, match="surrogate"):
        point_id("file \udcff")


def test_a_payload_is_checked_and_measured_once():
    given = {"page_content": "x", "metadata": {"n": 1}}
    checked = check_payload(given)
    assert check_payload(checked) is checked
    assert payload_bytes(checked) == checked.size_bytes == payload_bytes(given)
    assert type(pickle.loads(pickle.dumps(checked))) is dict  # noqa: S301 - made here


def test_content_ids_follow_from_text_and_source():
    document = Document("x", metadata={"source": "s", "page": 1})
    assert content_id(document) == content_id(Document("x", metadata={"source": "s", "page": 2}))
    assert content_id(document) != content_id(Document("x", metadata={"source": "t"}))
    assert content_id(document) != content_id(Document("y", metadata={"source": "s"}))


def test_content_ids_of_texts_are_those_of_earlier_versions():
    """Otherwise a second run would embed and store every document again."""
    document = Document("x", metadata={"source": "s", "page": 1})
    assert content_id(document) == "4a17437f-31ea-54a7-abc9-e6f834cb1234"
    assert content_id(document, ("source", "page")) == "4b8163c2-206d-5ce4-893e-4103add355bb"
    assert (
        content_id(Document("", metadata={"source": "ü", "tags": {"a"}}), ("tags",))
        == "573a6638-6041-5d51-9ac0-12f703a608c3"
    )


def test_content_ids_of_media_follow_from_their_digests_in_order():
    document = Document("x", metadata={"source": "s"})
    ids = [
        content_id(document, digests=digests) for digests in ((), ("a",), ("a", "b"), ("b", "a"))
    ]
    assert len({*ids}) == 4
    assert content_id(document, digests=["a", "b"]) == ids[2]
