"""A Qdrant server's answers, given by qdrant-client's own local mode.

What local mode drops, such as quantization and payload indexes, is remembered here and reported as
a server does; `qdrant_server_semantics` has what a server understands otherwise. A body is a dict:
JSON's, or of the models that gRPC's messages convert to.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import deque
from functools import partial
from urllib.parse import unquote

import pydantic
from pydantic_core import to_json
from qdrant_client import QdrantClient, models

from tests.integration_tests import qdrant_server_strict as strict
from tests.integration_tests.qdrant_server_exchange import QdrantError
from tests.integration_tests.qdrant_server_groups import fill, groups_of_server
from tests.integration_tests.qdrant_server_semantics import (
    ServerFilter,
    as_stored,
    check_expressions,
    check_id,
    rewritten_stages,
    without_named_points,
)

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


_U64, _I64, _LEVELS = 2**64 - 1, -(2**63), 127


def _as_read(value, levels=_LEVELS):
    """Return what the server's reader makes of JSON: of an integer beyond 64 bits a float."""
    if isinstance(value, dict | list) and not levels:
        raise QdrantError(400, "Format error in JSON body: recursion limit exceeded")
    if isinstance(value, dict):
        return {key: _as_read(inner, levels - 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_read(inner, levels - 1) for inner in value]
    return float(value) if type(value) is int and not _I64 <= value <= _U64 else value


class LocalQdrant:
    """Collections and points in memory; calls come from any thread, one at a time."""

    def __init__(self, *, version, keeps_metadata):
        self._version = version
        self._keeps_metadata = keeps_metadata
        self._client = QdrantClient(":memory:")
        self._configs = {}  # collection -> the settings it was given, as a server reports them
        self._indexes = {}  # collection -> field -> schema
        self._statuses = deque()  # that `get_collection` reports next
        self._lock = threading.Lock()

    def report(self, statuses):
        """Report these statuses next, once each; grey until the collection is updated."""
        self._statuses = deque(statuses)

    def close(self):
        self._client.close()

    def rest(self, request):
        """Answer a REST request with a status, no headers and JSON."""
        operation, names = _route(f"{request.method} {request.path}")
        collection = names.pop("collection", None)
        try:
            read = json.loads(request.content or "{}", parse_constant=_refuse_constant)
            body = _as_read(read)
        except ValueError as error:
            raise QdrantError(400, f"Format error in JSON body: {error}") from error
        if operation == "batch":
            _check_batch(body["operations"])
        strict.check_timeout(self._strict(collection), request.query.get("timeout"))
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
                    strict.check(self._strict(collection), operation, body)
                    [result] = self.batch(collection, _parsed("batch", [{operation: body}]))
                    return result
                body = _parsed(operation, body)
                strict.check(self._strict(collection), operation, body)
                return getattr(self, operation)(collection, body)
        except pydantic.ValidationError as error:
            raise QdrantError(400, f"Format error in JSON body: {error}") from error
        except KeyError as error:
            raise QdrantError(404, f"Not found: No point with id {error} found") from error
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
        if self._statuses and self._statuses[0] == "grey":
            self._statuses.popleft()
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
        if self._statuses:
            info["status"] = self._statuses[0]
            if info["status"] == "red":
                info["optimizer_status"] = {"error": "no space left on device"}
            if info["status"] != "grey":
                self._statuses.popleft()
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

    def _strict(self, collection):
        """Return the settings of strict mode; none where there is no such collection."""
        try:
            return self._configs[self._named(collection)]["strict_mode_config"]
        except ValueError:
            return {}

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

    def _server_filter(self, collection):
        """Return what rewrites filters over the points that the collection has now."""
        return ServerFilter(
            partial(self._payloads, collection), self._indexes[self._named(collection)]
        )

    def _payloads(self, collection):
        records, _ = self._client.scroll(collection, limit=_ALL, with_payload=True)
        return {record.id: record.payload or {} for record in records}

    def batch(self, collection, body):
        results = []
        for operation in body.operations:
            changed = self._operation(collection, operation)
            results += self._client.batch_update_points(collection, [changed])
        return results

    def _operation(self, collection, operation):
        """Return one update as a server understands it."""
        [(kind, update)] = (
            (name, getattr(operation, name)) for name in type(operation).model_fields
        )
        given, changes = update.__dict__, {}
        if kind == "delete":
            for each in given.get("points", ()):
                check_id(each)
        for name in ("filter", "update_filter"):
            if given.get(name) is not None:
                changes[name] = self._server_filter(collection)(given[name])
        if kind in {"set_payload", "overwrite_payload"}:
            changes["payload"] = as_stored(update.payload)
        elif kind == "upsert" and "points" in given:
            points = [
                each.model_copy(update={"payload": as_stored(each.payload)})
                for each in update.points
            ]
            if update.update_mode is models.UpdateMode.INSERT_ONLY:
                points = list({each.id: each for each in points}.values())  # the last one stays
            changes["points"] = points
        elif kind == "upsert" and update.batch.payloads is not None:
            payloads = as_stored(update.batch.payloads)
            changes["batch"] = update.batch.model_copy(update={"payloads": payloads})
        return type(operation)(**{kind: update.model_copy(update=changes)})

    def retrieve(self, collection, body):
        for each in body.ids:
            check_id(each)
        return self._client.retrieve(
            collection,
            list(dict.fromkeys(body.ids)),
            with_payload=True if body.with_payload is None else body.with_payload,
            with_vectors=body.with_vector or False,
        )

    def scroll(self, collection, body):
        rewrite = self._server_filter(collection)
        rewrite.check_order(body.order_by)
        points, offset = self._client.scroll(
            collection,
            scroll_filter=rewrite(body.filter),
            limit=10 if body.limit is None else body.limit,
            order_by=body.order_by,
            offset=body.offset,
            with_payload=True if body.with_payload is None else body.with_payload,
            with_vectors=body.with_vector or False,
        )
        return models.ScrollResult(points=points, next_page_offset=offset)

    def count(self, collection, body):
        rewrite = self._server_filter(collection)
        return self._client.count(collection, count_filter=rewrite(body.filter))

    def facet(self, collection, body):
        limit = 10 if body.limit is None else body.limit
        rewrite = self._server_filter(collection)
        rewrite.check_facet(body.key)
        facet_filter = rewrite(body.filter)
        return self._client.facet(collection, body.key, facet_filter=facet_filter, limit=limit)

    def query(self, collection, body):
        body = self._understood(collection, body)
        query = body.query.nearest if isinstance(body.query, models.NearestQuery) else body.query
        if isinstance(query, list) and any(map(math.isnan, _flat(query))):
            # Only gRPC can ask so; JSON has no such number.
            body = body.model_copy(update={"query": None, "score_threshold": None})
            found = self._client.query_points(collection, offset=body.offset, **_query(body))
            points = [each.model_copy(update={"score": math.nan}) for each in found.points]
            return found.model_copy(update={"points": points})
        if not isinstance(body.query, models.NearestQuery) or body.query.mmr is None:
            try:
                return self._client.query_points(collection, offset=body.offset, **_query(body))
            except (AttributeError, TypeError) as error:  # a formula of values of other types
                raise QdrantError(400, f"Wrong input: {error}") from error
        # A server selects `limit` of the candidates, and leaves out `offset` of those.
        found = self._client.query_points(collection, **_query(body))
        return found.model_copy(update={"points": found.points[body.offset or 0 :]})

    def _understood(self, collection, body):
        """Return a query, which may be one for groups, as a server understands it."""
        rewrite = self._server_filter(collection)
        check_expressions(body)
        if isinstance(body.query, models.OrderByQuery):
            rewrite.check_order(body.query.order_by)
        return rewritten_stages(without_named_points(body), rewrite)

    def query_batch(self, collection, body):
        return [self.query(collection, each) for each in body.searches]

    def query_groups(self, collection, body):
        body = self._understood(collection, body)
        vectors = self._client.get_collection(collection).config.params.vectors
        groups = groups_of_server(
            lambda request: self._client.query_points(collection, **_query(request)).points,
            body,
            vectors if isinstance(vectors, dict) else {"": vectors},
        )
        fill(groups, body, collection, self._client.retrieve)
        return models.GroupsResult(groups=groups)


_ALL = 2**31 - 1  # points

_COMPLETED = models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


def _route(line):
    """Return the operation of a line such as `GET /collections/c`, and the names in its path."""
    for pattern, operation in _PATTERNS.items():
        if found := pattern.fullmatch(line):
            return operation, {name: unquote(value) for name, value in found.groupdict().items()}
    raise LookupError(f"no answer for {line}")


def _refuse_constant(name):
    raise ValueError(f"expected value, not {name}")


def _check_batch(operations):
    """Refuse a malformed operation before any is applied; over gRPC, a server applies the first."""
    for operation in operations:
        [(kind, update)] = operation.items()
        for each in update.get("points", ()) if isinstance(update, dict) else ():
            if kind == "update_vectors" and not each["vector"]:
                raise QdrantError(422, "Validation error in JSON body: vector is empty")
            if kind == "delete":
                check_id(each)


def _flat(numbers):
    return [n for each in numbers for n in (_flat(each) if isinstance(each, list) else [each])]


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
        "with_vectors": False if body.with_vector is None else body.with_vector,
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
