"""Encode vectors for a cache as little-endian float32, on every machine."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_gemini_qdrant.embeddings._backends.protocol import Vector

_FLOAT_BYTES = 4


def encode(vector: Vector) -> bytes:
    """Return the bytes that are cached for a vector."""
    return struct.pack(f"<{len(vector)}f", *vector)


def decode(data: object, size: int | None) -> Vector | None:
    """Return the cached vector, or None for any other value, which is then replaced."""
    if not isinstance(data, (bytes, bytearray, memoryview)) or not data:
        return None
    data = bytes(data)
    if len(data) % _FLOAT_BYTES:
        return None
    vector = list(struct.unpack(f"<{len(data) // _FLOAT_BYTES}f", data))
    norm = math.hypot(*vector)
    fits = size in {None, len(vector)} and math.isfinite(norm) and norm > 0.0
    return vector if fits else None
