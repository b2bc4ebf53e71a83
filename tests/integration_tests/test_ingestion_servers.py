"""Long runs wait for a server that restarts, and end at what every document would meet."""

from __future__ import annotations

import pickle

import grpc
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiEmbeddings,
    IngestError,
    create_vector_store,
    migrate,
    reembed,
)
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.testing import GeminiEmulator
from tests.integration_tests.ingesting import passages, stored, texts

A_MINUTE = 15  # failed attempts; at least 57 s of waiting, and 110 s at most


@pytest.fixture(scope="module")
def _running_emulator():
    """One whose vectors cost no time, and mean nothing."""
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        yield emulator


@pytest.fixture
def embeddings(emulator, clock):
    return GeminiEmbeddings(
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        output_dimensionality=128,
        clock=clock,
    )


@pytest.fixture(params=[False, True], ids=["rest", "grpc"])
def options(request, qdrant_server, clock):
    """Options of a store on a server over REST or gRPC, whose waits are counted."""
    return {
        "url": qdrant_server.url,
        "grpc_port": qdrant_server.grpc_port,
        "prefer_grpc": request.param,
        "clock": clock,
    }


@pytest.fixture
def remote(options, embeddings):
    with create_vector_store(embeddings, "c", **options) as store:
        yield store


def fails(run, store, documents, **options):
    """Run, and return the error that must come."""
    with pytest.raises(IngestError) as caught:
        run(store, documents, **options)
    return caught.value


def writes(options, name="c"):
    """Return what the paths of upserts have."""
    return "Points/Upsert" if options["prefer_grpc"] else f"PUT /collections/{name}/points"


def reads(options):
    """Return what the paths of look-ups have."""
    return "Points/Get" if options["prefer_grpc"] else "POST /collections/c/points"


# Is it still the collection that was opened?


def recreate(client, size=128, metadata=None):
    client.delete_collection("c")
    params = models.VectorParams(size=size, distance=models.Distance.COSINE)
    client.create_collection("c", {"": params}, metadata=metadata)


def test_a_collection_recreated_with_another_size_is_refused_before_anything_is_paid(
    client, embeddings, emulator, run
):
    store = create_vector_store(embeddings, "c", client=client)
    recreate(client, size=256)
    documents = iter(passages(1_000))
    with pytest.raises(CollectionMismatchError, match="256"):
        run(store, documents)
    assert emulator.requests == []
    assert len(list(documents)) == 1_000


def test_an_embedding_that_does_not_tell_its_size_is_compared_with_the_opened_one(client, run):
    store = create_vector_store(DeterministicFakeEmbedding(size=128), "c", client=client)
    recreate(client, size=256)
    with pytest.raises(CollectionMismatchError, match="128 when it was opened .* 256 now"):
        run(store, passages(3))


def test_an_alias_switched_to_another_model_is_refused_before_anything_is_paid(
    client, embeddings, emulator, run
):
    create_vector_store(embeddings, "one", client=client)
    other = embeddings.model_copy(update={"model": "gemini-embedding-001"})
    create_vector_store(other, "two", client=client)
    set_alias(client, "one")
    store = create_vector_store(embeddings, "live", client=client)
    set_alias(client, "two")
    with pytest.raises(CollectionMismatchError, match="gemini-embedding-001"):
        run(store, passages(3))
    assert emulator.requests == []


