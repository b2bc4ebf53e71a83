"""Pages and text of a PDF file: by pypdf if it is installed, otherwise by its drawing operators."""

from __future__ import annotations

import io
import re
import zlib

_PAGES_READ = 6  # the models read no more
_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_STRING = re.compile(rb"\((?:\\.|[^\\()])*\)", re.DOTALL)
_SHOWS = re.compile(rb"T[jJ]\b")
_ESCAPE = re.compile(rb"\\([()\\])")
_MAX_STREAM = 1_000_000  # bytes after decompression


def read_pdf(data: bytes, *, with_text: bool) -> tuple[str, int]:
    """Return text and number of pages; the text of the first 6 pages, `""` if not asked for."""
    try:
        # Imported here: it is optional, and takes a tenth of a second.
        from pypdf import PdfReader  # noqa: PLC0415
    except ImportError:
        return _read_simply(data)
    try:
        pages = PdfReader(io.BytesIO(data)).pages
        texts = [page.extract_text() for page in pages[:_PAGES_READ]] if with_text else []
        return "\n".join(texts), len(pages)
    except Exception:  # noqa: BLE001  of a damaged file, it raises any error of Python's
        return _read_simply(data)


def _read_simply(data: bytes) -> tuple[str, int]:
    streams = [_plain(found) for found in _STREAM.findall(data)]
    pages = sum(len(_PAGE.findall(each)) for each in (data, *streams))
    shown = [each for part in streams if _SHOWS.search(part) for each in _STRING.findall(part)]
    text = b" ".join(_ESCAPE.sub(rb"\1", each[1:-1]) for each in shown)
    return text.decode("cp1252", "replace"), max(pages, 1)


def _plain(stream: bytes) -> bytes:
    """Return a stream that may be compressed."""
    try:
        return zlib.decompressobj().decompress(stream, _MAX_STREAM)
    except zlib.error:
        return stream
