"""Clients of a process and of its forked children."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from langchain_gemini_qdrant._clients import Clients


class Client:
    """Stands for one that closes itself when it is collected, under a lock of its pool."""


async def close(client):
    pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_child_makes_its_own_client_and_never_lets_go_of_its_parent_s():
    """A thread that the child does not have may hold the lock for which the closing waits."""
    clients = Clients(Client, Client, close)
    parents = weakref.ref(clients.of_process())
    pid = os.fork()
    if pid == 0:
        own = clients.of_process()
        taken = clients.take_of_process()
        gc.collect()
        is_kept = parents() is not None and own is taken is not parents()
        os._exit(0 if is_kept else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert clients.of_process() is parents()
