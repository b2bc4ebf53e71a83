"""Whatever answers over gRPC in the API's place, the back end raises an error of ours."""

from __future__ import annotations

import base64
import math
import struct

import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, Help, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from langchain_gemini_qdrant.embeddings._response import check_answer
from langchain_gemini_qdrant.errors import (
    DailyQuotaError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from tests.integration_tests.http2_server import (
    GOAWAY,
    RST_STREAM,
    Cut,
    Http2Server,
    answer,
    failure,
    frame,
    page,
    prefixed,
)
from tests.integration_tests.places import METHODS, PLACES, REQUEST
from tests.integration_tests.test_embeddings_odd_answers import outcome

TYPES = "type.googleapis.com/google.rpc."


def field(number, body):
    """Return a field of bytes, shorter than 16 kB."""
    size = len(body)
    return bytes([number << 3 | 2, size & 0x7F | 0x80, size >> 7]) + body


def embedding(*numbers):
    return field(1, field(1, struct.pack(f"<{len(numbers)}f", *numbers)))


UNIT = [1.0] + [0.0] * 127
GOOD = embedding(*UNIT)


@pytest.fixture(scope="module")
def _server():
    with Http2Server().running() as server:
        yield server


@pytest.fixture
def server(_server):
    _server.at_once = 2**20
    return _server


@pytest.fixture(params=[place for place in PLACES if place.endswith("grpc")])
def place(request):
    return request.param


@pytest.fixture
async def outcomes(make_backend, place, server, twin):
    """Return what each method comes to, sync or async, for an answer of the server."""
    backend = make_backend(place, base_url=server.url, timeout=30.0)

    async def outcomes(answer, methods=METHODS):
        server.answer = answer
        return [await outcome(twin, backend, method) for method in methods]

    yield outcomes
    await backend.aclose()


def seen(result):
    """Return an error's class and status, or what else there is."""
    return (type(result), result.status_code) if isinstance(result, EmbeddingError) else result


def cases(table):
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), id=str(name))
        for name, row in table.items()
    ]


# Errors by their code

CODES = {
    "CANCELLED": (1, ServiceError, 499),
    "UNKNOWN": (2, ServiceError, 500),
    "INVALID_ARGUMENT": (3, RequestRejectedError, 400),
    "DEADLINE_EXCEEDED": (4, ServiceError, 504),
    "NOT_FOUND": (5, RequestRejectedError, 404),
    "ALREADY_EXISTS": (6, RequestRejectedError, 409),
    "PERMISSION_DENIED": (7, RequestRejectedError, 403),
    "RESOURCE_EXHAUSTED": (8, RateLimitError, 429),
    "FAILED_PRECONDITION": (9, RequestRejectedError, 400),
    "ABORTED": (10, RequestRejectedError, 409),
    "OUT_OF_RANGE": (11, RequestRejectedError, 400),
    "UNIMPLEMENTED": (12, RequestRejectedError, 501),
    "INTERNAL": (13, ServiceError, 500),
    "UNAVAILABLE": (14, ServiceError, 503),
    "DATA_LOSS": (15, ServiceError, 500),
    "UNAUTHENTICATED": (16, RequestRejectedError, 401),
    "unknown": (99, ServiceError, 500),
}


@pytest.mark.parametrize(("code", "error", "status"), cases(CODES))
async def test_code_of_grpc_has_its_error_and_its_status(outcomes, server, code, error, status):
    before = server.streams
    assert list(map(seen, await outcomes(failure(code, "a reason")))) == [(error, status)] * 2
    assert server.streams - before == 2  # only our own layer retries


PAGES = {
    "a redirect": (301, ServiceError),
    "400": (400, RequestRejectedError),
    "401": (401, RequestRejectedError),
    "403": (403, RequestRejectedError),
    "404": (404, RequestRejectedError),
    "413": (413, RequestRejectedError),
    "429": (429, RateLimitError),
    "500": (500, ServiceError),
    "502": (502, ServiceError),
    "503": (503, ServiceError),
    "504": (504, ServiceError),
    "200": (200, ServiceError),
}


@pytest.mark.parametrize(("status", "error"), cases(PAGES))
async def test_page_of_a_proxy_is_the_error_of_its_status(outcomes, status, error):
    assert [type(each) for each in await outcomes(page(status))] == [error] * 2


# Details of errors


def told(*details, code=8, message="m", **other):
    """Return an error with details, and perhaps another code or message among them."""
    status = Status(code=other.get("code_inside", code), message=other.get("inside", message))
    for detail in details:
        if isinstance(detail, Any):
            status.details.append(detail)
        else:
            status.details.add().Pack(detail)
    return with_bytes(status.SerializeToString(), code=code, message=message)


def with_bytes(value, *, code=8, message="m"):
    text = base64.b64encode(value).decode().rstrip("=")
    return failure(code, message, grpc_status_details_bin=text)


