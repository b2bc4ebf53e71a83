"""`gemini-qdrant mcp` over collections that other programs filled."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from mcp import Client
from qdrant_client import models

from langchain_gemini_qdrant import EdgeClient
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.cli.commands.mcp import mcp
from langchain_gemini_qdrant.cli.serving import open_served
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.mcp import create_mcp_server
from tests.integration_tests.test_collections_of_others import (
    HAYSTACK,
    LANGCHAIN_JS,
    LLAMA_INDEX,
    MEM0,
    POINT,
    PROGRAMS,
    TEXT,
    fill,
)

SOURCES = {"Haystack": "rules.md", "LlamaIndex": "rules.md", "mem0": None}
NO_OPTIONS = {
    "model": None,
    "output_dimensionality": None,
    "backend": "google-genai",
    "base_url": None,
}


@pytest.fixture
def opened(in_an_empty_folder):
    """Open collections as the command does, in its context."""
    with click.Context(mcp):

        def opened(*names, create=False, **options):
            return open_served(
                names,
                {**NO_OPTIONS, **options},
                path=str(in_an_empty_folder / "index"),
                url=None,
                qdrant_api_key=None,
                create=create,
                worker=False,
                descriptions={},
            )

        yield opened


@pytest.fixture
def filled(in_an_empty_folder):
    """Fill a collection as another program does, and leave the index."""

    def filled(*payloads, vector_name="", size=2):
        with closing(EdgeClient(in_an_empty_folder / "index")) as client:
            if size == 2:
                fill(client, *payloads, vector_name=vector_name)
                return
            params = models.VectorParams(size=size, distance=models.Distance.COSINE)
            client.create_collection("c", {vector_name: params} if vector_name else params)
            if not payloads:
                return
            vector = [1.0] + [0.0] * (size - 1)
            client.upsert(
                "c",
                [
                    models.PointStruct(
                        id=number,
                        vector={vector_name: vector} if vector_name else vector,
                        payload=payload,
                    )
                    for number, payload in enumerate(payloads)
                ],
            )

    return filled


async def call(served, name, **arguments):
    async with Client(create_mcp_server(served)) as client:
        return await client.call_tool(name, arguments)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_layout_is_found_and_documents_are_read_and_listed(opened, filled, program):
    payload, vector_name, options, _ = PROGRAMS[program]
    filled(payload, payload, vector_name=vector_name)
    served = opened("c")
    result = await call(served, "get_documents", ids=[POINT])
    [document] = result.structured_content["documents"]
    assert document["text"] == payload[options["content_payload_key"]]
    assert document["source"] == SOURCES.get(program, "rules.md")
    sources = (await call(served, "list_sources")).structured_content
    if document["source"] is None:
        assert sources["documents_without_source"] == 2
    else:
        assert sources["sources"] == [{"source": "rules.md", "documents": 2}]


async def test_a_search_in_vectors_of_fastembed_says_why_not_and_what_to_do(
    opened, filled, emulator, capsys
):
    payload, vector_name, _, _ = PROGRAMS["mcp-server-qdrant"]
    filled(payload, vector_name=vector_name, size=384)
    served = opened("c")
    assert "Warning: collection 'c' has vectors of FastEmbed" in capsys.readouterr().err
    for name, arguments in (
        ("search_documents", {"query": "vacation"}),
        ("store_document", {"text": "more"}),
    ):
        result = await call(served, name, **arguments)
        assert result.is_error
        message = " ".join(result.content[0].text.split())
        assert "'fast-all-minilm-l6-v2' of size 384" in message
        assert "To search them, `gemini-qdrant reembed --path /" in message
    assert not emulator.requests
    [facts] = (await call(served, "list_collections")).structured_content["collections"]
    assert (facts["documents"], facts["vector_size"], facts["searchable"]) == (1, 384, False)


async def test_the_command_that_is_named_makes_the_collection_searchable(
    opened, filled, tmp_path_factory, monkeypatch
):
    payload, vector_name, _, _ = PROGRAMS["mcp-server-qdrant"]
    filled(payload, vector_name=vector_name, size=384)
    with click.Context(mcp):  # the index is closed at its end
        why = opened("c")["c"].not_searchable
    [arguments] = re.findall("`gemini-qdrant (.*?)`", why)
    added = [*shlex.split(arguments), "--to-collection", "new"]
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))  # whoever reads it is elsewhere
    result = CliRunner().invoke(cli, [*added, "--output-dimensionality", "128"])
    assert result.exit_code == 0, result.output
    result = await call(opened("new"), "search_documents", query="How many days of vacation?")
    [hit] = result.structured_content["hits"]
    assert (hit["id"], hit["text"], hit["source"]) == ("0", TEXT, "rules.md")


async def test_an_empty_collection_of_fastembed_is_not_filled_with_other_vectors(opened, filled):
    filled(vector_name="fast-all-minilm-l6-v2", size=384)
    result = await call(opened("c"), "store_document", text="more")
    assert "has vectors of FastEmbed" in result.content[0].text


async def test_vectors_of_an_unknown_model_can_be_searched_once_it_is_named(opened, filled):
    filled({"page_content": TEXT, "metadata": {"source": "a"}}, size=128)
    result = await call(opened("c"), "search_documents", query="vacation")
    assert "name it with --model" in result.content[0].text
    served = opened("c", model="gemini-embedding-2")
    result = await call(served, "search_documents", query="vacation")
    [hit] = result.structured_content["hits"]
    assert (hit["id"], hit["text"], hit["source"]) == ("0", TEXT, "a")


async def test_a_stored_text_has_the_layout_of_the_others(opened, filled):
    payload = {"document": TEXT, "metadata": {"source": "rules.md"}}
    filled(payload, size=128)
    served = opened("c", model="gemini-embedding-2")
    result = await call(served, "store_document", text="Lunch is at noon.", source="lunch.md")
    [point] = served["c"].store.client.retrieve("c", [result.structured_content["id"]])
    assert point.payload == {"document": "Lunch is at noon.", "metadata": {"source": "lunch.md"}}


@pytest.mark.parametrize(
    "others", [{"content": TEXT, "text": "a"}, {}, {"page_content": TEXT, "metadata": None}]
)
async def test_a_layout_in_doubt_is_not_guessed(opened, filled, others):
    filled(LANGCHAIN_JS, HAYSTACK, LLAMA_INDEX, MEM0, others)
    layout = opened("c")["c"].store.collection.layout
    assert (layout.content_key, layout.metadata_key) == ("page_content", "metadata")


def test_an_option_that_differs_from_a_collection_is_an_error(opened, filled):
    filled({"page_content": TEXT}, size=128)
    with pytest.raises(CollectionMismatchError, match="not --output-dimensionality 256"):
        opened("c", output_dimensionality=256)


def test_several_dense_vectors_are_a_reason_too(opened):
    params = models.VectorParams(size=2, distance=models.Distance.COSINE)
    with closing(EdgeClient("index")) as client:
        client.create_collection("c", {"a": params, "b": params})
    assert "must have one dense vector" in opened("c")["c"].not_searchable


async def test_without_a_key_everything_but_the_embedding_works(opened, monkeypatch):
    opened("new", create=True)["new"].store.add_texts(["Vacation."], ids=["a"])
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    served = opened("new")
    result = await call(served, "search_documents", query="vacation")
    assert "an API key is needed: set GOOGLE_API_KEY" in result.content[0].text
    result = await call(served, "get_documents", ids=["a"])
    assert result.structured_content["documents"][0]["text"] == "Vacation."
    with pytest.raises(CollectionMismatchError, match="no-such-model"):
        opened("new", model="no-such-model")
    assert "GOOGLE_API_KEY" not in os.environ


def test_a_missing_collection_is_created_or_named(opened):
    opened("a", create=True)
    with pytest.raises(ConfigurationError, match="no collection 'b', found 'a'"):
        opened("b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--describe", "handbook"], "expected NAME=TEXT, got 'handbook'"),
        (["--describe", "handbook=Rules"], "--describe 'handbook' is not a --collection"),
        (["--path", "a", "--url", "b"], "one of --path and --url is needed"),
        (["--prefer-grpc"], "--prefer-grpc goes with --url"),
    ],
)
def test_options_that_do_not_fit_are_refused(command, arguments, words):
    result = command("mcp", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [["mcp"], ["search", "a"], ["ingest", "a.md"], ["info"], ["recall"], ["reembed"], ["tune"]],
    ids=lambda arguments: arguments[0],
)
def test_an_empty_name_is_told(command, filled, arguments):
    """A variable that is not set gives one."""
    Path("a.md").write_text("Vacation.")
    filled({"page_content": TEXT})
    result = command(*arguments, "--path", "index", "--collection", "")
    assert result.exit_code == 1
    assert "the name of a collection must not be empty" in " ".join(result.stderr.split())
