"""How requests travel over gRPC: addresses, certificates, proxies, lost connections, forks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import socketserver
import sys
import threading
from dataclasses import replace

import grpc
import pytest

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings._backends import create_backend
from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings
from langchain_gemini_qdrant.errors import ConfigurationError, ServiceError
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.grpc_server import GrpcServer
from tests.integration_tests.loopback import serving
from tests.integration_tests.places import REQUEST, run_elsewhere
from tests.integration_tests.test_embeddings_grpc_errors import vectors

SMALL = {"output_dimensionality": 128}


@pytest.fixture(params=["grpc", "google-generativeai"])
def make(request):
    """Make embeddings of the two back ends that share gRPC."""
    made = []

    def make(**options):
        options = {"api_key": "key", "backend": request.param, **SMALL, **options}
        made.append(GeminiEmbeddings(**options))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


def answer(_request, _context):
    return vectors(1)


def test_transport_rest_contradicts_the_back_end():
    with pytest.raises(ConfigurationError, match="transport='rest' contradicts backend='grpc'"):
        GeminiEmbeddings(api_key="key", backend="grpc", transport="rest")


def test_both_back_ends_share_one_implementation():
    settings = BackendSettings(api_key="key")
    kinds = {type(create_backend(name, settings)) for name in ("grpc", "google-generativeai")}
    assert len(kinds) == 1


@pytest.mark.parametrize("backend", ["grpc", "google-generativeai"])
@pytest.mark.parametrize("missing", ["grpc", "google.ai"])
def test_missing_package_names_the_extra(monkeypatch, backend, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    for name in [*sys.modules]:
        if name.startswith((f"{create_backend.__module__}.grpc", "google.ai.")):
            monkeypatch.delitem(sys.modules, name)
    expected = rf"backend='{backend}' needs a package .*'langchain-gemini-qdrant\[{backend}\]'"
    with pytest.raises(ConfigurationError, match=expected):
        create_backend(backend, BackendSettings(api_key="key"))


def test_a_call_sends_what_google_s_client_sends(make, emulator, call):
    embeddings = make(base_url=emulator.grpc_url, api_key=emulator.api_key)
    call(embeddings, "embed_query", "a")
    headers = emulator.requests[0].headers
    assert headers["x-goog-api-key"] == emulator.api_key
    assert headers["x-goog-request-params"] == "model=models/gemini-embedding-2"
    words = [word.partition("/")[0] for word in headers["x-goog-api-client"].split()]
    assert words[0] == "langchain-gemini-qdrant"
    assert {"gl-python", "grpc", "gax", "gapic"} <= set(words)


# Addresses


ADDRESSES = {
    "a host": ("localhost:0", "http://localhost:{}"),
    "an IPv6 host": ("[::1]:0", "http://[::1]:{}/"),
    "a socket": ("unix:{}", "unix:{}"),
}


@pytest.mark.parametrize(("listening", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_address_may_be_a_host_or_a_socket(make, call, tmp_path, listening, address):
    path = tmp_path / "s"
    try:
        server = GrpcServer(answer, address=listening.format(path))
    except RuntimeError:
        pytest.skip(f"this machine has no {listening}")
    with server:
        place = path if address.startswith("unix:") else server.port
        call(make(base_url=address.format(place)), "embed_query", "a")
    assert [each["x-goog-api-key"] for each in server.calls] == ["key"]


@pytest.fixture(scope="module")
def https():
    with GeminiEmulator(grpc=True, tls=True) as emulator:
        yield emulator


@contextlib.contextmanager
def greeting(words):
    """A server that says the same to everybody."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(24)
            self.request.sendall(words)

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def refuse(embeddings, call, clock):
    with pytest.raises(ConfigurationError) as caught:
        call(embeddings, "embed_documents", ["a", "b"])
    assert clock.waits == []
    return str(caught.value)


def test_address_of_rest_is_a_wrong_setting(make, call, clock, emulator, https, monkeypatch):
    """With and without TLS."""
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(https.certificate))
    for address in (emulator.base_url, https.base_url):
        told = refuse(make(base_url=address, clock=clock), call, clock)
        assert "does not serve gRPC" in told
        assert "backend='google-genai'" in told


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 400 \r\n\r\n"])
def test_server_of_another_protocol_is_a_wrong_setting(make, call, clock, words):
    with greeting(words) as address:
        assert "does not serve gRPC" in refuse(make(base_url=address, clock=clock), call, clock)


