"""Copy a collection to another engine, without a call to Gemini."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from qdrant_client import models

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK, BlockingClock
from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant._progress_bar import progress_bar
from langchain_gemini_qdrant._qdrant_values import (
    EVERYWHERE,
    ON_EDGE,
    Bounds,
    check_payload,
    named_vectors,
    point_id,
)
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant._warnings import warn
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    InvalidInputError,
)
from langchain_gemini_qdrant.migration import _collection_copy
from langchain_gemini_qdrant.migration._collection_copy import Side
from langchain_gemini_qdrant.vectorstores import _points
from langchain_gemini_qdrant.vectorstores._comparison import VectorComparison, same_payload
from langchain_gemini_qdrant.vectorstores._connection import Connection
from langchain_gemini_qdrant.vectorstores._limits import Limits, at_most
from langchain_gemini_qdrant.vectorstores._metadata import stored_embeddings
from langchain_gemini_qdrant.vectorstores._parts import in_parts
from langchain_gemini_qdrant.vectorstores._retry import PATIENT, QUICK, RetryingClient
from langchain_gemini_qdrant.vectorstores._schema import create_if_missing, read_consistency
from langchain_gemini_qdrant.vectorstores._tracing import traced_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qdrant_client import AsyncQdrantClient, QdrantClient

    from langchain_gemini_qdrant._clock import Clock
    from langchain_gemini_qdrant._retry_policy import RetryPolicy

    _Point: TypeAlias = models.Record | models.ScoredPoint

_SAMPLE = 100  # points that are compared at the end
_NAMED = 3  # ids in a message
_WHOLE: dict[str, Any] = {"with_payload": True, "with_vectors": True}
_AGAIN = "run it again when nothing writes to them, to copy points that are missing or different"


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationReport(Displayed):
    """Result of a migration, or its progress so far, in points.

    Attributes:
        total: Points in the source.
        added: Points copied.
        updated: Points copied over a different point with the same id.
        skipped: Points found in the target with the same content.
        not_kept: Settings of the source that the target does not have, such as
            `quantization_config`.
        seconds: Seconds from start to end.
    """

    total: int = 0
    added: int = 0
    updated: int = 0
    skipped: int = 0
    not_kept: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Points of the source that are in the target."""
        return self.added + self.updated + self.skipped


def migrate(
    source: QdrantClient,
    target: QdrantClient,
    collection_name: str,
    *,
    target_collection_name: str | None = None,
    batch_size: int = 100,
    progress: bool = False,
    on_progress: Callable[[MigrationReport], None] | None = None,
    clock: Clock | None = None,
) -> MigrationReport:
    """Copy a collection to another engine (embedded, in memory, a server) without calling Gemini.

    Points are copied with ids, vectors and payloads; the collection with its settings, its payload
    indexes and the record of its embedding. Settings that the target does not keep are reported in
    a warning and in the report.

    The same call resumes an interrupted run: points that the target has are compared, and only
    those that are missing or different are sent. An existing target collection must have the same
    vectors; quantization and other settings may differ. At the end the numbers of points and 100
    random points are compared.

    Args:
        source: Client to copy from; nothing is changed there. Nobody should write to it meanwhile.
        target: Client to copy to.
        collection_name: Name or alias of the collection in the source.
        target_collection_name: Name in the target; None for the same name.
        batch_size: Points read at a time.
        progress: Show a bar: a widget in a notebook that has ipywidgets,
            otherwise text.
        on_progress: Called with the report so far, after each batch.
        clock: Clock for the waits between retries, for tests; None for the real clock.

    Returns:
        A report with counts and the settings that were not kept.

    Raises:
        CollectionMismatchError: The target's collection has other vectors, a different embedding,
            or points that the source does not have: nothing is written. Or the copy differs at the
            end, because something else has written.
        ConfigurationError: There is no such collection, or source and target are the same one.
    """
    with progress_bar("points", on_progress, shown=progress) as show:
        migration = _Migration(
            *(Connection(source), Connection(target)),
            *(collection_name, target_collection_name or collection_name),
            batch_size,
            show,
            clock=clock or SYSTEM_CLOCK,
            blocking=True,
        )
        return run(migration.run())


async def amigrate(
    source: AsyncQdrantClient,
    target: AsyncQdrantClient,
    collection_name: str,
    *,
    target_collection_name: str | None = None,
    batch_size: int = 100,
    progress: bool = False,
    on_progress: Callable[[MigrationReport], None] | None = None,
    clock: Clock | None = None,
) -> MigrationReport:
    """Copy a collection to another engine, without blocking the event loop.

    The arguments are those of `migrate`, with asynchronous clients. The same call resumes an
    interrupted run.

    Returns:
        A report with counts and the settings that were not kept.

    Raises:
        CollectionMismatchError: The target's collection does not fit, or the copy is not the same.
        ConfigurationError: There is no such collection, or source and target are the same one.
    """
    with progress_bar("points", on_progress, shown=progress) as show:
        migration = _Migration(
            *(Connection(None, source), Connection(None, target)),
            *(collection_name, target_collection_name or collection_name),
            batch_size,
            show,
            clock=clock or SYSTEM_CLOCK,
            blocking=False,
        )
        return await migration.run()


