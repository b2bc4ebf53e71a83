"""google-genai in Vertex mode, and plain HTTP, take the emulator for Vertex AI."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.testing import GeminiEmulator

ONE, TWO, FIVE = "gemini-embedding-001", "gemini-embedding-2", "text-embedding-005"
HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")  # google-genai 3.4
PLACE = "projects/p/locations/l/publishers/google/models"
BEARER = {"Authorization": "Bearer x"}


@pytest.fixture
def embed(emulator):
    """`embed_content` of google-genai, sync and then async."""

    def embed(texts, model, **config):
        client = genai.Client(
            vertexai=True,
            project="p",
            location="l",
            credentials=Credentials("x"),
            http_options={"base_url": emulator.base_url},
        )
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]

        async def run():
            try:
                return await client.aio.models.embed_content(
                    model=model, contents=contents, config=config
                )
            finally:
                await client.aio.aclose()

        try:
            answer = client.models.embed_content(model=model, contents=contents, config=config)
        finally:
            client.close()
        assert asyncio.run(run()).embeddings == answer.embeddings
        return answer

    return embed


@pytest.fixture
def post(emulator):
    """POST to a method, with an access token unless other headers are given."""

    def post(method, body, *, model=FIVE, place=f"v1beta1/{PLACE}", headers=BEARER):
        return httpx.post(
            f"{emulator.base_url}/{place}/{model}:{method}", json=body, headers=headers
        )

    return post


def message(response):
    return response.json()["error"]["message"]


def test_predict_answers_with_statistics_for_each_text(embed, emulator):
    answer = embed(["one two", "three"], FIVE, output_dimensionality=64, title="T")
    assert [embedding.statistics.token_count for embedding in answer.embeddings] == [2, 1]
    assert [embedding.statistics.truncated for embedding in answer.embeddings] == [False, False]
    assert [len(embedding.values) for embedding in answer.embeddings] == [64, 64]
    assert answer.metadata.billable_character_count == 11
    sent = emulator.requests[0]
    assert (sent.api_version, sent.method, sent.model) == (
        "v1beta1",
        "predict",
        "models/text-embedding-005",
    )
    assert [(text.text, text.title, text.output_dimensionality) for text in sent.texts] == [
        ("one two", "T", 64),
        ("three", "T", 64),
    ]


def test_one_content_of_gemini_embedding_2_is_embed_content(embed, emulator):
    answer = embed(["one two"], TWO, output_dimensionality=128)
    assert [len(embedding.values) for embedding in answer.embeddings] == [128]
    assert answer.embeddings[0].statistics.token_count == 2
    assert [sent.method for sent in emulator.requests] == ["embedContent"] * 2


@pytest.mark.skipif(not HAS_BATCHES, reason="google-genai sends no batches before 3.4")
@pytest.mark.parametrize("model", [ONE, TWO])
def test_several_contents_are_a_batch(embed, emulator, model):
    answer = embed(["one two", "three"], model, output_dimensionality=128)
    assert len(answer.embeddings) == 2
    assert answer.usage_metadata.prompt_token_count == 3
    assert [sent.method for sent in emulator.requests] == ["batchEmbedContents"] * 2


def test_usage_of_embed_content_is_as_vertex_reports_it(post):
    answer = post("embedContent", {"content": {"parts": [{"text": "one two"}]}}, model=TWO).json()
    assert list(answer) == ["embedding", "usageMetadata"]
    assert answer["usageMetadata"] == {
        "promptTokenCount": 2,
        "totalTokenCount": 2,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
    }


def test_a_used_up_quota_has_neither_details_nor_a_delay(post, emulator):
    emulator.requests_per_minute = 1
    refused = post("predict", {"instances": [{"content": "a"}, {"content": "b"}]})
    assert (refused.status_code, list(refused.json()["error"])) == (
        429,
        ["code", "message", "status"],
    )
    assert message(refused).startswith(
        "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model "
        "with base model: textembedding-gecko."
    )
    emulator.clear()
    emulator.tokens_per_minute = 1
    refused = post("embedContent", {"content": {"parts": [{"text": "one two"}]}}, model=TWO)
    assert "embed_content_input_tokens_per_minute_per_base_model" in message(refused)


def test_text_embedding_004_is_served_though_the_developer_api_retired_it(embed):
    answer = embed(["one two"], "text-embedding-004")
    assert [len(embedding.values) for embedding in answer.embeddings] == [768]


def test_each_text_of_a_batch_has_its_own_settings(post, emulator):
    requests = [
        {
            "content": {"parts": [{"text": f"text {size}"}]},
            "embedContentConfig": {"outputDimensionality": size, "title": f"title {size}"},
        }
        for size in (128, 256)
    ]
    answer = post("batchEmbedContents", {"requests": requests}, model=ONE).json()
    assert [len(embedding["values"]) for embedding in answer["embeddings"]] == [128, 256]
    assert [(t.title, t.output_dimensionality) for t in emulator.texts] == [
        ("title 128", 128),
        ("title 256", 256),
    ]


def test_predict_without_a_task_embeds_a_query(post):
    def vector(**task):
        body = {"instances": [{"content": "why?", **task}]}
        return post("predict", body).json()["predictions"][0]["embeddings"]["values"]

    assert vector() == vector(task_type="RETRIEVAL_QUERY")
    assert vector() != vector(task_type="RETRIEVAL_DOCUMENT")


@pytest.mark.parametrize("method", ["predict", "embedContent", "batchEmbedContents"])
def test_long_text_is_cut_unless_auto_truncate_is_off(post, method):
    text = "a " * 2049

    def send(**settings):
        if method == "predict":
            body = {"instances": [{"content": text}], "parameters": settings}
            return post(method, body, model=ONE)
        item = {"content": {"parts": [{"text": text}]}, "embedContentConfig": settings}
        body = item if method == "embedContent" else {"requests": [item]}
        return post(method, body, model=ONE)

    for cut in (send(), send(autoTruncate=True)):
        assert cut.status_code == 200
        if method == "predict":
            statistics = cut.json()["predictions"][0]["embeddings"]["statistics"]
            assert statistics == {"token_count": 2048, "truncated": True}
        else:
            assert cut.json()["usageMetadata"]["promptTokenCount"] == 2048
        if method == "embedContent":
            assert cut.json()["truncated"] is True
    refused = send(autoTruncate=False)
    assert refused.status_code == 400
    assert "token count is 2049 but the model supports up to 2048" in message(refused)


@pytest.mark.parametrize(
    ("model", "instances", "expected"),
    [
        (ONE, ["a", "b"], "1 instance(s) is allowed per prediction. Actual: 2"),
        (FIVE, ["a"] * 251, "250 instance(s) is allowed per prediction. Actual: 251"),
        (FIVE, ["a " * 2001] * 10, "token count is 20010 but the model supports up to 20000"),
        (FIVE, [""], "The text content is empty."),
        (FIVE, [], "Empty instances."),
        (TWO, ["a"], "Model gemini-embedding-2 is not supported by predict."),
    ],
)
def test_what_predict_refuses(post, model, instances, expected):
    body = {"instances": [{"content": text} for text in instances]}
    refused = post("predict", body, model=model)
    assert refused.status_code == 400
    assert expected in message(refused)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "requests is not specified"), (101, "at most 100 requests can be in one batch")],
)
def test_what_a_batch_refuses(post, count, expected):
    requests = [{"content": {"parts": [{"text": "a"}]}}] * count
    refused = post("batchEmbedContents", {"requests": requests}, model=TWO)
    assert refused.status_code == 400
    assert expected in message(refused)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": [{"content": "a", "tasktype": "x"}]}, 'Unknown name "tasktype"'),
        ({"instances": [{"content": "a", "task_type": "x"}]}, "Invalid value"),
        ({"instances": [{"content": "a"}], "parameters": {"outputDimensionality": 769}}, "1..768"),
    ],
)
def test_bodies_are_read_strictly(post, body, expected):
    refused = post("predict", body)
    assert refused.status_code == 400
    assert expected in message(refused)


def test_count_tokens(post):
    contents = [{"parts": [{"text": "one two"}]}, {"parts": [{"text": "three"}]}]
    assert post("countTokens", {"contents": contents}).json()["totalTokens"] == 3


@pytest.mark.parametrize("place", [f"v1/{PLACE}", "v1/publishers/google/models"])
@pytest.mark.parametrize("headers", [BEARER, {"x-goog-api-key": "emulator-key"}])
def test_all_paths_take_a_token_or_a_key(post, place, headers):
    body = {"instances": [{"content": "a"}]}
    assert post("predict", body, place=place, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status", "expected"),
    [
        ({}, 401, "missing required authentication credential"),
        ({"Authorization": "Bearer"}, 401, "missing required authentication credential"),
        ({"Authorization": "Basic x"}, 401, "missing required authentication credential"),
        ({"x-goog-api-key": "other"}, 400, "API key not valid"),
    ],
)
def test_who_may_not_ask(post, headers, status, expected):
    refused = post("predict", {"instances": [{"content": "a"}]}, headers=headers)
    assert refused.status_code == status
    assert expected in message(refused)


def test_developer_api_takes_no_token_of_vertex(emulator):
    refused = httpx.post(
        f"{emulator.base_url}/v1/models/{TWO}:embedContent",
        json={"content": {"parts": [{"text": "a"}]}},
        headers=BEARER,
    )
    assert refused.status_code == 403


def test_unknown_model_is_404(embed):
    with pytest.raises(errors.ClientError, match=f"Publisher Model `{PLACE}/text-x`") as caught:
        embed(["a"], "text-x")
    assert caught.value.code == 404


def test_unknown_method_and_verb_are_told_what_there_is(post, emulator):
    for answer in (
        post("generateContent", {}),
        httpx.get(f"{emulator.base_url}/v1/{PLACE}/{TWO}:embedContent", headers=BEARER),
    ):
        assert answer.status_code == 404
        assert "publishers/google/models/{model}:predict" in message(answer)
    assert {request.method for request in emulator.requests} == {None}


def test_bad_json_is_refused_after_the_key(emulator):
    url = f"{emulator.base_url}/v1/{PLACE}/{FIVE}:predict"
    assert httpx.post(url, content=b"{").status_code == 401
    refused = httpx.post(url, content=b"{", headers=BEARER)
    assert refused.status_code == 400
    assert "Invalid JSON payload" in message(refused)


def test_faults_and_wrong_answers_reach_vertex_too(post, emulator):
    body = {"instances": [{"content": "a"}, {"content": "b"}]}
    emulator.fail_next(status=429, retry_after=3)
    assert post("predict", body).status_code == 429
    for wrong, count in (("short", 1), ("long", 3)):
        emulator.answer_next(wrong)
        assert len(post("predict", body).json()["predictions"]) == count
    emulator.answer_next("size")
    predictions = post("predict", body).json()["predictions"]
    assert [len(prediction["embeddings"]["values"]) for prediction in predictions] == [767] * 2
    emulator.answer_next("empty")
    assert post("predict", body).json() == {}


def test_short_answer_to_one_text_is_no_prediction(post, emulator):
    emulator.answer_next("short")
    assert post("predict", {"instances": [{"content": "a"}]}).json()["predictions"] == []


def test_stand_in_vectors_are_served():
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        answer = httpx.post(
            f"{emulator.base_url}/v1/{PLACE}/{FIVE}:predict",
            json={"instances": [{"content": "a"}, {"content": "b"}]},
            headers=BEARER,
        )
    predictions = answer.json()["predictions"]
    assert [len(prediction["embeddings"]["values"]) for prediction in predictions] == [768] * 2
