"""Reads the input of a run, no further than needed."""

from __future__ import annotations

import collections.abc
from typing import TYPE_CHECKING, Any

from langchain_core.documents import Document

from langchain_gemini_qdrant.embeddings._media import held_bytes
from langchain_gemini_qdrant.ingestion._lookups import Given

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_LOOKED_UP = 5
"""Batches looked up at a time, if reading them is fast."""

_QUICK_S = 0.02  # of reading: a document in memory takes microseconds, one from a file much longer

_HELD_BYTES = 16_000_000
"""Bytes of blobs and `data:` addresses in memory that are read at a time."""

_END = object()


async def read(
    documents: Iterator[Any] | AsyncIterator[Any],
    batch: list[Any],
    *,
    size: int,
    now: Callable[[], float],
) -> None:
    """Read a batch of `size`, or several if they come quickly, or less if blobs hold many bytes.

    Args:
        documents: The input; it is at its end if nothing is read.
        batch: Gets what is read, and keeps it if reading fails.
        size: Number of documents in a batch.
        now: Returns the time in seconds.
    """
    began = now()
    held = 0
    while held < _HELD_BYTES and len(batch) < _LOOKED_UP * size:
        if isinstance(documents, collections.abc.AsyncIterator):
            given = await anext(documents, _END)
        else:
            given = next(documents, _END)
        if given is _END:
            return
        batch.append(given)
        held += _held_bytes(given)
        if len(batch) % size == 0 and now() - began >= _QUICK_S:
            return


def _held_bytes(given: object) -> int:
    document = given.document if isinstance(given, Given) else given
    if isinstance(document, Document):  # data: addresses
        return sum([len(each) for each in document.metadata.values() if isinstance(each, str)])
    return held_bytes(document)