class _Migration:
    """One call of `migrate`."""

    def __init__(  # noqa: PLR0917 - as `migrate` has them
        self,
        source: Connection,
        target: Connection,
        source_name: str,
        target_name: str,
        batch_size: int,
        on_progress: Callable[[MigrationReport], None] | None,
        *,
        clock: Clock,
        blocking: bool,
    ) -> None:
        if batch_size < 1:
            raise ConfigurationError(f"batch_size must be 1 or larger, got {batch_size}")
        if source_name == target_name and source.is_same_engine(target):
            raise ConfigurationError(
                "source and target are the same collection: pass a target_collection_name other "
                f"than {source_name!r} to copy the collection within one database"
            )
        self.name = source_name
        waits = BlockingClock(clock) if blocking else clock
        random = Random()  # noqa: S311 - when to try again

        def side(connection: Connection, name: str, policy: RetryPolicy) -> Side:
            client = connection.client if blocking else connection.async_client
            retrying = RetryingClient(client, waits, random, blocking=blocking, policy=policy)
            return Side(cast("AsyncQdrantClient", retrying), name)

        # Fail soon on a wrong address, and survive a restart in the middle.
        self._reached = side(source, source_name, QUICK), side(target, target_name, QUICK)
        self._source = side(source, source_name, PATIENT)
        self._target = side(target, target_name, PATIENT)
        self._source_kind = source.kind
        self._target_kind = target.kind
        self._bounds = EVERYWHERE if target.is_grpc else ON_EDGE
        self._batch_size = batch_size
        self._on_progress = on_progress
        self._total = self._added = self._updated = self._skipped = 0
        self._not_kept: tuple[str, ...] = ()
        self._now = clock.now
        self._began = clock.now()

    @traced_run("migrate")
    async def run(self) -> MigrationReport:
        """Create the target's collection, copy the points that it lacks, and verify."""
        await self._open()
        self._total = await _collection_copy.count(self._source)
        is_empty = not (await _collection_copy.count(self._target))
        if not is_empty:
            await self._refuse_others("nothing is written")
        page = at_most(self._batch_size, self._source.limits.hits)
        offset: Any = None
        while True:
            records, offset = await self._source.client.scroll(
                self._source.name, limit=page, offset=offset, **_WHOLE
            )
            await self._copy(records, is_new=is_empty)
            if self._on_progress is not None:
                self._on_progress(self._report())
            if offset is None:
                break
        await self._verify()
        return self._report()

    # The collection

    async def _open(self) -> None:
        """Create the target's collection like the source's, or check the existing one."""
        has_source, has_target = [
            await side.client.collection_exists(side.name) for side in self._reached
        ]
        if not has_source:
            raise ConfigurationError(
                f"the source has no collection {self._source.name!r}: pass the name or alias of a "
                "collection"
            )
        wanted = await self._source.client.get_collection(self._source.name)
        if not has_target:
            options = _collection_copy.settings(wanted, self._source_kind, self._target_kind)
            await create_if_missing(self._target.client, self._target.name, options)
        found = await self._target.client.get_collection(self._target.name)
        _check(wanted, found, self._target.name)
        if stored_embeddings(wanted) and not stored_embeddings(found):
            await self._target.client.update_collection(
                self._target.name, metadata=wanted.config.metadata
            )
        if self._target_kind != "local":
            await _collection_copy.create_indexes(self._target, wanted, found)
        found = await self._target.client.get_collection(self._target.name)
        self._source = self._source._replace(limits=Limits.of(wanted))
        self._target = self._target._replace(limits=Limits.of(found))
        self._vectors = VectorComparison(wanted, found)
        self._consistency = read_consistency(found) if self._target_kind == "server" else None
        self._not_kept = _collection_copy.not_kept(wanted, found, self._source_kind)
        if self._not_kept:
            warn(
                f"collection {self._target.name!r} of the target does not have these settings of "
                f"the source: {', '.join(self._not_kept)}"
            )

    async def _refuse_others(self, what: str) -> None:
        others = await _collection_copy.others(self._target, than=self._source)
        if others:
            raise CollectionMismatchError(
                f"collection {self._target.name!r} of the target has {len(others)} points that the "
                f"source does not have, such as {others[:_NAMED]}: delete them, or pass a "
                f"different target_collection_name; {what}"
            )

    # The points

    async def _copy(self, records: Sequence[models.Record], *, is_new: bool) -> None:
        """Send the points that the target lacks or has with other content."""
        stored: dict[str | int, models.Record] = {}
        if not is_new:
            stored = await self._stored(records)
        missing = [record for record in records if _key(record) not in stored]
        changed = [
            record
            for record in records
            if _key(record) in stored and not self._alike(record, stored[_key(record)])
        ]
        copied = [_copied(record, self._bounds) for record in missing + changed]
        for request in _points.requests(copied):
            await in_parts(self._upsert, request)
        self._added += len(missing)
        self._updated += len(changed)
        self._skipped += len(records) - len(missing) - len(changed)

    async def _stored(self, records: Sequence[_Point]) -> dict[str | int, models.Record]:
        """Return the target's points with the same ids, by id."""
        if not records:
            return {}
        answers = await in_parts(self._retrieve, [record.id for record in records])
        return {_key(record): record for found in answers for record in found}

    async def _upsert(self, points: list[models.PointStruct]) -> models.UpdateResult:
        return await self._target.client.upsert(self._target.name, points)

    async def _retrieve(self, ids: list[models.ExtendedPointId]) -> list[models.Record]:
        return await self._target.client.retrieve(
            self._target.name, ids, consistency=self._consistency, **_WHOLE
        )

    def _alike(self, one: _Point, other: _Point) -> bool:
        """Return whether two points are the same, except for rounding by engines."""
        return same_payload(one.payload or {}, other.payload or {}) and self._vectors.same(
            _by_name(one), _by_name(other)
        )

    async def _verify(self) -> None:
        """Compare the number of points, and some of them.

        Raises:
            CollectionMismatchError: They differ.
        """
        here = await _collection_copy.count(self._source)
        there = await _collection_copy.count(self._target)
        if there > here:
            await self._refuse_others("all points of the source are copied")
        if here != there:
            raise CollectionMismatchError(
                f"the source has {here} points and collection {self._target.name!r} of the target "
                f"{there}, because something has written meanwhile: {_AGAIN}"
            )
        query = models.SampleQuery(sample=models.Sample.RANDOM)
        sample = at_most(_SAMPLE, self._source.limits.hits)
        response = await self._source.client.query_points(
            self._source.name, query=query, limit=sample, **_WHOLE
        )
        stored = await self._stored(response.points)
        wrong = [
            point.id
            for point in response.points
            if _key(point) not in stored or not self._alike(point, stored[_key(point)])
        ]
        if wrong:
            raise CollectionMismatchError(
                f"{len(wrong)} of {len(response.points)} random points differ in collection "
                f"{self._target.name!r} of the target from the source, such as {wrong[:_NAMED]}: "
                f"{_AGAIN}"
            )

    def _report(self) -> MigrationReport:
        return MigrationReport(
            total=self._total,
            added=self._added,
            updated=self._updated,
            skipped=self._skipped,
            not_kept=self._not_kept,
            seconds=self._now() - self._began,
        )


