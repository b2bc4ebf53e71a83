"""Async twins of functions: the same arguments and defaults, written once."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


def as_async(
    original: Callable[P, T],
) -> Callable[[Callable[..., Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Give a coroutine function the signature of `original`, for people and for type checkers.

    It gets all arguments by name, those that were left out with their defaults.
    """

    def adopt(
        twin: Callable[..., Coroutine[Any, Any, T]],
    ) -> Callable[P, Coroutine[Any, Any, T]]:
        @functools.wraps(twin)
        async def call(*args: P.args, **kwargs: P.kwargs) -> T:
            bound = inspect.signature(original).bind(*args, **kwargs)
            bound.apply_defaults()
            return await twin(**bound.arguments)

        call.__signature__ = inspect.signature(original)  # type: ignore[attr-defined] # for `inspect`
        return call

    return adopt
