"""Kinds of media: which ones the model embeds, and how the first bytes of a file tell its kind.

Source: https://ai.google.dev/gemini-api/docs/embeddings (types, lengths and numbers of media)
"""

from __future__ import annotations

import re
from io import BufferedReader, BytesIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Modality: TypeAlias = Literal["IMAGE", "AUDIO", "VIDEO", "DOCUMENT"]

BytesFile: TypeAlias = BytesIO | BufferedReader
"""A file that can seek."""

HEAD_BYTES = 4096
"""How many of a file's first bytes `sniff` reads."""

MOST_BYTES = 2 * 1024**3
"""Largest file, in bytes: the limit of the Files API.

Source: https://ai.google.dev/gemini-api/docs/files
"""

MEDIA_TYPES: Mapping[str, Modality] = MappingProxyType(
    {
        "image/png": "IMAGE",
        "image/jpeg": "IMAGE",
        "audio/mpeg": "AUDIO",
        "audio/wav": "AUDIO",
        "video/mp4": "VIDEO",
        "video/quicktime": "VIDEO",
        "application/pdf": "DOCUMENT",
    }
)
"""MIME types of the media that gemini-embedding-2 embeds, with the modality that Google bills.

Vertex AI also embeds WebP, BMP, HEIC, HEIF and AVIF images.
"""

_VERTEX_TYPES = ("image/webp", "image/bmp", "image/heic", "image/heif", "image/avif")
MODALITIES: Mapping[str, Modality] = {**MEDIA_TYPES, **dict.fromkeys(_VERTEX_TYPES, "IMAGE")}
"""The types of media of any platform."""

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-bmp": "image/bmp",
    "image/x-ms-bmp": "image/bmp",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
    "audio/mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
    "audio/mpg": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/x-mpeg": "audio/mpeg",
    "audio/x-mpeg-3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/x-pn-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "video/mov": "video/quicktime",
    "video/x-quicktime": "video/quicktime",
    "video/x-m4v": "video/mp4",
    "application/x-pdf": "application/pdf",
}
_SAYS_NOTHING = {"", "application/octet-stream", "binary/octet-stream"}
# One container has several names; a phone's HEIC pictures and MOV videos often have the other one.
_ALIKE = ({"video/mp4", "video/quicktime"}, {"image/heic", "image/heif"})


class Limit(NamedTuple):
    """Limits of one content, and the tokens of media.

    Attributes:
        most: Most media of this modality in one content.
        seconds: Longest medium in whole seconds, None without such a limit.
        pages: Most pages, None without such a limit.
        tokens: Tokens of an image, a second of sound, a frame of a video or a page.
    """

    most: int
    seconds: int | None
    pages: int | None
    tokens: int


LIMITS: dict[Modality, Limit] = {
    "IMAGE": Limit(most=6, seconds=None, pages=None, tokens=258),
    "AUDIO": Limit(most=1, seconds=180, pages=None, tokens=25),
    "VIDEO": Limit(most=1, seconds=120, pages=None, tokens=66),
    "DOCUMENT": Limit(most=1, seconds=None, pages=6, tokens=258),
}

MOST_FRAMES = 32
"""Frames that the model looks at: one a second, or this many spread over a longer video."""

MOST_TOKENS = 8192
"""Tokens that the model reads of one content; it ignores the rest."""


def plain_type(mime_type: str) -> str | None:
    """Return a MIME type in the spelling of this module, None if it does not tell a kind."""
    name = mime_type.partition(";")[0].strip().lower()
    return None if name in _SAYS_NOTHING else _ALIASES.get(name, name)


def agree(given: str | None, found: str) -> bool:
    """Return whether two plain MIME types may be those of one file."""
    return given in {None, found} or any({given, found} <= names for names in _ALIKE)


def advice(mime_type: str) -> str:
    """Return what to do with a medium of a type that is not embedded."""
    target = {"image": "PNG or JPEG", "audio": "MP3 or WAV", "video": "MP4"}
    into = target.get(mime_type.partition("/")[0])
    return f"convert it to {into}" if into else f"the types are {', '.join(MEDIA_TYPES)}"


