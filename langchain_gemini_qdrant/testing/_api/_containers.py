"""What stands inside a media file: its format, a title or a caption, its length, its pages."""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from langchain_gemini_qdrant.testing._api._pdf import read_pdf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAX_TEXT = 100_000  # characters, and bytes of a compressed text
_PNG_TEXTS = {b"Title", b"Description", b"Comment"}
_WAV_TEXTS = {b"INAM", b"ISBJ", b"ICMT", b"IKEY"}
_ID3_TEXTS = {b"TIT2", b"COMM", b"TT2", b"COM"}
_ID3_CODECS = ("latin-1", "utf-16", "utf-16-be", "utf-8")
_MP4_TEXTS = {b"\xa9nam", b"\xa9des", b"\xa9cmt", b"desc", b"ldes"}
_EXIF_DESCRIPTION = 0x010E
_NO_SEGMENT_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers of JPEG that stand alone
_START_OF_SCAN, _COMMENT, _APP1 = 0xDA, 0xFE, 0xE1

# Kilobits a second and samples a second of layer III, by the numbers in a frame's header.
_BITRATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LAYER_3 = 1
_SYNC = 0x7FF  # the first 11 bits of a frame


class Inside(NamedTuple):
    """What a file says of itself; `seconds` and `pages` are 0 where a format has none."""

    text: str = ""
    seconds: float = 0.0
    pages: int = 0


def sniff(data: bytes) -> str:
    """Return the format of a file by its first bytes, `""` for an unknown one."""
    for start, name in _STARTS:
        if re.match(start, data, re.DOTALL):
            return name
    return ""


def read_inside(data: bytes, form: str, *, with_text: bool) -> Inside:
    """Read a file of a format that `sniff` returned; of a damaged one, what is found before that.

    Args:
        data: The file.
        form: Its format.
        with_text: Whether to look for its text, which takes longer for a PDF file.
    """
    if form == "PDF":
        text, pages = read_pdf(data, with_text=with_text)
        return Inside(text[:_MAX_TEXT], pages=pages)
    read = _READERS.get(form)
    try:
        inside = Inside() if read is None else read(data)
    except (struct.error, IndexError, zlib.error):
        return Inside()
    return inside._replace(text=inside.text[:_MAX_TEXT] if with_text else "")


# Each start is a pattern of bytes; HEIF has the brands of HEIC and AVIF.
_STARTS = (
    (rb"\x89PNG", "PNG"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"RIFF.{4}WAVE", "WAV"),
    (rb"RIFF.{4}WEBP", "WEBP"),
    (rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "MP3"),
    (rb".{4}ftyp(?:heic|heix|hevc|mif1|msf1|avif|avis)", "HEIF"),
    (rb".{4}(?:ftyp|moov|mdat|wide)", "MP4"),
    (rb"%PDF", "PDF"),
    (rb"BM", "BMP"),
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").rstrip("\0")


def _png(data: bytes) -> Inside:
    texts, at = [], 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in {b"tEXt", b"zTXt", b"iTXt"}:
            name, _, rest = data[at + 8 : at + 8 + length].partition(b"\0")
            if name in _PNG_TEXTS:
                texts.append(_png_text(kind, rest))
        at += length + 12
    return Inside(" ".join(texts))


def _png_text(kind: bytes, rest: bytes) -> str:
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        return zlib.decompressobj().decompress(rest[1:], _MAX_TEXT).decode("latin-1")
    text = rest[2:].split(b"\0", 2)[2]  # after language and translated keyword
    return _text(zlib.decompressobj().decompress(text, _MAX_TEXT) if rest[0] else text)


def _jpeg(data: bytes) -> Inside:
    texts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004  starts each marker
        marker = data[at + 1]
        if marker == 0xFF or marker in _NO_SEGMENT_LENGTH:  # noqa: PLR2004  filler
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at + 4 : at + 2 + length]
        if marker == _COMMENT:
            texts.append(_text(segment))
        elif marker == _APP1 and segment.startswith(b"Exif\0\0"):
            texts.append(_exif_description(segment[6:]))
        elif marker == _START_OF_SCAN:
            break
        at += 2 + length
    return Inside(" ".join(texts))


