"""An index made whole again whose log has updates that the engine cannot read back."""

from __future__ import annotations

import shutil
from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import methodcaller
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from langchain_gemini_qdrant.edge._convert._config import edge_config
from langchain_gemini_qdrant.edge._convert._results import point_id
from langchain_gemini_qdrant.edge._engine import engine, engine_errors
from langchain_gemini_qdrant.edge._storage import _log
from langchain_gemini_qdrant.edge._storage import _update_bytes as updates
from langchain_gemini_qdrant.edge._storage._backup import copy_tree, restore
from langchain_gemini_qdrant.edge._storage._folder import open_folder, release_folder
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from langchain_gemini_qdrant.edge._convert._models import EdgeObject
    from langchain_gemini_qdrant.edge._storage._folder import Folder
    from langchain_gemini_qdrant.edge._storage._log import Record
    from langchain_gemini_qdrant.edge._storage._shard import Collection

_PAGE_POINTS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair:
    """What of a damaged index could not be kept as it was.

    Attributes:
        collection: Its name.
        outcome: What became of an update in the log: `"shortened"`, applied with null in place of
            what nests too deep in payloads, or `"left out"`, not applied. What such an update had
            changed before the index was damaged, and was flushed, stays. Or what became of
            points that are stored with payloads that nothing can read: `"restored"` from the log,
            shortened, or `"emptied"`, if the log has them no more. Vectors are kept.
        operation: The engine's name of the update, such as `"upsert_points"`; empty for points.
        point_ids: The points concerned; none where a filter selects them.
    """

    collection: str
    outcome: Literal["shortened", "left out", "restored", "emptied"]
    operation: str
    point_ids: tuple[int | str, ...]

    def __str__(self) -> str:
        points = f"points {', '.join(map(repr, self.point_ids))}"
        if not self.point_ids:
            points = "points that a filter selects"
        what = f"{self.operation} of {points}" if self.operation else points
        return f"{self.collection}: {what}: {_OUTCOMES[self.outcome]}"


_OUTCOMES = {
    "shortened": "applied, with null for what nests too deep in payloads",
    "left out": "not applied",
    "restored": "payloads that could not be read are those of the log, shortened",
    "emptied": "payloads that could not be read are removed; the vectors are kept",
}


def repair(damaged: Path, target: Path) -> list[Repair]:
    """Make an index of one that the engine cannot open, and leave that one as it is.

    Raises:
        StorageError: As of `restore`; or something else than the log is damaged.
    """
    restore(damaged, target)
    try:
        folder = open_folder(target)
        try:
            return [each for name in folder.names() for each in _repair(folder, name, damaged)]
        finally:
            release_folder(folder)
    except BaseException as error:
        shutil.rmtree(target, ignore_errors=True)
        if isinstance(error, OSError):
            raise StorageError(f"{damaged} cannot be repaired in {target}: {error}") from error
        raise


def _repair(folder: Folder, name: str, damaged: Path) -> Iterator[Repair]:
    files = folder.collection_folder(name)
    original = damaged / files.relative_to(folder.root)
    trial = _Trial(files, edge_config(folder.entry(name).config))
    yield from _repair_log(trial, name)
    try:
        collection = folder.collection(name)
    except StorageError:  # an update can be read, and not applied to what is stored
        shutil.rmtree(files / "segments")  # it was applied in part
        copy_tree(original / "segments", files / "segments")
        yield from _repair_log(replace(trial, with_points=True), name)
        collection = folder.collection(name)
    yield from _rewrite_unreadable(collection, original / "wal")


@dataclass(frozen=True)
class _Trial:
    """Asks the engine whether it can open a collection with some updates in its log.

    Without points it sees only whether it can read them, which takes no copy of the collection.
    """

    files: Path
    config: EdgeObject
    with_points: bool = False

    def succeeds(self, records: Sequence[Record]) -> bool:
        with TemporaryDirectory(dir=self.files) as name:
            folder = self.files / name
            (folder / "wal").mkdir()
            _log.write_segments(folder / "wal", records)
            if self.with_points:
                copy_tree(self.files / "segments", folder / "segments")
            try:
                with engine_errors("open a trial collection"):
                    engine().EdgeShard.load(name, self.config).close()
            except StorageError as error:
                return not (self.with_points or _log.is_unreadable(error))
        return True

    def first_bad(self, start: int) -> Record | None:
        """Return the first update, from a number on, that is read back changed or not at all."""
        records = [each for each in _log.pending(self.files / "wal") if each.number >= start]
        good = len(records)
        if not self.succeeds(records):
            good = bisect_left(
                range(good),
                True,  # noqa: FBT003
                key=lambda last: not self.succeeds(records[: last + 1]),
            )
        for record in records[:good]:
            if updates.is_unbounded(record.body):
                return record
        return records[good] if good < len(records) else None


def _repair_log(trial: _Trial, name: str) -> Iterable[Repair]:
    """Replace each update that would be read back changed, or not at all."""
    repaired: dict[int, Repair] = {}
    number = 0
    while (record := trial.first_bad(number)) is not None and record.body != updates.NOTHING:
        number, body = record.number, record.body
        short, points = updates.shorten(body)
        can_be_short = short != body and not updates.is_unbounded(body)
        _log.replace(record, short if can_be_short else updates.NOTHING)
        repaired[number] = Repair(  # the second time if a filter nests too deep as well
            collection=name,
            outcome="shortened" if can_be_short else "left out",
            operation=updates.operation(body),
            point_ids=tuple(points if can_be_short else updates.point_ids(body)),
        )
    return repaired.values()


def _rewrite_unreadable(collection: Collection, log: Path) -> Iterator[Repair]:
    """Replace the payloads that the engine has stored and cannot read."""
    unreadable = _unreadable(collection, _all_ids(collection))
    if not unreadable:
        return
    logged = updates.payloads_of(
        record.body for record in _log.records(log) if _log.is_whole(record)
    )
    found = collection.read("read vectors", methodcaller("retrieve", unreadable, False, True))  # noqa: FBT003
    points: dict[Literal["restored", "emptied"], list[EdgeObject]] = {"restored": [], "emptied": []}
    for record in found:
        payload = logged.get(point_id(record.id))
        point = engine().Point(record.id, record.vector, payload or {})
        points["emptied" if payload is None else "restored"].append(point)
    for outcome, group in points.items():
        if group:
            collection.update(engine().UpdateOperation.upsert_points(group))
            yield Repair(
                collection=collection.name,
                outcome=outcome,
                operation="",
                point_ids=tuple(point_id(point.id) for point in group),
            )


def _all_ids(collection: Collection) -> Iterator[list[int | str]]:
    offset = None
    while True:
        request = engine().ScrollRequest(
            limit=_PAGE_POINTS, offset=offset, with_payload=False, with_vector=False
        )
        records, offset = collection.read("scroll", methodcaller("scroll", request))
        yield [point_id(record.id) for record in records]
        if offset is None:
            return


def _unreadable(collection: Collection, pages: Iterable[list[int | str]]) -> list[int | str]:
    found: list[int | str] = []
    for ids in pages:
        try:
            collection.read("read payloads", methodcaller("retrieve", ids, True, False))  # noqa: FBT003
        except StorageError:
            middle = len(ids) // 2
            found += _unreadable(collection, [ids[:middle], ids[middle:]]) if middle else ids
    return found
