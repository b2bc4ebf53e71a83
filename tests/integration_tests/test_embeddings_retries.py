"""Requests that fail: tried again, given up, or kept apart from those that succeed."""

from __future__ import annotations

import logging

import pytest

from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    DailyQuotaError,
    EmbeddingError,
    PartialEmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator

TEXTS = [f"passage {i}." for i in range(250)]
SIZE = {"output_dimensionality": 128}


def test_429_waits_retry_after_then_succeeds(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=429, retry_after=33, times=2)
    assert len(call(make_embeddings(clock=clock), "embed_query", "a")) == 3072
    assert len(emulator.requests) == 3
    assert 66 <= sum(clock.waits) < 75


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_header_is_waited_for(emulator, call, clock, make_embeddings, status):
    emulator.fail_next(status=status, headers={"retry-after": "21"})
    call(make_embeddings(clock=clock), "embed_query", "a")
    assert 22 <= sum(clock.waits) < 25


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_passing_failures_are_tried_again_with_growing_random_waits(
    make_embeddings, emulator, call, clock, status, caplog
):
    caplog.set_level(logging.INFO, "langchain_gemini_qdrant")
    emulator.fail_next(status=status, times=3)
    call(make_embeddings(clock=clock), "embed_query", "a")
    assert len(emulator.requests) == 4
    told = [each.waiting.seconds for each in caplog.records if hasattr(each, "waiting")]
    assert sum(told) == pytest.approx(sum(clock.waits))
    assert all(wait <= longest for wait, longest in zip(told, (1, 2, 4), strict=True))


@pytest.mark.parametrize("wrong", ["disconnect", "short", "empty", "nan", "size", "not-json"])
def test_answers_that_do_not_fit_are_asked_for_again(make_embeddings, emulator, call, clock, wrong):
    emulator.answer_next(wrong, times=2)
    vectors = call(make_embeddings(clock=clock, **SIZE), "embed_documents", ["a", "b"])
    assert len(vectors) == 2
    assert len(emulator.requests) == 3


def test_timeout_is_tried_again(make_embeddings, emulator, call, clock):
    emulator.answer_next("hang")
    assert call(make_embeddings(clock=clock, timeout=1), "embed_query", "a")
    assert len(emulator.requests) == 2


def test_refused_connection_is_tried_again_to_the_end(make_embeddings, call, clock):
    with GeminiEmulator(grpc=True) as gone:
        addresses = {"grpc": gone.grpc_url, "rest": gone.base_url}
    address = addresses[make_embeddings().transport or "rest"]
    embeddings = make_embeddings(base_url=address, clock=clock, max_retries=2, timeout=5)
    with pytest.raises(ServiceError) as caught:
        call(embeddings, "embed_query", "a")
    assert caught.value.attempts == 3


@pytest.mark.parametrize(("max_retries", "attempts"), [(0, 1), (2, 3)])
def test_attempts_end_after_max_retries(
    make_embeddings, emulator, call, clock, max_retries, attempts
):
    emulator.fail_next(status=503, times=None)
    with pytest.raises(ServiceError) as caught:
        call(make_embeddings(clock=clock, max_retries=max_retries), "embed_query", "a")
    assert caught.value.attempts == attempts
    assert len(emulator.requests) == attempts


def test_deadline_ends_the_waiting(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=503, times=None)
    start = clock.now()
    with pytest.raises(ServiceError):
        call(make_embeddings(clock=clock, deadline=5, max_retries=99), "embed_query", "a")
    assert clock.now() - start <= 5


def test_deadline_before_the_quota_says_how_long_it_would_take(
    make_embeddings, emulator, call, clock
):
    embeddings = make_embeddings(clock=clock, deadline=10, requests_per_minute=100, **SIZE)
    with pytest.raises(PartialEmbeddingError, match="the rate limit asks for") as caught:
        call(embeddings, "embed_documents", TEXTS)
    assert sum(vector is not None for vector in caught.value.vectors) >= 50
    assert len(emulator.requests) < 3


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_other_4xx_are_never_tried_again(make_embeddings, emulator, call, clock, status):
    emulator.fail_next(status=status)
    with pytest.raises(RequestRejectedError):
        call(make_embeddings(clock=clock), "embed_query", "a")
    assert len(emulator.requests) == 1
    assert clock.waits == []


