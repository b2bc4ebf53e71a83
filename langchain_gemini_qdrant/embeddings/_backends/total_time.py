"""Synchronous HTTP whose timeout applies to the whole request.

httpx, httpx2 and requests restart their timeout with each piece of an answer that arrives, so a
server that sends it slowly could keep them waiting without limit.
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
        TimeoutError: A piece came after `end`, a time of `time.monotonic()`.
    """
    for piece in pieces:
        if time.monotonic() > end:
            raise TimeoutError("the whole answer did not arrive within timeout")
        yield piece


def begin(request: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    """Note when the answer must be complete; a request hook."""
    seconds = request.extensions["timeout"]["read"]
    if seconds is not None:  # redirects inherit the end
        request.extensions.setdefault("end", time.monotonic() + seconds)


def limit(response: Any) -> None:  # noqa: ANN401 - of httpx or httpx2
    """End the answer in time; a response hook."""
    extensions = response.request.extensions
    if "end" in extensions:
        # The time left is also the longest wait for a piece of the body.
        extensions["timeout"]["read"] = max(extensions["end"] - time.monotonic(), _SOON)
        library = type(response).__module__.partition(".")[0]
        response.stream = _limited_stream(library)(response.stream, extensions["end"])


@lru_cache
def _limited_stream(library: str) -> type[Any]:
    """Return the class of a stream that ends in time, a subclass of the library's own."""
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
