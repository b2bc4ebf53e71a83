"""Faults, quotas and lost connections over gRPC: each text has its own vector, paid for once."""

from __future__ import annotations

import random

import numpy as np
import pytest

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    PartialEmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.http2_server import Relay
from tests.integration_tests.places import PLACES

TEXTS = [f"passage {i}." for i in range(10_000)]
SMALL = {"output_dimensionality": 128, "batch_size": 10}
FAULTS = [429, 500, 503, 504, "disconnect", "cut", "reset", "short", "long", "empty", "no-values"]
FAULTS += ["nan", "infinite", "size", "not-json", "unusual"]


@pytest.fixture(params=[place for place in PLACES if place.endswith("grpc")])
def make(request, clock):
    """Make embeddings over gRPC of an emulator, or of another address."""
    made = []

    def make(emulator, **options):
        place = PLACES[request.param]
        settings = {"base_url": emulator.grpc_url, "clock": clock, **SMALL, **options}
        settings |= {"backend": place["name"], "transport": place.get("transport")}
        made.append(GeminiEmbeddings(api_key=emulator.api_key, **settings))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.fixture
def relay(emulator):
    with Relay(emulator.grpc_target).running() as relay:
        yield relay


def unlike(vectors, expected):
    """Return the indices of vectors that are not the expected ones."""
    return np.flatnonzero(np.any(np.float32(vectors) != np.float32(expected), axis=1)).tolist()


@pytest.mark.parametrize(
    ("count", "rate"), [(400, 0.3), pytest.param(10_000, 0.05, marks=pytest.mark.slow)]
)
def test_faults_of_every_kind_leave_each_text_its_vector(make, call, count, rate):
    texts = TEXTS[:count]
    with GeminiEmulator(grpc=True, stand_in_vectors=True) as emulator:
        expected = call(make(emulator), "embed_documents", texts)
        emulator.clear()
        emulator.misbehave(rate, seed=7, kinds=FAULTS)
        embeddings = make(emulator)
        vectors = call(embeddings, "embed_documents", texts)
        assert unlike(vectors, expected) == []
        assert emulator.request_counts.total() > count / 10 * (1 + rate / 2)
    assert embeddings.usage.texts == count


def test_vectors_that_were_paid_for_are_kept_when_the_rest_is_given_up(make, call, emulator):
    embeddings = make(emulator, max_retries=1)
    emulator.fail_next(status=503, times=None, containing="passage 15.")
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", TEXTS[:50])
    assert list(caught.value.failures) == list(range(10, 20))
    assert {type(failure) for failure in caught.value.failures.values()} == {ServiceError}
    emulator.clear()
    vectors = call(embeddings, "retry_failed", caught.value)
    [request] = emulator.requests
    assert request.texts[0].text.endswith("passage 10.")
    assert unlike(vectors, call(make(emulator), "embed_documents", TEXTS[:50])) == []


def test_unusual_answers_are_read_as_the_usual_ones(make, call, emulator):
    embeddings = make(emulator)
    expected = call(embeddings, "embed_documents", TEXTS[:20])
    emulator.answer_next("unusual", times=2)
    assert unlike(call(embeddings, "embed_documents", TEXTS[:20]), expected) == []


# Quotas


@pytest.mark.parametrize("told", [True, False])
def test_quotas_are_kept_to_told_or_learned(make, call, clock, told):
    quotas = {"requests_per_minute": 100, "tokens_per_minute": 30_000}
    with GeminiEmulator(grpc=True, clock=clock.now, **quotas) as emulator:
        begin = clock.now()
        embeddings = make(emulator, **({"max_concurrency": 1, **quotas} if told else {}))
        assert len(call(embeddings, "embed_documents", TEXTS[:400])) == 400
        assert clock.now() - begin >= 180
        if told:
            assert set(emulator.request_counts) == {200}


def test_delay_and_limits_of_a_429_are_those_of_its_details(make, call, emulator):
    emulator.fail_next(status=429, retry_after=33.5, quota={"tokens_per_minute": 30_000})
    with pytest.raises(RateLimitError) as caught:
        call(make(emulator, max_retries=0), "embed_query", "a")
    assert (caught.value.retry_after, caught.value.limits) == (33.5, {"tokens": 30_000.0})


# Requests and answers that are too large


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "message": "Request payload size exceeds the limit: 36000 bytes."},
        {"status": 413, "body": "<html></html>"},
        {"status": 429, "message": "SERVER: Received message larger than max (9 vs. 4)"},
    ],
    ids=["Google's", "a proxy's", "gRPC's"],
)
def test_request_that_is_too_large_is_sent_in_halves(make, call, emulator, clock, refusal):
    embeddings = make(emulator)
    emulator.fail_next(**refusal, times=None, containing="passage 15.")
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", TEXTS[:50])
    assert list(caught.value.failures) == [15]
    assert {type(failure) for failure in caught.value.failures.values()} == {RequestRejectedError}
    assert clock.waits == []


# Connections


def test_lost_connections_cost_the_requests_on_them_alone(make, call, emulator, relay):
    """All requests of a connection end with it; those that were answered are not sent again."""
    expected = call(make(emulator), "embed_documents", TEXTS[:500])
    emulator.clear()
    random.seed(5)
    relay.limits = [random.randrange(1_000, 60_000) for _ in range(5)]
    vectors = call(make(emulator, base_url=relay.url), "embed_documents", TEXTS[:500])
    assert unlike(vectors, expected) == []
    assert relay.cut == 5
    assert len(emulator.requests) < 50 + 5 * 8 + 8


def test_connection_that_ends_between_calls_is_opened_again(make, call, emulator, relay, clock):
    embeddings = make(emulator, base_url=relay.url)
    expected = call(embeddings, "embed_query", "a")
    relay.drop()
    assert call(embeddings, "embed_query", "a") == expected
    assert len(clock.waits) <= 1


def test_server_that_starts_again_on_its_port_is_found_again(make, call, clock):
    with GeminiEmulator(grpc=True) as emulator:
        embeddings = make(emulator)
        expected = call(embeddings, "embed_query", "a")
    port = int(embeddings.base_url.rpartition(":")[2])
    with GeminiEmulator(grpc=True, grpc_port=port):
        assert call(embeddings, "embed_query", "a") == expected
    assert len(clock.waits) <= 1
