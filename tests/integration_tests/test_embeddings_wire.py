"""What goes over the wire, and what comes of the answers: each back end, sync and async."""

from __future__ import annotations

import asyncio
import math

import pytest
from google import genai
from google.ai.generativelanguage_v1beta import GenerativeServiceClient

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    EmbeddingError,
    RateLimitError,
    RequestRejectedError,
    ResponseMismatchError,
    ServiceError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator

TEXTS = [f"passage number {i}" for i in range(250)]
TITLES = [f"title {i}" for i in range(250)]


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_001_documents_carry_their_task_and_each_its_title_in_full_batches(
    make_embeddings, emulator, call
):
    embeddings = make_embeddings(
        model="gemini-embedding-001", output_dimensionality=256, max_concurrency=1
    )
    call(embeddings, "embed_documents", TEXTS, titles=TITLES)
    assert [len(request.texts) for request in emulator.requests] == [100, 100, 50]
    assert [text.text for text in emulator.texts] == TEXTS
    assert [text.title for text in emulator.texts] == TITLES
    assert {text.task_type for text in emulator.texts} == {"RETRIEVAL_DOCUMENT"}
    assert {text.output_dimensionality for text in emulator.texts} == {256}


def test_001_query_carries_its_task(make_embeddings, emulator, call):
    call(make_embeddings(model="gemini-embedding-001"), "embed_query", "why?")
    [text] = emulator.texts
    assert (text.text, text.task_type, text.title) == ("why?", "RETRIEVAL_QUERY", None)


def test_2_documents_carry_the_prefix_with_title_one_content_for_each_text(
    make_embeddings, emulator, call
):
    embeddings = make_embeddings(
        model="gemini-embedding-2", output_dimensionality=256, max_concurrency=1
    )
    call(embeddings, "embed_documents", TEXTS, titles=[*TITLES[:249], None])
    assert [len(request.texts) for request in emulator.requests] == [100, 100, 50]
    sent = [text.text for text in emulator.texts]
    assert sent[7] == "title: title 7 | text: passage number 7"
    assert sent[249] == "title: none | text: passage number 249"
    assert {(text.parts, text.task_type, text.title) for text in emulator.texts} == {
        (1, None, None)
    }


def test_2_query_carries_the_prefix(make_embeddings, emulator, call):
    call(make_embeddings(), "embed_query", "why?")
    [text] = emulator.texts
    assert (text.text, text.task_type) == ("task: search result | query: why?", None)


@pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini-embedding-2"])
def test_250_texts_are_250_unit_vectors_in_order(make_embeddings, call, model):
    embeddings = make_embeddings(model=model, output_dimensionality=768)
    vectors = call(embeddings, "embed_documents", TEXTS)
    assert len(vectors) == 250
    assert {len(vector) for vector in vectors} == {768}
    assert all(abs(math.hypot(*vector) - 1) < 1e-6 for vector in vectors)
    for i in (0, 99, 100, 249):
        alone = call(embeddings, "embed_documents", [TEXTS[i]])[0]
        assert cosine(alone, vectors[i]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("task_type", ["question_answering", "CODE_RETRIEVAL_QUERY"])
def test_one_task_sets_both_sides(make_embeddings, emulator, call, task_type):
    embeddings = make_embeddings(model="gemini-embedding-001", task_type=task_type)
    call(embeddings, "embed_documents", ["a"])
    call(embeddings, "embed_query", "b")
    assert [text.task_type for text in emulator.texts] == ["RETRIEVAL_DOCUMENT", task_type.upper()]


def test_task_of_a_call_is_taken_literally_on_either_side(make_embeddings, emulator, call):
    embeddings = make_embeddings(model="gemini-embedding-001", task_type="CLUSTERING")
    call(embeddings, "embed_documents", ["a"], task_type="retrieval_query")
    call(embeddings, "embed_query", "b", task_type="RETRIEVAL_DOCUMENT")
    assert [text.task_type for text in emulator.texts] == ["RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"]


@pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini-embedding-2"])
@pytest.mark.filterwarnings("ignore:.*embeds documents of TASK_TYPE_UNSPECIFIED:UserWarning")
def test_unspecified_task_sends_the_bare_text(make_embeddings, emulator, call, model):
    embeddings = make_embeddings(model=model, task_type="TASK_TYPE_UNSPECIFIED")
    call(embeddings, "embed_documents", ["a"])
    [text] = emulator.texts
    assert (text.text, text.task_type) == ("a", None)


def test_size_of_a_call_wins(make_embeddings, call):
    embeddings = make_embeddings(output_dimensionality=768)
    assert len(call(embeddings, "embed_query", "a", output_dimensionality=128)) == 128
    assert len(call(embeddings, "embed_documents", ["a"], output_dimensionality=256)[0]) == 256


def test_right_task_finds_what_the_wrong_one_misses(make_embeddings, call):
    """The emulator, as the model, loses relevance where the query is embedded as a document."""
    embeddings = make_embeddings(output_dimensionality=768)
    documents = call(
        embeddings, "embed_documents", ["Qdrant quantizes vectors", "Cats sleep all day"]
    )
    right = call(embeddings, "embed_query", "How does Qdrant quantize vectors?")
    wrong = call(
        embeddings,
        "embed_query",
        "How does Qdrant quantize vectors?",
        task_type="TASK_TYPE_UNSPECIFIED",
    )
    assert cosine(right, documents[0]) > cosine(wrong, documents[0]) + 0.1


def test_wrong_key_is_rejected_with_the_places_to_look_and_without_the_key(make_embeddings, call):
    with pytest.raises(RequestRejectedError, match="Check api_key, GOOGLE_API_KEY") as caught:
        call(make_embeddings(api_key="wrong-key"), "embed_query", "a")
    assert caught.value.status_code == 400
    assert caught.value.model == "models/gemini-embedding-2"
    assert caught.value.__cause__ is not None
    assert "wrong-key" not in str(caught.value)


def test_unknown_model_names_the_known_ones(make_embeddings, call):
    with pytest.warns(UserWarning, match="not a model that this version knows"):
        embeddings = make_embeddings(model="gemini-embedding-9")
    with pytest.raises(
        RequestRejectedError, match="Known models: .*gemini-embedding-001"
    ) as caught:
        call(embeddings, "embed_query", "a")
    assert caught.value.status_code == 404


def test_retired_model_names_its_replacement(make_embeddings, call):
    with pytest.warns(UserWarning, match="shutdown"):
        embeddings = make_embeddings(model="text-embedding-004")
    with pytest.raises(RequestRejectedError, match="Use 'gemini-embedding-2'"):
        call(embeddings, "embed_query", "a")


def test_429_carries_the_server_s_delay(make_embeddings, emulator, call):
    emulator.fail_next(status=429, retry_after=33)
    with pytest.raises(RateLimitError, match="429") as caught:
        call(make_embeddings(max_retries=0), "embed_query", "a")
    assert (caught.value.retry_after, caught.value.status_code) == (33, 429)


def test_429_without_details_has_no_delay(make_embeddings, emulator, call):
    emulator.fail_next(status=429)
    with pytest.raises(RateLimitError) as caught:
        call(make_embeddings(max_retries=0), "embed_query", "a")
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRejectedError),
        (403, RequestRejectedError),
        (404, RequestRejectedError),
        (500, ServiceError),
        (503, ServiceError),
        (504, ServiceError),
    ],
)
def test_each_status_has_its_error_and_is_sent_once(make_embeddings, emulator, call, status, error):
    emulator.fail_next(status=status)
    with pytest.raises(error, match=str(status)) as caught:
        call(make_embeddings(max_retries=0), "embed_query", "a")
    assert caught.value.status_code == status
    assert len(emulator.requests) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("short", "3 texts were sent, 2 vectors were returned"),
        ("long", "3 texts were sent, 4 vectors were returned"),
        (
            "empty",
            "3 texts were sent, 0 vectors were returned; .* with status 200",
        ),
        ("size", "vectors of 3072 components were requested"),
        ("no-values", "vectors of 3072 components were requested, 0 were returned"),
        ("nan", "a vector of length nan"),
    ],
)
def test_answer_that_does_not_fit_is_refused_whole(make_embeddings, emulator, call, wrong, message):
    emulator.answer_next(wrong)
    with pytest.raises(ResponseMismatchError, match=message):
        call(make_embeddings(max_retries=0), "embed_documents", ["a", "b", "c"])


