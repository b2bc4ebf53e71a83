"""The backend's methods that read points as they are stored."""

# The signatures are those of `QdrantBase`.
# ruff: noqa: FBT001, FBT002, PLR0917

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models
from qdrant_client.conversions import common_types as types

from langchain_gemini_qdrant.edge._backend._base import FolderAccess, check_options
from langchain_gemini_qdrant.edge._convert import _results
from langchain_gemini_qdrant.edge._convert._models import (
    edge_filter,
    edge_payload_selector,
    edge_vector_selector,
)
from langchain_gemini_qdrant.edge._convert._query import edge_order_by
from langchain_gemini_qdrant.edge._convert._validate import check_limit, check_point_id
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence


class ReadingApi(FolderAccess):
    """Reading points by id or page by page, and counting them."""

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[types.PointId],
        with_payload: types.WithPayloadInterface = True,
        with_vectors: types.WithVector = False,
        **kwargs: Any,
    ) -> list[models.Record]:
        """Return those of the points that are stored, in the order of `ids`."""
        check_options(kwargs)
        wanted = [check_point_id(point_id) for point_id in ids]
        collection, payload = self._collection(collection_name), edge_payload_selector(with_payload)
        vectors = edge_vector_selector(with_vectors, collection.schema)
        points = collection.read(
            "retrieve points", lambda shard: shard.retrieve(wanted, payload, vectors)
        )
        records = {record.id: record for record in map(_results.record, points)}
        return [records[point_id] for point_id in wanted if point_id in records]

    def scroll(
        self,
        collection_name: str,
        scroll_filter: types.Filter | None = None,
        limit: int = 10,
        order_by: types.OrderBy | None = None,
        offset: types.PointId | None = None,
        with_payload: types.WithPayloadInterface = True,
        with_vectors: types.WithVector = False,
        **kwargs: Any,
    ) -> tuple[list[models.Record], types.PointId | None]:
        """Return a page of points, by default in the order of their ids, and the next one's start.

        With `order_by` there is no next start, and the field needs a number or datetime index.
        """
        check_options(kwargs)
        if order_by is not None and offset is not None:
            raise InvalidInputError(
                "offset cannot be combined with order_by; continue from a value with its start_from"
            )
        collection = self._collection(collection_name)
        with conversion_errors("scroll request"):
            request = engine().ScrollRequest(
                offset=None if offset is None else check_point_id(offset),
                limit=check_limit(limit),
                filter=edge_filter(scroll_filter),
                with_payload=edge_payload_selector(with_payload),
                with_vector=edge_vector_selector(with_vectors, collection.schema),
                order_by=edge_order_by(order_by),
            )
        points, next_offset = collection.read("scroll", lambda shard: shard.scroll(request))
        next_id = None if next_offset is None else _results.point_id(next_offset)
        return [_results.record(point) for point in points], next_id

    def count(
        self,
        collection_name: str,
        count_filter: types.Filter | None = None,
        exact: bool = True,
        **kwargs: Any,
    ) -> models.CountResult:
        """Count the points that match a filter."""
        check_options(kwargs)
        condition = edge_filter(count_filter)
        return models.CountResult(
            count=self._collection(collection_name).count(condition, exact=exact)
        )

    def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: types.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
        **kwargs: Any,
    ) -> types.FacetResponse:
        """Count the points for each value of a field; it needs an index for matching values."""
        check_options(kwargs)
        with conversion_errors("facet request"):
            request = engine().FacetRequest(
                key=key, limit=check_limit(limit), exact=exact, filter=edge_filter(facet_filter)
            )
        found = self._collection(collection_name).read(
            "count values", lambda shard: shard.facet(request)
        )
        return types.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in found.hits]
        )
