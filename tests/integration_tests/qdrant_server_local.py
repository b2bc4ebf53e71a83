"""A Qdrant server's answers, given by qdrant-client's own local mode.

What local mode drops, such as quantization and payload indexes, is remembered here and reported as
a server does. A body is a dict: JSON's, or of the models that gRPC's messages convert to.
"""

from __future__ import annotations

import re
import threading
from urllib.parse import unquote

import pydantic
from pydantic_core import to_json
from qdrant_client import QdrantClient, models

from tests.integration_tests.qdrant_server_exchange import QdrantError

# Qdrant's API reference: https://api.qdrant.tech/api-reference
_ROUTES = {
    "GET /": "version",
    "GET /collections": "get_collections",
    "GET /aliases": "get_aliases",
    "POST /collections/aliases": "update_aliases",
    "GET /collections/{collection}": "get_collection",
    "PUT /collections/{collection}": "create_collection",
    "PATCH /collections/{collection}": "update_collection",
    "DELETE /collections/{collection}": "delete_collection",
    "GET /collections/{collection}/exists": "collection_exists",
    "GET /collections/{collection}/aliases": "get_collection_aliases",
    "PUT /collections/{collection}/index": "create_index",
    "DELETE /collections/{collection}/index/{field_name}": "delete_index",
    "PUT /collections/{collection}/points": "upsert",
    "POST /collections/{collection}/points": "retrieve",
    "POST /collections/{collection}/points/batch": "batch",
    "POST /collections/{collection}/points/count": "count",
    "POST /collections/{collection}/points/delete": "delete",
    "POST /collections/{collection}/points/payload": "set_payload",
    "PUT /collections/{collection}/points/payload": "overwrite_payload",
    "POST /collections/{collection}/points/payload/clear": "clear_payload",
    "POST /collections/{collection}/points/payload/delete": "delete_payload",
    "POST /collections/{collection}/points/query": "query",
    "POST /collections/{collection}/points/query/batch": "query_batch",
    "POST /collections/{collection}/points/query/groups": "query_groups",
    "POST /collections/{collection}/points/scroll": "scroll",
    "PUT /collections/{collection}/points/vectors": "update_vectors",
    "POST /collections/{collection}/points/vectors/delete": "delete_vectors",
    "POST /collections/{collection}/facet": "facet",
}
_PATTERNS = {
    re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", route)): operation
    for route, operation in _ROUTES.items()
}
_BODIES = {
    "create_collection": models.CreateCollection,
    "update_collection": models.UpdateCollection,
    "update_aliases": models.ChangeAliasesOperation,
    "create_index": models.CreateFieldIndex,
    "retrieve": models.PointRequest,
    "batch": models.UpdateOperations,
    "count": models.CountRequest,
    "query": models.QueryRequest,
    "query_batch": models.QueryRequestBatch,
    "query_groups": models.QueryGroupsRequest,
    "scroll": models.ScrollRequest,
    "facet": models.FacetRequest,
}
# One operation of a batch of updates each, by its name there.
_WRITES = {
    "upsert",
    "delete",
    "set_payload",
    "overwrite_payload",
    "delete_payload",
    "clear_payload",
    "update_vectors",
    "delete_vectors",
}
# What local mode says -> the server's status and message.
_ERRORS = [
    (r"Collection (.+) not found", 404, "Not found: Collection `{}` doesn't exist!"),
    (r"Alias (.+) does not exist", 404, "Not found: Alias {} does not exists!"),
    (r"Point (.+) is not found", 404, "Not found: No point with id {} found"),
    (r"Collection (.+) already exists", 409, "Wrong input: Collection `{}` already exists!"),
    (r"Alias (.+) already exists", 409, "Wrong input: Alias `{}` already exists!"),
]
_PARAMS = {
    "vectors": {},
    "shard_number": 1,
    "replication_factor": 1,
    "write_consistency_factor": 1,
    "on_disk_payload": True,
}
_MORE_PARAMS = ("sparse_vectors", "sharding_method", "payload", "id_tracker")


