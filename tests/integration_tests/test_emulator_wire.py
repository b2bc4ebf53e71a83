"""Responses as Google's servers send them: headers, compression, chunks and layout."""

from __future__ import annotations

import gzip
import http.client
import json

import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator

TWO = "gemini-embedding-2"
BODY = {"content": {"parts": [{"text": "a"}]}}


@pytest.fixture
def send(emulator):
    """Send a request with the plainest client there is: the response and its body come back."""
    connections = []

    def send(path=f"/v1/models/{TWO}:embedContent", body=BODY, *, to=emulator, **headers):
        connection = http.client.HTTPConnection(to.base_url.removeprefix("http://"))
        connections.append(connection)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, sent, {"x-goog-api-key": to.api_key, **headers})
        response = connection.getresponse()
        return response, response.read()

    yield send
    for connection in connections:
        connection.close()


def test_headers_are_googles(send):
    response, _ = send()
    assert response.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert response.headers.get_all("Vary") == ["Origin", "X-Origin", "Referer"]
    assert response.headers["Server"] == "scaffolding on HTTPServer2"
    assert response.headers["Server-Timing"].startswith("gfet4t7; dur=")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Date"].endswith("GMT")
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Length"] is None


@pytest.mark.parametrize("asked", [{}, {"Accept_Encoding": "gzip, deflate"}])
@pytest.mark.parametrize("fault", [False, True])
def test_answers_are_compressed_if_asked_for_and_laid_out_either_way(send, emulator, asked, fault):
    if fault:
        emulator.fail_next(status=429, quota="requests_per_minute", retry_after=3)
    response, body = send(**asked)
    assert response.headers["Content-Encoding"] == ("gzip" if asked else None)
    text = (gzip.decompress(body) if asked else body).decode()
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
    assert response.headers["x-gemini-service-tier"] == ("standard" if fault else None)


def test_a_large_answer_comes_in_several_chunks(send):
    item = {"model": f"models/{TWO}", **BODY}
    path = f"/v1/models/{TWO}:batchEmbedContents"
    for asked in ({}, {"Accept_Encoding": "gzip"}):
        _, body = send(path, {"requests": [item] * 30}, **asked)
        answer = json.loads(gzip.decompress(body) if asked else body)
        assert [len(each["values"]) for each in answer["embeddings"]] == [3072] * 30


def test_a_connection_carries_one_answer_after_another(emulator):
    connection = http.client.HTTPConnection(emulator.base_url.removeprefix("http://"))
    for text in ("a", "b"):
        body = json.dumps({"content": {"parts": [{"text": text}]}})
        headers = {"x-goog-api-key": emulator.api_key, "Accept-Encoding": "gzip"}
        connection.request("POST", f"/v1/models/{TWO}:embedContent", body, headers)
        assert json.loads(gzip.decompress(connection.getresponse().read()))["embedding"]
    connection.close()


def test_a_body_of_its_own_is_sent_as_it_stands(send, emulator):
    emulator.fail_next(status=502, body="<html>", headers={"Content-Type": "text/html"})
    response, body = send(Accept_Encoding="gzip")
    assert (response.status, body, response.headers["Content-Length"]) == (502, b"<html>", "6")
    assert response.headers["Content-Encoding"] is None
    assert response.headers["Server"] is None


def test_a_trailing_comma_is_taken(send):
    response, body = send(body=b'{"content": {"parts": [{"text": "a",},],},}')
    assert response.status == 200
    assert json.loads(body)["embedding"]


def test_compact_answers_are_one_line_of_known_length(send):
    with GeminiEmulator(compact=True) as compact:
        response, body = send(to=compact, Accept_Encoding="gzip")
    assert response.headers["Content-Encoding"] is None
    assert int(response.headers["Content-Length"]) == len(body)
    assert b" " not in body
    assert b"\n" not in body
    assert len(json.loads(body)["embedding"]["values"]) == 3072
