"""Quotas that are smaller than a request, and 429s that make no sense."""

from __future__ import annotations

import json

import pytest

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import RateLimitError
from langchain_gemini_qdrant.testing import GeminiEmulator

LONG = [f"{'word ' * 400}{i}" for i in range(120)]
SHORT = [f"text {i}" for i in range(200)]


@pytest.fixture
def make_limited(clock):
    """Make embeddings on an emulator with quotas by the same clock."""
    open_ones = []

    def make(options=None, **quotas):
        emulator = GeminiEmulator(clock=clock.now, **quotas)
        emulator.start()
        reached = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        settings = {"clock": clock, "output_dimensionality": 128, **(options or {})}
        open_ones.extend([GeminiEmbeddings(**reached, **settings), emulator])
        return open_ones[-2], emulator

    yield make
    for embeddings, emulator in zip(open_ones[::2], open_ones[1::2], strict=True):
        embeddings.close()
        emulator.stop()


@pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini-embedding-2"])
def test_quota_of_tokens_below_a_request_that_a_429_names_is_kept_to(make_limited, call, model):
    embeddings, _ = make_limited(
        {"model": model}, requests_per_minute=100, tokens_per_minute=30_000
    )
    assert len(call(embeddings, "embed_documents", LONG)) == 120


def test_quota_of_texts_below_a_request_that_a_429_names_is_kept_to(make_limited, call):
    embeddings, _ = make_limited(requests_per_minute=50)
    assert len(call(embeddings, "embed_documents", SHORT)) == 200


def test_quota_of_texts_below_a_request_that_is_told_is_never_exceeded(make_limited, call, clock):
    options = {"requests_per_minute": 50, "max_concurrency": 1}
    embeddings, emulator = make_limited(options, requests_per_minute=50)
    begin = clock.now()
    assert len(call(embeddings, "embed_documents", SHORT)) == 200
    assert {request.status for request in emulator.requests} == {200}
    assert clock.now() - begin >= 180


def test_delay_of_nothing_is_no_loop_without_an_end(make_embeddings, emulator, call, clock):
    body = json.dumps({"error": {"code": 429, "message": "Please retry in 0s."}})
    emulator.fail_next(status=429, body=body, times=None)
    with pytest.raises(RateLimitError):
        call(make_embeddings(clock=clock, max_retries=3), "embed_query", "a")
    assert len(emulator.requests) <= 6


def test_texts_that_are_cut_do_not_make_others_wait(make_limited, call, clock):
    embeddings, _ = make_limited(
        {
            "model": "gemini-embedding-001",
            "tokens_per_minute": 100_000,
            "on_too_long": "truncate",
            "max_concurrency": 1,
        }
    )
    begin = clock.now()
    call(embeddings, "embed_documents", [f"word{i} " * 4000 for i in range(60)])
    assert clock.now() - begin < 200
