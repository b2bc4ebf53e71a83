"""What goes wrong on the way into a collection, with one document or with all of them."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiEmbeddings,
    IngestError,
    aingest,
    create_vector_store,
    ingest,
)
from langchain_gemini_qdrant.edge._storage import _shard as _collection
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    DailyQuotaError,
    InvalidInputError,
    RequestRejectedError,
    ServiceError,
    StorageError,
    TextTooLongError,
)
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.ingesting import passages, stored, texts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def _running_emulator():
    """One whose vectors cost no time, and mean nothing."""
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        yield emulator


@pytest.fixture
def embeddings(emulator, clock):
    """Embeddings whose waits are counted."""
    return make_embeddings(emulator, clock)


def make_embeddings(emulator, clock):
    return GeminiEmbeddings(
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        output_dimensionality=128,
        clock=clock,
    )


@pytest.fixture
def client(tmp_path):
    client = EdgeClient(tmp_path / "index")
    yield client
    client.close()


@pytest.fixture
def store(client, embeddings, clock):
    """A store whose waits are counted."""
    return create_vector_store(embeddings, "c", client=client, clock=clock)


def with_options(store, **options):
    """Return a store over the same collection, whose embeddings have other options."""
    embeddings = store.embeddings.model_copy(update=options)
    return create_vector_store(embeddings, "c", client=store.client, clock=store.clock)


def fails(run, store, documents, **options):
    """Run, and return the error that must come."""
    with pytest.raises(IngestError) as caught:
        run(store, documents, **options)
    return caught.value


# One document, and the others do not mind


def test_texts_that_cannot_be_embedded_fail_alone(store, run, emulator):
    documents = [
        *passages(60),
        Document(" \n", id="blank"),
        Document("word " * 9000, id="too long"),
        Document("half a pair \ud800", id="no text"),
        *passages(60, first=60),
    ]
    error = fails(run, store, documents)
    report = error.report
    assert stored(store) == texts(passages(120))
    assert (report.added, report.complete, report.stopped) == (120, False, None)
    assert report.failed["blank"] == "the text is blank"
    assert "reads at most 8192 tokens of a text and would cut off" in report.failed["too long"]
    assert "cannot be stored" in report.failed["no text"]
    assert isinstance(error.__cause__, TextTooLongError)
    assert report.causes == {report.failed["too long"]: error.__cause__}
    assert len(emulator.texts) == 120


def test_error_says_what_is_stored_what_is_not_and_what_to_do(store, run):
    run(store, passages(2))
    error = fails(run, store, [*passages(5), Document(" ", id="a"), Document("", id="b")])
    assert str(error) == (
        "3 documents stored, 2 already stored or repeated, but not all: 2 documents failed, the "
        "first is 'a': the text is blank; `report.failed` has all"
    )


@pytest.mark.parametrize(("status", "helps"), [(400, False), (500, True)])
def test_error_advises_to_run_again_only_where_that_may_help(store, run, emulator, status, helps):
    emulator.fail_next(status=status, times=None, containing="passage 1.")
    error = fails(run, store, passages(2))
    assert str(error).startswith(f"{2 - len(error.report.failed)} document")
    assert str(error).endswith("Run it again to resume") is helps


def test_on_error_report_returns_what_would_be_raised(store, run):
    report = run(store, [*passages(5), Document(" ", id="a")], on_error="report")
    assert (report.added, report.failed) == (5, {"a": "the text is blank"})
    assert not report.complete


def test_a_text_that_the_api_refuses_costs_the_other_99_nothing(store, run, emulator):
    emulator.fail_next(status=400, times=None, containing="passage 50.", message="no such text")
    report = fails(run, store, passages(100)).report
    [(failed, reason)] = report.failed.items()
    assert report.added == 99
    assert "no such text" in reason
    assert stored(store) == texts(each for each in passages(100) if "50." not in each.page_content)
    # halves, of which one is good at each step
    assert emulator.request_counts[400] <= 1 + 7
    emulator.clear()
    assert (run(store, passages(100)).added, len(emulator.texts)) == (1, 1)
    assert store.get_by_ids([failed])[0].page_content == "passage 50."


def test_a_text_that_is_too_large_and_one_that_is_refused_fail_alone(store, run, emulator):
    message = "Request payload size exceeds the limit: 36000 bytes."
    emulator.fail_next(status=400, message=message, times=None, containing="passage 15.")
    emulator.fail_next(status=400, message="no", times=None, containing="passage 77.")
    report = fails(run, store, passages(100)).report
    assert report.added == store.count() == len(emulator.texts) == 98
    too_large, refused = sorted(report.failed.values(), key=len, reverse=True)
    assert "exceeds the limit" in too_large
    assert "exceeds the limit" not in refused


def test_many_refused_texts_fail_alone(store, run, emulator):
    emulator.fail_next(status=400, times=None, containing="7.")
    report = fails(run, store, passages(200)).report
    assert (report.added, len(report.failed), report.stopped) == (180, 20, None)


@pytest.mark.parametrize("batch_size", [1, 100])
def test_one_at_a_time_a_refused_text_holds_nobody_up(store, run, emulator, batch_size):
    emulator.fail_next(status=400, times=None, containing="passage 1")
    alone = with_options(store, max_concurrency=1, batch_size=batch_size)
    report = fails(run, alone, passages(20)).report
    assert (report.added, len(report.failed), report.stopped) == (9, 11, None)


def test_a_request_that_fails_to_the_end_of_its_retries_leaves_the_others(store, run, emulator):
    emulator.fail_next(status=503, times=None, containing="passage 150.")
    report = fails(run, store, passages(300)).report
    assert (report.added, len(report.failed), report.stopped) == (200, 100, None)
    assert all("503" in reason for reason in report.failed.values())
    emulator.clear()
    assert run(store, passages(300)).added == 100
    assert len(emulator.texts) == 100


def test_passing_failures_are_lived_through(store, run, emulator):
    emulator.misbehave(0.3, seed=1)
    report = run(with_options(store, batch_size=10, max_retries=20), passages(300))
    assert report.added == 300
    assert stored(store) == texts(passages(300))
    assert report.texts == 300


def test_a_failed_document_does_not_undo_the_one_before_of_the_same_id(store, run):
    report = fails(run, store, [Document("good", id="a"), Document(" ", id="a")]).report
    assert (report.added, report.failed) == (1, {"a": "the text is blank"})
    assert stored(store) == ["good"]


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ([math.nan] * 8, "finite 32-bit numbers"),
        ([0.5] * 7, "stores vectors of size 8, this one has 7"),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 100])
def test_a_point_that_qdrant_cannot_have_fails_alone(client, run, vector, reason, batch_size):
    class Wrong(DeterministicFakeEmbedding):
        def embed_documents(self, texts):
            vectors = super().embed_documents(texts)
            return [vector if t == "bad" else v for t, v in zip(texts, vectors, strict=True)]

    store = create_vector_store(Wrong(size=8), "c", client=client)
    documents = [*passages(70), Document("bad", id="bad"), *passages(70, first=70)]
    report = fails(run, store, documents, batch_size=batch_size).report
    assert list(report.failed) == ["bad"]
    assert reason in report.failed["bad"]
    assert (report.added, report.stopped) == (140, None)
    assert stored(store) == texts(passages(140))


def test_a_vector_of_another_size_ends_the_run(client, run):
    create_vector_store(DeterministicFakeEmbedding(size=8), "c", client=client)
    store = create_vector_store(DeterministicFakeEmbedding(size=4), "c", client=client)
    documents = iter(passages(10_000))
    error = fails(run, store, documents)
    assert isinstance(error.__cause__, CollectionMismatchError)
    assert store.count() == 0
    assert len(list(documents)) > 8_000


# All of them


@pytest.mark.slow
def test_an_outage_ends_the_run_soon_and_the_next_run_goes_on(store, run, emulator):
    run(store, passages(100))
    emulator.clear()
    emulator.fail_next(status=503, times=None)
    small = with_options(store, max_concurrency=2, max_retries=2)
    documents = iter(passages(100_000))
    error = fails(run, small, documents)
    assert isinstance(error.__cause__, ServiceError)
    assert "503" in error.report.stopped
    assert "the run ended early" in str(error)
    assert error.report.added == 0
    assert len(emulator.requests) <= 3 * 10  # of 1,000; how many are under way is up to the threads
    left = len(list(documents))
    assert left >= 100_000 - 100 * 10
    # All that was read is accounted for.
    assert error.report.skipped + len(error.report.failed) == 100_000 - left
    emulator.clear()
    assert run(store, passages(300)).added == 200


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_every_request_would_meet_ends_the_run_at_once(store, run, emulator, status):
    emulator.fail_next(status=status, times=None)
    documents = iter(passages(10_000))
    error = fails(run, store, documents)
    assert isinstance(error.__cause__, RequestRejectedError)
    assert len(emulator.requests) <= 8
    assert len(list(documents)) >= 10_000 - 2_300


def test_refusals_of_all_texts_end_the_run_after_few_requests(store, run, emulator):
    """Such as from a country where the API is not on offer: 400, whatever is asked."""
    emulator.fail_next(status=400, times=None, message="User location is not supported")
    error = fails(run, store, passages(5_000))
    assert isinstance(error.__cause__, RequestRejectedError)
    assert "location" in error.report.stopped
    assert len(emulator.requests) < 200


def test_the_quota_of_a_day_ends_the_run_and_the_next_day_goes_on(run, clock, client):
    limits = {"requests_per_day": 500, "stand_in_vectors": True}
    with GeminiEmulator(clock=clock.now, **limits) as emulator:
        embeddings = make_embeddings(emulator, clock)
        store = create_vector_store(embeddings, "c", client=client)
        error = fails(run, store, iter(passages(1_200)))
        assert isinstance(error.__cause__, DailyQuotaError)
        assert error.report.added == store.count() == 500
        assert fails(run, store, iter(passages(1_200))).report.added == 0
        clock.sleep(24 * 3600, threading.Event())
        assert fails(run, store, iter(passages(1_200))).report.added == 500
        clock.sleep(24 * 3600, threading.Event())
        assert run(store, iter(passages(1_200))).added == 200
        assert stored(store) == texts(passages(1_200))
        assert emulator.text_counts[200] == 1_200
        embeddings.close()


# The server goes away


@pytest.fixture(params=[False, True], ids=["rest", "grpc"])
def remote(request, qdrant_server, embeddings, clock):
    """A store on a server over REST or gRPC, whose waits are counted."""
    store = create_vector_store(
        embeddings,
        "c",
        url=qdrant_server.url,
        grpc_port=qdrant_server.grpc_port,
        prefer_grpc=request.param,
        clock=clock,
    )
    yield store
    store.close()


def test_a_connection_lost_for_a_moment_is_lived_through(remote, run, qdrant_server, emulator):
    for after_effect in (False, True):
        qdrant_server.fail_next(2, after_effect=after_effect)
        documents = passages(150, first=150 * after_effect)
        report = run(remote, documents)
        assert report.added == 150
    assert stored(remote) == texts(passages(300))
    assert len(emulator.texts) == 300


def test_a_server_that_stays_away_ends_the_run_and_the_next_run_goes_on(remote, run, qdrant_server):
    run(remote, passages(100))
    qdrant_server.fail_next(1_000)
    documents = iter(passages(50_000))
    error = fails(run, remote, documents)
    assert error.report.stopped
    assert error.report.added == 0
    left = len(list(documents))
    assert left >= 50_000 - 2_000
    assert error.report.skipped + len(error.report.failed) == 50_000 - left
    qdrant_server.clear()
    assert run(remote, passages(300)).added == 200
    assert stored(remote) == texts(passages(300))


def test_writes_that_fail_for_good_end_the_run_soon(
    run, qdrant_server, embeddings, clock, emulator
):
    """Reading works, and each write is lost."""
    qdrant_server.fail_next(1_000, path="Points/Upsert")
    options = {"url": qdrant_server.url, "grpc_port": qdrant_server.grpc_port}
    with create_vector_store(embeddings, "c", **options, prefer_grpc=True, clock=clock) as store:
        error = fails(run, store, iter(passages(50_000)))
        assert error.report.added == 0
        # what was with Gemini when the first write failed
        assert len(emulator.texts) <= 2_000
        qdrant_server.clear()


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_all_is_not_asked_for_each_point(remote, run, qdrant_server, status):
    qdrant_server.fail_next(1_000, kind="status", status=status)
    error = fails(run, remote, passages(500))
    assert error.report.added == 0
    assert len(qdrant_server.requests) < 15


# What the caller does


def test_an_input_that_breaks_off_leaves_what_was_read_stored(store, run):
    boom = OSError("the disk is gone")

    def documents():
        yield from passages(130)
        raise boom

    error = fails(run, store, documents())
    assert error.__cause__ is boom
    assert error.report.stopped == "OSError"
    assert stored(store) == texts(passages(130))


async def test_an_asynchronous_input_that_breaks_off_leaves_what_was_read_stored(store):
    async def documents():
        for document in passages(130):
            yield document
        raise OSError

    with pytest.raises(IngestError) as caught:
        await aingest(store, documents())
    assert isinstance(caught.value.__cause__, OSError)
    assert stored(store) == texts(passages(130))
    await store.async_client.close()
    await store.embeddings.aclose()


def test_what_is_no_document_ends_the_run_after_those_before_it(store, run):
    error = fails(run, store, [*passages(130), "a text", *passages(10, first=500)])
    assert isinstance(error.__cause__, InvalidInputError)
    assert "documents must be Documents or Blobs, got str" in error.report.stopped
    assert stored(store) == texts(passages(130))


class OwnError(Exception):
    pass


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OwnError])
@pytest.mark.parametrize("when", [1, 3])
def test_what_on_progress_raises_comes_out_as_it_is_and_the_next_run_goes_on(
    store, run, kind, when
):
    calls = []

    def on_progress(progress):
        calls.append(progress)
        if len(calls) >= when:
            raise kind

    with pytest.raises(kind):
        run(store, passages(500), on_progress=on_progress)
    assert len(calls) == when
    run(store, passages(500))
    assert stored(store) == texts(passages(500))


def test_what_on_progress_raises_during_a_cleanup_comes_out_as_it_is(store, run):
    run(store, passages(30))

    def on_progress(progress):
        if progress.deleted:
            raise OwnError

    with pytest.raises(OwnError):
        run(store, passages(10), cleanup="source", on_progress=on_progress)
    assert store.count() == 10


INTERRUPTED = """
import sys
from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store, ingest
from tests.integration_tests.ingesting import passages
key, address = sys.argv[1:]
embeddings = GeminiEmbeddings(api_key=key, base_url=address, output_dimensionality=128)
store = create_vector_store(embeddings, "c", location=":memory:")
try:
    ingest(store, passages(1000))
