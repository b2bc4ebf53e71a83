from __future__ import annotations

from datetime import date

import pytest

from langchain_gemini_qdrant.embeddings import GEMINI_MODELS
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL, find_model, guess_conditioning


def test_every_retired_model_names_a_replacement_that_lives():
    today = date(2026, 11, 22)
    retired = [model for model in GEMINI_MODELS.values() if model.is_shut_down(today)]
    assert retired
    for model in retired:
        assert not GEMINI_MODELS[model.replacement].is_shut_down(today)


def test_default_model_has_no_shutdown_date():
    assert GEMINI_MODELS[DEFAULT_MODEL].shutdown is None


def test_default_size_is_one_that_can_be_asked_for():
    for model in GEMINI_MODELS.values():
        low, high = model.dimensionalities
        assert low <= model.output_dimensionality <= high


@pytest.mark.parametrize("name", ["gemini-embedding-001", "models/gemini-embedding-001"])
def test_models_are_found_with_and_without_their_prefix(name):
    assert find_model(name).name == "gemini-embedding-001"


def test_unknown_successors_are_taken_to_read_prefixes():
    assert guess_conditioning("models/gemini-embedding-3") == "prefix"
    assert guess_conditioning("text-embedding-006") == "task_type"
