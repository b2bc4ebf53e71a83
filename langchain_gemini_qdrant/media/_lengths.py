"""How long a sound or video is, and how many pages a PDF has."""

from __future__ import annotations

import io
import struct
import wave
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


def seconds_of(mime_type: str, data: bytes) -> float | None:
    """Return the length of a sound or video in seconds, None if it is not told by the file."""
    if mime_type == "audio/wav":
        return _seconds_of_wav(io.BytesIO(data))
    if mime_type in {"video/mp4", "video/quicktime"}:
        return _seconds_of_mp4(data)
    return None


def _seconds_of_wav(file: BinaryIO) -> float | None:
    try:
        with wave.open(file) as sound:
            return float(sound.getnframes() / sound.getframerate())
    except (wave.Error, EOFError, ZeroDivisionError):
        return None


def _seconds_of_mp4(data: bytes) -> float | None:
    at = data.find(b"mvhd")
    if at < 0:
        return None
    body = data[at + 4 : at + 36]
    try:
        if body[0] == 1:
            scale, duration = struct.unpack(">IQ", body[20:32])
        else:
            scale, duration = struct.unpack(">II", body[12:20])
    except (IndexError, struct.error):
        return None
    return duration / scale if scale else None


def pages_of(data: bytes) -> int | None:
    """Return the number of pages of a PDF, None if pypdf is not installed or cannot read it."""
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - in the extra `cli`
        from pypdf.errors import PyPdfError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return len(PdfReader(io.BytesIO(data)).pages)
    except (PyPdfError, ValueError, RecursionError):
        return None
