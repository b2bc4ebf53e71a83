"""What can be said before anything is sent."""

from __future__ import annotations

import pytest
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError


class TestStandard(EmbeddingsUnitTests):
    """LangChain's own promises."""

    @property
    def embeddings_class(self):
        return GeminiEmbeddings

    @property
    def embedding_model_params(self):
        return {"api_key": "key"}

    @property
    def init_from_env_params(self):
        return {"GOOGLE_API_KEY": "from-env"}, {}, {"api_key": "from-env"}


class TestStandardOfTheOldSdk(TestStandard):
    @property
    def embedding_model_params(self):
        return {"api_key": "key", "backend": "google-generativeai"}


def make(**options):
    return GeminiEmbeddings(**{"api_key": "key", **options})


def test_google_api_key_comes_before_gemini_api_key(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", "gemini")
    assert GeminiEmbeddings().api_key.get_secret_value() == "gemini"
    monkeypatch.setenv("GOOGLE_API_KEY", "google")
    assert GeminiEmbeddings().api_key.get_secret_value() == "google"


def test_argument_comes_before_the_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "google")
    assert make().api_key.get_secret_value() == "key"
    assert GeminiEmbeddings(google_api_key="same").api_key.get_secret_value() == "same"


@pytest.mark.parametrize("options", [{}, {"api_key": ""}])
def test_missing_key_is_refused_at_construction(options):
    with pytest.raises(ConfigurationError, match="GOOGLE_API_KEY or GEMINI_API_KEY"):
        GeminiEmbeddings(**options)


def test_password_of_an_address_is_not_shown():
    shown = repr(make(base_url="https://user:very-secret@gateway.example/a@b"))
    assert "base_url='https://***@gateway.example/a@b'" in shown
    assert "very-secret" not in shown


@pytest.mark.parametrize(
    "prefix", ["projects/p/locations/us/publishers/google", "publishers/google"]
)
def test_name_of_vertex_ai_is_refused_for_the_gemini_api(prefix):
    with pytest.raises(ConfigurationError, match=r"or model='gemini-embedding-2' for the Gemini"):
        make(model=f"{prefix}/models/gemini-embedding-2", vertexai=False)


def test_key_is_shown_nowhere():
    embeddings = make(api_key="very-secret")
    assert "very-secret" not in repr(embeddings) + str(embeddings) + embeddings.model_dump_json()
    with pytest.raises(ConfigurationError) as caught:
        make(api_key=["very-secret"])
    assert "very-secret" not in str(caught.value) + repr(caught.value.__cause__)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ouput_dimensionality": 768}, "did you mean 'output_dimensionality'"),
        ({"zzz": 1}, "unknown option 'zzz': the options are .*output_dimensionality"),
        ({"output_dimensionality": 4096}, r"128\.\.3072 for 'gemini-embedding-2', got 4096"),
        ({"output_dimensionality": 0}, r"128\.\.3072 for 'gemini-embedding-2', got 0"),
        ({"task_type": "SEARCH"}, "task_type must be one of .*got 'SEARCH'"),
        ({"task_type": 3}, "task_type: .*got 3"),
        ({"timeout": 0}, "timeout: .*greater than 0, got 0"),
        ({"batch_size": 101}, "batch_size: .*less than or equal to 100, got 101"),
        ({"backend": "google"}, "backend: .*'google-genai'.*got 'google'"),
        ({"model": ""}, "model: .*at least 1"),
        ({"transport": "grpc"}, "google-genai has REST alone"),
        (
            {"async_client": object()},
            "async_client is for backend='grpc' and 'google-generativeai'",
        ),
        ({"client": object()}, "bring their own key"),
    ],
)
def test_wrong_option_says_what_was_expected_and_found(options, message):
    with pytest.raises(ConfigurationError, match=message):
        make(**options)


def test_every_wrong_option_is_named():
    with pytest.raises(ConfigurationError, match="batch_size.*; .*timeout|timeout.*; .*batch_size"):
        make(batch_size=0, timeout=-1)


@pytest.mark.parametrize("size", [128, 768, 3072])
def test_size_of_the_vectors_is_known_without_asking(size):
    assert make(output_dimensionality=size).vector_size == size
    assert make().vector_size == 3072


def test_retired_model_warns_with_its_replacement():
    with pytest.warns(
        UserWarning, match="'text-embedding-004' on .* for 2026-01-14.*gemini-embedding-2"
    ) as seen:
        make(model="text-embedding-004")
    assert seen[0].filename == __file__


def test_unknown_model_warns_of_what_is_assumed():
    with pytest.warns(UserWarning, match="'gemini-embedding-9' is not a model.*by prefix"):
        assert make(model="gemini-embedding-9").vector_size is None


def test_embedding_001_takes_its_one_size_only():
    with pytest.raises(ConfigurationError, match="must be 768 for"):
        make(model="embedding-001", output_dimensionality=512)


@pytest.mark.parametrize(
    ("texts", "indices", "message"),
    [
        (["a", "", "b", " \n"], (1, 3), "2 of 4 texts are blank, at index 1, 3"),
        (["a", None], (1,), "index 1: a content must be a string, .* got NoneType"),
    ],
)
def test_text_that_cannot_be_embedded_is_named_by_index_and_nothing_is_sent(
    texts, indices, message
):
    with pytest.raises(InvalidInputError, match=message) as caught:
        make().embed_documents(texts)
    assert caught.value.indices == indices


async def test_blank_query_is_refused_sync_and_async():
    with pytest.raises(InvalidInputError, match="blank"):
        make().embed_query(" ")
    with pytest.raises(InvalidInputError, match="blank"):
        await make().aembed_query(" ")


async def test_no_texts_are_no_vectors_and_no_request():
    assert make().embed_documents([]) == []
    assert await make().aembed_documents([]) == []


def test_titles_must_be_as_many_as_texts():
    with pytest.raises(InvalidInputError, match="2 texts, 1 titles"):
        make().embed_documents(["a", "b"], titles=["t"])


def test_title_for_another_task_is_refused_and_not_dropped():
    with pytest.raises(ConfigurationError, match="RETRIEVAL_DOCUMENT only.*CLUSTERING"):
        make(task_type="clustering").embed_documents(["a"], titles=["t"])


def test_per_call_size_is_checked_too():
    with pytest.raises(ConfigurationError, match=r"128\.\.3072"):
        make().embed_query("a", output_dimensionality=64)


def test_instances_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        make().model = "gemini-embedding-001"
