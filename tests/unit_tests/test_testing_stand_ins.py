"""Vectors that cost nothing: lengths, sizes, and the same numbers on both transports."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from langchain_gemini_qdrant.testing._api._models import MODELS
from langchain_gemini_qdrant.testing._api._stand_ins import choose_stand_ins
from langchain_gemini_qdrant.testing._api._text import _TOKEN, _token_cost, count_tokens
from langchain_gemini_qdrant.testing._api._vectors import Meaning

ONE, TWO = MODELS["models/gemini-embedding-001"], MODELS["models/gemini-embedding-2"]
SIZES = [1, 2, 15, 16, 17, 128, 768, 1536, 3071, 3072]


def choose(*texts, model=TWO, size=768, task_type="RETRIEVAL_QUERY", title=None):
    return choose_stand_ins(
        [Meaning(text=text, title=title, task_type=task_type) for text in texts],
        space=model.name,
        model_size=model.size,
        size=size,
        normalizes=model.normalizes,
    )


@pytest.mark.parametrize("size", SIZES)
def test_numbers_are_the_same_in_json_and_in_protobuf(size):
    (vector,) = choose("a text", size=size)
    numbers = vector.numbers()
    assert numbers.shape == (size,)
    assert np.array_equal(np.frombuffer(b"".join(vector.packed()), dtype="<f4"), numbers)
    assert np.array_equal(np.float32(json.loads(b"".join(vector.json()))), numbers)


@pytest.mark.parametrize("size", SIZES)
def test_vectors_of_2_have_length_1(size):
    lengths = [np.linalg.norm(v.numbers()) for v in choose(*map(str, range(20)), size=size)]
    assert lengths == pytest.approx([1] * 20, abs=1e-6)


def test_only_whole_vectors_of_001_have_length_1():
    (whole,) = choose("a text", model=ONE, size=3072)
    (short,) = choose("a text", model=ONE, size=768)
    assert np.linalg.norm(whole.numbers()) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(short.numbers()) == pytest.approx(0.578, abs=0.01)


def test_equal_texts_are_equal_and_others_are_far():
    texts = [f"text {i}" for i in range(2000)]
    vectors = np.array([vector.numbers() for vector in choose(*texts)])
    assert np.array_equal(vectors[5], choose("text 5")[0].numbers())
    assert len(np.unique(vectors, axis=0)) == 2000
    cosines = vectors[:200] @ vectors[:200].T - np.eye(200)
    assert np.abs(cosines).max() < 0.5


def test_the_task_the_title_and_the_model_matter():
    found = [
        choose("a", model=ONE),
        choose("a", model=ONE, task_type="RETRIEVAL_DOCUMENT"),
        choose("a", model=ONE, task_type="RETRIEVAL_DOCUMENT", title="T"),
        choose("a", model=TWO),
    ]
    assert len({b"".join(vector.packed()) for (vector,) in found}) == 4


def test_vectors_are_the_same_everywhere():
    (vector,) = choose("a text", size=64)
    pinned = [0.126551688, -0.04893332, 0.210919469, -0.21429418, -0.079855964]
    assert vector.numbers()[:5].tolist() == pytest.approx(pinned, abs=1e-9)


def test_tokens_of_ascii_are_counted_as_those_of_other_texts():
    numbers = random.Random(3)
    alphabet = "aaaaaaaabcdZ   \t\n\x1f\x7f\x0009.,-_'"
    for _ in range(2000):
        text = "".join(numbers.choices(alphabet, k=numbers.randint(0, 60)))
        assert count_tokens(text) == sum(map(_token_cost, _TOKEN.findall(text)))
