"""What becomes one vector: a text, a medium, or a sequence of both."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from langchain_core.documents.base import Blob
from langchain_core.messages.content import (
    AudioContentBlock,
    FileContentBlock,
    ImageContentBlock,
    PlainTextContentBlock,
    TextContentBlock,
    VideoContentBlock,
)

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import LIMITS, MEDIA_TYPES, plain_type
from langchain_gemini_qdrant.media._medium import Medium, medium_of_address, medium_of_bytes

if TYPE_CHECKING:
    from typing_extensions import TypeIs

ContentBlock: TypeAlias = (
    TextContentBlock
    | PlainTextContentBlock
    | ImageContentBlock
    | AudioContentBlock
    | VideoContentBlock
    | FileContentBlock
)
Content: TypeAlias = str | Blob | ContentBlock | Sequence[str | Blob | ContentBlock]
"""One vector: a text, an image, sound, video or PDF, or a sequence of these."""

_ADDRESSES = ("gs://", "files/", "https://generativelanguage.googleapis.com/")


def as_content(value: object) -> str | tuple[str | Medium, ...]:
    """Return a content in the form in which it is sent; a text stays a `str`.

    Raises:
        InvalidInputError: It cannot be embedded; the message lacks its index.
    """
    if isinstance(value, str):
        _refuse_data_uri(value)
        return value
    values: Sequence[object] = value if _is_sequence(value) else [value]
    parts = tuple([_part(each) for each in values])
    if not parts:
        raise InvalidInputError("a content is empty: it needs a text or a medium")
    _check_numbers(parts)
    if all(isinstance(part, str) for part in parts):
        return "\n".join(part for part in parts if isinstance(part, str))
    return parts


def _is_sequence(value: object) -> TypeIs[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _refuse_data_uri(text: str) -> None:
    if text.startswith("data:") and ";base64," in text[:200]:
        raise InvalidInputError(
            "a text is a data: URI, which would be embedded letter by letter: pass a Blob, or the "
            "content block {'type': 'image', 'base64': ..., 'mime_type': ...}"
        )


def _part(value: object) -> str | Medium:
    if isinstance(value, str):
        _refuse_data_uri(value)
        return value
    if isinstance(value, Medium):
        return value
    if isinstance(value, Blob):
        return medium_of_bytes(value.as_bytes, mime_type=value.mimetype, source=value.source)
    if isinstance(value, Mapping) and "type" in value:
        return _of_block(value)
    raise InvalidInputError(
        "a content must be a string, a Blob or a content block, or a sequence of these, got "
        f"{type(value).__name__}"
    )


def _of_block(block: Mapping[str, Any]) -> str | Medium:
    kind = block["type"]
    if kind in {"text", "text-plain"} and isinstance(block.get("text"), str):
        return str(block["text"])
    if kind not in {"image", "audio", "video", "file"}:
        raise InvalidInputError(f"a content block of type {kind!r} cannot be embedded")
    mime_type = block.get("mime_type")
    if "base64" in block:
        try:
            data = base64.b64decode(block["base64"], validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise InvalidInputError(
                f"the base64 of a content block is not valid: {error}"
            ) from None
        return medium_of_bytes(lambda: data, mime_type=mime_type, source=None)
    address = block.get("url") or block.get("file_id")
    if not isinstance(address, str) or not address.startswith(_ADDRESSES):
        raise InvalidInputError(
            f"a content block of type {kind!r} needs base64, or an address that the API reads "
            f"({', '.join(_ADDRESSES)}), got {address!r}"
        )
    if mime_type is None or plain_type(mime_type) not in MEDIA_TYPES:
        raise InvalidInputError(f"{address} needs a mime_type of {', '.join(MEDIA_TYPES)}")
    return medium_of_address(address, mime_type=mime_type)


def _check_numbers(parts: Sequence[str | Medium]) -> None:
    media = [part for part in parts if isinstance(part, Medium)]
    for modality, number in Counter(medium.modality for medium in media).items():
        if number > LIMITS[modality].most:
            raise InvalidInputError(
                f"a content has {number} media of the kind {modality}, and the model takes at most "
                f"{LIMITS[modality].most}: make several contents of them"
            )
