"""Logs that the engine cannot read back: what opening says, and what a repair keeps."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from contextlib import suppress
from functools import reduce
from math import inf, nan
from typing import TYPE_CHECKING

import pytest
import qdrant_edge as engine
from click.testing import CliRunner
from qdrant_client import models

from langchain_gemini_qdrant.cli.main import cli
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.edge._storage import _log
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

NAME = "points"
VECTORS = models.VectorParams(size=2, distance=models.Distance.DOT)
Update = engine.UpdateOperation
FEW_LEVELS, READ_BACK_IN_PAYLOADS, READ_BACK_NOWHERE = 110, 125, 140


def nested(levels: int) -> dict:
    return reduce(lambda inner, _: {"a": inner}, range(levels - 1), {"a": 1})


def levels_of(value: object) -> int:
    levels = 0
    while isinstance(value, dict | list):
        levels, value = levels + 1, value["a"] if isinstance(value, dict) else value[0]
    return levels


def where(**bound: float) -> engine.Filter:
    return engine.Filter(must=[engine.FieldCondition(key="n", range=engine.RangeFloat(**bound))])


def within(levels: int) -> engine.Filter:
    return reduce(lambda inner, _: engine.Filter(must=[inner]), range(levels), where(gte=0))


def upsert(*ids: int | str, condition: engine.Filter | None = None, **payload: object):
    points = [engine.Point(i, [1.0, 2.0], {"text": f"text {i}", "n": 1, **payload}) for i in ids]
    return Update.upsert_points(points, condition)


UUID = "0b1f7c1e-4f5c-4b8a-9a55-1f0f6d3b2c11"
# an update that is logged and not read back -> what becomes of it, and of which points
UNREADABLE = {
    "a payload": (upsert(3, UUID, 70_000, deep=nested(123)), "shortened", (3, UUID, 70_000)),
    "a payload that is read nowhere": (
        upsert(3, UUID, deep=nested(READ_BACK_NOWHERE)),
        "shortened",
        (3, UUID),
    ),
    "a conditional upsert": (upsert(3, condition=within(64)), "left out", (3,)),
    "a filter": (Update.delete_points_by_filter(within(64)), "left out", ()),
    "lists": (
        Update.set_payload([1, 2], {"deep": reduce(lambda inner, _: [inner], range(126), 1)}),
        "shortened",
        (1, 2),
    ),
    "a payload and its filter": (
        upsert(3, condition=within(64), deep=nested(130)),
        "left out",
        (3,),
    ),
    "set_payload by a filter": (
        Update.set_payload_by_filter(within(64), {"set": 1}),
        "left out",
        (),
    ),
    "an infinite bound": (Update.delete_points_by_filter(where(gt=inf)), "left out", ()),
    "a bound that is no number": (
        Update.overwrite_payload_by_filter(where(gte=nan), {}),
        "left out",
        (),
    ),
    "a condition without bound": (
        upsert(1, 3, condition=where(gt=inf)),
        "left out",
        (1, 3),
    ),
    "an infinite radius": (
        Update.delete_points_by_filter(
            engine.Filter(
                must_not=[
                    engine.FieldCondition(
                        key="n",
                        geo_radius=engine.GeoRadius(engine.GeoPoint(1.0, 2.0), inf),
                    )
                ]
            )
        ),
        "left out",
        (),
    ),
}


KINDS = ["a payload", *(pytest.param(kind, marks=pytest.mark.slow) for kind in [*UNREADABLE][1:])]


def shard_of(index: Path) -> engine.EdgeShard:
    """Open a collection past all checks."""
    (folder,) = (index / "collections").iterdir()
    return engine.EdgeShard.load(str(folder))


def everything(index: Path) -> dict:
    client = EdgeClient(index)
    records, _ = client.scroll(NAME, limit=10_000, with_vectors=True)
    client.close()
    return {record.id: (record.payload, record.vector) for record in records}


def files_of(index: Path) -> dict:
    return {
        file.relative_to(index): file.read_bytes() for file in index.rglob("*") if file.is_file()
    }


@pytest.fixture
def index(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.create_collection(NAME, VECTORS)
    client.close()
    return tmp_path / "index"


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_log_that_cannot_be_read_back_is_named_with_the_way_out(index, kind):
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.update(UNREADABLE[kind][0])
    shard.close()
    client = EdgeClient(index)
    with pytest.raises(StorageError, match=r"EdgeClient\.repair.*gemini-qdrant repair"):
        client.count(NAME)
    client.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_repair_loses_nothing_but_what_cannot_be_read_back(index, tmp_path, kind):
    update, outcome, points = UNREADABLE[kind]
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.flush()
    shard.update(upsert(4))
    shard.update(update)
    shard.update(upsert(5, 6))
    damaged = tmp_path / "damaged"
    copy_as_after_a_crash(index, damaged)
    shard.close()
    before = files_of(damaged)

    (repaired,) = EdgeClient.repair(damaged, tmp_path / "repaired")

    assert files_of(damaged).items() >= before.items()
    assert (repaired.collection, repaired.outcome, repaired.point_ids) == (NAME, outcome, points)
    found = everything(tmp_path / "repaired")
    deep = set(points) if outcome == "shortened" else set()
    assert set(found) == {1, 2, 4, 5, 6} | deep
    for point_id, (payload, vector) in found.items():
        assert vector == [1.0, 2.0]
        assert payload["text"] == f"text {point_id}"
        assert levels_of(payload.pop("deep", 0)) == (FEW_LEVELS - 1 if point_id in deep else 0)
        assert payload == {"text": f"text {point_id}", "n": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_flushed_stays_as_it_was(index, tmp_path, kind):
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.update(UNREADABLE[kind][0])
    records, _ = shard.scroll(engine.ScrollRequest(limit=10, with_payload=False))
    stored = {record.id if isinstance(record.id, int) else str(record.id) for record in records}
    shard.close()
    EdgeClient.repair(index, tmp_path / "repaired")
    found = everything(tmp_path / "repaired")
    assert set(found) == stored
    assert all(payload["text"] == f"text {i}" for i, (payload, _) in found.items())


def copy_as_after_a_crash(index: Path, copy: Path) -> None:
    """The engine may be making the log's next segment."""
    shutil.copytree(index, copy, ignore=shutil.ignore_patterns("tmp-*"))


