"""What is given, what the environment has, and what neither may be."""

from __future__ import annotations

import math
from enum import Enum

import numpy as np
import pytest
from google.oauth2.credentials import Credentials
from pydantic import SecretStr

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.embeddings._request import call_spec
from langchain_gemini_qdrant.embeddings._vectors import Vectors
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
BLANKS = ["", " ", "\n", " \t"]


def make(**options):
    return GeminiEmbeddings(**{"api_key": "key", **options})


def key_of(embeddings):
    return embeddings.api_key.get_secret_value()


# Keys


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}", "\t{} \n"])
def test_blanks_around_a_key_are_no_part_of_it(monkeypatch, around):
    key = around.format("secret")
    assert key_of(make(api_key=key)) == "secret"
    assert key_of(make(api_key=SecretStr(key))) == "secret"
    for name in KEYS:
        monkeypatch.setenv(name, key)
        assert key_of(GeminiEmbeddings()) == "secret"
        monkeypatch.delenv(name)


WRONG_KEYS = ["AIza\nSECRET", "AIza\0SECRET", "AIza\x7fSECRET", "AIzaSECRÉT", "AIza\u200bSECRET"]


@pytest.mark.parametrize("key", WRONG_KEYS)
@pytest.mark.parametrize("given", ["api_key", *KEYS])
def test_key_that_no_header_can_carry_is_refused_and_not_shown(monkeypatch, key, given):
    options = {"api_key": key} if given == "api_key" else {}
    if not options:
        if "\0" in key:
            pytest.skip("no variable can hold it")
        monkeypatch.setenv(given, key)
    with pytest.raises(ConfigurationError, match=rf"{given} must have only printable") as caught:
        GeminiEmbeddings(**options)
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "AIza" not in shown
    assert "SECR" not in shown


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_key_of_a_qdrant_server_is_held_to_the_same(key):
    with pytest.raises(ConfigurationError, match="api_key must have only printable") as caught:
        create_vector_store(make(), "c", url="http://127.0.0.1:9", api_key=key)
    assert "AIza" not in repr(caught.value)


def test_masked_key_is_refused():
    with pytest.raises(ConfigurationError, match=r"masked, as in the output of model_dump_json"):
        GeminiEmbeddings(**make().model_dump(mode="json"))


def test_two_names_of_the_key_at_once_are_refused():
    with pytest.raises(ConfigurationError, match="two names of one option"):
        make(google_api_key="other")


# Empty is not set


