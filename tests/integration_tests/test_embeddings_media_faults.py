"""What is wrong with one medium costs nothing beside it: refusals, missing vectors, lost files."""

from __future__ import annotations

import asyncio
import io
import threading

import pytest
from google import genai
from langchain_core.documents.base import Blob
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.stores import InMemoryByteStore

from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._session import open_session
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    PartialEmbeddingError,
    RequestRejectedError,
    ResponseMismatchError,
)
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.media import blob, making, needs_batches, png, sent


def images(count):
    return [blob(png(f"image {i}")) for i in range(count)]


def pictured(text):
    return [text, blob(png(text))]


# Batches


def test_request_has_at_most_six_images_beside_its_texts(developer, emulator, call):
    contents = ["a", *images(7), "b", blob(sample_media.wav("a talk")), *images(9)[7:], "c"]
    call(developer(max_concurrency=1), "embed_documents", contents)
    assert [len(contents) for contents in sent(emulator)] == [7, 6]


def test_images_of_one_content_count_as_many(developer, emulator, call):
    call(developer(max_concurrency=1), "embed_documents", [images(4), images(3), images(2)])
    assert [len(contents) for contents in sent(emulator)] == [1, 2]


def test_request_of_several_contents_has_at_most_4_mb(developer, emulator, call):
    sizes = (1_500_000, 1_500_000, 1_500_000, 9_000_000, 1_500_000)
    contents = [blob(sample_media.wav(str(i), padding=n)) for i, n in enumerate(sizes)]
    call(developer(max_concurrency=1), "embed_documents", ["a", *contents, "b"])
    assert [len(request.texts) for request in emulator.requests] == [3, 1, 1, 2]


def test_stream_reads_no_more_media_ahead_than_one_request_has(developer):
    made = []

    def contents():
        for i in range(40):
            made.append(i)
            yield blob(sample_media.wav(str(i), padding=1_500_000))

    next(iter(developer(max_concurrency=1).stream_documents(contents())))
    assert len(made) <= 3


# The API refuses


def test_refused_medium_does_not_fail_those_beside_it(make, emulator, call):
    emulator.fail_next(status=400, message="Unable to process it", times=None, containing="broken")
    contents = ["a", pictured("fine"), pictured("broken"), "b"]
    with pytest.raises(PartialEmbeddingError) as caught:
        call(make(), "embed_documents", contents)
    assert list(caught.value.failures) == [2]
    assert isinstance(caught.value.failures[2], RequestRejectedError)
    assert len([vector for vector in caught.value.vectors if vector]) == 3


def test_texts_alone_are_not_halved_after_a_400(developer, emulator, call):
    emulator.fail_next(status=400, message="Unable to process it", times=None)
    with pytest.raises(RequestRejectedError):
        call(developer(), "embed_documents", ["a", "b", "c", "d"])
    assert len(sent(emulator)) == 1


def test_call_ends_if_every_medium_is_refused(developer, emulator, call):
    emulator.fail_next(status=400, message="Unable to process it", times=None)
    embeddings = developer(max_concurrency=1)
    with pytest.raises(RequestRejectedError):
        call(embeddings, "embed_documents", images(120))
    assert len(emulator.requests) < 60


@pytest.mark.parametrize("most", [1, 2])
def test_fewer_images_in_a_request_are_learned_from_the_first_refusal(
    developer, emulator, call, most
):
    embeddings = developer(max_concurrency=1)
    emulator.max_request_images = most
    vectors = call(embeddings, "embed_documents", images(24))
    assert len(vectors) == 24
    assert [request.status for request in emulator.requests].count(400) == 1
    assert max(len(contents) for contents in sent(emulator)[1:]) == most


def test_a_lost_file_of_the_files_api_fails_alone(developer, call):
    lost = {"type": "image", "file_id": "files/lost", "mime_type": "image/png"}
    with pytest.raises(PartialEmbeddingError, match="files/lost|File lost") as caught:
        call(developer(), "embed_documents", ["a", lost, *images(2)])
    assert list(caught.value.failures) == [1]


# No vector comes back


