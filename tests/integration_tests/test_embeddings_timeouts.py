"""A request ends after its time, however slowly a server answers."""

from __future__ import annotations

import asyncio

import pytest
from google import genai
from google.genai import types

from langchain_gemini_qdrant.errors import ServiceError
from tests.integration_tests.loopback import LoopbackServer
from tests.integration_tests.places import METHODS, MODEL, PLACES, REQUEST


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("left", "timeout"), [(0.05, 60.0), (60.0, 0.05), (0.05, None), (None, 0.05)]
)
def test_request_ends_with_its_own_time_or_its_call_s(
    make_backend, emulator, call, place, method, left, timeout
):
    emulator.answer_next("hang", times=None)  # one that comes late takes it from nobody
    with pytest.raises(ServiceError):
        call(make_backend(place, timeout=timeout), method, *METHODS[method], timeout=left)
    emulator.clear()


@pytest.mark.parametrize("place", ["google-genai", "vertex"])
@pytest.mark.parametrize(("seconds", "told"), [(0.5, 10), (9.9, 10), (10.0, 10), (10.1, 11)])
def test_server_is_never_told_less_time_than_it_takes(
    make_backend, emulator, call, place, seconds, told
):
    """The Developer API refuses less than 10 s: "Manually set deadline 5s is too short"."""
    backend = make_backend(place, timeout=60.0)
    for method, arguments in METHODS.items():
        call(backend, method, *arguments, timeout=seconds)
    sent = [float(request.headers["x-server-timeout"]) for request in emulator.requests]
    assert sent == [told, told]


def test_time_of_an_own_client_stays_where_the_call_has_more(make_backend, emulator, call):
    own = genai.Client(
        api_key=emulator.api_key,
        http_options=types.HttpOptions(base_url=emulator.base_url, timeout=50),
    )
    backend = make_backend("google-genai", client=own, api_key=None, base_url=None)
    emulator.answer_next("hang", times=None)
    with pytest.raises(ServiceError):
        call(backend, "embed", REQUEST, timeout=60.0)
    emulator.clear()
    own.close()
    asyncio.run(own.aio.aclose())


class Trickle(LoopbackServer):
    """Answers with a body that comes in a hundred pieces, in some two seconds."""

    def __init__(self, chunked):
        super().__init__()
        body = b'{"totalTokens": 1, "embeddings": [{"values": [1%s]}]}' % (b", 0.0" * 127)
        pieces = [body[i * len(body) // 100 : (i + 1) * len(body) // 100] for i in range(100)]
        head = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
        self._head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n\r\n"
        self._pieces = [
            b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece for piece in pieces
        ] + ([b"0\r\n\r\n"] if chunked else [])

    def answer_to(self, connection):
        connection.sendall(self._head.encode())
        for piece in self._pieces:
            self.stopped.wait(0.02)
            connection.sendall(piece)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("place", ["google-genai", "vertex", "google-generativeai-rest"])
@pytest.mark.parametrize("method", METHODS)
def test_answer_that_trickles_ends_with_the_request_s_time(
    make_backend, call, place, method, chunked
):
    with Trickle(chunked).running() as server, pytest.raises(ServiceError):
        call(make_backend(place, base_url=server.url), method, *METHODS[method], timeout=0.1)


@pytest.mark.parametrize("place", ["google-genai", "vertex", "google-generativeai-rest"])
def test_answer_that_trickles_in_time_is_read(make_backend, call, place):
    with Trickle(chunked=True).running() as server:
        server.stopped.set()
        backend = make_backend(place, base_url=server.url)
        assert call(backend, "count_tokens", MODEL, "a", timeout=30.0) == 1


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", METHODS)
def test_request_is_sent_once(make_backend, emulator, call, place, method):
    """With aiohttp, google-genai by itself waits up to 10 s and sends it again."""
    emulator.answer_next("disconnect", times=None)
    with pytest.raises(ServiceError):
        call(make_backend(place), method, *METHODS[method])
    assert len(emulator.requests) == 1
