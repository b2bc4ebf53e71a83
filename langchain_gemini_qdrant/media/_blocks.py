"""Content blocks of found documents, for chat models that read images, sounds, videos and PDFs."""

from __future__ import annotations

import asyncio
import base64
import mimetypes
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages.content import TextContentBlock

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._contents import is_address
from langchain_gemini_qdrant.media._kinds import MODALITIES, plain_type
from langchain_gemini_qdrant.media._medium import TYPE_KEY, short, split_page
from langchain_gemini_qdrant.media._references import (
    References,
    each_reference,
    scheme_of,
    types_of,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.media._contents import ContentBlock


def content_blocks(
    document: Document,
    *,
    media_key: str = "media",
    root: str | os.PathLike[str] | None = None,
    fetch: bool | Collection[str] = False,
) -> list[ContentBlock]:
    """Return a document as content blocks, which multimodal chat models take in a message.

    `HumanMessage(content_blocks=[*content_blocks(document), create_text_block(question)])` asks a
    model about a document that a search has found.

    Args:
        document: A document, for example one that a search has found.
        media_key: The key of the metadata with a reference to a medium, or a list of references.
            A reference is a path, an address with `file:`, `data:`, `gs:` or `https:`, or
            `files/...` of the Files API. `report.pdf#page=3` is one page of a PDF.
        root: The folder that files must be in, and that relative paths start from. None for no
            such bound, and the current folder.
        fetch: Whether to read `https:` addresses from the network: True for public ones, or the
            names of the only hosts to read from. False passes addresses to the model.

    Returns:
        A text block if `page_content` is not blank, then one block for each medium, in order.
        Files are in base64, with their MIME type; PDFs also have a name in `extras["filename"]`,
        which OpenAI's models ask for. Addresses that the model reads itself are in `url` or
        `file_id`.

    Raises:
        InvalidInputError: A file is gone, is outside `root`, or is no medium that can be embedded.
        ConfigurationError: A reference is a page of a PDF, and pypdf is not installed.
    """
    files = References(root=root, fetch=fetch)
    references = each_reference(document.metadata.get(media_key))
    types = types_of(references, document.metadata.get(TYPE_KEY))
    blocks: list[ContentBlock] = []
    if document.page_content.strip():
        blocks.append(TextContentBlock(type="text", text=document.page_content))
    for reference, mime_type in zip(references, types, strict=True):
        blocks.append(_block(reference, mime_type, files))
    return blocks


async def acontent_blocks(
    document: Document,
    *,
    media_key: str = "media",
    root: str | os.PathLike[str] | None = None,
    fetch: bool | Collection[str] = False,
) -> list[ContentBlock]:
    """Async counterpart of `content_blocks`, which reads the files in a thread."""
    return await asyncio.to_thread(
        content_blocks, document, media_key=media_key, root=root, fetch=fetch
    )


def _block(reference: str, mime_type: str | None, files: References) -> ContentBlock:
    is_web = scheme_of(reference) in {"http", "https"}
    if is_address(reference) or (is_web and not files.may_fetch()):
        key = "file_id" if reference.startswith("files/") else "url"
        kind = _known_type(reference, mime_type)
        return _made(kind, {key: reference})
    [medium] = files.media(reference, mime_type)
    values: dict[str, Any] = {"base64": base64.b64encode(medium.read()).decode()}
    if medium.modality == "DOCUMENT":
        place, _ = split_page(medium.source or "document.pdf")
        values["extras"] = {"filename": PurePath(place).name}
    return _made(medium.mime_type, values)


def _known_type(address: str, mime_type: str | None) -> str:
    name = mime_type or mimetypes.guess_type(split_page(address)[0])[0] or ""
    kind = plain_type(name)
    if kind is None or kind not in MODALITIES:
        raise InvalidInputError(
            f"{short(address)!r} needs a mime_type in its metadata, one of "
            f"{', '.join(MODALITIES)}, got {name or None!r}"
        )
    return kind


def _made(kind: str, values: dict[str, Any]) -> ContentBlock:
    # langchain-openai takes the name of the format from the type, and OpenAI knows "mp3" only.
    mime_type = "audio/mp3" if kind == "audio/mpeg" else kind
    block = {"type": _TYPES[MODALITIES[kind]], "mime_type": mime_type, **values}
    return cast("ContentBlock", block)


_TYPES = {"IMAGE": "image", "AUDIO": "audio", "VIDEO": "video", "DOCUMENT": "file"}