def test_missing_vector_fails_its_content_alone_and_is_not_retried(make, emulator, clock, call):
    emulator.answer_next("no-values", times=None, containing="broken")
    embeddings = make(clock=clock)
    contents = ["a", pictured("fine"), pictured("broken"), "b"]
    with pytest.raises(PartialEmbeddingError, match="MIME type") as caught:
        call(embeddings, "embed_documents", contents)
    assert list(caught.value.failures) == [2]
    assert isinstance(caught.value.failures[2], ResponseMismatchError)
    asked = [each for each in sent(emulator) if "broken" in str(each)]
    assert len(asked) <= 3  # with three others, with one, alone
    assert not clock.waits


@pytest.fixture
def wrong(emulator):
    """A sound that is said to be an image: its vector is missing, and the others are there."""
    own = genai.Client(api_key=emulator.api_key, http_options={"base_url": emulator.base_url})
    config = {"name": "files/a-talk", "mime_type": "audio/wav"}
    own.files.upload(file=io.BytesIO(sample_media.wav("a talk")), config=config)
    return {"type": "image", "file_id": "files/a-talk", "mime_type": "image/png"}


def test_vectors_beside_a_missing_one_are_not_paid_twice(developer, emulator, wrong, call):
    cache = InMemoryByteStore()
    embeddings = developer(cache=cache)
    with pytest.raises(PartialEmbeddingError, match="MIME type") as caught:
        call(embeddings, "embed_documents", ["a", images(1)[0], wrong, *images(3)[1:], "b"])
    assert list(caught.value.failures) == [2]
    assert [len(request) for request in sent(emulator)] == [6]
    assert len(list(cache.yield_keys())) == 5


def test_tokens_of_an_answer_with_a_missing_vector_are_counted(developer, emulator, wrong, call):
    embeddings = developer()
    with pytest.raises(PartialEmbeddingError):
        call(embeddings, "embed_documents", [*images(2), wrong])
    assert embeddings.usage.tokens_by_modality["IMAGE"] >= 2 * 258
    assert embeddings.usage.requests == len(sent(emulator)) == 1


@pytest.mark.parametrize("blocking", [True, False])
def test_a_run_sends_no_vector_again_that_came_beside_a_missing_one(
    developer, emulator, wrong, blocking
):
    embeddings = developer()

    async def embed():
        async with open_session(embeddings, "ingest", blocking=blocking) as session:
            pending = session.start([*images(2), wrong, "a"], None)
            await session.wait_any([pending])
            return pending.result()

    results = run(embed()) if blocking else asyncio.run(embed())
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert len(sent(emulator)) == 1


def test_wrong_mime_type_of_an_address_fails_alone(developer, clock, wrong, call):
    with pytest.raises(PartialEmbeddingError, match="MIME type") as caught:
        call(developer(clock=clock), "embed_documents", ["a", wrong, *images(2)])
    assert list(caught.value.failures) == [1]
    assert not clock.waits


def test_missing_vector_of_a_text_is_retried_as_before(developer, emulator, clock, call):
    emulator.answer_next("no-values")
    assert len(call(developer(clock=clock), "embed_documents", ["a", "b"])) == 2
    assert clock.waits


def test_missing_vector_is_never_cached(developer, emulator, call):
    cache = InMemoryByteStore()
    emulator.answer_next("no-values", times=None, containing="broken")
    embeddings = developer(cache=cache)
    with pytest.raises(PartialEmbeddingError):
        call(embeddings, "embed_documents", [pictured("fine"), pictured("broken")])
    assert len(list(cache.yield_keys())) == 1


# Files that change


