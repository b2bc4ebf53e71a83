"""An HTTP/2 server of a few lines, for answers over gRPC that no gRPC server gives.

It reads frames and no headers: it knows that a request has ended, and not what it says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
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
    """Return a block of headers, continued in more frames if it is longer than one."""
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())
    pieces = [block[i : i + _MAX_FRAME] for i in range(0, len(block), _MAX_FRAME)]
    kinds = [HEADERS, *[9] * (len(pieces) - 1)]
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


class Http2Server:
    """Sends every stream the bytes of `answer(stream)`; where it has None, it hangs up.

    Attributes:
        answers: For the next streams, used up first.
        streams: Number of requests so far.
    """

    def __init__(self):
        self.answers = []
        self.answer = answer()
        self.greets = True
        self.streams = 0
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _converse(self, connection):
        reader = connection.makefile("rb")
        with connection, reader, contextlib.suppress(OSError, struct.error):
            if not self.greets:
                connection.recv(0)
                reader.read()
                return
            reader.read(_PREFACE)
            connection.sendall(frame(SETTINGS, 0, 0))
            connection.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**30)))
            while True:
                length, kind, flags, stream = _head(reader.read(9))
                payload = reader.read(length)
                if kind in {SETTINGS, PING} and not flags & ACK:
                    connection.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
                elif kind in {DATA, HEADERS} and flags & END_STREAM:
                    self.streams += 1
                    make = self.answers.pop(0) if self.answers else self.answer
                    if make is None:
                        return
                    self.send(connection, make(stream))

    def send(self, connection, frames):
        connection.sendall(frames)

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            if self._stopping:
                connection.close()
                return
            thread = threading.Thread(target=self._converse, args=(connection,))
            self._open.append((connection, thread))
            thread.start()

    @contextlib.contextmanager
    def running(self):
        self._stopping = False
        thread = threading.Thread(target=self._accept)
        thread.start()
        try:
            yield self
        finally:
            self._stopping = True
            socket.create_connection(self._listener.getsockname()).close()
            thread.join()
            self._listener.close()
            for connection, each in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                each.join()


def _head(head):
    high, low, kind, flags, stream = struct.unpack(">BHBBI", head)
    return high << 16 | low, kind, flags, stream & 0x7FFFFFFF
