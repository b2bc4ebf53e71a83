"""Answers that are late, broken off or never come, and TLS: over REST and gRPC."""

from __future__ import annotations

import socket
import ssl
import time
import warnings

import grpc
import pytest
from google import genai

from langchain_gemini_qdrant.testing import GeminiEmulator

with warnings.catch_warnings():
    # google-api-core announces the end of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services import generative_service
    from google.api_core import exceptions

MODEL = "gemini-embedding-2"


@pytest.fixture
def embed(emulator):
    """Embed one text with google-genai."""
    client = genai.Client(
        api_key=emulator.api_key, http_options={"base_url": emulator.base_url, "timeout": 30_000}
    )
    yield lambda text="a text": client.models.embed_content(model=MODEL, contents=text).embeddings
    client.close()


def grpc_embed(channel, api_key):
    transport = generative_service.transports.GenerativeServiceGrpcTransport(channel=channel)
    request = glm.EmbedContentRequest(
        model=f"models/{MODEL}", content={"parts": [{"text": "a text"}]}
    )
    answer = glm.GenerativeServiceClient(transport=transport).embed_content(
        request, metadata=[("x-goog-api-key", api_key)], retry=None
    )
    return answer.embedding.values


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("reset", "reset by peer"),
        ("disconnect", "without sending a response"),
        ("cut", "without sending complete message body"),
    ],
)
def test_a_connection_that_ends_too_soon_is_an_error_of_its_kind(embed, emulator, wrong, message):
    emulator.answer_next(wrong)
    with pytest.raises(Exception, match=message):
        embed()
    assert [request.status for request in emulator.requests] == [200 if wrong == "cut" else None]
    assert len(embed()) == 1


@pytest.mark.parametrize("wrong", ["reset", "disconnect", "cut"])
def test_over_grpc_it_is_unavailable(emulator, wrong):
    emulator.answer_next(wrong)
    with (
        grpc.insecure_channel(emulator.grpc_target) as channel,
        pytest.raises(exceptions.ServiceUnavailable),
    ):
        grpc_embed(channel, emulator.api_key)


def test_a_slow_answer_is_right_and_late(embed, emulator):
    emulator.answer_next("slow", delay=0.2)
    began = time.monotonic()
    assert len(embed()) == 1
    assert time.monotonic() - began >= 0.2
    assert emulator.request_counts == {200: 1}


def test_any_answer_may_be_late(embed, emulator):
    emulator.fail_next(status=503, delay=0.2)
    began = time.monotonic()
    with pytest.raises(Exception, match="503"):
        embed()
    assert time.monotonic() - began >= 0.2


def test_chance_may_be_slow_for_a_client_with_a_timeout(emulator):
    # The API refuses less than 10 s, of which the SDK would tell it.
    told = {"X-Server-Timeout": "10"}
    options = {"base_url": emulator.base_url, "timeout": 100, "headers": told}
    client = genai.Client(api_key=emulator.api_key, http_options=options)
    emulator.misbehave(1.0, kinds=["slow"], delay=1.0)
    with pytest.raises(Exception, match="timed out"):
        client.models.embed_content(model=MODEL, contents="a")
    client.close()


@pytest.fixture
def safe_emulator():
    """An emulator that serves TLS."""
    with GeminiEmulator(tls=True, grpc=True) as emulator:
        yield emulator


def test_https_is_served_to_who_trusts_the_certificate(safe_emulator, monkeypatch):
    options = {"base_url": safe_emulator.base_url}
    monkeypatch.setenv("SSL_CERT_FILE", str(safe_emulator.certificate))
    client = genai.Client(api_key=safe_emulator.api_key, http_options=options)
    assert len(client.models.embed_content(model=MODEL, contents="a").embeddings) == 1
    client.close()
    assert safe_emulator.base_url.startswith("https://127.0.0.1:")


def test_https_is_refused_to_who_does_not(safe_emulator):
    port = int(safe_emulator.base_url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_certificate_passes_the_strictest_check(safe_emulator, host):
    context = ssl.create_default_context(cafile=safe_emulator.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    port = int(safe_emulator.base_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        context.wrap_socket(connection, server_hostname=host).close()


def test_who_speaks_plain_http_to_tls_is_hung_up_on(safe_emulator):
    port = int(safe_emulator.base_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in connection.recv(1000)


def test_grpc_is_served_over_tls(safe_emulator):
    roots = safe_emulator.certificate.read_bytes()
    target = safe_emulator.grpc_target
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(roots)) as channel:
        assert len(grpc_embed(channel, safe_emulator.api_key)) == 3072
    assert safe_emulator.grpc_url == f"https://{target}"
    assert [request.transport for request in safe_emulator.requests] == ["grpc"]


def test_without_tls_there_is_no_certificate(emulator):
    with pytest.raises(RuntimeError, match=r"GeminiEmulator\(tls=True\)"):
        _ = emulator.certificate
