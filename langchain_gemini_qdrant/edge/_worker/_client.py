"""The client's end of the engine's process: starts it, sends calls, notices its end.

Two threads serve all callers: one writes calls in their order, one reads answers and completes
futures. So no caller and no event loop waits for a pipe, and no call has to start a thread.
"""

from __future__ import annotations

import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.edge._storage._open_folders import Shared, forget
from langchain_gemini_qdrant.edge._worker._protocol import (
    Answer,
    Call,
    call_frame,
    read_answer,
    read_frame,
    write_frame,
)
from langchain_gemini_qdrant.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    import io
    from pathlib import Path

# Only sys.path shows how Python was started (by a notebook, a test runner).
_START = (
    "import sys; sys.path[:] = sys.argv[1:];"
    " from langchain_gemini_qdrant.edge._worker._server import main; main()"
)


class Worker(Shared):
    """A process that has a folder open, shared by all clients of this process that name it.

    Attributes:
        opened: Done when the folder is open, with the process id, or cannot be opened.
        ended: Done when the process has ended and the folder is unlocked.
    """

    mode = "the engine in a worker process"

    def __init__(self, root: Path) -> None:
        """Start the process without waiting for it."""
        super().__init__(root)
        self._lock = threading.RLock()  # a client may be garbage-collected at any line
        self._failure = ""
        self._closing: Future[Answer] | None = None
        self._outbox: queue.SimpleQueue[tuple[Future[Answer], Call] | None] = queue.SimpleQueue()
        self._pending: dict[int, Future[Answer]] = {}
        self._process = _start_process()
        self.opened = self.submit("open", (root,), {})
        self.opened.add_done_callback(self._note_lock)
        self.ended = _running_future()
        self._threads = [
            threading.Thread(
                target=target, daemon=True, name=f"engine of {root}: {target.__name__}"
            )
            for target in (self._read_answers, self._write_calls)
        ]
        try:
            for thread in self._threads:
                thread.start()
        except BaseException as error:
            self._stop()
            if isinstance(error, RuntimeError):  # the process may not start more threads
                raise StorageError(
                    f"The worker process of the engine needs two threads in this process: {error}"
                ) from error
            raise

    def _stop(self) -> None:
        """End the process, which has nothing open yet; a thread that reads from it sees its end."""
        self._process.kill()
        self._process.wait()
        _pipe(self._process.stdin).close()
        if self._threads[0].ident is None:
            _pipe(self._process.stdout).close()

    def _note_lock(self, _: Future[Answer]) -> None:
        with suppress(OSError):  # it could not be opened
            self.lock_status = (self.root / ".lock").stat()

    @property
    def over(self) -> bool:
        """Whether the process has ended."""
        return self.ended.done() or self._process.poll() is not None

    @property
    def closing(self) -> bool:
        """Whether the process was asked to end."""
        return self._closing is not None

    def submit(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Future[Answer]:
        """Send a call of one of the backend's methods; the future cannot be cancelled.

        Raises:
            StorageError: The process has ended, or this one was forked.
        """
        self.check_process()
        future = _running_future()
        with self._lock:
            if self._failure:
                raise StorageError(self._failure)
            self._outbox.put((future, (method, args, kwargs)))
        return future

    def start_closing(self) -> None:
        """Tell the process to flush, close the folder and end."""
        with suppress(StorageError):  # it has ended already, and its users got the error
            self._closing = self.submit("close", (), {})

    def wait_closed(self) -> None:
        """Wait until the process has ended; the error of closing is raised."""
        self.ended.result().unwrap(stacklevel=2)

    def leave_to_parent(self) -> None:
        """Close this process's ends of the pipes, so that the engine's process sees its end."""
        _pipe(self._process.stdin).close()
        _pipe(self._process.stdout).close()
        self._process.returncode = 0  # nothing to wait for: it is not a child of this process

    def _write_calls(self) -> None:
        pipe = _pipe(self._process.stdin)
        for number in itertools.count():
            item = self._outbox.get()
            if item is None:
                break
            self._write_call(pipe, number, *item)
            del item  # while this thread waits, it keeps no future alive
        pipe.close()

    def _write_call(self, pipe: io.FileIO, number: int, future: Future[Answer], call: Call) -> None:
        try:
            frame = call_frame(number, call)
        except InvalidInputError as error:
            future.set_result(Answer(error=error))
            return
        with self._lock:
            if self._failure:
                future.set_result(Answer(error=StorageError(self._failure)))
                return
            self._pending[number] = future
        with suppress(OSError):  # the process has ended; the other thread answers
            write_frame(pipe, frame)

    def _read_answers(self) -> None:
        pipe = _pipe(self._process.stdout)
        while (message := read_frame(pipe)) is not None:
            number, body = message
            self._pending.pop(number).set_result(read_answer(body))
        pipe.close()
        code = self._process.wait()  # from here on the folder is free
        end = self._closing.result() if self._closing and self._closing.done() else Answer()
        with self._lock:
            self._failure = self._why_it_ended(code)
            self._outbox.put(None)
        forget(self)
        for _, future in sorted(self._pending.items()):
            future.set_result(Answer(error=StorageError(self._failure)))
        if self.closing and code != 0:
            end = Answer(error=StorageError(self._failure))
        self.ended.set_result(end)

    def _why_it_ended(self, code: int) -> str:
        if self._closing is not None and code == 0:
            return f"The index in {self.root} is closed; create a new client"
        if self.opened.done() and (error := self.opened.result().error) is not None:
            return str(error)
        return (
            f"The engine's process of the index in {self.root} ended with {_named(code)}. Every"
            " write that was acknowledged is in its log; a call without an answer may have been"
            " applied or not. Create a new client, which starts a new process."
        )


def _running_future() -> Future[Answer]:
    future: Future[Answer] = Future()
    future.set_running_or_notify_cancel()  # a call that was sent is always carried out
    return future


def _start_process() -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise StorageError(
            "worker=True needs a Python interpreter to start (`sys.executable`), and this program"
            " does not name one; use `EdgeClient(path)` without worker=True"
        )
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _START, *map(str, sys.path)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise StorageError(f"The engine's process cannot be started: {error}") from error


def _pipe(pipe: object) -> io.FileIO:
    return pipe  # type: ignore[return-value] # without a buffer, Popen's pipes are FileIO


def _named(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    hint = "; the disk may be full" if os.name == "posix" and -code == signal.SIGBUS else ""
    return f"signal {-code}{name}{hint}"
