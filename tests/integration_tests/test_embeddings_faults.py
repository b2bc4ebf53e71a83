"""Whatever a proxy, a cache, a limiter or a callback does, vectors that are paid for are kept."""

from __future__ import annotations

import json

import httpx
import pytest
from google import genai
from google.genai import types
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.stores import InMemoryByteStore

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    EmbeddingError,
    InvalidInputError,
    PartialEmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

TEXTS = [f"passage {i}." for i in range(50)]
SMALL = {"output_dimensionality": 128, "batch_size": 10}


def google(**error):
    return json.dumps({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", **error}})


def violation(value):
    quota = {"quotaId": "EmbedContentRequestsPerMinute", "quotaValue": value}
    return google(message="used up", details=[{"violations": [quota]}])


BODIES = {
    "error is a string": '{"error": "rate limited"}',
    "error is a list": '{"error": ["rate limited"]}',
    "error is a number": '{"error": 7}',
    "error is null": '{"error": null}',
    "detail": '{"detail": "rate limited"}',
    "a JSON string": '"rate limited"',
    "a JSON number": "429",
    "null": "null",
    "a list": '[{"error": {"message": "rate limited"}}]',
    "a list of strings": '["rate limited", "twice"]',
    "an empty list": "[]",
    "an empty object": "{}",
    "empty": "",
    "HTML": "<html><body>Too many</body></html>",
    "half of JSON": '{"error": {"mess',
    "nested": "[" * 100_000 + "]" * 100_000,
    "latin-1": "Zugriff verweigert: zu häufig".encode("latin-1"),
    "message is an object": google(message={"text": "no"}),
    "message is a number": google(message=5),
    "details is a string": google(message="m", details="used up"),
    "details is an object": google(message="m", details={"reason": "used up"}),
    "details are strings": google(message="m", details=["used up"]),
    "details are null": google(message="m", details=[None]),
    "violations are strings": google(message="m", details=[{"violations": ["a"]}]),
    "violations is a number": google(message="m", details=[{"violations": 3}]),
    "quotaValue has a comma": violation("1,000"),
    "quotaValue is a word": violation("unlimited"),
    "quotaValue is a list": violation([1]),
    "quotaValue is infinite": violation("inf"),
    "retryDelay is a word": google(message="m", details=[{"retryDelay": "soon"}]),
    "retryDelay is a list": google(message="m", details=[{"retryDelay": ["1s"]}]),
    "the message has a bad delay": google(message="Please retry in 1.2.3s."),
}


# gRPC has no body to get wrong.
over_rest = pytest.mark.parametrize(
    "backend", ["google-genai", "google-generativeai-rest"], indirect=True
)


@over_rest
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_error_body_of_any_kind_is_tried_again(
    make_embeddings, emulator, call, clock, status, body
):
    emulator.fail_next(status=status, body=body)
    vectors = call(make_embeddings(clock=clock, **SMALL), "embed_documents", TEXTS)
    assert len(vectors) == 50
    assert len(emulator.requests) == 6


@over_rest
@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("body", ['{"error": "no"}', "[]", '"no"', "<html>no</html>", "7"])
def test_error_body_of_any_kind_is_refused_by_its_status(
    make_embeddings, emulator, call, status, body
):
    emulator.fail_next(status=status, body=body)
    with pytest.raises(RequestRejectedError) as caught:
        call(make_embeddings(), "embed_query", "a")
    assert caught.value.status_code == status
    assert len(emulator.requests) == 1


@over_rest
@pytest.mark.parametrize(
    "body", ['{"error": "rate limited"}', '{"detail": "rate limited"}', '"rate limited"']
)
def test_words_of_a_proxy_are_in_the_message(make_embeddings, emulator, call, body):
    emulator.fail_next(status=429, body=body)
    with pytest.raises(RateLimitError, match="answered 429: rate limited"):
        call(make_embeddings(max_retries=0), "embed_query", "a")


@over_rest
@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("1m", 61), ("1m3s", 64), ("850ms", 0.85), ({"seconds": 3}, 4), (20, 21), ("20.5", 20.5)],
)
def test_delay_is_read_in_every_notation_with_what_its_cut_may_hide(
    make_embeddings, emulator, call, delay, seconds
):
    emulator.fail_next(status=429, body=google(message="m", details=[{"retryDelay": delay}]))
    with pytest.raises(RateLimitError) as caught:
        call(make_embeddings(max_retries=0), "embed_query", "a")
    assert caught.value.retry_after == pytest.approx(seconds)


