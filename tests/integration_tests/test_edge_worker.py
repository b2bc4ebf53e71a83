"""The engine in a process of its own: the same answers, and what happens when either ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.edge._worker._protocol import Answer, answer_frame, read_answer
from langchain_gemini_qdrant.edge._worker._server import _Server
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, StorageError

NAME = "points"
VECTORS = {"dense": models.VectorParams(size=2, distance=models.Distance.DOT)}
SPARSE = {"words": models.SparseVectorParams()}
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs signals and fork")


def point(number: int) -> models.PointStruct:
    vector = {
        "dense": [1.0, number / 7],
        "words": models.SparseVector(indices=[1, 5], values=[0.5, number]),
    }
    return models.PointStruct(id=number, vector=vector, payload={"number": number, "of": ["a", {}]})


@pytest.fixture(scope="module")
def _shared_client(tmp_path_factory):
    client = EdgeClient(tmp_path_factory.mktemp("worker"), worker=True)
    yield client
    client.close()


@pytest.fixture
def client(_shared_client):
    """A client with a collection of its own, of a worker that takes a second to start."""
    _shared_client.create_collection(NAME, VECTORS, SPARSE)
    _shared_client.upsert(NAME, [point(1), point(2)])
    yield _shared_client
    for collection in _shared_client.get_collections().collections:
        _shared_client.delete_collection(collection.name)


@pytest.fixture
def own_client(tmp_path):
    """A client of a worker that a test may end."""
    client = EdgeClient(tmp_path / "index", worker=True)
    client.create_collection(NAME, VECTORS, SPARSE)
    client.upsert(NAME, [point(1), point(2)])
    yield client
    client.close()


def worker_pid(client: EdgeClient | AsyncEdgeClient) -> int:
    edge = client._edge
    worker = edge.worker if isinstance(client, EdgeClient) else edge._sync.worker
    return worker.opened.result().value


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(script: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script; this returns when it and its children have closed their standard error."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


# --- the same interface


def test_a_worker_gives_the_answers_of_the_engine_in_this_process(client, tmp_path):
    def everything(client: QdrantClient) -> list[object]:
        client.upload_points(NAME, (point(number) for number in range(3, 150)))
        client.upload_collection(
            NAME, {"dense": np.ones((3, 2), dtype=np.float32)}, ids=[200, 201, 202]
        )
        client.create_payload_index(NAME, "number", "integer")
        near = models.Filter(must=models.FieldCondition(key="number", range=models.Range(lt=9)))
        client.delete(NAME, [3])
        return [
            client.scroll(NAME, limit=500, with_vectors=True),
            client.query_points(NAME, [1.0, 2.0], using="dense", query_filter=near).points,
            client.query_points(NAME, np.array([1.0, 2.0]), using="dense", limit=3).points,
            client.count(NAME),
            client.retrieve(NAME, [2, 3, 200]),
            client.get_collection(NAME),
            client.get_collections(),
            client.vector_storage_size(NAME),
            client.storage_info(NAME).points_count,
            client.optimize(NAME),
        ]

    here = EdgeClient(tmp_path / "here")
    here.create_collection(NAME, VECTORS, SPARSE)
    here.upsert(NAME, [point(1), point(2)])
    assert everything(client) == everything(here)
    assert worker_pid(client) != os.getpid()
    here.close()


def test_the_clients_rely_on_one_private_attribute_of_qdrant_client(client):
    plain = AsyncQdrantClient(location=":memory:")
    with_worker = AsyncEdgeClient(client.init_options["path"])
    assert isinstance(with_worker, AsyncQdrantClient)
    assert type(plain._client).__name__ == "AsyncQdrantLocal"
    assert vars(with_worker).keys() == {*vars(plain).keys(), "_path", "_edge", "_options"}
    assert isinstance(client, QdrantClient)
    asyncio.run(with_worker.close())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda c: c.count("none"), InvalidInputError, "Collection none not found"),
        (lambda c: c.create_snapshot(NAME), NotImplementedError, "create_snapshot"),
        (lambda c: c._client.count(NAME, colour=1), TypeError, "unexpected argument 'colour'"),
        (lambda c: c._client.no_method(), AttributeError, "no_method"),
        (lambda c: c.backup(c.init_options["path"]), StorageError, "is not empty"),
        (lambda c: c.upsert(NAME, [unchecked(payload={"a": object()})]), InvalidInputError, "JSON"),
        (lambda c: c.upsert(NAME, [unchecked(payload={"a": print_})]), InvalidInputError, "sent"),
        (
            lambda c: c.upsert(NAME, [unchecked(payload={"a": OnlyHere()})]),
            InvalidInputError,
            "cannot be read",
        ),
        (lambda c: c.upsert(NAME, [unchecked(vector=["a", "b"])]), InvalidInputError, "flat list"),
        (lambda c: c.upsert(NAME, [unchecked(vector=[1e300, 1.0])]), InvalidInputError, "finite"),
    ],
)
def test_an_error_arrives_as_what_it_is_and_the_worker_goes_on(client, call, error, text):
    with pytest.raises(error, match=text):
        call(client)
    assert client.count(NAME).count == 2


print_ = lambda: None  # noqa: E731 - what pickle cannot carry


class OnlyHere:
    """Can be packed, but not unpacked."""

    def __reduce__(self):
        return int, ("no number",)


def unchecked(*, payload=None, vector=(1.0, 1.0)):
    return models.PointStruct.model_construct(
        id=1, vector={"dense": list(vector)}, payload=payload or {}
    )


def test_an_error_keeps_its_attributes_and_shows_where_it_came_from(client):
    with pytest.raises(InvalidInputError) as refused:
        client.upsert(NAME, [point(3), unchecked(vector=[1.0])])
    assert refused.value.indices == (1,)
    assert "check_vector" in str(refused.value.__cause__)
    assert client.count(NAME).count == 2


def test_warnings_of_the_engine_s_process_are_given_to_the_caller():
    with warnings.catch_warnings():
        server = _Server()
        warnings.warn("outgrown", UserWarning, stacklevel=1)
        answer = server.answer(bytearray(pickle.dumps(("open", (None,), {}))))
    assert isinstance(answer.error, TypeError)
    with pytest.warns(UserWarning, match="outgrown"), pytest.raises(TypeError):
        answer.unwrap(stacklevel=1)


def test_an_error_that_cannot_be_sent_or_read_is_told_by_its_text():
    class UnsendableError(Exception):
        pass

    frame = answer_frame(7, Answer.of_error(UnsendableError("lost")))
    answer = read_answer(bytearray(frame[16:]))
    with pytest.raises(StorageError, match="UnsendableError: lost"):
        answer.unwrap(stacklevel=1)
    with pytest.raises(StorageError, match="cannot be read"):
        read_answer(bytearray(b"no pickle")).unwrap(stacklevel=1)


def test_a_backup_by_a_worker_holds_what_was_acknowledged(client, tmp_path):
    client.backup(tmp_path / "backup")
    client.delete(NAME, [1])
    copy = EdgeClient(tmp_path / "backup")
    assert [record.id for record in copy.scroll(NAME)[0]] == [1, 2]
    copy.close()


# --- one worker for all clients of a folder


@pytest.mark.slow
def test_sync_and_async_clients_of_a_folder_share_a_worker_until_the_last_is_closed(own_client):
    path = own_client.init_options["path"]
    pid = worker_pid(own_client)

    async def use() -> None:
        async with contextlib.aclosing(AsyncEdgeClient(path)) as other:
            await other.upsert(NAME, [point(3)])
            assert worker_pid(other) == pid

    asyncio.run(use())
    second = EdgeClient(**own_client.init_options)
    own_client.close()
    own_client.close()
    assert second.count(NAME).count == 3
    threads = second._edge.worker._threads
    second.close()
    assert not is_running(pid)
    for thread in threads:
        thread.join(timeout=200)
        assert not thread.is_alive()
    with pytest.raises(StorageError, match="closed; create a new"):
        second.count(NAME)
    here = EdgeClient(path)
    assert here.count(NAME).count == 3
    here.close()


def test_a_client_without_a_worker_beside_one_with_is_told_to_agree(client, tmp_path):
    with pytest.raises(StorageError, match=r"open in this process already, with .* worker"):
        EdgeClient(client.init_options["path"])
    here = EdgeClient(tmp_path)
    with pytest.raises(StorageError, match=r"with the engine inside this process"):
        EdgeClient(tmp_path, worker=True)
    with pytest.raises(StorageError, match=r"AsyncEdgeClient\(path\)` share an engine"):
        AsyncEdgeClient(tmp_path)
    here.close()
    assert client.count(NAME).count == 2


@pytest.mark.slow
def test_another_process_is_told_that_the_folder_is_open(client):
    script = """
