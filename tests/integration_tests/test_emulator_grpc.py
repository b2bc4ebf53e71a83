"""google-generativeai over gRPC takes the emulator for the Gemini API, sync and async."""

from __future__ import annotations

import asyncio
import warnings

import grpc
import numpy as np
import pytest

from langchain_gemini_qdrant.testing import GeminiEmulator

with warnings.catch_warnings():
    # its end of life, and that of the Python that runs it
    warnings.simplefilter("ignore", FutureWarning)
    import google.generativeai as genai
    from google.ai import generativelanguage_v1beta as glm
    from google.ai.generativelanguage_v1beta.services import generative_service, model_service
    from google.api_core import exceptions

ONE, TWO = "models/gemini-embedding-001", "models/gemini-embedding-2"


@pytest.fixture
def metadata(emulator):
    """A plaintext channel carries no key of itself."""
    return [("x-goog-api-key", emulator.api_key)]


@pytest.fixture
def client(emulator):
    transport = generative_service.transports.GenerativeServiceGrpcTransport
    with grpc.insecure_channel(emulator.grpc_target) as channel:
        yield glm.GenerativeServiceClient(transport=transport(channel=channel))


@pytest.fixture(params=["sync", "async"])
def embed(request, emulator, client, metadata):
    """`embed_content` of google-generativeai, sync and async; it retries nothing."""

    def embed(texts, model=ONE, *, metadata=metadata, timeout=10, **options):
        options["request_options"] = {"metadata": metadata, "timeout": timeout, "retry": None}
        if request.param == "sync":
            return genai.embed_content(model, texts, client=client, **options)["embedding"]

        async def run():
            transport = generative_service.transports.GenerativeServiceGrpcAsyncIOTransport
            async with grpc.aio.insecure_channel(emulator.grpc_target) as channel:
                aio = glm.GenerativeServiceAsyncClient(transport=transport(channel=channel))
                return await genai.embed_content_async(model, texts, client=aio, **options)

        return asyncio.run(run())["embedding"]

    return embed


def test_each_text_has_its_vector_in_order(embed, emulator):
    texts = [f"text {i}" for i in range(120)]
    vectors = embed(texts, TWO, output_dimensionality=128)
    assert np.shape(vectors) == (120, 128)
    assert vectors[7] == embed("text 7", TWO, output_dimensionality=128)
    assert [text.text for text in emulator.texts] == [*texts, "text 7"]
    methods = [request.method for request in emulator.requests]
    assert methods == ["batchEmbedContents", "batchEmbedContents", "embedContent"]


def test_a_message_may_be_larger_than_grpc_takes_by_default(client, metadata):
    item = {"model": ONE, "content": {"parts": [{"text": "x" * 50_000}]}}
    request = {"model": ONE, "requests": [item] * 100}
    assert len(client.batch_embed_contents(request, metadata=metadata).embeddings) == 100


def test_requests_are_recorded_like_those_over_rest(embed, emulator):
    embed(["a"], task_type="document", title="T", output_dimensionality=768)
    (request,) = emulator.requests
    assert request.transport == "grpc"
    assert request.path == (
        "/google.ai.generativelanguage.v1beta.GenerativeService/BatchEmbedContents"
    )
    assert (request.api_version, request.method) == ("v1beta", "batchEmbedContents")
    assert (request.model, request.status) == (ONE, 200)
    assert request.headers["x-goog-api-key"] == emulator.api_key
    assert request.body["requests"][0]["outputDimensionality"] == 768
    (text,) = request.texts
    assert (text.text, text.title, text.task_type) == ("a", "T", "RETRIEVAL_DOCUMENT")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, exceptions.InvalidArgument),
        (403, exceptions.PermissionDenied),
        (404, exceptions.NotFound),
        (429, exceptions.ResourceExhausted),
        (500, exceptions.InternalServerError),
        (503, exceptions.ServiceUnavailable),
        (504, exceptions.DeadlineExceeded),
    ],
)
def test_faults_have_the_code_that_belongs_to_their_status(embed, emulator, status, error):
    emulator.fail_next(status=status)
    with pytest.raises(error):
        embed("a")
    assert [request.status for request in emulator.requests] == [status]
    assert embed("a")


