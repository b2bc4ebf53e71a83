"""What a command advises if a Qdrant server refuses it or is not trusted."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant.testing._transport._tls import Identity
from tests.integration_tests.qdrant_server import QdrantServer, Tls

GRPC = [False, pytest.param(True, marks=pytest.mark.slow)]


def at(server, *, grpc):
    port = ("--prefer-grpc", "--grpc-port", str(server.grpc_port))
    return ("--url", server.url, *(port if grpc else ()))


@pytest.mark.parametrize("grpc", GRPC)
@pytest.mark.parametrize(
    "arguments",
    [("list",), ("info",), ("search", "x"), ("ingest", "a.md"), ("delete", "--id", "x")],
)
def test_a_missing_key_is_told_with_its_option(command, tmp_path, arguments, grpc):
    (tmp_path / "a.md").write_text("Cats sleep.")
    confirmed = ("--yes",) if arguments[0] == "delete" else ()
    with QdrantServer(api_key="k", upstream=None) as server:
        told = command(*arguments, *confirmed, *at(server, grpc=grpc))
    assert told.exit_code == 1
    assert "The server needs a valid key: set --qdrant-api-key." in told.stderr
    assert "--collection" not in told.stderr


@pytest.mark.parametrize(
    ("arguments", "path"),
    [(("list",), "/collections"), (("delete", "--source", "a.md", "--yes"), "/points/delete")],
)
def test_a_key_that_does_not_allow_a_call_is_told_with_its_option(
    command, tmp_path, qdrant_server, arguments, path
):
    (tmp_path / "a.md").write_text("Cats sleep.")
    where = at(qdrant_server, grpc=False)
    assert command("ingest", "a.md", *where).exit_code == 0
    qdrant_server.fail_next(kind="status", status=403, message="Access denied", path=path)
    told = command(*arguments, *where)
    assert told.exit_code == 1
    assert "The key does not allow this: check --qdrant-api-key." in told.stderr


def test_certificates_are_told_with_their_options(command, tmp_path):
    server_s, own = Identity("127.0.0.1"), Identity("client")
    (tmp_path / "stranger.pem").write_bytes(b"".join(Identity("stranger").pair()))
    trusted = ("--ca-file", str(server_s.certificate))
    with QdrantServer(tls=Tls(server_s, client=own), upstream=None) as server:
        where = at(server, grpc=False)
        assert "of its authority with --ca-file." in command("list", *where).stderr
        for stranger in ((), ("--client-cert", "stranger.pem")):
            told = command("list", *where, *trusted, *stranger).stderr
            assert "client certificate that it trusts: name its file with --client-cert." in told


@pytest.mark.slow
def test_the_certificate_of_a_server_over_grpc_is_told_too(command):
    with QdrantServer(tls=Tls(Identity("127.0.0.1")), upstream=None) as server:
        told = command("list", *at(server, grpc=True)).stderr
    assert "of its authority with --ca-file." in told


def test_https_at_a_server_without_tls_is_told(command, qdrant_server):
    told = command("list", "--url", qdrant_server.url.replace("http", "https")).stderr
    assert "The server does not use TLS: begin its address with http://." in told


@pytest.mark.parametrize("name", ["list", "info", "recall"])
@pytest.mark.parametrize(
    "option",
    [
        ("--ca-file", "a.pem"),
        ("--client-cert", "a.pem"),
        ("--prefer-grpc",),
        ("--grpc-port", "1"),
        ("--qdrant-api-key", "k"),
    ],
    ids=lambda option: option[0],
)
def test_an_option_of_a_server_without_one_is_refused(command, tmp_path, name, option):
    (tmp_path / "a.pem").write_text("")
    told = command(name, *option)
    assert told.exit_code == 2
    assert f"Error: {option[0]} goes with --url" in told.stderr


def test_a_key_in_the_environment_needs_no_server(command, tmp_path, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "k")
    (tmp_path / "a.md").write_text("Cats sleep.")
    assert command("ingest", "a.md").exit_code == 0
