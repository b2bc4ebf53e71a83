from __future__ import annotations

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import ConfigurationError
from langchain_gemini_qdrant.quantization import (
    merge_search_params,
    quantization_config,
    search_params_for,
    stored_alike,
)


def test_binary_is_one_bit_codes_in_memory_with_eight_bit_queries():
    config = quantization_config("binary").binary
    assert config.always_ram is True
    assert config.query_encoding == models.BinaryQuantizationQueryEncoding.SCALAR8BITS
    assert config.encoding is None


def test_binary_searches_three_times_the_candidates_and_rescores():
    quantization = search_params_for(quantization_config("binary")).quantization
    assert (quantization.oversampling, quantization.rescore) == (3.0, True)


def test_scalar_rescores_without_oversampling():
    scalar = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
    )
    quantization = search_params_for(quantization_config(scalar)).quantization
    assert (quantization.oversampling, quantization.rescore) == (None, True)


def test_plain_vectors_need_no_search_params():
    assert search_params_for(None) is None


@pytest.mark.parametrize("wrong", ["Binary", "pq", {"binary": {}}])
def test_unknown_quantization_says_what_is_taken(wrong):
    with pytest.raises(ConfigurationError, match="'binary' or a qdrant_client"):
        quantization_config(wrong)


def test_a_call_wins_field_by_field():
    default = models.SearchParams(
        hnsw_ef=64, quantization=models.QuantizationSearchParams(rescore=True, oversampling=3.0)
    )
    call = models.SearchParams(
        exact=True, quantization=models.QuantizationSearchParams(rescore=False)
    )
    assert merge_search_params(default, call) == models.SearchParams(
        hnsw_ef=64,
        exact=True,
        quantization=models.QuantizationSearchParams(rescore=False, oversampling=3.0),
    )


def test_merging_leaves_both_as_they_were():
    default = search_params_for(quantization_config("binary"))
    before = default.model_copy(deep=True)
    merge_search_params(default, models.SearchParams(hnsw_ef=1))
    assert default == before


def test_nothing_merges_to_the_other():
    params = models.SearchParams(hnsw_ef=1)
    assert merge_search_params(None, params) == params
    assert merge_search_params(params, None) == params
    assert merge_search_params(None, None) is None


def _binary(**settings):
    return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(**settings))


def test_settings_that_store_the_same_codes_are_alike():
    one_bit = models.BinaryQuantizationEncoding.ONE_BIT
    assert stored_alike(quantization_config("binary"), _binary(encoding=one_bit))


@pytest.mark.parametrize(
    "other", [None, _binary(encoding=models.BinaryQuantizationEncoding.TWO_BITS)]
)
def test_settings_that_store_other_codes_are_not_alike(other):
    assert not stored_alike(quantization_config("binary"), other)