def set_alias(client, collection_name):
    create = models.CreateAlias(collection_name=collection_name, alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


def test_a_collection_recreated_empty_learns_its_embedding_again(client, embeddings, run):
    store = create_vector_store(embeddings, "c", client=client)
    recreate(client)
    run(store, passages(3))
    assert "128" in str(client.get_collection("c").config.metadata)


def test_a_collection_that_is_gone_ends_the_run_before_anything_is_paid(remote, run, emulator):
    remote.client.delete_collection("c")
    error = fails(run, remote, passages(3))
    assert "c" in error.report.stopped
    assert emulator.requests == []


# A server that is away


def test_a_restart_of_a_minute_is_lived_through_and_nothing_is_paid_twice(
    remote, run, qdrant_server, options, emulator, clock
):
    qdrant_server.fail_next(A_MINUTE, path=writes(options))
    waited = []
    report = run(remote, passages(2_000), on_progress=lambda p: waited.append(p.waiting))
    assert sum(clock.waits) > 55
    told = {
        str(each).partition(" s for ")[2].partition(",")[0] for each in waited if each is not None
    }
    assert told == {"a retry"}
    assert (report.added, len(emulator.texts)) == (2_000, 2_000)
    assert stored(remote) == texts(passages(2_000))


def test_a_callback_that_fails_during_a_wait_loses_nothing_that_waits(
    remote, run, qdrant_server, options
):
    def fail(progress):
        if progress.waiting is not None:
            raise ValueError("no terminal")

    qdrant_server.fail_next(A_MINUTE, path=writes(options))
    with pytest.raises(ValueError, match="no terminal"):
        run(remote, passages(100), on_progress=fail)
    assert stored(remote) == texts(passages(100))


def test_migrations_and_reembedding_live_through_a_restart_of_a_minute(
    tmp_path, remote, qdrant_server, clock, options, embeddings
):
    remote.add_documents(passages(50))
    pages = "/Scroll" if options["prefer_grpc"] else "/points/scroll"
    qdrant_server.fail_next(A_MINUTE, path=pages)
    target = EdgeClient(tmp_path)
    assert migrate(remote.client, target, "c", clock=clock).added == 50
    qdrant_server.fail_next(A_MINUTE, path=writes(options, "new"))
    smaller = embeddings.model_copy(update={"output_dimensionality": 256})
    assert reembed(remote, smaller, collection_name="new").ingest.added == 50
    target.close()


def test_more_than_a_batch_is_added_through_a_restart_of_a_minute(
    remote, qdrant_server, options, emulator
):
    qdrant_server.fail_next(A_MINUTE, path=writes(options))
    remote.add_documents(passages(150))
    assert (remote.count(), len(emulator.texts)) == (150, 150)


def test_a_run_that_is_interrupted_does_not_wait_for_a_minute(remote, run, qdrant_server, clock):
    def stop(progress):
        if progress.embedded:
            qdrant_server.fail_next(10_000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(remote, passages(2_000), on_progress=stop)
    assert sum(clock.waits) < 4


def test_a_search_does_not_wait_for_a_minute(remote, qdrant_server, clock):
    qdrant_server.fail_next(A_MINUTE)
    with pytest.raises(Exception, match=r".*"):
        remote.similarity_search("x")
    assert sum(clock.waits) < 4


# What every other document would meet, too


FATAL = [
    (500, "Service internal error: No space left on device: WAL buffer size exceeds"),
    (507, "Insufficient storage: No space left on device"),
    (400, "Wrong input: Vector dimension error: expected dim: 256, got 128"),
    (401, "Invalid API key or JWT"),
    (403, "Forbidden: Write access to this collection is required"),
    (404, "Not found: Collection `c` doesn't exist!"),
]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(*each, id=str(each[0]), marks=() if each in FATAL[:2] else pytest.mark.slow)
        for each in FATAL
    ],
)
def test_what_all_writes_meet_ends_the_run_before_a_thousand_documents_are_paid_for(
    remote, run, qdrant_server, emulator, options, status, message
):
    qdrant_server.fail_next(
        10_000, kind="status", status=status, message=message, path=writes(options)
    )
    error = fails(run, remote, iter(passages(10_000)))
    assert message[:20] in error.report.stopped
    assert error.__cause__ is error.report.causes[next(iter(error.report.failed.values()))]
    assert error.report.added == 0
    assert len(emulator.texts) < 1_000
    assert len(qdrant_server.requests) < 20


def test_a_server_in_trouble_ends_the_run_after_ten_documents(
    remote, run, qdrant_server, emulator, options
):
    qdrant_server.fail_next(
        100_000,
        kind="status",
        status=500,
        message="Service internal error: panic",
        path=writes(options),
    )
    error = fails(run, remote, iter(passages(10_000)))
    assert "panic" in error.report.stopped
    assert len(emulator.texts) < 1_000
    assert len(qdrant_server.requests) < 120