@over_rest
@pytest.mark.parametrize("body", [BODIES["error is a string"], BODIES["details are strings"]])
def test_error_body_of_any_kind_leaves_the_other_vectors(
    make_embeddings, emulator, call, clock, body
):
    emulator.fail_next(status=503, body=body, times=None, containing="passage 15.")
    with pytest.raises(PartialEmbeddingError) as caught:
        call(make_embeddings(clock=clock, max_retries=1, **SMALL), "embed_documents", TEXTS)
    assert list(caught.value.failures) == list(range(10, 20))
    assert isinstance(caught.value.failures[10], ServiceError)


@over_rest
@pytest.mark.parametrize("body", ['{"error": "rate limited"}', "[]", google(details=["x"])])
def test_counting_tokens_meets_the_same_bodies(make_embeddings, emulator, call, clock, body):
    emulator.fail_next(status=429, body=body)
    embeddings = make_embeddings(
        model="gemini-embedding-001", clock=clock, output_dimensionality=128
    )
    assert len(call(embeddings, "embed_documents", ["word " * 1700])) == 1
    methods = [request.method for request in emulator.requests]
    assert methods.count("countTokens") == 2


# Caches


class Broken(InMemoryByteStore):
    """Fails as a full disk or a lost server does."""

    def __init__(self, *, reads=True, writes=True):
        super().__init__()
        self.reads, self.writes = reads, writes

    def mget(self, keys):
        if not self.reads:
            raise OSError(5, "Input/output error")
        return super().mget(keys)

    def mset(self, key_value_pairs):
        if not self.writes:
            raise OSError(28, "No space left on device")
        super().mset(key_value_pairs)


@pytest.mark.parametrize("broken", [{"reads": False}, {"writes": False}])
def test_cache_that_fails_is_a_warning_and_costs_no_vectors(
    make_embeddings, emulator, call, broken
):
    embeddings = make_embeddings(cache=Broken(**broken), **SMALL)
    with pytest.warns(UserWarning, match="the cache of embeddings failed .OSError"):
        assert len(call(embeddings, "embed_documents", TEXTS)) == 50
    with pytest.warns(UserWarning, match="the cache of embeddings failed .OSError"):
        assert len(call(embeddings, "embed_query", "a")) == 128
    assert len(emulator.requests) == 6


@pytest.mark.parametrize("value", [None, "text", 7, [0.1], bytearray(b"abc"), object()])
def test_cache_entry_of_any_type_is_embedded_again(make_embeddings, emulator, call, value):
    class Odd(InMemoryByteStore):
        def mget(self, keys):
            return [value for _ in keys]

    assert len(call(make_embeddings(cache=Odd(), **SMALL), "embed_documents", TEXTS)) == 50
    assert len(emulator.requests) == 5


@pytest.mark.parametrize("found", [[], [None], None])
def test_cache_that_answers_with_too_little_is_not_used(make_embeddings, emulator, call, found):
    class Short(InMemoryByteStore):
        def mget(self, _keys):
            return found

    embeddings = make_embeddings(cache=Short(), **SMALL)
    with pytest.warns(UserWarning, match="the cache of embeddings failed"):
        assert len(call(embeddings, "embed_documents", TEXTS)) == 50
    assert len(emulator.requests) == 5


# Limiters and callbacks


class Counting(InMemoryRateLimiter):
    def __init__(self):
        super().__init__(requests_per_second=1e6, max_bucket_size=1e6, check_every_n_seconds=0.001)
        self.asked = 0

    def acquire(self, *, blocking=True):
        admitted = super().acquire(blocking=blocking)
        self.asked += admitted
        return admitted

    async def aacquire(self, *, blocking=True):
        return self.acquire(blocking=blocking)


class Failing(Counting):
    """Fails at the fifteenth text, as one with a server behind it may."""

    def acquire(self, *, blocking=True):
        if self.asked == 14:
            self.asked += 1
            raise LookupError("no limiter there")
        return super().acquire(blocking=blocking)


