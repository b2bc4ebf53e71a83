"""`VertexBackend` through the real SDK: google-genai 2.x and 3.x send different requests."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from google import genai
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError, TransportError
from google.genai import types
from google.oauth2.credentials import Credentials

from langchain_gemini_qdrant.embeddings._backends.protocol import BackendSettings, EmbedRequest
from langchain_gemini_qdrant.embeddings._backends.vertex import VertexBackend
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    RateLimitError,
    RequestRejectedError,
    ServiceError,
)
from tests.integration_tests.places import Unrefreshable

ONE, TWO, FIVE = "gemini-embedding-001", "gemini-embedding-2", "text-embedding-005"
MODELS = (ONE, TWO, FIVE)
HAS_BATCHES = hasattr(types.EmbeddingApiType, "BATCH_EMBED_CONTENTS")  # google-genai 3.4
PLACE = "/v1beta1/projects/p/locations/us-central1/publishers/google/models/"
TITLES = ["first", None, "third"]
TEXTS = ["Qdrant stores vectors", "cats sleep all day", "bread needs yeast"]


@pytest.fixture(autouse=True)
def _no_cloud_from_outside(monkeypatch):
    for name in (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_VERTEX_BASE_URL",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def make_backend(emulator):
    backends = []

    def make(**options):
        defaults = {
            "api_key": None,
            "base_url": emulator.base_url,
            "timeout": 10.0,
            "vertexai": True,
            "project": "p",
            "location": "us-central1",
            "credentials": Credentials("an-access-token"),
        }
        backends.append(VertexBackend(BackendSettings(**{**defaults, **options})))
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


@pytest.fixture
def backend(make_backend):
    return make_backend()


def request(model, texts, titles=None, *, task_type=None, size=None):
    return EmbedRequest(
        model=f"models/{model}",
        texts=texts,
        titles=titles or [None] * len(texts),
        task_type=task_type,
        output_dimensionality=size,
    )


def cosine(one, other):
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / (sum(a * a for a in one) * sum(b * b for b in other)) ** 0.5


def takes_several(model):
    return model == FIVE or HAS_BATCHES


@pytest.mark.parametrize("model", MODELS)
def test_one_text_goes_out_as_the_sdk_chooses(backend, emulator, call, model):
    task_type = None if model == TWO else "RETRIEVAL_DOCUMENT"
    title = None if model == TWO else "T"
    call(backend, "embed", request(model, ["a"], [title], task_type=task_type, size=256))
    [sent] = emulator.requests
    settings = {"outputDimensionality": 256, "autoTruncate": False}
    if model == FIVE or (model == ONE and not HAS_BATCHES):
        instance = {"content": "a", "task_type": "RETRIEVAL_DOCUMENT", "title": "T"}
        assert sent.path == f"{PLACE}{model}:predict"
        assert sent.body == {"instances": [instance], "parameters": settings}
    else:
        if model == ONE:
            settings |= {"taskType": "RETRIEVAL_DOCUMENT", "title": "T"}
        assert sent.path == f"{PLACE}{model}:embedContent"
        assert sent.body == {
            "content": {"parts": [{"text": "a"}]},
            "embedContentConfig": settings,
        }
    assert sent.headers["authorization"] == "Bearer an-access-token"
    assert "x-goog-api-key" not in sent.headers
    assert float(sent.headers["x-server-timeout"]) == 10


@pytest.mark.parametrize("model", [model for model in MODELS if takes_several(model)])
def test_several_texts_are_one_request_with_a_title_for_each(backend, emulator, call, model):
    call(
        backend,
        "embed",
        request(model, TEXTS, TITLES, task_type="RETRIEVAL_DOCUMENT", size=256),
    )
    [sent] = emulator.requests
    assert sent.method == ("predict" if model == FIVE else "batchEmbedContents")
    assert [text.text for text in sent.texts] == TEXTS
    assert [text.title for text in sent.texts] == TITLES
    assert {text.task_type for text in sent.texts} == {"RETRIEVAL_DOCUMENT"}
    assert {text.output_dimensionality for text in sent.texts} == {256}
    assert {text.parts for text in sent.texts} == {1}


@pytest.mark.parametrize("model", [model for model in MODELS if takes_several(model)])
def test_vectors_are_in_the_order_of_the_texts(backend, call, model):
    texts = [f"passage number {i}" for i in range(backend.max_batch_size(model))]
    vectors = call(backend, "embed", request(model, texts, size=768)).vectors
    assert [len(vector) for vector in vectors] == [768] * len(texts)
    for i in (0, len(texts) // 2, len(texts) - 1):
        [alone] = call(backend, "embed", request(model, [texts[i]], size=768)).vectors
        # Without a task, :predict embeds a query in a batch as alone.
        assert cosine(alone, vectors[i]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("model", [ONE, TWO])
def test_vectors_are_those_of_the_developer_api(backend, emulator, call, model):
    task_type = None if model == TWO else "RETRIEVAL_QUERY"
    [vector] = call(backend, "embed", request(model, ["why?"], task_type=task_type)).vectors
    developer = genai.Client(
        api_key=emulator.api_key, http_options={"base_url": emulator.base_url}, vertexai=False
    )
    answer = developer.models.embed_content(
        model=model, contents="why?", config={"task_type": task_type}
    )
    assert vector == pytest.approx(answer.embeddings[0].values, abs=1e-6)
    developer.close()


def test_batch_sizes_are_what_sdk_and_api_take(backend):
    many = 100 if HAS_BATCHES else 1
    assert backend.max_batch_size(f"models/{FIVE}") == 100
    assert backend.max_batch_size("text-multilingual-embedding-002") == 100
    assert backend.max_batch_size(f"models/{ONE}") == many
    assert backend.max_batch_size(TWO) == many
    assert backend.max_batch_size("multilingual-e5-large-instruct-maas") == 1
    assert backend.max_batch_tokens(FIVE) == 20_000
    assert backend.max_batch_tokens("multilingual-e5-large-instruct-maas") is None


@pytest.mark.parametrize("model", MODELS)
def test_more_texts_than_a_request_takes_are_not_sent(backend, emulator, call, model):
    with pytest.raises(RequestRejectedError, match="one request takes"):
        call(backend, "embed", request(model, ["a"] * (backend.max_batch_size(model) + 1)))
    assert emulator.requests == []


@pytest.mark.parametrize("model", MODELS)
def test_tokens_are_those_the_api_counts(backend, call, model):
    texts = TEXTS if takes_several(model) else TEXTS[:1]
    tokens = sum(call(backend, "count_tokens", model, text) for text in texts)
    assert call(backend, "embed", request(model, texts)).tokens == tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_count_tokens_asks_the_model(backend, emulator, call, model):
    assert call(backend, "count_tokens", f"models/{model}", "one two three") == 3
    [sent] = emulator.requests
    assert sent.path == f"{PLACE}{model}:countTokens"
    assert float(sent.headers["x-server-timeout"]) == 10


@pytest.mark.parametrize("model", MODELS)
def test_too_long_text_is_refused_and_not_cut(backend, call, model):
    tokens = 8193 if model == TWO else 2049
    with pytest.raises(RequestRejectedError, match=f"{tokens} but the model supports") as caught:
        call(backend, "embed", request(model, ["a " * tokens]))
    assert caught.value.status_code == 400


def test_too_many_tokens_in_all_are_refused(backend, call):
    with pytest.raises(RequestRejectedError, match="supports up to 20000"):
        call(backend, "embed", request(FIVE, ["a " * 2001] * 10))


def test_express_mode_sends_its_key_alone(make_backend, emulator, call, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "other")
    express = make_backend(api_key=emulator.api_key, project=None, credentials=None)
    call(express, "embed", request(FIVE, TEXTS))
    [sent] = emulator.requests
    assert sent.path == f"/v1beta1/publishers/google/models/{FIVE}:predict"
    assert sent.headers["x-goog-api-key"] == emulator.api_key
    assert "authorization" not in sent.headers


def test_key_of_the_environment_does_not_displace_the_credentials(
    make_backend, emulator, call, monkeypatch
):
    monkeypatch.setenv("GOOGLE_API_KEY", "key-of-the-developer-api")
    call(make_backend(), "embed", request(FIVE, ["a"]))
    [sent] = emulator.requests
    assert sent.headers["authorization"] == "Bearer an-access-token"
    assert "x-goog-api-key" not in sent.headers


def test_location_is_global_unless_given(make_backend, emulator, call):
    call(make_backend(location=None), "embed", request(TWO, ["a"]))
    assert "/projects/p/locations/global/publishers/" in emulator.requests[0].path


def test_project_of_a_service_account_is_taken(make_backend, emulator, call):
    class ServiceAccount(Credentials):
        project_id = "its-own"

    backend = make_backend(project=None, credentials=ServiceAccount("x"))
    call(backend, "embed", request(TWO, ["a"]))
    assert "/projects/its-own/" in emulator.requests[0].path


def test_own_client_is_used_sync_and_async_and_left_open(make_backend, emulator):
    own = genai.Client(
        vertexai=True,
        project="own",
        location="eu",
        credentials=Credentials("x"),
        http_options={"base_url": emulator.base_url},
    )
    backend = make_backend(client=own, base_url=None, timeout=None)

    async def run():
        await backend.aembed(request(TWO, ["a"]))
        assert await backend.acount_tokens(TWO, "a") == 1
        await backend.aclose()
        await own.aio.models.embed_content(model=TWO, contents="a")
        await own.aio.aclose()

    backend.embed(request(TWO, ["a"]))
    assert backend.count_tokens(TWO, "a") == 1
    backend.close()
    own.models.embed_content(model=TWO, contents="a")
    asyncio.run(run())
    own.close()
    assert len(emulator.requests) == 6
    assert all("/projects/own/locations/eu/" in sent.path for sent in emulator.requests)
    assert "x-server-timeout" not in emulator.requests[0].headers


def test_client_of_the_developer_api_is_refused(make_backend, emulator):
    with pytest.raises(ConfigurationError, match="must talk to Vertex AI"):
        make_backend(client=genai.Client(api_key=emulator.api_key, vertexai=False))
    with pytest.raises(ConfigurationError, match=r"google\.genai\.Client for Vertex AI, got str"):
        make_backend(client="a client")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"api_key": "k"}, "got both"),
        ({"project": None, "credentials": None}, "needs a project if base_url is set"),
        ({"credentials": "a-token"}, "must be google.auth.credentials.Credentials, got str"),
    ],
)
def test_wrong_access_is_refused_before_any_request(make_backend, emulator, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make_backend(**options)
    assert emulator.requests == []


def test_no_credentials_at_all_is_a_wrong_setting(make_backend, call, monkeypatch, tmp_path):
    """A file that is not there ends google-auth's search before it asks the network."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
    for project in ("p", None):
        backend = make_backend(base_url=None, project=project, credentials=None)
        with pytest.raises(ConfigurationError, match="needs Google Cloud credentials"):
            call(backend, "embed", request(TWO, ["a"]))


