from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled):
    """A unit test that opens a socket fails."""
