"""A relay on loopback that counts what passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 16


class Relay:
    """Passes TCP connections on to an address, from `with` to its end.

    Attributes:
        address: Where it listens, for use in place of the other address.
        sent: Bytes that the clients have sent.
        received: Bytes that the clients have received.
    """

    def __init__(self, address: str) -> None:
        target = urlsplit(address)
        self._target = (target.hostname, target.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.received = 0
        self._threads = [threading.Thread(target=self._listen)]
        self._lock = threading.Lock()

    def _listen(self) -> None:
        with suppress(OSError):  # closed at the end
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for source, sink, count in (
                    (client, server, self._count_sent),
                    (server, client, self._count_received),
                ):
                    thread = threading.Thread(target=_pass_on, args=(source, sink, count))
                    thread.start()
                    self._threads.append(thread)

    def _count_sent(self, size: int) -> None:
        with self._lock:
            self.sent += size

    def _count_received(self, size: int) -> None:
        with self._lock:
            self.received += size

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


def _pass_on(source: socket.socket, sink: socket.socket, count: Callable[[int], None]) -> None:
    """Pass bytes on until the source ends; count them before anybody can have them."""
    with suppress(OSError):  # a side that has gone
        while data := source.recv(_CHUNK):
            count(len(data))
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