import sys
from langchain_gemini_qdrant.edge import EdgeClient
EdgeClient(sys.argv[1])
"""
    told = run(script, client.init_options["path"]).stderr
    assert f"open in another process ({worker_pid(client)})" in told


@pytest.mark.slow
def test_what_is_wrong_with_the_folder_is_told_as_without_a_worker(tmp_path):
    (tmp_path / "meta.json").write_text("{")
    with pytest.raises(StorageError, match=r"meta\.json is damaged"):
        EdgeClient(tmp_path, worker=True)

    async def use() -> None:
        client = AsyncEdgeClient(tmp_path)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"meta\.json is damaged"):
                await client.get_collections()
        await client.close()

    asyncio.run(use())
    (tmp_path / "meta.json").unlink()
    EdgeClient(tmp_path).close()


def test_the_options_are_checked_before_a_process_is_started(tmp_path):
    with pytest.raises(ConfigurationError, match="durability must be one of"):
        EdgeClient(tmp_path, worker=True, durability="none")
    with pytest.raises(ConfigurationError, match="must name a folder"):
        AsyncEdgeClient(":memory:")


@pytest.mark.slow
def test_a_client_that_is_dropped_ends_its_worker(tmp_path):
    client = AsyncEdgeClient(tmp_path)
    worker = client._edge._sync.worker
    del client
    gc.collect()
    worker.ended.result(timeout=200)
    EdgeClient(tmp_path).close()


@pytest.mark.slow
def test_a_client_that_an_event_loop_has_used_gives_the_folder_free(tmp_path):
    embeddings = DeterministicFakeEmbedding(size=2)
    store = create_vector_store(embeddings, "c", path=tmp_path, worker=True)
    assert asyncio.run(store.acount()) == 0
    store.close()
    EdgeClient(tmp_path).close()  # and not "is open in a worker"


# --- threads and event loops


def test_many_threads_call_at_once(client):
    def work(number: int) -> None:
        for step in range(10):
            client.upsert(NAME, [point(100 * number + step)])
            found = client.query_points(NAME, [1.0, 1.0], using="dense", limit=3)
            assert len(found.points) == 3

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(1, 9)))
    assert client.count(NAME).count == 82


def test_one_async_client_serves_event_loops_in_turn_and_at_once(client):
    other = AsyncEdgeClient(client.init_options["path"])

    async def use(number: int) -> int:
        await asyncio.gather(*(other.upsert(NAME, [point(10 * number + i)]) for i in range(5)))
        return (await other.count(NAME)).count

    assert asyncio.run(use(1)) == 7
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: asyncio.run(use(number)), range(2, 6)))
    assert asyncio.run(use(6)) == 32
    asyncio.run(other.close())


def test_large_messages_go_both_ways(client):
    size = 3072
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((100, size)).astype(np.float32)
    points = [
        models.PointStruct(id=number, vector=row.tolist(), payload={"text": "x" * 1000})
        for number, row in enumerate(rows)
    ]

    async def use() -> list[models.Record]:
        async with contextlib.aclosing(AsyncEdgeClient(client.init_options["path"])) as other:
            await other.create_collection(
                "large", models.VectorParams(size=size, distance=models.Distance.DOT)
            )
            await other.upsert("large", points)
            return (await other.scroll("large", limit=100, with_vectors=True))[0]

    records = asyncio.run(use())
    assert np.array_equal(np.array([record.vector for record in records], np.float32), rows)


def test_a_cancelled_call_is_carried_out_and_the_next_gets_its_own_answer(client):
    async def use() -> None:
        async with contextlib.aclosing(AsyncEdgeClient(client.init_options["path"])) as other:
            await other.count(NAME)
            writing = asyncio.create_task(other.upsert(NAME, [point(3)]))
            await asyncio.wait([writing], timeout=0)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert (await other.count(NAME)).count == 3
            assert [record.id for record in await other.retrieve(NAME, [2])] == [2]

    asyncio.run(use())


def test_an_event_loop_that_is_closed_while_it_waits_leaves_the_client_in_order(client):
    other = AsyncEdgeClient(client.init_options["path"])
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(other.upsert(NAME, [point(3)]))
    loop.run_until_complete(asyncio.wait([waiting], timeout=0))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()
    assert asyncio.run(other.count(NAME)).count in {2, 3}
    asyncio.run(other.close())


def test_the_event_loop_goes_on_while_the_engine_optimizes(client):
    rng = np.random.default_rng(0)

    async def use() -> int:
        async with contextlib.aclosing(AsyncEdgeClient(client.init_options["path"])) as other:
            await other.create_collection(
                "many",
                models.VectorParams(size=32, distance=models.Distance.DOT),
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
            )
            other.upload_collection("many", rng.standard_normal((2000, 32)), batch_size=500)
            optimizing = asyncio.create_task(other.optimize("many"))
            turns = 0
            while not optimizing.done():
                await asyncio.wait([optimizing], timeout=0.001)
                turns += 1
            assert optimizing.result() is True
            return turns

    assert asyncio.run(use()) > 10  # without a worker it would be 1


# --- the end of either process


@pytest.mark.slow
@POSIX_ONLY
def test_the_death_of_the_worker_is_an_error_and_a_new_client_has_what_was_acknowledged(own_client):
    pid = worker_pid(own_client)
    twin = AsyncEdgeClient(own_client.init_options["path"])
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(own_client.count, NAME) for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        for call in calls:
            with pytest.raises(StorageError, match=r"ended with signal 9 \(SIGKILL\).*new client"):
                call.result(timeout=200)
    with pytest.raises(StorageError, match="acknowledged is in its log"):
        own_client.upsert(NAME, [point(9)])
    with pytest.raises(StorageError, match="ended with signal 9"):
        asyncio.run(twin.count(NAME))
    again = EdgeClient(**own_client.init_options)
    assert [record.id for record in again.scroll(NAME)[0]] == [1, 2]
    assert worker_pid(again) != pid
    own_client.close()
    asyncio.run(twin.close())
    assert again.count(NAME).count == 2
    again.close()


@pytest.mark.slow
def test_a_worker_that_cannot_flush_says_so_ends_and_gives_the_folder_free(own_client):
    root = Path(own_client.init_options["path"])
    (segments,) = root.glob("collections/*/segments")
    segments.rename(root / "elsewhere")
    with pytest.raises(StorageError, match="cannot flush"):
        own_client.close()
    (root / "elsewhere").rename(segments)
    again = EdgeClient(root)
    assert again.count(NAME).count == 2
    again.close()


@pytest.mark.slow
def test_a_durability_that_cannot_be_had_is_told_by_the_first_call(own_client):
    root = Path(own_client.init_options["path"])

    async def use() -> None:
        async with contextlib.aclosing(AsyncEdgeClient(root, durability="power")) as client:
            for _ in range(2):
                with pytest.raises(StorageError, match="cannot flush"):
                    await client.get_collections()

    (segments,) = root.glob("collections/*/segments")
    segments.rename(root / "elsewhere")
    asyncio.run(use())
    (root / "elsewhere").rename(segments)
    assert own_client.count(NAME).count == 2


@pytest.mark.slow
@POSIX_ONLY
def test_a_worker_that_cannot_be_served_for_want_of_threads_is_ended(tmp_path):
    script = """
