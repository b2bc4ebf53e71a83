"""The backend's methods that search points."""

# The signatures are those of `QdrantBase`.
# ruff: noqa: FBT002, PLR0917

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models
from qdrant_client.conversions import common_types as types

from langchain_gemini_qdrant.edge._backend._base import FolderAccess, check_options
from langchain_gemini_qdrant.edge._backend._distance_matrix import nearest_of_each
from langchain_gemini_qdrant.edge._backend._groups import group_lookups, grouped
from langchain_gemini_qdrant.edge._backend._lookup import with_vectors_for_ids
from langchain_gemini_qdrant.edge._convert import _results
from langchain_gemini_qdrant.edge._convert._query import (
    DEFAULT_LIMIT,
    PLAIN_VECTORS,
    computes_scores,
    edge_query_request,
)
from langchain_gemini_qdrant.edge._convert._validate import check_limit, check_vector_name
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUP_SIZE = 3  # the server's default


class SearchingApi(FolderAccess):
    """Searching points by vectors, examples, scores, fields and texts."""

    def query_points(
        self,
        collection_name: str,
        query: object = None,
        using: str | None = None,
        prefetch: types.Prefetch | list[types.Prefetch] | None = None,
        query_filter: types.Filter | None = None,
        search_params: types.SearchParams | None = None,
        limit: int = 10,
        offset: int | None = None,
        with_payload: types.WithPayloadInterface = True,
        with_vectors: types.WithVector = False,
        score_threshold: float | None = None,
        lookup_from: types.LookupLocation | None = None,
        **kwargs: Any,
    ) -> types.QueryResponse:
        """Search; see `QdrantClient.query_points`."""
        check_options(kwargs)
        request = _request(
            query=query,
            using=using,
            prefetch=prefetch,
            filter=query_filter,
            params=search_params,
            limit=limit,
            offset=offset,
            with_payload=with_payload,
            with_vector=with_vectors,
            score_threshold=score_threshold,
            lookup_from=lookup_from,
        )
        return types.QueryResponse(points=self._search(collection_name, [request])[0])

    def query_batch_points(
        self, collection_name: str, requests: Sequence[types.QueryRequest], **kwargs: Any
    ) -> list[types.QueryResponse]:
        """Search several times at once; see `QdrantClient.query_batch_points`."""
        check_options(kwargs)
        return [
            types.QueryResponse(points=points) for points in self._search(collection_name, requests)
        ]

    def query_points_groups(
        self,
        collection_name: str,
        group_by: str,
        query: object = None,
        using: str | None = None,
        prefetch: types.Prefetch | list[types.Prefetch] | None = None,
        query_filter: types.Filter | None = None,
        search_params: types.SearchParams | None = None,
        limit: int = 10,
        group_size: int = 3,
        with_payload: types.WithPayloadInterface = True,
        with_vectors: types.WithVector = False,
        score_threshold: float | None = None,
        with_lookup: types.WithLookupInterface | None = None,
        lookup_from: types.LookupLocation | None = None,
        **kwargs: Any,
    ) -> types.GroupsResult:
        """Search and group the hits by a field; see `QdrantClient.query_points_groups`.

        The engine has no groups: they are made from queries, as a server makes them.
        """
        check_options(kwargs)
        request = _request(
            query=query,
            using=using,
            prefetch=prefetch,
            filter=query_filter,
            params=search_params,
            score_threshold=score_threshold,
            lookup_from=lookup_from,
        )
        with conversion_errors("group query"):
            wanted = models.QueryGroupsRequest(
                group_by=group_by, limit=limit, group_size=group_size
            )
        groups = grouped(
            lambda candidates: self._search(collection_name, [candidates])[0],
            request,
            wanted.group_by,
            limit=check_limit(DEFAULT_LIMIT if wanted.limit is None else wanted.limit),
            group_size=check_limit(
                _GROUP_SIZE if wanted.group_size is None else wanted.group_size, name="group_size"
            ),
            schema=self._collection(collection_name).schema,
        )
        ids = list({hit.id: None for group in groups for hit in group.hits})
        records = self.retrieve(collection_name, ids, with_payload, with_vectors)
        contents = {record.id: record for record in records}
        for hit in (hit for group in groups for hit in group.hits):
            if record := contents.get(hit.id):  # None: deleted meanwhile
                hit.payload, hit.vector = record.payload, record.vector
        if with_lookup is not None:
            group_lookups(groups, with_lookup, self.retrieve)
        return models.GroupsResult(groups=groups)

    def search_matrix_pairs(
        self,
        collection_name: str,
        query_filter: types.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        **kwargs: Any,
    ) -> types.SearchMatrixPairsResponse:
        """Return the nearest points of each point of a random sample, as pairs."""
        rows = self._matrix(collection_name, query_filter, limit, sample, using, kwargs)
        return models.SearchMatrixPairsResponse(
            pairs=[
                models.SearchMatrixPair(a=point_id, b=near.id, score=near.score)
                for point_id, nearest in rows.items()
                for near in nearest
            ]
        )

    def search_matrix_offsets(
        self,
        collection_name: str,
        query_filter: types.Filter | None = None,
        limit: int = 3,
        sample: int = 10,
        using: str | None = None,
        **kwargs: Any,
    ) -> types.SearchMatrixOffsetsResponse:
        """Return the nearest points of each point of a random sample, as a sparse matrix."""
        rows = self._matrix(collection_name, query_filter, limit, sample, using, kwargs)
        ids = list(rows)
        offsets = {point_id: offset for offset, point_id in enumerate(ids)}
        return models.SearchMatrixOffsetsResponse(
            offsets_row=[offsets[i] for i, nearest in rows.items() for _ in nearest],
            offsets_col=[offsets[near.id] for nearest in rows.values() for near in nearest],
            scores=[near.score for nearest in rows.values() for near in nearest],
            ids=ids,
        )

    def _matrix(
        self,
        collection_name: str,
        query_filter: Any,  # noqa: ANN401 - the annotation of `QdrantBase` has gRPC's types, too
        limit: int,
        sample: int,
        using: str | None,
        options: dict[str, Any],
    ) -> dict[types.PointId, list[models.ScoredPoint]]:
        check_options(options)
        check_vector_name(using or "", self._collection(collection_name).schema)
        return nearest_of_each(
            lambda requests: self._search(collection_name, requests),
            query_filter,
            using or "",
            limit=check_limit(limit),
            sample=check_limit(sample, name="sample", least=2),
        )

    def _search(
        self, collection_name: str, requests: Sequence[models.QueryRequest]
    ) -> list[list[models.ScoredPoint]]:
        collection = self._collection(collection_name)
        converted = [
            edge_query_request(
                with_vectors_for_ids(request, collection.name, self._vector_of), collection.schema
            )
            for request in requests
        ]
        batch = engine().QueryBatchRequest(converted)
        try:
            found = collection.read("search", lambda shard: shard.query_batch(batch))
        except StorageError as error:
            if any(map(computes_scores, requests)):
                raise _without_value(error) from error
            raise
        return [
            [
                _results.scored_point(point, with_vectors=request.with_vector or False)
                for point in points
            ]
            for request, points in zip(requests, found, strict=True)
        ]

    def _vector_of(self, collection_name: str, name: str, point_id: int | str) -> object:
        """Return the vector of a stored point that a query names as its example."""
        collection = self._collection(collection_name)
        check_vector_name(name, collection.schema)
        found = self.retrieve(collection_name, [point_id], with_payload=False, with_vectors=[name])
        if not found:
            raise InvalidInputError(
                f"No point with id {point_id!r} in {collection_name!r}, which the query names"
            )
        vectors = found[0].vector
        vector = vectors.get(name) if isinstance(vectors, dict) else vectors
        if vector is None:
            raise InvalidInputError(
                f"The point {point_id!r}, which the query names, has no vector {name!r}"
            )
        return vector


def _request(*, query: object = None, **fields: Any) -> models.QueryRequest:
    with conversion_errors("query"):
        if isinstance(query, PLAIN_VECTORS):  # it is checked against the collection
            request = models.QueryRequest(**fields)
            return request.model_copy(update={"query": query})
        return models.QueryRequest(query=query, **fields)


def _without_value(error: StorageError) -> InvalidInputError:
    # the engine's only message is that it cancelled the query
    return InvalidInputError(
        "The formula has no finite value for some point: a field is missing without a default or"
        " has the wrong type, or an operation is undefined, for example a division by zero "
        f"({error})"
    )
