"""A collection's use of disk and memory, read from its files."""

from __future__ import annotations

from dataclasses import dataclass
from stat import S_ISREG
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._display import Displayed
from langchain_gemini_qdrant.edge._storage._sizes import (
    VectorStorageSize,
    unindexed_vectors,
    vector_storage_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_BLOCK_BYTES = 512  # the unit of `st_blocks`, whatever the file system's own blocks are


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageInfo(Displayed):
    """Size of a collection: its points, and their use of disk and memory.

    Attributes:
        points_count: Points stored.
        unindexed_vectors_count: Dense vectors outside the graph, which a search scans; the highest
            count where points have several vectors.
        disk_bytes: Bytes on disk that the collection's files occupy. The lengths of the files add
            up to far more, as the engine reserves space ahead, which takes no disk until it is
            used.
        log_bytes: The part of `disk_bytes` in the write-ahead log; a flush makes it reusable.
        memory_bytes: Estimate of the bytes that should fit into memory for fast searches: codes (or
            the vectors, where there are no codes), graphs and ids. The rest is read when needed.
        vectors: Sizes of the dense vectors and their codes.
    """

    points_count: int
    unindexed_vectors_count: int
    disk_bytes: int
    log_bytes: int
    memory_bytes: int
    vectors: VectorStorageSize


def storage_info(collection_folder: Path, points_count: int) -> StorageInfo:
    """Measure a flushed collection."""
    vectors = vector_storage_size(collection_folder)
    beside_vectors = [
        *collection_folder.glob("segments/*/vector_index*/*"),
        *collection_folder.glob("segments/*/*id_tracker*"),
    ]
    return StorageInfo(
        points_count=points_count,
        unindexed_vectors_count=unindexed_vectors(collection_folder),
        disk_bytes=occupied_bytes(collection_folder.rglob("*")),
        log_bytes=occupied_bytes(collection_folder.glob("wal/*")),
        memory_bytes=(vectors.quantized_bytes or vectors.original_bytes)
        + occupied_bytes(beside_vectors),
        vectors=vectors,
    )


def occupied_bytes(files: Iterable[Path]) -> int:
    """Return the bytes that files occupy on disk: less than their length where they have holes."""
    total = 0
    for file in files:
        try:
            stat = file.stat()
        except FileNotFoundError:  # a log segment that the engine has just created and renamed
            continue
        if S_ISREG(stat.st_mode):
            # Windows does not report blocks
            blocks = getattr(stat, "st_blocks", None)
            total += stat.st_size if blocks is None else blocks * _BLOCK_BYTES
    return total
