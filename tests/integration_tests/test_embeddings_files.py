"""Media above the inline limit: through the Files API, uploaded once and deleted after use."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google import genai
from langchain_core.documents.base import Blob
from langchain_core.stores import InMemoryByteStore

from langchain_gemini_qdrant import GeminiEmbeddings
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.embeddings._session import open_session
from langchain_gemini_qdrant.errors import (
    InvalidInputError,
    PartialEmbeddingError,
    RequestRejectedError,
    ServiceError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media
from tests.integration_tests.loopback import serving

DATA = sample_media.png("a red car", padding=15_100_000)
BIG = Blob.from_data(DATA, mime_type="image/png")
DIGEST = hashlib.sha256(DATA).hexdigest()
NAME = f"lgq-{DIGEST[:36]}"
OTHER = Blob.from_data(sample_media.png("a boat", padding=15_100_000), mime_type="image/png")


@pytest.fixture
def make(emulator, clock):
    made = []

    def make(server=emulator, **options):
        reached = {"api_key": server.api_key, "base_url": server.base_url}
        made.append(
            GeminiEmbeddings(**{**reached, "clock": clock, "output_dimensionality": 128, **options})
        )
        return made[-1]

    yield make
    for embeddings in made:
        embeddings.close()


@pytest.fixture
def client(emulator):
    """Google's client, for files of the user's own."""
    return genai.Client(
        api_key=emulator.api_key,
        vertexai=False,
        http_options=genai.types.HttpOptions(base_url=emulator.base_url),
    )


def methods(emulator):
    return Counter(request.method for request in emulator.requests)


def media(emulator):
    return [medium for text in emulator.texts for medium in text.media]


def stored(client, blob, name):
    config = genai.types.UploadFileConfig(name=name, mime_type=blob.mimetype)
    return client.files.upload(file=blob.as_bytes_io().__enter__(), config=config)


def test_a_large_medium_is_uploaded_once_for_all_contents_and_then_deleted(make, emulator, call):
    vectors = call(make(batch_size=1), "embed_documents", ["a", BIG, ["caption", BIG], "b"])
    assert [len(vector) for vector in vectors] == [128] * 4
    assert methods(emulator) == {
        "files.create": 1,
        "files.upload": 2,  # pieces of 8 MiB
        "batchEmbedContents": 4,
        "files.delete": 1,
    }
    assert {(m.sha256, m.size_bytes, m.mime_type) for m in media(emulator)} == {
        (DIGEST, len(DATA), "image/png")
    }
    assert all(m.uri.endswith(f"/files/{NAME}") for m in media(emulator))
    assert emulator.requests[-1].method == "files.delete"
    assert emulator.files == []


def test_the_largest_media_are_uploaded_until_the_rest_fits_in_a_request(make, emulator, call):
    sizes = (9_000_000, 4_000_000, 8_000_000)
    blobs = [
        Blob.from_data(sample_media.png(f"{size}", padding=size), mime_type="image/png")
        for size in sizes
    ]
    call(make(), "embed_query", blobs)
    assert methods(emulator)["files.create"] == 1
    assert [m.uri is not None for m in media(emulator)] == [True, False, False]
    assert emulator.files == []


def test_media_within_the_limit_are_not_uploaded(make, emulator, call):
    call(make(), "embed_query", Blob.from_data(sample_media.png("a"), mime_type="image/png"))
    assert methods(emulator) == {"batchEmbedContents": 1}


def test_threads_upload_the_same_medium_once(make, emulator):
    emulator.latency = 0.05
    embeddings = [make(), make()]
    threads = [threading.Thread(target=each.embed_query, args=(BIG,)) for each in embeddings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert methods(emulator)["batchEmbedContents"] == 2
    assert methods(emulator)["files.create"] == 1
    assert emulator.files == []


def test_tasks_upload_the_same_medium_once(make, emulator):
    async def main():
        embeddings = make()
        await asyncio.gather(*[embeddings.aembed_query(BIG) for _ in range(3)])
        await embeddings.aclose()

    emulator.latency = 0.05
    asyncio.run(main())
    assert methods(emulator)["batchEmbedContents"] == 3
    assert methods(emulator)["files.create"] == 1
    assert emulator.files == []


def test_a_file_that_is_processed_is_waited_for(make, emulator, call, clock):
    emulator.file_polls = 3
    call(make(), "embed_query", BIG)
    assert methods(emulator)["files.get"] == 4
    assert sum(clock.waits) == 1 + 2 + 4 + 8


def test_a_file_that_stays_in_processing_is_an_error_after_minutes(make, emulator, call, clock):
    emulator.file_polls = 10_000
    with pytest.raises(ServiceError, match="has not processed a medium"):
        call(make(), "embed_query", BIG)
    assert 600 <= sum(clock.waits) < 620
    assert emulator.files == []


def test_the_deadline_ends_the_wait_for_processing(make, emulator, call, clock):
    emulator.file_polls = 10_000
    with pytest.raises(ServiceError, match="deadline"):
        call(make(deadline=30), "embed_query", BIG)
    assert sum(clock.waits) == pytest.approx(30)


def test_a_file_that_cannot_be_processed_fails_alone(make, emulator, call):
    emulator.file_polls = 1
    emulator.answer_next("failed-file", method="files.upload", times=2)
    with pytest.raises(PartialEmbeddingError) as raised:
        call(make(max_concurrency=1), "embed_documents", ["a", ["caption", BIG], OTHER, "b"])
    assert list(raised.value.failures) == [1]
    assert "The file could not be processed." in str(raised.value.failures[1])
    assert [vector is None for vector in raised.value.vectors] == [False, True, False, False]
    assert methods(emulator)["files.create"] == 2
    assert emulator.files == []


def test_a_file_of_an_interrupted_call_is_used_and_deleted(make, emulator, client, call):
    stored(client, BIG, NAME)
    emulator.file_polls = 0
    call(make(), "embed_query", BIG)
    assert methods(emulator)["files.upload"] == 2  # before
    assert media(emulator)[0].sha256 == DIGEST
    assert emulator.files == []


def test_a_file_of_that_name_with_other_bytes_is_replaced(make, emulator, client, call):
    stored(client, OTHER, NAME)
    call(make(), "embed_query", BIG)
    assert media(emulator)[0].sha256 == DIGEST
    assert emulator.files == []


@pytest.mark.parametrize("wrong", ["lost", "cut"])
def test_a_lost_answer_to_the_last_piece_costs_no_second_upload(make, emulator, call, wrong):
    emulator.answer_next("unusual", method="files.upload")
    emulator.answer_next(wrong, method="files.upload")
    call(make(), "embed_query", BIG)
    assert methods(emulator)["files.upload"] == 2
    assert media(emulator)[0].sha256 == DIGEST
    assert emulator.files == []


def test_an_upload_that_another_process_has_overtaken_is_not_lost(clock, call):
    def overtake(request):
        if request.method == "files.upload" and not done:
            done.append(request)
            options = {"base_url": server.base_url}
            stored(genai.Client(api_key=server.api_key, http_options=options), BIG, NAME)

    done = []
    with GeminiEmulator(on_request=overtake) as server:
        reached = {"api_key": server.api_key, "base_url": server.base_url}
        with GeminiEmbeddings(**reached, clock=clock, output_dimensionality=128) as embeddings:
            assert len(call(embeddings, "embed_query", BIG)) == 128
        assert media(server)[0].sha256 == DIGEST
        assert done


@pytest.mark.parametrize("method", ["files.create", "files.get"])
@pytest.mark.parametrize("status", [429, 503])
def test_uploads_are_retried_like_requests(make, emulator, call, method, status):
    emulator.file_polls = 1
    emulator.fail_next(status=status, method=method, times=3)
    call(make(), "embed_query", BIG)
    assert emulator.request_counts[status] == 3
    assert methods(emulator)["batchEmbedContents"] == 1


@pytest.mark.slow  # the SDK waits a second before it sends a piece again
def test_a_piece_that_fails_is_sent_again(make, emulator, call):
    emulator.fail_next(status=503, method="files.upload")
    call(make(), "embed_query", BIG)
    assert media(emulator)[0].sha256 == DIGEST


def test_a_full_project_fails_only_what_must_be_uploaded(make, emulator, call, clock):
    body = {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota. * Quota exceeded for metric: "
            "generativelanguage.googleapis.com/file_storage_bytes, limit: 21474836480",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": "9223372036854775807s",
                }
            ],
        }
    }
    emulator.fail_next(status=429, method="files.create", body=json.dumps(body))
    with pytest.raises(PartialEmbeddingError, match="20 GB") as raised:
        call(make(), "embed_documents", ["a", BIG])
    assert isinstance(raised.value.failures[1], RequestRejectedError)
    assert raised.value.vectors[0] is not None
    assert clock.waits == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_has_expired_is_uploaded_again_once(make, call, times):
    seconds = [0.0]

    def expire(request):
        if request.method == "files.upload" and request.resource and len(seconds) <= times:
            seconds.append(200_000.0)

    with GeminiEmulator(clock=lambda: sum(seconds), on_request=expire) as emulator:
        if times == 1:
            call(make(emulator), "embed_query", BIG)
        else:
            with pytest.raises(RequestRejectedError, match="permission to access the File"):
                call(make(emulator), "embed_query", BIG)
        assert methods(emulator)["files.create"] == 2
        assert emulator.files == []


def test_a_refusal_that_is_not_about_the_file_uploads_nothing_again(make, emulator, call):
    emulator.fail_next(status=403, method="batchEmbedContents")
    with pytest.raises(RequestRejectedError) as raised:
        call(make(), "embed_query", BIG)
    assert raised.value.refuses_all
    assert methods(emulator)["files.create"] == 1
    assert emulator.files == []


def test_files_of_the_user_are_used_and_not_deleted(make, emulator, client, call):
    file = stored(client, BIG, "mine")
    block = {"type": "image", "url": file.uri, "mime_type": "image/png"}
    call(make(), "embed_query", block)
    assert media(emulator)[0].sha256 == DIGEST
    assert [each.sha256 for each in emulator.files] == [DIGEST]


def test_a_client_of_the_user_uploads_too(emulator, client):
    async def main():
        async with client.aio:
            return await embeddings.aembed_query(BIG)

    embeddings = GeminiEmbeddings(client=client, output_dimensionality=128)
    assert embeddings.embed_query(BIG) == asyncio.run(main())
    assert methods(emulator)["files.create"] == 2
    assert emulator.files == []


def test_a_deletion_that_fails_is_a_warning(make, emulator, call):
    emulator.fail_next(status=500, method="files.delete")
    with pytest.warns(UserWarning, match=f"files/{NAME} could not be deleted"):
        assert len(call(make(), "embed_query", BIG)) == 128


def test_files_in_the_cache_are_not_uploaded(make, emulator, call):
    embeddings = make(cache=InMemoryByteStore())
    first = call(embeddings, "embed_query", BIG)
    emulator.clear()
    assert call(embeddings, "embed_query", BIG) == pytest.approx(first)
    assert emulator.requests == []


def test_a_stream_uploads_and_deletes(make, emulator):
    assert len(list(make().stream_documents(iter(["a", BIG, "b"])))) == 3
    assert methods(emulator)["files.create"] == 1
    assert emulator.files == []


def test_a_cancelled_call_leaves_its_file_to_the_next_one(make, emulator):
    async def main():
        embeddings = make()
        emulator.answer_next("hang", method="batchEmbedContents")
        task = asyncio.create_task(embeddings.aembed_query(BIG))
        await asyncio.to_thread(emulator.wait_for_requests, 4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(emulator.files) == 1
        await embeddings.aembed_query(BIG)
        await embeddings.aclose()

    asyncio.run(main())
    assert methods(emulator)["files.upload"] == 2
    assert emulator.files == []


def test_an_interrupted_call_sends_no_further_pieces(make, emulator):
    def contents():
        yield BIG
        emulator.wait_for_requests(1)
        raise KeyboardInterrupt

    emulator.latency = 0.2
    with pytest.raises(KeyboardInterrupt):
        list(make(batch_size=1).stream_documents(contents()))
    assert methods(emulator) == {"files.create": 1}
    assert len(make().embed_query(BIG)) == 128
    assert emulator.files == []


@pytest.mark.parametrize("blocking", [True, False])
def test_a_session_uploads_each_file_once_and_fails_one_alone(make, emulator, blocking):
    async def embed(embeddings):
        async with open_session(embeddings, "ingest", blocking=blocking) as session:
            pending = session.start(["a", ["x", BIG], ["y", BIG], OTHER], None)
            while not pending.done():
                await session.wait_any([pending])
            return pending.result()

    emulator.file_polls = 1
    emulator.answer_next("failed-file", method="files.upload", times=2)
    vectors = run(embed(make())) if blocking else asyncio.run(embed(make()))
    assert [isinstance(each, RequestRejectedError) for each in vectors] == [
        False,
        True,
        True,
        False,
    ]
    assert methods(emulator)["files.create"] == 2
    assert emulator.files == []


def test_a_file_that_changes_while_it_is_sent_is_not_stored(make, call, tmp_path):
    path = tmp_path / "car.png"

    def change(request):
        if request.method == "files.create":
            with path.open("r+b") as file:
                file.seek(-5, 2)
                file.write(b"X")

    with GeminiEmulator(on_request=change) as emulator:
        path.write_bytes(DATA)
        with pytest.raises(PartialEmbeddingError, match="changed while it was uploaded") as raised:
            call(make(emulator), "embed_documents", ["a", Blob.from_path(path)])
        assert list(raised.value.failures) == [1]
        assert emulator.files == []


def test_a_file_above_2_gb_is_refused_before_anything_is_sent(make, emulator, call, tmp_path):
    path = tmp_path / "long.mp4"
    with path.open("wb") as file:
        file.write(sample_media.mp4("a", seconds=1))
        file.truncate(2 * 1024**3 + 1)
    with pytest.raises(InvalidInputError, match="2,147,483,648"):
        call(make(), "embed_documents", ["a", Blob.from_path(path)])
    assert emulator.requests == []


def test_vertex_ai_has_no_files_and_says_what_to_do(make, emulator, call):
    embeddings = make(vertexai=True)
    with pytest.raises(InvalidInputError, match=r"index 1: .* Cloud Storage.*gs://"):
        call(embeddings, "embed_documents", ["a", BIG])
    assert emulator.requests == []


@pytest.mark.parametrize("body", ["<html>nothing here</html>", "{}"])
def test_a_gateway_without_the_files_api_is_named(make, emulator, call, clock, body):
    if body == "{}":
        emulator.answer_next(body=body, method="files.create")
    else:
        emulator.fail_next(status=404, method="files.create", body=body)
    with pytest.raises(PartialEmbeddingError, match="base_url does not serve") as raised:
        call(make(), "embed_documents", ["a", BIG])
    assert list(raised.value.failures) == [1]
    assert clock.waits == []


class Relay(BaseHTTPRequestHandler):
    """A gateway that passes on the address at which Google takes the pieces."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.paths.append(self.path)
        headers = {name: value for name, value in self.headers.items() if name != "Host"}
        request = urllib.request.Request(self.server.target + self.path, body, headers)  # noqa: S310
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                    address = "https://generativelanguage.googleapis.com"
                    self.send_header(name, value.replace(self.server.target, address))
            body = answer.read()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_DELETE = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


