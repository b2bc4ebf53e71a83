"""Vectors as lists and as arrays: one rule for both, and the same bytes in a cache."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from langchain_gemini_qdrant.embeddings._backends.protocol import EmbedAnswer, EmbedRequest
from langchain_gemini_qdrant.embeddings._cache import decode, encode
from langchain_gemini_qdrant.embeddings._response import check_answer
from langchain_gemini_qdrant.errors import ResponseMismatchError

REQUEST = EmbedRequest(
    model="models/m", texts=["a", "b"], titles=[None] * 2, task_type=None, output_dimensionality=2
)
SIGNALLING_NAN = struct.pack("<2I", 0x7FA00001, 0x3F800000)  # and 1; NumPy warns of computing it
FORMS = pytest.mark.parametrize("form", [list, lambda numbers: np.array(numbers, np.float32)])


def check(*vectors, size=2):
    return check_answer(REQUEST, EmbedAnswer(vectors=vectors, tokens=None), size)


@FORMS
def test_vectors_of_length_1_are_returned_unchanged(form):
    vectors = [form([0.6, 0.8]), form([0.0, 1.0])]
    assert [*map(id, check(*vectors))] == [*map(id, vectors)]


@FORMS
@pytest.mark.parametrize("scale", [1.0, 3.7, 1e-30, 1e-40, 1e37])
def test_others_are_scaled_to_length_1_and_keep_their_direction(form, scale):
    numbers = np.random.default_rng(0).normal(size=3072)
    given = form((numbers * scale).tolist())
    scaled, _ = check(given, given, size=3072)
    assert type(scaled) is type(given)
    assert math.hypot(*scaled) == pytest.approx(1, abs=1e-6)
    if scale > 1e-38:  # smaller numbers have few places as float32
        expected = numbers / np.linalg.norm(numbers)
        np.testing.assert_allclose(np.array(scaled), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_scaled_array_is_the_scaled_list_rounded_once(scale):
    array = np.random.default_rng(1).normal(size=768).astype(np.float32) * np.float32(scale)
    of_array, of_list = (check(v, v, size=768)[0] for v in (array, array.tolist()))
    assert of_array.dtype == np.float32
    # The norms may differ in the last place of float64, and so a number in its last of float32.
    assert np.count_nonzero(of_array != np.array(of_list, np.float32)) <= 1


@FORMS
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([math.nan, 1.0], "a vector of length nan"),
        ([math.inf, 1.0], "a vector of length inf"),
        ([-math.inf, 1.0], "a vector of length inf"),
        ([0.0, -0.0], "a vector of length 0.0"),
        ([1.0], "vectors of 2 components were requested, 1 were returned"),
        ([1.0, 0.0, 0.0], "vectors of 2 components were requested, 3 were returned"),
        ([], "vectors of 2 components were requested, 0 were returned"),
    ],
)
def test_one_vector_that_is_wrong_refuses_the_answer(form, wrong, message):
    with pytest.raises(ResponseMismatchError, match=message):
        check(form([0.6, 0.8]), form(wrong))


def test_an_array_with_a_signalling_nan_is_refused_without_a_warning_of_numpys():
    with pytest.raises(ResponseMismatchError, match="a vector of length nan"):
        check(np.frombuffer(SIGNALLING_NAN, "<f4"), np.array([0.6, 0.8], np.float32))


@FORMS
def test_without_a_known_size_all_vectors_have_that_of_the_first(form):
    assert len(check(form([0.6, 0.8]), form([1.0, 0.0]), size=None)) == 2
    with pytest.raises(ResponseMismatchError, match="of 2 components"):
        check(form([0.6, 0.8]), form([1.0]), size=None)
    with pytest.raises(ResponseMismatchError, match="of length 0.0"):
        check(form([]), form([]), size=None)


def test_cached_bytes_are_little_endian_float32_whatever_the_form():
    numbers = np.random.default_rng(2).normal(size=768).astype(np.float32)
    data = struct.pack("<768f", *numbers)
    big_endian = numbers.astype(">f4")
    assert encode(numbers) == encode(numbers.tolist()) == encode(big_endian) == data
    found = decode(data, 768)
    assert found.tolist() == numbers.tolist()
    found += 1  # its memory is its own
    assert decode(data, None).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    "damaged",
    [
        None,
        "text",
        b"",
        b"abc",
        b"\0" * 8,
        struct.pack("<2f", math.nan, 1),
        struct.pack("<2f", math.inf, 1),
        SIGNALLING_NAN,
        struct.pack("<3f", 1, 0, 0),
    ],
)
def test_damaged_entry_is_none(damaged):
    assert decode(damaged, 2) is None
