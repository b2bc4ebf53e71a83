"""One image, sound, video or PDF, which is read again when it is sent."""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import (
    HEAD_BYTES,
    LIMITS,
    MEDIA_TYPES,
    MODALITIES,
    MOST_BYTES,
    MOST_FRAMES,
    BytesFile,
    Modality,
    advice,
    agree,
    plain_type,
    sniff,
)
from langchain_gemini_qdrant.media._lengths import seconds_of
from langchain_gemini_qdrant.media._pdfs import page_of, pages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

SHA256_KEY = "media_sha256"
"""The metadata key of the digest of a medium's bytes, a list for a list of media."""

TYPE_KEY = "mime_type"
"""The metadata key of a medium's MIME type, a list for a list of media."""

_MOST_DIGITS = 9  # of a page number
_LONG = 500  # characters of a reference in a message
_KEPT_DIGESTS = 64
_SECRETS = re.compile(r"(?<=//)[^/?#@]*@|\?[^#]*")


# Digests of the PDFs whose pages were looked at last, by their state: each page asks again.
_digests: dict[tuple[int, ...], str] = {}


@dataclass(frozen=True, slots=True)
class _Held:
    """Bytes in memory."""

    data: bytes

    def open(self) -> BytesFile:
        return io.BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class _File:
    """The bytes of a file."""

    path: str

    def open(self) -> BytesFile:
        try:
            mode = os.stat(self.path).st_mode  # noqa: PTH116 - opening a pipe would wait
        except ValueError as error:  # a NUL character
            raise InvalidInputError(f"is no path of a file: {error}") from error
        if stat.S_ISDIR(mode):
            raise InvalidInputError("is a folder: name the files in it")
        if not stat.S_ISREG(mode):
            raise InvalidInputError("is not a regular file")
        return open(self.path, "rb")  # noqa: PTH123


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """An image, a sound, a video or a PDF.

    Two of the same bytes and type are equal. One that was made of a file has no bytes of its own.

    Attributes:
        mime_type: One of `MODALITIES`.
        digest: SHA-256 in hex: of the bytes; of a page, of its PDF's digest and the number, since
            versions of pypdf may write other bytes; of an address, of the address.
        size_bytes: Number of bytes, 0 for an address.
        uri: An address that the API reads itself, None for bytes.
        source: Where the bytes come from, for messages and payloads; None if it is not known.
        seconds: Length of a sound or video, None for others or if it is not known.
        pages: Number of pages of a PDF, None for others or if it is not known.
        page: The number of the page, from 1, if it is one page of a longer PDF.
    """

    mime_type: str
    digest: str
    size_bytes: int = field(default=0, compare=False)
    uri: str | None = field(default=None, compare=False)
    source: str | None = field(default=None, compare=False)
    seconds: float | None = field(default=None, compare=False)
    pages: int | None = field(default=None, compare=False)
    page: int | None = field(default=None, compare=False)
    _origin: _Held | _File | None = field(default=None, compare=False, repr=False)
    _file_digest: str = field(default="", compare=False, repr=False)

    @property
    def modality(self) -> Modality:
        """The modality by which Google counts and bills it."""
        return MODALITIES[self.mime_type]

    @property
    def key(self) -> tuple[str, str]:
        """What makes two media equal."""
        return (self.mime_type, self.digest)

    @property
    def name(self) -> str:
        """Its name in messages."""
        return short(self.source) if self.source else f"a medium ({self.mime_type})"

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
        """Return the bytes, read from the file once more.

        Raises:
            InvalidInputError: The file is gone, or has changed since it was looked at.
            ConfigurationError: It is a page of a PDF, and pypdf is not installed.
        """
        with self.open() as file, _named(self.name):
            if self.page is not None:
                return file.read()
            data = file.read(self.size_bytes + 1)
            if hashlib.sha256(data).hexdigest() != self.digest:
                raise InvalidInputError("has changed while it was read")
            return data

    def open(self) -> BytesFile:
        """Open the bytes, to read them in pieces.

        Returns:
            An `io.BytesIO` with the bytes; or the file, which may have changed, so that the caller
            must compare its SHA-256 with `digest`.

        Raises:
            InvalidInputError: The file is gone, or the PDF of a page has changed.
            ConfigurationError: It is a page of a PDF, and pypdf is not installed.
        """
        if self._origin is None:
            raise InvalidInputError(f"{self.name} is an address, whose bytes only the API reads")
        with _named(self.name):
            file = self._origin.open()
            if self.page is None:
                return file
            with file:
                return io.BytesIO(page_of(file, self._file_digest, self.page))


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the name of a medium in front of errors, and make them ours."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{name} {error}") from error.__cause__
    except OSError as error:
        raise InvalidInputError(f"{name} cannot be read: {error.strerror or error}") from error