class LocalQdrant:
    """Collections and points in memory; calls come from any thread, one at a time."""

    def __init__(self, *, version, keeps_metadata):
        self._version = version
        self._keeps_metadata = keeps_metadata
        self._client = QdrantClient(":memory:")
        self._configs = {}  # collection -> the settings it was given, as a server reports them
        self._indexes = {}  # collection -> field -> schema
        self._lock = threading.Lock()

    def close(self):
        self._client.close()

    def rest(self, request):
        """Answer a REST request with a status, no headers and JSON."""
        operation, names = _route(f"{request.method} {request.path}")
        collection = names.pop("collection", None)
        try:
            body = request.body or {}
        except ValueError as error:
            raise QdrantError(400, f"Format error in JSON body: {error}") from error
        consistency = request.query.get("consistency")
        result = self.call(operation, collection, {**body, **names}, consistency)
        if operation != "version":
            result = {"result": result, "status": "ok", "time": 0.0}
        return 200, {}, to_json(result, exclude_none=True)

    def call(self, operation, collection, body, consistency=None):  # noqa: ARG002 - one replica
        """Return what the operation gives, in models of qdrant-client.

        Raises:
            QdrantError: What local mode or its models refuse.
        """
        try:
            with self._lock:
                if operation in _WRITES:
                    [result] = self.batch(collection, _parsed("batch", [{operation: body}]))
                    return result
                return getattr(self, operation)(collection, _parsed(operation, body))
        except pydantic.ValidationError as error:
            raise QdrantError(400, f"Format error in JSON body: {error}") from error
        except ValueError as error:
            raise _server_error(str(error)) from error

    def version(self, _, __):
        return models.VersionInfo(title="qdrant - vector search engine", version=self._version)

    # Collections

    def create_collection(self, collection, body):
        if not self._keeps_metadata:
            body.metadata = None
        self._client.create_collection(
            collection,
            vectors_config=body.vectors or {},
            sparse_vectors_config=body.sparse_vectors,
            metadata=body.metadata,
        )
        given = body.model_dump(mode="json", exclude_none=True)
        params = {key: given[key] for key in (*_PARAMS, *_MORE_PARAMS) if key in given}
        config = {"params": {**_PARAMS, **params}, "strict_mode_config": {"enabled": False}}
        _merge(config, _settings(given))
        self._configs[collection], self._indexes[collection] = config, {}
        return True

    def update_collection(self, collection, body):
        if not self._keeps_metadata:
            body.metadata = None
        self._client.update_collection(
            collection,
            vectors_config=body.vectors,
            sparse_vectors_config=body.sparse_vectors,
            metadata=body.metadata,
        )
        given = body.model_dump(mode="json", exclude_none=True)
        config = self._configs[self._named(collection)]
        vectors = config["params"]["vectors"]
        for name, diff in given.get("vectors", {}).items():
            _merge(vectors if "size" in vectors else vectors[name], diff)
        params = {**given.get("params", {})}
        if "sparse_vectors" in given:
            params["sparse_vectors"] = given["sparse_vectors"]
        _merge(config, {**_settings(given), "params": params})
        return True

    def get_collection(self, collection, _):
        info = self._client.get_collection(collection).model_dump(mode="json")
        name = self._named(collection)
        _merge(info["config"], self._configs[name])
        info["payload_schema"] = {
            field: {
                "data_type": schema if isinstance(schema, str) else schema["type"],
                "params": None if isinstance(schema, str) else schema,
                "points": self._points_with(name, field),
            }
            for field, schema in self._indexes[name].items()
        }
        return models.CollectionInfo(**info)

    def get_collections(self, _, __):
        return self._client.get_collections()

    def collection_exists(self, collection, _):
        return models.CollectionExistence(exists=self._client.collection_exists(collection))

    def delete_collection(self, collection, _):
        self._configs.pop(collection, None)
        self._indexes.pop(collection, None)
        return self._client.delete_collection(collection)

    def update_aliases(self, _, body):
        return self._client.update_collection_aliases(body.actions)

    def get_aliases(self, _, __):
        return self._client.get_aliases()

    def get_collection_aliases(self, collection, _):
        return self._client.get_collection_aliases(collection)

    def create_index(self, collection, body):
        if body.field_schema is None:
            raise ValueError("field_schema is missing")
        if getattr(body.field_schema, "scoring", None):
            # The only index that local mode has; it warns of each other one.
            self._client.create_payload_index(collection, body.field_name, body.field_schema)
        schema = body.model_dump(mode="json", exclude_none=True)["field_schema"]
        self._indexes[self._named(collection)][body.field_name] = schema
        return _COMPLETED

    def delete_index(self, collection, body):
        schema = self._indexes[self._named(collection)].pop(body["field_name"], None)
        if isinstance(schema, dict) and schema.get("scoring"):
            self._client.delete_payload_index(collection, body["field_name"])
        return _COMPLETED

    def _named(self, collection):
        """Return the collection of this name or alias.

        Raises:
            ValueError: There is none; local mode's words.
        """
        aliases = self._client.get_aliases().aliases
        name = {each.alias_name: each.collection_name for each in aliases}.get(
            collection, collection
        )
        if name not in self._configs:
            raise ValueError(f"Collection {collection} not found")
        return name

    def _points_with(self, collection, field):
        empty = models.IsEmptyCondition(is_empty=models.PayloadField(key=field))
        return self._client.count(collection, models.Filter(must_not=[empty])).count

    # Points

    def batch(self, collection, body):
        return self._client.batch_update_points(collection, body.operations)

    def retrieve(self, collection, body):
        return self._client.retrieve(
            collection,
            body.ids,
            with_payload=True if body.with_payload is None else body.with_payload,
            with_vectors=body.with_vector or False,
        )

    def scroll(self, collection, body):
        points, offset = self._client.scroll(
            collection,
            scroll_filter=body.filter,
            limit=10 if body.limit is None else body.limit,
            order_by=body.order_by,
            offset=body.offset,
            with_payload=True if body.with_payload is None else body.with_payload,
            with_vectors=body.with_vector or False,
        )
        return models.ScrollResult(points=points, next_page_offset=offset)

    def count(self, collection, body):
        return self._client.count(collection, count_filter=body.filter)

    def facet(self, collection, body):
        limit = 10 if body.limit is None else body.limit
        return self._client.facet(collection, body.key, facet_filter=body.filter, limit=limit)

    def query(self, collection, body):
        return self._client.query_points(collection, offset=body.offset, **_query(body))

    def query_batch(self, collection, body):
        return [self.query(collection, each) for each in body.searches]

    def query_groups(self, collection, body):
        return self._client.query_points_groups(
            collection,
            body.group_by,
            group_size=3 if body.group_size is None else body.group_size,
            with_lookup=body.with_lookup,
            **_query(body),
        )


