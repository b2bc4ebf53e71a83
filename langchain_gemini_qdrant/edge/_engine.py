"""Access to qdrant-edge-py: imported on first use, its errors translated."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_MISSING = (
    "The embedded engine needs the package qdrant-edge-py (>=0.9,<0.10), which is not installed"
    " or cannot be loaded: {reason}. There are wheels for Linux (x86-64, ARM64), macOS (x86-64,"
    " ARM64) and Windows (x86-64) from Python 3.10 on. Install it, or use a Qdrant server with"
    ' `url=`, or `location=":memory:"` for a temporary index.'
)


@functools.cache
def engine() -> ModuleType:
    """Return the module `qdrant_edge`; its attributes are untyped, as its stubs are partly wrong.

    Raises:
        ConfigurationError: The package is not installed or has no wheel for this platform.
    """
    try:
        import qdrant_edge  # noqa: PLC0415 - on first use only
    except ImportError as error:
        raise ConfigurationError(_MISSING.format(reason=error)) from error
    return qdrant_edge


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of the engine; its class cannot be imported."""
    return type(error).__name__ == "PanicException"


# the engine's words for wrong requests that no check in advance can detect
_REFUSALS = ("No appropriate index for", "No range index for", "Validation failed")


@contextmanager
def engine_errors(action: str) -> Iterator[None]:
    """Turn errors of the engine into `StorageError`; `action` completes "cannot ...".

    Raises:
        InvalidInputError: The engine refused the request; the message has the reason.
        StorageError: Anything else went wrong.
    """
    try:
        yield
    except BaseException as error:
        if (translated := translate(error, action)) is None:
            raise
        raise translated from error


def translate(error: BaseException, action: str) -> InvalidInputError | StorageError | None:
    """Return the error to raise for an exception of the engine; None for Ctrl-C and the like."""
    if is_panic(error):
        return StorageError(
            f"The embedded engine failed while it tried to {action}: {error}."
            " Close this client and open the folder again; if that fails, the collection's folder "
            "is damaged and must be restored from a backup."
        )
    if not isinstance(error, Exception):
        return None
    if str(error).startswith(_REFUSALS):
        return InvalidInputError(f"The embedded engine cannot {action}: {error}")
    return StorageError(f"The embedded engine cannot {action}: {error}")


@contextmanager
def conversion_errors(what: str) -> Iterator[None]:
    """Turn a value that the engine's own types refuse into `InvalidInputError`."""
    try:
        yield
    except InvalidInputError:
        raise
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInputError(f"The embedded engine refuses this {what}: {error}") from error