def test_failure_of_a_proxy_in_http_1_is_no_answer_and_retried(make, call, clock):
    with greeting(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as address:
        embeddings = make(base_url=address, clock=clock, max_retries=2)
        with pytest.raises(ServiceError, match="no answer from the API"):
            call(embeddings, "embed_query", "a")
    assert len(clock.waits) == 2


# Certificates


def test_certificates_of_ssl_cert_file_are_trusted(make, https, call, monkeypatch):
    """As by the other back ends; gRPC itself does not read it."""
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(https.certificate))
    embeddings = make(base_url=https.grpc_url, api_key=https.api_key)
    assert len(call(embeddings, "embed_query", "a")) == 128


def test_certificate_of_another_host_is_not_trusted(make, https, call, monkeypatch):
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(https.certificate))
    credentials = grpc.ssl_server_credentials([https._identity.pair()])
    with GrpcServer(answer, address="0.0.0.0:0", credentials=credentials) as server:
        address = f"https://0.0.0.0:{server.port}"
        with pytest.raises(ConfigurationError, match="not trusted .Hostname Verification"):
            call(make(base_url=address), "embed_query", "a")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_certificates_that_cannot_be_read_are_a_wrong_setting(
    make, call, monkeypatch, tmp_path, content
):
    file = tmp_path / "trusted.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.delenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE must name a file of cert"):
        call(make(base_url="https://127.0.0.1:1"), "embed_query", "a")


# Proxies