class Meanwhile(BaseRateLimiter):
    """Does something between the check of the contents and their request."""

    def __init__(self, action):
        self._action = action

    def acquire(self, *, blocking=True):
        self._action()
        return blocking or True

    async def aacquire(self, *, blocking=True):
        return self.acquire(blocking=blocking)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for path in paths:
        path.write_bytes(png(path.name))
    return paths


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(missing_ok=True), "cannot be read"),
        (lambda path: path.write_bytes(png("another image")), "changed"),
    ],
    ids=["gone", "changed"],
)
def test_file_that_is_lost_before_it_is_sent_fails_alone(make, call, files, change, message):
    embeddings = make(rate_limiter=Meanwhile(lambda: change(files[1])))
    contents = ["a", *[Blob.from_path(path) for path in files]]
    with pytest.raises(PartialEmbeddingError, match=rf"1\.png.*{message}") as caught:
        call(embeddings, "embed_documents", contents)
    assert list(caught.value.failures) == [2]
    assert isinstance(caught.value.failures[2].__cause__, InvalidInputError)
    assert len([vector for vector in caught.value.vectors if vector]) == 4
    files[1].write_bytes(png(files[1].name))
    again = make()
    vectors = call(again, "retry_failed", caught.value)
    assert [vector is None for vector in vectors] == [False] * 5
    assert again.usage.texts == 1


def test_lost_file_of_a_query_is_its_error(make, emulator, call, files):
    embeddings = make(rate_limiter=Meanwhile(files[0].unlink))
    with pytest.raises(InvalidInputError, match=r"0\.png.*cannot be read"):
        call(embeddings, "embed_query", Blob.from_path(files[0]))
    assert not emulator.requests


def test_lost_file_does_not_use_up_the_quota(developer, clock, files):
    embeddings = developer(
        rate_limiter=Meanwhile(files[0].unlink), clock=clock, requests_per_minute=1
    )
    with pytest.raises(InvalidInputError):
        embeddings.embed_query(Blob.from_path(files[0]))
    embeddings.model_copy(update={"rate_limiter": None}).embed_query("a text")
    assert not clock.waits


async def test_files_are_read_and_encoded_apart_from_the_event_loop(developer, monkeypatch, files):
    readers = set()
    opened = type(files[0]).open

    def watched(path, *args, **kwargs):
        readers.add(threading.current_thread())
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(type(files[0]), "open", watched)
    embeddings = developer()
    await embeddings.aembed_documents([Blob.from_path(path) for path in files])
    await embeddings.aembed_query(Blob.from_path(files[0]))
    await embeddings.aembed_image(files)
    await embeddings.aclose()
    assert threading.main_thread() not in readers


# Sessions, which ingestion uses


@pytest.mark.parametrize("blocking", [True, False], ids=["sync", "async"])
def test_session_returns_each_content_s_vector_or_error(developer, emulator, blocking, files):
    emulator.fail_next(status=400, message="Unable to process it", times=None, containing="broken")
    embeddings = developer()
    gone = Blob.from_path(files[0].with_name("gone.png"))
    contents = ["a", gone, pictured("broken"), ["  "], images(7), Blob.from_path(files[0])]

    async def results():
        async with open_session(embeddings, "test", blocking=blocking) as session:
            request = session.start(contents, None)
            while not request.done():
                await session.wait_any([request])
        if not blocking:
            await embeddings.aclose()
        return request.result()

    found = run(results()) if blocking else asyncio.run(results())
    assert [type(each) for each in found] == [
        list,
        InvalidInputError,
        RequestRejectedError,
        InvalidInputError,
        InvalidInputError,
        list,
    ]


@pytest.mark.parametrize("blocking", [True, False], ids=["sync", "async"])
def test_session_of_a_model_for_texts_ends_with_advice(developer, emulator, blocking):
    embeddings = developer(model="gemini-embedding-001")

    async def results():
        async with open_session(embeddings, "test", blocking=blocking) as session:
            request = session.start(["a", images(1)], None)
            await session.wait_any([request])
            return request.result(), session.fatal_error

    found, fatal = run(results()) if blocking else asyncio.run(results())
    assert {type(each) for each in found} == {ConfigurationError}
    assert fatal is found[0]
    assert not emulator.requests


@needs_batches
def test_vertex_ai_gets_media_in_one_batch(emulator, call):
    with making("vertex", emulator) as make:
        call(make(), "embed_documents", ["a", *images(6), "b"])
    assert [len(contents) for contents in sent(emulator)] == [8]
