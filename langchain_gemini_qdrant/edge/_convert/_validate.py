"""Checks of input before it reaches the engine.

A write that the engine refuses stays in its write-ahead log and can damage data at the next open,
so nothing may be refused there. Everything here is pure: values in, normalised values out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from uuid import UUID

import numpy as np
from qdrant_client import models

from langchain_gemini_qdrant._qdrant_values import (
    CANONICAL_UUID,
    check_finite,
    check_payload,
    check_utf8,
    is_float32,
    named_vectors,
)
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from langchain_gemini_qdrant._qdrant_values import JsonObject

Vector: TypeAlias = "list[float] | NDArray[np.float32] | list[list[float]] | models.SparseVector"

_HYPHENATED = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# the spellings that the server accepts; `uuid.UUID` accepts more
_UUID = re.compile(rf"[0-9a-fA-F]{{32}}|{_HYPHENATED}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}")
_U32, _U64 = 2**32 - 1, 2**64 - 1
_BYTES_PER_NUMBER = 4
# the server's rules, so that a collection can move to one
_FORBIDDEN_IN_NAMES = frozenset('<>:"/\\|?*\0\x1f')
_COLLECTION_NAME_CHARACTERS = 255
_VECTOR_NAME_BYTES = 200
_VECTOR_SIZES = range(1, 65536 + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorSchema:
    """The vectors of a collection: size by name; the name of the unnamed vector is `""`.

    `by_distance` has the names of those whose scores are distances: the smaller, the better.
    """

    dense: Mapping[str, int]
    multi: Mapping[str, int]
    sparse: frozenset[str]
    by_distance: frozenset[str] = frozenset()


class CheckedPoint(NamedTuple):
    """A point that the engine will accept; `size_bytes` is its approximate size on disk."""

    id: int | str
    vectors: dict[str, Vector]
    payload: JsonObject
    size_bytes: int


def check_point_id(point_id: object) -> int | str:
    """Return an integer id as it is and a UUID in its canonical spelling."""
    if isinstance(point_id, UUID):
        return str(point_id)
    if isinstance(point_id, int) and not isinstance(point_id, bool) and 0 <= point_id <= _U64:
        return point_id
    if isinstance(point_id, str):
        if CANONICAL_UUID.fullmatch(point_id):
            return point_id
        if _UUID.fullmatch(point_id):
            return str(UUID(point_id))
    raise InvalidInputError(
        f"A point id must be an integer in 0..{_U64} or a UUID, got {point_id!r}"
    )


def check_vector(vector: object, name: str, schema: VectorSchema) -> Vector:
    """Return a vector that fits the collection's vector of this name."""
    size = schema.dense.get(name)
    if size is not None:
        return _check_dense(vector, name, size)
    if name in schema.sparse:
        return _check_sparse(vector, name)
    check_vector_name(name, schema)
    return _check_multi(vector, name, schema.multi[name])


def check_vector_name(name: str, schema: VectorSchema) -> None:
    """Refuse a vector that the collection does not have."""
    known = {*schema.dense, *schema.multi, *schema.sparse}
    if name not in known:
        raise InvalidInputError(
            f"Not existing vector name error: {name!r}; this collection has the vectors"
            f" {sorted(known)!r}"
        )


def _check_dense(vector: object, name: str, size: int) -> list[float] | NDArray[np.float32]:
    numbers = vector
    if isinstance(vector, np.ndarray) and not is_float32(vector):
        numbers = vector.tolist()
    if not isinstance(numbers, list | np.ndarray):
        raise InvalidInputError(
            f"Vector {name!r} must be a list of {size} numbers, got {type(vector).__name__}"
        )
    if len(numbers) != size:
        raise InvalidInputError(
            f"Vector dimension error: vector {name!r} must have {size} components,"
            f" got {len(numbers)}"
        )
    check_finite(numbers, name)
    return numbers


