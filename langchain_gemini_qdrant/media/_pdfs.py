"""Pages of PDFs, read by pypdf: how many there are, and one of them as a PDF of its own."""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pypdf import PdfReader

    from langchain_gemini_qdrant.media._kinds import BytesFile

_KEPT_BYTES = 64 * 1024**2

# PDFs whose pages were read last, by digest, with their bytes in `_KEPT_BYTES` together: the next
# page need not parse the file again. A reader that is in use is not in it, so threads share none.
_kept: dict[str, tuple[PdfReader, int]] = {}

# Keys of annotations that lead to other pages, which would be copied along.
_LEADING_AWAY = ("/A", "/AA", "/B", "/Dest", "/IRT", "/P", "/Popup")


def pages_of(file: BytesFile) -> int | None:
    """Return the number of pages of a PDF, None if pypdf is not installed.

    Raises:
        InvalidInputError: It cannot be read.
    """
    try:
        import pypdf  # noqa: F401, PLC0415 - in the extra `cli`
    except ImportError:
        return None
    with _reading():
        return len(_reader(file).pages)


def page_of(file: BytesFile, digest: str, page: int) -> bytes:
    """Return one page of a PDF as a PDF of its own, as pypdf writes it.

    Args:
        file: The PDF, which is read only if its pages are not kept in memory.
        digest: SHA-256 of the PDF, in hex.
        page: Number of the page, from 1.

    Raises:
        InvalidInputError: The PDF cannot be read, has changed, or does not have this page.
        ConfigurationError: pypdf is not installed.
    """
    kept = _kept.pop(digest, None)
    reader, size = _opened(file, digest) if kept is None else kept
    with _reading():
        single = _extracted(reader, page)
    if size <= _KEPT_BYTES:
        _keep(digest, reader, size)
    return single


def _opened(file: BytesFile, digest: str) -> tuple[PdfReader, int]:
    if hashlib.file_digest(file, "sha256").hexdigest() != digest:
        raise InvalidInputError("has changed while it was read")
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with _reading():
        # A reader that is kept must not need the file, which the caller closes.
        return _reader(io.BytesIO(file.read()) if size <= _KEPT_BYTES else file), size


def _extracted(reader: PdfReader, page: int) -> bytes:
    from pypdf import PdfWriter  # noqa: PLC0415

    if not 1 <= page <= len(reader.pages):
        raise InvalidInputError(f"has {counted(len(reader.pages), 'page')}, and no page {page}")
    writer, single = PdfWriter(), io.BytesIO()
    writer.add_page(reader.pages[page - 1], excluded_keys=_LEADING_AWAY)
    writer.write(single)
    return single.getvalue()


def _keep(digest: str, reader: PdfReader, size: int) -> None:
    _kept[digest] = (reader, size)
    while sum([each for _, each in list(_kept.values())]) > _KEPT_BYTES:
        _kept.pop(next(iter(list(_kept)), ""), None)


def _reader(file: BytesFile) -> PdfReader:
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - in the extra `cli`
    except ImportError as error:
        raise ConfigurationError(
            "pages of PDFs need pypdf: pip install 'langchain-gemini-qdrant[cli]'"
        ) from error
    file.seek(0)
    reader = PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise InvalidInputError("is encrypted: save a copy without the password")
    return reader


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (InvalidInputError, ConfigurationError, OSError):
        raise
    except Exception as error:  # of a broken file, pypdf raises errors of any class
        raise InvalidInputError(
            f"cannot be read as a PDF ({type(error).__name__}: {error})"
        ) from error
