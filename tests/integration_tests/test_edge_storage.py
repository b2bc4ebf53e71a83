"""The folder of an embedded index: what stays, what is refused, and who may open it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import reduce
from math import inf, nan
from pathlib import Path
from uuid import UUID

import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.client_base import QdrantBase
from qdrant_edge import Point, UpdateOperation

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.edge._storage._shard import require_space
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, StorageError

NAME = "Sammlung 収集"
VECTORS = {"dense": models.VectorParams(size=2, distance=models.Distance.DOT)}
SPARSE = {"words": models.SparseVectorParams()}
POINT = models.PointStruct(id=1, vector={"dense": [1.0, 2.0]}, payload={"kept": True})


@pytest.fixture
def client(tmp_path):
    client = EdgeClient(tmp_path)
    client.create_collection(NAME, VECTORS, SPARSE)
    client.upsert(NAME, [POINT])
    yield client
    client.close()


def everything(client: QdrantClient, name: str = NAME) -> list[models.Record]:
    return client.scroll(name, limit=100, with_vectors=True)[0]


def run(script: str, path: Path, *, check: bool = True) -> str:
    """Run a script in another process, with the folder as its argument."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


# --- a client like any other


def test_the_client_is_a_qdrant_client_that_relies_on_one_private_attribute(client):
    """qdrant-client calls only `_client`; another layout there has to be noticed here."""
    assert isinstance(client, QdrantClient)
    plain = QdrantClient(location=":memory:")
    assert type(plain._client).__name__ == "QdrantLocal"
    assert type(client._client).__name__ == "EdgeBackend"
    assert vars(client).keys() == {*vars(plain).keys(), "_path", "_edge", "_options"}
    plain.close()


ONLY_A_SERVER_HAS = {
    "cluster_collection_update",
    "cluster_status",
    "cluster_telemetry",
    "collection_cluster_info",
    "create_full_snapshot",
    "create_shard_key",
    "create_shard_snapshot",
    "create_snapshot",
    "delete_full_snapshot",
    "delete_shard_key",
    "delete_shard_snapshot",
    "delete_snapshot",
    "get_optimizations",
    "list_full_snapshots",
    "list_shard_keys",
    "list_shard_snapshots",
    "list_snapshots",
    "migrate",  # a method of the client, which the backend has no part in
    "recover_current_peer",
    "recover_shard_snapshot",
    "recover_snapshot",
    "remove_peer",
}


def test_every_method_is_served_or_names_an_alternative(client):
    for name in vars(QdrantBase):
        if name in ONLY_A_SERVER_HAS:
            with pytest.raises(NotImplementedError, match=rf"{name}\(\) is not supported.*use "):
                getattr(client._client, name)("anything")
        elif not name.startswith("_"):
            assert getattr(type(client._client), name) is not getattr(QdrantBase, name)


