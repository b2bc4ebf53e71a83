"""One image, sound, video or PDF, which is read again when it is sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import (
    HEAD_BYTES,
    LIMITS,
    MEDIA_TYPES,
    MOST_FRAMES,
    Modality,
    plain_type,
    sniff,
)
from langchain_gemini_qdrant.media._lengths import pages_of, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """An image, a sound, a video or a PDF.

    Two of the same bytes and type are equal. One that was made of a file has no bytes of its own.

    Attributes:
        mime_type: One of `MEDIA_TYPES`.
        digest: SHA-256 of the bytes, in hex; of an address, that of the address.
        size_bytes: Number of bytes, 0 for an address.
        uri: An address that the API reads itself, None for bytes.
        source: Where the bytes come from, for messages and payloads; None if it is not known.
        seconds: Length of a sound or video, None for others or if it is not known.
        pages: Number of pages of a PDF, None for others or if it is not known.
    """

    mime_type: str
    digest: str
    size_bytes: int = field(default=0, compare=False)
    uri: str | None = field(default=None, compare=False)
    source: str | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)
    pages: int | None = field(default=None, compare=False)
    _reader: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def modality(self) -> Modality:
        """The modality by which Google counts and bills it."""
        return MEDIA_TYPES[self.mime_type]

    @property
    def key(self) -> tuple[str, str]:
        """What makes two media equal."""
        return (self.mime_type, self.digest)

    @property
    def tokens(self) -> int:
        """Tokens that the model reads of it; estimated if its length is not known."""
        each = LIMITS[self.modality].tokens
        if self.modality == "AUDIO":
            return max(1, round(each * (60 if self.seconds is None else self.seconds)))
        if self.modality == "VIDEO":
            frames = MOST_FRAMES if self.seconds is None else min(self.seconds, MOST_FRAMES)
            return each * max(1, round(frames))
        return each * (self.pages or 1)

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            InvalidInputError: The file is gone, or has changed since it was looked at.
        """
        if self._reader is None:
            raise InvalidInputError(f"{self.uri} is an address, whose bytes only the API reads")
        data = self._reader()
        if hashlib.sha256(data).hexdigest() != self.digest:
            raise InvalidInputError(f"{self.source or 'a medium'} has changed while it was read")
        return data


def medium_of_bytes(
    reader: Callable[[], bytes], *, mime_type: str | None, source: str | None
) -> Medium:
    """Read bytes once, and return what is known of them; they are read again when sent.

    Raises:
        InvalidInputError: They are empty, or not of a type that can be embedded, or not of the
            type that is given.
    """
    data = reader()
    name = source or "a medium"
    if not data:
        raise InvalidInputError(f"{name} is empty")
    found = sniff(data[:HEAD_BYTES])
    given = None if mime_type is None else plain_type(mime_type)
    if found is None or (given in MEDIA_TYPES and MEDIA_TYPES[given] != MEDIA_TYPES[found]):
        raise InvalidInputError(
            f"{name} ({given or 'no MIME type'}) has the bytes of {found or 'no medium'}: "
            f"gemini-embedding-2 embeds {', '.join(MEDIA_TYPES)}"
        )
    return Medium(
        mime_type=found,
        digest=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        source=source,
        seconds=seconds_of(found, data),
        pages=pages_of(data) if found == "application/pdf" else None,
        _reader=reader,
    )


def medium_of_address(uri: str, *, mime_type: str) -> Medium:
    """Return a medium that the API reads itself, from Cloud Storage or its Files API."""
    return Medium(
        mime_type=plain_type(mime_type),
        digest=hashlib.sha256(uri.encode()).hexdigest(),
        uri=uri,
        source=uri,
    )
