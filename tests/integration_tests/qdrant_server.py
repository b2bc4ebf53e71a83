"""A Qdrant server for tests, on a real HTTP and a real gRPC socket, that records every request.

`QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=...)` and its async twin talk
to it. qdrant-client's own local mode gives the answers; where QDRANT_URL names a real server, that
one does, and this one still records.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import socketserver
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import grpc

from tests.integration_tests.qdrant_server_access import check_access
from tests.integration_tests.qdrant_server_cluster import ReplicatedQdrant
from tests.integration_tests.qdrant_server_exchange import (
    ConnectionLostError,
    Exchange,
    Fault,
    QdrantError,
    QdrantRequest,
)
from tests.integration_tests.qdrant_server_grpc import answer_grpc, code_of
from tests.integration_tests.qdrant_server_local import LocalQdrant
from tests.integration_tests.qdrant_server_proxy import UPSTREAM, ForwardedQdrant

if TYPE_CHECKING:
    from langchain_gemini_qdrant.testing._transport._tls import Identity

_HOST = "127.0.0.1"
_THREADS = 32  # gRPC requests at a time
_INSUFFICIENT_STORAGE = 507
_GRACE = 1.0  # seconds for answers under way


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate, and the one that each client must have; None for none."""

    identity: Identity
    client: Identity | None = None

    def context(self):
        """For REST."""
        context = self.identity.context()
        if self.client is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.client.certificate)
        return context

    def credentials(self):
        """For gRPC."""
        roots = self.client and self.client.certificate.read_bytes()
        pair = self.identity.pair()
        return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


class QdrantServer:
    """Listens within a `with` statement; on leaving it, says what it could not answer.

    ```python
    with QdrantServer() as server:
        client = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=True)
        client.get_collections()
        assert [request.method for request in server.requests] == ["List"]
    ```
    """

    def __init__(
        self,
        *,
        version=None,
        keeps_metadata=True,
        replicated=False,
        api_key=None,
        tls=None,
        upstream=UPSTREAM,
    ):
        """Nothing listens before the `with` statement.

        Args:
            version: What the server says it is; None is a new one. No real server takes its place.
            keeps_metadata: False for a server from before collections had metadata (1.16): it
                ignores them. No real server takes its place.
            replicated: True for a cluster of two nodes. No real one takes its place.
            api_key: The key that each request must carry; None for none.
            tls: `Tls` for both ports; None for none.
            upstream: The `Upstream` to forward to; by default the one in the environment, or none.
        """
        self._exchange = Exchange(api_key=api_key)
        self._tls = tls
        if upstream is None or version is not None or not keeps_metadata or replicated:
            version = "1.20.0" if version is None else version
            kind = ReplicatedQdrant if replicated else LocalQdrant
            self._qdrant = kind(version=version, keeps_metadata=keeps_metadata)
        else:
            self._qdrant = ForwardedQdrant(upstream)

    def __enter__(self):
        self._listen()
        return self

    def __exit__(self, *_):
        self._stop()
        self._qdrant.close()
        if self._exchange.failures:
            raise AssertionError("unanswered: " + "; ".join(self._exchange.failures))

    def _listen(self, port=0, grpc_port=0):
        self._rest = _RestListener(self._exchange, self._qdrant, port, self._tls)
        self._grpc = _GrpcListener(self._exchange, self._qdrant, grpc_port, self._tls)

    def _stop(self):
        self._grpc.stop()
        self._rest.stop()

    @contextlib.contextmanager
    def away(self):
        """Within the `with` statement nothing listens; then the same ports do again."""
        ports = self.port, self.grpc_port
        self._stop()
        try:
            yield
        finally:
            self._listen(*ports)

    def allow(self, access):
        """From now on, requests have a token for the collection: `"r"`, `"rw"` or `"prw"`."""
        self._exchange.check = functools.partial(check_access, access)

    @property
    def url(self):
        return f"http{'s' if self._tls else ''}://{_HOST}:{self.port}"

    @property
    def port(self):
        return self._rest.server_address[1]

    @property
    def grpc_port(self):
        return self._grpc.port

    @property
    def requests(self):
        """What came in since the start or `clear()`, as `QdrantRequest`, in order."""
        return self._exchange.requests

    def clear(self):
        """Forget the requests so far and the faults that have not struck; the points stay."""
        self._exchange.clear()

    def miss_next(self, times=1):
        """Let the second replica of a cluster miss the next writes."""
        self._qdrant.misses = times

    def read_from(self, replica):
        """Let reads without consistency go to one replica of a cluster, 0 or 1; None: to both."""
        self._qdrant.reader = replica

    def fail_next(
        self,
        times=1,
        *,
        kind="reset",
        status=503,
        retry_after=None,
        after_effect=False,
        path="",
        message="scripted failure",
        content=None,
    ):
        """Let the next requests fail.

        Args:
            times: How many requests fail, one after the other.
            kind: `"reset"` ends the connection without an answer (gRPC: UNAVAILABLE), `"status"`
                answers `status` (gRPC: the code that fits it).
            status: HTTP status.
            retry_after: Seconds or a date, for the header Retry-After.
            after_effect: Carry the request out first, so that only its answer is lost.
            path: Only requests whose method and path contain it, such as `"/points"`,
                `"PUT /collections/c/points"` or `"Points/Upsert"`.
            message: What Qdrant says, in JSON or gRPC's details.
            content: The body in its place, as a proxy would send it over REST.
        """
        if kind not in {"reset", "status"}:
            raise ValueError(f"kind must be 'reset' or 'status', got {kind!r}")
        fault = Fault(
            kind=kind,
            status=status,
            retry_after=retry_after,
            after_effect=after_effect,
            path=path,
            message=message,
            content=content,
        )
        self._exchange.script(fault, times)


