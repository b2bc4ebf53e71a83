"""The engine's process: it answers calls of one client process, in order, and ends with it."""

from __future__ import annotations

import io
import os
import signal
import warnings
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.edge._backend import EdgeBackend
from langchain_gemini_qdrant.edge._worker._protocol import (
    Answer,
    answer_frame,
    read_call,
    read_frame,
    write_frame,
)

if TYPE_CHECKING:
    from pathlib import Path


def main() -> None:
    """Answer calls from standard input until it ends."""
    requests, answers = _take_over_pipes()
    # signals go to all processes of a terminal or a service; this one has to outlive its client
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = _Server()
    try:
        while not worker.closed and (request := read_frame(requests)) is not None:
            number, body = request
            write_frame(answers, answer_frame(number, worker.answer(body)))
    except BrokenPipeError:
        pass  # the client is gone; what it wrote is kept
    finally:
        worker.close()


def _take_over_pipes() -> tuple[io.FileIO, io.FileIO]:
    """Reserve both pipes for messages; printed text goes to standard error."""
    requests = io.FileIO(os.dup(0), "rb")
    answers = io.FileIO(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


class _Server:
    def __init__(self) -> None:
        self.closed = False
        self._backend: EdgeBackend | None = None
        self._warned: list[Warning] = []
        warnings.simplefilter("always")  # the client's own filters decide
        warnings.showwarning = self._keep_warning  # type: ignore[assignment] # it takes them all

    def answer(self, body: bytearray) -> Answer:
        """Carry out the call of a message; the first one opens the folder."""
        try:
            method, args, kwargs = read_call(body)
            if self._backend is None:
                value = self._open(*args)
            else:
                self.closed = method == "close"  # though it may fail to flush
                value = getattr(self._backend, method)(*args, **kwargs)
            answer = Answer(value=value)
        except Exception as error:  # noqa: BLE001 - every error is the caller's
            answer = Answer.of_error(error)
        warned, self._warned = tuple(self._warned), []
        return answer._replace(warned=warned)

    def _open(self, root: Path) -> int:
        self.closed = True  # unless it succeeds
        self._backend = EdgeBackend(root)
        self.closed = False
        return os.getpid()

    def close(self) -> None:
        """Flush and close the folder."""
        if self._backend is not None:
            self._backend.close()

    def _keep_warning(self, message: Warning | str, *_: object) -> None:
        self._warned.append(message if isinstance(message, Warning) else UserWarning(message))