import os, sys, threading
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import StorageError
usual = threading.stack_size(2**46)  # no thread can have it
try:
    EdgeClient(sys.argv[1], worker=True)
except StorageError as error:
    refused = error  # which holds on to what was made
threading.stack_size(usual)
print(refused)
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
EdgeClient(sys.argv[1]).close()
"""
    done = run(script, tmp_path)
    assert done.stdout.splitlines()[1:] == ["no child"], done.stderr
    assert "needs two threads" in done.stdout


SCRIPT = """
import os, select, signal, sys
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
client = EdgeClient(sys.argv[1], worker=True)
client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
client.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0])])
pid = client._edge.worker.opened.result().value
print(pid, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
def test_the_worker_ends_with_a_process_that_is_killed_though_a_fork_of_it_lives_on(tmp_path):
    """The fork has copies of the pipes; the worker must see their end all the same."""
    script = """
worker_has_ended = os.pidfd_open(pid)
if os.fork() == 0:
    os.close(1)
    os.close(2)
    select.select([worker_has_ended], [], [], 100)
    os._exit(0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run(SCRIPT + script, tmp_path)
    client = EdgeClient(tmp_path)
    assert client.count("c").count == 1
    client.close()


@pytest.mark.slow
@POSIX_ONLY
def test_signals_to_all_processes_and_forks_leave_the_worker_in_order(tmp_path):
    script = """
from langchain_gemini_qdrant.errors import StorageError
os.kill(pid, signal.SIGINT)
os.kill(pid, signal.SIGTERM)
child = os.fork()
if child == 0:
    for use in (
        lambda: client.query_points("c", [1.0, 0.0]),
        lambda: client.upsert("c", [models.PointStruct(id=2, vector=[1.0, 0.0])]),
        lambda: EdgeClient(sys.argv[1]),
    ):
        try:
            use()
        except StorageError as error:
            print("refused:", error)
    client.close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
client.upsert("c", [models.PointStruct(id=3, vector=[1.0, 0.0])])
print("parent:", [point.id for point in client.scroll("c")[0]])
"""
    done = run(SCRIPT + script, tmp_path)
    pid, *lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["refused"] * 3 + ["parent"], done.stderr
    assert "was opened in process" in lines[0]
    assert "open in another process" in lines[2]
    assert lines[3] == "parent: [1, 3]"
    assert done.stderr == ""
    assert not is_running(int(pid))


# --- throw-away folders


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_temporary_index_is_gone_when_its_last_client_is_closed(worker):
    client = EdgeClient(":temporary:", worker=worker)
    path = Path(client.init_options["path"])
    client.create_collection(NAME, VECTORS)
    second = EdgeClient(**client.init_options)
    client.close()
    assert second.collection_exists(NAME)
    second.close()
    assert not path.exists()
    first, other = EdgeClient(":temporary:"), EdgeClient(":temporary:")
    assert first.init_options["path"] != other.init_options["path"]
    first.close()
    other.close()


@pytest.mark.slow
def test_a_temporary_index_for_asyncio_is_gone_when_it_is_closed():
    async def use() -> str:
        client = AsyncEdgeClient(":temporary:")
        await client.create_collection(NAME, VECTORS)
        path = client.init_options["path"]
        assert os.path.exists(path)  # noqa: ASYNC240, PTH110 - a quick look
        await client.close()
        return path

    assert not Path(asyncio.run(use())).exists()


@pytest.mark.slow
@POSIX_ONLY
@pytest.mark.parametrize(
    ("options", "end"),
    [
        ("", "if os.fork() == 0: sys.exit()\nos.wait()\nassert os.path.exists(path)"),
        (", worker=True", "os.kill(os.getpid(), 9)"),
    ],
)
def test_a_temporary_index_is_gone_when_python_ends(tmp_path, options, end):
    script = f"""
import os, sys
from langchain_gemini_qdrant.edge import EdgeClient
client = EdgeClient(":temporary:"{options})
path = client.init_options["path"]
print(path, flush=True)
{end}
"""
    done = run(script, tmp_path)
    assert done.stderr == ""
    assert not Path(done.stdout.strip()).exists()
