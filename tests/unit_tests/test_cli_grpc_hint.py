"""When gRPC is recommended: if a run would have been shorter with it, and can use it."""

from __future__ import annotations

import sys
from importlib.metadata import distributions

import pytest
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.cli.grpc_hint import grpc_hint
from langchain_gemini_qdrant.ingestion import IngestReport

LARGE = IngestReport(texts=100_000, seconds=60.0)


def hint(report=LARGE, **options):
    return grpc_hint(report, GeminiEmbeddings(**{"api_key": "k", **options}))


@pytest.fixture
def without_packages(monkeypatch):
    """Let Python find no installed package."""
    monkeypatch.setattr(sys, "path", [])
    assert not [*distributions()]


@pytest.mark.usefixtures("without_packages")
def test_a_run_that_was_busy_reading_recommends_grpc_with_its_command():
    told = hint()
    assert told.startswith("100,000 vectors of size 3,072 in 60 s: gRPC saves about ")
    install = "pip install 'langchain-gemini-qdrant[grpc]'"
    assert told.endswith(f" s of CPU time. To use it: {install}, then add --backend grpc")


def test_an_installed_package_is_not_installed_again():
    told = hint()
    assert told.endswith(" To use it: add --backend grpc")


@pytest.mark.parametrize(
    ("texts", "seconds", "size"),
    [
        (100_000, 2_000.0, None),  # 3,000 texts a minute: the quota is the limit
        (1_000, 0.6, None),
        (10_000, 6.0, 128),
        (0, 0.0, None),
    ],
)
def test_nothing_is_recommended_if_it_would_hardly_be_noticed(texts, seconds, size):
    assert hint(IngestReport(texts=texts, seconds=seconds), output_dimensionality=size) is None


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": None, "project": "p", "credentials": Credentials("token")},
        {"base_url": "https://gateway.example/gemini"},
        {"backend": "google-generativeai"},
        {"backend": "grpc"},
    ],
    ids=["vertex", "path", "older", "grpc"],
)
def test_nothing_is_recommended_where_grpc_cannot_be_used_or_is(options):
    assert hint(**options) is None


def test_a_server_in_place_of_googles_has_another_address_for_grpc():
    told = hint(base_url="http://127.0.0.1:8080")
    assert told.endswith("add --backend grpc, and the address of gRPC as --base-url")
