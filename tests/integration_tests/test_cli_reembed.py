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
            "gemini-embedding-001, size 128 -> 256: 2 passages, ~$0.0000 at most",
        ),
        (
            ("--model", "gemini-embedding-2"),
            "gemini-embedding-2",
            3072,
            "gemini-embedding-001 -> gemini-embedding-2, size 128 -> 3072: 2 passages, ~$0.0000",
        ),
        (
            ("--model", "models/gemini-embedding-001"),
            "gemini-embedding-001",
            128,
            "gemini-embedding-001, size 128: 2 passages",
        ),
        ((), "gemini-embedding-001", 128, "gemini-embedding-001, size 128: 2 passages"),
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
