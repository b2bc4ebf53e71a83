"""Locks that a forked child can take, though a thread that it does not have held them."""

from __future__ import annotations

# What Python does before a fork, it does in the reverse order of registration. These two modules
# take locks then; they must be registered before this one, or a fork would wait for an import
# that waits for them.
import concurrent.futures.thread  # noqa: F401
import logging  # noqa: F401
import os
import threading
import weakref
from typing import Protocol

_LONGEST_WAIT = 20.0  # seconds of a fork for an import; longer would be a deadlock of somebody's


class Making:
    """Held while something is made that may take seconds: an SDK is imported, a client created.

    A fork waits for it, so that no child starts in the middle of an import, which it could never
    finish.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forking = threading.local()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        """Wait until nothing is being made."""
        self._forking.waits = self._lock.acquire(timeout=_LONGEST_WAIT)

    def after_fork_in_parent(self) -> None:
        """Let things be made again."""
        if self._forking.waits:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Begin with a lock of this process."""
        self._lock = threading.RLock()


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
