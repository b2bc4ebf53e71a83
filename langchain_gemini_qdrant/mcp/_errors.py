"""Errors of a tool in words for the model; unexpected ones are left to the SDK, which logs them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.server.mcpserver.exceptions import ToolError

from langchain_gemini_qdrant.errors import GeminiQdrantError
from langchain_gemini_qdrant.vectorstores._qdrant_errors import EXPECTED_ERRORS, reason

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_WORDS = 4_000  # a message may quote an argument

PATIENCE = 50.0
"""Seconds that a search or a store may take, with all retries and waits for quota.

Many clients give up after 60, and then the model reads no reason. Source:
`DEFAULT_REQUEST_TIMEOUT_MSEC` in https://github.com/modelcontextprotocol/typescript-sdk
"""


def words(error: Exception) -> str:
    """Return the message of an expected error within bounds, without a key or a traceback."""
    is_own = isinstance(error, GeminiQdrantError | OSError | ValueError)
    message = str(error) if is_own else reason(error)
    return message if len(message) <= _MAX_WORDS else f"{message[:_MAX_WORDS]}…"


@contextmanager
def as_tool_errors() -> Iterator[None]:
    """Turn expected errors into errors that the model reads."""
    try:
        yield
    except EXPECTED_ERRORS as error:
        raise ToolError(words(error)) from error


@contextmanager
def in_time() -> Iterator[None]:
    """End a call that waits, before the client gives up."""
    with anyio.move_on_after(PATIENCE) as scope:
        yield
    if scope.cancelled_caught:
        raise ToolError(
            f"no answer within {PATIENCE:g} seconds. Gemini's quota may be used up, or a server is "
            "overloaded: try again in a minute"
        )
