"""qdrant-client's backend interface over the engine's process: every method is sent there."""

from __future__ import annotations

import asyncio
import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.edge._backend._write import WritingApi
from langchain_gemini_qdrant.edge._in_place import is_awaited
from langchain_gemini_qdrant.edge._storage._open_folders import release, share
from langchain_gemini_qdrant.edge._worker._client import Worker
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_STACKLEVEL = 3  # from a warning through `call` and qdrant-client's method to its caller


class WorkerBackend:
    """One client's access to the engine's process, which it shares with other clients."""

    # They take any iterable, which cannot be sent, and need only `upsert`.
    upload_points = WritingApi.upload_points
    upload_collection = WritingApi.upload_collection

    def __init__(self, path: Path, *, wait: bool = True) -> None:
        self._worker: Worker | None = share(path, Worker)
        if wait:
            try:
                self._worker.opened.result().unwrap(stacklevel=_STACKLEVEL)
            except BaseException as error:
                worker = self.give_up()
                if worker is not None and isinstance(error, Exception):  # Ctrl-C does not wait
                    with suppress(StorageError):
                        worker.wait_closed()
                raise

    def check_open(self) -> None:
        """Refuse a closed client.

        Raises:
            StorageError: It is closed.
        """
        _ = self.worker

    @property
    def worker(self) -> Worker:
        """The worker that the client shares with others."""
        if self._worker is None:
            raise StorageError("This client is closed; create a new one")
        return self._worker

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a method that is carried out in the engine's process."""
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of any method
            answer = self.worker.submit(name, args, kwargs).result()
            return answer.unwrap(stacklevel=_STACKLEVEL)

        return call

    def give_up(self) -> Worker | None:
        """Release the process; return it if this was its last client."""
        worker, self._worker = self._worker, None
        return worker if worker is not None and release(worker) else None

    def close(self, **kwargs: Any) -> None:  # noqa: ARG002
        """Release the process; the last client flushes and ends it."""
        worker = self.give_up()
        if worker is not None:
            worker.wait_closed()


class AsyncWorkerBackend:
    """`WorkerBackend` for asyncio: neither a call nor the start blocks the event loop."""

    def __init__(self, path: Path, first_calls: Sequence[str]) -> None:
        self._sync = WorkerBackend(path, wait=False)
        worker = self._sync.worker
        try:
            settings = [worker.submit(method, (), {}) for method in first_calls]
        except BaseException:
            self._sync.give_up()
            raise
        self._start = [worker.opened, *settings]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a coroutine function, or a plain one where qdrant-client declares it so."""
        if name.startswith("_"):
            raise AttributeError(name)
        if not is_awaited(name):
            plain: Callable[..., Any] = getattr(self._sync, name)
            return plain
        return functools.partial(self._call, name)

    async def _call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of any
        worker = self._sync.worker
        for answered in self._start:
            if not answered.done():
                await asyncio.wrap_future(answered)
            answered.result().unwrap(stacklevel=_STACKLEVEL)
        self._start = []
        answer = await asyncio.wrap_future(worker.submit(name, args, kwargs))
        return answer.unwrap(stacklevel=_STACKLEVEL)

    def check_open(self) -> None:
        """Refuse a closed client.

        Raises:
            StorageError: It is closed.
        """
        self._sync.check_open()

    def give_up(self) -> None:
        """Release the process, from any thread, without waiting for its end."""
        self._sync.give_up()

    async def close(self, **kwargs: Any) -> None:  # noqa: ARG002
        """Release the process; the last client flushes and ends it."""
        worker = self._sync.give_up()
        if worker is not None:
            ended = await asyncio.wrap_future(worker.ended)
            ended.unwrap(stacklevel=_STACKLEVEL)

    def __del__(self) -> None:
        """Release the process if it was not released."""
        if "_sync" in vars(self):
            self.give_up()
