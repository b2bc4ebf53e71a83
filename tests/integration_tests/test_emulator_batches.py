"""The Batch API of the emulator, as google-genai calls it."""

from __future__ import annotations

import base64
import json
import urllib.request
import warnings

import httpx
import pytest
from google import genai
from google.genai import errors, types

from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media

ONE, TWO = "gemini-embedding-001", "gemini-embedding-2"


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def slow_jobs(clock):
    """An emulator whose batch jobs take ten seconds of the test's clock."""
    with GeminiEmulator(batch_seconds=10, clock=clock) as emulator:
        yield emulator


def client_of(emulator):
    options = {"base_url": emulator.base_url}
    return genai.Client(api_key=emulator.api_key, http_options=options)


@pytest.fixture
def client(slow_jobs):
    client = client_of(slow_jobs)
    yield client
    client.close()


def create_from(client, src, *, model=ONE, name=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK calls this method experimental
        return client.batches.create_embeddings(model=model, src=src, config={"display_name": name})


def create(client, contents, *, config=None, **options):
    src = {"inlined_requests": {"contents": contents, "config": config}}
    return create_from(client, src, **options)


def test_a_job_waits_runs_and_succeeds_with_a_vector_for_each_text_in_order(client, clock):
    config = {"task_type": "RETRIEVAL_DOCUMENT", "output_dimensionality": 8}
    job = create(client, ["whales", "bread"], config=config, name="the handbook")
    assert (job.display_name, job.model) == ("the handbook", f"models/{ONE}")
    states = [job.state]
    for clock.now in (4.9, 5.0, 9.9, 10.0):
        job = client.batches.get(name=job.name)
        states.append(job.state)
    assert [state.value.removeprefix("JOB_STATE_") for state in states] == [
        "PENDING",
        "PENDING",
        "RUNNING",
        "RUNNING",
        "SUCCEEDED",
    ]
    assert (job.end_time - job.create_time).total_seconds() == 10
    assert client.batches.get(name=job.name).dest == job.dest
    found = [each.response for each in job.dest.inlined_embed_content_responses]
    assert [response.token_count for response in found] == [1, 1]
    embedded = client.models.embed_content(
        model=ONE, contents=["whales", "bread"], config=types.EmbedContentConfig(**config)
    )
    assert [response.embedding.values for response in found] == [
        embedding.values for embedding in embedded.embeddings
    ]


async def test_a_job_is_created_and_asked_for_in_an_event_loop(emulator):
    client = client_of(emulator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK calls this method experimental
        job = await client.aio.batches.create_embeddings(
            model=TWO, src={"inlined_requests": {"contents": ["whales", "bread"]}}
        )
    job = await client.aio.batches.get(name=job.name)
    await client.aio.aclose()
    client.close()
    # Unlike embed_content, a batch keeps a list of strings apart for gemini-embedding-2, too.
    assert len(job.dest.inlined_embed_content_responses) == 2
    assert [text.parts for text in emulator.texts] == [1, 1]


def test_a_bad_text_has_its_error_in_its_place(client, clock):
    job = create(client, ["whales", "", "bread"])
    clock.now = 10.0
    found = client.batches.get(name=job.name).dest.inlined_embed_content_responses
    assert [each.response is not None for each in found] == [True, False, True]
    assert (found[1].error.code, found[1].error.message) == (
        3,
        "EmbedContentRequest.content contains an empty Part.",
    )


def test_jobs_are_listed_cancelled_and_deleted(client, clock):
    first, second = create(client, ["a"], name="1"), create(client, ["b"], name="2")
    listed = [job.display_name for job in client.batches.list(config={"page_size": 1})]
    assert listed == ["2", "1"]
    client.batches.cancel(name=first.name)
    clock.now = 10.0
    client.batches.cancel(name=second.name)  # too late
    states = [client.batches.get(name=job.name).state.value for job in (first, second)]
    assert states == ["JOB_STATE_CANCELLED", "JOB_STATE_SUCCEEDED"]
    client.batches.delete(name=first.name)
    with pytest.raises(errors.ClientError, match="404"):
        client.batches.get(name=first.name)


def test_jobs_take_nothing_from_the_quotas_of_a_minute(client, slow_jobs):
    slow_jobs.requests_per_minute = 1
    create(client, ["a", "b", "c"])
    client.models.embed_content(model=ONE, contents="d")
    assert [request.status for request in slow_jobs.requests] == [200, 200]
    assert [text.text for text in slow_jobs.texts] == ["a", "b", "c", "d"]


def test_what_a_job_cannot_be_is_refused(client):
    with pytest.raises(errors.ClientError, match="requests is not specified"):
        create(client, [])
    with pytest.raises(errors.ClientError, match="reads no requests from files"):
        create_from(client, {"file_name": "files/texts"})
    with pytest.raises(errors.ClientError, match="text-embedding-004 is not found"):
        create(client, ["a"], model="text-embedding-004")


def test_faults_meet_jobs_too(client, slow_jobs):
    slow_jobs.fail_next(status=503, containing="whales")
    with pytest.raises(errors.ServerError, match="503"):
        create(client, ["whales"])
    create(client, ["bread"])


def test_clear_forgets_jobs_and_their_pace(client, slow_jobs):
    slow_jobs.batch_seconds = 0
    job = create(client, ["a"])
    assert client.batches.get(name=job.name).state.value == "JOB_STATE_SUCCEEDED"
    slow_jobs.clear()
    assert slow_jobs.batch_seconds == 10
    assert list(client.batches.list()) == []


def test_metadata_of_a_request_comes_back_with_its_answer(emulator):
    """google-genai has no place for it, other clients have."""
    base = f"{emulator.base_url}/v1beta"

    def send(path, body=None):
        request = urllib.request.Request(  # noqa: S310 - ours
            f"{base}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-goog-api-key": emulator.api_key},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - ours
            return json.load(answer)

    requests = [
        {"request": {"content": {"parts": [{"text": text}]}}, "metadata": {"key": text}}
        for text in ("a", "b")
    ]
    batch = {"display_name": "x", "input_config": {"requests": {"requests": requests}}}
    created = send(f"models/{TWO}:asyncBatchEmbedContent", {"batch": batch})
    assert "done" not in created
    assert created["metadata"]["batchStats"] == {"requestCount": "2", "pendingRequestCount": "2"}
    job = send(created["name"])
    assert job["done"] is True
    assert job["metadata"]["batchStats"] == {"requestCount": "2", "successfulRequestCount": "2"}
    answers = job["response"]["inlinedResponses"]["inlinedResponses"]
    assert [answer["metadata"]["key"] for answer in answers] == ["a", "b"]


def test_a_job_embeds_media_and_keeps_the_place_of_a_wrong_one(emulator):
    def request(data):
        blob = {"mimeType": "image/png", "data": base64.b64encode(data).decode()}
        return {"request": {"content": {"parts": [{"inlineData": blob}]}}}

    image = sample_media.png("a dog")
    requests = [request(image), request(b"no image"), request(image)]
    body = {"batch": {"inputConfig": {"requests": {"requests": requests}}}}
    key = {"x-goog-api-key": emulator.api_key}
    models = f"{emulator.base_url}/v1beta/models/{TWO}"
    job = httpx.post(f"{models}:asyncBatchEmbedContent", json=body, headers=key).json()
    job = httpx.get(f"{emulator.base_url}/v1beta/{job['name']}", headers=key).json()
    answers = job["response"]["inlinedResponses"]["inlinedResponses"]
    values = [each["response"]["embedding"].get("values", []) for each in answers]
    assert [len(each) for each in values] == [3072, 0, 3072]
    assert [each["response"]["tokenCount"] for each in answers] == ["258", "0", "258"]
