"""Repair of an index whose log has updates that the engine cannot read back."""

from __future__ import annotations

import shutil
import threading
from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import uuid4

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant.edge._convert._config import edge_config
from langchain_gemini_qdrant.edge._convert._results import point_id
from langchain_gemini_qdrant.edge._engine import engine, engine_errors
from langchain_gemini_qdrant.edge._storage import _log
from langchain_gemini_qdrant.edge._storage import _update_bytes as updates
from langchain_gemini_qdrant.edge._storage._backup import copy_tree, restore
from langchain_gemini_qdrant.edge._storage._folder import open_folder, release_folder
from langchain_gemini_qdrant.edge._storage._shard import Collection
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from langchain_gemini_qdrant.edge._convert._models import EdgeObject
    from langchain_gemini_qdrant.edge._storage._folder import Folder
    from langchain_gemini_qdrant.edge._storage._log import Record

_PAGE_POINTS = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Repair(Displayed):
    """A part of a damaged index that could not be kept unchanged.

    Attributes:
        collection: Its name.
        outcome: What happened to an update in the log: `"shortened"`, applied with null in place of
            values that nest too deep in payloads, or `"left out"`, not applied. Changes by such an
            update that were flushed before the index was damaged stay. Or what happened to points
            whose stored payloads cannot be read: `"restored"` from the log, shortened, or
            `"emptied"` except for the parts that the log still has. Vectors are kept.
        operation: The engine's name of the update, such as `"upsert_points"`; empty for points.
        point_ids: Ids of the affected points; empty where a filter selects them.
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
    "shortened": "applied, with null for values that nest too deep in payloads",
    "left out": "not applied",
    "restored": "payloads that could not be read are restored from the log, shortened",
    "emptied": "payloads that could not be read are removed, except the parts that the log has;"
    " the vectors are kept",
}
_OfPoints: TypeAlias = Literal["restored", "emptied"]


def repair(damaged: Path, target: Path) -> list[Repair]:
    """Create a repaired copy of an index that the engine cannot open; the index is unchanged.

    Raises:
        StorageError: As for `restore`; or something other than the log is damaged.
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
    entry, files = folder.entry(name), folder.collection_folder(name)
    original = damaged / files.relative_to(folder.root)
    trial = _Trial(files, edge_config(entry.config))
    points: dict[int | str, _OfPoints] = {}

    def rewrite_before(number: int, first_number: int) -> None:
        with TemporaryDirectory(dir=files) as later:
            _log.split(files / "wal", number, Path(later))
            collection = Collection.open(files, entry.config, threading.RLock())
            points.update(_rewrite_unreadable(collection, trial, original / "wal", first_number))
            collection.close()
            shutil.rmtree(files / "wal")
            shutil.copytree(later, files / "wal")

    repaired = _repair_log(trial, name)
    try:
        collection = folder.collection(name)
    except StorageError:  # an update can be read, and not applied to what is stored
        for part in ("segments", "wal"):  # it was applied in part
            shutil.rmtree(files / part)
            copy_tree(original / part, files / part)
        repaired = _repair_log(trial, name)
        repaired |= _repair_log(replace(trial, with_points=True), name, rewrite_before)
        collection = folder.collection(name)
    points.update(_rewrite_unreadable(collection, trial, original / "wal"))
    yield from (repaired[number] for number in sorted(repaired))
    yield from _report(name, points, repaired.values())


def _report(
    name: str, points: dict[int | str, _OfPoints], repaired: Iterable[Repair]
) -> Iterator[Repair]:
    """Report points, except those whose payloads belong to a reported update."""
    shortened = {each for one in repaired if one.outcome == "shortened" for each in one.point_ids}
    groups: dict[_OfPoints, list[int | str]] = {"restored": [], "emptied": []}
    for point, outcome in points.items():
        if outcome == "emptied" or point not in shortened:
            groups[outcome].append(point)
    for outcome, ids in groups.items():
        if ids:
            yield Repair(collection=name, outcome=outcome, operation="", point_ids=tuple(ids))


