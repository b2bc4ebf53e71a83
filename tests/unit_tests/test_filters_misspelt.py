"""A filter in another library's spelling is told, where it would silently find nothing."""

from __future__ import annotations

import warnings

import pytest
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores.filters import metadata_field, to_filter

OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists", "not", "and", "or"]


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_without_its_dollar_sign_is_told(name):
    with pytest.raises(InvalidInputError, match=rf"write '\${name}'; .* 'year.{name}'"):
        to_filter({"year": {name: 2020}}, "metadata")
    with pytest.raises(InvalidInputError, match="lacks the"):
        to_filter({"$not": {"$or": [{"a": {"b": {name: 2020}}}]}}, "metadata")


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}, {"b": 2}]])
@pytest.mark.parametrize("name", ["and", "or", "not"])
def test_conditions_combined_without_the_dollar_sign_are_told(name, value):
    with pytest.raises(InvalidInputError, match=rf"'{name}' for the metadata .* '\${name}'"):
        to_filter({name: value}, "metadata")


@pytest.mark.parametrize("name", OPERATORS)
def test_a_field_may_have_the_name_of_an_operator(name):
    [condition] = to_filter({f"edges.{name}": "x"}, "metadata").must
    assert condition.key == f"metadata.edges.{name}"
    assert to_filter({"edges": {f'"{name}"': "x"}}, "metadata").must == [condition]
    [condition] = to_filter({name: "x"}, "metadata").must
    assert condition.key == f"metadata.{name}"


def test_the_payload_key_before_a_field_is_warned_of():
    said = "'metadata.year' is a field 'year' inside a metadata field 'metadata'.*'year'"
    with pytest.warns(UserWarning, match=said):
        found = to_filter({"metadata.year": "x"}, "metadata")
    assert found.must[0].key == "metadata.metadata.year"
    with pytest.warns(UserWarning, match=said):
        metadata_field("metadata.year", "metadata")


@pytest.mark.parametrize(
    "filter", [{"metadata": {"year": "x"}}, {'"metadata".year': "x"}, {"meta.year": "x"}]
)
def test_a_field_that_is_named_as_the_payload_key_can_be_said(filter):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [condition] = to_filter(filter, "metadata").must
    assert condition.match == models.MatchValue(value="x")
