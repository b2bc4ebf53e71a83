"""What is acknowledged stays: kills at any moment, full disks, damaged files, backups."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.edge._storage import _shard as _collection
from langchain_gemini_qdrant.edge._storage._backup import restore
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, StorageError

NAME = "points"
VECTORS = models.VectorParams(size=16, distance=models.Distance.DOT)
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="needs signals and fork")


def points(first: int, count: int) -> list[models.PointStruct]:
    return [
        models.PointStruct(id=i, vector=[float(i % 97)] * 16, payload={"number": i})
        for i in range(first, first + count)
    ]


@pytest.fixture
def client(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.create_collection(NAME, VECTORS)
    client.upsert(NAME, points(0, 10))
    yield client
    client.close()


def run(script: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
    done = subprocess.run(  # noqa: S603
        [*before, sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- kills


# Each victim says what it finds, then writes, says what was acknowledged, and optimizes now and
# then, until it is killed. It is a fork, as a new Python would need a second to start.
KILLS = """
import os, signal, sys
import qdrant_edge
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient

path, worker, rounds = sys.argv[1], sys.argv[2] == "worker", int(sys.argv[3])

def victim(say):
    client = EdgeClient(path, worker=worker)
    if not client.collection_exists("c"):
        client.create_collection(
            "c", models.VectorParams(size=32, distance="Dot"),
            optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
            quantization_config=models.BinaryQuantization(binary=models.BinaryQuantizationConfig()),
        )
    found = [record.id for record in client.scroll("c", limit=1_000_000)[0]]
    say(f"worker {client._edge.worker.opened.result().value if worker else 0}")
    say(f"found {' '.join(map(str, found))}")
    first = max(found, default=-1) + 1
    while True:
        for _ in range(7):
            client.upsert("c", [
                models.PointStruct(id=i, vector=[i % 7 + c for c in range(32)], payload={"i": i})
                for i in range(first, first + 20)
            ])
            say(f"stored {first}")
            first += 20
        say("optimizing")
        client.optimize("c")

def lines(path):
    with open(path) as pipe:
        yield from (line.rstrip("\\n").partition(" ")[::2] for line in pipe)

acknowledged = set()
for number in range(rounds):
    out, into = os.pipe()
    alive, life = os.pipe()  # the victim and its worker hold the other end
    pid = os.fork()
    if pid == 0:
        os.close(out), os.close(alive)
        os.dup2(life, 2)  # which a worker inherits
        with open(into, "w") as pipe:
            try:
                victim(lambda line: print(line, file=pipe, flush=True))
            except BaseException as error:
                print("failed", repr(error).replace("\\n", " "), file=pipe, flush=True)
        os._exit(1)
    os.close(into), os.close(life)
    patience, target = number % 9, pid
    for word, rest in lines(out):
        if word == "failed" and "SIGKILL" not in rest:
            sys.exit(rest)
        if word == "worker" and worker and number % 2:
            target = int(rest)
        if word == "found":
            found = set(map(int, rest.split()))
            if not acknowledged <= found:
                sys.exit(f"round {number}: lost {sorted(acknowledged - found)}")
        if word == "stored":
            acknowledged |= set(range(int(rest), int(rest) + 20))
        # during a write, or, each third time, during an optimization
        due = word == "optimizing" if number % 3 == 2 else word == "stored"
        if due:
            patience -= 1
            if patience < 0 or word == "optimizing":
                os.kill(target, signal.SIGKILL)
                patience = 1_000_000
    os.waitpid(pid, 0)
    while os.read(alive, 4096):  # until the worker is gone, too
        pass
    os.close(alive)

client = EdgeClient(path)
records = client.scroll("c", limit=1_000_000)[0]
found = {record.id for record in records}
payloads = {record.id == record.payload["i"] for record in records}
client.close()
assert acknowledged <= found and payloads == {True}
print(len(acknowledged))
"""


@pytest.mark.slow
@POSIX_ONLY
@pytest.mark.parametrize(("mode", "rounds"), [("in-process", 22), ("worker", 8)])
def test_thirty_kills_while_writing_and_optimizing_lose_nothing_acknowledged(
    tmp_path, mode, rounds
):
    """With a worker, the worker and its client's process are killed in turn."""
    acknowledged = int(run(KILLS, tmp_path, mode, rounds))
    assert acknowledged > 20 * rounds


@pytest.mark.slow
@POSIX_ONLY
@pytest.mark.parametrize(
    ("worker", "durability", "survivors"),
    [(False, "process", 0), (False, "power", 1), (True, "power", 1)],
)
def test_an_update_is_flushed_at_once_where_power_cuts_matter(
    tmp_path, worker, durability, survivors
):
    """What is not flushed is in the log alone: with an emptied log, only flushed points remain."""
    script = """
import os, sys
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
client = EdgeClient(sys.argv[1], worker=sys.argv[2] == "True", durability=sys.argv[3])
client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
client.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0])])
if client.init_options["worker"]:
    os.kill(client._edge.worker.opened.result().value, 9)
sys.stdout.write("done")
sys.stdout.flush()
os._exit(0)
"""
    assert run(script, tmp_path, worker, durability) == "done"
    [log] = tmp_path.glob("collections/*/wal")
    shutil.rmtree(log)
    client = EdgeClient(tmp_path)
    assert client.count("c").count == survivors
    client.close()


def test_one_client_that_asks_for_power_safety_has_it_for_all_of_the_folder(client):
    assert client._edge._collection(NAME).flush_after_updates == 50
    second = EdgeClient(**{**client.init_options, "durability": "power"})
    client.create_collection("later", VECTORS)
    for name in (NAME, "later"):
        assert client._edge._collection(name).flush_after_updates == 1
    second.close()
    with pytest.raises(ConfigurationError, match="durability must be one of"):
        EdgeClient(client.init_options["path"], durability="disk")


def test_readers_a_writer_and_an_optimizer_at_once_find_each_point_with_its_own_payload(client):
    stop = threading.Event()

    def read() -> int:
        count = 0
        while not stop.is_set():
            for found in client.query_points(NAME, [1.0] * 16, limit=20).points:
                assert found.payload == {"number": found.id}
                count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for first in range(0, 1000, 100):
                client.upsert(NAME, points(first, 100))
                client.optimize(NAME)
        finally:
            stop.set()
        assert all(reader.result() for reader in readers)
    assert client.count(NAME).count == 1000


def test_calls_that_touch_several_collections_never_wait_for_each_other_in_a_circle(
    client, tmp_path
):
    client.create_collection("other", VECTORS)
    client.upsert("other", points(0, 10))

    def look_up(name: str, source: str) -> None:
        lookup = models.LookupLocation(collection=source)
        for _ in range(50):
            assert client.query_points(name, 3, lookup_from=lookup).points

    def back_up() -> None:
        for number in range(10):
            client.backup(tmp_path / f"backup-{number}")

    with ThreadPoolExecutor(3) as pool:
        for call in [
            pool.submit(look_up, NAME, "other"),
            pool.submit(look_up, "other", NAME),
            pool.submit(back_up),
        ]:
            call.result(timeout=200)


# --- full disks


FILL = """
import sys
from qdrant_client import models
from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import StorageError
path, worker = sys.argv[1], sys.argv[2] == "True"
client = EdgeClient(path, worker=worker)
client.create_collection("c", models.VectorParams(size=3072, distance="Dot"))
acknowledged = 0
vectors = [[float(i + c) for c in range(3072)] for i in range(100)]
try:
    while True:
        client.upsert("c", [
            models.PointStruct(id=acknowledged + i, vector=vector)
            for i, vector in enumerate(vectors)
        ])
        acknowledged += 100
except StorageError as error:
    print(error)
assert client.count("c").count == acknowledged
client.close()
client = EdgeClient(path)
try:
    assert client.count("c").count == acknowledged
except StorageError as error:
    print(error)  # opening writes, too
assert client.delete_collection("c")
client.create_collection("c", models.VectorParams(size=3072, distance="Dot"))
client.upsert("c", [models.PointStruct(id=1, vector=vectors[0])])
client.close()
print(acknowledged)
"""


def small_disk(folder: Path, megabytes: int) -> tuple[str, ...]:
    """Return the command line that runs a command with a small file system on a folder."""
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0" && exec "$@"'
    return ("unshare", "--mount", "sh", "-c", mount, str(folder))


