"""Texts to requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

T = TypeVar("T")


def batches(texts: Sequence[T], batch_size: int) -> Iterator[Sequence[T]]:
    """Yield consecutive slices of at most `batch_size`, in order, none empty."""
    for start in range(0, len(texts), batch_size):
        yield texts[start : start + batch_size]