def split_into_segments_of(index: Path, log_bytes: int) -> None:
    for folder in (index / "collections").iterdir():
        settings = json.loads((folder / "edge_config.json").read_bytes())
        settings["wal_options"] = {
            "segment_capacity": log_bytes,
            "segment_queue_len": 0,
            "retain_closed": 1,
        }
        (folder / "edge_config.json").write_text(json.dumps(settings))
        shutil.rmtree(folder / "wal")  # it has segments of another size, and nothing in them


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("log_bytes", [2_048, 1_048_576])
def test_of_many_updates_in_several_segments_of_the_log_none_is_lost(
    index, tmp_path, log_bytes, seed
):
    choose = random.Random(seed)
    shutil.copytree(index, tmp_path / "healthy")
    split_into_segments_of(index, log_bytes)
    shard, healthy = shard_of(index), shard_of(tmp_path / "healthy")
    shortened, left_out = [], 0
    for number in range(160):
        ids = choose.sample(range(200), 3)
        good = choose.choice(
            [
                upsert(*ids, number=number),
                Update.delete_points(ids),
                upsert(*ids, condition=where(gte=0)),
                Update.delete_points_by_filter(where(gt=1)),
                Update.update_vectors([engine.PointVectors(0, [1.0, number])]),
            ]
        )
        for each in (shard, healthy):
            each.update(upsert(0))
            each.update(good)
        if number == 80:
            shard.flush()
        if number > 80 and number % 29 == 0:
            left_out += 1
            shard.update(
                choose.choice(
                    [
                        Update.delete_points_by_filter(where(gt=inf)),
                        Update.set_payload_by_filter(
                            engine.Filter(must=[where(gt=1), within(70)]), {"never": True}
                        ),
                    ]
                )
            )
        if number > 80 and number % 31 == 0:
            point = 1_000 + number
            shortened.append(point)
            shard.update(upsert(number, point, deep=nested(READ_BACK_IN_PAYLOADS)))
            healthy.update(upsert(number, point, deep=nested(FEW_LEVELS)))
    copy_as_after_a_crash(index, tmp_path / "damaged")
    shard.close()
    healthy.close()

    repaired = EdgeClient.repair(tmp_path / "damaged", tmp_path / "repaired")

    outcomes = [each.outcome for each in repaired]
    assert outcomes.count("left out") == left_out > 1
    assert [each.point_ids[1] for each in repaired if each.outcome == "shortened"] == shortened
    found, expected = everything(tmp_path / "repaired"), everything(tmp_path / "healthy")
    for payload, _ in (*found.values(), *expected.values()):
        assert levels_of(payload.pop("deep", 0)) in {0, FEW_LEVELS, FEW_LEVELS - 1}
    assert found == expected