class Tunnel(socketserver.ThreadingTCPServer):
    """A proxy that tunnels by CONNECT to one target, or refuses."""

    daemon_threads = True

    def __init__(self, target, status="200 OK"):
        super().__init__(("127.0.0.1", 0), self.Connection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.target, self.status, self.asked = target, status, []

    class Connection(socketserver.StreamRequestHandler):
        rbufsize = 0

        def handle(self):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.rfile.read(1)
            self.server.asked.append(head.decode())
            self.wfile.write(f"HTTP/1.1 {self.server.status}\r\n\r\n".encode())
            if self.server.status == "200 OK":
                host, port = self.server.target.split(":")
                with socket.create_connection((host, int(port))) as there:
                    back = threading.Thread(target=copy, args=(there, self.connection))
                    back.start()
                    copy(self.connection, there)
                    back.join()


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


VARIABLES = ["grpc_proxy", "http_proxy", "HTTP_PROXY", "ALL_PROXY"]


@pytest.fixture
def no_proxies(monkeypatch):
    names = ("grpc_proxy", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "no_grpc_proxy")
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("variable", VARIABLES)
def test_proxy_of_any_variable_is_used(make, call, monkeypatch, variable):
    with GrpcServer(answer) as server, serving(Tunnel(server.target)) as proxy:
        monkeypatch.setenv(variable, proxy.url.replace("//", "//user:word@"))
        call(make(base_url="http://gateway.invalid:80"), "embed_query", "a")
    [asked] = proxy.asked
    assert asked.startswith("CONNECT gateway.invalid:80 HTTP/1.1")
    assert "Basic dXNlcjp3b3Jk" in asked


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_proxy_is_not_used_for_hosts_that_are_excepted(make, call, monkeypatch, variable):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, "127.0.0.1")
    with GrpcServer(answer) as server:
        assert len(call(make(base_url=server.url), "embed_query", "a")) == 128


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("proxy", ["http://127.0.0.1", "127.0.0.1:", "http://a:b@127.0.0.1/"])
def test_proxy_without_a_port_is_at_80(make, call, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:80: Failed to connect"):
        call(make(base_url="http://gateway.invalid:9", max_retries=0), "embed_query", "a")


@pytest.mark.usefixtures("no_proxies")
def test_proxy_that_refuses_is_no_answer_and_shows_no_password(make, call, monkeypatch):
    with serving(Tunnel("", "407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//user:SECRET@"))
        with pytest.raises(ServiceError, match="no answer from the API") as caught:
            call(make(base_url="http://gateway.invalid", max_retries=0), "embed_query", "a")
    assert "SECRET" not in str(caught.value)


# Lost connections


def test_server_that_restarts_is_found_again(make, call, clock, tmp_path):
    """The connection of the last call is gone; the next one finds the new server."""
    embeddings = make(base_url=f"unix:{tmp_path}/s", clock=clock)
    with GrpcServer(answer, address=f"unix:{tmp_path}/s"):
        embeddings.embed_query("a")
    with GrpcServer(answer, address=f"unix:{tmp_path}/s") as server:
        call(embeddings, "embed_query", "b")
    assert len(server.calls) == 1


def test_connection_that_is_lost_in_flight_is_an_error_of_ours(make, call):
    stopped = threading.Event()

    def stop(_request, context):
        context.add_callback(stopped.set)
        threading.Thread(target=server.stop).start()
        stopped.wait(30)

    server = GrpcServer(stop)
    with server, pytest.raises(ServiceError) as caught:
        call(make(base_url=server.url, max_retries=0), "embed_query", "a")
    assert caught.value.attempts == 1


async def test_cancelling_ends_the_call_at_the_server(make):
    arrived, ended = threading.Event(), threading.Event()

    def hang(_request, context):
        context.add_callback(ended.set)
        arrived.set()
        ended.wait(30)
        return vectors(1)

    with GrpcServer(hang) as server:
        embeddings = make(base_url=server.url)
        task = asyncio.create_task(embeddings.aembed_query("a"))
        await asyncio.to_thread(arrived.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(ended.wait, 20)
        await embeddings.aclose()


def test_closing_while_a_call_is_in_flight_ends_it_with_an_error_of_ours(make, clock):
    arrived, goes_on = threading.Event(), threading.Event()

    def hang(_request, context):
        context.add_callback(goes_on.set)
        arrived.set()
        goes_on.wait(30)
        return vectors(1)

    with GrpcServer(hang) as server:
        embeddings = make(base_url=server.url, max_retries=0, clock=clock)
        raised = []

        def embed():
            try:
                embeddings.embed_query("a")
            except ServiceError as error:
                raised.append(error)

        thread = threading.Thread(target=embed)
        thread.start()
        arrived.wait(30)
        embeddings.close()
        thread.join()
        assert [error.status_code for error in raised] == [499]


def test_closing_before_a_call_is_sent_is_no_answer_and_retried(make, emulator):
    """Another thread closes between the choice of the channel and its use."""
    embeddings = make(base_url=emulator.grpc_url, api_key=emulator.api_key)
    backend = embeddings._embedder.services.backend

    class Closing(list):
        def __iter__(self):
            backend.close()
            return super().__iter__()

    with pytest.raises(ServiceError, match="the connections were closed"):
        backend.embed(replace(REQUEST, texts=Closing(["a"])))
    assert len(backend.embed(REQUEST).vectors) == 1


# Forks

FORKING = """
import asyncio, os, signal, sys, threading, warnings
warnings.simplefilter("ignore")
from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError
embeddings = GeminiEmbeddings(**{options!r})
use = sys.stdin.read().split()
expected = embeddings.embed_query("a")
if "close" in use:
    embeddings.close()
if "asyncio" in use:
    asyncio.run(embeddings.aembed_query("a"))
if "busy" in use:
    from langchain_gemini_qdrant.embeddings._backends.grpc_forks import _State
    threading.Thread(target=embeddings.embed_query, args=["hangs"], daemon=True).start()
    while not _State.in_flight:
        pass
pid = os.fork()
if pid == 0:
    signal.alarm(60)
    try:
        for _ in range(3):
            assert embeddings.embed_query("a") == expected
        if "achild" in use:
            assert asyncio.run(embeddings.aembed_query("a")) == expected
    except ConfigurationError as error:
        print(str(error)[:35], flush=True)
        os._exit(2)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(embeddings.embed_query("a") == expected, flush=True)
os._exit(0)
"""
REFUSED = ["gRPC cannot be used in this process", "2", "True"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="gRPC's fork handlers are Linux's")
@pytest.mark.parametrize(
    ("use", "environment", "expected"),
    [
        ("achild", {}, ["0", "True"]),
        ("close", {}, ["0", "True"]),
        ("asyncio", {}, REFUSED),
        ("busy", {}, REFUSED),
        ("", {"GRPC_ENABLE_FORK_SUPPORT": "0"}, REFUSED),
    ],
    ids=["idle", "closed", "asyncio", "in flight", "without gRPC's fork handlers"],
)
def test_forked_child_gets_its_own_vectors_or_a_clear_error(
    emulator, monkeypatch, use, environment, expected
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    emulator.answer_next("hang", containing="hangs")
    embeddings = GeminiEmbeddings(
        backend="grpc", base_url=emulator.grpc_url, api_key=emulator.api_key, **SMALL
    )
    result = run_elsewhere(FORKING.replace("sys.stdin.read()", repr(use)), embeddings)
    lines = [line for line in result.stdout.split("\n") if line]
    assert lines == expected, result.stderr
