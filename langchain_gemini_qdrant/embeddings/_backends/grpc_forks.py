"""Refuse gRPC in a forked child in which it would hang or end the process.

gRPC's threads do not survive a fork. A child can use it if the calls of its parent had ended, as
gRPC's own fork handlers then renew it. They do nothing for calls in flight and for asyncio: such
children have hung, or were ended by a failed check. gRPC tears down a closed channel in the
background for some milliseconds. With grpcio 1.85, a child that is forked meanwhile can hang when
it makes a channel, so a fork waits for the end.

Source: https://github.com/grpc/grpc/blob/master/doc/fork_support.md
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from langchain_gemini_qdrant._forks import MAKING
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_TEST = 5.0  # seconds; it takes some milliseconds
_TEARDOWN = 0.5  # seconds after the closing of a channel in which a fork waits


class _State:
    """What this process, and its parent at the fork, have done with gRPC."""

    in_flight: set[object] = set()  # noqa: RUF012 - one object, this class
    has_used_asyncio = False
    last_closing = -_TEARDOWN
    is_tested = True
    is_usable = True

    @classmethod
    def before_fork(cls) -> None:
        left = cls.last_closing + _TEARDOWN - time.monotonic()
        if left > 0:
            threading.Event().wait(left)

    @classmethod
    def after_fork_in_child(cls) -> None:
        cls.is_tested = False
        cls.is_usable = cls.is_usable and not cls.in_flight and not cls.has_used_asyncio
        cls.in_flight = set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_State.before_fork, after_in_child=_State.after_fork_in_child)


def note_closing() -> None:
    """Note that a channel was closed."""
    _State.last_closing = time.monotonic()


@contextmanager
def calling() -> Iterator[None]:
    """Note a synchronous call while it is in flight.

    Raises:
        ConfigurationError: gRPC cannot be used in this forked process.
    """
    _check()
    call = object()
    _State.in_flight.add(call)
    try:
        yield
    finally:
        _State.in_flight.discard(call)


def use_asyncio() -> None:
    """Note that this process uses gRPC with asyncio.

    Raises:
        ConfigurationError: gRPC cannot be used in this forked process.
    """
    _check()
    _State.has_used_asyncio = True


def _check() -> None:
    if not _State.is_tested:
        with MAKING:
            if not _State.is_tested:
                _State.is_usable = _State.is_usable and _answers()
                _State.is_tested = True
    if not _State.is_usable:
        raise ConfigurationError(
            "gRPC cannot be used in this process: it was forked while its parent was using gRPC. "
            "Start processes by 'spawn' or 'forkserver' (multiprocessing.get_context), fork before "
            "the first request, or pass backend='google-genai', which works after a fork"
        )


def _answers() -> bool:
    """Return whether gRPC ends a call that cannot succeed; where its threads are gone, it hangs."""
    answered = threading.Event()

    def call() -> None:
        with grpc.insecure_channel("unix:/nonexistent") as channel:
            try:
                method: Any = channel.unary_unary("/no/method")
                method(b"", timeout=_LONGEST_TEST / 2)
            except grpc.RpcError:
                answered.set()

    threading.Thread(target=call, daemon=True).start()
    return answered.wait(_LONGEST_TEST)