def test_a_stored_payload_that_nothing_can_read_comes_from_the_log(index, tmp_path):
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.update(
        upsert(3, 4, deep=nested(READ_BACK_NOWHERE), more=[-1, 2.5, None, True, {"b": 300}])
    )
    shard.update(upsert(5))
    shard.close()
    (repaired,) = EdgeClient.repair(index, tmp_path / "repaired")
    assert (repaired.outcome, repaired.point_ids) == ("restored", (3, 4))
    found = everything(tmp_path / "repaired")
    assert set(found) == {1, 2, 3, 4, 5}
    payload, vector = found[3]
    assert vector == [1.0, 2.0]
    assert levels_of(payload.pop("deep")) == FEW_LEVELS - 1
    assert payload == {"text": "text 3", "n": 1, "more": [-1, 2.5, None, True, {"b": 300}]}


@pytest.mark.slow
def test_a_stored_payload_that_not_even_the_log_has_is_emptied_and_its_vector_kept(index, tmp_path):
    split_into_segments_of(index, 4_096)
    shard = shard_of(index)
    shard.update(upsert(3, deep=nested(READ_BACK_NOWHERE)))
    for number in range(100, 200):
        shard.update(upsert(number, long="x" * 1_000))
        shard.flush()
    shard.close()
    (repaired,) = EdgeClient.repair(index, tmp_path / "repaired")
    assert (repaired.outcome, repaired.point_ids) == ("emptied", (3,))
    found = everything(tmp_path / "repaired")
    assert set(found) == {3, *range(100, 200)}
    assert found[3] == ({}, [1.0, 2.0])


@pytest.mark.slow
def test_of_a_payload_that_is_older_than_the_log_its_changes_are_kept(index, tmp_path):
    split_into_segments_of(index, 4_096)
    shard = shard_of(index)
    shard.update(upsert(3))
    for number in range(100, 200):
        shard.update(upsert(number, long="x" * 1_000))
        shard.flush()
    shard.update(Update.set_payload([3], {"a": 1}))
    with pytest.raises(Exception, match="recursion limit"):
        shard.update(Update.set_payload([3], {"deep": nested(READ_BACK_NOWHERE)}))
    shard.close()
    repaired = EdgeClient.repair(index, tmp_path / "repaired")
    assert [(each.outcome, each.point_ids) for each in repaired] == [
        ("shortened", (3,)),
        ("emptied", (3,)),
    ]
    found = everything(tmp_path / "repaired")
    assert set(found) == {3, *range(100, 200)}
    payload, vector = found[3]
    assert levels_of(payload.pop("deep")) == FEW_LEVELS - 1
    assert (payload, vector) == ({"a": 1}, [1.0, 2.0])


