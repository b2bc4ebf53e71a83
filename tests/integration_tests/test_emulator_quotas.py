"""Quotas as the SDKs see them, and what counts against them."""

from __future__ import annotations

import re
import threading
import warnings

import grpc
import pytest
from google import genai
from google.genai import errors, types

from langchain_gemini_qdrant.testing import GeminiEmulator

with warnings.catch_warnings():
    # its end of life, and that of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    import google.generativeai as old_genai
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services import generative_service
    from google.api_core import exceptions

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"
KINDS = {
    "requests_per_minute": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier",
    ),
    "tokens_per_minute": (
        "embed_content_free_tier_input_token_count",
        "EmbedContentInputTokensPerMinutePerUserPerProjectPerModel-FreeTier",
    ),
    "requests_per_day": (
        "embed_content_free_tier_requests",
        "EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier",
    ),
}


class Clock:
    """A clock that stands still until it is moved."""

    now = 500.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def _timed_emulator(clock):
    with GeminiEmulator(grpc=True, clock=clock) as emulator:
        yield emulator


@pytest.fixture
def emulator(_timed_emulator):
    """The Gemini API on a clock that stands still."""
    _timed_emulator.clear()
    return _timed_emulator


@pytest.fixture(scope="module")
def client(_timed_emulator):
    options = {"base_url": _timed_emulator.base_url}
    client = genai.Client(api_key=_timed_emulator.api_key, http_options=options)
    yield client
    client.close()


def google_genai(client, texts, model):
    """Embed with google-genai; what a 429 says of the quota, None without one."""
    contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
    try:
        client.models.embed_content(model=model, contents=contents)
    except errors.ClientError as error:
        if error.status != "RESOURCE_EXHAUSTED":
            raise
        return read_json(error.details["error"]["details"], error.message)


def google_generativeai(emulator, client, texts, model):
    """The same with google-generativeai; without a client, as it is configured."""
    options = {"request_options": {"retry": None, "timeout": 10}}
    if client is not None:
        options["client"] = client
        options["request_options"]["metadata"] = [("x-goog-api-key", emulator.api_key)]
    try:
        old_genai.embed_content(f"models/{model}", texts, **options)
    except exceptions.TooManyRequests as error:  # over gRPC a class below it
        if client is None:
            return read_json(error.details, error.message)
        return read_messages(error.details, error.message)


def read_json(details, message):
    found = {detail["@type"].rpartition(".")[2]: detail for detail in details}
    (violation,) = found["QuotaFailure"]["violations"]
    return {
        "metric": violation["quotaMetric"],
        "id": violation["quotaId"],
        "value": int(violation["quotaValue"]),
        "model": violation["quotaDimensions"]["model"],
        "field": int(found["RetryInfo"]["retryDelay"].removesuffix("s")),
        **read_delay(message),
    }


def read_messages(details, message):
    _, failure, retry = details
    (violation,) = failure.violations
    return {
        "metric": violation.quota_metric,
        "id": violation.quota_id,
        "value": violation.quota_value,
        "model": violation.quota_dimensions["model"],
        "field": retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
        **read_delay(message),
    }


def read_delay(message):
    """The delay as the message says it; the details cut it to whole seconds."""
    delay = re.search(r"Please retry in (?:(\d+)m)?([\d.]+)(ms|s)\.$", message)
    seconds = float(delay[2]) / (1000 if delay[3] == "ms" else 1)
    return {"delay": 60 * int(delay[1] or 0) + seconds, "message": message}


@pytest.fixture(params=["google-genai", "google-generativeai-rest", "grpc"])
def embed(request, emulator, client):
    """Embed with an SDK; gives what a 429 says of the quota, None without one."""
    if request.param == "google-genai":
        yield lambda texts, model=ONE: google_genai(client, texts, model)
    elif request.param == "google-generativeai-rest":
        old_genai.configure(
            api_key=emulator.api_key,
            transport="rest",
            client_options={"api_endpoint": emulator.base_url},
        )
        yield lambda texts, model=ONE: google_generativeai(emulator, None, texts, model)
    else:
        transport = generative_service.transports.GenerativeServiceGrpcTransport
        with grpc.insecure_channel(emulator.grpc_target) as channel:
            older = glm.GenerativeServiceClient(transport=transport(channel=channel))
            yield lambda texts, model=ONE: google_generativeai(emulator, older, texts, model)


