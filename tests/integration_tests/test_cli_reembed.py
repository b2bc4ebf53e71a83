"""`gemini-qdrant reembed` changes what is asked for, and says so before it sends anything."""

from __future__ import annotations

import contextlib
import json

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient


@pytest.fixture
def filled(command, tmp_path):
    """Run commands; collection `documents` has two passages of gemini-embedding-001 in size 128."""
    (tmp_path / "cats.txt").write_text("Cats sleep.\n")
    (tmp_path / "dogs.txt").write_text("Dogs bark.\n")
    options = ("--model", "gemini-embedding-001", "--output-dimensionality", "128")
    assert command("ingest", "cats.txt", "dogs.txt", *options).exit_code == 0
    return command


def vectors(command, collection):
    [found] = json.loads(command("info", "--collection", collection, "--json").stdout)["vectors"]
    return found["model"], found["size"]


@pytest.mark.parametrize(
    ("options", "model", "size", "said"),
    [
        (
            ("--output-dimensionality", "256"),
            "gemini-embedding-001",
            256,
            (
                "gemini-embedding-001, size 128 -> 256: 2 passages, ~$0.0000 at most (not reused: "
                "the new size is 256, and only the first 128 numbers of each vector are stored)\n"
            ),
        ),
        (
            ("--model", "gemini-embedding-2"),
            "gemini-embedding-2",
            3072,
            "gemini-embedding-001 -> gemini-embedding-2, size 128 -> 3072: 2 passages, ~$0.0000 at",
        ),
        (
            ("--model", "models/gemini-embedding-001"),
            "gemini-embedding-001",
            128,
            "gemini-embedding-001, size 128: 2 passages",
        ),
        (
            (),
            "gemini-embedding-001",
            128,
            (
                "gemini-embedding-001, size 128: 2 passages, 0 requests, as stored vectors are "
                "reused\n2 vectors reused, 0 documents embedded, 0 already there, 0 tokens, "
                "$0.0000\n"
            ),
        ),
        (
            ("--no-reuse-vectors",),
            "gemini-embedding-001",
            128,
            (
                "gemini-embedding-001, size 128: 2 passages, ~$0.0000 at most (not reused: "
                "--no-reuse-vectors is given)\n"
            ),
        ),
    ],
)
def test_only_what_is_named_changes(filled, options, model, size, said):
    result = filled("reembed", "--to-collection", "new", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(said)
    assert vectors(filled, "new") == (model, size)


def test_an_alias_keeps_the_model_of_the_new_collection_when_run_again(filled):
    again = ("reembed", "--output-dimensionality", "256", "--alias", "live")
    assert filled(*again).exit_code == 0
    assert filled("reembed", "--collection", "live").exit_code == 0
    assert vectors(filled, "live") == ("gemini-embedding-001", 256)


def test_the_price_is_said_before_anything_is_sent(filled, tmp_path, emulator):
    sentences = (f"Cat {number} sleeps a lot, and dog {number} does not." for number in range(1500))
    (tmp_path / "long.txt").write_text(" ".join(sentences))
    assert filled("ingest", "long.txt").exit_code == 0
    emulator.clear()
    emulator.fail_next(error="credits", times=None)
    result = filled("reembed", "--output-dimensionality", "256")
    assert result.exit_code == 1
    price = float(result.stdout.partition("~$")[2].split()[0])
    assert 0.001 < price < 0.01  # about 20,000 tokens at $0.15 a million


@pytest.fixture
def without_key(filled, monkeypatch):
    """Run commands that have no key."""
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return filled


SHORTER = ("reembed", "--output-dimensionality", "128", "--to-collection", "new")
UNRECORDED = "the collection does not record that 'gemini-embedding-2' made them"


def test_a_smaller_size_needs_no_key_and_sends_nothing(command, tmp_path, monkeypatch, emulator):
    (tmp_path / "cats.txt").write_text("Cats sleep.\n")
    assert command("ingest", "cats.txt").exit_code == 0
    emulator.clear()
    monkeypatch.delenv("GOOGLE_API_KEY")
    result = command(*SHORTER, "--alias", "live", "--delete-old", "--collection", "documents")
    assert result.exit_code == 0, result.output
    assert "size 3072 -> 128: 1 passage, 0 requests" in result.stdout
    assert "1 vector reused, 0 documents embedded" in result.stdout
    assert emulator.requests == []
    assert vectors(command, "live") == ("gemini-embedding-2", 128)


@pytest.mark.parametrize("options", [("--output-dimensionality", "256"), ("--no-reuse-vectors",)])
def test_what_must_be_embedded_needs_a_key(without_key, options):
    result = without_key("reembed", "--to-collection", "new", *options)
    assert result.exit_code == 1
    assert "(not reused: " in result.stdout
    assert "Error: an API key is needed: set GOOGLE_API_KEY" in result.stderr


def test_what_cannot_be_reused_is_refused_in_options(filled, emulator):
    emulator.clear()
    result = filled("reembed", "--output-dimensionality", "256", "--reuse-vectors")
    assert result.exit_code == 1
    assert (
        "cannot be reused: the new size is 256, and only the first 128 numbers of each vector are "
        "stored. Pass --no-reuse-vectors to embed its documents again"
    ) in result.stderr
    assert not result.stdout  # no price of what is refused
    assert emulator.requests == []


def test_passages_without_a_vector_are_told_before_they_are_paid_for(filled, tmp_path, emulator):
    with contextlib.closing(EdgeClient(tmp_path / "gemini-qdrant-index")) as client:
        payload = {"page_content": "Birds sing.", "metadata": {}}
        client.upsert("documents", [models.PointStruct(id=1, vector={}, payload=payload)])
    emulator.clear()
    failed = filled("reembed", "--to-collection", "failed", "--reuse-vectors")
    assert failed.exit_code == 1
    assert "3 passages, 0 requests" in failed.stdout
    assert "the point has no vector, and nothing is embedded" in " ".join(failed.output.split())
    assert emulator.requests == []
    result = filled("reembed", "--to-collection", "new")
    assert "3 passages, ~$0.0000 at most (not reused: 1 passage without a vector)" in (
        result.stdout
    )
    assert "2 vectors reused, 1 document embedded" in result.stdout
    assert len(emulator.texts) == 1


@pytest.mark.usefixtures("others")
def test_unrecorded_vectors_are_reused_on_the_users_word(command, tmp_path, emulator):
    with contextlib.closing(EdgeClient(tmp_path / "gemini-qdrant-index")) as client:
        params = models.VectorParams(size=256, distance=models.Distance.COSINE)
        client.create_collection("langchain", params)
        payload = {"page_content": "Birds sing.", "metadata": {}}
        point = models.PointStruct(id=1, vector=[1.0] * 256, payload=payload)
        client.upsert("langchain", [point])
    reembed = (*SHORTER, "--collection", "langchain", "--model", "gemini-embedding-2")
    result = command(*reembed[:3], *reembed[5:], "--to-collection", "asked")
    assert UNRECORDED in result.stdout
    assert "if it did, pass --reuse-vectors)" in result.stdout
    assert "1 document embedded" in result.stdout
    emulator.clear()
    told = command(*reembed, "--reuse-vectors")
    assert "unknown model -> gemini-embedding-2, size 256 -> 128: 1 passage, 0 req" in told.stdout
    assert "1 vector reused" in told.stdout
    assert emulator.requests == []


@pytest.fixture
def others(tmp_path):
    """Fill a collection as other programs do, without a record of the model."""
    with contextlib.closing(EdgeClient(tmp_path / "gemini-qdrant-index")) as client:
        params = models.VectorParams(size=4, distance=models.Distance.DOT)
        client.create_collection("notes", vectors_config={"dense": params})


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vector-name", "dense"), "name the model of the new vectors with --model"),
        ((), "only 'dense': pass --vector-name"),
    ],
)
def test_what_is_not_recorded_must_be_named(command, options, said):
    result = command("reembed", "--collection", "notes", *options)
    assert result.exit_code == 1
    assert said in result.stderr
