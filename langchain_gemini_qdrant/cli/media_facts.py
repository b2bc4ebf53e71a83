"""What is known of stored images, sounds, videos and pages, in words."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.filesize import decimal

from langchain_gemini_qdrant.cli.options import MEDIA_KEY
from langchain_gemini_qdrant.cli.progress import counted, duration
from langchain_gemini_qdrant.media._kinds import MEDIA_TYPES
from langchain_gemini_qdrant.media._medium import SHA256_KEY, TYPE_KEY, Medium, split_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.documents import Document

NAMES = {"IMAGE": "image", "AUDIO": "sound", "VIDEO": "video", "DOCUMENT": "PDF page"}
"""The kinds of media by Google's names of modalities."""


def types_of(document: Document) -> list[str]:
    """Return the MIME type of each medium of a stored document; empty for a text."""
    metadata = document.metadata
    if SHA256_KEY not in metadata:
        return []
    types = metadata.get(TYPE_KEY)
    return [str(each) for each in (types if isinstance(types, list) else [types])]


def kinds_of(document: Document) -> list[str]:
    """Return the kind of each medium of a stored document: `["image"]`; empty for a text."""
    return [NAMES.get(MEDIA_TYPES.get(each, ""), "medium") for each in types_of(document)]


def media_tokens(document: Document) -> Counter[str]:
    """Estimate the tokens of a stored document's media by modality; no file is read."""
    seconds = document.metadata.get("seconds")
    tokens: Counter[str] = Counter()
    for mime_type in types_of(document):
        if mime_type in MEDIA_TYPES:
            length = float(seconds) if isinstance(seconds, int | float) else None
            medium = Medium(mime_type=mime_type, digest="", seconds=length)
            tokens[medium.modality] += medium.tokens
    return tokens


def facts_of(document: Document) -> list[str]:
    """Return kind, length and size of a document's media; empty for a text."""
    kinds = kinds_of(document)
    if not kinds:
        return []
    facts = [kinds[0] if len(kinds) == 1 else counted_kinds(kinds)]
    seconds, size = (document.metadata.get(key) for key in ("seconds", "size_bytes"))
    if isinstance(seconds, int | float):
        facts.append(duration(seconds))
    if isinstance(size, int):
        facts.append(decimal(size))
    return facts


def link_of(document: Document) -> str | None:
    """Return the address of a document's medium for a terminal that opens links."""
    reference = document.metadata.get(MEDIA_KEY)
    if not kinds_of(document) or not isinstance(reference, str):
        return None
    path, page = split_page(reference)
    if not Path(path).is_absolute():
        return None
    return Path(path).as_uri() + (f"#page={page}" if page else "")


def counted_kinds(kinds: Iterable[str] | Mapping[str, int]) -> str:
    """Return the numbers of kinds: `2 images, 1 sound`."""
    return ", ".join(counted(count, kind) for kind, count in Counter(kinds).items())
