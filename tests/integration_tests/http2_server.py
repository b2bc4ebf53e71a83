"""An HTTP/2 server of a few lines, for answers over gRPC that no gRPC server gives.

It reads frames and no headers: it knows that a request has ended, and not what it says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4  # flags
_PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
_MAX_FRAME = 16_384
_FIRST = {":status": "200", "content-type": "application/grpc"}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text):
    """Encode a string of HPACK, without Huffman's code."""
    value = text if isinstance(text, bytes) else text.encode()
    if len(value) < 0x7F:
        return bytes([len(value)]) + value
    rest, length = len(value) - 0x7F, bytearray([0x7F])
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*length, rest]) + value


def headers(stream, fields, flags=0):
    """Return headers, in more than one frame if they are long."""
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    pieces = [block[i : i + _MAX_FRAME] for i in range(0, len(block), _MAX_FRAME)]
    kinds = [HEADERS, *[CONTINUATION] * (len(pieces) - 1)]
    last = len(pieces) - 1
    return b"".join(
        frame(kind, (flags if i == 0 else 0) | (END_HEADERS if i == last else 0), stream, piece)
        for i, (kind, piece) in enumerate(zip(kinds, pieces, strict=True))
    )


def prefixed(message, *, compressed=0, length=None):
    """Return a message of gRPC with its flag and its length."""
    return struct.pack(">BI", compressed, len(message) if length is None else length) + message


def answer(message=b"", *, trailers=None, first=_FIRST):
    """Return a function that makes an answer to a stream: a message of gRPC and its status."""
    trailers = {"grpc-status": "0"} if trailers is None else trailers
    body = prefixed(message) if isinstance(message, bytes) else b"".join(message)
    pieces = [body[i : i + _MAX_FRAME] for i in range(0, len(body), _MAX_FRAME)]
    return lambda stream: b"".join(
        [
            headers(stream, first),
            *(frame(DATA, 0, stream, piece) for piece in pieces),
            headers(stream, trailers, END_STREAM),
        ]
    )


def failure(code, message="", **trailers):
    """Return an answer that has nothing but a status and trailers."""
    told = {**_FIRST, "grpc-status": str(code), "grpc-message": message}
    told |= {name.replace("_", "-"): value for name, value in trailers.items()}
    return lambda stream: headers(stream, told, END_STREAM)


def page(status, body=b"<html><title>502 Bad Gateway</title></html>"):
    """Return a proxy's page."""
    first = {":status": str(status), "content-type": "text/html"}
    return lambda stream: headers(stream, first) + frame(DATA, END_STREAM, stream, body)


class Cut:
    """An answer of which a part is sent before the server hangs up."""

    def __init__(self, make, size):
        self._make, self._size = make, size

    def __call__(self, stream):
        return self._make(stream)[: self._size]


class Http2Server:
    """Sends each stream the bytes of `answer(stream)`; where that is None, it hangs up.

    Attributes:
        greets: Whether it says anything at all.
        at_once: How many bytes it sends at once.
        streams: Number of requests so far.
    """

    def __init__(self):
        self.answer = None
        self.greets = True
        self.at_once = 2**20
        self.streams = 0
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = []
        self._connections = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _converse(self, connection):
        # The client may be gone at any time.
        with connection, connection.makefile("rb") as reader, contextlib.suppress(OSError):
            reader.read(_PREFACE if self.greets else -1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(frame(SETTINGS, 0, 0))
            while len(head := reader.read(9)) == 9:
                high, low, kind, flags, stream = struct.unpack(">BHBBI", head)
                payload = reader.read(high << 16 | low)
                if kind in {SETTINGS, PING} and not flags & ACK:
                    connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                elif kind in {DATA, HEADERS} and flags & END_STREAM:
                    self.streams += 1
                    self._send(connection, b"" if self.answer is None else self.answer(stream))
                    if self.answer is None or isinstance(self.answer, Cut):
                        return

    def _send(self, connection, frames):
        for i in range(0, len(frames), self.at_once):
            connection.sendall(frames[i : i + self.at_once])

    def _start(self, work, *arguments):
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            if self._stopping:
                connection.close()
                return
            self._connections.append(connection)
            self._start(self._converse, connection)

    def drop(self):
        """End all connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def running(self):
        self._start(self._accept)
        try:
            yield self
        finally:
            self._stopping = True
            socket.create_connection(self._listener.getsockname()).close()
            self._threads[0].join()
            self._listener.close()
            self.drop()
            for thread in self._threads:
                thread.join()


class Relay(Http2Server):
    """Hands on what comes to another server.

    Attributes:
        limits: For the next connections, how many bytes of answers they hand on before they end.
        cut: Number of connections that have ended so.
    """

    def __init__(self, target):
        super().__init__()
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self.limits = []
        self.cut = 0

    def _converse(self, connection):
        limit = self.limits.pop(0) if self.limits else None
        with connection, socket.create_connection(self._target) as upstream:
            self._connections.append(upstream)
            self._start(self._pass, connection, upstream)
            self._pass(upstream, connection, limit)

    def _pass(self, source, sink, limit=None):
        with contextlib.suppress(OSError):
            while piece := source.recv(2**16 if limit is None else min(limit, 2**16)):
                sink.sendall(piece)
                if limit is not None and (limit := limit - len(piece)) == 0:
                    self.cut += 1
                    break
        for each in (source, sink):
            with contextlib.suppress(OSError):  # it has ended
                each.shutdown(socket.SHUT_RDWR)
