"""Placeholder vectors that cost almost nothing: preformatted pieces, chosen by a hash of the text.

They are for benchmarks of clients, which must not wait for the emulator. Sizes and lengths are
right, equal texts have equal vectors and different texts different ones; similar texts are not
close.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from langchain_gemini_qdrant.testing._transport._json import vector_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from langchain_gemini_qdrant.testing._api._vectors import Meaning

_PIECES = 16  # pieces of a vector; each is chosen by one byte of the hash
_VARIANTS = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    numbers: NDArray[np.float32]
    json: bytes  # with the bracket or comma before it
    packed: bytes


@dataclass(frozen=True, slots=True)
class StandIn:
    """A vector in pieces."""

    pieces: Sequence[_Piece]

    def numbers(self) -> NDArray[np.float32]:
        return np.concatenate([piece.numbers for piece in self.pieces])

    def json(self) -> list[bytes]:
        """The numbers as a JSON list, in pieces."""
        return [piece.json for piece in self.pieces]

    def packed(self) -> bytes:
        """The numbers as packed floats of protobuf."""
        return b"".join([piece.packed for piece in self.pieces])


Vector: TypeAlias = "NDArray[np.float32] | StandIn"


def choose_stand_ins(
    meanings: Sequence[Meaning], *, space: str, model_size: int, size: int, normalizes: bool
) -> list[StandIn]:
    """Choose vectors; the arguments are those of `_vectors.embed`."""
    pool = _pool(space, model_size, size, normalizes)
    return [
        StandIn([variants[byte] for variants, byte in zip(pool, _digest(meaning), strict=False)])
        for meaning in meanings
    ]


def _digest(meaning: Meaning) -> bytes:
    words = (meaning.task_type, meaning.title or "", meaning.text, *meaning.media)
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_PIECES).digest()


@functools.lru_cache(maxsize=16)  # up to 15 MB each
def _pool(space: str, model_size: int, size: int, normalizes: bool) -> list[list[_Piece]]:  # noqa: FBT001  a key of the cache
    """Return all variants of each piece."""
    bounds = sorted({size * i // _PIECES for i in range(_PIECES + 1)})  # pieces may be empty
    whole = _energy(0, size if normalizes else model_size, model_size)
    return [
        _variants(
            f"{space} {i}",
            stop - start,
            _energy(start, stop, model_size) / whole,
            opening=b"" if start else b"[",
            closing=b"," if stop < size else b"]",
        )
        for i, (start, stop) in enumerate(itertools.pairwise(bounds))
    ]


def _energy(start: int, stop: int, model_size: int) -> float:
    """Return the share of some components in a full vector's energy, as in `_vectors.embed`."""
    return float((stop / model_size) ** 0.8 - (start / model_size) ** 0.8)


def _variants(
    name: str, size: int, energy: float, *, opening: bytes, closing: bytes
) -> list[_Piece]:
    digest = hashlib.shake_256(f"stand-in {name}".encode()).digest(_VARIANTS * size)
    odd = (np.frombuffer(digest, dtype=np.int8) | np.int8(1)).reshape(_VARIANTS, size)
    whole = odd.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", whole, whole) / energy)
    rows = (np.rint(whole / lengths[:, None] * 1e9) / 1e9).astype(np.float32)
    return [
        _Piece(
            numbers=row,
            json=opening + vector_json(row)[1:-1] + closing,
            packed=row.astype("<f4").tobytes(),
        )
        for row in rows
    ]