except KeyboardInterrupt:
    print("interrupted", store.count())
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_does_not_wait_for_retries(emulator):
    """The requests are told to come back in an hour; the test's own timeout is minutes."""
    emulator.fail_next(status=429, retry_after=3600, times=None)
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", INTERRUPTED, emulator.api_key, emulator.base_url],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
    ) as child:
        try:
            emulator.wait_for_requests(1, timeout=200)  # the limiter may hold back the others
            child.send_signal(signal.SIGINT)
            out, _ = child.communicate(timeout=200)
        finally:
            child.kill()
    assert out == "interrupted 0\n"
    assert child.returncode == 0


async def test_cancelling_ends_what_is_under_way(emulator, embeddings):
    emulator.answer_next("hang", times=None)
    store = create_vector_store(embeddings, "c", location=":memory:")
    before = asyncio.all_tasks()
    task = asyncio.create_task(aingest(store, passages(2000)))
    await asyncio.get_running_loop().run_in_executor(None, emulator.wait_for_requests, 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() <= before
    emulator.clear()
    assert (await aingest(store, passages(10))).added == 10
    await embeddings.aclose()
    await store.aclose()


# Embeddings of others


class Failing(DeterministicFakeEmbedding):
    wrong: str

    def embed_documents(self, texts):
        if self.wrong == "always" or any(self.wrong in text for text in texts):
            raise RuntimeError("the model is gone")
        return super().embed_documents(texts)


def others(client, wrong):
    vectors = models.VectorParams(size=8, distance=models.Distance.COSINE)
    client.create_collection("c", vectors_config=vectors)
    return create_vector_store(Failing(size=8, wrong=wrong), "c", client=client)


def test_other_embeddings_fail_by_the_batch(client, run):
    report = fails(run, others(client, "passage 15."), passages(60), batch_size=10).report
    assert (report.added, len(report.failed), report.stopped) == (50, 10, None)
    assert set(report.failed.values()) == {"RuntimeError"}


def test_other_embeddings_that_always_fail_end_the_run_soon(client, run):
    documents = iter(passages(10_000))
    error = fails(run, others(client, "always"), documents)
    assert isinstance(error.__cause__, RuntimeError)
    assert len(list(documents)) >= 9_000


def test_too_few_vectors_store_nothing_of_their_batch(client, run):
    class Short(DeterministicFakeEmbedding):
        def embed_documents(self, texts):
            return super().embed_documents(texts)[len(texts) == 10 :]

    store = create_vector_store(Short(size=8), "c", client=client)
    report = fails(run, store, passages(25), batch_size=10).report
    assert (report.added, len(report.failed)) == (5, 20)
    assert "one vector for each text, got 9 for 10" in next(iter(report.failed.values()))


# The disk


def test_a_folder_that_cannot_be_written_ends_the_run(tmp_path, embeddings, run, monkeypatch):
    with create_vector_store(embeddings, "c", path=tmp_path) as store:
        with monkeypatch.context() as changed:
            changed.setattr(_collection, "_SPARE_DISK_BYTES", 2**62)  # more than any disk has
            error = fails(run, store, iter(passages(10_000)))
        assert isinstance(error.__cause__, StorageError)
        assert "Not enough free disk" in error.report.stopped
        assert error.report.added == 0
        assert run(store, passages(50)).added == 50


def test_ingest_alone_needs_no_event_loop_of_its_own(embeddings):
    """A notebook's loop runs already."""

    async def inside():
        with create_vector_store(embeddings, "c", location=":memory:") as store:
            return ingest(store, passages(3))

    assert asyncio.run(inside()).added == 3
