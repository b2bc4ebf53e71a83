"""Folders of an embedded index, as another process sees them."""

from __future__ import annotations

import portalocker


def is_free(folder):
    """Return whether no client, of this process either, has an index open."""
    with (folder / ".lock").open("a") as file:
        try:
            portalocker.lock(
                file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
            )
        except portalocker.LockException:
            return False
        portalocker.unlock(file)
    return True
