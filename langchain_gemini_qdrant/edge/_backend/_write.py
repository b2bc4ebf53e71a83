"""The backend's methods that write points."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from qdrant_client import models

from langchain_gemini_qdrant.edge._backend import _updates
from langchain_gemini_qdrant.edge._backend._base import FolderAccess, check_options, completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qdrant_client.conversions import common_types as types

    from langchain_gemini_qdrant.edge._backend._updates import Update

_DEFAULT_BATCH_SIZE = 64  # qdrant-client's
# how qdrant-client sends batches to a server has no effect here
_UPLOAD_WITHOUT_MEANING = frozenset({"max_retries", "method", "parallel"})


class WritingApi(FolderAccess):
    """Writing points: each call is checked as a whole before the engine sees any of it."""

    def upsert(
        self,
        collection_name: str,
        points: types.Points,
        update_filter: types.Filter | None = None,
        update_mode: types.UpdateMode | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Write points, all or none of them."""
        check_options(kwargs)
        collection = self._collection(collection_name)
        _updates.upsert(points, collection.schema, update_filter, update_mode)(collection)
        return completed()

    def update_vectors(
        self,
        collection_name: str,
        points: Sequence[types.PointVectors],
        update_filter: types.Filter | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Replace vectors of points that exist; their other vectors and payloads stay."""
        schema = self._collection(collection_name).schema
        return self._write(
            collection_name, _updates.update_vectors(points, schema, update_filter), kwargs
        )

    def delete_vectors(
        self,
        collection_name: str,
        vectors: Sequence[str],
        points: types.PointsSelector,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Remove vectors from points, by the vectors' names."""
        schema = self._collection(collection_name).schema
        return self._write(
            collection_name, _updates.delete_vectors(vectors, points, schema), kwargs
        )

    def delete(
        self, collection_name: str, points_selector: types.PointsSelector, **kwargs: Any
    ) -> models.UpdateResult:
        """Delete points by id or by filter; ids that are not stored are ignored."""
        return self._write(collection_name, _updates.delete(points_selector), kwargs)

    def set_payload(
        self,
        collection_name: str,
        payload: types.Payload,
        points: types.PointsSelector,
        key: str | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Merge into the points' payloads, or into the object at `key` in them."""
        return self._write(collection_name, _updates.set_payload(payload, points, key), kwargs)

    def overwrite_payload(
        self,
        collection_name: str,
        payload: types.Payload,
        points: types.PointsSelector,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Replace the points' payloads."""
        return self._write(collection_name, _updates.overwrite_payload(payload, points), kwargs)

    def delete_payload(
        self,
        collection_name: str,
        keys: Sequence[str],
        points: types.PointsSelector,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Remove keys from the points' payloads."""
        return self._write(collection_name, _updates.delete_payload(keys, points), kwargs)

    def clear_payload(
        self, collection_name: str, points_selector: types.PointsSelector, **kwargs: Any
    ) -> models.UpdateResult:
        """Empty the points' payloads."""
        return self._write(collection_name, _updates.clear_payload(points_selector), kwargs)

    def batch_update_points(
        self,
        collection_name: str,
        update_operations: Sequence[types.UpdateOperation],
        **kwargs: Any,
    ) -> list[models.UpdateResult]:
        """Apply updates in their order; if one of them is malformed, none is applied."""
        check_options(kwargs)
        collection = self._collection(collection_name)
        updates = [
            _updates.of_operation(operation, collection.schema) for operation in update_operations
        ]
        with collection.exclusive():
            for update in updates:
                update(collection)
        return [completed() for _ in updates]

    def upload_points(
        self,
        collection_name: str,
        points: Iterable[types.PointStruct | types.Record],
        batch_size: int = _DEFAULT_BATCH_SIZE,
        **kwargs: Any,
    ) -> None:
        """Write any number of points, batch by batch."""
        options = {name: v for name, v in kwargs.items() if name not in _UPLOAD_WITHOUT_MEANING}
        structs = (
            models.PointStruct.model_construct(
                id=point.id, vector=_or_none_at_all(point.vector), payload=point.payload
            )
            for point in points
        )
        while batch := list(itertools.islice(structs, batch_size)):
            self.upsert(collection_name, batch, **options)

    def upload_collection(
        self,
        collection_name: str,
        vectors: dict[str, types.NumpyArray] | types.NumpyArray | Iterable[types.VectorStruct],
        payload: Iterable[dict[Any, Any]] | None = None,
        ids: Iterable[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Write points given as columns; missing ids are generated."""
        points = (
            models.PointStruct.model_construct(id=point_id, vector=vector, payload=fields)
            for point_id, vector, fields in zip(
                (str(uuid4()) for _ in itertools.count()) if ids is None else ids,
                _rows(vectors),
                itertools.repeat(None) if payload is None else payload,
                strict=False,  # the shortest column ends the upload, as in qdrant-client
            )
        )
        self.upload_points(collection_name, points, **kwargs)

    def _write(
        self, collection_name: str, update: Update, options: dict[str, Any]
    ) -> models.UpdateResult:
        check_options(options)
        update(self._collection(collection_name))
        return completed()


def _or_none_at_all(vector: Any) -> Any:  # noqa: ANN401 - of any kind
    """Return a record's vector, or no vectors if it has none or was read without them."""
    return {} if vector is None else vector


def _rows(
    vectors: dict[str, types.NumpyArray] | types.NumpyArray | Iterable[types.VectorStruct],
) -> Iterator[Any]:
    if not isinstance(vectors, dict):
        return iter(vectors)
    lengths = {len(column) for column in vectors.values()}
    if len(lengths) > 1:
        raise ValueError("Each named vector should have the same number of vectors")
    return (
        {name: column[row] for name, column in vectors.items()}
        for row in range(max(lengths, default=0))
    )