def _check(wanted: models.CollectionInfo, found: models.CollectionInfo, name: str) -> None:
    """Refuse a collection that cannot take the source's points.

    Raises:
        CollectionMismatchError: Other vectors, or a different embedding.
    """
    ours, theirs = _described(wanted), _described(found)
    if ours != theirs:
        raise CollectionMismatchError(
            f"the source has the vectors {ours}, collection {name!r} of the target {theirs}: pass "
            "a different target_collection_name, or delete that collection first"
        )
    notes, other_notes = stored_embeddings(wanted), stored_embeddings(found)
    if notes and other_notes and notes != other_notes:
        raise CollectionMismatchError(
            f"the vectors of the source are made with {notes}, those of collection {name!r} of "
            f"the target with {other_notes}: pass a different target_collection_name, or delete "
            "that collection first"
        )


def _described(info: models.CollectionInfo) -> dict[str, str]:
    """Return each vector's name with the settings that must be the same."""
    described = {}
    for name, params in named_vectors(info.config.params.vectors).items():
        words = [str(params.size), params.distance.value]
        if params.multivector_config is not None:
            words.append(params.multivector_config.comparator.value)
        described[name] = " ".join(words)
    for name, sparse in (info.config.params.sparse_vectors or {}).items():
        described[name] = "sparse" + (f" {sparse.modifier.value}" if sparse.modifier else "")
    return described


def _key(point: _Point) -> str | int:
    return point_id(str(point.id))  # one spelling of a UUID for all engines


def _copied(record: models.Record, bounds: Bounds) -> models.PointStruct:
    """Return a point to copy, if another engine will keep it unchanged.

    Raises:
        InvalidInputError: Its payload contains a value that only in-memory mode keeps, such as NaN,
            or that gRPC cannot carry.
    """
    try:
        payload = check_payload(record.payload, bounds)
    except InvalidInputError as error:
        raise InvalidInputError(f"the point {record.id!r} cannot be copied: {error}") from error
    return models.PointStruct(id=record.id, vector=_by_name(record), payload=payload)


def _by_name(point: _Point) -> dict[str, Any]:
    """Return a point's vectors by name; the unnamed one's is empty."""
    vectors: Any = point.vector
    return dict(named_vectors(vectors))
