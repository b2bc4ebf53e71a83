"""A backend of qdrant-client in this process, in the form that asynchronous clients call."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from qdrant_client.async_client_base import AsyncQdrantBase

if TYPE_CHECKING:
    from collections.abc import Callable


class InPlaceBackend:
    """Runs each call where it is awaited, by a shared synchronous backend.

    Such a backend keeps the CPU and Python's lock busy, so a thread would not free the event loop.
    """

    def __init__(self, backend: object) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a coroutine function, or a plain one where qdrant-client declares it so."""
        if name.startswith("_"):
            raise AttributeError(name)
        method: Callable[..., Any] = getattr(self._backend, name)
        if not is_awaited(name):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - of any method
            return method(*args, **kwargs)

        return call

    async def close(self, **kwargs: Any) -> None:
        """Leave the backend open: it belongs to the synchronous client."""


@functools.cache
def is_awaited(name: str) -> bool:
    """Return whether a backend's method is a coroutine function in qdrant-client, or is ours."""
    method = getattr(AsyncQdrantBase, name, None)
    return method is None or inspect.iscoroutinefunction(method)