def test_credentials_without_a_project_are_a_wrong_setting(
    make_backend, call, monkeypatch, tmp_path
):
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    file = tmp_path / "user.json"
    file.write_text(json.dumps(user))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    backend = make_backend(base_url=None, project=None, credentials=None)
    with pytest.raises(ConfigurationError, match="needs a project"):
        call(backend, "embed", request(TWO, ["a"]))


def test_anonymous_credentials_are_a_wrong_setting(make_backend, call):
    backend = make_backend(credentials=AnonymousCredentials())
    with pytest.raises(ConfigurationError, match="Anonymous credentials cannot be refreshed"):
        call(backend, "embed", request(TWO, ["a"]))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RefreshError("invalid_grant: Bad Request", {"key": "s"}), RequestRejectedError),
        (RefreshError("try again", retryable=True), ServiceError),
        (TransportError("connection refused"), ServiceError),
    ],
)
def test_errors_of_google_auth_are_ours(make_backend, call, error, expected):
    backend = make_backend(credentials=Unrefreshable(error))
    with pytest.raises(expected) as caught:
        call(backend, "embed", request(TWO, ["a"]))
    assert caught.value.__cause__ is error
    assert ("invalid_grant" in str(caught.value)) == (expected is RequestRejectedError)


@pytest.mark.parametrize(
    ("status", "expected"), [(403, RequestRejectedError), (503, ServiceError), (500, ServiceError)]
)
@pytest.mark.parametrize("model", MODELS)
def test_statuses_are_our_errors(backend, emulator, call, model, status, expected):
    emulator.fail_next(status=status, times=2)
    for method, argument in (("embed", (request(model, ["a"]),)), ("count_tokens", (model, "a"))):
        with pytest.raises(expected) as caught:
            call(backend, method, *argument)
        assert caught.value.status_code == status


