"""One collection: a shard of the engine in a folder of its own, guarded."""

from __future__ import annotations

import ctypes
import os
import shutil
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from langchain_gemini_qdrant.edge._convert._config import edge_config, vector_schema
from langchain_gemini_qdrant.edge._convert._results import point_id
from langchain_gemini_qdrant.edge._engine import engine, engine_errors, is_panic, translate
from langchain_gemini_qdrant.edge._storage._info import StorageInfo, storage_info
from langchain_gemini_qdrant.edge._storage._log import check_readable, is_unreadable
from langchain_gemini_qdrant.edge._storage._open_folders import replaced_error
from langchain_gemini_qdrant.edge._storage._sizes import (
    VectorStorageSize,
    unindexed_vectors,
    vector_storage_size,
)
from langchain_gemini_qdrant.errors import GeminiQdrantError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from qdrant_client import models

    from langchain_gemini_qdrant.edge._convert._models import EdgeObject

    Lock: TypeAlias = AbstractContextManager[bool]  # reentrant

T = TypeVar("T")

_MIB = 2**20
# An update survives the process at once, through the write-ahead log, and a power cut after the
# next flush. Flushing this rarely costs a fifth of the ingest time.
FLUSH_AFTER_UPDATES = 50
_FLUSH_AFTER_BYTES = 64 * _MIB
# The engine writes through memory maps: a full disk kills the process.
_SPARE_DISK_BYTES = 100 * _MIB
# Up to here a scan over one-bit codes of 768 components answers within 6 ms, and 100,000 of 3072
# within 5 ms; with a graph it is below 1 ms. Measured with qdrant-edge-py 0.9 on two x86-64 cores.
_FLAT_SEARCH_VECTORS = 300_000

_warned: set[Path] = set()  # the collections whose size this process has warned about