@pytest.mark.parametrize(
    ("quota", "limit", "delay"),
    [("requests_per_minute", 5, 59.5), ("tokens_per_minute", 7, 59.5), ("requests_per_day", 4, 45)],
)
def test_what_is_over_a_quota_is_429_that_names_it(embed, emulator, clock, quota, limit, delay):
    setattr(emulator, quota, limit)
    texts = ["one word", "two words", "and three"]
    assert embed(texts) is None
    clock.now += 0.5
    refused = embed(texts)
    metric, quota_id = KINDS[quota]
    assert refused["metric"] == f"generativelanguage.googleapis.com/{metric}"
    assert refused["id"] == quota_id
    assert (refused["value"], refused["model"]) == (limit, "gemini-embedding-1.0")
    assert (refused["delay"], refused["field"]) == (delay, int(delay))
    limits = f"limit: {limit}, model: gemini-embedding-1.0\nPlease retry in {delay}s."
    assert limits in refused["message"]
    assert [request.status for request in emulator.requests] == [200, 429]
    assert len(emulator.requests[1].texts) == 3
    assert embed(texts, TWO) is None


@pytest.fixture
def _six_texts(emulator):
    emulator.requests_per_minute = 6


@pytest.mark.usefixtures("_six_texts")
def test_who_waits_as_told_is_answered(embed, emulator, clock):
    assert embed(["a"] * 4) is None
    clock.now += 20.25
    assert embed(["a"] * 2) is None
    refused = embed(["a"] * 4)
    delay = refused["delay"]
    assert (delay, refused["field"]) == (39.75, 39)
    clock.now += delay - 0.001
    refused = embed(["a"] * 4)
    assert (refused["delay"], refused["field"]) == (pytest.approx(0.001), 0)
    clock.now += 0.001
    assert embed(["a"] * 4) is None
    assert emulator.requests[-1].received_at == clock.now


@pytest.mark.usefixtures("_six_texts")
def test_what_was_refused_or_failed_costs_nothing(client, emulator):
    def embed(texts):
        return google_genai(client, texts, ONE)

    emulator.fail_next(status=503)
    with pytest.raises(errors.ServerError):
        embed(["a"] * 6)
    with pytest.raises(errors.ClientError, match="empty Part"):
        client.models.embed_content(model=ONE, contents=["", *["a"] * 5])
    assert embed(["a"] * 7)["field"] == 60
    assert embed(["a"] * 6) is None
    assert client.models.count_tokens(model=ONE, contents="a").total_tokens == 1
    assert client.models.get(model=ONE).input_token_limit == 2048
    assert embed("a") is not None
    assert emulator.request_counts == {200: 3, 400: 1, 429: 2, 503: 1}
    assert emulator.text_counts == {200: 6, 400: 0, 429: 8, 503: 6}
    emulator.clear()
    assert emulator.requests_per_minute is None
    assert not emulator.request_counts
    assert not emulator.text_counts


@pytest.mark.usefixtures("_six_texts")
def test_a_wrong_answer_costs_what_a_right_one_does(client, emulator):
    emulator.answer_next("short")
    client.models.embed_content(model=ONE, contents=["a"] * 6)
    assert google_genai(client, ["a"], ONE)


def test_all_keys_share_the_quotas():
    with GeminiEmulator(api_keys=["a", "b"], requests_per_minute=1) as emulator:
        found = []
        for key in ("a", "b"):
            options = {"base_url": emulator.base_url}
            client = genai.Client(api_key=key, http_options=options)
            found.append(google_genai(client, ["a"], ONE))
            client.close()
    assert found[0] is None
    assert found[1]["value"] == 1


def test_a_short_minute_passes_in_real_time():
    with GeminiEmulator(requests_per_minute=2, quota_window=0.2) as emulator:
        options = {"base_url": emulator.base_url}
        client = genai.Client(api_key=emulator.api_key, http_options=options)
        assert google_genai(client, ["a", "b"], ONE) is None
        delay = google_genai(client, ["c"], ONE)["delay"]
        assert 0 < delay <= 0.2
        threading.Event().wait(delay)
        assert google_genai(client, ["c"], ONE) is None
        client.close()