def retry(seconds, nanos=0):
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


def violation(quota_id, value=0):
    return QuotaFailure.Violation(quota_id=quota_id, quota_value=value)


NO_DETAILS = {
    "none": told(),
    "no protobuf": with_bytes(b"\xff\xff\xff"),
    "empty": with_bytes(b""),
    "another code": told(code_inside=13),
    "another message": told(inside="n"),
    "an unknown type": told(Any(type_url="type.googleapis.com/a.B", value=b"\xff")),
    "no type": told(Any(value=b"\xff")),
    "Help alone": told(Help(links=[Help.Link(url="https://ai.google.dev")])),
    "RetryInfo that is none": told(Any(type_url=f"{TYPES}RetryInfo", value=b"\xff")),
    "QuotaFailure that is none": told(Any(type_url=f"{TYPES}QuotaFailure", value=b"{}")),
    "a delay below 0": told(retry(-5)),
    "a delay of more than a Duration": told(retry(2**62)),
    "ErrorInfo without a quota": told(ErrorInfo(reason="RATE_LIMIT_EXCEEDED")),
    "bytes in the message": failure(8, b"\xff\xfe%FF%zz"),
    "no message": failure(8),
}


@pytest.mark.parametrize("error", cases(NO_DETAILS))
async def test_429_of_any_details_is_a_rate_limit(outcomes, error):
    results = await outcomes(error)
    assert list(map(seen, results)) == [(RateLimitError, 429)] * 2
    assert [each.retry_after for each in results] == [None] * 2


DELAYS = {
    "0": (told(retry(0)), RateLimitError, 1.0),
    "whole seconds": (told(retry(33)), RateLimitError, 34.0),
    "a fraction": (told(retry(0, 500_000_000)), RateLimitError, 0.5),
    "the longest of two": (told(retry(7), retry(3)), RateLimitError, 8.0),
    "in the message, too": (
        told(retry(33), message="Please retry in 33.25s."),
        RateLimitError,
        33.25,
    ),
    "with UNAVAILABLE": (told(retry(3), code=14), ServiceError, 4.0),
    "10,000 years": (told(retry(315_576_000_000)), DailyQuotaError, 315_576_000_001.0),
    "beside an unknown type": (
        told(Any(type_url="type.googleapis.com/a.B", value=b"\xff"), retry(3)),
        RateLimitError,
        4.0,
    ),
    "beside details that are none": (
        told(Any(type_url=f"{TYPES}QuotaFailure", value=b"{}"), retry(3)),
        RateLimitError,
        4.0,
    ),
}


@pytest.mark.parametrize(("error", "kind", "seconds"), cases(DELAYS))
async def test_delay_is_read_in_every_form(outcomes, error, kind, seconds):
    results = await outcomes(error)
    assert [type(each) for each in results] == [kind] * 2
    assert [each.retry_after for each in results] == [seconds] * 2


async def test_each_violation_names_its_limit(outcomes):
    minute = QuotaFailure(
        violations=[
            violation("EmbedContentRequestsPerMinute", 100),
            violation("EmbedContentInputTokensPerMinute", 30_000),
            violation("EmbedContentSomething", -7),
        ]
    )
    for result in await outcomes(told(minute)):
        assert result.limits == {"texts": 100.0, "tokens": 30_000.0}
    day = QuotaFailure(
        violations=[violation("EmbedContentRequestsPerDay", 1000), *minute.violations]
    )
    assert [type(each) for each in await outcomes(told(day, retry(3)))] == [DailyQuotaError] * 2


async def test_reason_alone_says_that_a_key_is_bad(outcomes):
    for result in await outcomes(told(ErrorInfo(reason="API_KEY_INVALID"), code=3)):
        assert result.refuses_all
        assert "GOOGLE_API_KEY" in str(result)


# What is no error of the API


def compressed(encoding):
    first = {":status": "200", "content-type": "application/grpc", "grpc-encoding": encoding}
    return answer([prefixed(GOOD, compressed=1)], first=first)


