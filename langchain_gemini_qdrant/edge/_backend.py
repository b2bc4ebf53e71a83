"""qdrant-client's backend interface over a folder of the embedded engine."""

# The signatures are those of `QdrantBase`.
# ruff: noqa: FBT001, FBT002, PLR0917

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter
from qdrant_client import models
from qdrant_client.client_base import QdrantBase
from qdrant_client.conversions import common_types as types

from langchain_gemini_qdrant.edge import _results
from langchain_gemini_qdrant.edge._aliases import change_aliases
from langchain_gemini_qdrant.edge._config import collection_info
from langchain_gemini_qdrant.edge._convert import (
    edge_filter,
    edge_payload_selector,
    edge_points,
    to_edge,
)
from langchain_gemini_qdrant.edge._engine import conversion_errors, engine
from langchain_gemini_qdrant.edge._folder import Folder, open_folder, release_folder
from langchain_gemini_qdrant.edge._queries import edge_query_request
from langchain_gemini_qdrant.edge._unsupported import refuse_the_rest
from langchain_gemini_qdrant.edge._validate import (
    check_collection,
    check_limit,
    check_payload,
    check_point_id,
    check_points,
)
from langchain_gemini_qdrant.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from langchain_gemini_qdrant.edge._sizes import VectorStorageSize

# for one node, and updates that are applied when the call returns, these say nothing
_WITHOUT_MEANING = frozenset({"consistency", "ordering", "timeout", "wait"})
_CREATION_WITHOUT_MEANING = frozenset(
    {"replication_factor", "shard_number", "wal_config", "write_consistency_factor"}
)
_INDEX_SCHEMA: TypeAdapter[models.PayloadFieldSchema] = TypeAdapter(models.PayloadFieldSchema)


