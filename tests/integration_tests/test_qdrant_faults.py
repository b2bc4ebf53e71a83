"""What a Qdrant server, or a proxy before it, may answer: repeated, told, or the end of a run."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import grpc
import pytest
from langchain_core.documents import Document
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

import langchain_gemini_qdrant
from langchain_gemini_qdrant import vectorstores
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.vectorstores._qdrant_errors import (
    asks_to_split,
    is_forbidden,
    reason,
    refuses_all,
)
from tests.integration_tests.qdrant_server import QdrantServer

REST, GRPC = pytest.param(False, id="rest"), pytest.param(True, id="grpc")
PAGE = b"<html><body>Please log in</body></html>"
# What passes, as Qdrant and proxies send it, and over which transports.
PASSING = {
    "408": {"status": 408, "message": "Timeout: Operation 'Search' timed out after 60 seconds"},
    "500": {"status": 500, "message": "Service internal error: task 7 was cancelled"},
    "429 without a delay": {"status": 429, "message": "Rate limiting exceeded"},
    "503": {"status": 503, "message": "The replicas are not available"},
}
PASSING_REST = {
    "429 with a date": {"status": 429, "retry_after": "Fri, 27 Nov 2020 12:00:07 GMT"},
    "200 with a page": {"status": 200, "content": PAGE},
    "200 with cut JSON": {"status": 200, "content": b'{"result": {"count": 1'},
    "200 with other JSON": {"status": 200, "content": b'{"result": [7], "status": "ok"}'},
    "502 with a page": {"status": 502, "content": PAGE},
}
FULL = "Service internal error: No space left on device: WAL buffer size exceeds available disk"
TO_SPLIT = (
    "Rate limiting exceeded: Read rate limit exceeded: request larger than rate limiter capacity, "
    "please try to split your request"
)


@pytest.fixture(params=[REST, GRPC])
def prefer_grpc(request):
    return request.param


@pytest.fixture
def open_store(twin, qdrant_server, embeddings, clock):
    async def open_store(*, prefer_grpc, **options):
        engine = {"url": qdrant_server.url, "grpc_port": qdrant_server.grpc_port}
        return await twin(
            *(vectorstores, "create_vector_store", embeddings, "c"),
            **{**engine, "prefer_grpc": prefer_grpc, "clock": clock, **options},
        )

    return open_store


class Patient:
    """The calls of a long run, by the names that `twin` takes."""

    def __init__(self, store):
        self._store = store

    def count(self):
        return run(self._count(self._store.collection))

    async def acount(self):
        return await self._count(self._store.async_collection)

    async def _count(self, collection):
        return (await collection.patient().client.count(collection.name)).count


async def failed(twin, target, name, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - qdrant-client's of either transport
        await twin(target, name, *args, **kwargs)
    return caught.value


async def test_what_passes_is_repeated_whatever_was_asked(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    store = await open_store(prefer_grpc=prefer_grpc)
    calls = [
        ("add_texts", (["a"], None, ["x"])),
        ("count", ()),
        ("similarity_search", ("a",)),
        ("create_payload_indexes", ({"page": "integer"},)),
        ("set_quantization", (None,)),
        ("delete", (["x"],)),
    ]
    faults = PASSING if prefer_grpc else {**PASSING, **PASSING_REST}
    for fault in faults.values():
        for name, args in calls:
            clock.waits.clear()
            qdrant_server.fail_next(kind="status", **fault)
            await twin(store, name, *args)
            assert len(clock.waits) == 1, (name, fault)
        assert await twin(store, "count") == 0
    await store.aclose()


async def test_a_new_collection_is_made_though_every_answer_is_lost_once(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    for fault in PASSING.values():
        path = "Collections/Create" if prefer_grpc else "/collections/c"
        qdrant_server.fail_next(kind="status", after_effect=True, path=path, **fault)
        store = await open_store(prefer_grpc=prefer_grpc, force_recreate=True)
        assert await twin(store, "count") == 0
        await store.aclose()
    assert clock.waits


async def test_a_date_to_come_back_at_is_waited_for(twin, open_store, qdrant_server, clock):
    store = await open_store(prefer_grpc=False)
    date = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=50)
    qdrant_server.fail_next(
        kind="status", status=429, retry_after=format_datetime(date, usegmt=True)
    )
    assert await twin(store, "count") == 0
    [wait] = clock.waits
    assert 40 < wait < 57
    await store.aclose()


async def test_who_asks_to_wait_for_an_hour_is_waited_for_by_long_runs_alone(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    store = await open_store(prefer_grpc=prefer_grpc)
    limited = {"kind": "status", "status": 429, "message": "Rate limit exceeded"}
    qdrant_server.fail_next(retry_after=3000, **limited)
    error = await failed(twin, store, "similarity_search", "a")
    assert (clock.waits, reason(error)) == ([], "Qdrant answered 429: Rate limit exceeded")
    qdrant_server.fail_next(retry_after=3000, **limited)
    assert await twin(Patient(store), "count") == 0
    assert len(clock.waits) == 1
    qdrant_server.fail_next(retry_after=4000, **limited)
    await failed(twin, Patient(store), "count")
    assert len(clock.waits) == 1
    await store.aclose()


async def test_what_is_no_json_to_the_end_is_told_as_qdrant_client_does(
    twin, open_store, qdrant_server
):
    store = await open_store(prefer_grpc=False)
    qdrant_server.fail_next(100, kind="status", status=200, content=PAGE)
    error = await failed(twin, store, "count")
    assert isinstance(error, ResponseHandlingException)
    assert reason(error) == "Qdrant answered 200: an answer that is not Qdrant's JSON"
    assert refuses_all(error)
    qdrant_server.clear()
    await store.aclose()


async def test_a_search_gives_up_in_seconds_and_a_long_run_outlives_a_minute(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    store = await open_store(prefer_grpc=prefer_grpc)
    qdrant_server.fail_next(100)
    for target, name, args, least, most in (
        (store, "similarity_search", ("a",), 1.7, 3.6),
        (Patient(store), "count", (), 60, 130),
    ):
        clock.waits.clear()
        assert refuses_all(await failed(twin, target, name, *args))
        assert least < sum(clock.waits) < most
    qdrant_server.clear()
    qdrant_server.fail_next(12)
    assert await twin(Patient(store), "count") == 0
    await store.aclose()


async def test_a_long_run_is_not_held_up_by_one_request_that_qdrant_fails_at(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    store = await open_store(prefer_grpc=prefer_grpc)
    qdrant_server.fail_next(100, kind="status", **PASSING["500"])
    assert not refuses_all(await failed(twin, Patient(store), "count"))
    assert len(clock.waits) == 3
    qdrant_server.clear()
    replica = (
        "Service internal error: Tonic status error: status: Unavailable, message: tcp connect"
    )
    qdrant_server.fail_next(12, kind="status", status=500, message=replica)
    assert await twin(Patient(store), "count") == 0
    await store.aclose()


async def test_what_no_repetition_heals_ends_at_once_in_qdrant_s_words(
    twin, open_store, qdrant_server, prefer_grpc, clock
):
    store = await open_store(prefer_grpc=prefer_grpc)
    for status, message, test in (
        (500, FULL, refuses_all),
        (507, "Not enough space available for optimization", refuses_all),
        (403, "Forbidden: Global access is required", is_forbidden),
        (404, "Not found: Collection `c` doesn't exist!", refuses_all),
        (400, "Wrong input: Vector dimension error: expected dim: 256, got 128", refuses_all),
        (429, TO_SPLIT, asks_to_split),
    ):
        qdrant_server.fail_next(kind="status", status=status, message=message)
        error = await failed(twin, store, "add_texts", ["my secret text"])
        assert (clock.waits, test(error)) == ([], True)
        assert reason(error).endswith(f": {message}")
        assert "secret" not in reason(error)
    await store.aclose()


async def test_one_point_that_is_gone_refuses_no_others(
    twin, open_store, qdrant_server, prefer_grpc
):
    store = await open_store(prefer_grpc=prefer_grpc)
    message = "Not found: No point with id 7 found"
    qdrant_server.fail_next(kind="status", status=404, message=message)
    assert not refuses_all(await failed(twin, store, "count"))
    await store.aclose()


async def test_reports_and_partial_writes_have_qdrant_s_words(
    twin, open_store, qdrant_server, prefer_grpc
):
    store = await open_store(prefer_grpc=prefer_grpc)
    message = 'Bad request: Index required but not found for "metadata.page"'
    code = "INVALID_ARGUMENT" if prefer_grpc else "400"
    path = "Points/Upsert" if prefer_grpc else "/points"
    qdrant_server.fail_next(2, kind="status", status=400, message=message, path=path)
    report = await twin(
        *(langchain_gemini_qdrant, "ingest", store, [Document("a", id="a")]), on_error="report"
    )
    told = f"Qdrant answered {code}: {message}"
    assert told in {report.stopped, *report.failed.values()}
    qdrant_server.clear()
    await store.aclose()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_a_wrong_key_is_told_in_qdrant_s_words_without_the_key(
    twin, embeddings, prefer_grpc, clock
):
    with QdrantServer(api_key="right", upstream=None) as server:
        engine = {"url": server.url, "grpc_port": server.grpc_port, "prefer_grpc": prefer_grpc}
        error = await failed(
            *(twin, vectorstores, "create_vector_store", embeddings, "c"),
            **engine,
            api_key="wrong-key",
            clock=clock,
        )
    code = "UNAUTHENTICATED" if prefer_grpc else "401"
    assert reason(error) == f"Qdrant answered {code}: Invalid API key or JWT"


async def test_what_a_proxy_says_is_not_quoted(twin, open_store, qdrant_server):
    store = await open_store(prefer_grpc=False)
    for content, words in ((b"your text was ...", ""), (PAGE, ": an HTML page")):
        qdrant_server.fail_next(kind="status", status=400, content=content)
        error = await failed(twin, store, "count")
        assert reason(error).startswith(f"Qdrant answered 400{words}")
        assert "your text" not in reason(error)
    await store.aclose()


async def test_a_lost_connection_is_told_without_a_traceback_of_the_transport(
    twin, open_store, qdrant_server, prefer_grpc
):
    store = await open_store(prefer_grpc=prefer_grpc)
    with qdrant_server.away():
        error = await failed(twin, store, "count")
    name = "UNAVAILABLE" if prefer_grpc else "ConnectError"
    assert reason(error).startswith(f"no answer from Qdrant, {name}: ")
    assert isinstance(error, grpc.RpcError if prefer_grpc else ResponseHandlingException)
    await store.aclose()


# Tokens for one collection


@pytest.mark.parametrize("access", ["rw", "prw"])
async def test_documents_are_stored_where_the_note_of_the_embedding_is_refused(
    twin, open_store, qdrant_server, prefer_grpc, access
):
    owner = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    config = models.VectorParams(size=768, distance=models.Distance.COSINE)
    owner.create_collection("c", vectors_config=config)
    owner.close()
    qdrant_server.allow(access)
    store = await open_store(prefer_grpc=prefer_grpc)
    with pytest.warns(UserWarning, match="Global access is required"):
        await twin(store, "add_texts", ["a", "b"])
    await twin(store, "add_texts", ["c"])  # a second warning would be an error
    await twin(langchain_gemini_qdrant, "ingest", store, [Document("d")])
    assert await twin(store, "count") == 4
    await store.aclose()


async def test_a_key_that_only_reads_is_refused_in_qdrant_s_words(
    twin, open_store, qdrant_server, prefer_grpc
):
    store = await open_store(prefer_grpc=prefer_grpc)
    qdrant_server.allow("r")
    assert await twin(store, "similarity_search", "a") == []
    error = await failed(twin, store, "add_texts", ["a"])
    assert is_forbidden(error)
    assert "Write access to collection c is required" in reason(error)
    await store.aclose()
