"""The gRPC side: the same API in protobuf.

grpcio and the messages come with google-ai-generativelanguage; they are imported on first use.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

import numpy as np

from langchain_gemini_qdrant.testing._api._calls import Call
from langchain_gemini_qdrant.testing._api._errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from langchain_gemini_qdrant.testing._api._calls import Answer
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector
    from langchain_gemini_qdrant.testing._transport._exchange import Exchange

_PACKAGE = "google.ai.generativelanguage.v1beta"
_THREADS = 1000  # requests at a time; a waiting one occupies its thread
_NO_DEADLINE = 1e12  # seconds; without a deadline, grpcio has centuries left
_GRACE = 1.0  # seconds for answers in progress; waiting ones have been ended

# service -> gRPC method -> our name for it; its messages are named after the gRPC method.
_SERVICES = {
    "GenerativeService": {
        "EmbedContent": "embedContent",
        "BatchEmbedContents": "batchEmbedContents",
        "CountTokens": "countTokens",
    },
    "ModelService": {"GetModel": "models.get", "ListModels": "models.list"},
}

# How gRPC ends a call for which a proxy has answered with a status of HTTP.
# https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md
_AFTER_HTTP = {
    400: "INTERNAL",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    429: "UNAVAILABLE",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}
# Types in protobuf's descriptors whose JSON is the value itself: int32, bool, string.
_PLAIN = frozenset({5, 8, 9})


def _load(name: str) -> ModuleType:
    """Import an untyped module, which may be missing without google-ai-generativelanguage."""
    with warnings.catch_warnings():
        # google-api-core warns at import about the end of support for a Python version.
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return importlib.import_module(name)
        except ImportError as error:
            message = (
                "GeminiEmulator(grpc=True) needs google-ai-generativelanguage: "
                "pip install 'langchain-gemini-qdrant[grpc]'"
            )
            raise ImportError(message) from error


@functools.lru_cache
def _head(size: int, tag: bytes = b"\x0a") -> bytes:
    """Return what stands before a field of this many bytes; 0x0a is the tag of field 1."""
    length = bytearray()
    while size > 0x7F:  # noqa: PLR2004  seven bits in each byte, the eighth says that more follow
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return tag + length + bytes([size])


def _packed(vector: Vector) -> list[bytes]:
    return [vector.astype("<f4").tobytes()] if isinstance(vector, np.ndarray) else vector.packed()


def _embedding(vector: Vector | None) -> list[bytes]:
    """Return a vector as field 1 of an answer, `embedding` or `embeddings`, with its `values`.

    It is in pieces: to join them for each vector would take longer than everything else.
    """
    if vector is None:
        return [_head(0)]
    packed = _packed(vector)
    size = sum(map(len, packed))
    values = _head(size)
    return [_head(len(values) + size), values, *packed]


def _unusual_embedding(vector: Vector) -> list[bytes]:
    """Return it in a form that each reader of protobuf must accept.

    Its numbers are packed in one half and not in the other, with unknown fields between them: the
    shape, which the API has and the older messages lack, and a string.
    """
    packed = b"".join(_packed(vector))
    half = len(packed) // 8 * 4
    single = [b"\x0d" + packed[i : i + 4] for i in range(half, len(packed), 4)]
    shape, words = b"\x12\x01\x01", b"\xfa\x06\x05later"
    body = [_head(half), packed[:half], shape, *single, words]
    return [_head(sum(map(len, body))), *body]


def _usage(fields: Mapping[str, Any]) -> bytes:
    """Return the usage, if the model reports it, in a field that no message has."""
    usage = fields.get("usageMetadata")
    if usage is None:
        return b""
    count = b"\x08" + _head(usage["promptTokenCount"], b"")
    return _head(len(count), b"\xa2\x06") + count


class _Context(Protocol):
    """The part of `grpc.ServicerContext` that is used here."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]: ...
    def time_remaining(self) -> float: ...
    def abort(self, code: object, details: str) -> NoReturn: ...
    def abort_with_status(self, status: object) -> NoReturn: ...


