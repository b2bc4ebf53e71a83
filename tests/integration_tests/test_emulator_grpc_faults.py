"""Scripted faults and answers of the emulator over gRPC, and how they differ from REST."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import warnings
from typing import get_args

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, Help, QuotaFailure, RetryInfo
from google.rpc.status_pb2 import Status

from langchain_gemini_qdrant.testing._api._script import WrongAnswer
from tests.integration_tests.http2_server import Http2Server, page

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai import generativelanguage_v1beta as glm

MODEL = "models/gemini-embedding-2"
SERVICE = "/google.ai.generativelanguage.v1beta.GenerativeService"
TEXTS = ["one", "two"]


def message_of(wrapper):
    return type(wrapper.pb(wrapper()))


@pytest.fixture
def channel(emulator):
    with grpc.insecure_channel(emulator.grpc_target) as channel:
        yield channel


@pytest.fixture
def embed(channel, emulator):
    """Send a batch of two texts; return the answer's bytes."""
    call = channel.unary_unary(f"{SERVICE}/BatchEmbedContents")
    items = [
        glm.EmbedContentRequest(
            model=MODEL, content={"parts": [{"text": text}]}, output_dimensionality=9
        )
        for text in TEXTS
    ]
    request = glm.BatchEmbedContentsRequest(model=MODEL, requests=items)
    sent = glm.BatchEmbedContentsRequest.serialize(request)
    key = [("x-goog-api-key", emulator.api_key)]
    return lambda timeout=10: call(sent, metadata=key, timeout=timeout)


def embed_over_rest(emulator):
    """Send the same batch over REST; return the answer's JSON."""
    parts = [{"content": {"parts": [{"text": text}]}} for text in TEXTS]
    items = [{"model": MODEL, "outputDimensionality": 9, **part} for part in parts]
    request = urllib.request.Request(  # noqa: S310 - a server of our own
        f"{emulator.base_url}/v1beta/{MODEL}:batchEmbedContents",
        json.dumps({"requests": items}).encode(),
        {"x-goog-api-key": emulator.api_key},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def failure_of(embed):
    with pytest.raises(grpc.RpcError) as caught:
        embed()
    return caught.value


def status_of(error):
    """Return the status in an error's trailers, None if it has none."""
    trailers = dict(error.trailing_metadata())
    found = trailers.get("grpc-status-details-bin")
    return None if found is None else Status.FromString(found)


def error_body(status="RESOURCE_EXHAUSTED", details=(), message="m"):
    error = {"code": 429, "status": status, "message": message, "details": list(details)}
    return json.dumps({"error": error})


def detail(kind, **fields):
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name != "OK"])
def test_each_code_can_be_sent_by_its_name(embed, emulator, code):
    emulator.fail_next(status=500, body=error_body(code.name))
    error = failure_of(embed)
    assert (error.code(), error.details()) == (code, "m")
    assert status_of(error).code == code.value[0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504])
@pytest.mark.parametrize("body", ["<html>no</html>", '{"error": "no"}', "", "[]"])
def test_page_of_a_proxy_ends_the_call_as_grpc_ends_it(embed, emulator, status, body):
    emulator.fail_next(status=status, body=body)
    error = failure_of(embed)
    assert error.details() == f"Received http2 header with status: {status}"
    assert status_of(error) is None
    with Http2Server().running() as proxy:
        proxy.answer = page(status, body.encode())
        with grpc.insecure_channel(proxy.url.removeprefix("http://")) as channel:
            real = failure_of(lambda: channel.unary_unary("/a/b")(b"", timeout=10))
    assert (error.code(), error.details()) == (real.code(), real.details())