def can_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(  # noqa: S603
        [*small_disk(folder, 1), "true"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("worker", [False, True])
def test_a_disk_that_fills_up_is_an_error_that_loses_nothing(tmp_path, worker):
    if not can_mount(tmp_path):
        pytest.skip("needs the right to mount a small file system")
    *told, acknowledged = run(
        FILL, tmp_path / "index", worker, before=small_disk(tmp_path, 160)
    ).splitlines()
    assert "Not enough free disk" in told[0]
    assert "nothing was written" in told[0]
    assert int(acknowledged) > 0


@pytest.mark.parametrize(
    "write",
    [
        lambda c: c.upsert(NAME, points(50, 1)),
        lambda c: c.delete(NAME, [1]),
        lambda c: c.create_payload_index(NAME, "number", "integer"),
        lambda c: c.create_collection("new", VECTORS),
        lambda c: c.optimize(NAME),
    ],
)
def test_every_write_looks_at_the_disk_first_and_leaves_all_as_it_was(client, monkeypatch, write):
    before = client.scroll(NAME, limit=100, with_vectors=True), client.get_collection(NAME)
    with monkeypatch.context() as changed:
        changed.setattr(_collection, "_SPARE_DISK_BYTES", 2**62)  # more than any disk has
        with pytest.raises(StorageError, match="Not enough free disk.*nothing was written"):
            write(client)
    after = client.scroll(NAME, limit=100, with_vectors=True), client.get_collection(NAME)
    assert after == before


def test_opening_a_collection_looks_at_the_disk_first_because_the_replay_writes(
    client, monkeypatch
):
    client.close()
    with monkeypatch.context() as changed:
        changed.setattr(_collection, "_SPARE_DISK_BYTES", 2**62)
        again = EdgeClient(**client.init_options)
        with pytest.raises(StorageError, match="Not enough free disk"):
            again.count(NAME)
    assert again.count(NAME).count == 10
    again.close()


# --- damaged files


def damage_of(pattern: str, change):
    def damage(collection: Path) -> None:
        [*found] = collection.glob(pattern)
        assert found
        for file in found:
            change(file)

    return damage


DAMAGES = {
    "settings missing": damage_of("edge_config.json", Path.unlink),
    "settings cut off": damage_of("edge_config.json", lambda file: os.truncate(file, 10)),
    "segment's settings cut off": damage_of(
        "segments/*/segment.json", lambda file: os.truncate(file, 10)
    ),
    "vectors' settings missing": damage_of(
        "segments/*/vector_storage/vectors/config.json", Path.unlink
    ),
    "payloads' settings cut off": damage_of(
        "segments/*/payload_storage/config.json", lambda file: os.truncate(file, 3)
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_collection_is_an_error_or_whole_and_its_neighbour_is_served(client, name):
    client.create_collection("neighbour", VECTORS)
    client.upsert("neighbour", points(0, 3))
    root = Path(client.init_options["path"])
    folder = json.loads((root / "meta.json").read_bytes())["collections"][NAME]["folder"]
    client.close()
    DAMAGES[name](root / "collections" / folder)
    again = EdgeClient(root)
    try:
        found = again.scroll(NAME, limit=100, with_vectors=True)[0]
    except StorageError as error:
        told = str(error)
        assert "cannot open the collection" in told or "failed while it tried" in told
    else:
        assert [record.payload for record in found] == [{"number": i} for i in range(10)]
        assert [record.vector for record in found] == [point.vector for point in points(0, 10)]
    assert again.count("neighbour").count == 3
    assert again.delete_collection(NAME)
    again.close()


# --- backups


def test_a_backup_of_an_open_index_is_whole_small_and_restored(client, tmp_path):
    client.create_payload_index(NAME, "number", "integer")
    before = client.scroll(NAME, limit=100, with_vectors=True), client.get_collection(NAME)
    client.backup(tmp_path / "backup")
    client.upsert(NAME, points(10, 10))
    EdgeClient.restore(tmp_path / "backup", tmp_path / "restored")

    for path in ("backup", "restored"):
        copy = EdgeClient(tmp_path / path)
        assert (
            copy.scroll(NAME, limit=100, with_vectors=True),
            copy.get_collection(NAME),
        ) == before
        copy.close()
    assert client.count(NAME).count == 20
    if hasattr(os.stat_result, "st_blocks"):
        lengths, blocks = zip(
            *(
                (file.stat().st_size, 512 * file.stat().st_blocks)
                for file in (tmp_path / "restored").rglob("*")
                if file.is_file()
            ),
            strict=True,
        )
        assert sum(blocks) < 3e6
        assert sum(lengths) > 90e6


def test_a_new_index_can_be_backed_up_and_restored(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.backup(tmp_path / "backup")
    client.close()
    EdgeClient.restore(str(tmp_path / "backup"), str(tmp_path / "restored"))
    copy = EdgeClient(tmp_path / "restored")
    assert copy.get_collections().collections == []
    copy.close()


def test_a_backup_or_an_index_is_never_overwritten(client, tmp_path):
    client.backup(tmp_path / "backup")
    for target in (tmp_path / "backup", client.init_options["path"]):
        with pytest.raises(StorageError, match="is not empty; name a new folder"):
            client.backup(target)
        with pytest.raises(StorageError, match="is not empty; name a new folder"):
            EdgeClient.restore(tmp_path / "backup", target)
    assert client.count(NAME).count == 10


def test_what_is_no_backup_or_is_in_use_is_not_restored(client, tmp_path):
    with pytest.raises(StorageError, match="is neither an index nor a backup"):
        EdgeClient.restore(tmp_path / "nothing", tmp_path / "restored")
    with pytest.raises(StorageError, match="is open in this process"):
        EdgeClient.restore(client.init_options["path"], tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    client.close()
    EdgeClient.restore(client.init_options["path"], tmp_path / "restored")


def test_a_segment_of_the_log_that_is_being_made_does_not_disturb_a_backup(client, tmp_path):
    """Listed under one name and gone when it is read, as a link to nothing is."""
    [log] = tmp_path.glob("index/collections/*/wal")
    (log / "tmp-open-9").symlink_to(tmp_path / "nothing")
    size = client.storage_info(NAME).disk_bytes
    client.backup(tmp_path / "backup")
    assert not list((tmp_path / "backup").rglob("tmp-*"))
    copy = EdgeClient(tmp_path / "backup")
    assert copy.count(NAME) == client.count(NAME)
    assert size > 0
    copy.close()


def test_a_copy_that_fails_leaves_nothing_behind(client, tmp_path):
    client.backup(tmp_path / "backup")
    shutil.rmtree(tmp_path / "backup" / "collections")
    with pytest.raises(StorageError, match="cannot be copied"):
        restore(tmp_path / "backup", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot be copied"):
        client.backup(tmp_path / "file")


# --- sizes


def test_the_sizes_of_a_collection_are_those_of_its_files(tmp_path):
    client = EdgeClient(tmp_path)
    client.create_collection(
        NAME,
        models.VectorParams(size=256, distance=models.Distance.DOT),
        quantization_config=models.BinaryQuantization(binary=models.BinaryQuantizationConfig()),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=100),
    )
    rows = np.random.default_rng(0).standard_normal((1000, 256))
    client.upload_collection(NAME, rows, ids=range(1000), batch_size=500)
    flat = client.storage_info(NAME)
    assert (flat.points_count, flat.unindexed_vectors_count) == (1000, 1000)
    assert flat.vectors == client.vector_storage_size(NAME)
    assert flat.vectors.original_bytes == 1000 * 256 * 4
    assert flat.vectors.quantized_bytes == 1000 * 256 // 8
    assert 1e6 < flat.disk_bytes < 10e6
    assert 1e6 < flat.log_bytes < flat.disk_bytes - flat.vectors.original_bytes
    assert flat.vectors.quantized_bytes < flat.memory_bytes < flat.vectors.original_bytes
    assert client.optimize(NAME) is True
    graph = client.storage_info(NAME)
    assert (graph.points_count, graph.unindexed_vectors_count) == (1000, 0)
    assert graph.memory_bytes > flat.memory_bytes
    with pytest.raises(InvalidInputError, match="not found"):
        client.storage_info("none")
    client.close()


def test_a_collection_that_has_outgrown_the_scan_says_so_once(client, monkeypatch, recwarn):
    monkeypatch.setattr(_collection, "_FLAT_SEARCH_VECTORS", 100)
    client.upsert(NAME, points(0, 101))
    assert not recwarn.list
    client.close()
    again = EdgeClient(**client.init_options)
    with pytest.warns(UserWarning, match=r"has 101 vectors .* client\.optimize\('points'\)"):
        again.count(NAME)
    again.close()
    recwarn.clear()
    again = EdgeClient(**client.init_options)
    assert again.count(NAME).count == 101
    assert not recwarn.list
    again.close()


def test_a_collection_that_outgrows_the_scan_while_it_is_written_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(_collection, "_FLAT_SEARCH_VECTORS", 100)
    client = EdgeClient(tmp_path, durability="power")
    client.create_collection(NAME, VECTORS)
    client.upsert(NAME, points(0, 100))
    with pytest.warns(UserWarning, match="has 101 vectors"):
        client.upsert(NAME, points(100, 1))
    client.upsert(NAME, points(101, 1))
    client.close()
