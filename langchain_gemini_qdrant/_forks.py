"""Locks that a forked child can take, though a thread that it does not have held them."""

from __future__ import annotations

import _imp

# What Python does before a fork, it does in the reverse order of registration. These two modules
# take locks then; they must be registered before this one, or a fork would wait for an import
# that waits for them.
import concurrent.futures.thread  # noqa: F401
import importlib
import logging  # noqa: F401
import os
import threading
import time
import weakref
from typing import Any, Protocol

_LONGEST_WAIT = 20.0  # seconds of a fork for an import; longer would be a deadlock of somebody's
_POLL = 0.001  # seconds
# Python's own, private: no public function says that an import is running.
_MODULE_LOCKS: dict[str, Any] = getattr(importlib._bootstrap, "_module_locks", {})  # noqa: SLF001


class Making:
    """Held while something is made that may take seconds: an SDK is imported, a client created.

    A fork waits for it, and for the imports of other threads, such as those with which a library
    begins its first request: a child could never finish them, and would wait for their end.
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
            _imp.acquire_lock()  # no import begins before the fork
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
        """Begin with a lock of this process."""
        _imp.release_lock()
        self._lock = threading.RLock()


def _others_import() -> bool:
    """Return whether other threads are importing."""
    locks = [reference() for reference in list(_MODULE_LOCKS.values())]
    owners = {getattr(lock, "owner", None) for lock in locks}
    return not owners <= {None, threading.get_ident()}


MAKING = Making()


class HasLock(Protocol):
    """What has a lock to be renewed."""

    _lock: threading.Lock


_holders: weakref.WeakSet[HasLock] = weakref.WeakSet()


def renew_lock_in_children(holder: HasLock) -> None:
    """Give `holder._lock` a new lock in every forked child, as long as the holder lives."""
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
