"""Sizes of a collection's vectors, read from the engine's own files.

The lengths of the files say little, because the engine reserves 32 MiB at a time. `config.json` has
the bytes per vector, `status.dat` the number of vectors. In optimized segments the files are as
long as their content.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._display import Displayed

if TYPE_CHECKING:
    from pathlib import Path

_MATRIX_HEADER_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorStorageSize(Displayed):
    """Bytes of the dense vectors of a collection, without space reserved ahead.

    Attributes:
        original_bytes: The vectors as they were given, in the collection's datatype.
        quantized_bytes: Their codes; 0 where there are none (no quantization, or one that the
            engine applies only when it optimizes: scalar and product).
    """

    original_bytes: int
    quantized_bytes: int


def vector_storage_size(collection_folder: Path) -> VectorStorageSize:
    """Measure the segments of a flushed collection."""
    storages = list(collection_folder.glob("segments/*/vector_storage*"))
    return VectorStorageSize(
        original_bytes=sum(
            _chunked_bytes(storage / "vectors")
            + max(_file_bytes(storage / "matrix.dat") - _MATRIX_HEADER_BYTES, 0)
            for storage in storages
        ),
        quantized_bytes=sum(
            _chunked_bytes(storage / "quantized_data") + _file_bytes(storage / "quantized.data")
            for storage in storages
        ),
    )


def unindexed_vectors(collection_folder: Path) -> int:
    """Count the dense vectors outside graphs; with several vector names, the highest count.

    They are in the segments that still take writes.
    """
    counts: Counter[str] = Counter()
    for storage in collection_folder.glob("segments/*/vector_storage*"):
        counts[storage.name] += _chunked_count(storage / "vectors")
    return max(counts.values(), default=0)


def _chunked_bytes(folder: Path) -> int:
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except FileNotFoundError:
        return 0
    vector_bytes: int = config["chunk_size_bytes"] // config["chunk_size_vectors"]
    return vector_bytes * _chunked_count(folder)


def _chunked_count(folder: Path) -> int:
    try:
        status = (folder / "status.dat").read_bytes()
    except FileNotFoundError:
        return 0
    return int.from_bytes(status[:8], "little")


def _file_bytes(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