# The order is of no importance: no two match one file.
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"8BPS\0", "image/vnd.adobe.photoshop"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\xff\x0a", "image/jxl"),
    (b"fLaC\0", "audio/flac"),
    (b"OggS\0", "audio/ogg"),
    (b"#!AMR", "audio/amr"),
    (b"MThd\0\0\0\x06", "audio/midi"),
    (b"caff\0", "audio/x-caf"),
    (b"FLV\x01", "video/x-flv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"0&\xb2u\x8ef\xcf\x11", "video/x-ms-asf"),
    (b"%PDF-", "application/pdf"),
)
_CHUNKED = {
    b"RIFF": {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"},
    b"RF64": {b"WAVE": "audio/x-rf64"},  # WAV with 64-bit sizes
    b"BW64": {b"WAVE": "audio/x-rf64"},
    b"FORM": {b"AIFF": "audio/aiff", b"AIFC": "audio/aiff"},
}
_BRANDS = {
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"M4P ": "audio/mp4",
    b"F4A ": "audio/mp4",
    b"F4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"hevx": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
    b"crx ": "image/x-canon-cr3",
}
# QuickTime files from before `ftyp` start with one of these boxes.
_OLD_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?!<!doctype html)<(?:[?!][^\0]*?<)?svg[\s>]", re.IGNORECASE
)
_LATE_PDF = re.compile(rb"%PDF-[12]\.\d")
_PDF_WITHIN = 1024  # ISO 32000-1, Annex H: readers look for the header in so many first bytes


def sniff(head: bytes) -> str | None:
    """Return the MIME type that a file's first bytes tell, None if it is no known medium.

    The type need not be one that the model embeds.

    Args:
        head: The first `HEAD_BYTES` bytes, or all of a smaller file.
    """
    for magic, mime_type in _MAGIC:
        if head.startswith(magic):
            return mime_type
    found = _container(head) or _mpeg_audio(head) or _bitmap(head)
    if found is None and _SVG.match(head):
        return "image/svg+xml"
    if found is None and _LATE_PDF.search(head, 0, _PDF_WITHIN):
        return "application/pdf"
    return found


def _container(head: bytes) -> str | None:
    kind, start = head[8:12], head[:4]
    if start in _CHUNKED:
        return _CHUNKED[start].get(kind)
    if start == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[4:8] == b"ftyp":
        return _of_brands(head)
    if head[4:8] in _OLD_BOXES and head[:1] < b"\t":  # below the first byte of any text
        return "video/quicktime"
    return None


def _of_brands(head: bytes) -> str:
    """Return the type of a file of ISO boxes: a picture, sound or video."""
    major = head[8:12]
    if major.startswith(b"3g"):
        return "video/3gpp"
    found = _BRANDS.get(major, "video/mp4")
    if found != "image/heif":
        return found
    end = min(int.from_bytes(head[:4], "big"), len(head))
    others = {_BRANDS.get(head[at : at + 4]) for at in range(16, end, 4)}
    return next((each for each in ("image/avif", "image/heic") if each in others), found)


def _mpeg_audio(head: bytes) -> str | None:
    if tag := id3_bytes(head):
        after = head[tag:]
        return (sniff(after) if after else None) or "audio/mpeg"
    if mp3_frame(head) is not None:
        return "audio/mpeg"
    is_adts = head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0
    return "audio/aac" if is_adts else None


def id3_bytes(head: bytes) -> int:
    """Return how many bytes the ID3v2 tag takes that a sound starts with, 0 without one."""
    is_tag = head.startswith((b"ID3\2", b"ID3\3", b"ID3\4")) and len(head) >= 10
    if not is_tag or max(head[6:10]) > 0x7F:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    footer = 10 if head[5] & 0x10 else 0
    return 10 + size + footer


class Mp3Frame(NamedTuple):
    """What the header of an MP3 frame tells.

    Attributes:
        size_bytes: Its length with the header.
        seconds: Its duration.
        side_bytes: Length of the side information, behind which a Xing header may stand.
    """

    size_bytes: int
    seconds: float
    side_bytes: int


_KILOBITS = (  # MPEG-1, and MPEG-2 and 2.5; both layer III
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_HERTZ = (44_100, 48_000, 32_000)


def mp3_frame(data: bytes, at: int = 0) -> Mp3Frame | None:
    """Return the header of an MP3 frame at a position, None if there is none.

    Layer III only: the bytes of UTF-16 text are those of layer I, and AAC has no layer.
    """
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version = data[at + 1] >> 3 & 3  # 0: MPEG-2.5, 2: MPEG-2, 3: MPEG-1
    bitrate, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or bitrate in {0, 15} or rate == 3:
        return None
    is_first = version == 3
    hertz = _HERTZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    samples = 1152 if is_first else 576
    kilobits = _KILOBITS[0 if is_first else 1][bitrate]
    size = samples * kilobits * 125 // hertz + (data[at + 2] >> 1 & 1)
    is_mono = data[at + 3] >> 6 == 3
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return Mp3Frame(size, samples / hertz, side)


def _bitmap(head: bytes) -> str | None:
    is_bmp = head.startswith(b"BM") and head[6:10] == bytes(4) and head[14:18] in _BMP_HEADERS
    return "image/bmp" if is_bmp else None


_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}
