"""Models by any spelling, on either platform, and what is said of those that are gone."""

from __future__ import annotations

import warnings

import pytest
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    RequestRejectedError,
    TextTooLongError,
)

SPELLINGS = [
    "gemini-embedding-2",
    "models/gemini-embedding-2",
    "google/gemini-embedding-2",
    "publishers/google/models/gemini-embedding-2",
    "projects/p/locations/global/publishers/google/models/gemini-embedding-2",
]


@pytest.fixture
def make_vertex(emulator):
    made = []

    def make(**options):
        reached = {"project": "p", "credentials": Credentials("token")}
        address = {"base_url": emulator.base_url, "location": "global"}
        made.append(GeminiEmbeddings(**{**reached, **address, **options}))
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.mark.parametrize("model", SPELLINGS)
def test_model_by_any_spelling_keeps_its_task_its_limit_and_its_price(
    make_vertex, emulator, call, model
):
    embeddings = make_vertex(model=model)  # no warning: a warning is an error here
    assert embeddings.vector_size == 3072
    call(embeddings, "embed_documents", ["hi"], titles=["t"])
    [text] = emulator.texts
    assert (text.text, text.task_type) == ("title: t | text: hi", None)
    assert embeddings.usage.usd > 0
    with pytest.raises(TextTooLongError):
        call(embeddings, "embed_query", "word " * 20_000)


def test_store_takes_another_spelling_for_the_same_model(make_vertex):
    size = {"output_dimensionality": 128}
    first = create_vector_store(make_vertex(model=SPELLINGS[0], **size), "c", location=":memory:")
    first.add_texts(["a"])
    for spelling in SPELLINGS[1:]:
        same = make_vertex(model=spelling, **size)
        assert create_vector_store(same, "c", client=first.client).count() == 1
    other = make_vertex(model="gemini-embedding-001", **size)
    with pytest.raises(CollectionMismatchError, match="'gemini-embedding-001'"):
        create_vector_store(other, "c", client=first.client)


def test_limiter_is_one_for_all_spellings(make_vertex, emulator, clock):
    emulator.fail_next(status=429, retry_after=40)
    with pytest.raises(Exception, match="429"):
        make_vertex(model=SPELLINGS[0], clock=clock, max_retries=0).embed_query("a")
    make_vertex(model=SPELLINGS[-1], clock=clock).embed_query("a")
    assert sum(clock.waits) >= 40


@pytest.mark.parametrize("model", ["text-embedding-004", "embedding-001"])
def test_shutdown_on_the_developer_api_is_none_of_vertex_ai(make_vertex, model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_vertex(model=model)
        make_vertex(model=f"publishers/google/models/{model}")
    with pytest.warns(UserWarning, match="shutdown of .* on the Gemini Developer API"):
        GeminiEmbeddings(model=model, api_key="key")


# 404


def not_found(embeddings, call):
    with embeddings, pytest.raises(RequestRejectedError) as caught:
        call(embeddings, "embed_query", "a")
    assert caught.value.status_code == 404
    return str(caught.value)


def test_advice_to_embed_again_is_for_a_model_that_is_gone(make_embeddings, call):
    with pytest.warns(UserWarning, match="shutdown"):
        gone = make_embeddings(model="text-embedding-004")
    assert "was shut down on 2026-01-14. Use 'gemini-embedding-2' (the default) and embed" in (
        not_found(gone, call)
    )


def test_404_on_a_model_that_is_served_gives_no_advice_on_models(make_embeddings, emulator, call):
    own = "models/gemini-embedding-001 is not found for API version v1beta, or is not supported"
    for message in (None, "no such route", own):
        emulator.fail_next(status=404, message=message)
        text = not_found(make_embeddings(model="gemini-embedding-001"), call)
        assert "embed the stored texts again" not in text
        assert "shut" not in text
        assert "Known models" not in text


@pytest.mark.parametrize("model", ["text-embedding-004", "text-embedding-005", "a-model"])
@pytest.mark.filterwarnings("ignore:.*shutdown|.*is not a model:UserWarning")
def test_404_of_a_proxy_gives_no_advice_on_models(emulator, call, model):
    emulator.fail_next(status=404, body="<html>nginx</html>")
    embeddings = GeminiEmbeddings(model=model, api_key=emulator.api_key, base_url=emulator.base_url)
    text = not_found(embeddings, call)
    for word in ("embed the stored", "Known models", "Vertex AI only"):
        assert word not in text


@pytest.mark.filterwarnings("ignore:.*is not a model:UserWarning")
def test_404_on_a_model_that_nobody_knows_lists_the_known_ones(make_embeddings, make_vertex, call):
    for make in (make_embeddings, make_vertex):
        assert "Known models: embedding-001, " in not_found(make(model="a-model"), call)


@pytest.mark.filterwarnings("ignore:.*is not a model:UserWarning")
def test_404_of_vertex_ai_gives_no_advice_of_the_developer_api(make_vertex, emulator, call):
    emulator.fail_next(status=404, message="Publisher Model `projects/p/...` was not found or ...")
    text = not_found(make_vertex(model="text-embedding-004"), call)
    assert "embed the stored" not in text


# A task that is none


@pytest.mark.parametrize("model", ["gemini-embedding-001", "a-model"])
@pytest.mark.filterwarnings("ignore:.*is not a model:UserWarning")
def test_documents_without_a_task_are_warned_of_where_they_would_be_queries(
    make_embeddings, model, call
):
    message = "documents of TASK_TYPE_UNSPECIFIED as RETRIEVAL_QUERY: leave out task_type"
    with pytest.warns(UserWarning, match=message):
        make_embeddings(model=model, task_type="TASK_TYPE_UNSPECIFIED")
    embeddings = make_embeddings(model=model)
    with pytest.warns(UserWarning, match=message):
        call(embeddings, "embed_documents", [], task_type="task_type_unspecified")


def test_query_or_prefix_model_without_a_task_is_not_warned_of(make_embeddings, call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call(
            make_embeddings(model="gemini-embedding-001"),
            "embed_query",
            "a",
            task_type="TASK_TYPE_UNSPECIFIED",
        )
        make_embeddings(task_type="TASK_TYPE_UNSPECIFIED")