@pytest.mark.parametrize("wrong", ["disconnect", "not-json"])
def test_answer_that_cannot_be_read_is_the_service_s_fault(make_embeddings, emulator, call, wrong):
    emulator.answer_next(wrong)
    with pytest.raises(ServiceError):
        call(make_embeddings(max_retries=0), "embed_query", "a")


def test_timeout_is_in_seconds_and_ends_the_wait(make_embeddings, emulator, call):
    emulator.answer_next("hang")
    with pytest.raises(ServiceError):
        call(make_embeddings(timeout=0.2, max_retries=0), "embed_query", "a")


def test_refused_connection_names_what_to_check(make_embeddings, call):
    with GeminiEmulator(grpc=True) as gone:
        addresses = {"grpc": gone.grpc_url, "rest": gone.base_url}
    embeddings = make_embeddings(max_retries=0)
    address = addresses[embeddings.transport or "rest"]
    with pytest.raises(EmbeddingError) as caught:
        call(make_embeddings(base_url=address, timeout=5, max_retries=0), "embed_query", "a")
    assert isinstance(caught.value, ServiceError)


def test_several_event_loops_in_a_row_work(make_embeddings):
    embeddings = make_embeddings(output_dimensionality=128)

    async def embed():
        vector = await embeddings.aembed_query("a")
        await embeddings.aclose()
        return vector

    vectors = [asyncio.run(embed()) for _ in range(3)]
    assert vectors[0] == vectors[1] == vectors[2]


async def test_async_calls_share_one_loop(make_embeddings):
    embeddings = make_embeddings(output_dimensionality=128)
    vectors = await asyncio.gather(*(embeddings.aembed_query(f"text {i}") for i in range(8)))
    await embeddings.aclose()
    assert vectors == [embeddings.embed_query(f"text {i}") for i in range(8)]


async def test_google_genai_client_of_the_user_serves_sync_and_async(emulator):
    client = genai.Client(
        api_key=emulator.api_key,
        http_options={"base_url": emulator.base_url, "headers": {"x-mine": "yes"}},
    )
    embeddings = GeminiEmbeddings(client=client)
    assert embeddings.embed_query("a") == await embeddings.aembed_query("a")
    assert [request.headers["x-mine"] for request in emulator.requests] == ["yes", "yes"]
    await embeddings.aclose()  # leaves the user's client open
    await embeddings.aembed_query("b")
    await client.aio.aclose()


def test_google_generativeai_client_of_the_user_is_used(emulator, call):
    client = GenerativeServiceClient(
        transport="rest",
        client_options={"api_key": emulator.api_key, "api_endpoint": emulator.base_url},
    )
    embeddings = GeminiEmbeddings(backend="google-generativeai", client=client)
    assert len(call(embeddings, "embed_query", "a")) == 3072
    assert emulator.requests[0].transport == "rest"
    client.transport.close()


@pytest.mark.parametrize("backend", ["google-genai", "google-generativeai", "grpc"])
def test_client_of_another_kind_is_refused(backend):
    embeddings = GeminiEmbeddings(backend=backend, client=object())
    with pytest.raises(ConfigurationError, match="client must be a google"):
        embeddings.embed_query("a")


@pytest.mark.parametrize(
    ("backend", "advice"),
    [("grpc", "backend='google-genai'"), ("google-generativeai", "transport='rest'")],
)
def test_grpc_address_with_a_path_is_refused(monkeypatch, backend, advice):
    address = "https://gateway.example/gemini"
    with pytest.raises(ConfigurationError, match=f"path '/gemini': use {advice}"):
        GeminiEmbeddings(api_key="key", backend=backend, base_url=address)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", address)
    with pytest.raises(ConfigurationError, match=f"GOOGLE_GEMINI_BASE_URL.*: use {advice}"):
        GeminiEmbeddings(api_key="key", backend=backend)
    GeminiEmbeddings(api_key="key", backend="google-generativeai", transport="rest")
