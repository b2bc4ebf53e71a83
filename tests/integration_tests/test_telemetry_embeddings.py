"""Spans of embedding calls, as an application sees them that records spans."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import urlsplit

import google.genai
import pytest
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.stores import InMemoryByteStore

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    InvalidInputError,
    PartialEmbeddingError,
    RequestRejectedError,
)
from langchain_gemini_qdrant.testing import sample_media
from langchain_gemini_qdrant.testing._api._text import count_tokens
from tests.integration_tests.media import blob
from tests.integration_tests.spans import SWITCH, events

TEXTS = ["alpha text", "beta text"]
REPORTS_TOKENS = tuple(map(int, google.genai.__version__.split(".")[:2])) >= (3, 1)
SIZE = {"output_dimensionality": 128}
NAME = "embeddings gemini-embedding-2"


@pytest.fixture
def place(emulator, backend):
    address = urlsplit(emulator.grpc_url if backend == "grpc" else emulator.base_url)
    return {
        "gen_ai.provider.name": "gcp.gemini",
        "server.address": address.hostname,
        "server.port": address.port,
    }


@pytest.fixture
def genai(emulator):
    """Make embeddings of the default back end, bound to the emulator."""
    made = []

    def make(**options):
        reached = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        made.append(GeminiEmbeddings(**{**reached, **SIZE, **options}))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


def test_a_call_is_one_span_with_the_tokens_that_the_api_counts(
    make_embeddings, emulator, call, spans, place, backend
):
    embeddings = make_embeddings(**SIZE)
    call(embeddings, "embed_documents", TEXTS)
    [span] = spans.all
    tokens = sum(count_tokens(text.text) for sent in emulator.requests for text in sent.texts)
    estimated = embeddings.usage.estimated_tokens  # where the answer has no count
    if backend == "google-genai" and REPORTS_TOKENS:
        assert estimated == 0
    tokens = estimated or tokens
    assert (span.name, span.kind.name, span.status.status_code.name) == (NAME, "CLIENT", "UNSET")
    assert span.instrumentation_scope.name == "langchain_gemini_qdrant"
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.request.model": "gemini-embedding-2",
        "gen_ai.embeddings.dimension.count": 128,
        "gen_ai.usage.input_tokens": tokens,
        "operation.cost": pytest.approx(tokens * 0.20 / 1e6),
        "gemini_qdrant.task_type": "RETRIEVAL_DOCUMENT",
        "gemini_qdrant.requests": 1,
        "gemini_qdrant.texts": 2,
        "gemini_qdrant.cached": 0,
        "gemini_qdrant.estimated_tokens": estimated,
        **place,
    }
    assert (span.events, span.parent) == ((), None)


def test_all_requests_of_a_call_are_one_span(make_embeddings, call, spans):
    embeddings = make_embeddings(**SIZE, batch_size=10, max_concurrency=3)
    call(embeddings, "embed_documents", [f"passage {i}." for i in range(50)])
    [span] = spans.all
    assert span.attributes["gemini_qdrant.requests"] == 5
    assert span.attributes["gen_ai.usage.input_tokens"] == embeddings.usage.tokens > 0


def test_vectors_from_the_cache_are_counted(genai, spans):
    cache = InMemoryByteStore()
    genai(cache=cache).embed_query("alpha")
    genai(cache=cache).embed_query("alpha")
    [_, second] = spans.all
    assert second.attributes["gemini_qdrant.cached"] == 1
    assert second.attributes["gen_ai.usage.input_tokens"] == 0
    assert second.attributes["operation.cost"] == 0


def test_media_are_counted_by_modality(genai, spans):
    embeddings = genai()
    embeddings.embed_query(blob(sample_media.png("a dog", size=(8, 8))))
    span = spans.one(NAME)
    image = span.attributes["gemini_qdrant.image_tokens"]
    assert image == embeddings.usage.tokens_by_modality["IMAGE"] > 0


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, "aiplatform.googleapis.com"),
        ({"location": "eu"}, "aiplatform.eu.rep.googleapis.com"),
        ({"location": "europe-west4"}, "europe-west4-aiplatform.googleapis.com"),
        ({"base_url": "http://gateway.example/gemini"}, "gateway.example"),
    ],
)
def test_vertex_has_its_name_and_address(monkeypatch, spans, options, host):
    monkeypatch.delenv("GOOGLE_VERTEX_BASE_URL", raising=False)
    embeddings = GeminiEmbeddings(
        vertexai=True, api_key="k" * 39, model="text-embedding-005", **options
    )
    with pytest.raises(InvalidInputError):
        embeddings.embed_query(" ")
    span = spans.one("embeddings text-embedding-005")
    assert span.attributes["gen_ai.provider.name"] == "gcp.vertex_ai"
    assert span.attributes["server.address"] == host
    assert span.attributes["server.port"] == (80 if "base_url" in options else 443)


@pytest.mark.parametrize("address", ["unix:gemini", "unix:/run/gemini", "unix:///run/gemini"])
def test_a_socket_of_unix_has_no_address(spans, address):
    embeddings = GeminiEmbeddings(backend="grpc", api_key="k" * 39, base_url=address)
    with pytest.raises(InvalidInputError):
        embeddings.embed_query(" ")
    attributes = spans.one(NAME).attributes
    assert "server.address" not in attributes
    assert attributes["error.type"] == "InvalidInputError"


# What delays or fails


def test_429_is_an_event_with_its_wait(make_embeddings, emulator, call, clock, spans):
    emulator.fail_next(status=429, retry_after=33)
    call(make_embeddings(clock=clock, **SIZE), "embed_query", "a")
    [span] = spans.all
    retry, wait = events(span)
    assert retry == (
        "gemini_qdrant.retry",
        {
            "error.type": "RateLimitError",
            "http.response.status_code": 429,
            "gemini_qdrant.attempt": 1,
            "gemini_qdrant.wait_seconds": pytest.approx(34, abs=1),
        },
    )
    assert wait[0] == "gemini_qdrant.quota_wait"
    assert wait[1]["gemini_qdrant.wait_seconds"] == pytest.approx(sum(clock.waits))
    assert span.status.status_code.name == "UNSET"


def test_other_retries_are_events_with_their_waits(make_embeddings, emulator, call, clock, spans):
    emulator.fail_next(status=503, times=2)
    call(make_embeddings(clock=clock, **SIZE), "embed_query", "a")
    told = events(spans.one(NAME))
    assert [(name, each["gemini_qdrant.attempt"]) for name, each in told] == [
        ("gemini_qdrant.retry", 1),
        ("gemini_qdrant.retry", 2),
    ]
    waited = sum(each["gemini_qdrant.wait_seconds"] for _, each in told)
    assert waited == pytest.approx(sum(clock.waits))


def test_waiting_for_the_quota_is_an_event(genai, clock, spans):
    genai(clock=clock, requests_per_minute=10).embed_documents([f"text {i}" for i in range(20)])
    [(name, told)] = events(spans.one(NAME))
    assert name == "gemini_qdrant.quota_wait"
    assert told["gemini_qdrant.quota"] == "10 texts a minute"
    assert told["gemini_qdrant.wait_seconds"] == pytest.approx(sum(clock.waits))


class _Late(BaseRateLimiter):
    """Admits each text at the tenth request, as the clock then shows."""

    def __init__(self):
        self.asked = 0

    def acquire(self, *, blocking=True):  # noqa: ARG002 - LangChain's name
        self.asked += 1
        return self.asked % 10 == 0

    async def aacquire(self, *, blocking=True):
        return self.acquire(blocking=blocking)


def test_waiting_for_the_user_s_rate_limiter_is_an_event(genai, clock, spans):
    genai(clock=clock, rate_limiter=_Late(), deadline=600).embed_query("a")
    [(name, told)] = events(spans.one(NAME))
    assert (name, told["gemini_qdrant.quota"]) == ("gemini_qdrant.quota_wait", "rate_limiter")
    assert told["gemini_qdrant.wait_seconds"] == pytest.approx(sum(clock.waits))


def test_sending_in_halves_is_an_event(genai, emulator, spans):
    emulator.fail_next(status=413)
    genai().embed_documents(["a", "b", "c", "d"])
    span = spans.one(NAME)
    halved = {"error.type": "RequestRejectedError", "gemini_qdrant.texts": 4}
    assert events(span) == [("gemini_qdrant.halved", halved)]
    assert span.attributes["gemini_qdrant.requests"] == 2


def test_events_are_bounded_and_the_others_counted(genai, clock, spans):
    embeddings = genai(clock=clock, requests_per_minute=1, max_concurrency=1)
    embeddings.embed_documents([f"text {i}" for i in range(131)])
    span = spans.one(NAME)
    assert len(span.events) == 100
    assert span.attributes["gemini_qdrant.dropped_events"] == 30


def test_error_is_on_the_span_without_what_it_quotes(make_embeddings, emulator, call, spans):
    quoted = f"the text 'alpha text' with the key {emulator.api_key} is not allowed"
    emulator.fail_next(status=400, message=quoted)
    with pytest.raises(RequestRejectedError):
        call(make_embeddings(**SIZE), "embed_query", "alpha text")
    [span] = spans.all
    assert (span.status.status_code.name, span.status.description) == ("ERROR", None)
    assert span.attributes["error.type"] == "RequestRejectedError"
    assert span.attributes["http.response.status_code"] == 400
    name = "langchain_gemini_qdrant.errors.RequestRejectedError"
    assert events(span) == [("exception", {"exception.type": name})]


def test_tokens_of_a_call_that_failed_in_part_are_counted(genai, emulator, spans):
    emulator.fail_next(status=400, times=None, containing="beta")
    embeddings = genai(batch_size=1)
    with pytest.raises(PartialEmbeddingError):
        embeddings.embed_documents(TEXTS)
    span = spans.one(NAME)
    assert span.attributes["gen_ai.usage.input_tokens"] == embeddings.usage.tokens > 0
    assert span.attributes["error.type"] == "PartialEmbeddingError"


# Texts and keys


@pytest.mark.parametrize("value", [None, "", "false", "NO_CONTENT", "EVENT_ONLY", "nonsense"])
def test_no_text_and_no_key_is_on_a_span(genai, emulator, spans, monkeypatch, value):
    if value is not None:
        monkeypatch.setenv(SWITCH, value)
    genai().embed_documents(TEXTS, titles=["the title", None])
    emulator.fail_next(status=400, message=f"alpha text {emulator.api_key}")
    with pytest.raises(RequestRejectedError):
        genai().embed_query("alpha text")
    for secret in (*TEXTS, "the title", emulator.api_key):
        assert secret not in spans.content()


@pytest.mark.parametrize("value", ["true", "SPAN_ONLY", " span_and_event "])
def test_the_standard_switch_shows_texts_and_describes_media(genai, spans, monkeypatch, value):
    monkeypatch.setenv(SWITCH, value)
    data = sample_media.png("a dog", size=(8, 8))
    genai().embed_documents(["alpha text", ["a caption", blob(data)]])
    shown = spans.one(NAME).attributes["gemini_qdrant.inputs"]
    assert shown == (
        "title: none | text: alpha text",
        f"a caption\n[image/png, {len(data):,} bytes]",
    )


def test_shown_texts_are_bounded(genai, spans, monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    genai().embed_documents([f"{i} " + "x" * 5000 for i in range(30)])
    shown = spans.one(NAME).attributes["gemini_qdrant.inputs"]
    assert len(shown) == 20
    assert {len(text) for text in shown} == {1001}


def test_the_switch_shows_messages_of_our_errors_but_no_key(genai, emulator, spans, monkeypatch):
    monkeypatch.setenv(SWITCH, "true")
    emulator.fail_next(status=400, message=f"not allowed: {emulator.api_key}")
    with pytest.raises(RequestRejectedError) as caught:
        genai().embed_query("alpha text")
    assert spans.one(NAME).status.description == str(caught.value)
    assert emulator.api_key not in spans.content()


# Whose child a span is


def test_a_span_is_a_child_of_the_caller_s(make_embeddings, call, spans):
    with spans.tracer.start_as_current_span("app"):
        call(make_embeddings(**SIZE), "embed_documents", TEXTS)
    assert spans.tree() == {"app": {NAME: {}}}


def test_a_stream_does_not_adopt_its_consumer(genai, spans):
    embeddings = genai(batch_size=1)

    async def consume():
        async for _ in embeddings.astream_documents(TEXTS):
            spans.tracer.start_span("async consumer").end()
        await embeddings.aclose()

    for _ in embeddings.stream_documents(TEXTS):
        spans.tracer.start_span("consumer").end()
    asyncio.run(consume())
    assert len(spans.named(NAME)) == 2
    assert all(span.parent is None for span in spans.all)


async def test_a_stream_closed_in_another_task_ends_its_span(genai, spans, caplog):
    embeddings = genai(batch_size=1, max_concurrency=1)
    stream = embeddings.astream_documents(TEXTS)
    await asyncio.create_task(anext(stream))
    assert spans.all == []
    await asyncio.create_task(stream.aclose())
    await embeddings.aclose()
    span = spans.one(NAME)
    assert (span.status.status_code.name, span.attributes["gemini_qdrant.texts"]) == ("UNSET", 1)
    assert caplog.records == []


async def test_calls_side_by_side_have_their_own_spans(genai, spans):
    embeddings = genai()

    async def one(name):
        with spans.tracer.start_as_current_span(name):
            await embeddings.aembed_query(name)

    await asyncio.gather(one("a"), one("b"), one("c"))
    await embeddings.aclose()
    assert spans.tree() == {name: {NAME: {}} for name in "abc"}


async def test_a_cancelled_call_is_an_error(genai, emulator, spans):
    emulator.answer_next("hang")
    embeddings = genai()
    task = asyncio.create_task(embeddings.aembed_query("a"))
    await asyncio.to_thread(emulator.wait_for_requests, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await embeddings.aclose()
    assert spans.one(NAME).attributes["error.type"] == "CancelledError"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_records_its_own_spans(genai, spans):
    embeddings = genai()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            embeddings.embed_query("a")
            os.write(write, ",".join(span.name for span in spans.all).encode())
        finally:
            os._exit(0)  # the child must not run the other tests
    os.waitpid(child, 0)
    os.close(write)  # without a writer, a child that failed is an empty answer
    assert os.read(read, 1000).decode() == NAME
    os.close(read)
    assert spans.all == []


# Metrics


def test_duration_and_tokens_are_metrics(genai, emulator, spans):
    embeddings = genai()
    embeddings.embed_documents(TEXTS)
    emulator.fail_next(status=400)
    with pytest.raises(RequestRejectedError):
        embeddings.embed_query("a")
    common = {
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-embedding-2",
        "server.address": urlsplit(emulator.base_url).hostname,
        "server.port": urlsplit(emulator.base_url).port,
    }
    [tokens] = spans.metric("gen_ai.client.token.usage")
    assert dict(tokens.attributes) == {**common, "gen_ai.token.type": "input"}
    assert (tokens.count, tokens.sum) == (1, embeddings.usage.tokens)
    durations = spans.metric("gen_ai.client.operation.duration")
    assert [(dict(each.attributes), each.count) for each in durations] == [
        (common, 1),
        ({**common, "error.type": "RequestRejectedError"}, 1),
    ]
