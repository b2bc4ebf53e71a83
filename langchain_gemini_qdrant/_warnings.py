"""Warnings that point to the line of the user's code that caused them."""

from __future__ import annotations

import inspect
import warnings

_PACKAGE = __name__.split(".", maxsplit=1)[0]


def warn(message: str) -> None:
    """Warn at the nearest caller outside this package."""
    frame = inspect.currentframe()
    stacklevel = 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
        stacklevel += 1
    warnings.warn(message, stacklevel=stacklevel + 1)