class Collection:
    """A shard, with tasks that the engine leaves to its user: flushing, free disk, errors, threads.

    All collections of a folder have one lock. The engine holds Python's lock while it works, so
    more locks would allow no more concurrency, and could deadlock.
    """

    def __init__(
        self, folder: Path, config: models.CreateCollection, shard: EdgeObject, lock: Lock
    ) -> None:
        self.schema = vector_schema(config)
        self.name = ""
        self.flush_after_updates = FLUSH_AFTER_UPDATES
        self._folder = folder
        # the engine keeps this folder open, so its inode number is not used again
        self._log = folder / "wal"
        self._log_status = self._log.stat()
        self._shard = shard
        self._lock = lock
        self._updates = 0
        self._unflushed_bytes = 0
        self._broken = False

    @classmethod
    def create(cls, folder: Path, config: models.CreateCollection, lock: Lock) -> Collection:
        """Create a shard in a folder that does not exist yet."""
        converted = edge_config(config)
        require_space(folder.parent, 0)
        with engine_errors(f"create a collection in {folder}"):
            shard = engine().EdgeShard.create(os.fspath(folder), converted)
        return cls(folder, config, shard, lock)

    @classmethod
    def open(cls, folder: Path, config: models.CreateCollection, lock: Lock) -> Collection:
        """Open an existing shard; updates that were not flushed are replayed."""
        if not folder.is_dir():
            raise StorageError(
                f"The collection's folder {folder} is missing; restore it from a backup, or"
                " delete the collection"
            )
        require_space(folder, 0)  # the replay writes, too
        try:
            check_readable(folder / "wal")
            with engine_errors(f"open the collection in {folder}"):
                shard = engine().EdgeShard.load(os.fspath(folder))
        except StorageError as error:
            if not is_unreadable(error):
                raise
            root = folder.parent.parent
            raise StorageError(
                f"The collection in {folder} cannot be opened: its log has an update that the "
                "engine cannot apply again, because it nests too deep or has a bound that is not "
                f"finite. Close this process's clients of {root}; then "
                f"`EdgeClient.repair({str(root)!r}, new_folder)` or the command `gemini-qdrant "
                f"repair {root} NEW_FOLDER` creates an index of everything else, reports the "
                "affected points and does not change this folder."
            ) from error
        return cls(folder, config, shard, lock)

    def exclusive(self) -> Lock:
        """Keep other threads out, so that checked facts are still true when used."""
        return self._lock

    def read(self, action: str, run: Callable[[EdgeObject], T]) -> T:
        """Return the result of `run` with the shard; `action` completes "cannot ..."."""
        with self._lock:
            self._check_in_place()
            return self._guarded(action, run, self._shard)

    def stored_ids(self, ids: Sequence[int | str]) -> list[int | str]:
        """Return those of the ids that are stored, in their order and each once."""
        wanted = list(dict.fromkeys(ids))
        found = self.read("look up points", lambda shard: shard.retrieve(wanted, False, False))  # noqa: FBT003
        stored = {point_id(record.id) for record in found}
        return [one for one in wanted if one in stored]

    def count(self, condition: EdgeObject | None, *, exact: bool = True) -> int:
        """Return how many points match a filter of the engine; all of them without one."""
        request = engine().CountRequest(exact=exact, filter=condition)
        count: int = self.read("count", lambda shard: shard.count(request))
        return count

    def update(self, operation: EdgeObject, *, size_bytes: int = 0) -> None:
        """Apply a checked update; from here on it survives the end of the process."""
        with self._lock:
            self._check_in_place()
            require_space(self._folder, size_bytes)
            try:
                self._guarded("write", self._shard.update, operation)
            except GeminiQdrantError:
                if not self._broken:
                    self._skip_refused_update()
                raise
            self._updates += 1
            self._unflushed_bytes += size_bytes
            if (
                self._updates >= self.flush_after_updates
                or self._unflushed_bytes >= _FLUSH_AFTER_BYTES
            ):
                self.flush()
                self.warn_if_outgrown()

    def change_schema(self, operation: EdgeObject) -> None:
        """Add or remove an index or a named vector once no earlier update will be replayed.

        A replayed update with a filter would select other points: the engine's filters treat an
        index and payloads differently. The last update before a flush is replayed, too.
        """
        with self._lock:
            self.update(engine().UpdateOperation.delete_points([]))
            self.flush()
            self.update(operation)

    def _skip_refused_update(self) -> None:
        """Move the log past a refused update, which would be applied at the next open."""
        with suppress(Exception):  # the caller has to get the refusal itself
            self._shard.update(engine().UpdateOperation.delete_points([]))
            self._shard.flush()

    def flush(self) -> None:
        """Make all updates so far survive a power cut."""
        with self._lock:
            self._check_in_place()  # the engine writes by the path
            self._guarded("flush", self._shard.flush)
            self._updates = self._unflushed_bytes = 0

    def optimize(self) -> bool:
        """Build graphs and codes, merge segments, drop deleted points; True if any was due."""
        with self._lock:
            size = self.vector_storage_size()
            require_space(self._folder, size.original_bytes + size.quantized_bytes)
            changed: bool = self._guarded("optimize a collection", self._shard.optimize)
            self.flush()
        return changed

    def reconfigure(self, config: models.CreateCollection) -> None:
        """Reopen the shard with other settings; the old ones stay if the engine refuses."""
        converted = edge_config(config)
        with self._lock:
            self.flush()
            self._shard.close()
            path, load = os.fspath(self._folder), engine().EdgeShard.load
            try:
                self._shard = self._guarded("change a collection's settings", load, path, converted)
            except StorageError:
                self._shard = self._guarded("open a collection", load, path)
                raise

    def close(self, *, is_elsewhere: bool = False) -> None:
        """Flush and close the shard; if its files were replaced, do neither.

        The engine writes by the path, so it would write into the other index's files.

        Raises:
            StorageError: It cannot be flushed, or updates stay behind in the replaced files.
        """
        with self._lock:
            if is_elsewhere or not self._is_in_place():
                self._leave_files()
                return
            try:
                if not self._broken and self._updates:
                    self.flush()
            finally:
                with engine_errors("close a collection"):
                    self._shard.close()

    def _leave_files(self) -> None:
        try:
            is_gone = not self._folder.exists()
        except OSError:  # it cannot be reached
            is_gone = False
        if is_gone:  # closing flushes, and finds no file to write to
            with engine_errors("close a collection"):
                self._shard.close()
        else:
            self.abandon()
            self._unlock_log()
        if self._updates:
            raise StorageError(
                f"The folder {self._folder} was removed, moved or replaced while a client had it"
                f" open. The updates of collection {self.name!r} since its last flush "
                f"({self._updates} updates) are only in the log of the original folder, if it "
                "still exists. Open that folder where it is now, or write the data again."
            )

    def _unlock_log(self) -> None:
        """Unlock the moved files for others; the engine unlocks them only after a flush."""
        if os.name != "posix":
            return
        import fcntl  # noqa: PLC0415

        for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names, not paths
            with suppress(OSError):  # it is closed already
                if os.path.samestat(self._log_status, os.fstat(int(name))):
                    fcntl.flock(int(name), fcntl.LOCK_UN)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(self._log_status, self._log.stat())
        except OSError:
            return False

    def _check_in_place(self) -> None:
        if not self._is_in_place():
            raise replaced_error(self._folder)

    def abandon(self) -> None:
        """Never free the engine's object: it would flush by threads that a fork does not have."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._shard))

    def vector_storage_size(self) -> VectorStorageSize:
        """Measure the collection's vectors on disk."""
        with self._lock:
            self.flush()
            return vector_storage_size(self._folder)

    def storage_info(self) -> StorageInfo:
        """Measure the collection on disk."""
        with self._lock:
            self.flush()
            return storage_info(self._folder, self.count(None))

    def warn_if_outgrown(self) -> None:
        """Warn once when the scan over vectors without a graph has become slow."""
        if self._folder in _warned:
            return
        count = unindexed_vectors(self._folder)
        if count > _FLAT_SEARCH_VECTORS:
            _warned.add(self._folder)
            warnings.warn(
                f"Collection {self.name!r} has {count:,} vectors without a graph, and a search"
                f" scans them all; beyond {_FLAT_SEARCH_VECTORS:,} that is slow. Build the graph "
                f"while the application can wait: client.optimize({self.name!r})",
                stacklevel=2,
            )

    def _guarded(self, action: str, call: Callable[..., T], *args: object) -> T:
        """Return the result of a call of the engine, and translate its errors."""
        if self._broken:
            raise StorageError(
                "The embedded engine failed in this collection; close the client and open the "
                "folder again"
            )
        try:
            return call(*args)
        except BaseException as error:
            self._broken = is_panic(error)
            if (translated := translate(error, action)) is None:
                raise
            raise translated from error


def require_space(folder: Path, size_bytes: int) -> None:
    """Refuse to write on a disk that is nearly full.

    Raises:
        StorageError: Twice the update (log and segment) and a reserve would not fit.
    """
    needed = 2 * size_bytes + _SPARE_DISK_BYTES
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise StorageError(f"{folder} cannot be used: {error}") from error
    if free < needed:
        raise StorageError(
            f"Not enough free disk for {folder}: {needed // _MIB} MiB must be free, and "
            f"{free // _MIB} MiB are; nothing was written. Free some space and try again."
        )
