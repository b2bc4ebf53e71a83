"""The emulated API without a transport: what it takes, what it refuses, in which words."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from langchain_gemini_qdrant import testing
from langchain_gemini_qdrant.testing import sample_media
from langchain_gemini_qdrant.testing._api._api import GeminiApi
from langchain_gemini_qdrant.testing._api._calls import Answer, Call
from langchain_gemini_qdrant.testing._api._errors import ApiError
from langchain_gemini_qdrant.testing._api._quota_errors import delay_text, quota_error

KEY = "a-key"
TWO = "models/gemini-embedding-2"
ONE = "models/gemini-embedding-001"


def ask(
    method: str,
    body: object = None,
    *,
    model: str | None = TWO,
    version: str = "v1beta",
    retired_models: bool = False,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
) -> Answer:
    api = GeminiApi(api_keys=[KEY], retired_models=retired_models)
    call = Call(
        transport="rest",
        path="",
        api_version=version,
        method=method,
        model=model,
        headers={"x-goog-api-key": KEY} if headers is None else headers,
        query=query or {},
        body={} if body is None else body,
    )
    return api.plan(call).answer()


def refusal(method: str, body: object = None, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(method, body, **options)
    return caught.value


def item(text: str = "a text", *, model: str = TWO, **settings: object) -> dict[str, object]:
    return {"model": model, "content": {"parts": [{"text": text}]}, **settings}


def batch(*items: dict[str, object]) -> dict[str, object]:
    return {"requests": list(items)}


def vector(**request: Any) -> np.ndarray:
    model = request.pop("model", ONE)
    text = request.pop("text", "a text on whales")
    vectors = ask(
        "embedContent", item(text, model=model, **request), model=model, retired_models=True
    ).vectors
    assert vectors is not None
    return vectors[0]


def test_public_names_are_there_and_no_others():
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = testing.nonsense


def test_a_batch_has_one_vector_for_each_item_in_order():
    texts = ["one", "two", "three"]
    answer = ask("batchEmbedContents", batch(*map(item, texts)))
    alone = [ask("batchEmbedContents", batch(item(text))).vectors[0] for text in texts]
    assert np.array_equal(answer.vectors, alone)


def test_items_of_a_batch_may_ask_for_different_sizes():
    request = batch(item(), item(outputDimensionality=128), item(outputDimensionality=768))
    assert [len(x) for x in ask("batchEmbedContents", request).vectors] == [3072, 128, 768]


def test_parts_of_one_content_are_fused_into_one_vector():
    parts = {"content": {"parts": [{"text": "whales"}, {"text": "bridges"}]}}
    (fused,) = ask("embedContent", parts).vectors
    (whales,) = ask("embedContent", item("whales")).vectors
    (bridges,) = ask("embedContent", item("bridges")).vectors
    apart = whales @ bridges
    assert apart + 0.05 < fused @ whales < 0.9
    assert apart + 0.05 < fused @ bridges < 0.9


def usage(model, *requests):
    answer = ask("batchEmbedContents", batch(*requests), model=model)
    return answer.fields.get("usageMetadata")


@pytest.mark.parametrize("model", [TWO, f"{TWO}-preview"])
def test_gemini_embedding_2_reports_its_tokens_under_the_apis_name(model):
    texts = (item("three small words", model=model), item("日本", model=model))
    details = [{"modality": "TEXT", "tokenCount": 5}]
    assert usage(model, *texts) == {"promptTokenCount": 5, "promptTokenDetails": details}


def test_gemini_embedding_001_reports_no_usage():
    assert usage(ONE, item("three small words", model=ONE)) is None
    assert ask("embedContent", item(model=ONE), model=ONE).fields == {}


def inline(data, mime_type):
    encoded = base64.b64encode(data).decode()
    return {"inlineData": {"mimeType": mime_type, "data": encoded}}


def test_the_tokens_of_media_are_counted_by_modality():
    parts = [
        {"text": "three small words"},
        inline(sample_media.png("a"), "image/png"),
        inline(sample_media.pdf("b", "c"), "application/pdf"),
        inline(sample_media.wav("d", 3), "audio/wav"),
        {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/e.mp4"}},
        inline(sample_media.jpeg("f"), "image/jpeg"),
    ]
    request = {"model": TWO, "content": {"parts": parts}}
    assert usage(TWO, request) == {
        "promptTokenCount": 3 + 2 * 258 + 2 * 258 + 75 + 66,
        "promptTokenDetails": [
            {"modality": "TEXT", "tokenCount": 3},
            {"modality": "IMAGE", "tokenCount": 516},
            {"modality": "DOCUMENT", "tokenCount": 516},
            {"modality": "AUDIO", "tokenCount": 75},
            {"modality": "VIDEO", "tokenCount": 66},
        ],
    }
    counted = ask("countTokens", {"contents": [{"parts": parts[:2]}]}, model=TWO).fields
    assert counted["totalTokens"] == 261
    assert [each["modality"] for each in counted["promptTokensDetails"]] == ["TEXT", "IMAGE"]


@pytest.mark.parametrize(("model", "limit"), [(ONE, 2048), (TWO, 8192)])
def test_a_long_text_is_cut_without_a_word_at_the_token_limit(model, limit):
    long = "word " * limit
    uncut = ask("embedContent", item(long, model=model), model=model)
    cut = ask("embedContent", item(long + "nobody reads this", model=model), model=model)
    assert np.array_equal(
        ask("embedContent", item(long + "whales", model=model), model=model).vectors, cut.vectors
    )
    assert uncut.fields == cut.fields
    if model == TWO:
        assert cut.fields["usageMetadata"]["promptTokenCount"] == limit
    contents = {"contents": [{"parts": [{"text": long + "nobody reads this"}]}]}
    assert ask("countTokens", contents, model=model).fields["totalTokens"] == limit + 3


@pytest.mark.parametrize(
    "settings",
    [
        {"taskType": "RETRIEVAL_DOCUMENT", "title": "T", "outputDimensionality": 768},
        {"task_type": "RETRIEVAL_DOCUMENT", "title": "T", "output_dimensionality": 768},
        {"taskType": 2, "title": "T", "outputDimensionality": "768"},
        {"taskType": 2, "title": "T", "outputDimensionality": 768.0},
        {"task_type": 2, "title": "T", "output_dimensionality": 768, "embedContentConfig": None},
    ],
)
def test_fields_are_read_in_every_spelling_of_protobuf_json(settings):
    expected = vector(taskType="RETRIEVAL_DOCUMENT", title="T", outputDimensionality=768)
    assert np.array_equal(vector(**settings), expected)


def test_an_object_stands_for_a_list_of_one():
    bare = {"content": {"parts": {"text": "a text"}, "role": "user"}}
    assert np.array_equal(ask("embedContent", bare).vectors, ask("embedContent", item()).vectors)


def test_the_newer_config_counts_for_one_content_and_not_for_a_batch():
    request = item(embedContentConfig={"outputDimensionality": 128})
    assert len(ask("embedContent", request).vectors[0]) == 128
    assert len(ask("batchEmbedContents", batch(request)).vectors[0]) == 3072


def test_001_honours_task_and_title():
    query, document = vector(taskType="RETRIEVAL_QUERY"), vector(taskType="RETRIEVAL_DOCUMENT")
    titled = vector(taskType="RETRIEVAL_DOCUMENT", title="Bridges")
    assert not np.array_equal(query, document)
    assert not np.array_equal(document, titled)
    assert np.array_equal(query, vector(taskType="RETRIEVAL_QUERY", title="Bridges"))


@pytest.mark.parametrize("settings", [{}, {"taskType": "TASK_TYPE_UNSPECIFIED"}])
def test_001_takes_a_text_without_a_task_for_a_query(settings):
    assert np.array_equal(vector(**settings), vector(taskType="RETRIEVAL_QUERY"))


def test_2_ignores_task_and_title_and_reads_prefixes():
    raw = vector(model=TWO)
    assert np.array_equal(raw, vector(model=TWO, taskType="RETRIEVAL_DOCUMENT", title="Bridges"))
    prefixed = [
        vector(model=TWO, text=text)
        for text in (
            "task: search result | query: a text on whales",
            "task: fact checking | query: a text on whales",
            "title: none | text: a text on whales",
            "title: Bridges | text: a text on whales",
            "task: sentence similarity | query: a text on whales",
        )
    ]
    for i, one in enumerate([raw, *prefixed]):
        for other in prefixed[i:]:
            assert not np.array_equal(one, other)


def test_a_prefix_that_is_not_quite_right_is_raw_text():
    right = vector(model=TWO, text="task: search result | query: whales")
    for text in ("task: search results | query: whales", "task: search result | text: whales"):
        assert abs(vector(model=TWO, text=text) @ right) < 0.6


def test_short_vectors_of_2_are_normalized_and_those_of_001_are_not():
    whole, short = vector(model=ONE), vector(model=ONE, outputDimensionality=768)
    assert np.linalg.norm(whole) == pytest.approx(1, abs=1e-6)
    assert np.array_equal(whole[:768], short)
    assert 0.54 < np.linalg.norm(short) < 0.62
    whole, short = vector(model=TWO), vector(model=TWO, outputDimensionality=768)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-6)
    assert np.allclose(short, whole[:768] / np.linalg.norm(whole[:768]), atol=1e-6)


def test_pictures_are_embedded_by_2_only():
    pictures = [{"parts": [inline(sample_media.png(word), "image/png")]} for word in ("dog", "sun")]
    one, other = (ask("embedContent", {"content": each}).vectors[0] for each in pictures)
    assert abs(one @ other) < 0.6
    error = refusal("embedContent", {"content": pictures[0]}, model=ONE)
    assert (error.code, error.message) == (400, "models/gemini-embedding-001 embeds text only.")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_an_unknown_model_is_404_with_the_version_of_the_path(version):
    error = refusal("batchEmbedContents", batch(item()), model="models/nope", version=version)
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert error.message == (
        f"models/nope is not found for API version {version}, or is not supported for "
        "embedContent. Call ModelService.ListModels to see the list of available models and "
        "their supported methods."
    )


@pytest.mark.parametrize("model", ["models/text-embedding-004", "models/embedding-001"])
def test_retired_models_are_404_until_asked_for(model):
    request = item(model=model)
    assert refusal("embedContent", request, model=model).code == 404
    (embedded,) = ask("embedContent", request, model=model, retired_models=True).vectors
    assert embedded.shape == (768,)


def test_a_model_without_embed_content_is_404():
    name = "models/embedding-gecko-001"
    error = refusal("embedContent", item(model=name), model=name, retired_models=True)
    assert error.code == 404


@pytest.mark.parametrize("size", [0, -1, 3073])
def test_a_size_the_model_does_not_have_is_400(size):
    error = refusal("embedContent", item(outputDimensionality=size))
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")


def test_embedding_001_takes_no_size():
    name = "models/embedding-001"
    request = item(model=name, outputDimensionality=256)
    assert refusal("embedContent", request, model=name, retired_models=True).code == 400


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (
            [item()] * 101,
            "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n",
        ),
        (
            [item(), {"content": {"parts": [{"text": "x"}]}}],
            "* BatchEmbedContentsRequest.requests[1].model: model is not specified",
        ),
        (
            [item(model="gemini-embedding-2")],
            "* BatchEmbedContentsRequest.requests[0].model: unexpected model name format",
        ),
        ([item(), item("")], "EmbedContentRequest.content contains an empty Part."),
        (
            [{"model": TWO, "content": {"parts": [{}]}}],
            (
                "* BatchEmbedContentsRequest.requests[0].content.parts[0].data: required oneof "
                "field 'data' must have one initialized field"
            ),
        ),
    ],
)
def test_one_bad_item_refuses_the_batch_in_the_words_of_the_api(items, message):
    error = refusal("batchEmbedContents", batch(*items))
    assert (error.code, error.status, error.message) == (400, "INVALID_ARGUMENT", message)
    assert error.details == ()


def test_an_item_of_another_model_than_the_path_is_400():
    assert refusal("batchEmbedContents", batch(item(model=ONE))).code == 400


@pytest.mark.parametrize("body", [{}, {"requests": []}, batch({"model": TWO})])
def test_a_batch_without_content_is_400(body):
    assert refusal("batchEmbedContents", body).code == 400


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"texts": []},
            'Invalid JSON payload received. Unknown name "texts": Cannot find field.',
        ),
        (
            batch(item(), item(dimensions=3)),
            (
                "Invalid JSON payload received. Unknown name \"dimensions\" at 'requests[1]': "
                "Cannot find field."
            ),
        ),
        (
            batch(item(taskType="retrieval_query")),
            (
                "Invalid value at 'requests[0].task_type' "
                "(type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType), "
                '"retrieval_query"'
            ),
        ),
        (
            batch(item(outputDimensionality="many")),
            "Invalid value at 'requests[0].output_dimensionality' (TYPE_INT32), \"many\"",
        ),
        (batch({"content": "a"}), "Invalid value at 'requests[0].content' (message), \"a\""),
        (batch(item(title=3)), "Invalid value at 'requests[0].title' (TYPE_STRING), 3"),
        (
            ["a list"],
            'Invalid JSON payload received. Unknown name "": Root element must be a message.',
        ),
    ],
)
def test_a_body_of_another_shape_is_400_and_names_the_place(body, message):
    error = refusal("batchEmbedContents", body)
    assert (error.code, error.message) == (400, message)
    assert error.details[0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"


def test_no_key_is_403_and_a_bad_key_is_400_with_its_reason():
    error = refusal("models.list", headers={})
    assert (error.code, error.status) == (403, "PERMISSION_DENIED")
    assert error.message.startswith("Method doesn't allow unregistered callers")
    error = refusal("models.list", headers={"x-goog-api-key": "another"})
    assert (error.code, error.status) == (400, "INVALID_ARGUMENT")
    assert error.details[0]["reason"] == "API_KEY_INVALID"


def test_the_key_may_be_a_query_parameter():
    assert ask("models.list", headers={}, query={"key": KEY}).fields["models"]


def test_models_are_listed_in_pages():
    seen, token = [], ""
    while token is not None:
        fields = ask("models.list", query={"pageSize": "2", "pageToken": token}).fields
        assert len(fields["models"]) <= 2
        seen += [model["name"] for model in fields["models"]]
        token = fields.get("nextPageToken")
    assert seen == [ONE, f"{TWO}-preview", TWO]
    assert refusal("models.list", query={"pageToken": "x"}).code == 400
    assert refusal("models.list", query={"pageSize": "-1"}).code == 400


def test_a_model_says_its_token_limit_and_its_methods():
    fields = ask("models.get", model=ONE).fields
    assert fields["inputTokenLimit"] == 2048
    assert "embedContent" in fields["supportedGenerationMethods"]
    assert refusal("models.get", model="models/nope").code == 404


def test_tokens_are_counted_in_both_forms_of_the_request():
    contents = [{"parts": [{"text": "three small words"}]}, {"parts": [{"text": "and 日本!"}]}]
    for body in ({"contents": contents}, {"generateContentRequest": {"contents": contents}}):
        assert ask("countTokens", body).fields["totalTokens"] == 7


def test_a_quota_error_is_the_free_tiers_own():
    limits = {"requests_per_minute": 100}
    error = quota_error(limits, "gemini-embedding-1.0", retry_after=33.384105706)
    assert error.body()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert error.message.endswith(
        "\n* Quota exceeded for metric: generativelanguage.googleapis.com/"
        "embed_content_free_tier_requests, limit: 100, model: gemini-embedding-1.0\n"
        "Please retry in 33.384105706s."
    )
    _, failure, retry = error.details
    assert failure["violations"][0] == {
        "quotaMetric": "generativelanguage.googleapis.com/embed_content_free_tier_requests",
        "quotaId": "EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": "gemini-embedding-1.0"},
        "quotaValue": "100",
    }
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "33s"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (48.939935699, "48.939935699s"),
        (0.008386476, "8.386476ms"),
        (0.5, "500ms"),
        (0, "0s"),
        (10, "10s"),
        (1, "1s"),
        (60, "1m0s"),
        (33017.29, "9h10m17.29s"),
        (7200, "2h0m0s"),
    ],
)
def test_the_message_has_the_delay_that_the_details_cut(seconds, text):
    error = quota_error({"requests_per_minute": 100}, "m", retry_after=seconds)
    assert delay_text(seconds) == text
    assert error.message.endswith(f"\nPlease retry in {text}.")
    assert error.details[-1]["retryDelay"] == f"{int(seconds)}s"