@dataclass(frozen=True)
class _Trial:
    """Asks the engine whether it can open a collection with some updates in its log.

    Without points it tests only whether it can read them, which needs no copy of the collection.
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

    def first_bad(self) -> Record | None:
        """Return the first update that is not read back, or is read back changed."""
        records = _log.pending(self.files / "wal")
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


def _repair_log(
    trial: _Trial,
    name: str,
    rewrite_before: Callable[[int, int], None] | None = None,
    *,
    upserts: bool = False,
) -> dict[int, Repair]:
    """Replace each update that would not be read back, or would be read back changed.

    Args:
        trial: Tests what can be opened.
        name: The collection's name.
        rewrite_before: Called with an update's number, now and before numbers changed. It may make
            it possible to apply that update, and leaves only the log from there on, with numbers
            higher by one.
        upserts: Apply upserts whose conditions cannot be read, instead of leaving them out.

    Returns:
        Outcomes of updates, by their first numbers.
    """
    repaired: dict[int, Repair] = {}
    rewrites, rewritten = 0, -1
    while (record := trial.first_bad()) is not None and record.body != updates.NOTHING:
        number, body = record.number, record.body
        if rewrite_before is not None and number != rewritten:
            rewrite_before(number, number - rewrites)
            rewrites, rewritten = rewrites + 1, number + 1
            continue
        short, points = updates.shorten(body)
        if upserts and (short == body or updates.is_unbounded(body)):
            short = updates.unconditional(short)
        can_be_short = short != body and not updates.is_unbounded(short)
        _log.replace(record, short if can_be_short else updates.NOTHING)
        repaired[number - rewrites] = Repair(  # the second time if a filter nests too deep as well
            collection=name,
            outcome="shortened" if can_be_short else "left out",
            operation=updates.operation(body),
            point_ids=tuple(points if can_be_short else updates.point_ids(body)),
        )
    return repaired


def _rewrite_unreadable(
    collection: Collection, trial: _Trial, log: Path, end: int | None = None
) -> dict[int | str, _OfPoints]:
    """Replace the stored payloads that the engine cannot read.

    Returns:
        The outcome for each point's payload.
    """
    unreadable = _unreadable(collection, _all_ids(collection))
    if not unreadable:
        return {}
    found = collection.read("read vectors", methodcaller("retrieve", unreadable, False, True))  # noqa: FBT003
    records = [
        each
        for each in _log.records(log)
        if (end is None or each.number < end) and _log.is_whole(each)
    ]
    logged, whole = _logged_payloads(trial, records)
    points = [
        engine().Point(each.id, each.vector, logged.get(point_id(each.id), {})) for each in found
    ]
    collection.update(engine().UpdateOperation.upsert_points(points))
    return {each: "restored" if each in whole else "emptied" for each in unreadable}


def _logged_payloads(
    trial: _Trial, records: Sequence[Record]
) -> tuple[dict[int | str, dict[str, Any]], set[int | str]]:
    """Make the engine apply some updates of a log to points without payloads.

    Returns:
        The payloads, shortened, and the points whose whole payloads come from these updates.
    """
    ids: set[int | str] = set()
    older: set[int | str] = set()  # those whose whole payload the log may not have
    for record in records:
        new = set(updates.point_ids(record.body)) - ids
        ids |= new
        if records[0].number or not updates.operation(record.body).startswith("upsert_points"):
            older |= new
    mark = str(uuid4())  # a key that stays in a payload until the whole of it is replaced
    update = engine().UpdateOperation.upsert_points(
        [engine().Point(point, {}, {mark: True}) for point in older]
    )
    with TemporaryDirectory(dir=trial.files) as name, engine_errors("apply a log"):
        shard = engine().EdgeShard.create(name, trial.config)
        shard.update(update)
        shard.close()
        log = Path(name, "wal")
        shutil.rmtree(log)
        log.mkdir()
        _log.write_segments(log, records, shift=1)  # the update with this number is skipped
        scratch = replace(trial, files=Path(name))
        _repair_log(scratch, name, upserts=True)  # an update that was not applied left no payload
        _repair_log(replace(scratch, with_points=True), name)
        shard = engine().EdgeShard.load(name)
        found = {point_id(each.id): each.payload for each in shard.retrieve([*ids], True, False)}  # noqa: FBT003
        shard.close()
    whole = {point for point, payload in found.items() if mark not in payload}
    for payload in found.values():
        payload.pop(mark, None)
    return found, whole


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