def _exif_description(tiff: bytes) -> str:
    order = ">" if tiff.startswith(b"MM") else "<"
    (at,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, _, length, offset = struct.unpack_from(f"{order}HHII", tiff, entry)
        if tag == _EXIF_DESCRIPTION:
            start = entry + 8 if length <= 4 else offset  # noqa: PLR2004  it fits into the entry
            return _text(tiff[start : start + length])
    return ""


def _wav(data: bytes) -> Inside:
    texts, rate, size = [], 0, 0
    for kind, start, end in _chunks(data, 12, len(data)):
        if kind == b"fmt ":
            (rate,) = struct.unpack_from("<I", data, start + 8)  # bytes a second
        elif kind == b"data":
            size = end - start
        elif kind == b"LIST" and data.startswith(b"INFO", start):
            texts += [
                _text(data[first:last])
                for name, first, last in _chunks(data, start + 4, end)
                if name in _WAV_TEXTS
            ]
    return Inside(" ".join(texts), seconds=size / rate if rate else 0.0)


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk of a RIFF file."""
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, min(at + 8 + length, end)
        at += 8 + length + length % 2


def _mp3(data: bytes) -> Inside:
    texts: list[str] = []
    at = 0
    if data.startswith(b"ID3"):
        at = 10 + _sync_safe(data[6:10])
        texts = list(_id3_texts(data[:at], version=data[3]))
    seconds = 0.0
    while 0 <= (at := data.find(b"\xff", at)) <= len(data) - 4:
        size, length = _mp3_frame(int.from_bytes(data[at : at + 4], "big"))
        at += size or 1
        seconds += length
    return Inside(" ".join(texts), seconds=seconds)


def _id3_texts(tag: bytes, *, version: int) -> Iterator[str]:
    name, length = (3, 3) if version == 2 else (4, 4)  # noqa: PLR2004
    at = 10
    while at + name + length < len(tag) and tag[at]:
        size = tag[at + name : at + name + length]
        body = at + name + length + (0 if version == 2 else 2)  # noqa: PLR2004  flags
        end = body + (_sync_safe(size) if version == 4 else int.from_bytes(size, "big"))  # noqa: PLR2004
        if tag[at : at + name] in _ID3_TEXTS and end > body:
            codec = _ID3_CODECS[min(tag[body], 3)]
            is_comment = tag[at : at + 3] == b"COM"  # has a language before its text
            text = tag[body + (4 if is_comment else 1) : end].decode(codec, "replace")
            yield text.replace("\0", " ").replace("\ufeff", "").strip()
        at = end


def _sync_safe(size: bytes) -> int:
    """Return a size of ID3, of which each byte has seven bits."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(size, (21, 14, 7, 0), strict=True))


def _mp3_frame(header: int) -> tuple[int, float]:
    """Return bytes and seconds of a frame; zeros if this is no header of layer III."""
    version, layer = header >> 19 & 3, header >> 17 & 3
    bitrate, rate = header >> 12 & 15, header >> 10 & 3
    known = version in _RATES and layer == _LAYER_3 and bitrate not in {0, 15} and rate in range(3)
    if header >> 21 != _SYNC or not known:
        return 0, 0.0
    samples = 1152 if version == 3 else 576  # noqa: PLR2004  of MPEG-1, of MPEG-2
    per_second = _RATES[version][rate]
    kilobits = _BITRATES[version == 3][bitrate]  # noqa: PLR2004
    return samples * kilobits * 125 // per_second + (header >> 9 & 1), samples / per_second


def _mp4(data: bytes) -> Inside:
    texts: list[str] = []
    seconds = 0.0
    for kind, start, end in _inner(data, 0, len(data), b"moov"):
        if kind == b"mvhd":
            form = ">20xIQ" if data[start] else ">12xII"
            scale, duration = struct.unpack_from(form, data, start)
            seconds = duration / scale if scale else 0.0
        elif kind == b"udta":
            texts += [
                _text(data[s + 4 : e]) for k, s, e in _boxes(data, start, end) if k[:1] == b"\xa9"
            ]
            texts += _itunes_texts(data, start, end)
    return Inside(" ".join(texts), seconds=seconds)


def _itunes_texts(data: bytes, start: int, end: int) -> list[str]:
    """Return the texts in a `udta` box, which are in `meta`, `ilst`, a box with a name, `data`."""
    return [
        _text(data[value + 8 : last])
        for meta, first, stop in _boxes(data, start, end)
        if meta == b"meta"
        for name, box, box_end in _inner(data, first + 4, stop, b"ilst")
        if name in _MP4_TEXTS
        for kind, value, last in _boxes(data, box, box_end)
        if kind == b"data"
    ]


def _inner(data: bytes, start: int, end: int, outer: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes inside the boxes of a name."""
    for kind, first, last in _boxes(data, start, end):
        if kind == outer:
            yield from _boxes(data, first, last)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each box of an MP4 file."""
    while at + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:  # a longer number follows
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        stop = at + length if length else end  # 0: to the end
        if stop < start:
            return
        yield kind, start, min(stop, end)
        at = stop


_READERS: dict[str, Callable[[bytes], Inside]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WAV": _wav,
    "MP3": _mp3,
    "MP4": _mp4,
}