def _check_multi(vector: object, name: str, size: int) -> list[list[float]]:
    rows = vector.tolist() if isinstance(vector, np.ndarray) else vector
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], list):
        raise InvalidInputError(f"Vector {name!r} must be a non-empty list of vectors")
    return [[*_check_dense(row, name, size)] for row in rows]


def _check_sparse(vector: object, name: str) -> models.SparseVector:
    if not isinstance(vector, models.SparseVector):
        raise InvalidInputError(
            f"Vector {name!r} must be a SparseVector, got {type(vector).__name__}"
        )
    indices: Sequence[object] = vector.indices
    values = vector.values
    if len(indices) != len(values):
        raise InvalidInputError(
            f"Sparse vector {name!r} must have as many values as indices,"
            f" got {len(values)} and {len(indices)}"
        )
    if len(set(indices)) != len(indices):
        raise InvalidInputError(f"Sparse vector {name!r} must not repeat an index")
    if any(isinstance(i, bool) or not isinstance(i, int) or not 0 <= i <= _U32 for i in indices):
        raise InvalidInputError(f"Sparse vector {name!r} must have indices in 0..{_U32}")
    check_finite(values, name)
    return vector


def are_plain(points: object) -> bool:
    """Return whether points are a list without texts and images to embed, the usual case.

    qdrant-client searches all levels for those, which takes a fifth of the time of a write.
    """
    if not isinstance(points, list):
        return False
    for point in points:
        if not isinstance(point, models.PointStruct):
            return False
        vector = point.vector
        for each in vector.values() if isinstance(vector, dict) else (vector,):
            if not isinstance(each, list | np.ndarray | models.SparseVector):
                return False
    return True


def check_points(points: object, schema: VectorSchema) -> Iterator[CheckedPoint]:
    """Yield the points to write, in their order, so that each is converted right after its check.

    Raises:
        InvalidInputError: Nothing may be written; `indices` names the refused point.
    """
    records = _batch_points(points) if isinstance(points, models.Batch) else points
    if not isinstance(records, list | tuple):
        raise InvalidInputError(
            f"Points must be a list of PointStruct or a Batch, got {type(points).__name__}"
        )
    if not records:
        raise InvalidInputError("Empty update request: there must be at least one point")
    for index, point in enumerate(records):
        try:
            yield _check_point(point, schema)
        except InvalidInputError as error:
            raise _refused(point, index, error) from error


def _refused(point: object, index: int, error: InvalidInputError) -> InvalidInputError:
    """Return the error with the index of the refused point added."""
    name = (
        f" (id {point.id!r})" if isinstance(point, models.PointStruct | models.PointVectors) else ""
    )
    return InvalidInputError(f"points[{index}]{name}: {error}", indices=(index,))


def _check_point(point: object, schema: VectorSchema) -> CheckedPoint:
    if not isinstance(point, models.PointStruct):
        raise InvalidInputError(f"A point must be a PointStruct, got {type(point).__name__}")
    vectors = _check_vectors(point.vector, schema)
    payload = check_payload(point.payload)
    return CheckedPoint(
        id=check_point_id(point.id),
        vectors=vectors,
        payload=payload,
        size_bytes=payload.size_bytes + _vectors_bytes(vectors),
    )


def check_point_vectors(points: object, schema: VectorSchema) -> list[CheckedPoint]:
    """Return the points whose vectors are replaced, each once, with the last vectors given for it.

    Raises:
        InvalidInputError: Nothing may be written; `indices` names the refused point.
    """
    if not isinstance(points, list | tuple) or not points:
        raise InvalidInputError("There must be a list of at least one PointVectors to update")
    merged: dict[int | str, dict[str, Vector]] = {}
    for index, point in enumerate(points):
        try:
            if not isinstance(point, models.PointVectors):
                raise InvalidInputError(  # noqa: TRY301
                    f"must be a PointVectors, got {type(point).__name__}"
                )
            vectors = _check_vectors(point.vector, schema)
            merged.setdefault(check_point_id(point.id), {}).update(vectors)
        except InvalidInputError as error:
            raise _refused(point, index, error) from error
    return [
        CheckedPoint(id=i, vectors=vectors, payload={}, size_bytes=_vectors_bytes(vectors))
        for i, vectors in merged.items()
    ]


