"""What a call costs and remembers: tokens, price, traces, cache, and texts that are too long."""

from __future__ import annotations

import google.genai
import pytest
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.stores import InMemoryByteStore
from langsmith import trace
from langsmith.run_helpers import tracing_context

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings import EmbeddingUsage
from langchain_gemini_qdrant.errors import (
    PartialEmbeddingError,
    RequestRejectedError,
    TextTooLongError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator

SIZE = {"output_dimensionality": 128}
TEXTS = [f"passage number {i}." for i in range(250)]
REPORTS_TOKENS = tuple(map(int, google.genai.__version__.split(".")[:2])) >= (3, 1)


# Usage


def test_usage_counts_tokens_and_price_of_a_call_and_of_the_instance(make_embeddings, call):
    seen = []
    embeddings = make_embeddings(**SIZE, on_usage=seen.append)
    call(embeddings, "embed_documents", TEXTS)
    call(embeddings, "embed_query", "a question")
    first, second = seen
    assert (first.requests, first.texts, second.texts) == (3, 250, 1)
    assert first.tokens > 1000
    reported = embeddings.backend == "google-genai" and REPORTS_TOKENS
    assert (first.reported_tokens > 0, first.estimated_tokens > 0) == (reported, not reported)
    assert first.usd == pytest.approx(first.tokens * 0.20 / 1e6)
    assert embeddings.usage == first + second


def test_usage_of_a_call_that_fails_counts_what_succeeded(make_embeddings, emulator, call):
    seen = []
    emulator.fail_next(status=400, containing="number 150.")
    with pytest.raises(PartialEmbeddingError):
        call(make_embeddings(**SIZE, on_usage=seen.append), "embed_documents", TEXTS)
    assert seen[0].texts == 150


def test_stream_reports_its_usage_at_its_end(make_embeddings):
    seen = []
    list(make_embeddings(**SIZE, on_usage=seen.append).stream_documents(TEXTS))
    assert [usage.texts for usage in seen] == [250]


def test_model_without_a_price_has_none(make_embeddings, call):
    with pytest.warns(UserWarning, match="shutdown"):
        embeddings = make_embeddings(model="gemini-embedding-2-preview", **SIZE)
    call(embeddings, "embed_query", "a")
    assert embeddings.usage.usd is None


def test_calls_appear_in_langsmith_with_model_task_counts_and_tokens(make_embeddings, call):
    embeddings = make_embeddings(task_type="FACT_VERIFICATION", **SIZE)
    with tracing_context(enabled="local"), trace("parent") as parent:
        call(embeddings, "embed_documents", TEXTS)
    [run] = parent.child_runs
    assert run.run_type == "embedding"
    assert run.inputs == {
        "texts": 250,
        "task_type": "RETRIEVAL_DOCUMENT",
        "output_dimensionality": 128,
    }
    assert run.metadata["ls_model_name"] == "gemini-embedding-2"
    assert (run.outputs["requests"], run.outputs["texts"]) == (3, 250)
    assert run.outputs["usage_metadata"]["input_tokens"] == embeddings.usage.tokens
    assert "passage" not in f"{run.inputs} {run.outputs} {run.metadata}"


def test_stream_in_langsmith_does_not_adopt_its_consumer(make_embeddings):
    embeddings = make_embeddings(**SIZE)
    with tracing_context(enabled="local"), trace("parent") as parent:
        for _ in embeddings.stream_documents(["a", "b"]):
            with trace("consumer"):
                pass
    names = sorted(run.name for run in parent.child_runs)
    assert names == ["GeminiEmbeddings.stream_documents", "consumer", "consumer"]


def test_error_is_traced(make_embeddings, emulator, call):
    emulator.fail_next(status=400)
    with (
        tracing_context(enabled="local"),
        trace("parent") as parent,
        pytest.raises(RequestRejectedError),
    ):
        call(make_embeddings(), "embed_query", "a")
    assert "RequestRejectedError" in parent.child_runs[0].error


# Cache


def test_second_call_comes_from_the_cache(make_embeddings, emulator, call):
    cache = InMemoryByteStore()
    embeddings = make_embeddings(**SIZE, cache=cache)
    vectors = call(embeddings, "embed_documents", TEXTS)
    emulator.clear()
    again = call(make_embeddings(**SIZE, cache=cache), "embed_documents", TEXTS)
    assert emulator.requests == []
    assert again == [pytest.approx(vector, abs=1e-7) for vector in vectors]
    kept = cache.mget(list(cache.yield_keys()))
    assert [len(data) for data in kept] == [4 * 128] * len(TEXTS)


def test_cache_never_mixes_sides_models_sizes_tasks_or_titles(make_embeddings, emulator, call):
    cache = InMemoryByteStore()
    for options in ({}, {"model": "gemini-embedding-001"}, {"output_dimensionality": 256}):
        embeddings = make_embeddings(**{**SIZE, "cache": cache, **options})
        call(embeddings, "embed_documents", ["a"])
        call(embeddings, "embed_documents", ["a"], titles=["t"])
        call(embeddings, "embed_query", "a")
        call(embeddings, "embed_query", "a", task_type="CLUSTERING")
    assert len(emulator.texts) == 12
    assert len(list(cache.yield_keys())) == 12


def test_cache_is_written_by_the_batch_so_a_failure_keeps_the_rest(make_embeddings, emulator, call):
    embeddings = make_embeddings(**SIZE, cache=InMemoryByteStore())
    emulator.fail_next(status=400, containing="number 150.")
    with pytest.raises(PartialEmbeddingError):
        call(embeddings, "embed_documents", TEXTS)
    emulator.clear()
    assert len(call(embeddings, "embed_documents", TEXTS)) == 250
    assert len(emulator.texts) == 100


def test_damaged_cache_entry_is_embedded_again(make_embeddings, call):
    cache = InMemoryByteStore()
    embeddings = make_embeddings(**SIZE, cache=cache)
    vector = call(embeddings, "embed_query", "a")
    [key] = cache.yield_keys()
    for damaged in (b"", b"abc", b"\0" * 512, b"\xff" * 512, b"\0" * 100):
        cache.mset([(key, damaged)])
        assert call(embeddings, "embed_query", "a") == pytest.approx(vector, abs=1e-7)


def test_cached_vectors_are_counted_and_cost_nothing(make_embeddings, call):
    embeddings = make_embeddings(**SIZE, cache=InMemoryByteStore())
    call(embeddings, "embed_query", "a")
    before = embeddings.usage
    call(embeddings, "embed_query", "a")
    assert embeddings.usage == before + EmbeddingUsage(cached=1)


# Limits


def test_batches_are_small_against_a_quota_of_tokens(make_embeddings, emulator, call, clock):
    """Batches near the quota would leave a good part of every minute unused."""
    embeddings = make_embeddings(**SIZE, tokens_per_minute=4_000, clock=clock)
    call(embeddings, "embed_documents", TEXTS)
    tokens = embeddings.usage.tokens
    assert len(emulator.requests) >= tokens / 200
    assert max(len(request.texts) for request in emulator.requests) < 25


def test_quota_spreads_a_call_over_minutes(make_embeddings, emulator, call, clock):
    start = clock.now()
    embeddings = make_embeddings(**SIZE, requests_per_minute=100, batch_size=10, clock=clock)
    call(embeddings, "embed_documents", TEXTS)
    assert clock.now() - start >= 80
    assert len(emulator.texts) == 250


def test_quota_is_shared_by_instances_of_one_key_and_model(make_embeddings, call, clock):
    for _ in range(3):
        embeddings = make_embeddings(**SIZE, requests_per_minute=100, clock=clock)
        call(embeddings, "embed_documents", TEXTS[:100])
    assert sum(clock.waits) >= 100


@pytest.mark.slow
@pytest.mark.parametrize(
    "known",
    [{"requests_per_minute": 3000, "tokens_per_minute": 200_000}, {}],
    ids=["quota given", "quota found out"],
)
def test_run_under_a_quota_finishes_close_to_it_and_loses_nothing(call, clock, known):
    """The limiter and the API's quota on one clock that only counts."""
    texts = [f"passage number {i}." for i in range(12_000)]
    with GeminiEmulator(
        requests_per_minute=3000,
        tokens_per_minute=200_000,
        clock=clock.now,
        stand_in_vectors=True,
        record=False,
    ) as emulator:
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key,
            base_url=emulator.base_url,
            max_concurrency=1,  # more would each add their waiting to the one clock
            clock=clock,
            **SIZE,
            **known,
        )
        start = clock.now()
        vectors = call(embeddings, "embed_documents", texts)
        minutes = (clock.now() - start) / 60
        refused = emulator.request_counts[429]
        embeddings.close()
    assert len(vectors) == 12_000
    tokens = embeddings.usage.tokens
    fastest = max(12_000 / 3000, tokens / 200_000)
    assert fastest - 1 <= minutes <= fastest / 0.95 + 0.1
    assert refused <= (0 if known else 1)