def test_day_quota_fails_at_once_whatever_delay_it_names(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=429, quota="requests_per_day", retry_after=45)
    with pytest.raises(DailyQuotaError) as caught:
        call(make_embeddings(clock=clock), "embed_query", "a")
    assert (caught.value.limit, caught.value.unit) == (1000, "texts")
    assert len(emulator.requests) == 1
    assert clock.waits == []


def test_minute_quota_is_read_from_the_body(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=429, quota="tokens_per_minute", retry_after=7)
    with pytest.raises(RateLimitError) as caught:
        call(make_embeddings(clock=clock, max_retries=0), "embed_query", "a")
    assert (caught.value.limit, caught.value.unit, caught.value.retry_after) == (30000, "tokens", 7)


def test_429_holds_back_every_instance_of_the_key_and_model(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=429, retry_after=33)
    with pytest.raises(RateLimitError):
        call(make_embeddings(clock=clock, max_retries=0), "embed_query", "a")
    call(make_embeddings(clock=clock, model="gemini-embedding-001"), "embed_query", "b")
    assert clock.waits == []
    call(make_embeddings(clock=clock), "embed_query", "c")
    assert 33 <= sum(clock.waits) < 35


def test_failed_batch_leaves_the_vectors_of_the_others(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=400, times=None, containing="passage 150.")
    embeddings = make_embeddings(clock=clock, **SIZE)
    with pytest.raises(PartialEmbeddingError, match="100 of 250 .* at index 100-199") as caught:
        call(embeddings, "embed_documents", TEXTS)
    error = caught.value
    assert [i for i, vector in enumerate(error.vectors) if vector is None] == list(range(100, 200))
    assert list(error.failures) == list(range(100, 200))
    assert isinstance(error.failures[150], RequestRejectedError)
    assert error.__cause__ is error.failures[100]


def test_retry_failed_sends_only_what_failed(make_embeddings, emulator, call, clock):
    emulator.fail_next(status=503, times=None, containing="passage 150.")
    embeddings = make_embeddings(clock=clock, max_retries=1, **SIZE)
    with pytest.raises(PartialEmbeddingError) as caught:
        call(embeddings, "embed_documents", TEXTS)
    with pytest.raises(PartialEmbeddingError) as again:
        call(embeddings, "retry_failed", caught.value)
    emulator.clear()
    vectors = call(embeddings, "retry_failed", again.value)
    assert len(emulator.texts) == 100
    assert vectors == call(embeddings, "embed_documents", TEXTS)


def test_retry_failed_takes_an_error_of_a_call(make_embeddings, call):
    error = PartialEmbeddingError(
        "made up", model="m", vectors=[None], failures={0: EmbeddingError("x", model="m")}
    )
    with pytest.raises(ConfigurationError, match="that a call has raised"):
        call(make_embeddings(), "retry_failed", error)


def test_wrong_key_ends_a_long_call_after_few_requests(make_embeddings, emulator, call):
    embeddings = make_embeddings(api_key="wrong", batch_size=2, max_concurrency=2)
    with pytest.raises(RequestRejectedError, match="Check api_key"):
        call(embeddings, "embed_documents", TEXTS)
    assert len(emulator.requests) <= 4


def test_faults_at_random_lose_nothing(make_embeddings, emulator, call, clock):
    # One request may meet them all.
    embeddings = make_embeddings(clock=clock, batch_size=5, max_retries=24, **SIZE)
    expected = call(embeddings, "embed_documents", TEXTS)
    emulator.clear()
    for wrong in ("short", "disconnect", "not-json", "long"):
        emulator.answer_next(wrong, times=3)
        emulator.fail_next(status=503, times=2)
        emulator.fail_next(status=429)
    assert call(embeddings, "embed_documents", TEXTS) == expected
    assert len(emulator.requests) == 50 + 24
