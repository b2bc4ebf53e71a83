"""The gRPC side: the same API in protobuf.

grpcio and the messages come with google-ai-generativelanguage; they are imported on first use.
"""

from __future__ import annotations

import importlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from langchain_gemini_qdrant.testing._api._calls import Call
from langchain_gemini_qdrant.testing._api._errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from langchain_gemini_qdrant.testing._api._calls import Answer
    from langchain_gemini_qdrant.testing._api._stand_ins import Vector
    from langchain_gemini_qdrant.testing._transport._exchange import Exchange

_PACKAGE = "google.ai.generativelanguage.v1beta"
_THREADS = 64  # requests at a time; a waiting one occupies its thread
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


def _field(value: bytes) -> bytes:
    """Return field 1 of a message, in bytes: that of `embedding`, `embeddings` and `values`."""
    size, length = len(value), bytearray()
    while size > 0x7F:  # noqa: PLR2004  seven bits in each byte, the eighth says that more follow
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return b"".join((b"\x0a", length, bytes([size]), value))


def _packed(vector: Vector) -> bytes:
    return vector.astype("<f4").tobytes() if isinstance(vector, np.ndarray) else vector.packed()


class _Context(Protocol):
    """The part of `grpc.ServicerContext` that is used here."""

    def invocation_metadata(self) -> Iterable[tuple[str, str | bytes]]: ...
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

        def answer(request: object, context: _Context) -> bytes:
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

    def _call(self, path: str, method: str, request: object, context: _Context) -> Call:
        body: dict[str, Any] = self._json.MessageToDict(request)
        headers = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in context.invocation_metadata()
        }
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
        )

    def _encode(self, answer: Answer, response_type: type[Any]) -> bytes:
        response = response_type()
        # These messages are older than the usage fields, which are omitted.
        self._json.ParseDict(answer.fields, response, ignore_unknown_fields=True)
        # Built by hand: protobuf would convert each of 300,000 numbers of a list.
        vectors = [_field(_field(_packed(vector))) for vector in answer.vectors or ()]
        return b"".join([response.SerializeToString(), *vectors])

    def _abort(self, error: ApiError, context: _Context) -> NoReturn:
        """End the call with its details in the trailers, as Google's servers do."""
        message = self._status.Status(code=error.number, message=error.message)
        for detail in error.details:
            self._json.ParseDict(detail, message.details.add(), ignore_unknown_fields=True)
        status = self._rpc_status.to_status(message)
        extra = tuple((name.lower(), value) for name, value in error.headers.items())
        context.abort_with_status(
            status._replace(trailing_metadata=(*status.trailing_metadata, *extra))
        )
