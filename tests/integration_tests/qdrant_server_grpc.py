"""Qdrant's gRPC messages to the bodies of its REST API and back, by qdrant-client's converters."""

from __future__ import annotations

import math
import re

import grpc as grpcio
from google.protobuf.message import Message
from qdrant_client import grpc
from qdrant_client.conversions.conversion import (
    GrpcToRest,
    RestToGrpc,
    grpc_field_type_to_payload_schema,
)

from tests.integration_tests.qdrant_server_exchange import QdrantError, grpc_types

_OPERATIONS = {
    "/qdrant.Qdrant/HealthCheck": "version",
    "/qdrant.Collections/Get": "get_collection",
    "/qdrant.Collections/List": "get_collections",
    "/qdrant.Collections/Create": "create_collection",
    "/qdrant.Collections/Update": "update_collection",
    "/qdrant.Collections/Delete": "delete_collection",
    "/qdrant.Collections/CollectionExists": "collection_exists",
    "/qdrant.Collections/UpdateAliases": "update_aliases",
    "/qdrant.Collections/ListAliases": "get_aliases",
    "/qdrant.Collections/ListCollectionAliases": "get_collection_aliases",
    "/qdrant.Points/CreateFieldIndex": "create_index",
    "/qdrant.Points/DeleteFieldIndex": "delete_index",
    "/qdrant.Points/Upsert": "upsert",
    "/qdrant.Points/Delete": "delete",
    "/qdrant.Points/Get": "retrieve",
    "/qdrant.Points/UpdateVectors": "update_vectors",
    "/qdrant.Points/DeleteVectors": "delete_vectors",
    "/qdrant.Points/SetPayload": "set_payload",
    "/qdrant.Points/OverwritePayload": "overwrite_payload",
    "/qdrant.Points/DeletePayload": "delete_payload",
    "/qdrant.Points/ClearPayload": "clear_payload",
    "/qdrant.Points/UpdateBatch": "batch",
    "/qdrant.Points/Scroll": "scroll",
    "/qdrant.Points/Count": "count",
    "/qdrant.Points/Facet": "facet",
    "/qdrant.Points/Query": "query",
    "/qdrant.Points/QueryBatch": "query_batch",
    "/qdrant.Points/QueryGroups": "query_groups",
}
# Of the request or the cluster; in REST no part of the body, but for the shard key.
_LEFT_OUT = {
    "collection_name",
    "ordering",
    "read_consistency",
    "shard_key_selector",
    "timeout",
    "wait",
}
_NAMES = {
    "field_index_params": "field_schema",  # stands after field_type, and says more
    "field_type": "field_schema",
    "query_points": "searches",
    "sparse_vectors_config": "sparse_vectors",
    "vectors": "vector",
    "vectors_config": "vectors",
    "with_vectors": "with_vector",
}
# Where the converter is not named after the message.
_CONVERTERS = {
    "FieldType": lambda value: GrpcToRest.convert_payload_schema_type(
        grpc_field_type_to_payload_schema(value)
    ),
    "PayloadIndexParams": GrpcToRest.convert_payload_schema_params,
}
_CODES = {
    400: grpcio.StatusCode.INVALID_ARGUMENT,
    401: grpcio.StatusCode.UNAUTHENTICATED,
    403: grpcio.StatusCode.PERMISSION_DENIED,
    404: grpcio.StatusCode.NOT_FOUND,
    408: grpcio.StatusCode.DEADLINE_EXCEEDED,
    409: grpcio.StatusCode.ALREADY_EXISTS,
    412: grpcio.StatusCode.FAILED_PRECONDITION,
    429: grpcio.StatusCode.RESOURCE_EXHAUSTED,
    500: grpcio.StatusCode.INTERNAL,
    501: grpcio.StatusCode.UNIMPLEMENTED,
    503: grpcio.StatusCode.UNAVAILABLE,
    507: grpcio.StatusCode.RESOURCE_EXHAUSTED,
}


def code_of(status):
    """Return the gRPC code that says what an HTTP status says."""
    return _CODES.get(status, grpcio.StatusCode.UNKNOWN)


def status_of(code):
    """Return the HTTP status that says what a gRPC code says."""
    return {code: status for status, code in reversed(_CODES.items())}.get(code, 500)