def test_several_details_are_sent_in_order(embed, emulator):
    violations = [{"quotaId": "a", "quotaValue": "7"}, {"quotaId": "b"}]
    details = [
        detail("Help", links=[{"url": "https://ai.google.dev"}]),
        detail("QuotaFailure", violations=violations),
        detail("ErrorInfo", reason="RATE_LIMIT_EXCEEDED", metadata={"quota_limit": "a"}),
        detail("RetryInfo", retryDelay="-1.500s"),
        detail("RetryInfo", retryDelay="315576000000s"),
    ]
    emulator.fail_next(status=429, body=error_body(details=details))
    found = status_of(failure_of(embed)).details
    kinds = [Help, QuotaFailure, ErrorInfo, RetryInfo, RetryInfo]
    for each, kind in zip(found, kinds, strict=True):
        assert each.Is(kind.DESCRIPTOR)
    assert [v.quota_value for v in QuotaFailure.FromString(found[1].value).violations] == [7, 0]
    assert RetryInfo.FromString(found[3].value).retry_delay.seconds == -1
    assert RetryInfo.FromString(found[4].value).retry_delay.seconds == 315_576_000_000


@pytest.mark.parametrize(
    "odd",
    [
        {"@type": "type.googleapis.com/a.B", "field": 1},
        detail("RetryInfo", retryDelay="soon"),
        detail("QuotaFailure", violations=3),
        {"no": "type"},
        "a string",
        None,
    ],
)
def test_detail_that_is_no_message_is_sent_as_bytes(embed, emulator, odd):
    emulator.fail_next(status=429, body=error_body(details=[odd]))
    error = failure_of(embed)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    (found,) = status_of(error).details
    assert found.type_url == (odd.get("@type", "") if isinstance(odd, dict) else "")
    assert json.loads(found.value) == odd


