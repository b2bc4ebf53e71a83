"""google-genai and google-generativeai over REST take the emulator for the Gemini API."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import warnings

import httpx
import numpy as np
import pytest
from google import genai
from google.genai import errors, types

from langchain_gemini_qdrant.testing import GeminiEmulator

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    from google.api_core import exceptions

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"


def contents(*texts):
    return [types.Content(parts=[types.Part(text=text)]) for text in texts]


@pytest.fixture(scope="module")
def client(request, loop):
    emulator = request.getfixturevalue("_running_emulator")
    client = genai.Client(api_key=emulator.api_key, http_options={"base_url": emulator.base_url})
    yield client
    loop.run_until_complete(client.aio.aclose())
    client.close()


@pytest.fixture(params=["sync", "async"])
def embed(request, client, loop):
    """`embed_content` of google-genai, sync and async."""

    def embed(texts, model=ONE, **config):
        if request.param == "sync":
            return client.models.embed_content(model=model, contents=texts, config=config)
        return loop.run_until_complete(
            client.aio.models.embed_content(model=model, contents=texts, config=config)
        )

    return embed


@pytest.fixture
def old_embed(old_genai, emulator):
    """`embed_content` of google-generativeai over REST."""
    old_genai.configure(
        api_key=emulator.api_key,
        transport="rest",
        client_options={"api_endpoint": emulator.base_url},
    )

    def embed(texts, model=ONE, **options):
        return old_genai.embed_content(f"models/{model}", texts, **options)["embedding"]

    return embed


@pytest.fixture
def post(emulator):
    """Send anything with a plain HTTP client: status, headers and JSON come back."""

    def post(path, body=None, *, key=emulator.api_key, verb="POST"):
        connection = http.client.HTTPConnection(emulator.base_url.removeprefix("http://"))
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {} if key is None else {"x-goog-api-key": key}
        connection.request(verb, path, data, headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, response.headers, json.loads(answer)

    return post


def get_status(url, *, timeout=10):
    """GET with the plainest client there is; httpx takes 0.1 s to start."""
    address, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", f"/{path}")
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def wait_for_requests(emulator, count):
    """The record is made before the answer: look until it is there."""
    pause = threading.Event()
    while len(emulator.requests) < count:
        pause.wait(0.001)


def test_each_content_has_its_vector_in_order(embed, emulator):
    texts = [f"text {i}" for i in range(100)]
    response = embed(contents(*texts), TWO, output_dimensionality=768)
    assert np.array(response.embeddings[7].values) @ np.array(
        embed(contents("text 7"), TWO, output_dimensionality=768).embeddings[0].values
    ) == pytest.approx(1, abs=1e-6)
    assert [len(e.values) for e in response.embeddings] == [768] * 100
    assert [text.text for text in emulator.texts] == [*texts, "text 7"]


def test_a_list_of_strings_is_one_vector_of_2_and_several_of_001(embed, emulator):
    assert len(embed(["a", "b"], TWO).embeddings) == 1
    assert len(embed(["a", "b"], ONE).embeddings) == 2
    merged, first, second = emulator.texts
    assert (merged.text, merged.parts) == ("a\nb", 2)
    assert (first.text, first.parts, second.text) == ("a", 1, "b")


def test_requests_are_recorded_as_they_came(embed, emulator):
    embed(contents("a"), task_type="RETRIEVAL_DOCUMENT", title="T", output_dimensionality=768)
    (request,) = emulator.requests
    assert request.transport == "rest"
    assert request.path == f"/{request.api_version}/models/{ONE}:batchEmbedContents"
    assert request.method == "batchEmbedContents"
    assert request.model == f"models/{ONE}"
    assert request.headers["x-goog-api-key"] == emulator.api_key
    assert request.body["requests"][0]["taskType"] == "RETRIEVAL_DOCUMENT"
    assert (request.status, request.answer_message, request.in_flight) == (200, "", 1)
    (text,) = request.texts
    assert (text.text, text.title, text.task_type) == ("a", "T", "RETRIEVAL_DOCUMENT")
    assert (text.model, text.output_dimensionality) == (f"models/{ONE}", 768)
    assert emulator.api_key not in repr(request)


def test_usage_arrives_where_the_sdk_has_it(client):
    response = client.models.embed_content(model=TWO, contents="three small words")
    usage = getattr(response, "usage_metadata", None)
    if usage is None:
        pytest.skip("google-genai before 3.1 drops usage")
    assert usage.prompt_token_count == 3
    assert usage.prompt_tokens_details is None  # the API has promptTokenDetails
    response = client.models.embed_content(model=ONE, contents="three small words")
    assert response.usage_metadata is None


def test_tokens_are_counted_and_models_listed(client):
    assert client.models.count_tokens(model=TWO, contents="three small words").total_tokens == 3
    assert client.models.get(model=ONE).input_token_limit == 2048
    names = [model.name for model in client.models.list(config={"page_size": 1})]
    assert names == [f"models/{ONE}", f"models/{TWO}-preview", f"models/{TWO}"]


def test_the_older_sdk_gets_the_same_vectors(old_embed, embed, emulator):
    texts = [f"text {i}" for i in range(150)]
    vectors = old_embed(texts, task_type="query", output_dimensionality=128)
    config = {"task_type": "RETRIEVAL_QUERY", "output_dimensionality": 128}
    newer = [
        embedding.values
        for start in (0, 100)
        for embedding in embed(contents(*texts[start : start + 100]), **config).embeddings
    ]
    assert np.array_equal(np.float32(vectors), np.float32(newer))
    assert {text.task_type for text in emulator.texts} == {"RETRIEVAL_QUERY"}
    methods = [request.method for request in emulator.requests]
    assert methods == ["batchEmbedContents"] * 4
    assert old_embed("text 7", task_type="query", output_dimensionality=128) == vectors[7]
    assert emulator.requests[-1].method == "embedContent"


@pytest.mark.parametrize("status", [400, 403, 404, 429, 499])
def test_faults_of_the_client_are_client_errors(embed, emulator, status):
    emulator.fail_next(status=status)
    with pytest.raises(errors.ClientError) as caught:
        embed("a")
    assert caught.value.code == status
    assert caught.value.status == caught.value.details["error"]["status"]
    assert [request.status for request in emulator.requests] == [status]
    assert emulator.texts == []
    assert embed("a").embeddings


@pytest.mark.parametrize(
    ("status", "word"), [(500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE_EXCEEDED")]
)
def test_faults_of_the_server_are_server_errors(embed, emulator, status, word):
    emulator.fail_next(status=status, times=2)
    for _ in range(2):
        with pytest.raises(errors.ServerError) as caught:
            embed("a")
        assert (caught.value.code, caught.value.status) == (status, word)
    assert embed("a").embeddings


def test_429_names_the_delay_and_the_quota(embed, emulator):
    emulator.fail_next(status=429, retry_after=0.05)
    emulator.fail_next(status=429, retry_after=45, quota="requests_per_day")
    emulator.fail_next(status=429)
    found = []
    for _ in range(3):
        with pytest.raises(errors.ClientError) as caught:
            embed("a")
        details = caught.value.details["error"].get("details", [])
        found.append({detail["@type"].rpartition(".")[2]: detail for detail in details})
    minute, day, bare = found
    assert minute["RetryInfo"]["retryDelay"] == "0s"
    assert "PerMinute" in minute["QuotaFailure"]["violations"][0]["quotaId"]
    assert day["RetryInfo"]["retryDelay"] == "45s"
    assert "PerDay" in day["QuotaFailure"]["violations"][0]["quotaId"]
    assert bare == {}


def test_the_older_sdk_raises_its_own_errors(old_embed, emulator):
    quick = {"retry": None}
    emulator.fail_next(status=429, retry_after=33)
    with pytest.raises(exceptions.TooManyRequests) as caught:
        old_embed("a", request_options=quick)
    assert {"RetryInfo", "QuotaFailure"} <= {
        detail["@type"].rpartition(".")[2] for detail in caught.value.details
    }
    emulator.fail_next(status=503)
    with pytest.raises(exceptions.ServiceUnavailable):
        old_embed("a", request_options=quick)
    with pytest.raises(exceptions.NotFound, match="not supported for embedContent"):
        old_embed("a", model="text-embedding-004")


def test_a_fault_may_wait_for_a_text(embed, emulator):
    emulator.fail_next(status=503, containing="poison", times=None)
    assert embed("food").embeddings
    for _ in range(3):
        with pytest.raises(errors.ServerError):
            embed(contents("food", "poisoned"))
    emulator.clear()
    assert embed("poison").embeddings


def test_a_fault_says_what_it_was_told_to(embed, emulator):
    emulator.fail_next(
        status=403,
        message="Blocked.",
        reason="API_KEY_SERVICE_BLOCKED",
        headers={"Retry-After": "3"},
    )
    with pytest.raises(errors.ClientError, match="Blocked") as caught:
        embed("a")
    assert caught.value.details["error"]["details"][0]["reason"] == "API_KEY_SERVICE_BLOCKED"
    assert caught.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize("options", [{"status": 200}, {"status": 503, "times": 0}])
def test_a_fault_is_an_error_for_at_least_one_request(options):
    with pytest.raises(ValueError, match="must be"):
        GeminiEmulator().fail_next(**options)


@pytest.mark.parametrize(
    ("wrong", "sizes"),
    [
        ("short", [3072]),
        ("long", [3072, 3072, 3072]),
        ("empty", None),
        ("no-values", [None, None]),
        ("size", [3071, 3071]),
    ],
)
def test_wrong_answers_pass_the_sdk_unnoticed(embed, emulator, wrong, sizes):
    emulator.answer_next(wrong)
    found = embed(["a", "b"]).embeddings
    assert sizes == (found and [e.values and len(e.values) for e in found])
    assert len(embed(["a", "b"]).embeddings) == 2


def test_a_number_may_be_none(embed, emulator):
    emulator.answer_next("nan")
    assert np.isnan(embed("a").embeddings[0].values).sum() == 1


@pytest.mark.parametrize("wrong", ["short", "long", "no-values", "size", "nan"])
def test_wrong_answers_to_one_content(post, emulator, wrong):
    emulator.answer_next(wrong)
    body = {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 3}
    _, _, answer = post(f"/v1/models/{ONE}:embedContent", body)
    values = answer.get("embedding", {}).get("values", [])
    assert len(values) == {"short": 0, "long": 3, "no-values": 0, "size": 2, "nan": 3}[wrong]


def test_an_answer_that_is_not_json(embed, emulator):
    emulator.answer_next("not-json")
    with pytest.raises(json.JSONDecodeError):
        embed("a")


def test_a_connection_closed_without_an_answer(embed, emulator):
    emulator.answer_next("disconnect")
    with pytest.raises(Exception, match="disconnected without sending a response"):
        embed("a")
    assert [request.status for request in emulator.requests] == [None]


def test_a_request_that_hangs_ends_with_clear(gemini_emulator):
    gemini_emulator.answer_next("hang")
    url = f"{gemini_emulator.base_url}/v1/models?key={gemini_emulator.api_key}"
    with pytest.raises(TimeoutError):
        get_status(url, timeout=0.05)
    failures = []

    def ask():
        try:
            get_status(url)
        except http.client.RemoteDisconnected as error:
            failures.append(error)

    gemini_emulator.answer_next("hang")
    thread = threading.Thread(target=ask)
    thread.start()
    wait_for_requests(gemini_emulator, 2)
    gemini_emulator.clear()
    thread.join()
    assert failures


def test_stop_ends_latency_and_hanging_requests():
    emulator = GeminiEmulator(latency=60)
    emulator.start()
    emulator.answer_next("hang")
    url = f"{emulator.base_url}/v1/models?key={emulator.api_key}"
    outcomes = []

    def ask():
        try:
            outcomes.append(get_status(url, timeout=60))
        except OSError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for_requests(emulator, 3)
    emulator.stop()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 3


def test_keys_arrive_by_header_and_by_query(post):
    assert post("/v1/models", verb="GET")[0] == 200
    assert post("/v1/models?key=emulator-key&alt=json", verb="GET", key=None)[0] == 200
    assert post("/v1/models", verb="GET", key=None)[0] == 403
    assert post("/v1/models?key=wrong", verb="GET", key=None)[0] == 400


def test_the_users_own_keys_are_accepted():
    with GeminiEmulator(api_keys=["mine", "another"]) as emulator:
        assert emulator.api_key == "mine"
        for key, status in (("mine", 200), ("another", 200), ("emulator-key", 400)):
            url = f"{emulator.base_url}/v1beta/models?key={key}"
            assert get_status(url) == status


@pytest.mark.parametrize("keys", ["a-key", []])
def test_keys_are_a_collection_of_strings(keys):
    with pytest.raises(ValueError, match="api_keys"):
        GeminiEmulator(api_keys=keys)


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha"])
def test_every_version_is_served_and_named_in_errors(post, version):
    body = {"content": {"parts": [{"text": "a"}]}}
    status, headers, answer = post(f"/{version}/models/{TWO}:embedContent?%24alt=json", body)
    assert (status, len(answer["embedding"]["values"])) == (200, 3072)
    assert headers["Content-Type"] == "application/json; charset=UTF-8"
    _, _, answer = post(f"/{version}/models/nope:embedContent", body)
    assert f"for API version {version}, or is not" in answer["error"]["message"]


def test_a_body_that_is_no_json_is_400(post):
    status, _, answer = post(f"/v1/models/{TWO}:embedContent", b'{"content":')
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer["error"]["message"].startswith("Invalid JSON payload received.")


def test_a_client_that_asks_first_may_send_its_body(gemini_emulator):
    host, port = gemini_emulator.base_url.removeprefix("http://").split(":")
    path = f"/v1/models/{TWO}:countTokens?key={gemini_emulator.api_key}"
    headers = "Expect: 100-continue\r\nContent-Length: 2\r\nConnection: close"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_answer_without_vectors_can_only_be_emptied(client, emulator):
    emulator.answer_next("short")
    emulator.answer_next("empty")
    found = [client.models.count_tokens(model=TWO, contents="a").total_tokens for _ in range(2)]
    assert found == [1, None]


def test_a_body_in_chunks_is_read():
    def chunks():
        yield b'{"content": {"parts":'
        yield b'[{"text": "a"}]}}'

    with GeminiEmulator() as emulator:
        url = f"{emulator.base_url}/v1/models/{TWO}:embedContent?key={emulator.api_key}"
        assert httpx.post(url, content=chunks()).status_code == 200


def test_an_unknown_path_is_404_that_says_what_is_known():
    with GeminiEmulator() as emulator:
        response = httpx.post(f"{emulator.base_url}/v1/models/{TWO}:generateContent", json={})
        assert response.status_code == 404
        assert "POST /{v1,v1beta,v1alpha}/models/{model}:embedContent" in response.text
        (request,) = emulator.requests
        assert (request.method, request.status) == (None, 404)


def test_a_connection_takes_one_request_after_another(gemini_emulator):
    connection = http.client.HTTPConnection(gemini_emulator.base_url.removeprefix("http://"))
    sockets = set()
    for _ in range(3):
        connection.request("GET", f"/v1/models?key={gemini_emulator.api_key}")
        assert connection.getresponse().read()
        sockets.add(connection.sock.getsockname())
    assert len(sockets) == 1
    connection.request("GET", "/v1/models", headers={"Connection": "close"})
    assert connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
        b"GET /v1/models HTTP/1.1\r\nHost: here\r\n",
    ],
)
def test_what_is_no_http_is_hung_up_on(gemini_emulator, sent):
    address = gemini_emulator.base_url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b""
    assert gemini_emulator.requests == []


async def test_a_hundred_requests_at_once_are_answered(gemini_emulator):
    gemini_emulator.latency = 0.2
    limits = httpx.Limits(max_connections=100)
    url = f"{gemini_emulator.base_url}/v1/models?key={gemini_emulator.api_key}"
    async with httpx.AsyncClient(limits=limits) as client:
        responses = await asyncio.gather(*(client.get(url) for _ in range(100)))
    assert {response.status_code for response in responses} == {200}
    assert 20 < max(request.in_flight for request in gemini_emulator.requests) <= 100


def test_it_starts_and_stops_any_number_of_times():
    emulator = GeminiEmulator()
    with pytest.raises(RuntimeError, match="not running"):
        _ = emulator.base_url
    for _ in range(3):
        with emulator:
            emulator.start()
            assert get_status(f"{emulator.base_url}/v1/models?key=emulator-key") == 200
        emulator.stop()
    assert len(emulator.requests) == 3
    with pytest.raises(RuntimeError, match="no gRPC"):
        _ = emulator.grpc_url


def test_a_port_in_use_is_an_error(gemini_emulator):
    port = int(gemini_emulator.base_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        GeminiEmulator(port=port).start()


def test_a_deadline_below_ten_seconds_is_refused_as_too_short(gemini_emulator):
    options = {"base_url": gemini_emulator.base_url, "timeout": 5000}
    with (
        genai.Client(api_key=gemini_emulator.api_key, http_options=options) as client,
        pytest.raises(errors.ClientError, match="deadline 5s is too short. Minimum .* 10s"),
    ):
        client.models.embed_content(model=TWO, contents="a")