def medium_of_file(
    path: str | os.PathLike[str],
    *,
    mime_type: str | None = None,
    source: str | None = None,
    page: int | None = None,
) -> Medium:
    """Look at a file, in pieces; its bytes are read again when they are sent.

    Args:
        path: The file.
        mime_type: Its type if it is known; other bytes are then an error.
        source: Its name for messages and payloads; by default `path`.
        page: The number of a page, from 1, to take of a PDF.

    Raises:
        InvalidInputError: It cannot be read, or has no bytes that can be embedded.
        ConfigurationError: A page is asked for, and pypdf is not installed.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100 - `resolve` follows links, and fails on NUL
    return _medium(_File(absolute), mime_type, os.fspath(path) if source is None else source, page)


def medium_of_bytes(
    data: bytes, *, mime_type: str | None = None, source: str | None = None, page: int | None = None
) -> Medium:
    """Look at bytes in memory, which the medium keeps; see `medium_of_file`."""
    return _medium(_Held(data), mime_type, source, page)


def split_page(reference: str) -> tuple[str, int | None]:
    """Return a path or address without its `#page=3`, and the number of the page or None."""
    path, _, page = reference.rpartition("#page=")
    is_page = path and len(page) <= _MOST_DIGITS and page.isascii() and page.isdecimal()
    return (path, int(page)) if is_page else (reference, None)


def short(reference: str) -> str:
    """Return a reference for messages.

    Passwords and signatures of addresses are left out, and the bytes of data: URIs.
    """
    if reference[:4].lower() == "http":
        reference = _SECRETS.sub("", reference)
    return reference if len(reference) <= _LONG else f"{reference[:60]}..."


def medium_of_address(uri: str, *, mime_type: str) -> Medium:
    """Return a medium that the API reads itself, from Cloud Storage or its Files API.

    Raises:
        InvalidInputError: Its MIME type is not one that can be embedded.
    """
    plain = plain_type(mime_type)
    if plain is None or plain not in MODALITIES:
        raise InvalidInputError(
            f"{short(uri)} is {mime_type}, which gemini-embedding-2 does not embed: "
            f"the types are {', '.join(MEDIA_TYPES)}"
        )
    digest = hashlib.sha256(uri.encode("utf-8", "surrogatepass")).hexdigest()
    return Medium(mime_type=plain, digest=digest, uri=uri, source=uri)


def _medium(
    origin: _Held | _File, mime_type: str | None, source: str | None, page: int | None
) -> Medium:
    with _named(short(source or "a medium")), origin.open() as file:
        found = _checked_type(file.read(HEAD_BYTES), mime_type)
        size = _checked_size(file)
        digest = _digest(file) if page is None else _digest_of_pages(file)
        medium = Medium(
            mime_type=found,
            digest=digest,
            size_bytes=size,
            source=source,
            seconds=seconds_of(found, file, size),
            pages=pages_of(file) if found == "application/pdf" and page is None else None,
            _origin=origin,
            _file_digest=digest,
        )
        return medium if page is None else _page(medium, file, page)


def _digest(file: BytesFile) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of_pages(file: BytesFile) -> str:
    """Return the digest of a PDF, which is read once as long as it does not change."""
    if not isinstance(file, io.BufferedReader):
        return _digest(file)
    found = os.fstat(file.fileno())
    state = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    digest = _digests.get(state)
    if digest is None:
        digest = _digests[state] = _digest(file)
        for old in list(_digests)[:-_KEPT_DIGESTS]:
            _digests.pop(old, None)
    return digest


def _page(pdf: Medium, file: BytesFile, page: int) -> Medium:
    if pdf.mime_type != "application/pdf":
        raise InvalidInputError(f"is {pdf.mime_type}, which has no pages: only PDFs have")
    file.seek(0)
    return Medium(
        mime_type=pdf.mime_type,
        digest=hashlib.sha256(f"{pdf.digest}#page={page}".encode()).hexdigest(),
        size_bytes=len(page_of(file, pdf.digest, page)),
        source=pdf.source,
        pages=1,
        page=page,
        _origin=pdf._origin,  # noqa: SLF001 - of the same class
        _file_digest=pdf.digest,
    )


def _checked_type(head: bytes, mime_type: str | None) -> str:
    """Return the type of the bytes."""
    if not head:
        raise InvalidInputError("is empty")
    given, found = None if mime_type is None else plain_type(mime_type), sniff(head)
    if found is None:
        claim = f"is {given} by its MIME type, and" if given else "is"
        raise InvalidInputError(
            f"{claim} no known medium by its first bytes: the types are {', '.join(MEDIA_TYPES)}"
        )
    if not agree(given, found):
        raise InvalidInputError(
            f"is {given} by its MIME type, and {found} by its bytes: correct the type or the name "
            "of the file"
        )
    if found not in MODALITIES:
        raise InvalidInputError(
            f"is {found}, which gemini-embedding-2 does not embed: {advice(found)}"
        )
    return found


def _checked_size(file: BytesFile) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > MOST_BYTES:
        raise InvalidInputError(f"has {size:,} bytes, and the API takes at most {MOST_BYTES:,}")
    return size