_COMPLETED = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _route(line):
    """Return the operation of a line such as `GET /collections/c`, and the names in its path."""
    for pattern, operation in _PATTERNS.items():
        if found := pattern.fullmatch(line):
            return operation, {name: unquote(value) for name, value in found.groupdict().items()}
    raise LookupError(f"no answer for {line}")


def _parsed(operation, body):
    """The body as the operation's model; a list is the operations of a batch."""
    if isinstance(body, list):
        body = {"operations": body}
    return _BODIES[operation](**body) if operation in _BODIES else body


def _query(body):
    """What a query and a query for groups share, with a server's defaults."""
    # Local mode searches exactly: it warns that the other parameters say nothing to it.
    idf = body.params.idf if body.params else None
    return {
        "query": body.query,
        "using": body.using,
        "prefetch": body.prefetch,
        "query_filter": body.filter,
        "search_params": models.SearchParams(idf=idf) if idf else None,
        "limit": 10 if body.limit is None else body.limit,
        "with_payload": body.with_payload or False,
        "with_vectors": body.with_vector or False,
        "score_threshold": body.score_threshold,
        "lookup_from": body.lookup_from,
    }


def _settings(given):
    """The part of a creation or an update that is reported beside `params`, by its names there."""
    names = {
        "hnsw_config": "hnsw_config",
        "optimizers_config": "optimizer_config",
        "wal_config": "wal_config",
        "quantization_config": "quantization_config",
        "strict_mode_config": "strict_mode_config",
    }
    return {name: given[key] for key, name in names.items() if key in given}


def _merge(config, diff):
    """Write the settings of `diff` over those of `config`; a quantization replaces another."""
    for key, value in diff.items():
        if key == "quantization_config":
            config[key] = None if value == "Disabled" else value
        elif isinstance(value, dict) and isinstance(config.get(key), dict):
            _merge(config[key], value)
        else:
            config[key] = value


def _server_error(message):
    for pattern, status, words in _ERRORS:
        if found := re.match(pattern, message):
            return QdrantError(status, words.format(found[1]))
    return QdrantError(400, f"Wrong input: {message.removeprefix('Wrong input: ')}")
