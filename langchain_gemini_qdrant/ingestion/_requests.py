"""Which of the waiting documents are sent together: media need more room than texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.embeddings._batching import MAX_BYTES, MAX_IMAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_gemini_qdrant.ingestion._lookups import Incoming

_RUNNING_BYTES = 64_000_000
"""Bytes of the media of all requests that are started at a time, if there are several."""


class NextRequest(NamedTuple):
    """The first of the waiting documents, as many as are sent together.

    Attributes:
        number: How many they are.
        size_bytes: Bytes of their media.
        is_full: Whether no more fit.
    """

    number: int
    size_bytes: int
    is_full: bool

    def has_room(self, running_bytes: int) -> bool:
        """Return whether it may be started beside requests with media of this size."""
        total = running_bytes + self.size_bytes
        return total in {running_bytes, self.size_bytes} or total <= _RUNNING_BYTES


def next_request(waiting: Sequence[Incoming], most: int) -> NextRequest:
    """Return the next request of at most `most` documents; it has at least one, if any wait."""
    images = size_bytes = 0
    for number, document in enumerate(waiting[:most]):
        images += document.images
        size_bytes += document.size_bytes
        if number and (images > MAX_IMAGES or size_bytes > MAX_BYTES):
            return NextRequest(number, size_bytes - document.size_bytes, is_full=True)
    number = min(len(waiting), most)
    return NextRequest(number, size_bytes, is_full=number == most)