def test_429_carries_its_details_in_the_trailers(embed, emulator):
    emulator.fail_next(status=429, retry_after=33.5, quota="requests_per_day")
    with pytest.raises(exceptions.ResourceExhausted) as caught:
        embed("a")
    _, failure, retry = caught.value.details
    assert "PerDay" in failure.violations[0].quota_id
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == (33, 0)
    assert "Please retry in 33.5s." in caught.value.message


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("credits", exceptions.ResourceExhausted),
        ("vertex-list", exceptions.ResourceExhausted),
        ("location", exceptions.FailedPrecondition),
        ("blocked-method", exceptions.PermissionDenied),
    ],
)
def test_an_error_with_a_name_has_its_code(embed, emulator, name, error):
    emulator.fail_next(error=name)
    with pytest.raises(error):
        embed("a")


def test_a_fault_may_have_trailers_of_its_own(client, emulator, metadata):
    emulator.fail_next(status=503, headers={"X-Trace": "7"})
    with pytest.raises(exceptions.ServiceUnavailable) as caught:
        client.embed_content(
            model=ONE, content={"parts": [{"text": "a"}]}, metadata=metadata, retry=None
        )
    assert ("x-trace", "7") in list(caught.value.response.trailing_metadata())


def test_no_key_and_a_bad_key_are_refused_as_over_rest(embed):
    with pytest.raises(exceptions.PermissionDenied, match="unregistered callers"):
        embed("a", metadata=[])
    with pytest.raises(exceptions.InvalidArgument, match="API key not valid") as caught:
        embed("a", metadata=[("x-goog-api-key", "another")])
    assert caught.value.reason == "API_KEY_INVALID"


def test_requests_are_checked_as_over_rest(embed):
    with pytest.raises(exceptions.NotFound, match="not found for API version v1beta"):
        embed("a", "models/text-embedding-004")
    with pytest.raises(exceptions.InvalidArgument, match="output_dimensionality"):
        embed("a", output_dimensionality=0)


def test_a_model_name_without_its_prefix_is_refused(client, metadata):
    with pytest.raises(exceptions.InvalidArgument, match="unexpected model name format"):
        client.embed_content(
            model="gemini-embedding-2", content={"parts": [{"text": "a"}]}, metadata=metadata
        )


@pytest.mark.parametrize(
    ("wrong", "sizes"),
    [("short", [3072]), ("long", [3072] * 3), ("empty", []), ("no-values", [0, 0])],
)
def test_wrong_answers_pass_the_sdk_unnoticed(client, emulator, metadata, wrong, sizes):
    emulator.answer_next(wrong)
    content = {"parts": [{"text": "a"}]}
    request = {"model": ONE, "requests": [{"model": ONE, "content": content}] * 2}
    response = client.batch_embed_contents(request, metadata=metadata)
    assert [len(embedding.values) for embedding in response.embeddings] == sizes


def test_a_number_may_be_none(client, emulator, metadata):
    emulator.answer_next("nan")
    response = client.embed_content(
        model=ONE, content={"parts": [{"text": "a"}]}, metadata=metadata
    )
    assert np.isnan(response.embedding.values).sum() == 1


def test_a_connection_closed_without_an_answer(embed, emulator):
    emulator.answer_next("disconnect")
    with pytest.raises(exceptions.ServiceUnavailable):
        embed("a")
    assert [request.status for request in emulator.requests] == [None]


def test_an_answer_that_is_no_message(client, emulator, metadata):
    emulator.answer_next("not-json")
    with pytest.raises(exceptions.InternalServerError):
        client.embed_content(model=ONE, content={"parts": [{"text": "a"}]}, metadata=metadata)


def test_a_deadline_is_kept(embed, emulator):
    emulator.answer_next("hang")
    with pytest.raises(exceptions.DeadlineExceeded):
        embed("a", timeout=0.1)


def test_tokens_are_counted(client, metadata):
    request = {"model": TWO, "contents": [{"parts": [{"text": "three small words"}]}]}
    assert client.count_tokens(request, metadata=metadata).total_tokens == 3


def test_models_are_listed_in_pages(emulator, metadata):
    transport = model_service.transports.ModelServiceGrpcTransport
    with grpc.insecure_channel(emulator.grpc_target) as channel:
        client = glm.ModelServiceClient(transport=transport(channel=channel))
        names = [m.name for m in client.list_models({"page_size": 2}, metadata=metadata)]
        assert names == [ONE, f"{TWO}-preview", TWO]
        assert client.get_model(name=ONE, metadata=metadata).input_token_limit == 2048


def test_a_port_in_use_stops_both_sides(emulator):
    port = int(emulator.grpc_target.rpartition(":")[2])
    other = GeminiEmulator(grpc=True, grpc_port=port)
    with pytest.raises(RuntimeError, match="bind"):
        other.start()
    with pytest.raises(RuntimeError, match="not running"):
        _ = other.base_url
