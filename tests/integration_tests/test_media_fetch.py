"""Media from the network: only if it is asked for, only from allowed hosts, in bounded size."""

from __future__ import annotations

import base64
import contextlib
import http.server
import threading

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media import _fetch as fetching
from langchain_gemini_qdrant.media import content_blocks
from langchain_gemini_qdrant.media._references import References
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.loopback import serving

PNG = sample_media.png("a dog")
PDF = sample_media.pdf("one", "two")
HOST = ["127.0.0.1"]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers["Host"]))
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.server.places[path[4:]])
            self.end_headers()
            return
        body = {"/dog.png": PNG, "/r.pdf": PDF, "/empty": b"", "/page": b"<html>"}.get(path)
        self.send_response(404 if body is None and path != "/endless" else 200)
        self.send_header("Content-Type", "text/plain")  # servers are often wrong about it
        self.end_headers()
        if body is not None:
            self.wfile.write(body)
        while path == "/endless":
            try:
                self.wfile.write(bytes(1 << 20))
            except OSError:
                return

    def log_message(self, *args):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    server.places = {
        "dog": "/dog.png",
        "again": "/to/again",
        "inside": f"http://localhost:{server.server_port}/dog.png",
        "file": "file:///etc/passwd",
    }
    with serving(server):
        yield server


def test_a_medium_is_fetched_once_from_an_allowed_host(web):
    references = References(fetch=HOST)
    asked = [f"{web.url}/dog.png?size=3", f"{web.url}/to/dog", f"{web.url}/r.pdf#page=2"]
    media = references.media(asked)
    assert [medium.read() for medium in media[:2]] == [PNG, PNG]
    assert [medium.source for medium in media] == asked
    assert (media[2].page, media[2].mime_type) == (2, "application/pdf")
    host = web.url.removeprefix("http://")
    paths = ["/dog.png", "/to/dog", "/dog.png", "/r.pdf"]
    assert web.asked == [(path, host) for path in paths]


def test_content_blocks_have_the_bytes_if_they_may_be_fetched(web):
    document = Document("", metadata={"media": f"{web.url}/dog.png"})
    [block] = content_blocks(document, fetch=HOST)
    assert base64.b64decode(block["base64"]) == PNG
    [block] = content_blocks(document)
    assert block["url"] == f"{web.url}/dog.png"
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/gone.png?key=secret", "/gone.png' cannot be fetched: status 404"),
        ("/to/again", "it has more than 5 redirects"),
        ("/to/inside", "is at 'localhost', and only these hosts are read: 127.0.0.1"),
        ("/to/file", "leads to file: only http and https are read"),
        ("/empty", "/empty is empty"),
        ("/page", "/page is no known medium by its first bytes"),
        ("/endless", "has more than 20,971,520 bytes: save it as a file"),
    ],
)
def test_what_cannot_be_fetched_is_named(web, path, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        References(fetch=HOST).media(web.url + path)
    assert "secret" not in str(caught.value)


def test_a_slow_server_is_given_up(web, monkeypatch):
    monkeypatch.setattr(fetching, "_SECONDS", -1.0)
    with pytest.raises(InvalidInputError, match="cannot be fetched: it took more than"):
        References(fetch=HOST).media(f"{web.url}/dog.png")


def test_a_server_that_sends_its_headers_slowly_is_given_up(monkeypatch):
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            with contextlib.suppress(OSError):
                while not self.server.is_over.wait(0.01):
                    self.wfile.write(b"a")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.is_over = threading.Event()
    monkeypatch.setattr(fetching, "_SECONDS", 0.1)
    with serving(server):
        try:
            with pytest.raises(InvalidInputError, match="cannot be fetched: it took more than"):
                References(fetch=HOST).media(f"http://127.0.0.1:{server.server_port}/dog.png")
        finally:
            server.is_over.set()


def test_a_host_that_does_not_answer_is_named(web):
    address = f"{web.url}/dog.png"
    web.shutdown()
    web.server_close()
    with pytest.raises(InvalidInputError, match="dog.png' cannot be fetched: ConnectError"):
        References(fetch=HOST).media(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0.0.0.1", "10.0.0.1",
     "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]",
     "[::ffff:127.0.0.1]", "224.0.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]",
     "[fec0::1]"],
)  # fmt: skip
def test_addresses_that_are_not_public_are_not_read(web, host):
    address = f"http://{host}:{web.server_port}/dog.png"
    with pytest.raises(InvalidInputError, match="which is not a public address|is not found"):
        References(fetch=True).media(address)
    assert web.asked == []


@pytest.mark.parametrize("address", ["https://", "http://[", "http://a b/", "https://h:99999/a"])
def test_an_address_that_is_none_is_named(address):
    with pytest.raises(InvalidInputError):
        References(fetch=True).media(address)