def _check_vectors(vectors: object, schema: VectorSchema) -> dict[str, Vector]:
    checked: dict[str, Vector] = {}
    named = vectors if isinstance(vectors, dict) else {"": vectors}
    for name, vector in named.items():
        checked[name] = check_vector(vector, name, schema)
    return checked


def _vectors_bytes(vectors: Mapping[str, Vector]) -> int:
    numbers = 0
    for vector in vectors.values():
        if isinstance(vector, models.SparseVector):
            numbers += 2 * len(vector.indices)
        else:
            numbers += len(vector) * (len(vector[0]) if isinstance(vector[0], list) else 1)
    return _BYTES_PER_NUMBER * numbers


def _batch_points(batch: models.Batch) -> list[models.PointStruct]:
    columns: Mapping[str, Any] = named_vectors(batch.vectors)
    payloads = batch.payloads if batch.payloads is not None else [None] * len(batch.ids)
    lengths = {len(batch.ids), len(payloads), *(len(column) for column in columns.values())}
    if len(lengths) != 1:
        raise InvalidInputError(
            "A Batch must have as many vectors and payloads as ids,"
            f" got lengths {sorted(lengths)!r}"
        )
    return [
        models.PointStruct.model_construct(
            id=point_id,
            vector={name: column[row] for name, column in columns.items()},
            payload=payloads[row],
        )
        for row, point_id in enumerate(batch.ids)
    ]


def check_collection(config: models.CreateCollection, name: str) -> None:
    """Refuse names and sizes that a server would refuse, too."""
    if name in {"", ".", ".."} or _FORBIDDEN_IN_NAMES.intersection(name):
        raise InvalidInputError(
            "A collection name must not be empty, '.' or '..', or contain any of "
            f"{''.join(sorted(_FORBIDDEN_IN_NAMES))!r}, got {name!r}"
        )
    check_utf8(name, "A collection name")
    if len(name) > _COLLECTION_NAME_CHARACTERS:
        raise InvalidInputError(
            f"A collection name must have at most {_COLLECTION_NAME_CHARACTERS} characters,"
            f" got {len(name)}"
        )
    dense = named_vectors(config.vectors)
    for vector_name, params in dense.items():
        _check_vector_name(vector_name)
        if params.size not in _VECTOR_SIZES:
            raise InvalidInputError(
                f"Vector {vector_name!r} must have a size in 1..{_VECTOR_SIZES[-1]},"
                f" got {params.size}"
            )
    for vector_name in config.sparse_vectors or {}:
        _check_vector_name(vector_name)
        if not vector_name or vector_name in dense:
            raise InvalidInputError(
                f"A sparse vector needs a name that no other vector has, got {vector_name!r}"
            )


def _check_vector_name(name: str) -> None:
    check_utf8(name, "A vector name")
    # the engine names folders after vectors
    if name in {".", ".."} or _FORBIDDEN_IN_NAMES.intersection(name):
        raise InvalidInputError(
            "A vector name must not be '.' or '..', or contain any of "
            f"{''.join(sorted(_FORBIDDEN_IN_NAMES))!r}, got {name!r}"
        )
    if len(name.encode()) > _VECTOR_NAME_BYTES:
        raise InvalidInputError(
            f"A vector name must have at most {_VECTOR_NAME_BYTES} bytes, got {name!r}"
        )


def check_limit(limit: int, *, name: str = "limit", least: int = 1) -> int:
    """Return a limit of 1 or more; for 0 the engine would return nothing."""
    if limit < least:
        raise InvalidInputError(f"{name} must be {least} or larger, got {limit}")
    return limit


def check_offset(offset: int | None) -> int:
    """Return an offset of 0 or more."""
    if offset is not None and offset < 0:
        raise InvalidInputError(f"offset must be 0 or larger, got {offset}")
    return offset or 0
