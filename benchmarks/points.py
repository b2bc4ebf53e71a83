"""Points and queries like embeddings of texts, the same in every process."""

from __future__ import annotations

import itertools
import uuid
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from corpus import make_texts
from qdrant_client import models

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

BATCH = 100
FACTORS = 256  # behind the components of a vector

_TEXT_BYTES = 200

Point = tuple[str, list[float], dict[str, str]]  # id, vector, payload


def batches(count: int, size: int) -> Iterator[list[Point]]:
    """Yield unit vectors with short texts, in batches."""
    chance = np.random.default_rng(1)
    texts = itertools.cycle(make_texts(1000))
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        rows = _unit_vectors(chance, len(numbers), size).tolist()
        yield [
            (str(uuid.UUID(int=number)), vector, {"page_content": text[:_TEXT_BYTES]})
            for number, vector, text in zip(numbers, rows, texts, strict=False)
        ]


def vectors(count: int, size: int) -> npt.NDArray[np.float32]:
    """Return the vectors of `batches`, shape `(count, size)`."""
    return _unit_vectors(np.random.default_rng(1), count, size)


def questions(count: int, size: int) -> list[list[float]]:
    """Return other vectors of the kind."""
    found: list[list[float]] = _unit_vectors(np.random.default_rng(2), count, size).tolist()
    return found


def struct(point: Point) -> models.PointStruct:
    """Return qdrant-client's form of a point."""
    point_id, vector, payload = point
    return models.PointStruct(id=point_id, vector=vector, payload=payload)


@cache
def _factors(size: int) -> npt.NDArray[np.float32]:
    """Return directions of falling weight, as the embeddings of texts have them.

    In vectors without any, all points are equally far from each other and no index finds a way.
    """
    directions = np.random.default_rng(0).standard_normal((FACTORS, size), dtype=np.float32)
    weights = np.arange(1, FACTORS + 1, dtype=np.float32) ** -0.5
    return directions * weights[:, None]


def _unit_vectors(chance: np.random.Generator, count: int, size: int) -> npt.NDArray[np.float32]:
    rows = chance.standard_normal((count, FACTORS), dtype=np.float32) @ _factors(size)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
