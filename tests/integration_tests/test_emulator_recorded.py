"""Errors as Google has sent them to others, through the SDKs that read them."""

from __future__ import annotations

import http.client
import json

import pytest
from google import genai
from google.genai import errors

from langchain_gemini_qdrant.testing import GeminiEmulator, NamedError

ONE = "gemini-embedding-001"
SERVICE = "generativelanguage.googleapis.com"
QUOTA_PAGES = (
    "You exceeded your current quota, please check your plan and billing details. For more "
    "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. To "
    "monitor your current usage, head to: https://ai.dev/"
)
VERTEX_QUOTA = "Quota exceeded for aiplatform.googleapis.com/"
# name -> status, status word, start of the message, reason of its ErrorInfo
NAMED = {
    "blocked-method": (
        403,
        "PERMISSION_DENIED",
        f"Requests to this API {SERVICE} method google.ai.generativelanguage.v1.Gen",
        "API_KEY_SERVICE_BLOCKED",
    ),
    "credits": (429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please", None),
    "expired-key": (400, "INVALID_ARGUMENT", "API key expired. Please", "API_KEY_INVALID"),
    "leaked-key": (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", None),
    "limit-0": (429, "RESOURCE_EXHAUSTED", f"{QUOTA_PAGES}usage?tab=rate-limit. \n* Quota", None),
    "location": (400, "FAILED_PRECONDITION", "User location is not supported", None),
    "spending-cap": (429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly", None),
    "vertex-list": (429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again", None),
    "vertex-requests": (
        429,
        "RESOURCE_EXHAUSTED",
        f"{VERTEX_QUOTA}online_prediction_requests_per_base_model with base model: gemini",
        None,
    ),
    "vertex-tokens": (
        429,
        "RESOURCE_EXHAUSTED",
        f"{VERTEX_QUOTA}embed_content_input_tokens_per_minute_per_base_model with base",
        None,
    ),
}


@pytest.fixture(scope="module")
def client(request, loop):
    emulator = request.getfixturevalue("_running_emulator")
    options = {"base_url": emulator.base_url, "api_version": "v1"}
    client = genai.Client(api_key=emulator.api_key, http_options=options)
    yield client
    loop.run_until_complete(client.aio.aclose())
    client.close()


@pytest.fixture(params=["sync", "async"])
def refused(request, client, loop):
    """Embed, and give the error that comes of it."""

    def embed():
        if request.param == "sync":
            return client.models.embed_content(model=ONE, contents="a")
        return loop.run_until_complete(client.aio.models.embed_content(model=ONE, contents="a"))

    def refused():
        with pytest.raises(errors.APIError) as caught:
            embed()
        return caught.value

    return refused


def read(error):
    """The details of an error, by the last word of their type."""
    details = error.details["error"].get("details", [])
    return {detail["@type"].rpartition(".")[2]: detail for detail in details}


def test_each_name_is_known():
    assert sorted(NAMED) == sorted(NamedError.__args__)


@pytest.mark.parametrize("name", NAMED)
def test_an_error_with_a_name_is_as_google_sends_it(refused, emulator, name):
    status, word, message, reason = NAMED[name]
    emulator.fail_next(error=name)
    error = refused()
    assert (error.code, error.status) == (status, word)
    assert error.message.startswith(message)
    assert read(error).get("ErrorInfo", {}).get("reason") == reason
    assert "RetryInfo" not in read(error)
    assert [request.status for request in emulator.requests] == [status]
    assert emulator.requests[0].answer_message == error.message


def test_a_blocked_method_is_named(refused, emulator):
    emulator.fail_next(error="blocked-method")
    error = refused()
    assert error.message.endswith("GenerativeService.BatchEmbedContents are blocked.")
    method = read(error)["ErrorInfo"]["metadata"]["methodName"]
    assert method == "google.ai.generativelanguage.v1.GenerativeService.BatchEmbedContents"


def test_a_paid_limit_of_0_has_neither_value_nor_delay(refused, emulator):
    emulator.fail_next(error="limit-0")
    error = refused()
    assert error.message.endswith(f"{SERVICE}/embed_content_paid_tier_requests, limit: 0")
    assert list(read(error)) == ["Help", "QuotaFailure"]
    assert read(error)["QuotaFailure"]["violations"] == [
        {
            "quotaMetric": f"{SERVICE}/embed_content_paid_tier_requests",
            "quotaId": "EmbedContentPerMinutePerProjectPerUserPerModel-PaidTier",
        }
    ]


@pytest.mark.parametrize(
    ("quota", "values"),
    [
        (
            ["requests_per_minute", "tokens_per_minute"],
            [("RequestsPerMinute", "100", 100), ("TokensPerMinute", "30000", 30000)],
        ),
        (
            {"tokens_per_minute": 1_000_000, "requests_per_minute": None},
            [("TokensPerMinute", "1000000", 1_000_000), ("RequestsPerMinute", None, 100)],
        ),
        (
            {"requests_per_minute": 0, "requests_per_day": 0},
            [("RequestsPerMinute", None, 0), ("RequestsPerDay", None, 0)],
        ),
    ],
)
def test_one_429_may_name_several_quotas(refused, emulator, quota, values):
    emulator.fail_next(status=429, quota=quota, retry_after=12.3)
    error = refused()
    violations = read(error)["QuotaFailure"]["violations"]
    assert len(violations) == len(values)
    for violation, (quota_id, value, _) in zip(violations, values, strict=True):
        assert quota_id in violation["quotaId"]
        assert violation.get("quotaValue") == value
    lines = error.message.splitlines()
    assert [line.split(", ")[1] for line in lines[1:-1]] == [f"limit: {n}" for *_, n in values]
    assert lines[-1] == "Please retry in 12.3s."
    assert read(error)["RetryInfo"]["retryDelay"] == "12s"


def test_a_delay_may_be_in_the_details_or_in_the_message_alone(refused, emulator):
    emulator.fail_next(status=429, retry_after=7.5, message="Slow down.")
    emulator.fail_next(status=429, message="Please retry in 0.546s.")
    emulator.fail_next(status=503, headers={"Retry-After": "20"})
    details, message, header = refused(), refused(), refused()
    assert (details.message, read(details)["RetryInfo"]["retryDelay"]) == ("Slow down.", "7s")
    assert (message.message, read(message)) == ("Please retry in 0.546s.", {})
    assert header.message.startswith("This model is currently experiencing high demand.")
    assert read(header) == {}


def test_names_and_quotas_may_be_asked_for_over_http(refused, emulator):
    def tell(path, options):
        body = json.dumps(options).encode()
        connection = http.client.HTTPConnection(emulator.base_url.removeprefix("http://"))
        connection.request("POST", f"/emulator/{path}", body)
        assert connection.getresponse().status == 200
        connection.close()

    tell("fail_next", {"error": "credits"})
    assert "credits are depleted" in refused().message
    tell("fail_next", {"status": 429, "quota": {"tokens_per_minute": 5, "requests_per_day": None}})
    violations = read(refused())["QuotaFailure"]["violations"]
    assert [violation.get("quotaValue") for violation in violations] == ["5", None]
    tell("misbehave", {"rate": 1, "kinds": ["spending-cap"]})
    assert "spending cap" in refused().message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either status or error"),
        ({"status": 429, "error": "credits"}, "either status or error"),
        ({"error": "credit"}, "error must be one of blocked-method, credits"),
        ({"error": "credits", "retry_after": 3}, "message and details: leave out retry_after"),
        ({"error": "credits", "message": "m"}, "message and details: leave out message"),
        ({"status": 429, "quota": "requests_per_hour"}, "quota must be one of"),
        ({"status": 429, "quota": ["requests_per_hour"]}, "quota must be one of"),
        ({"status": 429, "quota": {"requests_per_day": -1}}, "limit of requests_per_day must be"),
        ({"status": 503, "quota": "requests_per_day"}, "quota is for status 429"),
        ({"status": 429, "retry_after": -1}, "retry_after must be in 0"),
        ({"status": 429, "retry_after": float("nan")}, "retry_after must be in 0"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GeminiEmulator().fail_next(**options)
