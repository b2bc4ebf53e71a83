from __future__ import annotations

from datetime import date

import pytest

from langchain_gemini_qdrant.embeddings import GEMINI_MODELS
from langchain_gemini_qdrant.embeddings._request import Content, request_spec
from langchain_gemini_qdrant.embeddings.models import (
    DEFAULT_MODEL,
    find_model,
    guess_conditioning,
    model_id,
)


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


@pytest.mark.parametrize("version", ["", "@001", "@default"])
@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "models/",
        "google/",
        "publishers/google/models/",
        "projects/p/locations/us-central1/publishers/google/models/",
    ],
)
def test_models_are_found_by_any_spelling(prefix, version):
    name = f"{prefix}gemini-embedding-001{version}"
    assert model_id(name) == "gemini-embedding-001"
    assert find_model(name).name == "gemini-embedding-001"


@pytest.mark.parametrize(
    "name",
    [
        "projects/p/locations/l/endpoints/gemini-embedding-2",
        "publishers/acme/models/gemini-embedding-2",
        "tunedModels/gemini-embedding-2",
    ],
)
def test_names_of_something_else_stay_what_they_are(name):
    assert model_id(name) == name
    assert find_model(name) is None


def test_vectors_of_one_model_are_cached_under_one_key():
    keys = set()
    for name in ("models/gemini-embedding-2", "google/gemini-embedding-2@default", "acme/other"):
        spec = request_spec(name, "RETRIEVAL_QUERY", 128)
        keys.add(spec.key(Content("a", None, 1)))
    assert keys == {
        # of the plain names: caches outlive versions of this package
        "b39b6d5e89eac4b8c2ccba15d58fe741dd9e4d626e774df7d7496b97f60a146a",
        "b6f29fc688aef2e0eeaa59573ac95b2e3d67d4bd9b0769d06a1b93169db10dc1",
    }


def test_unknown_successors_are_taken_to_read_prefixes():
    assert guess_conditioning("models/gemini-embedding-3") == "prefix"
    assert guess_conditioning("text-embedding-006") == "task_type"