@refuse_the_rest
class EdgeBackend(QdrantBase):
    """One client's access to a folder, which it shares with the other clients of the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._folder: Folder | None = open_folder(path)

    def close(self, **kwargs: Any) -> None:  # noqa: ARG002
        """Give the folder free; the last client to do so flushes and closes it."""
        folder, self._folder = self._folder, None
        if folder is not None:
            release_folder(folder)

    @property
    def _open_folder(self) -> Folder:
        if self._folder is None:
            raise StorageError("This client is closed; make a new EdgeClient")
        self._folder.check_usable()
        return self._folder

    # --- collections

    def create_collection(
        self,
        collection_name: str,
        vectors_config: types.VectorParams | Mapping[str, types.VectorParams] | None = None,
        **kwargs: Any,
    ) -> bool:
        """Add an empty collection; the arguments are the server's."""
        settings = {
            name: value
            for name, value in kwargs.items()
            if value is not None and name not in _CREATION_WITHOUT_MEANING | _WITHOUT_MEANING
        }
        for name in ("sharding_method", "strict_mode_config"):
            if name in settings:
                raise NotImplementedError(f"{name} is not supported by the embedded engine")
        if "sparse_vectors_config" in settings:
            settings["sparse_vectors"] = dict(settings.pop("sparse_vectors_config"))
        if "metadata" in settings:
            settings["metadata"] = check_payload(settings["metadata"])[0]
        if vectors_config is not None:
            settings["vectors"] = vectors_config
        with conversion_errors("collection configuration"):
            config = models.CreateCollection(**settings)
        check_collection(config, collection_name)
        self._open_folder.create(collection_name, config)
        return True

    def collection_exists(self, collection_name: str, **kwargs: Any) -> bool:
        """Tell whether there is a collection of this name."""
        _check_options(kwargs)
        return collection_name in {*self._open_folder.names(), *self._open_folder.aliases()}

    def get_collection(self, collection_name: str, **kwargs: Any) -> models.CollectionInfo:
        """Return configuration and size of a collection."""
        _check_options(kwargs)
        entry = self._open_folder.entry(collection_name)
        info = self._open_folder.collection(collection_name).read(
            "describe a collection", lambda shard: shard.info()
        )
        return collection_info(entry.config, entry.payload_schema, info)

    def get_collections(self, **kwargs: Any) -> models.CollectionsResponse:
        """Return the collections' names."""
        _check_options(kwargs)
        return models.CollectionsResponse(
            collections=[
                models.CollectionDescription(name=name) for name in self._open_folder.names()
            ]
        )

    def delete_collection(self, collection_name: str, **kwargs: Any) -> bool:
        """Remove a collection with its data; False if there was none."""
        _check_options(kwargs)
        return self._open_folder.delete(collection_name)

    def update_collection(
        self, collection_name: str, metadata: types.Payload | None = None, **kwargs: Any
    ) -> bool:
        """Merge into a collection's metadata; a value of None takes its key away."""
        settings = [name for name, value in kwargs.items() if value is not None]
        unknown = sorted(set(settings) - _WITHOUT_MEANING)
        if unknown:
            raise NotImplementedError(
                f"{' and '.join(unknown)} of a collection cannot be changed in the embedded engine"
            )
        self._open_folder.merge_metadata(collection_name, check_payload(metadata)[0])
        return True

    def update_collection_aliases(
        self, change_aliases_operations: Sequence[types.AliasOperations], **kwargs: Any
    ) -> bool:
        """Create, delete and rename aliases, all of them or none."""
        _check_options(kwargs)
        folder = self._open_folder
        folder.change_aliases(
            lambda aliases: change_aliases(aliases, change_aliases_operations, folder.names())
        )
        return True

    def get_aliases(self, **kwargs: Any) -> types.CollectionsAliasesResponse:
        """Return all aliases."""
        _check_options(kwargs)
        return models.CollectionsAliasesResponse(
            aliases=[
                models.AliasDescription(alias_name=alias, collection_name=name)
                for alias, name in self._open_folder.aliases().items()
            ]
        )

    def get_collection_aliases(
        self, collection_name: str, **kwargs: Any
    ) -> types.CollectionsAliasesResponse:
        """Return the aliases of one collection."""
        found = self.get_aliases(**kwargs).aliases
        return models.CollectionsAliasesResponse(
            aliases=[alias for alias in found if alias.collection_name == collection_name]
        )

    def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: types.PayloadSchemaType | None = None,
        field_type: types.PayloadSchemaType | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Index a payload field, which makes filters on it some hundred times faster."""
        _check_options(kwargs)
        with conversion_errors("field_schema"):
            schema = _INDEX_SCHEMA.validate_python(
                field_type if field_schema is None else field_schema
            )
            operation = engine().UpdateOperation.create_field_index(field_name, to_edge(schema))
        self._open_folder.collection(collection_name).update(operation)
        self._open_folder.record_index(collection_name, field_name, schema)
        return _completed()

    def vector_storage_size(self, collection_name: str) -> VectorStorageSize:
        """Measure what the collection's vectors and their codes occupy."""
        return self._open_folder.collection(collection_name).vector_storage_size()

    # --- writing points

    def upsert(
        self,
        collection_name: str,
        points: types.Points,
        update_filter: types.Filter | None = None,
        update_mode: types.UpdateMode | None = None,
        **kwargs: Any,
    ) -> models.UpdateResult:
        """Write points, all or none of them."""
        _check_options(kwargs)
        collection = self._open_folder.collection(collection_name)
        checked = check_points(points, collection.schema)
        operation = engine().UpdateOperation.upsert_points(
            edge_points(checked), edge_filter(update_filter), to_edge(update_mode)
        )
        collection.update(operation, size_bytes=sum(point.size_bytes for point in checked))
        return _completed()

    def delete(
        self, collection_name: str, points_selector: types.PointsSelector, **kwargs: Any
    ) -> models.UpdateResult:
        """Delete points by id or by filter; ids that are not stored are no error."""
        _check_options(kwargs)
        collection = self._open_folder.collection(collection_name)
        updates = engine().UpdateOperation
        selector: object = points_selector
        if isinstance(selector, models.FilterSelector):
            selector = selector.filter
        if isinstance(selector, models.Filter):
            operation = updates.delete_points_by_filter(edge_filter(selector))
        else:
            operation = updates.delete_points(_selected_ids(selector))
        collection.update(operation)
        return _completed()

    # --- reading points

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
        _check_options(kwargs)
        fields: dict[str, Any] = {
            "query": query,
            "using": using,
            "prefetch": prefetch,
            "filter": query_filter,
            "params": search_params,
            "limit": limit,
            "offset": offset,
            "with_payload": with_payload,
            "with_vector": with_vectors,
            "score_threshold": score_threshold,
            "lookup_from": lookup_from,
        }
        with conversion_errors("query"):
            request = models.QueryRequest(**fields)
        return self._query(collection_name, request)

    def query_batch_points(
        self, collection_name: str, requests: Sequence[types.QueryRequest], **kwargs: Any
    ) -> list[types.QueryResponse]:
        """Search several times; see `QdrantClient.query_batch_points`."""
        _check_options(kwargs)
        return [self._query(collection_name, request) for request in requests]

    def _query(self, collection_name: str, request: models.QueryRequest) -> types.QueryResponse:
        collection = self._open_folder.collection(collection_name)
        converted = edge_query_request(request, collection.schema)
        points = collection.read("search", lambda shard: shard.query(converted))
        return types.QueryResponse(
            points=[
                _results.scored_point(point, with_vectors=request.with_vector or False)
                for point in points
            ]
        )

    def retrieve(
        self,
        collection_name: str,
        ids: Sequence[types.PointId],
        with_payload: types.WithPayloadInterface = True,
        with_vectors: types.WithVector = False,
        **kwargs: Any,
    ) -> list[models.Record]:
        """Return the points that are stored, in the order of `ids`."""
        _check_options(kwargs)
        wanted = [check_point_id(point_id) for point_id in ids]
        selector = edge_payload_selector(with_payload)
        points = self._open_folder.collection(collection_name).read(
            "retrieve points", lambda shard: shard.retrieve(wanted, selector, with_vectors)
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
        """Return a page of points in the order of their ids, and where the next one begins."""
        _check_options(kwargs)
        if order_by is not None:
            raise NotImplementedError(
                "order_by is not supported by the embedded engine yet; sort what scroll returns"
            )
        with conversion_errors("scroll request"):
            request = engine().ScrollRequest(
                offset=None if offset is None else check_point_id(offset),
                limit=check_limit(limit),
                filter=edge_filter(scroll_filter),
                with_payload=edge_payload_selector(with_payload),
                with_vector=with_vectors,
            )
        points, next_offset = self._open_folder.collection(collection_name).read(
            "scroll", lambda shard: shard.scroll(request)
        )
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
        _check_options(kwargs)
        request = engine().CountRequest(exact=exact, filter=edge_filter(count_filter))
        count = self._open_folder.collection(collection_name).read(
            "count", lambda shard: shard.count(request)
        )
        return models.CountResult(count=count)


def _completed() -> models.UpdateResult:
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _check_options(options: Mapping[str, object]) -> None:
    """Accept what says nothing on a single node; refuse what would be silently disobeyed."""
    for name, value in options.items():
        if name == "shard_key_selector":
            if value is not None:
                raise NotImplementedError("The embedded engine has no shard keys")
        elif name not in _WITHOUT_MEANING:
            raise TypeError(f"unexpected argument {name!r}")


def _selected_ids(selector: object) -> list[int | str]:
    ids = selector.points if isinstance(selector, models.PointIdsList) else selector
    if not isinstance(ids, list | tuple):
        raise InvalidInputError(
            "points_selector must be a list of ids, a Filter, a PointIdsList or a"
            f" FilterSelector, got {type(selector).__name__}"
        )
    if not ids:
        raise InvalidInputError("Empty update request: there must be at least one id")
    return [check_point_id(point_id) for point_id in ids]
