"""Options that a collection knows by itself, and what is told where they differ."""

from __future__ import annotations

import contextlib
import json
import warnings

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient, GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.testing._transport._tls import Identity
from tests.integration_tests.qdrant_server import QdrantServer, Tls


@pytest.fixture(autouse=True)
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "cats.md").write_text("# About cats\n\nCats sleep for most of the day.\n")
    return folder


def stored(command, *arguments):
    """Return what `info` says of a collection."""
    return json.loads(command("info", "--json", *arguments).stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "cats"),
        ("ingest", "texts"),
        *(
            pytest.param(arguments, marks=pytest.mark.slow)
            for arguments in (
                ("ingest", "texts", "--dry-run"),
                ("recall", "--queries", "texts/cats.md", "--limit", "1"),
                ("tune", "--queries", "texts/cats.md", "-k", "1", "--recall-at-k", "0.01"),
            )
        ),
    ],
    ids=" ".join,
)
def test_model_and_size_are_the_collection_s(command, emulator, arguments):
    options = ("--model", "gemini-embedding-001", "--output-dimensionality", "256")
    assert command("ingest", "texts", *options).exit_code == 0
    assert command("reembed", *options[:3], "128", "--alias", "live").exit_code == 0
    before = len(emulator.texts)
    result = command(*arguments, "--collection", "live")
    assert result.exit_code == 0, result.output
    new = emulator.texts[before:]
    assert {(each.model, each.output_dimensionality) for each in new} <= {
        ("models/gemini-embedding-001", 128)
    }
    assert stored(command, "--collection", "live")["points"] == 1


def test_a_model_s_own_size_is_not_asked_for(command, emulator):
    assert command("ingest", "texts").exit_code == 0
    assert command("search", "cats").exit_code == 0
    assert {each.output_dimensionality for each in emulator.texts} == {None}


def test_the_task_of_documents_is_the_collection_s(command, emulator, tmp_path):
    embeddings = GeminiEmbeddings(
        model="gemini-embedding-001", task_type="CLUSTERING", base_url=emulator.base_url
    )
    with embeddings, create_vector_store(embeddings, "c", path=tmp_path / "i") as store:
        store.add_texts(["cats"])
    assert command("search", "cats", "--path", "i", "--collection", "c").exit_code == 0
    assert emulator.texts[-1].task_type == "CLUSTERING"


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (
            ("--output-dimensionality", "768"),
            "has vectors of size 3072, not --output-dimensionality 768: leave the option out, or n",
        ),
        (
            ("--model", "gemini-embedding-001"),
            "has vectors of model 'gemini-embedding-2', not --model gemini-embedding-001",
        ),
        (("--quantization", "scalar"), "has quantization binary, not --quantization scalar"),
        (("--quantization", "none"), "has quantization binary, not --quantization none"),
    ],
)
def test_options_that_differ_from_the_collection_are_refused(command, emulator, option, told):
    assert command("ingest", "texts").exit_code == 0
    emulator.clear()
    result = command("ingest", "texts", *option)
    assert result.exit_code == 1
    assert told in result.stderr
    assert emulator.requests == []


@pytest.mark.parametrize("quantization", ["none", "scalar", "binary-2bit"])
def test_quantization_is_the_collection_s_too(command, quantization):
    assert command("ingest", "texts", "--quantization", quantization).exit_code == 0
    assert command("ingest", "texts").exit_code == 0
    assert command("ingest", "texts", "--quantization", quantization).exit_code == 0
    assert stored(command)["vectors"][0]["quantization"] == quantization


@pytest.fixture
def others(command, tmp_path):
    """Make a collection of another program: a named vector, compared by dot product, no model."""
    with contextlib.closing(EdgeClient(tmp_path / "index")) as client:
        params = models.VectorParams(size=768, distance=models.Distance.DOT)
        client.create_collection("notes", vectors_config={"dense": params})
        payload = {"page_content": "cats", "metadata": {}}
        vectors = ([1.0] * 768, [-1.0] * 768, [0.5, -1.0] * 384)
        points = [
            models.PointStruct(id=number, vector={"dense": vector}, payload=payload)
            for number, vector in enumerate(vectors)
        ]
        client.upsert("notes", points)
    return lambda *arguments: command(*arguments, "--path", "index", "--collection", "notes")


def test_a_collection_that_remembers_no_model_asks_for_it(others):
    result = others("search", "cats")
    assert result.exit_code == 1
    assert (
        "does not say which model made its vectors of size 768: name it with --m" in result.stderr
    )
    result = others("search", "cats", "--model", "gemini-embedding-001")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("\tcats\n")


def test_recall_needs_no_model(others):
    result = others("recall", "--limit", "1")
    assert result.exit_code == 0, result.output


def test_an_empty_collection_takes_the_defaults(command, tmp_path):
    with contextlib.closing(EdgeClient(tmp_path / "index")) as client:
        params = models.VectorParams(size=768, distance=models.Distance.COSINE)
        client.create_collection("documents", vectors_config=params)
    assert command("ingest", "texts", "--path", "index").exit_code == 0
    [vector] = stored(command, "--path", "index")["vectors"]
    assert (vector["model"], vector["size"]) == ("gemini-embedding-2", 768)


def test_several_vectors_are_told(command, tmp_path):
    with contextlib.closing(EdgeClient(tmp_path / "index")) as client:
        params = models.VectorParams(size=4, distance=models.Distance.COSINE)
        client.create_collection("documents", vectors_config={"a": params, "b": params})
    result = command("search", "x", "--path", "index")
    assert result.exit_code == 1
    assert "must have one dense vector, found ['a', 'b']" in result.stderr


def test_a_server_from_before_metadata_asks_for_the_model(command):
    with QdrantServer(version="1.15.0", keeps_metadata=False) as server:
        assert command("ingest", "texts", "--url", server.url).exit_code == 0
        assert "name it with --model" in command("search", "cats", "--url", server.url).stderr
        named = ("--model", "gemini-embedding-2")
        assert command("search", "cats", "--url", server.url, *named).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("grpc", [False, True])
def test_a_private_server_is_reached_with_its_authority_and_a_certificate(command, tmp_path, grpc):
    tls = Tls(Identity("127.0.0.1"), client=Identity("client"))
    certificate = tmp_path / "client.pem"
    certificate.write_bytes(b"".join(tls.client.pair()))
    with QdrantServer(tls=tls, upstream=None) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        authority = ("--ca-file", str(tls.identity.certificate))
        way = ("--prefer-grpc", "--grpc-port", str(server.grpc_port)) if grpc else ()
        own = ("--url", server.url, *authority, "--client-cert", str(certificate), *way)
        assert command("ingest", "texts", *own).exit_code == 0
        assert "cats.md" in command("search", "cats", *own).stdout
        methods = {request.method for request in server.requests}
        assert ("Query" in methods) == grpc
