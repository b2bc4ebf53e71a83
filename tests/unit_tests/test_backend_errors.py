"""What servers say of delays and quotas, in every notation; what is not theirs is passed over."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant._retry_policy import read_retry_after, read_seconds, uncut
from langchain_gemini_qdrant.embeddings._backends.error_details import read_error_body
from langchain_gemini_qdrant.embeddings._backends.errors import error_for_status
from langchain_gemini_qdrant.errors import (
    BillingError,
    DailyQuotaError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)

NOON = "Fri, 27 Nov 2026 12:00:00 GMT"
MINUTE_LATER = "Fri, 27 Nov 2026 12:01:00 GMT"


def error_of(body, status=429):
    message, details = read_error_body(body)
    return error_for_status(status_code=status, message=message, model="m", details=details)


def google(message="m", *details, status="RESOURCE_EXHAUSTED"):
    return {"error": {"message": message, "status": status, "details": list(details)}}


def violated(*quotas):
    return {"violations": [{"quotaId": name, "quotaValue": value} for name, value in quotas]}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("48.939935699s", 48.939935699),
        ("8.386476ms", 0.008386476),
        ("1m12.5s", 72.5),
        ("16h3m12.5s", 57792.5),
        ("33s", 33),
        ("20", 20),
        ("2m", 120),
        ("soon", None),
        ("30 seconds", None),
        ("²", None),
        ("-5s", None),
        ("nan", None),
    ],
)
def test_a_duration_is_read_in_every_notation(text, seconds):
    assert read_seconds(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(("seconds", "least"), [(48, 49), (0, 1), (48.5, 48.5), (0.25, 0.25)])
def test_a_delay_of_whole_seconds_may_be_cut_by_one(seconds, least):
    assert uncut(seconds) == least


@pytest.mark.parametrize(
    ("field", "text", "seconds"),
    [
        ("48s", "48.939935699s", 48.939935699),
        ("58s", "58.993147613s", 58.993147613),
        ("0s", "0.546s", 0.546),
        ("0s", "8.386476ms", 0.008386476),
        ("48s", None, 49),
        ("0s", None, 1),
        (None, "12.3s", 12.3),
        (None, "16h3m12.5s", 57792.5),
        ("48s", "7s", 49),
        ("7s", "1m12.5s", 72.5),
        ("59.998s", None, 59.998),
        (None, None, None),
    ],
)
def test_the_larger_of_the_field_uncut_and_the_text_is_waited_for(field, text, seconds):
    details = [] if field is None else [{"retryDelay": field}]
    message = "used up" if text is None else f"used up\nPlease retry in {text}."
    error = error_of(google(message, *details))
    assert error.retry_after == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "21"}, 21),
        ({"retry-after": "20.5"}, 20.5),
        ({"retry-after": MINUTE_LATER, "date": NOON}, 60),
        ({"retry-after": NOON, "date": MINUTE_LATER}, 0),
        ({"retry-after": "Fri, 27 Nov 2026 12:01:00", "date": NOON}, 60),
        ({"retry-after": NOON[:11]}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_by_the_server_s_own_clock(headers, seconds):
    assert read_retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("quotas", "limits"),
    [
        (
            [("RequestsPerMinute", "3000"), ("TokensPerMinute", None)],
            {"texts": 3000, "tokens": None},
        ),
        (
            [("TokensPerMinute", "1000000"), ("RequestsPerMinute", None)],
            {"tokens": 1e6, "texts": None},
        ),
        (
            [("RequestsPerMinute", "100"), ("TokensPerMinute", "30000")],
            {"texts": 100, "tokens": 3e4},
        ),
        (
            [("TokensPerMinute", "30000"), ("RequestsPerMinute", "100")],
            {"tokens": 3e4, "texts": 100},
        ),
        ([("RequestsPerMinute", "3000"), ("RequestsPerMinutePerUser", "100")], {"texts": 100}),
        ([("TokensPerMinute", None), ("RequestsPerMinute", "100")], {"texts": 100, "tokens": None}),
    ],
)
def test_each_violated_quota_keeps_its_own_unit_and_limit(quotas, limits):
    error = error_of(google("m", violated(*quotas)))
    assert type(error) is RateLimitError
    assert error.limits == limits
    assert (error.unit, error.limit) == next(iter(limits.items()))


@pytest.mark.parametrize(
    "body",
    [
        google("Your prepayment credits are depleted. Please go to AI Studio."),
        google("Your project has exceeded its monthly spending cap."),
        google("m", violated(("RequestsPerMinute-FreeTier", "0"))),
        google("\n* Quota exceeded for metric: a/embed_content_paid_tier_requests, limit: 0"),
        google("\n* Quota exceeded for metric: a/b, limit: 0, model: c\nPlease retry in 22s."),
    ],
)
def test_429_that_no_waiting_heals_says_so(body):
    assert type(error_of(body)) is BillingError


@pytest.mark.parametrize(
    "body",
    [
        google("m", violated(("EmbedContentRequestsPerDayPerProject", "1000"))),
        google("m", {"reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quota_limit": "XPerDay"}}),
        google("m", {"retryDelay": "46800s"}),
        google("Please retry in 16h3m12.5s."),
    ],
)
def test_429_of_a_day_is_no_429_of_a_minute(body):
    assert type(error_of(body)) is DailyQuotaError


PER_DAY = violated(("EmbedContentRequestsPerDayPerProject", "1000"))
MIDNIGHT = "The daily quota is renewed at midnight Pacific time."
UNPAID = "Waiting does not help: change the project's plan, balance or spending cap."


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (google("Used up.\nPlease retry in 45.4s.", PER_DAY, {"retryDelay": "45s"}), MIDNIGHT),
        (google("Used up.", PER_DAY), MIDNIGHT),
        (
            google("Quota exceeded for metric: a/b, limit: 0, model: c\nPlease retry in 22s."),
            UNPAID,
        ),
        (google("Your prepayment credits are depleted."), UNPAID),
    ],
)
def test_429_that_a_short_delay_does_not_heal_names_none(body, ending):
    error = error_of(body)
    assert error.retry_after is None
    assert "retry in" not in str(error)
    assert str(error).endswith(f" {ending}")
    assert "  " not in str(error)


def test_a_delay_of_more_than_an_hour_is_kept():
    error = error_of(google("Please retry in 16h3m12.5s."))
    assert error.retry_after == pytest.approx(57792.5)
    assert str(error) == "m: the API answered 429: Please retry in 16h3m12.5s."


def test_words_of_several_lines_are_one_line():
    error = error_of(google("You exceeded it. \n* metric: a\n* metric: b\n"), 500)
    assert str(error) == "m: the API answered 500: You exceeded it. * metric: a * metric: b"


PAGE = "<!DOCTYPE html>\n<html><head>{}<style>p {{}}</style></head><body>{}</body></html>"


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (
            PAGE.format("<title>502 Bad &amp;\nGateway</title>", "<p>words</p>" * 99),
            "502 Bad & Gateway",
        ),
        (
            PAGE.format("", "<h1>Access denied</h1><script>x < y</script>ask IT"),
            "Access denied ask IT",
        ),
        (PAGE.format("<title>" + "long " * 99 + "</title>", ""), ("long " * 20)),
        ("<html><body>half of a page <scr", "half of a page"),
    ],
)
def test_of_a_proxy_s_page_the_title_is_shown_or_its_first_words(page, shown):
    assert str(error_of(page, 502)) == f"m: the API answered 502: a web page, {shown!r}"


@pytest.mark.parametrize(
    "body",
    [
        google("limit: 1000, model: m"),
        google("m", {"retryDelay": "3599s"}),
        google("m", {"metadata": {"quota_limit": "XPerMinute", "quota_limit_value": "60"}}),
        google("Quota exceeded for aiplatform.googleapis.com/online_requests with base model: m."),
    ],
)
def test_other_429s_may_heal_in_a_minute(body):
    assert type(error_of(body)) is RateLimitError


def test_vertex_names_what_is_used_up_in_its_text_alone():
    metric = "aiplatform.googleapis.com/embed_content_input_tokens_per_minute_per_base_model"
    error = error_of(google(f"Quota exceeded for {metric} with base model: gemini-embedding."))
    assert error.limits == {"tokens": None}


@pytest.mark.parametrize(
    ("status", "body", "refuses_all"),
    [
        (400, google("m", status="INVALID_ARGUMENT"), False),
        (400, google("User location is not supported", status="FAILED_PRECONDITION"), True),
        (400, google("m", {"reason": "API_KEY_INVALID"}), True),
        (401, google(), True),
        (403, google(), True),
        (404, google(), True),
        (413, google(), False),
    ],
)
def test_refusal_of_every_request_is_told_from_that_of_one(status, body, refuses_all):
    error = error_of(body, status)
    assert type(error) is RequestRejectedError
    assert error.refuses_all == refuses_all


def test_503_keeps_the_delay_that_its_server_asks_for():
    error = error_of(google("m", {"retryDelay": "20s"}), 503)
    assert (type(error), error.retry_after) == (ServiceError, 21)


@pytest.mark.parametrize(
    "secret",
    [
        "AIzaSyD-secret_0123",
        "AQ.Ab8secret",
        "ya29.a0secret.x",
        "?key=secret&alt=json",
        "Bearer secret",
    ],
)
def test_keys_that_a_gateway_quotes_are_masked(secret):
    error = error_of({"error": f"refused: {secret} is wrong"}, 403)
    assert "secret" not in str(error).lower()
    assert "***" in str(error)