def test_langchain_s_rate_limiter_is_asked_for_each_text(make_embeddings, call):
    class Counting(InMemoryRateLimiter):
        asked = 0

        def acquire(self, *, blocking=True):
            admitted = super().acquire(blocking=blocking)
            self.asked += admitted
            return admitted

        async def aacquire(self, *, blocking=True):
            self.asked += 1
            return await super().aacquire(blocking=blocking)

    limiter = Counting(requests_per_second=1e6, max_bucket_size=1e6, check_every_n_seconds=0.001)
    call(make_embeddings(**SIZE, rate_limiter=limiter), "embed_documents", TEXTS[:7])
    assert limiter.asked == 7


# Long texts: the emulator counts tokens by its own rule


def test_text_that_is_surely_too_long_is_refused_by_index_before_anything_is_sent(
    make_embeddings, emulator, call
):
    embeddings = make_embeddings(model="gemini-embedding-001", **SIZE)
    with pytest.raises(TextTooLongError, match="2048 tokens .* index 1") as caught:
        call(embeddings, "embed_documents", ["a", "word " * 5000])
    assert (caught.value.indices, caught.value.max_input_tokens) == ((1,), 2048)
    assert emulator.requests == []


@pytest.mark.parametrize(("words", "fits"), [(1700, True), (2900, False)])
def test_near_the_limit_the_api_counts(make_embeddings, emulator, call, words, fits):
    embeddings = make_embeddings(model="gemini-embedding-001", **SIZE)
    texts = ["a", "word " * words]
    if fits:
        assert len(call(embeddings, "embed_documents", texts)) == 2
    else:
        with pytest.raises(TextTooLongError):
            call(embeddings, "embed_documents", texts)
        assert emulator.texts == [] or all(
            request.method == "countTokens" for request in emulator.requests
        )
    assert [request.method for request in emulator.requests].count("countTokens") == 1


def test_warn_sends_long_texts_and_says_which(make_embeddings, call):
    embeddings = make_embeddings(model="gemini-embedding-001", on_too_long="warn", **SIZE)
    with pytest.warns(UserWarning, match="would cut off the rest of 1, at index 1"):
        assert len(call(embeddings, "embed_documents", ["a", "word " * 5000])) == 2


def test_truncate_sends_long_texts_and_asks_nobody(make_embeddings, emulator, call):
    embeddings = make_embeddings(model="gemini-embedding-001", on_too_long="truncate", **SIZE)
    assert len(call(embeddings, "embed_documents", ["a", "word " * 5000])) == 2
    assert len(emulator.requests) == 1


def test_stream_refuses_long_texts_at_their_place(make_embeddings):
    embeddings = make_embeddings(model="gemini-embedding-001", batch_size=2, **SIZE)
    stream = embeddings.stream_documents(["a", "b", "c", "word " * 5000])
    assert len([next(stream), next(stream)]) == 2
    with pytest.raises(TextTooLongError) as caught:
        next(stream)
    assert caught.value.indices == (3,)
