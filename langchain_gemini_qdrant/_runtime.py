"""One coroutine, two faces: run shared operations without an event loop, over blocking objects.

An operation that is shared by the sync and the async API is an `async def` over objects whose
methods it awaits. The async face awaits the operation; the sync face hands in `Blocking` objects
and calls `run`. Both faces run the same lines, with the same tracebacks.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that awaits `Blocking` objects only; no event loop is involved.

    It works inside a running event loop, too, and blocks it as any sync call does.

    Raises:
        RuntimeError: The coroutine awaited something that needs an event loop.
    """
    # A running loop would register async generators that start here and close them when it ends.
    begin = sys.get_asyncgen_hooks().firstiter
    sys.set_asyncgen_hooks(firstiter=None)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        sys.set_asyncgen_hooks(firstiter=begin)
    coroutine.close()
    raise RuntimeError("a shared operation awaited something that needs an event loop")


class Blocking:
    """A sync object whose methods can be awaited; each call is done before `await` returns.

    Args:
        target: The object.
        prefix: Prefix of the async names, removed to find the sync method: with `"a"`, awaiting
            `aembed_query(...)` calls `target.embed_query(...)`.
    """

    def __init__(self, target: object, prefix: str = "") -> None:
        self._target = target
        self._prefix = prefix

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._target, name.removeprefix(self._prefix))

        async def call(*args: object, **kwargs: object) -> object:
            return method(*args, **kwargs)

        return call


class AsAsync(AsyncIterator[T]):
    """A sync iterable as an asynchronous iterator.

    Args:
        values: If it is a generator, only `aclose` closes it: the caller may own it.
    """

    def __init__(self, values: Iterable[T]) -> None:
        self._values = iter(values)

    async def __anext__(self) -> T:
        try:
            return next(self._values)
        except StopIteration:
            raise StopAsyncIteration from None
        except StopAsyncIteration as error:  # not the end, as with a generator's StopIteration
            raise RuntimeError("the values raised StopAsyncIteration") from error

    async def aclose(self) -> None:
        """Close the values, if they are a generator."""
        if isinstance(self._values, Generator):
            self._values.close()


def as_sync(values: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Yield the values of an async generator that awaits `Blocking` objects only."""
    try:
        while True:
            try:
                value = run(_next(values))
            except StopAsyncIteration:
                return
            yield value
    finally:
        run(values.aclose())


async def _next(values: AsyncGenerator[T, None]) -> T:
    return await anext(values)  # inside `run`, because this call starts the generator


async def collected(values: Iterable[T] | AsyncIterable[T]) -> list[T]:
    """Return the values of an iterable of either kind."""
    if isinstance(values, AsyncIterable):
        return [value async for value in values]
    return list(values)
