"""Errors as Google has sent them, through every back end: what they are, cost and teach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    BillingError,
    DailyQuotaError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from tests.integration_tests.conftest import BACKENDS

FOLDER = Path(__file__).parent / "recorded_errors"
RETRIES = 2


class Expected(NamedTuple):
    """What becomes of an error.

    Attributes:
        delay: `retry_after`, None where the server says nothing of it.
        used_up: `limits` of the error.
        learnt: Limits of texts and of tokens that the limiter keeps to after one such error.
        requests: Sent in one call that meets nothing else.
        ends_call: Whether a call of many requests ends with those that are under way.
    """

    error: type
    delay: float | None = None
    used_up: dict | None = None
    learnt: tuple = (None, None)
    requests: int = 1
    ends_call: bool = False


EXPECTED = {
    "400_batch_101": Expected(RequestRejectedError),
    "400_key": Expected(RequestRejectedError, ends_call=True),
    "400_location": Expected(RequestRejectedError, ends_call=True),
    "403_leaked": Expected(RequestRejectedError, ends_call=True),
    "404_new": Expected(RequestRejectedError, ends_call=True),
    "429_credits": Expected(BillingError, None, {}, ends_call=True),
    "429_day_free": Expected(DailyQuotaError, None, {"texts": 1000}, ends_call=True),
    "429_minute_free": Expected(
        RateLimitError, 33.384105706, {"texts": 100}, (100, None), requests=1 + RETRIES
    ),
    "429_paid_limit_0": Expected(BillingError, None, {"texts": 0}, ends_call=True),
    "429_plain": Expected(RateLimitError, None, {}, requests=1 + RETRIES),
    # The day's quota is among them, so the delay does not help.
    "429_three_violations": Expected(DailyQuotaError, None, {"texts": None}, ends_call=True),
    "429_tokens_paid_recorded": Expected(
        RateLimitError, 48.939935699, {"tokens": 1e6}, (None, 1e6), requests=1 + RETRIES
    ),
    # The limit of the second is in the text alone.
    "429_two_violations_values": Expected(
        RateLimitError, 12.3, {"tokens": 30_000, "texts": 100}, (100, 30_000), requests=1 + RETRIES
    ),
    "429_vertex_list": Expected(RateLimitError, None, {}, requests=1 + RETRIES),
    "502_html": Expected(ServiceError, requests=1 + RETRIES),
    "503_demand": Expected(ServiceError, requests=1 + RETRIES),
}


def test_each_recorded_error_is_expected_to_become_something():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXPECTED)


@pytest.fixture(params=[*BACKENDS, "vertex"])
def make(request, emulator, clock):
    """Make embeddings of one back end, which forget nothing and share nothing."""
    made = []

    def make(**options):
        address = emulator.grpc_url if request.param.endswith("grpc") else emulator.base_url
        reached = {"api_key": emulator.api_key, "base_url": address}
        if request.param == "vertex":
            reached |= {"api_key": None, "vertexai": True, "project": "p", "location": "us"}
            reached["credentials"] = Credentials("an-access-token")
        settings = {"max_retries": RETRIES, "clock": clock, **options}
        made.append(GeminiEmbeddings(**{**reached, **BACKENDS.get(request.param, {}), **settings}))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.fixture(params=EXPECTED)
def recorded(request, emulator):
    """Answer all requests with one recorded error, and give what is expected of it."""
    error = json.loads((FOLDER / f"{request.param}.json").read_text())
    body = error["body"]
    emulator.fail_next(
        status=error["status"],
        headers=error["headers"],
        body=body if isinstance(body, str) else json.dumps(body),
        times=None,
    )
    return EXPECTED[request.param]


def test_recorded_error_is_what_it_says_and_is_tried_again_if_that_may_help(
    recorded, make, call, emulator
):
    with pytest.raises(recorded.error) as caught:
        call(make(), "embed_query", "a")
    assert type(caught.value) is recorded.error
    assert len(emulator.requests) == caught.value.attempts == recorded.requests
    if recorded.used_up is not None:
        assert caught.value.retry_after == pytest.approx(recorded.delay)
        assert caught.value.limits == recorded.used_up


def test_recorded_error_teaches_the_limits_that_it_names_and_no_others(
    recorded, make, call, emulator, clock
):
    embeddings = make(max_retries=0)
    with pytest.raises(recorded.error):
        call(embeddings, "embed_query", "a")
    limiter = embeddings._embedder.limiter
    assert (limiter._texts.limit, limiter._tokens.limit) == recorded.learnt
    paused = recorded.error is RateLimitError
    emulator.clear()
    call(embeddings, "embed_query", "b")
    pause = (recorded.delay or 1.0) if paused else 0.0
    assert pause <= sum(clock.waits) < pause + (1.0 if paused else 0.1)  # and then at its pace


def test_recorded_error_that_meets_every_request_ends_a_long_call(recorded, make, call, emulator):
    embeddings = make(max_retries=0, batch_size=1, max_concurrency=2)
    with pytest.raises(recorded.error):
        call(embeddings, "embed_documents", [f"text {i}" for i in range(12)])
    assert len(emulator.requests) <= 3 if recorded.ends_call else len(emulator.requests) == 12