def reset(code):
    return lambda stream: frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def refuse(_stream):
    """Send GOAWAY: no stream has been looked at."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0))


NO_ANSWERS = {
    "no status": answer(GOOD, trailers={"a": "b"}),
    "a status that is none": answer(GOOD, trailers={"grpc-status": "abc"}),
    "a trailer that is no base64": answer(GOOD, trailers={"grpc-status": "0", "x-bin": "@@"}),
    "details that are no base64": failure(13, "m", grpc_status_details_bin="@@@"),
    "no protobuf": answer(b"\xff\xff"),
    "a page": answer(b"<html></html>"),
    "half of a message": answer(GOOD[: len(GOOD) // 2]),
    "bytes after the message": answer(GOOD + b"\xff"),
    "no message": answer([]),
    "less than it says": answer([prefixed(GOOD, length=9999)]),
    "compressed, and not": compressed("gzip"),
    "an unknown compression": compressed("none-such"),
    "reset with NO_ERROR": reset(0),
    "reset with INTERNAL_ERROR": reset(2),
    "reset with REFUSED_STREAM": reset(7),
    "reset with CANCEL": reset(8),
    "GOAWAY": refuse,
    "hung up": None,
    "HTTP/1.1": lambda _stream: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "half of a message, hung up": Cut(answer(GOOD), 200),
    "a message without a status, hung up": Cut(answer(GOOD), -20),
}


@pytest.mark.parametrize("answer", cases(NO_ANSWERS))
async def test_answer_that_is_none_of_the_api_s_is_a_service_error(outcomes, answer):
    assert [type(each) for each in await outcomes(answer)] == [ServiceError] * 2


async def test_numbers_that_are_cut_off_are_a_service_error(outcomes):
    [result] = await outcomes(answer(field(1, field(1, b"123456"))), ["embed"])
    assert type(result) is ServiceError


TOO_LARGE = {
    "a message": answer([prefixed(GOOD, length=2**31 - 1)]),
    "words of an error": failure(13, "m" * 20_000),
    "trailers": answer(GOOD, trailers={"grpc-status": "0", "y": "z" * 20_000}),
}


@pytest.mark.parametrize("answer", cases(TOO_LARGE))
async def test_answer_that_is_too_large_for_grpc_is_no_quota(outcomes, answer):
    """The library itself reports it as RESOURCE_EXHAUSTED."""
    for result in await outcomes(answer):
        assert isinstance(result, EmbeddingError)
        assert not isinstance(result, RateLimitError)


async def test_server_that_sends_goaway_with_its_answer_is_reached_again(outcomes, server):
    def last(stream):
        return frame(GOAWAY, 0, 0, struct.pack(">II", stream, 0)) + answer(GOOD)(stream)

    before = server.streams
    for result in await outcomes(last, ["embed"] * 3):
        assert list(result.vectors[0]) == UNIT
    assert server.streams - before == 3


ODD = {
    "trailers of 5 kB": answer(GOOD, trailers={"grpc-status": "0", "y": "z" * 5000}),
    "the other method's message": answer(embedding(*UNIT)),
    "numbers one by one": answer(
        field(1, b"".join(b"\x0d" + struct.pack("<f", number) for number in UNIT))
    ),
    "numbers in pieces": answer(
        field(1, b"".join(field(1, struct.pack("<2f", *UNIT[i : i + 2])) for i in range(0, 128, 2)))
    ),
    "a vector in pieces, unknown fields": answer(field(7, b"a") + GOOD + field(15, b"b")),
}


@pytest.mark.parametrize("answer", cases(ODD))
async def test_answer_in_any_valid_form_is_a_vector(outcomes, answer):
    [result] = await outcomes(answer, ["embed"])
    [vector] = check_answer(REQUEST, result, 128)
    assert list(vector) == UNIT


async def test_answer_that_comes_byte_by_byte_is_a_vector(outcomes, server):
    server.at_once = 1
    [result] = await outcomes(answer(GOOD), ["embed"])
    assert list(result.vectors[0]) == UNIT


@pytest.mark.parametrize("number", [1e-45, 3e38])
async def test_numbers_at_the_bounds_of_a_float_are_no_wrong_vector(outcomes, number):
    [result] = await outcomes(answer(embedding(*[number] * 128)), ["embed"])
    try:
        [vector] = check_answer(REQUEST, result, 128)
    except EmbeddingError:
        return
    assert list(vector) == pytest.approx([128**-0.5] * 128)


MESSAGES = {
    "empty": b"",
    "a count of tokens": b"\x08\x03",
    "no numbers": embedding(),
    "two vectors": GOOD * 2,
    "another size": embedding(*UNIT[:127]),
    "NaN": embedding(math.nan, *UNIT[1:]),
    "infinite": embedding(math.inf, *UNIT[1:]),
    "zeros": embedding(*[0.0] * 128),
}


@pytest.mark.parametrize("message", cases(MESSAGES))
async def test_message_with_other_vectors_than_asked_for_is_refused(outcomes, message):
    [result] = await outcomes(answer(message), ["embed"])
    with pytest.raises(EmbeddingError):
        check_answer(REQUEST, result, 128)


async def test_server_that_says_nothing_is_waited_for_until_the_timeout(
    make_backend, place, server, twin, monkeypatch
):
    monkeypatch.setattr(server, "greets", False)
    backend = make_backend(place, base_url=server.url, timeout=0.1)
    results = [await outcome(twin, backend, method) for method in METHODS]
    await backend.aclose()
    assert [type(each) for each in results] == [ServiceError] * 2