@pytest.mark.parametrize("blank", BLANKS)
def test_empty_variables_are_not_set(monkeypatch, blank):
    for name in ("GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.setenv(name, blank)
    for name in ("GOOGLE_CLOUD_LOCATION", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_VERTEX_BASE_URL"):
        monkeypatch.setenv(name, blank)
    monkeypatch.setenv("GEMINI_API_KEY", "second")
    embeddings = GeminiEmbeddings()
    assert key_of(embeddings) == "second"
    assert (embeddings.base_url, embeddings.project, embeddings.location) == (None, None, None)
    assert GeminiEmbeddings(vertexai=True, project="p")._connection.address is None


@pytest.mark.parametrize("empty", [None, *BLANKS])
@pytest.mark.parametrize("name", ["api_key", "google_api_key"])
def test_empty_key_in_code_leaves_it_to_the_environment(monkeypatch, name, empty):
    with pytest.raises(ConfigurationError, match="pass api_key or set GOOGLE_API_KEY"):
        GeminiEmbeddings(**{name: empty})
    monkeypatch.setenv("GOOGLE_API_KEY", "of-the-environment")
    assert key_of(GeminiEmbeddings(**{name: empty})) == "of-the-environment"


@pytest.mark.parametrize("blank", BLANKS)
def test_empty_address_or_project_in_code_leaves_it_to_the_environment(monkeypatch, blank):
    empty = {"base_url": blank, "project": blank, "location": blank}
    assert make(**empty) == make()
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", " http://127.0.0.1:9\n")
    assert make(**empty).base_url == "http://127.0.0.1:9"
    assert make(base_url=None).base_url is None


@pytest.mark.parametrize("name", ["model", "base_url", "project", "location"])
@pytest.mark.parametrize("wrong", ["a b", "a\nb", "a\0b", "a\u200bb"])
def test_name_or_address_with_a_blank_inside_is_refused(name, wrong):
    with pytest.raises(ConfigurationError, match=f"{name} must have no blanks, line breaks"):
        make(**{name: wrong})


def test_blanks_around_names_and_addresses_are_no_part_of_them():
    embeddings = make(model=" gemini-embedding-2\n", base_url="http://127.0.0.1:9\r\n")
    assert (embeddings.model, embeddings.base_url) == ("gemini-embedding-2", "http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="model: .*at least 1"):
        make(model=" ")


# The given and the environment


def test_given_key_comes_before_a_project_of_the_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "of-the-environment")
    connection = make(vertexai=True)._connection
    assert (connection.takes_key, connection.project) == (True, None)
    connection = GeminiEmbeddings(vertexai=True)._connection
    assert (connection.takes_key, connection.project) == (False, "of-the-environment")


@pytest.mark.parametrize("other", [{"project": "p"}, {"credentials": Credentials("token")}])
def test_given_key_and_given_project_are_refused_at_construction(other):
    with pytest.raises(ConfigurationError, match="express mode.*got both"):
        make(vertexai=True, **other)


def test_client_of_the_user_stands_beside_a_key_and_an_address_of_the_environment(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "of-the-environment")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    connection = GeminiEmbeddings(client=object())._connection
    assert (connection.takes_key, connection.is_vertex) == (False, False)


# Values of other types


def test_options_without_a_name_say_how_they_are_given():
    with pytest.raises(ConfigurationError, match=r"by name, such as GeminiEmbeddings\(model="):
        GeminiEmbeddings("gemini-embedding-001")


NUMBERS = ["timeout", "deadline", "requests_per_minute", "tokens_per_minute"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_durations_and_quotas_are_finite(name, value):
    with pytest.raises(ConfigurationError, match=f"{name}: .*finite"):
        make(**{name: value})


def test_timeout_that_no_library_can_wait_for_is_refused():
    with pytest.raises(ConfigurationError, match="timeout: .*less than or equal"):
        make(timeout=1e12)


def test_size_of_a_call_is_any_integer():
    assert call_spec(make(), "query", None, np.int64(128)).size == 128
    assert type(call_spec(make(), "query", None, np.int64(128)).size) is int


@pytest.mark.parametrize("size", ["128", 128.0, math.nan, True, [128]])
async def test_size_of_a_call_that_is_no_integer_is_refused(size):
    message = "output_dimensionality must be an integer, got"
    with pytest.raises(ConfigurationError, match=message):
        make().embed_query("a", output_dimensionality=size)
    with pytest.raises(ConfigurationError, match=message):
        await make().aembed_documents(["a"], output_dimensionality=size)


def test_size_zero_of_a_call_is_not_the_default():
    with pytest.raises(ConfigurationError, match=r"128\.\.3072.*got 0"):
        make().embed_query("a", output_dimensionality=0)


@pytest.mark.parametrize("task", [3, b"CLUSTERING", ["CLUSTERING"], ""])
async def test_task_of_a_call_that_is_none_is_refused(task):
    with pytest.raises(ConfigurationError, match="task_type must be one of"):
        make().embed_query("a", task_type=task)
    with pytest.raises(ConfigurationError, match="task_type must be one of"):
        await make().aembed_documents(["a"], task_type=task)


SINGLE = ["hello", b"hello", bytearray(b"hello"), None, 3, {"hello": 1}]


@pytest.mark.parametrize("texts", SINGLE)
async def test_one_text_in_place_of_a_list_is_refused(texts):
    embeddings = make(base_url="http://127.0.0.1:9")
    message = "texts must be a list of texts, got"
    with pytest.raises(InvalidInputError, match=message):
        embeddings.embed_documents(texts)
    with pytest.raises(InvalidInputError, match=message):
        await embeddings.aembed_documents(texts)
    with pytest.raises(InvalidInputError, match=message):
        next(embeddings.stream_documents(texts))
    with pytest.raises(InvalidInputError, match=message):
        await anext(embeddings.astream_documents(texts))


@pytest.mark.parametrize("titles", ["ab", b"ab", 2, {"a": 1, "b": 2}])
async def test_one_title_in_place_of_a_list_is_refused(titles):
    embeddings = make(base_url="http://127.0.0.1:9")
    message = "titles must be a list of titles, got"
    with pytest.raises(InvalidInputError, match=message):
        embeddings.embed_documents(["a", "b"], titles=titles)
    with pytest.raises(InvalidInputError, match=message):
        await embeddings.aembed_documents(["a", "b"], titles=titles)
    with pytest.raises(InvalidInputError, match=message):
        next(embeddings.stream_documents(["a", "b"], titles=titles))
    with pytest.raises(InvalidInputError, match=message):
        await anext(embeddings.astream_documents(["a", "b"], titles=titles))


@pytest.mark.parametrize(
    ("title", "message"),
    [
        (math.nan, "titles must be strings or None, got float at index 1"),
        (["x"], "titles must be strings or None, got list at index 1"),
        (b"x", "titles must be strings or None, got bytes at index 1"),
        ("half \ud83d", "1 of 2 titles contain half of a surrogate pair.*at index 1"),
    ],
)
@pytest.mark.parametrize("model", ["gemini-embedding-2", "gemini-embedding-001"])
async def test_title_that_is_no_text_is_named_by_index(model, title, message):
    embeddings = make(model=model, base_url="http://127.0.0.1:9", batch_size=2)
    with pytest.raises(InvalidInputError, match=message) as caught:
        await embeddings.aembed_documents(["a", "b"], titles=["t", title])
    assert caught.value.indices == (1,)
    with pytest.raises(InvalidInputError, match=message.replace("index 1", "index 0")):
        list(embeddings.stream_documents(["a", "b"], titles=[title, "t"]))


def test_more_or_fewer_titles_in_a_stream_are_an_error_of_ours():
    with pytest.raises(InvalidInputError, match="fewer titles than texts"):
        list(make().stream_documents(["a"], titles=[]))
    with pytest.raises(InvalidInputError, match="more titles than texts"):
        list(make().stream_documents([], titles=["t"]))


class Color(str, Enum):  # noqa: UP042 - str() of a StrEnum says less
    RED = "red"


@pytest.mark.parametrize("model", ["gemini-embedding-2", "gemini-embedding-001"])
def test_members_of_an_enum_of_strings_are_their_values(model):
    spec = call_spec(make(model=model), "document")
    assert spec.checked_contents([Color.RED], [Color.RED]) == spec.checked_contents(
        ["red"], ["red"]
    )
    [content] = spec.checked_contents([Color.RED], None)
    assert type(content.text) is str


@pytest.mark.parametrize("error", [ValueError("x"), ConfigurationError("x"), None])
async def test_retry_failed_takes_the_error_of_a_call_alone(error):
    message = "takes a PartialEmbeddingError that a call has raised"
    with pytest.raises(ConfigurationError, match=message):
        make().retry_failed(error)
    with pytest.raises(ConfigurationError, match=message):
        await make().aretry_failed(error)
    with pytest.raises(ConfigurationError, match=message):
        Vectors.unfinished(error)