def answer_grpc(qdrant, request):
    """Have a `LocalQdrant` answer a recorded gRPC request; return the message in bytes."""
    if request.path not in _OPERATIONS:
        raise LookupError(f"no answer for {request.path}")
    request_type, response_type = grpc_types(request.path)
    message = request_type.FromString(request.content)
    _check_numbers(message)
    collection = getattr(message, "collection_name", None)
    fields = {field.name for field, _ in message.ListFields()}
    consistency = (
        GrpcToRest.convert_read_consistency(message.read_consistency)
        if "read_consistency" in fields
        else None
    )
    result = qdrant.call(_OPERATIONS[request.path], collection, _body(message), consistency)
    return response_type(**_RESPONSES[response_type.__name__](result)).SerializeToString()


def _check_numbers(message):
    """Refuse a payload or metadata with a number that JSON has not, as the server does."""
    if isinstance(message, grpc.Value) and not math.isfinite(message.double_value):
        raise QdrantError(400, "cannot convert to json number")
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = value.values()
        else:
            inner = [value] if isinstance(value, Message) else value
        for each in inner:
            if isinstance(each, Message):
                _check_numbers(each)


def _body(message):
    """A message's fields, those that are set, as the REST API names and shapes them."""
    body = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        unset = field.has_presence and not message.HasField(field.name)
        # An empty map of metadata is none; an empty list of points is a list.
        if field.name in _LEFT_OUT or unset or (field.name == "metadata" and not value):
            continue
        if isinstance(value, grpc.PointsSelector):
            selector = GrpcToRest.convert_points_selector(value)
            body |= selector.model_dump(include={"points", "filter"}, exclude_none=True)
        else:
            body[_NAMES.get(field.name, field.name)] = _value(field, value)
    return body


def _value(field, value):
    kind = field.message_type or field.enum_type
    if kind is None:
        return value if isinstance(value, (bool, int, float, str)) else list(value)
    if field.message_type and kind.GetOptions().map_entry:
        return GrpcToRest.convert_payload(value)
    snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.name).lower()
    convert = _CONVERTERS.get(kind.name) or getattr(GrpcToRest, f"convert_{snake_case}")
    if field.enum_type or isinstance(value, Message):
        return convert(value)
    return [convert(each) for each in value]


def _points(records):
    # The converter wants a payload, be it an empty one.
    return [
        RestToGrpc.convert_record(record.model_copy(update={"payload": record.payload or {}}))
        for record in records
    ]


def _hits(response):
    return [RestToGrpc.convert_scored_point(point) for point in response.points]


def _aliases(response):
    return {"aliases": [RestToGrpc.convert_alias_description(each) for each in response.aliases]}


def _page(response):
    offset = response.next_page_offset
    return {
        "result": _points(response.points),
        "next_page_offset": None
        if offset is None
        else RestToGrpc.convert_extended_point_id(offset),
    }


_RESPONSES = {
    "HealthCheckReply": lambda info: {"title": info.title, "version": info.version},
    "CollectionOperationResponse": lambda done: {"result": done},
    "CollectionExistsResponse": lambda found: {
        "result": grpc.CollectionExists(exists=found.exists)
    },
    "GetCollectionInfoResponse": lambda info: {"result": RestToGrpc.convert_collection_info(info)},
    "ListCollectionsResponse": lambda response: {
        "collections": [
            RestToGrpc.convert_collection_description(each) for each in response.collections
        ]
    },
    "ListAliasesResponse": _aliases,
    "PointsOperationResponse": lambda result: {"result": RestToGrpc.convert_update_result(result)},
    "UpdateBatchResponse": lambda results: {
        "result": [RestToGrpc.convert_update_result(result) for result in results]
    },
    "GetResponse": lambda points: {"result": _points(points)},
    "ScrollResponse": _page,
    "CountResponse": lambda result: {"result": RestToGrpc.convert_count_result(result)},
    "FacetResponse": lambda response: {
        "hits": [RestToGrpc.convert_facet_value_hit(hit) for hit in response.hits]
    },
    "QueryResponse": lambda response: {"result": _hits(response)},
    "QueryBatchResponse": lambda responses: {
        "result": [grpc.BatchResult(result=_hits(response)) for response in responses]
    },
    "QueryGroupsResponse": lambda result: {"result": RestToGrpc.convert_groups_result(result)},
}