@pytest.mark.slow
def test_an_update_that_a_stored_payload_stands_in_the_way_of_is_applied(index, tmp_path):
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.update(upsert(3, deep=nested(READ_BACK_NOWHERE)))
    shard.update(upsert(4))
    shard.flush()
    shard.update(upsert(5))
    shard.update(upsert(6))
    with pytest.raises(Exception, match="recursion limit"):
        shard.update(Update.clear_payload([3]))
    with pytest.raises(Exception, match="recursion limit"):
        shard.update(Update.set_payload([3, 5], {"a": 1}))
    for copy in ("damaged", "opened"):
        copy_as_after_a_crash(index, tmp_path / copy)
    client = EdgeClient(tmp_path / "opened")
    with pytest.raises(StorageError, match="Close .* clients.*gemini-qdrant repair"):
        client.count(NAME)
    client.close()
    repaired = EdgeClient.repair(tmp_path / "damaged", tmp_path / "repaired")
    assert [(each.outcome, each.point_ids) for each in repaired] == [("restored", (3,))]
    found = everything(tmp_path / "repaired")
    assert set(found) == {1, 2, 3, 4, 5, 6}
    assert found[3] == ({"a": 1}, [1.0, 2.0])
    assert found[5] == ({"text": "text 5", "n": 1, "a": 1}, [1.0, 2.0])


DEEP = nested(READ_BACK_NOWHERE)
INSERT_ONLY = Update.upsert_points(
    [engine.Point(1, [1.0, 2.0], {"text": "text 1"})], None, engine.UpdateMode.InsertOnly
)
# updates, one of which is applied in part -> the payload of point 1, without what nests too deep
APPLIED_IN_PART = {
    "set": ([upsert(1), Update.set_payload([1], {"deep": DEEP})], {"text": "text 1", "n": 1}),
    "set, among others": (
        [
            upsert(1, 2),
            Update.set_payload([1], {"a": 1, "b": 1}),
            Update.delete_payload([1], ["b"]),
            Update.set_payload_by_filter(where(gte=1), {"c": 1}),
            upsert(3),
            Update.set_payload([1], {"deep": DEEP}),
            Update.set_payload([1], {"d": 1}),
        ],
        {"text": "text 1", "n": 1, "a": 1, "c": 1, "d": 1},
    ),
    "set below a key": (
        [upsert(1, key={"a": 1}), Update.set_payload([1], {"deep": DEEP}, "key")],
        {"text": "text 1", "n": 1, "key": {"a": 1}},
    ),
    "set by a filter": (
        [upsert(1), Update.set_payload_by_filter(where(gte=1), {"deep": DEEP})],
        {"text": "text 1", "n": 1},
    ),
    "set after it was inserted": (
        [INSERT_ONLY, Update.set_payload([1], {"deep": DEEP})],
        {"text": "text 1"},
    ),
}


@pytest.mark.parametrize(
    "kind",
    ["set", *(pytest.param(each, marks=pytest.mark.slow) for each in [*APPLIED_IN_PART][1:])],
)
def test_an_update_that_was_applied_in_part_is_shortened_and_told_of_once(index, tmp_path, kind):
    changes, payload = APPLIED_IN_PART[kind]
    shard = shard_of(index)
    for update in changes:
        with suppress(Exception):  # the engine refuses the last ones, and logs them
            shard.update(update)
    shard.close()
    repaired = EdgeClient.repair(index, tmp_path / "repaired")
    found, vector = everything(tmp_path / "repaired")[1]
    deep = found.get("key", found).pop("deep")
    assert 90 < levels_of(deep) <= FEW_LEVELS
    assert (found, vector) == (payload, [1.0, 2.0])
    told = [("shortened", () if "filter" in kind else (1,))]
    told += [("restored", (1,))] if "filter" in kind else []
    assert [(each.outcome, each.point_ids) for each in repaired] == told