@pytest.mark.parametrize("max_concurrency", [1, 3])
def test_rate_limiter_that_fails_costs_its_batch_alone(make_embeddings, call, max_concurrency):
    embeddings = make_embeddings(rate_limiter=Failing(), max_concurrency=max_concurrency, **SMALL)
    with pytest.raises(PartialEmbeddingError, match="10 of 50 texts") as caught:
        call(embeddings, "embed_documents", TEXTS)
    [failure] = set(caught.value.failures.values())
    assert isinstance(failure, EmbeddingError)
    assert isinstance(failure.__cause__, LookupError)
    assert len(call(embeddings, "retry_failed", caught.value)) == 50


def test_rate_limiter_is_asked_no_more_once_a_key_is_refused(make_embeddings, call, emulator):
    emulator.fail_next(status=403)
    limiter = Counting()
    embeddings = make_embeddings(rate_limiter=limiter, max_concurrency=1, **SMALL)
    with pytest.raises(EmbeddingError):
        call(embeddings, "embed_documents", TEXTS)
    assert limiter.asked == 10  # the texts of the first batch


class Plugin(httpx.HTTPTransport):
    """A transport of the user's own, with a fault of its own."""

    def handle_request(self, request):
        if b"passage 15." in request.read():
            raise RuntimeError("no certificate for this proxy")
        return super().handle_request(request)


class AsyncPlugin(httpx.AsyncHTTPTransport):
    async def handle_async_request(self, request):
        if b"passage 15." in await request.aread():
            raise RuntimeError("no certificate for this proxy")
        return await super().handle_async_request(request)


async def test_sdk_that_fails_in_a_way_of_its_own_costs_its_batch_alone(emulator, twin):
    http, async_http = httpx.Client(transport=Plugin()), httpx.AsyncClient(transport=AsyncPlugin())
    client = genai.Client(
        api_key=emulator.api_key,
        http_options=types.HttpOptions(
            base_url=emulator.base_url,
            httpx_client=http,
            httpx_async_client=async_http,
        ),
    )
    embeddings = GeminiEmbeddings(client=client, **SMALL)
    with pytest.raises(PartialEmbeddingError, match="10 of 50 texts") as caught:
        await twin(embeddings, "embed_documents", TEXTS)
    client.close()
    http.close()  # noqa: ASYNC212 - it ends connections, it sends nothing
    await async_http.aclose()
    assert list(caught.value.failures) == list(range(10, 20))
    failure = caught.value.failures[15]
    assert isinstance(failure.__cause__, RuntimeError)
    assert "certificate" not in str(failure)


@pytest.mark.parametrize("name", ["embed_documents", "embed_query"])
def test_text_cut_inside_a_character_is_named_and_nothing_is_sent(
    make_embeddings, emulator, call, name
):
    texts = "cut \ud83d" if name == "embed_query" else ["a", "cut \ud83d"]
    with pytest.raises(InvalidInputError, match="half of a surrogate pair") as caught:
        call(make_embeddings(), name, texts)
    assert caught.value.indices == ((0,) if name == "embed_query" else (1,))
    assert emulator.requests == []


def test_on_usage_that_raises_is_a_warning_and_costs_no_vectors(make_embeddings, call):
    def on_usage(usage):
        raise RuntimeError(f"no place for {usage.texts}")

    embeddings = make_embeddings(on_usage=on_usage, **SMALL)
    with pytest.warns(UserWarning, match="on_usage raised RuntimeError.'no place for 50'"):
        assert len(call(embeddings, "embed_documents", TEXTS)) == 50
    with pytest.warns(UserWarning, match="on_usage raised"):
        assert len(call(embeddings, "embed_query", "a")) == 128


def test_on_usage_that_raises_hides_no_failure(make_embeddings, emulator, call):
    def on_usage(_usage):
        raise RuntimeError

    emulator.fail_next(status=400, containing="passage 15.")
    embeddings = make_embeddings(on_usage=on_usage, **SMALL)
    with (
        pytest.warns(UserWarning, match="on_usage raised"),
        pytest.raises(PartialEmbeddingError, match="10 of 50"),
    ):
        call(embeddings, "embed_documents", TEXTS)
