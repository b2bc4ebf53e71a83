"""The kinds of media that gemini-embedding-2 embeds, told by their first bytes.

Source: https://ai.google.dev/gemini-api/docs/embeddings (types, lengths and numbers of media)
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Modality: TypeAlias = Literal["IMAGE", "AUDIO", "VIDEO", "DOCUMENT"]

HEAD_BYTES = 32
"""How many of a file's first bytes `sniff` needs."""

MEDIA_TYPES: dict[str, Modality] = {
    "image/png": "IMAGE",
    "image/jpeg": "IMAGE",
    "audio/mpeg": "AUDIO",
    "audio/wav": "AUDIO",
    "video/mp4": "VIDEO",
    "video/quicktime": "VIDEO",
    "application/pdf": "DOCUMENT",
}
"""The MIME types that gemini-embedding-2 embeds, and the modality by which Google counts each."""

_OTHER_NAMES = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "video/mov": "video/quicktime",
}


class Limit(NamedTuple):
    """Limits of one content, and the tokens of media.

    Attributes:
        most: Most media of this modality in one content.
        seconds: Longest medium in seconds, None without such a limit.
        pages: Most pages, None without such a limit.
        tokens: Tokens of an image, a second of sound, a frame of a video or a page.
    """

    most: int
    seconds: float | None
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


def plain_type(mime_type: str) -> str:
    """Return a MIME type in the form of `MEDIA_TYPES`, in lower case and without parameters."""
    name = mime_type.partition(";")[0].strip().lower()
    return _OTHER_NAMES.get(name, name)


def sniff(head: bytes) -> str | None:  # noqa: PLR0911 - one return for each kind
    """Return the MIME type of a file with these first bytes, None if it is not a known medium."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head.startswith(b"ID3") or head[:2] in {b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa"}:
        return "audio/mpeg"
    if head[4:8] == b"ftyp":
        return "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    return None
