"""Locks that a forked child can take, though a thread that it does not have held them."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

MAKING = threading.RLock()
"""Held while something is made that may take seconds: an SDK imported, a client, a registry entry.

A fork waits for it, so that a child never starts in the middle of an import.
"""


class HasLock(Protocol):
    """What has a lock to be renewed."""

    _lock: threading.Lock


_holders: weakref.WeakSet[HasLock] = weakref.WeakSet()


def renew_lock_in_children(holder: HasLock) -> None:
    """Give `holder._lock` a new lock in every forked child, as long as the holder lives."""
    _holders.add(holder)


def _renew() -> None:
    for holder in _holders:
        holder._lock = threading.Lock()  # noqa: SLF001 - that is the job
    MAKING.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=MAKING.acquire, after_in_parent=MAKING.release, after_in_child=_renew
    )
