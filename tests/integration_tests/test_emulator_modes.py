"""Faults by chance, requests that are not kept, vectors that cost nothing: over the wire."""

from __future__ import annotations

import contextlib
import warnings

import grpc
import numpy as np
import pytest
from google import genai
from google.genai import types

from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests import generated_client

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services import generative_service

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"


@contextlib.contextmanager
def client_of(emulator):
    """A google-genai client."""
    options = {"base_url": emulator.base_url}
    client = genai.Client(api_key=emulator.api_key, http_options=options)
    yield client
    client.close()


def test_chance_meets_the_same_requests_each_time(emulator):
    def statuses():
        emulator.clear()
        emulator.misbehave(0.5, seed=3)
        for i in range(30):
            with contextlib.suppress(Exception):  # the SDK's own, and its HTTP library's
                client.models.embed_content(model=ONE, contents=f"text {i}")
        return [request.status for request in emulator.requests]

    with client_of(emulator) as client:
        found = statuses()
        assert found == statuses()
    assert set(found) == {200, 429, 500, 503, None}
    assert emulator.request_counts[None] == found.count(None)


def test_chance_may_hang_until_clear(emulator):
    emulator.misbehave(1.0, kinds=["hang"])
    # The API refuses less than 10 s, of which the SDK would tell it.
    config = {"http_options": {"timeout": 100, "headers": {"X-Server-Timeout": "10"}}}
    with client_of(emulator) as client:
        with pytest.raises(Exception, match="timed out"):
            client.models.embed_content(model=ONE, contents="a", config=config)
        emulator.clear()
        assert client.models.embed_content(model=ONE, contents="a").embeddings


def test_what_need_not_be_kept_is_not():
    with GeminiEmulator(record=False) as emulator, client_of(emulator) as client:
        client.models.embed_content(model=ONE, contents=["a", "b"])
    (request,) = emulator.requests
    assert (request.status, request.method, request.in_flight) == (200, "batchEmbedContents", 1)
    assert (request.headers, request.query, request.body, request.texts) == ({}, {}, None, ())
    assert emulator.texts == []
    assert (emulator.request_counts, emulator.text_counts) == ({200: 1}, {200: 2})


@pytest.fixture(scope="module")
def _quick_emulator():
    with GeminiEmulator(grpc=True, record=False, stand_in_vectors=True) as emulator:
        yield emulator


@pytest.fixture
def quick_emulator(_quick_emulator):
    _quick_emulator.clear()
    return _quick_emulator


@pytest.fixture(params=["google-generativeai-rest", "google-generativeai-grpc", "grpc"])
def old_embed(request, quick_emulator):
    """`embed_content` of google-generativeai and of Google's generated client, with stand-ins."""
    sdk = generated_client if request.param == "grpc" else request.getfixturevalue("old_genai")
    options = {"request_options": {"retry": None}}
    if request.param == "google-generativeai-rest":
        sdk.configure(
            api_key=quick_emulator.api_key,
            transport="rest",
            client_options={"api_endpoint": quick_emulator.base_url},
        )
        yield lambda texts, **more: np.float32(
            sdk.embed_content(f"models/{TWO}", texts, **options, **more)["embedding"]
        )
        return
    options["request_options"]["metadata"] = [("x-goog-api-key", quick_emulator.api_key)]
    transport = generative_service.transports.GenerativeServiceGrpcTransport
    with grpc.insecure_channel(quick_emulator.grpc_target) as channel:
        older = glm.GenerativeServiceClient(transport=transport(channel=channel))
        yield lambda texts, **more: np.float32(
            sdk.embed_content(f"models/{TWO}", texts, client=older, **options, **more)["embedding"]
        )


@pytest.mark.parametrize("size", [128, 3072])
def test_stand_ins_are_the_same_for_all_sdks(old_embed, quick_emulator, size):
    texts = [f"text {i}" for i in range(20)]
    with client_of(quick_emulator) as client:
        response = client.models.embed_content(
            model=TWO,
            contents=[types.Content(parts=[types.Part(text=text)]) for text in texts],
            config={"output_dimensionality": size},
        )
    newer = np.float32([embedding.values for embedding in response.embeddings])
    assert newer.shape == (20, size)
    assert np.array_equal(newer, old_embed(texts, output_dimensionality=size))
    assert np.array_equal(newer[7], old_embed("text 7", output_dimensionality=size))
    assert np.linalg.norm(newer, axis=1) == pytest.approx(np.ones(20), abs=1e-6)


@pytest.mark.parametrize("wrong", ["nan", "size"])
def test_stand_ins_may_be_wrong(old_embed, quick_emulator, wrong):
    quick_emulator.answer_next(wrong)
    vector = old_embed("a", output_dimensionality=16)
    assert len(vector) == {"nan": 16, "size": 15}[wrong]
    assert np.isnan(vector).sum() == (wrong == "nan")
