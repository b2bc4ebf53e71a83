"""Encode vectors for a cache as little-endian float32, on every machine."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.embeddings._response import is_length, norm

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._backends.protocol import Vector

_FLOAT_BYTES = 4


def encode(vector: Vector) -> bytes:
    """Return the bytes that are cached for a vector."""
    if isinstance(vector, list):
        return struct.pack(f"<{len(vector)}f", *vector)
    return vector.astype("<f4", copy=False).tobytes()


def decode(data: object, size: int | None) -> Vector | None:
    """Return the cached vector, or None for any other value, which is then replaced."""
    if not isinstance(data, (bytes, bytearray, memoryview)) or not data:
        return None
    data = bytes(data)
    if len(data) % _FLOAT_BYTES:
        return None
    import numpy as np  # noqa: PLC0415 - a tenth of a second, only with a cache

    vector = np.frombuffer(data, dtype="<f4").astype(np.float32)
    fits = size in {None, len(vector)} and is_length(norm(vector))
    return vector if fits else None
