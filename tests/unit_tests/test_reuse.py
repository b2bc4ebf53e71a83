"""Vectors are cut and scaled to length 1, or there is a reason why not."""

from __future__ import annotations

import numpy as np
import pytest

from langchain_gemini_qdrant.migration._reuse import shortened


def test_the_first_numbers_have_the_direction_of_the_whole_start():
    short, other = shortened([[3.0, 4.0, 12.0], [0.0, -2.0, 1.0]], 2)
    assert short == pytest.approx([0.6, 0.8])
    assert other == pytest.approx([0.0, -1.0])
    assert (short.dtype, short.shape) == (np.float32, (2,))


@pytest.mark.parametrize("scale", [1e-38, 1e-20, 1.0, 1e20, 3e38])
def test_no_scale_of_32_bit_floats_is_too_small_or_too_large(scale):
    [short] = shortened([[0.6 * scale, 0.8 * scale, scale]], 2)
    assert short == pytest.approx([0.6, 0.8], abs=1e-6)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (None, "the point has no vector"),
        ([], "the point has no vector"),
        ([0.0, -0.0, 1.0], "the first 2 numbers of its vector are 0"),
        ([float("nan"), 1.0, 1.0], "its vector has numbers that are not finite"),
        ([1.0, float("-inf"), 1.0], "its vector has numbers that are not finite"),
    ],
)
def test_a_vector_without_a_direction_has_a_reason_and_the_others_are_cut(vector, reason):
    first, between, last = shortened([[1.0, 0.0, 1.0], vector, [0.0, 1.0, 1.0]], 2)
    assert between == reason
    assert (first.tolist(), last.tolist()) == ([1.0, 0.0], [0.0, 1.0])


def test_no_vectors_are_no_results():
    assert shortened([], 2) == []
