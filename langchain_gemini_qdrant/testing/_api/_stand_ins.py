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
from operator import getitem
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from langchain_gemini_qdrant.testing._transport._json import vector_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from langchain_gemini_qdrant.testing._api._vectors import Meaning

_PIECES = 16  # pieces of a vector; each is chosen by one byte of the hash
_VARIANTS = 256


@dataclass(frozen=True, slots=True)
class _Pool:
    """All variants of each piece, in every form."""

    numbers: list[NDArray[np.float32]]  # of a piece: a row for each variant
    json: list[list[bytes]]  # with the bracket or comma before it
    packed: list[list[bytes]]


@dataclass(frozen=True, slots=True)
class StandIn:
    """A vector in pieces: a byte of the digest chooses each."""

    pool: _Pool
    digest: bytes

    def numbers(self) -> NDArray[np.float32]:
        pairs = zip(self.pool.numbers, self.digest, strict=False)
        return np.concatenate([rows[byte] for rows, byte in pairs])

    def json(self) -> list[bytes]:
        """The numbers as a JSON list, in pieces."""
        return [*map(getitem, self.pool.json, self.digest)]

    def packed(self) -> list[bytes]:
        """The numbers as packed floats of protobuf, in pieces."""
        return [*map(getitem, self.pool.packed, self.digest)]


Vector: TypeAlias = "NDArray[np.float32] | StandIn"


def choose_stand_ins(
    meanings: Sequence[Meaning], *, space: str, model_size: int, size: int, normalizes: bool
) -> list[StandIn]:
    """Choose vectors; the arguments are those of `_vectors.embed`."""
    pool = _pool(space, model_size, size, normalizes)
    return [StandIn(pool, _digest(meaning)) for meaning in meanings]


def _digest(meaning: Meaning) -> bytes:
    words = (
        meaning.task_type,
        meaning.title or "",
        meaning.text,
        *(medium.word for medium in meaning.media),
    )
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=_PIECES).digest()


@functools.lru_cache(maxsize=16)  # up to 15 MB each
def _pool(space: str, model_size: int, size: int, normalizes: bool) -> _Pool:  # noqa: FBT001  a key of the cache
    bounds = sorted({size * i // _PIECES for i in range(_PIECES + 1)})  # pieces may be empty
    whole = _energy(0, size if normalizes else model_size, model_size)
    pieces = [
        _variants(f"{space} {i}", stop - start, _energy(start, stop, model_size) / whole)
        for i, (start, stop) in enumerate(itertools.pairwise(bounds))
    ]
    ends = [b","] * (len(pieces) - 1) + [b"]"]
    return _Pool(
        numbers=pieces,
        json=[
            [(b"" if i else b"[") + vector_json(row)[1:-1] + end for row in rows]
            for i, (rows, end) in enumerate(zip(pieces, ends, strict=True))
        ],
        packed=[[row.astype("<f4").tobytes() for row in rows] for rows in pieces],
    )


def _energy(start: int, stop: int, model_size: int) -> float:
    """Return the share of some components in a full vector's energy, as in `_vectors.embed`."""
    return float((stop / model_size) ** 0.8 - (start / model_size) ** 0.8)


def _variants(name: str, size: int, energy: float) -> NDArray[np.float32]:
    """Return all variants of a piece, in rows."""
    digest = hashlib.shake_256(f"stand-in {name}".encode()).digest(_VARIANTS * size)
    odd = (np.frombuffer(digest, dtype=np.int8) | np.int8(1)).reshape(_VARIANTS, size)
    whole = odd.astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", whole, whole) / energy)
    rows: NDArray[np.float32] = (np.rint(whole / lengths[:, None] * 1e9) / 1e9).astype(np.float32)
    return rows
