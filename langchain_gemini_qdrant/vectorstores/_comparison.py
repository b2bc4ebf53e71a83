"""Compare points across engines, which may round values when they store them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic_core import to_jsonable_python
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import is_read_exactly, named_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_LAST_PLACES = 5
"""Largest error of a float that is not read back exactly, in units of its last place: errors of two
were seen on Qdrant Edge 0.9.0 and over gRPC, of four over REST."""

# Largest difference of vectors after a copy, as a share of their length: engines round when they
# normalize vectors again, or store them in fewer bits.
_FLOAT32, _FLOAT16, _COARSER = 1e-5, 1e-3, 0.2
_TOLERANCES = {
    None: _FLOAT32,
    models.Datatype.FLOAT32: _FLOAT32,
    models.Datatype.FLOAT16: _FLOAT16,
}


def same_json(one: object, other: object) -> bool:
    """Return whether two JSON values are equal, except for the last digits of floats.

    Args:
        one: The value as it was written.
        other: The value as it was read back.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(value, other[name]) for name, value in one.items()
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    # An integer that is too large for a JSON parser is read back as a float.
    if isinstance(one, int | float) and isinstance(other, int | float):
        is_exact = is_read_exactly(one) if isinstance(one, float) else isinstance(other, int)
        return one == other or (
            not is_exact and abs(one - other) <= _LAST_PLACES * math.ulp(float(one))
        )
    return one == other


def same_payload(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two payloads are equal as JSON; local mode stores Python objects."""
    return same_json(one, other) or same_json(_as_json(one), _as_json(other))


def _as_json(payload: Mapping[str, Any]) -> object:
    return to_jsonable_python(payload, fallback=repr)


class VectorComparison:
    """Compares the vectors of two collections, with the precision of the less precise one.

    Args:
        infos: Descriptions of both collections.
    """

    def __init__(self, *infos: models.CollectionInfo) -> None:
        self._tolerances: dict[str, float] = {}
        self._directions: set[str] = set()  # names of vectors that may have been normalized
        for info in infos:
            types: dict[str, models.Datatype | None] = {}
            for name, dense in named_vectors(info.config.params.vectors).items():
                types[name] = dense.datatype
                if dense.distance == models.Distance.COSINE:
                    self._directions.add(name)
            for name, sparse in (info.config.params.sparse_vectors or {}).items():
                types[name] = sparse.index.datatype if sparse.index else None
            for name, datatype in types.items():
                tolerance = _TOLERANCES.get(datatype, _COARSER)
                self._tolerances[name] = max(self._tolerances.get(name, 0.0), tolerance)

    def same(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Return whether two points have the same vectors, given by name."""
        return one.keys() == other.keys() and all(
            self._are_close(name, vector, other[name]) for name, vector in one.items()
        )

    def _are_close(self, name: str, one: Any, other: Any) -> bool:  # noqa: ANN401 - of any kind
        if isinstance(one, models.SparseVector) and isinstance(other, models.SparseVector):
            values = dict(zip(one.indices, one.values, strict=True))
            other_values = dict(zip(other.indices, other.values, strict=True))
            if values.keys() != other_values.keys():
                return False
            one, other = [*values.values()], [other_values[index] for index in values]
        vector, other_vector = np.asarray(one, np.float64), np.asarray(other, np.float64)
        if vector.shape != other_vector.shape:
            return False
        if name in self._directions:
            vector, other_vector = _direction(vector), _direction(other_vector)
        apart, length = np.linalg.norm(vector - other_vector), np.linalg.norm(vector)
        return bool(apart <= self._tolerances.get(name, _FLOAT32) * length)


def _direction(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a vector, or each row of several, scaled to length 1; zeros are unchanged."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(lengths == 0.0, 1.0, lengths)
