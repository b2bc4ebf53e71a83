"""Servers of a few lines, for answers that no emulator gives."""

from __future__ import annotations

import contextlib
import socket
import threading


@contextlib.contextmanager
def serving(server):
    """Run a server of `socketserver` in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class LoopbackServer:
    """Reads one request of each connection and has a subclass answer it."""

    def __init__(self):
        self.stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def answer_to(self, connection):
        """Send an answer, or a part of one; the connection is closed afterwards."""
        raise NotImplementedError

    def _serve(self):
        while True:
            connection, _ = self._listener.accept()
            with (
                connection,
                connection.makefile("rb") as request,
                contextlib.suppress(OSError),  # the client is gone
            ):
                if not request.readline():
                    return
                headers = [*iter(request.readline, b"\r\n")]
                lengths = [h.split()[1] for h in headers if h.lower().startswith(b"content-length")]
                request.read(int(lengths[0]) if lengths else 0)
                self.answer_to(connection)

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            self.stopped.set()
            socket.create_connection(self._listener.getsockname()).close()
            thread.join()
            self._listener.close()
