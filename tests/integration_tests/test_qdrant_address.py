"""Where a Qdrant server is, whom it trusts and who trusts it, and how soon it is found again."""

from __future__ import annotations

import ssl
import warnings

import pytest
from qdrant_client.http.exceptions import ResponseHandlingException

from langchain_gemini_qdrant import ConfigurationError, create_vector_store, vectorstores
from langchain_gemini_qdrant.testing._transport._tls import Identity
from langchain_gemini_qdrant.vectorstores._qdrant_errors import reason
from tests.integration_tests.plane import Plane
from tests.integration_tests.qdrant_server import QdrantServer, Tls

# An address is that of one server


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": ["http://a:6333", "http://b:6333"]}, "url must be one address .*, got list"),
        ({"url": "http://a:6333,http://b:6333"}, "url must be one address .*, got several"),
        ({"client_options": {"host": "a,b"}}, "host must be one address"),
        ({"url": "http://user:secret@a:6333"}, "headers=.'Authorization'"),
        ({"url": "user:secret@a:6333"}, "headers=.'Authorization'"),
        ({"client_options": {"host": "user:secret@a"}}, "host must have no user and password"),
        ({"url": "ftp://a:6333"}, "url must be one address .*: its scheme must be http or https"),
        ({"url": "http://a:port"}, "url must be one address .*'port'"),
        ({"url": "http://[::1"}, "url must be one address .*IPv6"),
        ({"location": ":memory:", "client_options": {"timeout": 3}}, "timeout goes with url="),
    ],
)
async def test_an_address_that_leads_to_no_one_server_is_refused(twin, options, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        await twin(vectorstores, "create_vector_store", Plane(), "c", **options)
    assert "secret" not in str(caught.value)


def test_an_assumed_https_is_told(qdrant_server, clock):
    address = qdrant_server.url.removeprefix("http://")
    with (
        pytest.raises(ResponseHandlingException),
        pytest.warns(UserWarning, match="has no scheme, and with api_key= https is assumed"),
    ):
        create_vector_store(Plane(), "c", url=address, api_key="k", clock=clock)
    create_vector_store(Plane(), "c", url=address).close()


# TLS


@pytest.fixture(scope="module")
def tls():
    return Tls(Identity("127.0.0.1"), client=Identity("client"))


@pytest.fixture
def cert(tls, tmp_path):
    """Files of the client's certificate and key."""
    key, chain = tls.client.pair()
    files = tmp_path / "client.pem", tmp_path / "client.key"
    for file, content in zip(files, (chain, key), strict=True):
        file.write_bytes(content)
    return tuple(map(str, files))


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
@pytest.mark.parametrize("way", ["files", "one file", "context", "environment"])
async def test_a_private_authority_and_a_client_s_certificate_go_together(
    twin, tls, cert, way, prefer_grpc, tmp_path, monkeypatch
):
    authority = str(tls.identity.certificate)
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(tls.client.pair()))
    given = {
        "files": {"verify": authority, "cert": cert},
        "one file": {"verify": tls.identity.certificate, "cert": str(both)},
        "context": {"verify": ssl.create_default_context(cafile=authority), "cert": cert},
        "environment": {"cert": cert},
    }
    if way == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", authority)
    with QdrantServer(tls=tls, upstream=None) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        store = await twin(
            *(vectorstores, "create_vector_store", Plane(), "c"),
            url=server.url,
            prefer_grpc=prefer_grpc,
            client_options={"grpc_port": server.grpc_port, **given[way]},
        )
        await twin(store, "add_texts", ["1 0"], ids=["a"])
        assert [found.id for found in await twin(store, "similarity_search", "1 0")] == ["a"]
        protocol = "grpc" if prefer_grpc else "rest"
        assert {request.protocol for request in server.requests} == {protocol}
        await store.aclose()


@pytest.mark.parametrize("prefer_grpc", [False, True], ids=["rest", "grpc"])
async def test_a_stranger_s_certificate_is_refused_and_told(twin, tls, clock, prefer_grpc):
    options = {"verify": str(tls.client.certificate)}
    with (
        QdrantServer(tls=Tls(tls.identity), upstream=None) as server,
        pytest.raises(Exception) as caught,  # noqa: PT011 - qdrant-client's of either transport
    ):
        await twin(
            *(vectorstores, "create_vector_store", Plane(), "c"),
            url=server.url,
            prefer_grpc=prefer_grpc,
            clock=clock,
            client_options={"grpc_port": server.grpc_port, **options},
        )
    assert "CERTIFICATE_VERIFY_FAILED" in reason(caught.value)
    assert clock.waits == []  # no waiting heals it


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"verify": False, "prefer_grpc": True}, "gRPC always checks the server's certificate"),
        (
            {"verify": ".", "prefer_grpc": True},
            "gRPC always checks .* trusted certificates in one",
        ),
        ({"verify": "missing.pem"}, "No such file"),
        ({"cert": "missing.pem"}, "No such file"),
        ({"cert": __file__}, "verify and cert must name files"),
    ],
)
async def test_certificates_that_cannot_be_used_are_refused(twin, options, message):
    with pytest.raises(ConfigurationError, match=message):
        await twin(
            *(vectorstores, "create_vector_store", Plane(), "c"),
            url="https://127.0.0.1:1",
            client_options=options,
        )


async def test_grpc_takes_no_password_of_a_key(twin, tls, cert):
    with pytest.raises(ConfigurationError, match="gRPC does not accept a password"):
        await twin(
            *(vectorstores, "create_vector_store", Plane(), "c"),
            url="https://127.0.0.1:1",
            prefer_grpc=True,
            client_options={"verify": str(tls.identity.certificate), "cert": (*cert, "secret")},
        )


# A server that was away


@pytest.mark.slow
async def test_grpc_finds_a_server_again_within_the_retries_of_one_call(twin, qdrant_server):
    store = await twin(
        *(vectorstores, "create_vector_store", Plane(), "c"),
        url=qdrant_server.url,
        prefer_grpc=True,
        client_options={"grpc_port": qdrant_server.grpc_port},
    )
    with qdrant_server.away():
        for _ in range(3):
            with pytest.raises(Exception, match="UNAVAILABLE"):
                await twin(store, "count")
    assert await twin(store, "count") == 0
    await store.aclose()


async def test_own_options_of_grpc_stand_above_the_store_s(twin, qdrant_server):
    given = {"grpc.max_reconnect_backoff_ms": 5}
    store = await twin(
        *(vectorstores, "create_vector_store", Plane(), "c"),
        url=qdrant_server.url,
        prefer_grpc=True,
        client_options={"grpc_port": qdrant_server.grpc_port, "grpc_options": given},
    )
    assert await twin(store, "count") == 0
    options = store.client.init_options["grpc_options"]
    assert options["grpc.max_reconnect_backoff_ms"] == 5
    assert options["grpc.initial_reconnect_backoff_ms"] <= 1000
    assert given == {"grpc.max_reconnect_backoff_ms": 5}
    await store.aclose()
