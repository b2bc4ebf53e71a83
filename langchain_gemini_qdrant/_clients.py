"""Clients made when they are first needed: one for each process, one for each event loop."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

from langchain_gemini_qdrant._forks import MAKING

if TYPE_CHECKING:
    from collections.abc import Callable

SyncT = TypeVar("SyncT")
AsyncT = TypeVar("AsyncT")


class Clients(Generic[SyncT, AsyncT]):
    """Keeps the clients of one service.

    A forked child that used its parent's connections would read the parent's answers, so a process
    makes its own. Asynchronous connections are bound to the event loop they first meet, so
    each loop gets a client, which goes when the loop does.
    """

    def __init__(self, make: Callable[[], SyncT], make_async: Callable[[], AsyncT]) -> None:
        self._make = make
        self._make_async = make_async
        self._by_process: tuple[int, SyncT] | None = None
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncT] = (
            weakref.WeakKeyDictionary()
        )

    def of_process(self) -> SyncT:
        """Return the client of this process."""
        made = self._by_process
        if made is not None and made[0] == os.getpid():
            return made[1]
        with MAKING:
            if self._by_process is None or self._by_process[0] != os.getpid():
                self._by_process = (os.getpid(), self._make())
            return self._by_process[1]

    def of_loop(self) -> AsyncT:
        """Return the client of the running event loop."""
        loop = asyncio.get_running_loop()
        client = self._by_loop.get(loop)
        if client is not None:
            return client
        with MAKING:
            if loop not in self._by_loop:
                self._by_loop[loop] = self._make_async()
            return self._by_loop[loop]

    def take_of_process(self) -> SyncT | None:
        """Return the client of this process, if there is one, and forget it."""
        with MAKING:
            taken, self._by_process = self._by_process, None
        return taken[1] if taken is not None and taken[0] == os.getpid() else None

    def take_of_loop(self) -> AsyncT | None:
        """Return the client of the running event loop, if there is one, and forget it."""
        with MAKING:
            return self._by_loop.pop(asyncio.get_running_loop(), None)
