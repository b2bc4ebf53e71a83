"""Whatever answers in the API's place, each back end raises an error of ours and nothing else."""

from __future__ import annotations

import gzip
import json

import pytest

from langchain_gemini_qdrant.errors import ConfigurationError, EmbeddingError, ServiceError
from tests.integration_tests.loopback import LoopbackServer
from tests.integration_tests.places import METHODS, PLACES
from tests.integration_tests.test_embeddings_faults import BODIES

OVER_HTTP = ["google-genai", "vertex", "google-generativeai-rest"]
PAGE = "<html><body>Zugriff verweigert: häufig</body></html>"


class Answering(LoopbackServer):
    """Answers every request with `answer`, whatever bytes that is, and closes the connection."""

    def __init__(self):
        super().__init__()
        self.answer = b""
        self.requests = 0

    def answer_to(self, connection):
        self.requests += 1
        connection.sendall(self.answer.replace(b"{url}", self.url.encode()))


def http(body=b"", status="200 OK", **headers):
    headers = {"content_type": "application/json", "content_length": len(body), **headers}
    lines = [f"HTTP/1.1 {status}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


VALUES = {"embeddings": [{"values": [1.0] + [0.0] * 127}]}
ANSWERS = {
    "empty": http(),
    "204": http(status="204 No Content"),
    "a number": http(b"7"),
    "null": http(b"null"),
    "a string": http(b'"embeddings"'),
    "a list": http(b"[1]"),
    "half of JSON": http(b'{"embeddings": ['),
    "nested": http(b"[" * 100_000 + b"]" * 100_000),
    "a page": http(PAGE.encode(), content_type="text/html; charset=utf-8"),
    "a page in latin-1": http(PAGE.encode("latin-1"), content_type="text/html; charset=utf-8"),
    "bytes": http(bytes(range(256))),
    "UTF-16, undeclared": http(json.dumps(VALUES).encode("utf-16")),
    "UTF-16, half": http(PAGE.encode("utf-16")[:-1], content_type="text/html; charset=utf-16"),
    "an unknown charset": http(PAGE.encode("latin-1"), content_type="text/html; charset=none-such"),
    "gzip that is none": http(b"{}", content_encoding="gzip"),
    "half of gzip": http(gzip.compress(b"{}" * 99)[:30], content_encoding="gzip"),
    "shorter than it says": http(b"{}", content_length=99),
    "two lengths": http(b"{}", Content_Length=99),
    "a redirect loop": http(status="307 Temporary Redirect", location="{url}/again"),
    "a redirect to nowhere": http(status="307 Temporary Redirect", location="http://"),
    "a redirect to a file": http(status="307 Temporary Redirect", location="file:///etc/hosts"),
    "a redirect without a place": http(status="302 Found"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a status that is none": b"HTTP/1.1 abc def\r\n\r\n",
    "a header that is none": b"HTTP/1.1 200 OK\r\n: :\r\n\xff\r\n\r\n",
    "vectors are a number": http(b'{"embeddings": 1, "predictions": 1, "totalTokens": "x"}'),
    "vectors are numbers": http(b'{"embeddings": [1], "predictions": [1], "totalTokens": []}'),
    "values are words": http(b'{"embeddings": [{"values": ["x"]}], "totalTokens": {}}'),
}


@pytest.fixture
def server():
    with Answering().running() as server:
        yield server


async def outcome(twin, backend, method):
    """Return what a call comes to, an error or an answer."""
    try:
        return await twin(backend, method, *METHODS[method])
    except Exception as error:  # noqa: BLE001 - to be looked at
        return error


def is_vector(result):
    return not isinstance(result, (Exception, int)) and [len(v) for v in result.vectors] == [128]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
async def test_answer_that_is_none_of_the_api_s_is_a_service_error(
    make_backend, server, twin, place, method
):
    backend = make_backend(place, base_url=server.url, timeout=30.0)
    wrong = {}
    for name, server.answer in ANSWERS.items():
        result = await outcome(twin, backend, method)
        # What is JSON may be an answer without vectors, which is refused where they are checked.
        # Libraries differ in what they make of a redirect to what is no address. For gRPC, a server
        # that answers in HTTP/1 is a wrong address.
        may_be_setting = place == "grpc" or "redirect to" in name
        allowed = {ServiceError, ConfigurationError} if may_be_setting else {ServiceError}
        if is_vector(result) or (isinstance(result, Exception) and type(result) not in allowed):
            wrong[name] = result
    await backend.aclose()
    assert wrong == {}


@pytest.mark.parametrize("place", OVER_HTTP)
@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "503 Unavailable"])
async def test_error_of_any_body_keeps_its_status(make_backend, server, twin, place, status):
    backend = make_backend(place, base_url=server.url, timeout=30.0)
    wrong = {}
    for name, body in BODIES.items():
        server.answer = http(body if isinstance(body, bytes) else body.encode(), status)
        for method in METHODS:
            result = await outcome(twin, backend, method)
            if not isinstance(result, EmbeddingError) or result.status_code != int(status[:3]):
                wrong[name] = result
    await backend.aclose()
    assert wrong == {}
    assert server.requests == len(BODIES) * len(METHODS)
