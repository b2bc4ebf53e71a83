"""How long a sound or video is, read from its headers.

Only headers are read, at most `_MOST_BOXES` of them, so the time does not depend on the size of
the file. The numbers in a header may be wrong: none of them decides how much is read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import BytesFile, id3_bytes, mp3_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BOXES = 4096
_MOST_TRACKS = 32
_WINDOW = 1 << 16  # bytes in which an MP3 file must have its first frame
_UNKNOWN = {0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}  # lengths that a writer leaves open


def seconds_of(mime_type: str, file: BytesFile, size: int) -> float | None:
    """Return the length of a sound or video in seconds, None if the file does not tell it.

    Args:
        mime_type: The type that the first bytes tell.
        file: The file, which can seek.
        size: Its number of bytes.

    Raises:
        InvalidInputError: It cannot be played: it is cut off, or a video has no pictures.
    """
    if mime_type == "audio/wav":
        return _seconds_of_wav(file, size)
    if mime_type == "audio/mpeg":
        return _seconds_of_mp3(file, size)
    if mime_type in {"video/mp4", "video/quicktime"}:
        return _seconds_of_mp4(file, size)
    return None


def _read(file: BytesFile, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


# --- WAV ---------------------------------------------------------------------------------------


def _seconds_of_wav(file: BytesFile, size: int) -> float | None:
    at, byte_rate = 12, 0
    for _ in range(_MOST_BOXES):
        head = _read(file, at, 8)
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        if kind == b"fmt ":
            byte_rate = _byte_rate(_read(file, at + 8, 16))
        elif kind == b"data":
            rest = max(size - at - 8, 0)
            sound = rest if length in _UNKNOWN else min(length, rest)
            return sound / byte_rate if byte_rate else None
        at += 8 + length + length % 2
    raise InvalidInputError("is a WAV file without sound: it is cut off")


def _byte_rate(form: bytes) -> int:
    """Return the bytes of a second; in PCM, writers sometimes leave their sum out."""
    if len(form) < 16:
        return 0
    _, _, hertz, byte_rate, block, _ = struct.unpack("<HHIIHH", form)
    return int(byte_rate or hertz * block)


# --- MP3 ---------------------------------------------------------------------------------------


def _seconds_of_mp3(file: BytesFile, size: int) -> float | None:
    start = 0
    for _ in range(_MOST_BOXES):
        tag = id3_bytes(_read(file, start, 10))
        if not tag:
            break
        start += tag
    data = _read(file, start, _WINDOW)
    at = _first_frame(data)
    frame = mp3_frame(data, at)
    if frame is None:
        return None
    counted = _counted_frames(data, at + 4, frame.side_bytes)
    if counted:
        return counted * frame.seconds
    end = size - 128 if size >= 128 and _read(file, size - 128, 3) == b"TAG" else size
    return _seconds_by_rate(data, at, end - start - at)


def _first_frame(data: bytes) -> int:
    """Return where the first frame is that another frame or the end follows; else the end."""
    at = data.find(b"\xff")
    while at >= 0:
        frame = mp3_frame(data, at)
        if frame is not None:
            after = at + frame.size_bytes
            if after + 4 > len(data) or mp3_frame(data, after) is not None:
                return at
        at = data.find(b"\xff", at + 1)
    return len(data)


def _counted_frames(data: bytes, at: int, side_bytes: int) -> int:
    """Return the number of frames that the header of an encoder tells, 0 without one."""
    xing = data[at + side_bytes : at + side_bytes + 12]
    if xing[:4] in {b"Xing", b"Info"} and len(xing) == 12 and xing[7] & 1:
        return _number(xing[8:])
    vbri = data[at + 32 : at + 50]
    return _number(vbri[14:]) if vbri[:4] == b"VBRI" and len(vbri) == 18 else 0


def _seconds_by_rate(data: bytes, at: int, size: int) -> float:
    """Return the seconds of `size` bytes of sound with the bitrate of its first frames."""
    seconds, start = 0.0, at
    while (frame := mp3_frame(data, at)) is not None:
        seconds += frame.seconds
        at += frame.size_bytes
    return seconds * max(size, 0) / (at - start)


# --- MP4 and MOV -------------------------------------------------------------------------------


class _Box(NamedTuple):
    kind: bytes
    start: int  # of what it contains
    end: int


def _boxes(file: BytesFile, start: int, end: int) -> Iterator[_Box]:
    """Yield the boxes between two positions; one that is cut off ends at `end`."""
    for _ in range(_MOST_BOXES):
        head = _read(file, start, 16) if end - start >= 8 else b""
        if len(head) < 8:
            return
        length, body = _number(head[:4]), start + 8
        if length == 1:
            length, body = _number(head[8:]), start + 16
        after = end if length == 0 else start + length
        if after < body:  # no box is smaller than its own header
            return
        yield _Box(head[4:8], body, min(after, end))
        start = after


def _seconds_of_mp4(file: BytesFile, size: int) -> float | None:
    movie = _child(file, _Box(b"", 0, size), b"moov")
    if movie is None:
        raise InvalidInputError(
            "is a video without an index (the box 'moov'): it is cut off, or still being written"
        )
    tracks = [box for box in _boxes(file, movie.start, movie.end) if box.kind == b"trak"]
    media = [_child(file, track, b"mdia") for track in tracks[:_MOST_TRACKS]]
    handlers = {_handler(file, _child(file, each, b"hdlr")) for each in media}
    if b"soun" in handlers and b"vide" not in handlers:
        raise InvalidInputError("has sound without pictures: convert it to MP3 or WAV")
    header = _child(file, movie, b"mvhd")
    fragments = _child(file, _child(file, movie, b"mvex"), b"mehd")
    return _duration(file, header) or _duration_of_fragments(file, header, fragments)


def _child(file: BytesFile, box: _Box | None, kind: bytes) -> _Box | None:
    inner = () if box is None else _boxes(file, box.start, box.end)
    return next((each for each in inner if each.kind == kind), None)


def _body(file: BytesFile, box: _Box | None) -> bytes:
    return b"" if box is None else _read(file, box.start, min(32, box.end - box.start))


def _handler(file: BytesFile, box: _Box | None) -> bytes:
    return _body(file, box)[8:12]


def _duration(file: BytesFile, header: _Box | None) -> float | None:
    """Return the seconds that the header of a movie tells, None if it leaves them open."""
    data = _body(file, header)
    form, at = (">IQ", 20) if data[:1] == b"\x01" else (">II", 12)
    if len(data) < at + struct.calcsize(form):
        return None
    scale, duration = struct.unpack_from(form, data, at)
    return duration / scale if scale and duration not in _UNKNOWN else None


def _duration_of_fragments(
    file: BytesFile, header: _Box | None, fragments: _Box | None
) -> float | None:
    """Return the seconds of a movie whose pictures come in fragments, as of a stream."""
    movie, data = _body(file, header), _body(file, fragments)
    at = 20 if movie[:1] == b"\x01" else 12
    scale = _number(movie[at : at + 4])
    duration = _number(data[4:12] if data[:1] == b"\x01" else data[4:8])
    return duration / scale if scale and duration not in _UNKNOWN else None
