"""EdgeClient: qdrant-client's interface over Qdrant's own engine in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrant_client import QdrantClient

from langchain_gemini_qdrant.edge._backend import EdgeBackend
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge._sizes import VectorStorageSize


class EdgeClient(QdrantClient):
    """A `QdrantClient` whose server is Qdrant Edge, inside this process, in a folder.

    The engine is the server's: quantization, HNSW, filters and the write-ahead log are real.
    A write survives the process as soon as the call returns, and a power cut after the next flush
    (every 50 updates or 64 MiB, and on `close`). Nothing is optimized unless asked for: binary and
    turbo quantization serve at once, by a scan over the codes.

    One process at a time can open a folder; inside it, clients of the same folder share one
    engine and may be used from any thread. Using a client after `fork` is an error.

    Not served: what a single node cannot have (sharding, cluster, snapshots) and, so far,
    payload updates, grouping, facets, ordering, and queries other than by vector and fusion; each
    raises `NotImplementedError` and names the way round.

    Args:
        path: The folder; made where it is missing. `~` is the user's home.

    Raises:
        ConfigurationError: qdrant-edge-py is not installed, or `path` names no folder.
        StorageError: The folder cannot be used: not writable, damaged, or open elsewhere.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not os.fspath(path) or os.fspath(path) == ":memory:":
            raise ConfigurationError(
                f"path must name a folder, got {os.fspath(path)!r}; a throw-away index is"
                ' `QdrantClient(location=":memory:")`'
            )
        self._path = Path(path).expanduser().resolve()
        super().__init__(location=":memory:")
        self._edge = EdgeBackend(self._path)
        # `_client` is the one private attribute of qdrant-client that this class relies on
        in_memory, self._client = self._client, self._edge
        in_memory.close()

    @property
    def init_options(self) -> dict[str, Any]:
        """Return what makes another client of the same folder: `EdgeClient(**options)`."""
        return {"path": str(self._path)}

    def vector_storage_size(self, collection_name: str) -> VectorStorageSize:
        """Measure what a collection's dense vectors and their quantized codes occupy.

        The numbers come from the engine's own files, after a flush: bytes per vector times the
        vectors stored, without the room that the engine reserves ahead and without the few
        kilobytes for each segment that some quantizations add. Deleted vectors count until an
        optimizer removes them, in both numbers alike.

        Args:
            collection_name: A collection of this client.

        Returns:
            Both sizes in bytes. One-bit codes take 1/32 of 32-bit vectors.

        Raises:
            InvalidInputError: There is no such collection.
            StorageError: The engine or its files cannot be read.
        """
        return self._edge.vector_storage_size(collection_name)