def test_pieces_stay_behind_the_gateway_of_base_url(make, emulator, call):
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Relay)) as relay:
        relay.target, relay.paths = emulator.base_url, []
        embeddings = make(base_url=f"http://127.0.0.1:{relay.server_address[1]}")
        assert len(call(embeddings, "embed_query", BIG)) == 128
        embeddings.close()
    assert methods(emulator)["files.upload"] == 2
    assert len(relay.paths) == len(emulator.requests)


MEMORY = """
import sys, tracemalloc
from langchain_core.documents.base import Blob
from langchain_gemini_qdrant import GeminiEmbeddings

embeddings = GeminiEmbeddings(api_key=sys.argv[1], base_url=sys.argv[2], output_dimensionality=128)
embeddings.embed_query("a")
tracemalloc.start()
embeddings.embed_query(Blob.from_path(sys.argv[3]))
print(tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.slow
def test_a_file_is_uploaded_in_pieces_and_not_held_in_memory(emulator, tmp_path):
    path = tmp_path / "long.mp4"
    path.write_bytes(sample_media.mp4("a", seconds=1, padding=200_000_000))
    arguments = [emulator.api_key, emulator.base_url, str(path)]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, check=True
    )
    # 17 MB with google-genai 3; 2.0 leaves pieces of 8 MB to the garbage collector.
    assert int(done.stdout) < 150_000_000
    assert methods(emulator)["files.upload"] == 24
