"""Vertex AI behind the same promises."""

from __future__ import annotations

import math

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    RequestRejectedError,
    TextTooLongError,
)

HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")
TEXTS = [f"passage number {i}" for i in range(7)]
TITLES = ["a title", None, "another", None, None, None, None]


@pytest.fixture
def make_vertex(emulator):
    made = []

    def make(**options):
        defaults = {
            "vertexai": True,
            "project": "my-project",
            "location": "us",
            "credentials": Credentials("token"),
            "base_url": emulator.base_url,
            "output_dimensionality": 256,
        }
        made.append(GeminiEmbeddings(**{**defaults, **options}))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.mark.parametrize(
    "model", ["gemini-embedding-2", "gemini-embedding-001", "text-embedding-005"]
)
def test_documents_keep_order_title_and_unit_length(make_vertex, emulator, call, model):
    embeddings = make_vertex(model=model)
    vectors = call(embeddings, "embed_documents", TEXTS, titles=TITLES)
    assert [len(vector) for vector in vectors] == [256] * 7
    assert all(abs(math.hypot(*vector) - 1) < 1e-6 for vector in vectors)
    alone = [
        call(embeddings, "embed_documents", [t], titles=[title])[0]
        for t, title in zip(TEXTS, TITLES, strict=True)
    ]
    assert [pytest.approx(vector, abs=1e-6) for vector in alone] == vectors
    sent = {text.text: text for text in emulator.texts}
    if model == "gemini-embedding-2":
        assert "title: a title | text: passage number 0" in sent
    else:
        assert sent["passage number 0"].title == "a title"
        assert {text.task_type for text in emulator.texts} == {"RETRIEVAL_DOCUMENT"}
    assert embeddings.usage.reported_tokens > 0 or not HAS_BATCHES


def test_requests_carry_as_many_texts_as_the_sdk_can_send(make_vertex, emulator, call):
    call(make_vertex(), "embed_documents", TEXTS)
    assert len(emulator.requests) == (1 if HAS_BATCHES else 7)


def test_requests_stay_below_vertex_s_tokens(make_vertex, emulator, call):
    texts = [f"{i} " + "some longer words here " * 60 for i in range(120)]
    vectors = call(make_vertex(model="text-embedding-005"), "embed_documents", texts)
    assert len(vectors) == 120
    assert {request.status for request in emulator.requests} == {200}
    assert len(emulator.requests) >= 2


def test_text_over_the_limit_is_refused_and_not_cut(make_vertex, call):
    with pytest.raises(TextTooLongError):
        call(make_vertex(model="gemini-embedding-001"), "embed_documents", ["a", "word " * 5000])


def test_truncate_lets_vertex_cut(make_vertex, call):
    embeddings = make_vertex(model="gemini-embedding-001", on_too_long="truncate")
    assert len(call(embeddings, "embed_documents", ["a", "word " * 5000])) == 2


def test_passing_failures_are_tried_again(make_vertex, emulator, call, clock):
    emulator.fail_next(status=429, retry_after=9)
    emulator.fail_next(status=503)
    embeddings = make_vertex(clock=clock)
    assert len(call(embeddings, "embed_query", "a")) == 256
    assert sum(clock.waits) >= 9


def test_project_or_variable_choose_vertex(make_vertex, emulator, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "of-the-developer-api")
    make_vertex(vertexai=None).embed_query("a")
    assert "/projects/my-project/locations/us/" in emulator.requests[-1].path
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "from-env")
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", "eu")
    monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", emulator.base_url)
    with GeminiEmbeddings(credentials=Credentials("token")) as embeddings:
        embeddings.embed_query("a")
    assert "/projects/from-env/locations/eu/" in emulator.requests[-1].path
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "false")
    with GeminiEmbeddings(
        project="p", api_key=emulator.api_key, base_url=emulator.base_url
    ) as embeddings:
        embeddings.embed_query("a")
    assert "/projects/" not in emulator.requests[-1].path


def test_express_mode_sends_the_key(emulator):
    with GeminiEmbeddings(
        vertexai=True, api_key=emulator.api_key, base_url=emulator.base_url
    ) as embeddings:
        assert len(embeddings.embed_query("a")) == 3072
    assert "/publishers/google/models/" in emulator.requests[-1].path


def test_vertex_client_of_the_user_is_used(emulator):
    client = genai.Client(
        vertexai=True,
        project="own",
        location="us",
        credentials=Credentials("token"),
        http_options={"base_url": emulator.base_url},
    )
    assert len(GeminiEmbeddings(client=client).embed_query("a")) == 3072
    assert "/projects/own/" in emulator.requests[-1].path
    client.close()


def test_old_sdk_has_no_vertex(make_vertex):
    with pytest.raises(ConfigurationError, match="backend='google-genai'"):
        make_vertex(backend="google-generativeai")


def test_model_of_vertex_alone_says_so_on_the_developer_api(emulator):
    embeddings = GeminiEmbeddings(
        model="text-embedding-005", api_key=emulator.api_key, base_url=emulator.base_url
    )
    with embeddings, pytest.raises(RequestRejectedError, match="Vertex AI only"):
        embeddings.embed_query("a")
