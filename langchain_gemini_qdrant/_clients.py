"""Clients created on first use: one for each process, one for each event loop."""

from __future__ import annotations

import asyncio
import ctypes
import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_gemini_qdrant._forks import MAKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

SyncT = TypeVar("SyncT")
AsyncT = TypeVar("AsyncT")


class Clients(Generic[SyncT, AsyncT]):
    """Keeps the clients of one service.

    A forked child that used its parent's connections would read the parent's answers, so each
    process makes its own client. Asynchronous connections are bound to the event loop that first
    uses them, so each loop gets a client, which is closed when the loop ends.

    Args:
        make: Makes the client of a process.
        make_async: Makes the client of an event loop.
        close_async: Closes the client of an event loop, in that loop.
        close_ended: Called with a client whose loop has ended, perhaps without closing it: it
            closes what needs no loop. None if nothing has to be closed.
    """

    def __init__(
        self,
        make: Callable[[], SyncT],
        make_async: Callable[[], AsyncT],
        close_async: Callable[[AsyncT], Awaitable[None]],
        *,
        close_ended: Callable[[AsyncT], Awaitable[None]] | None = None,
    ) -> None:
        self._make = make
        self._make_async = make_async
        self._close_async = close_async
        self._close_ended = close_ended
        self._by_process: tuple[int, SyncT] | None = None
        # A client refers to its loop, so no entry disappears on its own: see `_drop_ended`.
        self._by_loop: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[AsyncT, AsyncGenerator[None, None]]
        ] = weakref.WeakKeyDictionary()
        self._ending: set[asyncio.Task[None]] = set()
        _all.add(self)

    def leave_to_parent(self) -> object:
        """Forget the clients that a forked child has from its parent, and return them."""
        inherited = self._by_process, list(self._by_loop.items()), self._ending
        self._by_process, self._ending = None, set()
        self._by_loop = weakref.WeakKeyDictionary()
        return inherited

    def of_process(self) -> SyncT:
        """Return the client of this process."""
        made = self._by_process
        if made is not None and made[0] == os.getpid():
            return made[1]
        with MAKING:
            if self._by_process is None or self._by_process[0] != os.getpid():
                self._by_process = (os.getpid(), self._make())
            return self._by_process[1]

    def has_one_of(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether an event loop has its client."""
        return loop in self._by_loop

    def of_loop(self) -> AsyncT:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        made = self._by_loop.get(loop)
        if made is not None:
            return made[0]
        with MAKING:
            self._drop_ended(loop)
            client = self._make_async()
            closing = _closing(weakref.ref(client), self._close_async)
            self._by_loop[loop] = client, closing
        with suppress(StopIteration):  # a loop registers a generator at its first step
            closing.__anext__().send(None)
        return client

    def of_all_loops(self) -> list[AsyncT]:
        """Return the clients of all event loops."""
        with MAKING:
            return [client for client, _ in self._by_loop.values()]

    def take_of_process(self) -> SyncT | None:
        """Return the client of this process, if there is one, and forget it."""
        with MAKING:
            taken, self._by_process = self._by_process, None
        return taken[1] if taken is not None and taken[0] == os.getpid() else None

    async def close_of_loop(self) -> None:
        """Close the client of the running event loop, if there is one."""
        with MAKING:
            made = self._by_loop.pop(asyncio.get_running_loop(), None)
        if made is not None:
            await made[1].aclose()

    def _drop_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        """Forget the clients of loops that have ended."""
        for ended in [each for each in self._by_loop if each.is_closed()]:
            client, _ = self._by_loop.pop(ended)
            if self._close_ended is not None:
                task = loop.create_task(_quietly(self._close_ended, client))
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)


_all: weakref.WeakSet[Clients[Any, Any]] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    """Keep a parent's clients for ever, because a client that is collected closes itself.

    Closing it could wait for a lock that a thread of the parent held at the fork.
    """
    inherited = [clients.leave_to_parent() for clients in _all]
    # A reference that is never released: not even the interpreter's exit collects them.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)


async def _closing(
    client: weakref.ref[AsyncT], close: Callable[[AsyncT], Awaitable[None]]
) -> AsyncGenerator[None, None]:
    """Close a client when its loop ends: a loop then closes the generators that are still open.

    `asyncio.run`, `asyncio.Runner` and servers do this; `loop.close()` alone does not.
    """
    try:
        yield
    finally:
        made = client()
        if made is not None:  # else it was collected, and its sockets with it
            await close(made)


async def _quietly(close: Callable[[AsyncT], Awaitable[None]], client: AsyncT) -> None:
    with suppress(RuntimeError):  # "Event loop is closed"
        await close(client)