def test_a_healthy_index_is_copied_as_it_is(index, tmp_path):
    shard = shard_of(index)
    shard.update(upsert(*range(10), deep=nested(FEW_LEVELS)))
    shard.close()
    assert EdgeClient.repair(index, tmp_path / "repaired") == []
    assert everything(tmp_path / "repaired") == everything(index)


def test_a_repair_never_touches_an_index_that_is_open_or_there(index, tmp_path):
    client = EdgeClient(index)
    with pytest.raises(StorageError, match="open in this process"):
        EdgeClient.repair(index, tmp_path / "repaired")
    client.close()
    with pytest.raises(StorageError, match="is not empty"):
        EdgeClient.repair(index, index)
    with pytest.raises(StorageError, match="is inside .*; name a folder outside it"):
        EdgeClient.repair(index, index / "collections" / "repaired")
    assert len([*(index / "collections").iterdir()]) == 1
    assert not (tmp_path / "repaired").exists()


def test_damage_of_another_kind_leaves_nothing_behind(index, tmp_path):
    (folder,) = (index / "collections").iterdir()
    (folder / "wal" / "first-index").write_text("{")
    with pytest.raises(StorageError, match="The log .* is damaged"):
        EdgeClient.repair(index, tmp_path / "repaired")
    assert not (tmp_path / "repaired").exists()


@pytest.mark.slow
def test_a_worker_says_the_same_sync_and_async(index):
    shard = shard_of(index)
    shard.update(Update.delete_points_by_filter(where(gt=inf)))
    shard.close()
    client = EdgeClient(index, worker=True)
    with pytest.raises(StorageError, match="gemini-qdrant repair"):
        client.count(NAME)
    client.close()

    async def ask() -> None:
        client = AsyncEdgeClient(index)
        try:
            await client.count(NAME)
        finally:
            await client.close()

    with pytest.raises(StorageError, match="gemini-qdrant repair"):
        asyncio.run(ask())


def test_the_command_says_what_it_could_not_keep(index, tmp_path):
    shard = shard_of(index)
    shard.update(upsert(1, 2))
    shard.update(Update.delete_points_by_filter(within(64)))
    shard.update(upsert(3, deep=nested(READ_BACK_IN_PAYLOADS)))
    shard.update(upsert(4))
    copy_as_after_a_crash(index, tmp_path / "damaged")
    shard.close()
    arguments = ["repair", str(tmp_path / "damaged"), str(tmp_path / "repaired")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    assert done.output.splitlines()[:2] == [
        "points: delete_points_by_filter of points that a filter selects: not applied",
        (
            "points: upsert_points of points 3: applied, with null for values that nest too deep "
            "in payloads"
        ),
    ]
    assert "can be opened" in done.output
    assert set(everything(tmp_path / "repaired")) == {1, 2, 3, 4}
    again = CliRunner().invoke(cli, arguments)
    assert again.exit_code == 1
    assert "is not empty" in again.output


def test_the_command_says_that_a_folder_is_no_index(tmp_path):
    (tmp_path / "folder").mkdir()
    arguments = ["repair", str(tmp_path / "folder"), str(tmp_path / "repaired")]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 1
    assert "folder is neither an index nor a backup of one" in done.output


def test_a_record_that_was_half_written_is_none(index, tmp_path):
    shard = shard_of(index)
    shard.update(upsert(1))
    shard.update(upsert(2, deep=nested(READ_BACK_IN_PAYLOADS)))
    copy_as_after_a_crash(index, tmp_path / "damaged")
    shard.close()
    (log,) = (tmp_path / "damaged" / "collections").glob("*/wal")
    *_, last = _log.records(log)
    with last.file.open("r+b") as file:
        file.seek(last.end - 100)
        file.write(bytes(100))
    assert not _log.is_whole(last)
    assert EdgeClient.repair(tmp_path / "damaged", tmp_path / "repaired") == []
    assert set(everything(tmp_path / "repaired")) == {1}