def test_each_reason_has_its_exception_and_a_pickled_report_does_without(
    remote, run, qdrant_server, options
):
    message = "Wrong input: no such vector"
    run(remote, passages(1))
    qdrant_server.clear()
    documents = [*passages(4), Document("word " * 9000, id="too long"), Document(" ", id="blank")]
    qdrant_server.fail_next(10, kind="status", status=400, message=message, path=writes(options))
    error = fails(run, remote, documents)
    causes, failed = error.report.causes, error.report.failed
    assert len(failed) == 5
    assert len(causes) == 2
    assert failed["blank"] not in causes
    assert "8192" in str(causes[failed["too long"]])
    assert message in str(causes[next(why for why in failed.values() if message in why)])
    assert error.__cause__ in causes.values()
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert copy.report == error.report
    assert copy.report.causes == {}


# Requests that are too large for a server's limits

SPLIT = "Read rate limit exceeded, request larger than rate limiter capacity, please try to split"


def test_look_ups_are_halved_where_the_rate_of_reads_is_limited(
    remote, run, qdrant_server, options, emulator, clock
):
    run(remote, passages(200))
    emulator.clear()
    qdrant_server.fail_next(3, kind="status", status=429, message=SPLIT, path=reads(options))
    assert run(remote, passages(200)).skipped == 200
    assert (emulator.texts, clock.waits) == ([], [])


LIMIT = 'Bad request: Limit exceeded 100 > 20 for "upsert limit". Help: Reduce it to or below 20.'


def test_points_are_stored_fewer_at_a_time_where_a_server_says_so(remote, qdrant_server, options):
    qdrant_server.fail_next(3, kind="status", status=400, message=LIMIT, path=writes(options))
    remote.add_documents(passages(60))
    assert remote.count() == 60


SOURCES = "Bad request: Condition size limit reached (3 > 2). Help: ..."


def test_sources_are_cleaned_up_fewer_at_a_time_where_a_server_says_so(
    remote, run, qdrant_server, options
):
    def of_sources(text):
        return [Document(f"{text} {each}", metadata={"source": each}) for each in "abc"]

    run(remote, of_sources("old"), cleanup="source")
    path = "/Scroll" if options["prefer_grpc"] else "/points/scroll"
    qdrant_server.fail_next(kind="status", status=400, message=SOURCES, path=path)
    assert run(remote, of_sources("new"), cleanup="source").deleted == 3


def test_a_server_that_stays_away_is_waited_for_once(remote, run, qdrant_server, clock):
    def go_away(progress):
        if progress.embedded:
            qdrant_server.fail_next(10_000)

    error = fails(run, remote, passages(3_000), on_progress=go_away)
    assert "no answer from Qdrant" in error.report.stopped
    assert 60 < sum(clock.waits) < 135


def test_a_migration_to_a_wrong_address_is_told_within_seconds(tmp_path, clock, options):
    source = EdgeClient(tmp_path)
    source.create_collection("c", models.VectorParams(size=2, distance="Dot"))
    nobody = {"url": "http://127.0.0.1:9", "grpc_port": 9, "prefer_grpc": options["prefer_grpc"]}
    with pytest.raises((ResponseHandlingException, grpc.RpcError)):
        migrate(source, QdrantClient(**nobody, check_compatibility=False), "c", clock=clock)
    assert sum(clock.waits) < 4
    source.close()


def test_a_migration_keeps_to_a_server_s_limits(qdrant_server, options, remote):
    source = QdrantClient(":memory:")
    recreate(source)
    source.upsert("c", [models.PointStruct(id=i, vector={"": [1.0] * 128}) for i in range(90)])
    target = remote.client
    target.delete_collection("c")
    qdrant_server.fail_next(3, kind="status", status=400, message=LIMIT, path=writes(options))
    assert migrate(source, target, "c").added == 90
    source.close()
