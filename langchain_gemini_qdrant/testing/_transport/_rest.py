"""The REST side: HTTP/1.1 on a port, a thread for each connection."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from langchain_gemini_qdrant.testing._api._calls import Answer, Call
from langchain_gemini_qdrant.testing._api._errors import ApiError, Violation, invalid_json
from langchain_gemini_qdrant.testing._api._vertex import KNOWN_PATHS, read_path
from langchain_gemini_qdrant.testing._transport._json import read_json
from langchain_gemini_qdrant.testing._transport._remote import PREFIX, Remote
from langchain_gemini_qdrant.testing._transport._response import Response, joined, plain, respond

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing._transport._exchange import Exchange

_BACKLOG = 256  # connections that wait to be accepted; clients open a hundred at a time
_MAX_LINE = 65536  # bytes
_PATH = re.compile(r"/(v1|v1beta|v1alpha)/(?:models|((?:models|tunedModels)/[^/:]+)(?::(\w+))?)")
_BATCH_PATH = re.compile(r"/(v1|v1beta|v1alpha)/(?:batches|(batches/[^/:]+)(:cancel)?)")
_FILE_PATH = re.compile(r"(/upload)?/(v1|v1beta|v1alpha)/(?:files|(files/[^/:]+))")
_POST_METHODS = ("embedContent", "batchEmbedContents", "asyncBatchEmbedContent", "countTokens")
_KNOWN = "\n".join(
    [f"  POST /{{v1,v1beta,v1alpha}}/models/{{model}}:{method}" for method in _POST_METHODS]
    + ["  GET /{v1,v1beta,v1alpha}/models", "  GET /{v1,v1beta,v1alpha}/models/{model}"]
    + ["  GET /{v1,v1beta,v1alpha}/batches", "  GET /{v1,v1beta,v1alpha}/batches/{id}"]
    + ["  POST /{v1,v1beta,v1alpha}/batches/{id}:cancel"]
    + ["  DELETE /{v1,v1beta,v1alpha}/batches/{id}"]
    + ["  POST /upload/{v1,v1beta,v1alpha}/files", "  GET /{v1,v1beta,v1alpha}/files"]
    + [f"  {verb} /{{v1,v1beta,v1alpha}}/files/{{id}}" for verb in ("GET", "DELETE")]
    + KNOWN_PATHS
)


class RestServer:
    """An HTTP server that listens from `start()` until `stop()`, which ends all connections."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        compact: bool = False,
    ) -> None:
        self._exchange = exchange
        self._compact = compact
        self._remote = Remote(exchange)
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        self.port: int = self._listener.getsockname()[1]
        self._host = host
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = False
        self._acceptor = threading.Thread(target=self._accept, name="gemini-emulator", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self._stopping = True
        # Only a connection wakes `accept` on every platform.
        socket.create_connection((self._host, self.port)).close()
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for connection, thread in connections.items():
            _shut_down(connection)
            thread.join()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._stopping:
                connection.close()
                return
            if self._tls is not None:
                connection = self._tls.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            thread = threading.Thread(
                target=self._serve, args=(connection,), name="gemini-emulator-rest", daemon=True
            )
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # An answer is one write: waiting to join it with the next one would only delay it.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            with connection.makefile("rb") as reader:
                self._converse(connection, reader)
        except OSError:
            pass  # the client has closed the connection
        finally:
            with self._lock:
                del self._connections[connection]
            _shut_down(connection)
            connection.close()

    def _converse(self, connection: socket.socket, reader: BinaryIO) -> None:
        """Answer requests in order; a connection stays open however long it is idle."""
        # Each in a call of its own: nothing of a large request is kept until the next one.
        while self._answer_next(connection, reader):
            pass

    def _answer_next(self, connection: socket.socket, reader: BinaryIO) -> bool:
        """Read and answer a request; return whether the connection stays open."""
        try:
            request = _read_request(connection, reader)
        except ValueError:  # invalid numbers: not HTTP
            return False
        if request is None:
            return False
        if request.target.startswith(PREFIX):
            status, body = self._remote.answer(request.verb, request.target, request.body)
            _send(connection, plain(status, body))
            return True
        started = time.perf_counter()
        reply = self._exchange.reply(_call(request, "http" if self._tls is None else "https"))
        if isinstance(reply, str) and reply != "not-json":  # reset or disconnect
            if reply == "reset":
                # Closed with this option, a connection ends in RST in place of FIN.
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
            return False
        response = respond(
            reply,
            accepts_gzip="gzip" in request.headers.get("accept-encoding", ""),
            compact=self._compact,
            seconds=time.perf_counter() - started,
        )
        if isinstance(reply, Answer) and reply.cut:
            body = b"".join(response.body)
            _send(connection, response._replace(body=[body[: len(body) // 2]]))
            return False
        _send(connection, response)
        return request.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


def _read_request(connection: socket.socket, reader: BinaryIO) -> _Request | None:
    """Read a request; None at the end of the connection or if it is not HTTP."""
    line = reader.readline(_MAX_LINE).decode("latin-1").split()
    if len(line) != 3:  # noqa: PLR2004
        return None
    headers = {}
    while (header := reader.readline(_MAX_LINE).decode("latin-1")).strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    if not header:
        return None
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _read_chunks(reader)
    else:
        length = int(headers.get("content-length") or 0)
        body = reader.read(length)
        if len(body) < length:
            return None
    return _Request(verb=line[0], target=line[1], headers=headers, body=body)


def _read_chunks(reader: BinaryIO) -> bytes:
    chunks = []
    while size := int(reader.readline(_MAX_LINE).partition(b";")[0], 16):
        chunks.append(reader.read(size))
        reader.readline(_MAX_LINE)
    while reader.readline(_MAX_LINE).strip():
        pass  # trailers
    return b"".join(chunks)


class _Route(NamedTuple):
    """The parts of a verb and a path; `method` is None for unknown ones."""

    version: str | None = None
    method: str | None = None
    model: str | None = None
    resource: str | None = None
    vertex: bool = False


def _route(verb: str, path: str) -> _Route:
    vertex = read_path(path) if verb == "POST" else None
    if vertex is not None:
        return _Route(vertex.version, vertex.method, vertex.model, vertex=True)
    if found := _BATCH_PATH.fullmatch(path):
        version, resource, cancel = found.groups()
        methods = {"POST": "cancel"} if cancel else {"GET": "get", "DELETE": "delete"}
        if resource is None:
            methods = {"GET": "list"}
        method = f"batches.{methods[verb]}" if verb in methods else None
        return _Route(version, method, resource=resource)
    if found := _PATH.fullmatch(path):
        version, model, method = found.groups()
        if verb == "GET" and method is None:
            return _Route(version, "models.get" if model else "models.list", model)
        return _Route(
            version, method if verb == "POST" and method in _POST_METHODS else None, model
        )
    return _Route()


def _file_method(request: _Request, *, upload: bool, named: bool, query: dict[str, str]) -> str:
    """Return the method of a request for files, `""` for an unknown one."""
    if upload:
        if named or request.verb not in {"POST", "PUT"}:
            return ""
        return "files.upload" if "upload_id" in query else "files.create"
    methods = {"GET": "get", "DELETE": "delete"} if named else {"GET": "list"}
    return f"files.{methods[request.verb]}" if request.verb in methods else ""


def _call(request: _Request, scheme: str) -> Call:
    url = urlsplit(request.target)
    path, query = unquote(url.path), dict(parse_qsl(url.query))
    route = _route(request.verb, path)
    if found := _FILE_PATH.fullmatch(path):
        upload, version, resource = found.groups()
        method = _file_method(request, upload=bool(upload), named=bool(resource), query=query)
        route = _Route(version, method or None, resource=resource)
    problem, body, content = None, None, b""
    if route.method is None:
        problem = ApiError(
            404,
            f"The Gemini emulator does not know {request.verb} {path}. It knows:\n{_KNOWN}",
        )
    multipart = request.headers.get("content-type", "").startswith("multipart/")
    if route.method == "files.upload" or (route.method == "files.create" and multipart):
        content = request.body
    elif request.body:
        try:
            body = read_json(request.body)
        except ValueError as error:
            violation = Violation(f"Invalid JSON payload received. {error}")
            problem = problem or invalid_json([violation])
    elif request.verb == "POST":
        body = {}
    return Call(
        transport="rest",
        path=path,
        api_version=route.version,
        method=route.method,
        model=route.model,
        resource=route.resource,
        headers=request.headers,
        query=query,
        body=body,
        content=content,
        base_url=f"{scheme}://{request.headers.get('host', '')}",
        size_bytes=len(request.body),
        problem=problem,
        vertex=route.vertex,
    )


def _send(connection: socket.socket, response: Response) -> None:
    for piece in joined([response.head, *response.body]):
        connection.sendall(piece)


def _shut_down(connection: socket.socket) -> None:
    """End a connection, also for the thread that waits for its next request."""
    with contextlib.suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