def test_what_has_no_meaning_on_one_node_is_accepted_and_shard_keys_are_not(client):
    client.upsert(NAME, [POINT], wait=False, ordering="strong", timeout=1)
    client.query_points(NAME, [1.0, 0.0], using="dense", consistency="all", timeout=1)
    with pytest.raises(NotImplementedError, match="shard keys"):
        client.count(NAME, shard_key_selector="europe")
    with pytest.raises(NotImplementedError, match="sharding_method"):
        client.create_collection("b", VECTORS, sharding_method="custom")
    with pytest.raises(TypeError, match="unexpected argument 'colour'"):
        client._client.count(NAME, colour=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.create_payload_index(NAME, "a", field_schema=5),
        lambda c: c.create_payload_index(NAME, "a", field_schema="colour"),
        lambda c: c.create_payload_index(NAME, "a[", field_schema="keyword"),
        lambda c: c.delete(NAME, "one"),
        lambda c: c.query_points(NAME, [1.0, 0.0], using="dense", with_payload=5),
        lambda c: c.create_collection("b", VECTORS, quantization_config=5),
        lambda c: c.create_collection("b", VECTORS, colour=5),
        lambda c: c.create_collection("b", VECTORS, metadata={"a": float("nan")}),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_before_anything_changes(client, call):
    before = client.get_collection(NAME), client.get_collections(), everything(client)
    with pytest.raises((InvalidInputError, AssertionError)):
        call(client)
    assert (client.get_collection(NAME), client.get_collections(), everything(client)) == before


def test_init_options_make_another_client_of_the_same_folder(client):
    with_options = EdgeClient(**client.init_options)
    assert everything(with_options) == everything(client)
    with_options.close()


# --- what stays


def test_everything_is_there_after_a_reopening(tmp_path):
    quantization = models.BinaryQuantization(
        binary=models.BinaryQuantizationConfig(always_ram=True, query_encoding="scalar8bits")
    )
    client = EdgeClient(tmp_path)
    client.create_collection(
        NAME,
        VECTORS,
        SPARSE,
        quantization_config=quantization,
        hnsw_config=models.HnswConfigDiff(m=8),
        on_disk_payload=True,
        optimizers_config=models.OptimizersConfigDiff(
            indexing_threshold=7, max_optimization_threads="auto"
        ),
        metadata={"model": "gemini-embedding-2", "sizes": [1, None], "none": None},
    )
    client.create_payload_index(NAME, "kept", models.BoolIndexParams(type="bool", on_disk=True))
    client.create_payload_index(NAME, "name", "keyword")
    client.create_collection("second", models.VectorParams(size=3, distance="Cosine"))
    client.upsert(NAME, [POINT])
    client.upsert("second", [models.PointStruct(id=9, vector=[1.0, 0.0, 0.0])])
    before = client.get_collection(NAME), everything(client), everything(client, "second")
    client.close()

    client = EdgeClient(str(tmp_path))
    after = client.get_collection(NAME), everything(client), everything(client, "second")
    assert after == before
    info = after[0]
    assert info.config.quantization_config == quantization
    assert info.config.hnsw_config.m == 8
    assert info.config.optimizer_config.indexing_threshold == 7
    assert info.config.metadata["none"] is None
    assert info.payload_schema["kept"].params.on_disk is True
    assert info.payload_schema["name"].data_type is models.PayloadSchemaType.KEYWORD
    assert (info.points_count, info.segments_count) == (1, 1)
    assert [c.name for c in client.get_collections().collections] == [NAME, "second"]
    client.close()


def test_a_deleted_collection_is_gone_with_its_files(client, tmp_path):
    assert client.delete_collection(NAME) is True
    assert client.delete_collection(NAME) is False
    assert not client.collection_exists(NAME)
    assert list((tmp_path / "collections").iterdir()) == []
    with pytest.raises(ValueError, match="Collection .* not found"):
        client.count(NAME)


@pytest.mark.slow
def test_a_process_that_is_killed_or_just_ends_loses_nothing(tmp_path):
    script = """
import os, sys
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
client = EdgeClient(sys.argv[1])
if not client.collection_exists("c"):
    client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
count = client.count("c").count
client.upsert("c", [models.PointStruct(id=count + i, vector=[1.0, i]) for i in range(10)])
print(count)
"""
    assert run(script, tmp_path) == "0\n"
    assert run(script + "sys.stdout.flush()\nos.kill(os.getpid(), 9)", tmp_path, check=False) == (
        "10\n"
    )
    client = EdgeClient(tmp_path)
    assert client.count("c").count == 20
    client.close()


def test_more_updates_than_one_flush_holds_are_all_there(client, tmp_path):
    for number in range(120):
        client.upsert(NAME, [models.PointStruct(id=number, vector={"dense": [0.0, number]})])
    client.close()
    again = EdgeClient(tmp_path)
    assert again.count(NAME).count == 120
    again.close()


# --- what is refused leaves no trace


def sparse(indices, values):
    return {"words": models.SparseVector(indices=indices, values=values)}


def unchecked(**fields):
    return models.PointStruct.model_construct(
        **{"id": 1, "vector": {"dense": [5.0, 5.0]}, "payload": {}, **fields}
    )


REFUSED_POINTS = {
    "unknown vector name": unchecked(vector={"dense": [1.0, 1.0], "unknown": [1.0]}),
    "unnamed vector": unchecked(vector=[1.0, 1.0]),
    "dense for sparse": unchecked(vector={"words": [1.0, 1.0]}),
    "sparse for dense": unchecked(vector={"dense": models.SparseVector(indices=[1], values=[1])}),
    "too short": unchecked(vector={"dense": [1.0]}),
    "nested": unchecked(vector={"dense": [[1.0], [1.0]]}),
    "text": unchecked(vector={"dense": ["1.0", "2.0"]}),
    "NaN": unchecked(vector={"dense": [float("nan"), 1.0]}),
    "infinity": unchecked(vector={"dense": [float("-inf"), 1.0]}),
    "beyond 32 bits": unchecked(vector={"dense": [1e300, 1.0]}),
    "no vector": unchecked(vector=None),
    "repeated index": unchecked(vector=sparse([1, 1], [1.0, 2.0])),
    "more indices than values": unchecked(vector=sparse([1, 2], [1.0])),
    "negative index": unchecked(vector=sparse([-1], [1.0])),
    "NaN in sparse": unchecked(vector=sparse([1], [float("nan")])),
    "boolean id": unchecked(id=True),
    "negative id": unchecked(id=-1),
    "id beyond 64 bits": unchecked(id=2**64),
    "id that is no UUID": unchecked(id="one"),
    "NaN in payload": unchecked(payload={"a": float("nan")}),
    "half a surrogate pair": unchecked(payload={"a": "\ud800"}),
    "integer beyond 64 bits": unchecked(payload={"a": [2**64]}),
    "object in payload": unchecked(payload={"a": object()}),
    "payload that is a list": unchecked(payload=[1]),
}


@pytest.mark.parametrize("name", REFUSED_POINTS)
def test_a_refused_point_leaves_the_stored_ones_as_they_were(client, tmp_path, name):
    """The engine keeps what it refuses in its log and would apply it at the next open."""
    before = everything(client)
    good = models.PointStruct(id=2, vector={"dense": [3.0, 4.0]})
    with pytest.raises(InvalidInputError) as refused:
        client.upsert(NAME, [good, REFUSED_POINTS[name]])
    assert refused.value.indices == (1,)
    assert everything(client) == before
    client.close()
    again = EdgeClient(tmp_path)
    assert everything(again) == before
    again.close()


def test_an_update_that_the_engine_itself_refuses_is_not_applied_at_the_next_open(client, tmp_path):
    before = everything(client)
    wrong = UpdateOperation.upsert_points([Point(1, {"unknown": [1.0]}, {"kept": False})])
    with pytest.raises(StorageError, match="cannot write: Not existing vector name"):
        client._client._folder.collection(NAME).update(wrong)
    client.close()
    again = EdgeClient(tmp_path)
    assert everything(again) == before
    again.close()


def test_payloads_become_what_json_has_for_them(client):
    client.upsert(
        NAME,
        [
            models.PointStruct(
                id=5,
                vector={},
                payload={
                    "at": datetime(2024, 5, 1, tzinfo=UTC),
                    "uuid": UUID(int=5),
                    "tuple": (1, 2),
                    "big": 2**64 - 1,
                    "text": "a\0b 😀",
                    "none": None,
                },
            )
        ],
    )
    assert client.retrieve(NAME, [5])[0].payload == {
        "at": "2024-05-01T00:00:00Z",
        "uuid": str(UUID(int=5)),
        "tuple": [1, 2],
        "big": 2**64 - 1,
        "text": "a\0b 😀",
        "none": None,
    }


def test_an_update_mode_is_taken_by_its_name(client):
    other = POINT.model_copy(update={"payload": {"kept": False}})
    client.upsert(NAME, [other], update_mode="insert_only")
    assert client.retrieve(NAME, [1])[0].payload == {"kept": True}
    with pytest.raises(InvalidInputError, match="insert_sometimes"):
        client.upsert(NAME, [other], update_mode="insert_sometimes")


def test_a_bad_filter_is_refused_before_it_deletes_anything(client):
    bad = models.Filter(must=models.FieldCondition(key="a[", match=models.MatchValue(value=1)))
    with pytest.raises(InvalidInputError, match="invalid JSON path"):
        client.delete(NAME, bad)
    assert client.count(NAME).count == 1


def nested(levels: int) -> dict:
    return reduce(lambda inner, _: {"a": inner}, range(levels - 1), {"a": 1})


def all_of(depth: int) -> models.Filter:
    innermost = models.Filter(must=models.HasIdCondition(has_id=[1]))
    return reduce(lambda inner, _: models.Filter(must=[inner]), range(depth - 1), innermost)


def within(depth: int) -> models.Filter:
    return reduce(
        lambda inner, _: models.Filter(
            must_not=models.NestedCondition(nested=models.Nested(key="k", filter=inner))
        ),
        range(depth),
        models.Filter(must=models.FieldCondition(key="k", match=models.MatchValue(value=1))),
    )


DEEP = {
    "upsert": lambda client, deep: client.upsert(
        NAME, [POINT.model_copy(update={"payload": nested(110 + deep)})]
    ),
    "conditional upsert": lambda client, deep: client.upsert(
        NAME, [POINT.model_copy(update={"payload": nested(110 + deep)})], update_filter=all_of(1)
    ),
    "set_payload": lambda client, deep: client.set_payload(NAME, nested(110 + deep), [1]),
    "set_payload with a key": lambda client, deep: client.set_payload(
        NAME, nested(60), [1], key=".".join("b" * (50 + deep))
    ),
    "overwrite_payload": lambda client, deep: client.overwrite_payload(
        NAME, nested(110 + deep), [1]
    ),
    "update_collection": lambda client, deep: client.update_collection(
        NAME, metadata=nested(110 + deep)
    ),
    "set_payload by a filter": lambda client, deep: client.set_payload(
        NAME, {"b": 1}, all_of(45 + deep)
    ),
    "nested conditions": lambda client, deep: client.set_payload(NAME, {"b": 1}, within(22 + deep)),
    "update_filter": lambda client, deep: client.upsert(
        NAME, [POINT], update_filter=all_of(45 + deep)
    ),
}


@pytest.mark.parametrize("write", DEEP)
def test_what_nests_too_deep_to_be_read_again_is_refused_and_all_else_is_kept(
    client, tmp_path, write
):
    DEEP[write](client, 0)
    with pytest.raises(InvalidInputError, match="nest"):
        DEEP[write](client, 1)
    before = everything(client), client.get_collection(NAME).config.metadata
    client.close()
    again = EdgeClient(tmp_path)
    assert (everything(again), again.get_collection(NAME).config.metadata) == before
    again.close()


@pytest.mark.parametrize(
    "bound", [{"gt": inf}, {"lt": -inf}, {"gte": nan}, {"lte": inf}, {"gt": 0, "lt": 1e400}]
)
def test_a_bound_that_is_not_finite_is_refused(client, bound):
    """The log would keep it as no bound, and delete everything when the folder is opened again."""
    condition = models.FieldCondition(key="n", range=models.Range(**bound))
    with pytest.raises(InvalidInputError, match="finite"):
        client.delete(NAME, models.Filter(must=condition))


@pytest.mark.parametrize("radius", [inf, nan])
def test_a_radius_that_is_not_finite_is_refused(client, radius):
    circle = models.GeoRadius(center=models.GeoPoint(lat=0.0, lon=0.0), radius=radius)
    condition = models.FieldCondition(key="place", geo_radius=circle)
    with pytest.raises(InvalidInputError, match="finite"):
        client.delete(NAME, models.Filter(must_not=condition))


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_backup_is_not_restored_over_an_index_that_is_open_here(tmp_path, worker):
    path, backup = tmp_path / "index", tmp_path / "backup"
    old = EdgeClient(path, worker=worker)
    old.create_collection(NAME, VECTORS)
    old.backup(backup)
    shutil.rmtree(path)
    with pytest.raises(StorageError, match="open in this process"):
        EdgeClient.restore(backup, path)
    old.close()
    EdgeClient.restore(backup, path)
    EdgeClient(path, worker=worker).close()


@pytest.mark.skipif(os.name != "posix", reason="an open folder cannot be removed elsewhere")
def test_a_folder_that_was_replaced_while_it_is_open_is_not_shared(client, tmp_path):
    (tmp_path / ".lock").unlink()
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        EdgeClient(tmp_path)
    client.close()
    again = EdgeClient(tmp_path)
    assert again.count(NAME).count == 1
    again.close()


def test_a_disk_that_is_nearly_full_is_refused_before_the_write(tmp_path):
    """The engine writes through memory maps, where a full disk kills the process."""
    with pytest.raises(StorageError, match="Not enough free disk.*nothing was written"):
        require_space(tmp_path, 2**62)


# --- who may open it


def test_clients_of_one_folder_in_one_process_share_it(client, tmp_path):
    second = EdgeClient(tmp_path / "x" / "..")
    second.upsert(NAME, [models.PointStruct(id=2, vector={"dense": [0.0, 1.0]})])
    assert client.count(NAME).count == 2
    client.close()
    assert second.count(NAME).count == 2
    second.close()
    with pytest.raises(StorageError, match="is closed"):
        second.count(NAME)


@pytest.mark.slow
@pytest.mark.usefixtures("client")
def test_another_process_is_told_who_has_the_folder_open(tmp_path):
    script = """
import sys
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import StorageError
assert "qdrant_edge" not in sys.modules, "the engine is imported on first use only"
try:
    EdgeClient(sys.argv[1])
except StorageError as error:
    print(error)
"""
    told = run(script, tmp_path)
    assert f"open in another process ({os.getpid()})" in told
    assert "Qdrant server" in told


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_use_after_a_fork_is_refused_and_leaves_the_parent_in_order(tmp_path):
    script = """
import os, sys
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import StorageError
client = EdgeClient(sys.argv[1])
client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
client.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0])])
child = os.fork()
if child == 0:
    for use in (
        lambda: client.query_points("c", [1.0, 0.0]),
        lambda: client.upsert("c", [models.PointStruct(id=2, vector=[1.0, 0.0])]),
        lambda: client.get_collections(),
        lambda: EdgeClient(sys.argv[1]),
    ):
        try:
            use()
        except StorageError as error:
            print("refused:", error)
    client.close()
    EdgeClient(sys.argv[1] + "-of-the-child").close()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
client.upsert("c", [models.PointStruct(id=3, vector=[1.0, 0.0])])
print("parent:", [point.id for point in client.scroll("c")[0]])
"""
    lines = run(script, tmp_path / "index").splitlines()
    assert [line.split(":")[0] for line in lines] == ["refused"] * 4 + ["parent"]
    assert "was opened in process" in lines[0]
    assert "open in another process" in lines[3]
    assert lines[4] == "parent: [1, 3]"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_among_threads_that_use_the_engine_leaves_the_child_free_to_open_others(tmp_path):
    """The child refuses what the parent has open, opens its own folders, and waits for no lock."""
    script = """
import faulthandler, gc, os, sys, threading
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.edge._storage import _open_folders
from langchain_gemini_qdrant.errors import StorageError
root = sys.argv[1]
here, apart = EdgeClient(root + "/here"), EdgeClient(root + "/apart", worker=True)
here.create_collection("c", models.VectorParams(size=2, distance="Dot"))
held, forked = threading.Event(), threading.Event()
def hold():
    with here._edge._folder._lock, apart._edge.worker._lock, _open_folders._lock:
        held.set()
        forked.wait()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(100, exit=True)
    for use in (
        lambda: here.query_points("c", [1.0, 0.0]),
        lambda: here.upsert("c", [models.PointStruct(id=2, vector=[1.0, 0.0])]),
        lambda: here.get_collections(),
        lambda: apart.get_collections(),
        lambda: EdgeClient(root + "/here"),
        lambda: EdgeClient(root + "/apart", worker=True),
    ):
        try:
            use()
        except StorageError as error:
            print("refused")
    here.close()
    apart.close()
    del here, apart, use
    gc.collect()
    for worker in (False, True):
        other = EdgeClient(root + "/other", worker=worker)
        other.recreate_collection("c", models.VectorParams(size=2, distance="Dot"))
        print("made", other.count("c").count)
        other.close()
    sys.exit(0)
forked.set()
holder.join()
assert os.waitpid(child, 0)[1] == 0
here.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0])])
print("parent", here.count("c").count, len(apart.get_collections().collections))
"""
    lines = run(script, tmp_path).splitlines()
    assert lines == ["refused"] * 6 + ["made 0"] * 2 + ["parent 1 0"]


def test_a_client_whose_durability_cannot_be_had_leaves_nothing_open(client, tmp_path):
    (segments,) = tmp_path.glob("collections/*/segments")
    segments.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot flush") as refused:
        EdgeClient(tmp_path, durability="power")
    (tmp_path / "elsewhere").rename(segments)
    assert client.count(NAME).count == 1
    client.close()
    assert refused.value  # which holds on to what was made
    again = EdgeClient(tmp_path, worker=True)  # refused while another client is open here
    assert again.count(NAME).count == 1
    again.close()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a limit of file sizes")
@pytest.mark.parametrize("worker", [False, True])
def test_a_folder_whose_lock_cannot_be_written_is_left_unlocked(tmp_path, worker):
    script = f"""
import os, resource, sys, tempfile
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import StorageError
tempfile.tempdir = sys.argv[1]
errors = []
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
for path in (sys.argv[1] + "/index", ":temporary:"):
    try:
        EdgeClient(path, worker={worker})
    except StorageError as error:
        errors.append(error)  # which holds on to what was made
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
EdgeClient(sys.argv[1] + "/index").close()
print(*errors, *os.listdir(sys.argv[1]), sep="\\n")
"""
    lines = run(script, tmp_path).splitlines()
    assert lines[0] == "no child"
    assert ["cannot be used as the folder" in line for line in lines[1:3]] == [True, True]
    assert lines[3:] == ["index"]


def test_closing_twice_or_after_a_failed_start_is_harmless(client):
    client.close()
    client.close()
    EdgeClient.__new__(EdgeClient).close()


def test_threads_write_and_read_at_once(client):
    barrier = threading.Barrier(4)

    def work(worker: int) -> None:
        barrier.wait()
        for number in range(30):
            point = models.PointStruct(
                id=1000 * worker + number, vector={"dense": [float(worker), float(number)]}
            )
            client.upsert(NAME, [point])
            client.query_points(NAME, [1.0, 1.0], using="dense", limit=3)
        client.create_collection(f"of worker {worker}", VECTORS)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    assert client.count(NAME).count == 121
    assert len(client.get_collections().collections) == 5


# --- folders that cannot be used


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_path_that_names_no_folder_is_a_configuration_error(path):
    with pytest.raises(ConfigurationError, match="must name a folder"):
        EdgeClient(path)


@pytest.mark.parametrize("below", ["", "below"])
def test_a_file_in_the_way_is_named(tmp_path, below):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(StorageError, match=r"file.* cannot be used.*Name a writable folder"):
        EdgeClient(file / below)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder nobody can write to")
def test_a_folder_that_cannot_be_written_is_named():
    with pytest.raises(StorageError, match="/proc/index cannot be used"):
        EdgeClient("/proc/index")


def damaged(change):
    def damage(root: Path) -> None:
        meta = root / "meta.json"
        content = json.loads(meta.read_text())
        change(content)
        meta.write_text(json.dumps(content))

    return damage


DAMAGES = {
    "truncated": lambda root: os.truncate(root / "meta.json", 20),
    "empty": lambda root: os.truncate(root / "meta.json", 0),
    "binary": lambda root: (root / "meta.json").write_bytes(bytes(range(256))),
    "a folder": lambda root: ((root / "meta.json").unlink(), (root / "meta.json").mkdir()),
    "missing": lambda root: (root / "meta.json").unlink(),
    "newer format": damaged(lambda content: content.update(format=2)),
    "wrong configuration": damaged(
        lambda content: content["collections"][NAME]["config"].update(vectors=5)
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_list_of_collections_is_reported_and_left_alone(client, tmp_path, name):
    client.close()
    DAMAGES[name](tmp_path)
    for _ in range(2):  # the lock is free again
        with pytest.raises(StorageError, match=r"meta\.json (is|cannot)"):
            EdgeClient(tmp_path)
    assert len(list((tmp_path / "collections").iterdir())) == 1


def test_a_missing_or_damaged_collection_is_a_storage_error(client, tmp_path):
    client.close()
    [folder] = (tmp_path / "collections").iterdir()
    [segment] = folder.glob("segments/*/segment.json")
    segment.write_text("{")
    client = EdgeClient(tmp_path)
    with pytest.raises(StorageError, match="cannot open the collection"):
        client.count(NAME)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is missing; restore it"):
        client.count(NAME)
    assert client.collection_exists(NAME)
    assert client.delete_collection(NAME) is True
    client.close()


def test_a_collection_that_cannot_be_made_leaves_nothing_behind(client, tmp_path):
    (tmp_path / "collections").rename(tmp_path / "elsewhere")
    (tmp_path / "collections").write_text("in the way")
    with pytest.raises(StorageError, match="cannot create a collection"):
        client.create_collection("new", VECTORS)
    assert [c.name for c in client.get_collections().collections] == [NAME]
    (tmp_path / "collections").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "collections")


def test_a_collection_that_cannot_be_flushed_still_gives_the_folder_free(client, tmp_path):
    (segments,) = tmp_path.glob("collections/*/segments")
    segments.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="cannot flush"):
        client.close()
    (tmp_path / "elsewhere").rename(segments)
    again = EdgeClient(tmp_path)
    assert again.retrieve(NAME, [1])[0].payload == {"kept": True}
    again.close()


def test_after_a_panic_the_collection_is_refused_until_it_is_opened_again(client, tmp_path):
    panic = type("PanicException", (BaseException,), {})

    def run(_):
        raise panic("index out of bounds")

    with pytest.raises(StorageError, match="failed while it tried to search"):
        client._client._folder.collection(NAME).read("search", run)
    with pytest.raises(StorageError, match="open the folder again"):
        client.count(NAME)
    client.close()
    again = EdgeClient(tmp_path)
    assert again.count(NAME).count == 1
    again.close()