class GrpcServer:
    """A gRPC server that listens from construction until `stop()`, which ends all calls.

    `tls` is a key and its certificate, both in PEM; None serves plaintext.
    """

    def __init__(
        self, exchange: Exchange, *, host: str, port: int, tls: tuple[bytes, bytes] | None = None
    ) -> None:
        self._exchange = exchange
        self._grpc = _load("grpc")
        self._glm = _load("google.ai.generativelanguage_v1beta.types")
        self._json = _load("google.protobuf.json_format")
        self._rpc_status = _load("grpc_status.rpc_status")
        self._status = _load("google.rpc.status_pb2")
        _load("google.rpc.error_details_pb2")  # lets `_abort` find the messages by name
        self._any = _load("google.protobuf.any_pb2").Any
        self._readers: dict[object, Callable[[Any], object] | None] = {}
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="gemini-emulator-grpc")
        options = [
            ("grpc.so_reuseport", 0),  # a port in use is an error
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self._server = self._grpc.server(self._pool, options=options)
        for service, methods in _SERVICES.items():
            handlers = {name: self._handler(service, name) for name in methods}
            self._server.add_generic_rpc_handlers(
                [self._grpc.method_handlers_generic_handler(f"{_PACKAGE}.{service}", handlers)]
            )
        authority = f"[{host}]" if ":" in host else host
        if tls is None:
            self.port: int = self._server.add_insecure_port(f"{authority}:{port}")
        else:
            credentials = self._grpc.ssl_server_credentials([tls])
            self.port = self._server.add_secure_port(f"{authority}:{port}", credentials)
        self._server.start()

    def stop(self) -> None:
        self._server.stop(_GRACE).wait()
        self._pool.shutdown()

    def _message(self, name: str) -> type[Any]:
        """Return the protobuf class of a message, without its slow proto-plus wrapper."""
        wrapper = getattr(self._glm, name)
        return type(wrapper.pb(wrapper()))

    def _handler(self, service: str, name: str) -> object:
        request_type = self._message(f"{name}Request")
        response_type = self._message("Model" if name == "GetModel" else f"{name}Response")
        path, method = f"/{_PACKAGE}.{service}/{name}", _SERVICES[service][name]

        def answer(request: Any, context: _Context) -> bytes:  # noqa: ANN401  a message
            reply = self._exchange.reply(self._call(path, method, request, context))
            if isinstance(reply, ApiError):
                self._abort(reply, context)
            if reply == "reset":
                context.abort(self._grpc.StatusCode.UNAVAILABLE, "Connection reset by peer")
            if reply == "disconnect" or (not isinstance(reply, str) and reply.cut):
                context.abort(self._grpc.StatusCode.UNAVAILABLE, "Socket closed")
            if reply == "not-json":
                return b"\xff, which starts no message"
            return self._encode(reply, response_type)

        return self._grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=request_type.FromString
        )

    def _call(self, path: str, method: str, request: Any, context: _Context) -> Call:  # noqa: ANN401
        body = self._body(request)
        headers = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in context.invocation_metadata()
        }
        seconds = context.time_remaining()
        if seconds < _NO_DEADLINE:  # grpcio takes it out of the headers
            headers["grpc-timeout"] = f"{math.ceil(seconds * 1000)}m"
        listing = method == "models.list"
        return Call(
            transport="grpc",
            path=path,
            api_version="v1beta",
            method=method,
            model=None if listing else str(body.get("name") or body.get("model") or ""),
            headers=headers,
            query={name: str(value) for name, value in body.items()} if listing else {},
            body=body,
            size_bytes=request.ByteSize(),
        )

    def _body(self, message: Any) -> dict[str, Any]:  # noqa: ANN401  any message of protobuf
        """Do what `MessageToDict` does, which takes as long as the rest of an answer."""
        body = {}
        for field, value in message.ListFields():
            if field not in self._readers:
                self._readers[field] = self._reader(field, value)
            read = self._readers[field]
            if read is None:
                return cast("dict[str, Any]", self._json.MessageToDict(message))
            body[field.json_name] = read(value)
        return body

    def _reader(self, field: Any, value: Any) -> Callable[[Any], object] | None:  # noqa: ANN401
        """Return what makes JSON of a field's values, None if only protobuf knows."""
        repeated, message = hasattr(value, "append"), field.message_type
        if message is not None and message.file.package == _PACKAGE:
            if repeated:
                return lambda values: [self._body(each) for each in values]
            return self._body if hasattr(value, "ListFields") else None
        if repeated:
            return None
        if field.enum_type is not None:
            names = {number: each.name for number, each in field.enum_type.values_by_number.items()}
            return lambda number: names.get(number, number)
        return type(value) if field.type in _PLAIN else None

    def _encode(self, answer: Answer, response_type: type[Any]) -> bytes:
        if answer.raw is not None:
            return answer.raw
        response = response_type()
        if answer.fields:
            # These messages are older than the usage fields, which are omitted.
            self._json.ParseDict(answer.fields, response, ignore_unknown_fields=True)
        # Built by hand: protobuf would convert each of 300,000 numbers of a list.
        encode = _unusual_embedding if answer.unusual else _embedding
        vectors = [
            piece
            for vector in answer.vectors or ()
            for piece in (_embedding(None) if vector is None else encode(vector))
        ]
        usage = _usage(answer.fields) if answer.unusual else b""
        return b"".join([response.SerializeToString(), *vectors, usage])

    def _abort(self, error: ApiError, context: _Context) -> NoReturn:
        """End the call with its details in the trailers, as Google's servers do."""
        if not error.of_api:
            code = getattr(self._grpc.StatusCode, _AFTER_HTTP.get(error.code, "UNKNOWN"))
            context.abort(code, f"Received http2 header with status: {error.code}")
        message = self._status.Status(code=error.number, message=error.message)
        message.details.extend(map(self._detail, error.details))
        status = self._rpc_status.to_status(message)
        trailers = {**dict(status.trailing_metadata), **error.headers}
        context.abort_with_status(
            status._replace(
                trailing_metadata=tuple((name.lower(), each) for name, each in trailers.items())
            )
        )

    def _detail(self, detail: object) -> object:
        """Return a detail as `Any`; one that is no message that we know has its JSON as bytes."""
        kind = detail.get("@type") if isinstance(detail, dict) else None
        if isinstance(detail, dict) and kind:
            try:  # with a copy: ParseDict takes the type out for a moment
                return self._json.ParseDict({**detail}, self._any(), ignore_unknown_fields=True)
            except (self._json.ParseError, TypeError, ValueError, AttributeError):
                pass  # sent as it is
        return self._any(type_url=str(kind or ""), value=json.dumps(detail).encode())
