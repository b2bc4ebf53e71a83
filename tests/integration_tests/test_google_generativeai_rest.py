"""google-generativeai over REST: our own requests, held to what the SDK's client does."""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.ai.generativelanguage_v1beta import GenerativeServiceClient

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    EmbeddingError,
    RequestRejectedError,
    ResponseMismatchError,
    ServiceError,
)
from tests.integration_tests.loopback import serving

OPTIONS = {"backend": "google-generativeai", "transport": "rest", "max_retries": 0}


@pytest.fixture
def embeddings(emulator):
    with GeminiEmbeddings(
        **OPTIONS,
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        model="gemini-embedding-001",
        output_dimensionality=128,
    ) as embeddings:
        yield embeddings


@pytest.fixture
def own(emulator):
    """The same requests through the SDK's client."""
    client = GenerativeServiceClient(
        transport="rest",
        client_options={"api_key": emulator.api_key, "api_endpoint": emulator.base_url},
    )
    yield GeminiEmbeddings(
        backend="google-generativeai",
        client=client,
        model="gemini-embedding-001",
        output_dimensionality=128,
    )
    client.transport.close()


class Server:
    """Answers every request with the same status and body, and counts connections."""

    def __init__(self, body, status=200):
        self.connections = 0
        lock = threading.Lock()
        counting = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                with lock:
                    counting.connections += 1

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextlib.contextmanager
    def running(self):
        with serving(self._server):
            yield self


def embed(body, status=200, **options):
    server = Server(body if isinstance(body, bytes) else json.dumps(body).encode(), status)
    with (
        server.running(),
        GeminiEmbeddings(
            **{**OPTIONS, **options}, api_key="key", base_url=server.url, output_dimensionality=128
        ) as embeddings,
    ):
        return embeddings.embed_documents(["a"])


@pytest.mark.parametrize("text", ["plain", 'quotes " and \\', "Grüße, 世界 🎉", "line\nline\0"])
def test_requests_are_those_of_the_sdk_s_client(embeddings, own, emulator, text):
    for each in (embeddings, own):
        each.embed_documents([text, "b"], titles=["title", None])
        each.embed_query(text, task_type="QUESTION_ANSWERING")
        each._embedder.services.backend.count_tokens("models/gemini-embedding-001", text)
    ours, theirs = emulator.requests[:3], emulator.requests[3:]
    for name in ("path", "query", "body", "status"):
        assert [getattr(sent, name) for sent in ours] == [getattr(sent, name) for sent in theirs]
    for name in ("content-type", "x-goog-api-key"):
        assert {sent.headers[name] for sent in (*ours, *theirs)} == {ours[0].headers[name]}
    assert "langchain-gemini-qdrant" in ours[0].headers["x-goog-api-client"]


def test_vectors_are_those_of_the_sdk_s_client_without_its_rounding(embeddings, own):
    ours = embeddings.embed_query("a")
    assert ours == pytest.approx(own.embed_query("a"), abs=1e-7)


def test_code_query_goes_by_number(embeddings, emulator):
    embeddings.embed_query("a", task_type="CODE_RETRIEVAL_QUERY")
    assert emulator.requests[0].body["requests"][0]["taskType"] == 8


async def test_preparing_makes_the_client_and_sends_nothing(embeddings, emulator):
    backend = embeddings._embedder.services.backend
    backend.prepare()
    client = backend._clients.of_process()
    await backend.aprepare()
    assert backend._clients.of_process() is client
    assert not backend._clients._by_loop
    assert emulator.requests == []


def test_16_threads_reuse_their_connections():
    body = {"embeddings": [{"values": [1.0] + [0.0] * 127}]}
    server = Server(json.dumps(body).encode())
    with (
        server.running(),
        GeminiEmbeddings(
            **OPTIONS, api_key="key", base_url=server.url, output_dimensionality=128
        ) as embeddings,
        ThreadPoolExecutor(16) as pool,
    ):
        vectors = list(pool.map(lambda i: embeddings.embed_query(f"text {i}"), range(400)))
    assert len(vectors) == 400
    assert server.connections <= 16


def test_numbers_of_any_form_are_floats():
    [vector] = embed({"embeddings": [{"values": [1] + ["0.0"] * 127}], "other": 1})
    assert vector == [1.0] + [0.0] * 127
    assert {type(component) for component in vector} == {float}


@pytest.mark.parametrize("number", ['"NaN"', "NaN", '"Infinity"', "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number):
    body = f'{{"embeddings":[{{"values":[{number}{",0.5" * 127}]}}]}}'
    with pytest.raises(ResponseMismatchError, match="a vector of length"):
        embed(body.encode())


@pytest.mark.parametrize("body", [{}, {"embeddings": None}, {"embeddings": []}])
def test_answer_without_vectors_has_none(body):
    with pytest.raises(ResponseMismatchError, match="0 vectors were returned"):
        embed(body)


@pytest.mark.parametrize("embedding", [{}, {"values": None}, {"values": []}])
def test_vector_without_values_is_empty(embedding):
    with pytest.raises(ResponseMismatchError, match="0 were returned"):
        embed({"embeddings": [embedding]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        [],
        "embeddings",
        {"embeddings": 1},
        {"embeddings": [1]},
        {"embeddings": [{"values": "123"}]},
        {"embeddings": [{"values": [None] * 128}]},
        {"embeddings": [{"values": [[1.0]] * 128}]},
        {"embeddings": [{"values": ["x"] * 128}]},
        {"embeddings": [{"values": [10**400] * 128}]},
    ],
)
def test_200_of_another_kind_cannot_be_read(body):
    with pytest.raises(ServiceError, match="a body that cannot be read"):
        embed(body)


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", [], {"error": "no"}, {"error": {"details": ["no"]}}]
)
@pytest.mark.parametrize(("status", "error"), [(403, RequestRejectedError), (502, ServiceError)])
def test_error_of_a_proxy_keeps_its_status(body, status, error):
    with pytest.raises(error) as caught:
        embed(body, status)
    assert isinstance(caught.value, EmbeddingError)
    assert caught.value.status_code == status


def test_401_carries_the_server_s_words():
    with pytest.raises(RequestRejectedError, match="401.*no such key"):
        embed({"error": {"code": 401, "message": "no such key", "status": "UNAUTHENTICATED"}}, 401)
