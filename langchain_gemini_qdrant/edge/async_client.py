"""AsyncEdgeClient: qdrant-client's asyncio interface over Qdrant's own engine."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qdrant_client import AsyncQdrantClient

from langchain_gemini_qdrant.edge._convert._validate import are_plain
from langchain_gemini_qdrant.edge._folder_client import FolderClient
from langchain_gemini_qdrant.edge._in_place import InPlaceBackend
from langchain_gemini_qdrant.edge._storage._location import (
    TEMPORARY,
    Durability,
    first_calls,
    locate,
)
from langchain_gemini_qdrant.edge._worker._backend import AsyncWorkerBackend

if TYPE_CHECKING:
    from qdrant_client.async_client_base import AsyncQdrantBase
    from qdrant_client.conversions import common_types as types

    from langchain_gemini_qdrant.edge._storage._info import StorageInfo
    from langchain_gemini_qdrant.edge._storage._sizes import VectorStorageSize
    from langchain_gemini_qdrant.edge.client import EdgeClient


class AsyncEdgeClient(FolderClient, AsyncQdrantClient):
    """An `AsyncQdrantClient` whose server is Qdrant Edge, in a process of its own, in a folder.

    The event loop is not blocked while the engine searches, writes or optimizes. The engine's
    process starts with the client and ends with its last one, or with the application, even if that
    is killed. All clients of a folder share it, those of `EdgeClient(path, worker=True)` too, in
    any thread and any event loop.

    A cancelled call is still carried out; only its result is dropped. If the engine dies, calls
    raise `StorageError`; a new client starts a new engine with all acknowledged writes. Close the
    client with `await client.close()`.

    `upload_points` and `upload_collection` are not coroutines in qdrant-client: they block the
    loop until all is written. `upsert` does not.

    Args:
        path: The folder, as in `EdgeClient`. If it cannot be used, the first call raises the error.
        durability: What an update survives, `"process"` (default) or `"power"`, as in `EdgeClient`.

    Raises:
        ConfigurationError: An argument has a value that `EdgeClient` does not accept.
        StorageError: The folder is open in this process without a worker.
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: Durability = "process") -> None:
        temporary = os.fspath(path) == TEMPORARY
        settings = first_calls(temporary=temporary, durability=durability)
        self._path = locate(path)
        self._options = {"path": str(self._path), "durability": durability}
        with ExitStack() as unless_opened:
            if temporary:
                unless_opened.callback(shutil.rmtree, self._path, ignore_errors=True)
            super().__init__(location=":memory:")
            self._edge: AsyncWorkerBackend | InPlaceBackend = AsyncWorkerBackend(
                self._path, settings
            )
            unless_opened.pop_all()
        # the one private attribute of qdrant-client that this class relies on
        self._client = cast("AsyncQdrantBase", self._edge)

    async def upsert(
        self, collection_name: str, points: types.Points, *args: Any, **kwargs: Any
    ) -> types.UpdateResult:
        """Write points and replace those with the same ids, as `AsyncQdrantClient` does."""
        if not args and are_plain(points):  # the backend has other positional arguments
            return await self._client.upsert(collection_name, points, *args, **kwargs)
        return await super().upsert(collection_name, points, *args, **kwargs)

    @staticmethod
    def over(client: EdgeClient) -> AsyncEdgeClient:
        """Return an asynchronous client that shares the engine of a synchronous one.

        With `worker=True` it shares the engine's process. Otherwise the engine is in this process:
        each call runs where it is awaited and blocks the event loop, and `close` leaves the engine
        open for `client`.

        Args:
            client: The open client whose engine is shared.

        Raises:
            StorageError: `client` is closed.
        """
        options = client.init_options
        if options.pop("worker"):
            client._check_open()  # noqa: SLF001
            return AsyncEdgeClient(**options)
        return InPlaceEdgeClient(client)

    def _check_open(self) -> None:
        """Refuse to derive a client from a closed one, which would open the folder again."""
        if isinstance(self._edge, AsyncWorkerBackend):
            self._edge.check_open()

    def _release(self) -> None:
        """Release the folder from any thread and without an event loop, without waiting."""
        if isinstance(self._edge, AsyncWorkerBackend):
            self._edge.give_up()

    @property
    def init_options(self) -> dict[str, Any]:
        """Return the options of another client of the same folder: `AsyncEdgeClient(**options)`."""
        return dict(self._options)

    async def aclose(self) -> None:
        """Close the client, for `contextlib.aclosing`; the last one flushes and ends the engine."""
        await self.close()

    async def optimize(self, collection_name: str) -> bool:
        """Build graphs and codes, merge segments and drop deleted points, now.

        Other calls to this index wait, from seconds to minutes; the event loop does not.

        Args:
            collection_name: A collection of this client.

        Returns:
            True if anything was optimized; small collections need no graph.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine failed, or the disk has too little room for a second copy.
        """
        changed: bool = await self._edge.optimize(collection_name)
        return changed

    async def vector_storage_size(self, collection_name: str) -> VectorStorageSize:
        """Measure the bytes of a collection's dense vectors and their quantized codes.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine or its files cannot be read.
        """
        size: VectorStorageSize = await self._edge.vector_storage_size(collection_name)
        return size

    async def storage_info(self, collection_name: str) -> StorageInfo:
        """Flush a collection and measure its points and its use of disk and memory.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine or its files cannot be read.
        """
        info: StorageInfo = await self._edge.storage_info(collection_name)
        return info

    async def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the whole index to another folder, while it is open; other calls wait.

        Args:
            path: A folder that is empty or does not exist.

        Raises:
            StorageError: `path` is inside the index, is not empty or cannot be written, or the disk
                has no room.
        """
        await self._edge.backup(locate(path))


class InPlaceEdgeClient(AsyncEdgeClient):
    """The asynchronous client over an `EdgeClient` whose engine is in this process.

    Attributes:
        sync_client: The client that has the engine.
    """

    def __init__(self, client: EdgeClient) -> None:
        AsyncQdrantClient.__init__(self, location=":memory:")
        self._options = client.init_options
        del self._options["worker"]
        self._path = Path(self._options["path"])
        self._edge = InPlaceBackend(client._edge)  # noqa: SLF001 - the backend that both share
        self._client = cast("AsyncQdrantBase", self._edge)
        self.sync_client = client