def test_429_says_how_long_to_wait(backend, emulator, call):
    emulator.fail_next(status=429, retry_after=7)
    with pytest.raises(RateLimitError) as caught:
        call(backend, "embed", request(TWO, ["a"]))
    assert caught.value.retry_after == 7
    assert len(emulator.requests) == 1


def test_unknown_model_is_refused(backend, call):
    with pytest.raises(RequestRejectedError, match="Publisher Model `projects/p/") as caught:
        call(backend, "embed", request("text-embedding-999", ["a"]))
    assert caught.value.status_code == 404


@pytest.mark.parametrize("wrong", ["not-json", "disconnect"])
def test_no_answer_is_a_service_error(backend, emulator, call, wrong):
    emulator.answer_next(wrong)
    with pytest.raises(ServiceError):
        call(backend, "embed", request(FIVE, TEXTS))


def test_timeout_is_a_service_error(make_backend, emulator, call):
    emulator.answer_next("hang")
    start = time.monotonic()
    with pytest.raises(ServiceError):
        call(make_backend(timeout=0.3), "embed", request(FIVE, TEXTS))
    assert time.monotonic() - start < 30  # without it, it would hang
    emulator.clear()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("wrong", ["empty", "no-values"])
def test_wrong_answers_come_back_unchecked(backend, emulator, call, model, wrong):
    emulator.answer_next(wrong)
    answer = call(backend, "embed", request(model, ["a"]))
    assert answer.vectors in ([], [[]])


def test_each_event_loop_and_sync_use_work_side_by_side(backend, emulator):
    async def both():
        answers = await asyncio.gather(*(backend.aembed(request(FIVE, [t])) for t in TEXTS))
        await backend.aclose()
        return answers

    for _ in range(3):
        assert len(asyncio.run(both())) == 3
        backend.embed(request(FIVE, TEXTS))
    assert len(emulator.requests) == 12
