"""One collection: a shard of the engine in a folder of its own, guarded."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from langchain_gemini_qdrant.edge._config import edge_config, vector_schema
from langchain_gemini_qdrant.edge._engine import engine, engine_errors, is_panic
from langchain_gemini_qdrant.edge._sizes import VectorStorageSize, vector_storage_size
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qdrant_client import models

    from langchain_gemini_qdrant.edge._convert import EdgeObject

T = TypeVar("T")

_MIB = 2**20
# An update outlives the process at once, through the write-ahead log, and a power cut from the
# next flush on. Flushing this rarely costs a fifth of the ingest time.
_FLUSH_AFTER_UPDATES = 50
_FLUSH_AFTER_BYTES = 64 * _MIB
# The engine writes through memory maps: a disk that fills up kills the process.
_SPARE_DISK_BYTES = 100 * _MIB


class Collection:
    """A shard with what the engine leaves to its user: flushing, free disk, errors, threads."""

    def __init__(self, folder: Path, config: models.CreateCollection, shard: EdgeObject) -> None:
        self.schema = vector_schema(config)
        self._folder = folder
        self._shard = shard
        self._lock = threading.RLock()
        self._updates = 0
        self._unflushed_bytes = 0
        self._broken = False

    @classmethod
    def create(cls, folder: Path, config: models.CreateCollection) -> Collection:
        """Make a new shard in a folder that does not exist yet."""
        converted = edge_config(config)
        require_space(folder.parent, 0)
        with engine_errors(f"create a collection in {folder}"):
            shard = engine().EdgeShard.create(os.fspath(folder), converted)
        return cls(folder, config, shard)

    @classmethod
    def open(cls, folder: Path, config: models.CreateCollection) -> Collection:
        """Open a shard that exists; what was not flushed is replayed."""
        if not folder.is_dir():
            raise StorageError(
                f"The collection's folder {folder} is missing; restore it from a backup, or"
                " delete the collection"
            )
        with engine_errors(f"open the collection in {folder}"):
            shard = engine().EdgeShard.load(os.fspath(folder))
        return cls(folder, config, shard)

    def read(self, action: str, run: Callable[[EdgeObject], T]) -> T:
        """Return what `run` gets from the shard; `action` completes "cannot ..."."""
        with self._guarded(action):
            return run(self._shard)

    def update(self, operation: EdgeObject, *, size_bytes: int = 0) -> None:
        """Apply an update that has been checked; it survives the process from here on."""
        with self._lock:
            require_space(self._folder, size_bytes)
            with self._guarded("write"):
                try:
                    self._shard.update(operation)
                except Exception:
                    self._skip_refused_update()
                    raise
            self._updates += 1
            self._unflushed_bytes += size_bytes
            if self._updates >= _FLUSH_AFTER_UPDATES or self._unflushed_bytes >= _FLUSH_AFTER_BYTES:
                self.flush()

    def _skip_refused_update(self) -> None:
        """Move the log past a refused update, which would be applied at the next open."""
        with suppress(Exception):  # the refusal itself is what the caller has to hear of
            self._shard.update(engine().UpdateOperation.delete_points([]))
            self._shard.flush()

    def flush(self) -> None:
        """Make all updates so far survive a power cut."""
        with self._lock, self._guarded("flush"):
            self._shard.flush()
            self._updates = self._unflushed_bytes = 0

    def close(self) -> None:
        """Flush and give the folder free."""
        with self._lock:
            try:
                if not self._broken and self._updates:
                    self.flush()
            finally:
                with engine_errors("close a collection"):
                    self._shard.close()

    def vector_storage_size(self) -> VectorStorageSize:
        """Measure the collection's vectors on disk."""
        with self._lock:
            self.flush()
            return vector_storage_size(self._folder)

    @contextmanager
    def _guarded(self, action: str) -> Iterator[None]:
        if self._broken:
            raise StorageError(
                "The embedded engine broke down in this collection; close the client and open"
                " the folder again"
            )
        try:
            with engine_errors(action):
                yield
        except StorageError as error:
            self._broken = error.__cause__ is not None and is_panic(error.__cause__)
            raise


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
            f"Not enough free disk for {folder}: {needed // _MIB} MiB must be free,"
            f" {free // _MIB} MiB are; nothing was written. Make room and try again."
        )
