"""EdgeClient: qdrant-client's interface over Qdrant's own engine in this process."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from qdrant_client import QdrantClient

from langchain_gemini_qdrant.edge._backend import EdgeBackend
from langchain_gemini_qdrant.edge._convert._validate import are_plain
from langchain_gemini_qdrant.edge._folder_client import FolderClient
from langchain_gemini_qdrant.edge._storage._backup import restore as restore_index
from langchain_gemini_qdrant.edge._storage._location import (
    TEMPORARY,
    Durability,
    first_calls,
    locate,
)
from langchain_gemini_qdrant.edge._storage._repair import repair as repair_index
from langchain_gemini_qdrant.edge._worker._backend import WorkerBackend

if TYPE_CHECKING:
    from qdrant_client.client_base import QdrantBase
    from qdrant_client.conversions import common_types as types

    from langchain_gemini_qdrant.edge._storage._info import StorageInfo
    from langchain_gemini_qdrant.edge._storage._repair import Repair
    from langchain_gemini_qdrant.edge._storage._sizes import VectorStorageSize


class EdgeClient(FolderClient, QdrantClient):
    """A `QdrantClient` whose server is Qdrant Edge, inside this process, in a folder.

    The engine is the server's: quantization, HNSW, filters and the write-ahead log are real.
    A write survives the end of the process as soon as the call returns, and a power cut after the
    next flush (every 50 updates or 64 MiB, and on `close`). Nothing is optimized until you call
    `optimize`: binary and turbo quantization work at once, by a scan over the codes.

    One process at a time can open a folder; inside it, clients of the same folder share one
    engine and may be used from any thread. Using a client after `fork` is an error.

    The engine holds Python's lock while it works: other threads and event loops wait for it.
    `worker=True` runs it in its own process, which ends with this one: nothing here waits, and if
    the engine dies, calls raise `StorageError` and a new client starts a new process. Each call
    then takes some tenths of a millisecond longer, at most 1-2 ms.

    Not supported: features of clusters (sharding, cluster, snapshots) and strict mode; each raises
    `NotImplementedError` that names an alternative.

    Args:
        path: The folder; created if missing. `~` is the user's home. `":temporary:"` is a new
            folder that is removed when its last client is closed or Python ends.
        worker: Run the engine in its own process. All clients of a folder in one process must use
            the same value.
        durability: What an update survives once its call has returned: `"process"`, the end of the
            process, or `"power"`, a power cut, which takes a flush of some milliseconds for each
            update. `"power"` applies to all clients of the folder as soon as one asks for it.

    Raises:
        ConfigurationError: qdrant-edge-py is not installed, or an argument has another value.
        StorageError: The folder cannot be used: not writable, damaged, or open elsewhere.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        worker: bool = False,
        durability: Durability = "process",
    ) -> None:
        temporary = os.fspath(path) == TEMPORARY
        settings = first_calls(temporary=temporary, durability=durability)
        self._path = locate(path)
        self._options = {"path": str(self._path), "worker": worker, "durability": durability}
        with ExitStack() as unless_opened:
            if temporary:
                unless_opened.callback(shutil.rmtree, self._path, ignore_errors=True)
            super().__init__(location=":memory:")
            self._edge = WorkerBackend(self._path) if worker else EdgeBackend(self._path)
            unless_opened.callback(self._edge.close)
            # `_client` is the one private attribute of qdrant-client that this class relies on
            in_memory, self._client = self._client, cast("QdrantBase", self._edge)
            in_memory.close()
            for setting in settings:
                getattr(self._edge, setting)()
            unless_opened.pop_all()

    def __del__(self) -> None:
        """Release the folder if the client was not closed."""
        edge = vars(self).get("_edge")
        if isinstance(edge, WorkerBackend):
            edge.give_up()  # the garbage collector must not wait for a process
        else:
            super().__del__()

    def _check_open(self) -> None:
        """Refuse to derive a client from a closed one, which would open the folder again."""
        if isinstance(self._edge, WorkerBackend):
            self._edge.check_open()

    def upsert(
        self, collection_name: str, points: types.Points, *args: Any, **kwargs: Any
    ) -> types.UpdateResult:
        """Write points and replace those with the same ids, as `QdrantClient` does."""
        if not args and are_plain(points):  # the backend has other positional arguments
            return self._client.upsert(collection_name, points, *args, **kwargs)
        return super().upsert(collection_name, points, *args, **kwargs)

    @property
    def init_options(self) -> dict[str, Any]:
        """Return the options of another client of the same folder: `EdgeClient(**options)`."""
        return dict(self._options)

    def optimize(self, collection_name: str) -> bool:
        """Build graphs and quantized codes, merge segments and drop deleted points, now.

        None of this happens automatically. The engine holds Python's lock for its whole run, from
        seconds to minutes: all threads and event loops of the process stop meanwhile. With
        `worker=True` only other calls to this index wait.

        Args:
            collection_name: A collection of this client.

        Returns:
            True if anything was optimized; small collections need no graph.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine failed, or the disk has too little room for a second copy.
        """
        return self._edge.optimize(collection_name)

    def vector_storage_size(self, collection_name: str) -> VectorStorageSize:
        """Measure the bytes of a collection's dense vectors and their quantized codes.

        The numbers come from the engine's own files, after a flush: bytes per vector times the
        vectors stored, without the space that the engine reserves ahead and without the few
        kilobytes that some quantizations add to each segment. Deleted vectors count until an
        optimizer removes them, in both numbers.

        Args:
            collection_name: A collection of this client.

        Returns:
            Both sizes in bytes. One-bit codes take 1/32 of 32-bit vectors.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine or its files cannot be read.
        """
        return self._edge.vector_storage_size(collection_name)

    def storage_info(self, collection_name: str) -> StorageInfo:
        """Flush a collection and measure its points and its use of disk and memory.

        Args:
            collection_name: A collection of this client.

        Returns:
            Counts, and sizes in bytes.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine or its files cannot be read.
        """
        info: StorageInfo = self._edge.storage_info(collection_name)
        return info

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the whole index to another folder, while it is open; other calls wait.

        The copy is complete and flushed to disk, and is itself an index that can be opened. It
        leaves out the space that the engine reserves ahead.

        Args:
            path: A folder that is empty or does not exist.

        Raises:
            StorageError: `path` is inside the index, is not empty or cannot be written, or the disk
                has no room.
        """
        self._edge.backup(locate(path))

    @staticmethod
    def restore(backup: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
        """Create an index from a backup; open it with `EdgeClient(path)`.

        Args:
            backup: A folder that `backup` has written, or any index that is closed.
            path: A folder that is empty or does not exist.

        Raises:
            StorageError: `backup` is not an index or is open; `path` is inside it, is not empty, is
                open in this process or cannot be written, or the disk has no room.
        """
        restore_index(locate(backup), locate(path))

    @staticmethod
    def repair(damaged: str | os.PathLike[str], path: str | os.PathLike[str]) -> list[Repair]:
        """Create a repaired copy of an index whose log prevents opening; the index is unchanged.

        The engine logs an update before it applies it, and applies the last ones again when a
        collection is opened. An update that nests too deep, or has a bound that is not finite, is
        refused by this package; if another program wrote it, it is in the log and cannot be read
        back. The new index has everything else: all flushed data and every other update.

        Args:
            damaged: A folder that is closed.
            path: A folder that is empty or does not exist.

        Returns:
            The parts that could not be kept unchanged; empty if nothing was wrong.

        Raises:
            StorageError: `damaged` is not an index or is open, or something other than its log is
                damaged; `path` is inside it, is not empty, is open in this process or cannot be
                written, or the disk has no room.
        """
        return repair_index(locate(damaged), locate(path))
