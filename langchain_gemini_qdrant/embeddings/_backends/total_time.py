"""Synchronous HTTP whose timeout is the time of the whole request.

httpx, httpx2 and requests start their timeout again with each piece of an answer that arrives, so
that a server which trickles it is waited for as long as it likes.
"""

from __future__ import annotations

import sys
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOON = 0.001  # seconds; 0 would not wait at all


def in_time(pieces: Iterator[bytes], end: float) -> Iterator[bytes]:
    """Yield the pieces of an answer.

    Raises:
        TimeoutError: One came after the end, a time of `time.monotonic()`.
    """
    for piece in pieces:
        if time.monotonic() > end:
            raise TimeoutError("the whole answer did not arrive within timeout")
        yield piece


def httpx_hooks() -> dict[str, list[Any]]:
    """Return the `event_hooks` for a client of httpx or httpx2."""
    return {"request": [_begin], "response": [_limit]}


def _begin(request: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    seconds = request.extensions["timeout"]["read"]
    if seconds is not None:  # redirects inherit the end
        request.extensions.setdefault("end", time.monotonic() + seconds)


def _limit(response: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    extensions = response.request.extensions
    if "end" in extensions:
        # What is left is also the longest silence that the body is read with.
        extensions["timeout"]["read"] = max(extensions["end"] - time.monotonic(), _SOON)
        library = type(response).__module__.partition(".")[0]
        response.stream = _limited_stream(library)(response.stream, extensions["end"])


@lru_cache
def _limited_stream(library: str) -> type[Any]:
    """Return the class of a stream that ends in time; the library asks for one of its own."""
    base: type[Any] = sys.modules[library].SyncByteStream

    class LimitedStream(base):  # type: ignore[misc]  # one of two classes
        def __init__(self, stream: Any, end: float) -> None:  # noqa: ANN401
            self._stream = stream
            self._end = end

        def __iter__(self) -> Iterator[bytes]:
            return in_time(self._stream, self._end)

        def close(self) -> None:
            self._stream.close()

    return LimitedStream
