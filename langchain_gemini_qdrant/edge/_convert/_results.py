"""What the engine returns -> qdrant-client's models."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from qdrant_client import models

from langchain_gemini_qdrant.edge._engine import engine

if TYPE_CHECKING:
    from langchain_gemini_qdrant.edge._convert._models import EdgeObject


def point_id(value: int | str | UUID) -> int | str:
    """Return the id in the form that qdrant-client gives."""
    return str(value) if isinstance(value, UUID) else value


def scored_point(point: EdgeObject, *, with_vectors: bool | list[str]) -> models.ScoredPoint:
    """Return one hit of a query, with only the requested vectors: MMR adds those that it used."""
    vectors = _vectors(point.vector) if with_vectors else None
    if isinstance(with_vectors, list) and isinstance(vectors, dict):
        vectors = {name: vectors[name] for name in with_vectors if name in vectors}
    found = point.id
    return models.ScoredPoint(
        id=str(found) if isinstance(found, UUID) else found,
        version=point.version,
        score=point.score,
        payload=point.payload,
        vector=vectors,
        order_value=point.order_value,
    )


def record(point: EdgeObject) -> models.Record:
    """Return one point as it is stored."""
    return models.Record(
        id=point_id(point.id),
        payload=point.payload,
        vector=_vectors(point.vector),
        order_value=point.order_value,
    )


def _vectors(vectors: EdgeObject) -> EdgeObject:
    if not isinstance(vectors, dict):
        return vectors
    return {name: _vector(vector) for name, vector in vectors.items()}


def _vector(vector: EdgeObject) -> EdgeObject:
    if isinstance(vector, engine().SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector
