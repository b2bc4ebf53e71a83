"""Locks that a forked child can acquire even if another thread held them at the fork."""

from __future__ import annotations

import _imp

# Python runs the functions registered for a fork in reverse order of registration. Those of these
# two modules take locks; they must be registered before ours, or a fork would wait for an import
# that waits for them.
import concurrent.futures.thread  # noqa: F401
import importlib
import logging  # noqa: F401
import os
import threading
import time
import weakref
from typing import Any, Protocol

_LONGEST_WAIT = 20.0  # seconds that a fork waits for imports; longer means a deadlock elsewhere
_POLL = 0.001  # seconds
# Python's own, private: no public function reports whether an import is running.
_MODULE_LOCKS: dict[str, Any] = getattr(importlib._bootstrap, "_module_locks", {})  # noqa: SLF001


class Making:
    """A lock held while an SDK is imported or a client is created, which may take seconds.

    A fork waits for it and for the imports of other threads, such as a library's lazy imports at
    its first request. A child process could never finish them and would wait for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking = threading.local()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """Wait until nothing is being made or imported."""
        latest = time.monotonic() + _LONGEST_WAIT
        while True:
            waits = self._lock.acquire(timeout=max(0.0, latest - time.monotonic()))
            _imp.acquire_lock()  # no import can begin before the fork
            if not waits or not _others_import() or time.monotonic() > latest:
                self._forking.waits = waits
                return
            _imp.release_lock()
            self._lock.release()
            threading.Event().wait(_POLL)

    def after_fork_in_parent(self) -> None:
        """Let things be made and imported again."""
        _imp.release_lock()
        if self._forking.waits:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Replace the lock by a new one."""
        _imp.release_lock()
        self._lock = threading.RLock()


def _others_import() -> bool:
    """Return whether other threads are importing."""
    locks = [reference() for reference in list(_MODULE_LOCKS.values())]
    owners = {getattr(lock, "owner", None) for lock in locks}
    return not owners <= {None, threading.get_ident()}


MAKING = Making()


class HasLock(Protocol):
    """An object with a lock to be renewed."""

    _lock: threading.Lock


_holders: weakref.WeakSet[HasLock] = weakref.WeakSet()


def renew_lock_in_children(holder: HasLock) -> None:
    """Replace `holder._lock` in every forked child, as long as the holder exists."""
    _holders.add(holder)


def _renew() -> None:
    MAKING.after_fork_in_child()
    for holder in _holders:
        holder._lock = threading.Lock()  # noqa: SLF001 - that is the job


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=MAKING.before_fork,
        after_in_parent=MAKING.after_fork_in_parent,
        after_in_child=_renew,
    )
