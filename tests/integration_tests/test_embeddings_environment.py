"""Where requests go: by what is given, by the environment, and after a dump and a load."""

from __future__ import annotations

import asyncio
import gc
import json

import grpc
import pytest
from google import genai
from google.ai.generativelanguage_v1beta import (
    GenerativeServiceAsyncClient,
    GenerativeServiceClient,
)
from google.ai.generativelanguage_v1beta.services.generative_service import transports
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError

VERTEX = {"project": "p", "location": "us"}
ENVIRONMENT = {
    "GOOGLE_API_KEY": "of-the-environment",
    "GOOGLE_CLOUD_PROJECT": "of-the-environment",
    "GOOGLE_CLOUD_LOCATION": "eu",
}
CASES = {
    "developer api": ({}, {}),
    "developer api beside a project": ({}, ENVIRONMENT),
    "vertex ai by its project": (VERTEX, {}),
    "vertex ai beside a key": (VERTEX, ENVIRONMENT),
    "vertex ai by a variable": (
        {"location": "us"},
        {**ENVIRONMENT, "GOOGLE_GENAI_USE_VERTEXAI": "true"},
    ),
    "vertex ai at an address of the environment": (
        VERTEX,
        {"GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:9"},
    ),
    "express mode": ({"vertexai": True, "api_key": "k"}, ENVIRONMENT),
}


@pytest.mark.parametrize(("options", "environment"), CASES.values(), ids=CASES)
def test_dumped_options_make_the_same_instance_in_any_environment(
    monkeypatch, options, environment
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if "project" not in options and "GOOGLE_GENAI_USE_VERTEXAI" not in environment:
        options = {"api_key": "k", **options}
    embeddings = GeminiEmbeddings(**options)
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "of-another")
    for name in ("GOOGLE_GEMINI_BASE_URL", "GOOGLE_VERTEX_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    is_vertex = embeddings._connection.is_vertex
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "false" if is_vertex else "true")
    received = GeminiEmbeddings(**embeddings.model_dump())
    assert received._connection == embeddings._connection
    assert received.location == embeddings.location
    if embeddings._connection.takes_key:
        assert received.api_key == embeddings.api_key
        with pytest.raises(ConfigurationError, match="api_key is masked"):
            GeminiEmbeddings(**json.loads(embeddings.model_dump_json()))
    else:
        received = GeminiEmbeddings(**json.loads(embeddings.model_dump_json()))
        assert received._connection == embeddings._connection


def test_dump_of_a_part_has_that_part_alone():
    embeddings = GeminiEmbeddings(api_key="k")
    assert embeddings.model_dump(include={"model"}) == {"model": "gemini-embedding-2"}
    assert "vertexai" not in embeddings.model_dump(exclude={"vertexai"})


def test_project_of_the_service_account_is_in_the_dump():
    class ServiceAccount(Credentials):
        project_id = "its-own"

    dumped = GeminiEmbeddings(credentials=ServiceAccount("token")).model_dump()
    assert (dumped["vertexai"], dumped["project"]) == (True, "its-own")
    assert "credentials" not in dumped


def test_given_key_is_sent_though_the_environment_has_a_project(monkeypatch, emulator, call):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "eu")
    embeddings = GeminiEmbeddings(
        vertexai=True, api_key=emulator.api_key, base_url=emulator.base_url
    )
    with embeddings:
        assert len(call(embeddings, "embed_query", "a")) == 3072
    request = emulator.requests[-1]
    assert "/projects/" not in request.path
    assert "/publishers/google/models/" in request.path
    assert "authorization" not in request.headers


def test_empty_address_of_the_environment_is_google_s(monkeypatch):
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "")
    embeddings = GeminiEmbeddings(api_key="k")
    backend = embeddings._embedder.services.backend
    backend.prepare()
    client = backend._clients.of_process()
    assert client._api_client._http_options.base_url == "https://generativelanguage.googleapis.com/"
    embeddings.close()


def test_key_with_a_line_break_behind_it_is_taken(make_embeddings, emulator, call):
    embeddings = make_embeddings(api_key=f"{emulator.api_key}\r\n")
    assert len(call(embeddings, "embed_query", "a")) == 3072


# Clients of the user's own


CANNOT_SEND = "the SDK's client cannot send: it is closed, or its connections belong to another"


def own_genai(emulator):
    return genai.Client(api_key=emulator.api_key, http_options={"base_url": emulator.base_url})


async def test_client_beside_a_key_of_the_environment_is_used(monkeypatch, emulator, twin):
    client = own_genai(emulator)
    monkeypatch.setenv("GOOGLE_API_KEY", "of-the-environment")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    embeddings = GeminiEmbeddings(client=client)
    assert len(await twin(embeddings, "embed_query", "a")) == 3072
    client.close()
    await client.aio.aclose()


async def test_closed_client_is_an_error_of_ours_and_not_tried_again(emulator, twin, clock):
    client = own_genai(emulator)
    embeddings = GeminiEmbeddings(client=client, clock=clock)
    await twin(embeddings, "embed_query", "a")
    client.close()
    await client.aio.aclose()
    for name, texts in (("embed_query", "a"), ("embed_documents", ["a", "b"])):
        with pytest.raises(ConfigurationError, match=CANNOT_SEND):
            await twin(embeddings, name, texts)
    assert clock.waits == []
    assert len(emulator.requests) == 1


def test_closed_grpc_client_is_an_error_of_ours_and_not_tried_again(emulator, clock):
    channel = grpc.insecure_channel(emulator.grpc_url.removeprefix("http://"))
    client = GenerativeServiceClient(
        transport=transports.GenerativeServiceGrpcTransport(channel=channel)
    )
    channel.close()
    embeddings = GeminiEmbeddings(client=client, backend="google-generativeai", clock=clock)
    with pytest.raises(ConfigurationError, match=CANNOT_SEND):
        embeddings.embed_query("a")
    assert clock.waits == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_genai_client_of_ended_event_loops_answers_or_says_why_not(emulator, clock):
    """The SDK keeps connections for each loop since 3.4."""
    client = own_genai(emulator)
    embeddings = GeminiEmbeddings(client=client, clock=clock)
    said = []
    for _ in range(3):
        try:
            asyncio.run(embeddings.aembed_query("a"))
        except ConfigurationError as error:
            said.append(str(error))
    client.close()
    assert all(text.startswith(CANNOT_SEND) for text in said)
    assert len(said) < 3
    assert clock.waits == []
    del embeddings, client
    gc.collect()  # connections that the user has not closed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine 'Intercepted:RuntimeWarning")
def test_grpc_client_of_another_event_loop_is_an_error_of_ours(emulator, clock):
    async def make():
        channel = grpc.aio.insecure_channel(emulator.grpc_url.removeprefix("http://"))
        return GenerativeServiceAsyncClient(
            transport=transports.GenerativeServiceGrpcAsyncIOTransport(channel=channel)
        )

    embeddings = GeminiEmbeddings(
        async_client=asyncio.run(make()), backend="google-generativeai", clock=clock
    )
    with pytest.raises(ConfigurationError, match=CANNOT_SEND):
        asyncio.run(embeddings.aembed_query("a"))
    assert clock.waits == []
    del embeddings
    gc.collect()  # what gRPC has to say of its call, it says in this test
