"""Warnings that point to the line of the user's code that caused them."""

from __future__ import annotations

import inspect
import warnings

from langchain_gemini_qdrant._logging import LOGGER

_PACKAGE = __name__.split(".", maxsplit=1)[0]
_PASSED = (_PACKAGE, "contextlib", "pydantic")  # pydantic calls the constructor of embeddings


def warn(message: str) -> None:
    """Warn at the nearest caller outside this package; the command line is a caller."""
    frame = inspect.currentframe()
    stacklevel = 0
    while frame is not None and _is_passed(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        stacklevel += 1
    warnings.warn(message, stacklevel=stacklevel + 1)


def _is_passed(module: str) -> bool:
    return module.startswith(_PASSED) and not module.startswith(f"{_PACKAGE}.cli")


def warn_in_passing(message: str) -> None:
    """Warn without losing vectors: if warnings are errors, the message is logged instead."""
    try:
        warn(message)
    except Warning:
        LOGGER.warning("%s", message)