class _RestListener(socketserver.ThreadingTCPServer):
    """HTTP/1.1, a thread for each connection; all have ended when `stop()` returns."""

    allow_reuse_address = True  # after `away()`
    request_queue_size = 256  # connections that wait; qdrant-client opens one for each request

    def __init__(self, exchange, qdrant, port, tls):
        super().__init__((_HOST, port), _RestHandler)
        if tls:
            # Each connection's own thread shakes hands.
            self.socket = tls.context().wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self.exchange, self.qdrant = exchange, qdrant
        self._connections = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self._thread.start()

    def process_request(self, request, client_address):
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        """Ignore a client that went away."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.exchange.failures.append(repr(error))

    def stop(self):
        self.shutdown()
        self._thread.join()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # it has ended already
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _RestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one write, at once: in two, TCP may hold the second one back.
    wbufsize = -1
    disable_nagle_algorithm = True

    def answer(self):
        url = urlsplit(self.path)
        request = QdrantRequest(
            protocol="rest",
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            content=self.rfile.read(int(self.headers.get("content-length", 0))),
        )
        try:
            answer = self.server.exchange.answer(request, self.server.qdrant.rest)
        except ConnectionLostError:
            self.close_connection = True
        except QdrantError as error:
            headers = {} if error.retry_after is None else {"retry-after": error.retry_after}
            body = json.dumps({"status": {"error": str(error)}, "time": 0.0}).encode()
            if error.content is not None:
                body, headers["content-type"] = error.content, "text/plain"
            self._send(error.status, headers, body)
        else:
            self._send(*answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

    def _send(self, status, headers, content):
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, str(value))
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Keep the test's output clean."""


class _GrpcListener(grpc.GenericRpcHandler):
    """Any method, in bytes; all calls have ended when `stop()` returns."""

    def __init__(self, exchange, qdrant, port, tls):
        self._exchange = exchange
        if isinstance(qdrant, LocalQdrant):
            self._serve = lambda request: answer_grpc(qdrant, request)
        else:
            self._serve = qdrant.grpc
        self._pool = ThreadPoolExecutor(_THREADS)
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self._server = grpc.server(self._pool, handlers=[self], options=options)
        if tls:
            address, credentials = f"{_HOST}:{port}", tls.credentials()
            self.port = self._server.add_secure_port(address, credentials)
        else:
            self.port = self._server.add_insecure_port(f"{_HOST}:{port}")
        self._server.start()

    def stop(self):
        self._server.stop(_GRACE).wait()
        self._pool.shutdown()

    def service(self, handler_call_details):
        path = handler_call_details.method

        def answer(content, context):
            request = QdrantRequest(
                protocol="grpc",
                method=path.rpartition("/")[2],
                path=path,
                headers={key.lower(): value for key, value in context.invocation_metadata()},
                content=content,
            )
            try:
                return self._exchange.answer(request, self._serve)
            except ConnectionLostError:
                context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
            except QdrantError as error:
                trailers = {}
                if error.retry_after is not None:
                    trailers["retry-after"] = str(error.retry_after)
                if error.status == _INSUFFICIENT_STORAGE:  # tells its code from a rate limit's
                    trailers["qdrant-insufficient-storage"] = "1"
                context.set_trailing_metadata([*trailers.items()])
                context.abort(code_of(error.status), str(error))

        return grpc.unary_unary_rpc_method_handler(answer)
