"""Settings with which nothing can be sent: said at once, without a key or a password."""

from __future__ import annotations

import socketserver
import traceback

import pytest
from google import genai
from google.auth.exceptions import RefreshError, TransportError
from google.genai import types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    GeminiQdrantError,
    RequestRejectedError,
    ServiceError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.loopback import serving
from tests.integration_tests.places import METHODS, MODEL, PLACES, REQUEST, Unrefreshable

SECRET = "AIzaSECRET"  # noqa: S105
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def credentials_of(place, secret):
    if place == "vertex":
        return {"credentials": Credentials(secret)}
    return {"api_key": secret}


def check_silence(error):
    shown = [str(error), repr(error), *map(repr, error.args), *traceback.format_exception(error)]
    assert not [text for text in shown if "SECRET" in text]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ["\n", "\nX", "\r\nX", "\0", " ", "é", "世"])
def test_key_that_cannot_be_sent_is_not_shown(make_backend, call, place, end):
    backend = make_backend(place, **credentials_of(place, SECRET + end))
    for method, arguments in METHODS.items():
        try:
            call(backend, method, *arguments)
        except Exception as error:  # noqa: BLE001 - any would be shown
            check_silence(error)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("end", ["\nX", "世"])
def test_key_that_cannot_be_sent_is_a_wrong_setting(make_backend, emulator, call, place, end):
    backend = make_backend(place, **credentials_of(place, SECRET + end))
    for method, arguments in METHODS.items():
        with pytest.raises(ConfigurationError, match="API key must be printable ASCII"):
            call(backend, method, *arguments)
    assert emulator.requests == []


async def test_key_of_an_own_client_is_not_shown(emulator, twin):
    client = genai.Client(
        api_key=SECRET + "\nX", http_options=types.HttpOptions(base_url=emulator.base_url)
    )
    with pytest.raises(GeminiQdrantError) as caught:
        await twin(GeminiEmbeddings(client=client), "embed_query", "a")
    client.close()
    await client.aio.aclose()
    check_silence(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_password_of_an_address_is_not_shown(make_backend, call, place):
    backend = make_backend(place, base_url="http://user:SECRET@127.0.0.1:1")
    with pytest.raises(ServiceError, match="(?i)refused") as caught:
        call(backend, "embed", REQUEST)
    check_silence(caught.value)


@pytest.mark.parametrize("place", PLACES)
def test_password_of_a_proxy_that_refuses_is_not_shown(make_backend, call, place, monkeypatch):
    for name in PROXIES:
        monkeypatch.setenv(name, "http://user:SECRET@127.0.0.1:1")
    backend = make_backend(place, base_url="http://gateway.invalid")
    with pytest.raises(ServiceError, match="Connection refused") as caught:
        call(backend, "embed", REQUEST)
    check_silence(caught.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "proxy", ["ftp://user:SECRET@127.0.0.1:1", "socks5://user:SECRET@127.0.0.1:1", "::::"]
)
def test_proxy_that_cannot_be_used_is_a_wrong_setting(
    make_backend, call, place, proxy, monkeypatch
):
    for name in PROXIES:
        monkeypatch.setenv(name, proxy)
    backend = make_backend(place, base_url="http://gateway.invalid")
    for method, arguments in {"prepare": (), **METHODS}.items():
        if method == "prepare" and place == "google-generativeai-rest":
            continue  # its client looks at no proxy before it sends
        with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
            call(backend, method, *arguments)
        check_silence(caught.value)


def test_certificates_that_are_not_there_are_a_wrong_setting(
    make_backend, call, monkeypatch, tmp_path
):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE a file of certificates"):
        call(make_backend("google-genai"), "prepare")


@pytest.fixture(scope="module")
def https():
    with GeminiEmulator(grpc=True, tls=True) as emulator:
        yield emulator


@pytest.mark.parametrize("place", PLACES)
def test_certificate_that_is_not_trusted_is_a_wrong_setting(make_backend, call, place, https):
    address = https.grpc_url if place == "grpc" else https.base_url
    backend = make_backend(place, base_url=address)
    for method, arguments in METHODS.items():
        with pytest.raises(ConfigurationError, match="certificate is not trusted"):
            call(backend, method, *arguments)
    assert https.requests == []


@pytest.mark.parametrize("place", PLACES)
def test_server_without_tls_is_a_wrong_setting(make_backend, call, place):
    class Plain(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Plain)) as server:
        backend = make_backend(place, base_url=f"https://127.0.0.1:{server.server_address[1]}")
        for method, arguments in METHODS.items():
            with pytest.raises(ConfigurationError, match="does not speak TLS .* http://"):
                call(backend, method, *arguments)


@pytest.mark.parametrize("backend", ["google-genai", "google-generativeai", "grpc"])
@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://gateway",
        "http://",
        "https://:443",
        "http://gateway:99999",
        "http://gateway:port",
        "http://gate way",
        "http://user:SECRET@",
        "http://[::1",
    ],
)
def test_address_that_is_none_is_refused_at_construction(backend, base_url):
    with pytest.raises(ConfigurationError, match="base_url must") as caught:
        GeminiEmbeddings(api_key="key", backend=backend, base_url=base_url)
    check_silence(caught.value)


@pytest.mark.parametrize("variable", ["GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"])
def test_address_of_the_environment_is_checked_too(monkeypatch, variable):
    monkeypatch.setenv(variable, "gateway:8080")
    options = {"project": "p"} if "VERTEX" in variable else {"api_key": "key"}
    with pytest.raises(ConfigurationError, match="must begin with https:// or http://"):
        GeminiEmbeddings(**options)


def test_google_generativeai_takes_a_host_and_port_alone(make_backend, emulator, call):
    """Over TLS, which this port does not speak."""
    host = emulator.grpc_url.rpartition("/")[2]
    with pytest.raises(ConfigurationError, match="does not speak TLS"):
        call(make_backend("grpc", base_url=host), "embed", REQUEST)
    GeminiEmbeddings(api_key="key", backend="google-generativeai", base_url=host)


@pytest.mark.parametrize("error", [RefreshError, TransportError])
@pytest.mark.parametrize("words", ["<html>SECRET</html>", "invalid_grant: SECRET", "", "Se SECRET"])
def test_answer_of_a_token_server_is_not_quoted(make_backend, call, error, words):
    raised = error(words, {"assertion": "SECRET"})
    backend = make_backend("vertex", credentials=Unrefreshable(raised))
    with pytest.raises(GeminiQdrantError) as caught:
        call(backend, "count_tokens", MODEL, "a")
    assert "SECRET" not in str(caught.value) + repr(caught.value.args)


def test_key_of_any_form_that_a_gateway_quotes_is_masked(emulator):
    key = "sk-gateway-0123456789"
    emulator.fail_next(status=401, body=f'{{"error": {{"message": "Incorrect key: {key}"}}}}')
    with (
        GeminiEmbeddings(api_key=key, base_url=emulator.base_url) as embeddings,
        pytest.raises(RequestRejectedError, match=r"Incorrect key: \*\*\*") as caught,
    ):
        embeddings.embed_query("a")
    assert key not in str(caught.value)