def test_trailers_may_have_bytes_in_place_of_the_details(embed, emulator):
    emulator.fail_next(
        status=429,
        retry_after=3,
        headers={"grpc-status-details-bin": b"\xff", "X-Trace-Bin": b"\x00", "X-Trace": "7"},
    )
    found = list(failure_of(embed).trailing_metadata())
    expected = [("grpc-status-details-bin", b"\xff"), ("x-trace-bin", b"\x00"), ("x-trace", "7")]
    assert [each for each in expected if found.count(each) != 1] == []
    emulator.fail_next(status=429, headers={"X-Trace-Bin": b"\x00", "X-Trace": "7"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        embed_over_rest(emulator)
    assert (caught.value.headers["X-Trace"], caught.value.headers["X-Trace-Bin"]) == ("7", None)
    caught.value.close()


@pytest.mark.parametrize("message", ["zu häufig", "100 %", "two\nlines", "m" * 3000, ""])
def test_message_of_any_characters_arrives_as_it_is(embed, emulator, message):
    emulator.fail_next(status=503, message=message)
    error = failure_of(embed)
    assert error.details() == status_of(error).message == message


def test_message_that_no_client_takes_is_reported_by_the_client(embed, emulator):
    """The trailers have it twice; gRPC takes 16 kB of them."""
    emulator.fail_next(status=503, message="m" * 16_000)
    error = failure_of(embed)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "metadata size exceeds" in error.details()


def read(answer):
    embeddings = message_of(glm.BatchEmbedContentsResponse).FromString(answer).embeddings
    return [list(each.values) for each in embeddings]


def test_unusual_answer_is_the_usual_one_in_other_bytes(embed, emulator):
    usual = embed()
    emulator.answer_next("unusual")
    unusual = embed()
    assert read(unusual) == read(usual)
    assert len(unusual) > len(usual)
    expected = embed_over_rest(emulator)
    emulator.answer_next("unusual")
    answer = embed_over_rest(emulator)
    assert {name: answer[name] for name in expected} == expected
    assert answer.keys() > expected.keys()


@pytest.mark.parametrize(("wrong", "number"), [("nan", "NaN"), ("infinite", "-Infinity")])
def test_number_may_not_be_finite(embed, emulator, wrong, number):
    emulator.answer_next(wrong, times=2)
    vectors = np.float32(read(embed()))
    assert np.isfinite(vectors).sum(axis=1).tolist() == [8, 8]
    for each, vector in zip(embed_over_rest(emulator)["embeddings"], vectors, strict=True):
        assert each["values"][-1] == number
        assert str(float(number)) == str(vector[-1])


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", '{"embeddings": 7}'])
def test_answer_may_be_any_bytes(embed, emulator, body):
    emulator.answer_next(body=body, containing="two")
    assert embed() == (body.encode() if isinstance(body, str) else body)
    assert emulator.request_counts == {200: 1}


def test_answer_is_either_a_name_or_a_body(emulator):
    for arguments in ((), ("short", b"")):
        with pytest.raises(ValueError, match="either wrong or body"):
            emulator.answer_next(*arguments[:1], body=arguments[1] if arguments else None)


@pytest.mark.parametrize("name", get_args(WrongAnswer))
def test_each_wrong_answer_comes_over_grpc_too(embed, emulator, name):
    """Each is another answer than the right one, late, or an error."""
    right = embed()
    emulator.clear()
    emulator.answer_next(name, delay=0.0 if name == "slow" else None)
    if name in {"cut", "reset", "disconnect", "lost", "hang"}:
        with pytest.raises(grpc.RpcError) as caught:
            embed(timeout=0.1 if name == "hang" else 10)
        late = name == "hang"
        code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.UNAVAILABLE
        assert caught.value.code() == code
    else:
        assert (embed() == right) == (name in {"slow", "failed-file"})
    assert len(emulator.requests) == 1
    emulator.clear()
    assert embed() == right


def test_many_requests_may_wait_at_once(channel, emulator, embed):
    """Those that hang hold up no other one."""
    call = channel.unary_unary(f"{SERVICE}/CountTokens")
    key = [("x-goog-api-key", emulator.api_key)]
    body = glm.CountTokensRequest.serialize(glm.CountTokensRequest(model=MODEL))
    emulator.answer_next("hang", times=100)
    waiting = [call.future(body, metadata=key) for _ in range(100)]
    emulator.wait_for_requests(100)
    assert read(embed())
    emulator.clear()
    assert {each.code() for each in waiting} == {grpc.StatusCode.UNAVAILABLE}


def test_request_of_any_content_is_read_as_protobuf_reads_it(channel, emulator):
    """Bytes, numbers without a name and nested messages, which a text's request does not have."""
    part = {"inline_data": {"mime_type": "image/png", "data": b"\x89PNG"}}
    request = message_of(glm.EmbedContentRequest)(model=MODEL, task_type=99)
    request.content.role = "user"
    request.content.parts.add(**part)
    request.content.parts.add(function_call={"name": "f"})
    request.content.parts[1].function_call.args.update({"a": [1, None]})
    call = channel.unary_unary(f"{SERVICE}/EmbedContent")
    failure_of(lambda: call(request.SerializeToString(), timeout=10))
    (recorded,) = emulator.requests
    assert recorded.body == {
        "model": MODEL,
        "content": {
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
                {"functionCall": {"name": "f", "args": {"a": [1.0, None]}}},
            ],
            "role": "user",
        },
        "taskType": 99,
    }


def test_headers_are_recorded_with_the_deadline_and_the_user_agent(embed, emulator):
    embed(timeout=7)
    headers = emulator.requests[0].headers
    assert headers["x-goog-api-key"] == emulator.api_key
    assert headers["user-agent"].startswith("grpc-python")
    # gRPC rounds a deadline up, and some time has passed
    assert 5_000 < int(headers["grpc-timeout"].removesuffix("m")) < 8_000


def test_without_a_deadline_none_is_recorded(channel, emulator):
    failure_of(lambda: channel.unary_unary(f"{SERVICE}/EmbedContent")(b""))
    assert "grpc-timeout" not in emulator.requests[0].headers
