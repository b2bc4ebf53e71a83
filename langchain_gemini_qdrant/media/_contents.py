"""What becomes one vector: a text, a medium, or a sequence of both."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

from langchain_core.documents.base import Blob, Document
from langchain_core.messages.content import (
    AudioContentBlock,
    FileContentBlock,
    ImageContentBlock,
    PlainTextContentBlock,
    TextContentBlock,
    VideoContentBlock,
)

from langchain_gemini_qdrant._words import counted
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import (
    LIMITS,
    MEDIA_TYPES,
    MOST_TOKENS,
    advice,
    plain_type,
)
from langchain_gemini_qdrant.media._medium import (
    Medium,
    medium_of_address,
    medium_of_bytes,
    medium_of_file,
    short,
    split_page,
)

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
"""A content block of LangChain: a text, or a medium as base64 or as an address."""

Content: TypeAlias = str | Blob | ContentBlock | Sequence[str | Blob | ContentBlock]
"""What becomes one vector: a text, an image, sound, video or PDF, or a sequence of these."""

Parts: TypeAlias = tuple[str | Medium, ...]
"""The texts and media of one content as they are sent, in order, at least one of them a medium."""

ADDRESSES = ("gs://", "files/", "https://generativelanguage.googleapis.com/")
"""How the addresses start that the API reads itself."""

TEXT_BLOCKS = {"text", "text-plain"}
"""The types of content blocks that are texts."""

# Of the Files API only its names, without a dot or a slash: `files/dog.png` is a path.
_ADDRESS = re.compile(
    r"gs://|https://generativelanguage\.googleapis\.com/|files/[a-z0-9-]{1,40}(?:#page=\d+)?$"
)

_DATA_URI = re.compile(r"data:([^,;]*)((?:;[^,;]*)*?)(;base64)?,", re.IGNORECASE)
_TEXT_OF_DATA_URI = re.compile(
    r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[^,;]*)*;base64,[A-Za-z0-9+/=_%\s-]*", re.IGNORECASE
)
_BYTES = bytes | bytearray | memoryview
_BLOCKS = {"image": "IMAGE", "audio": "AUDIO", "video": "VIDEO", "file": None}
_OLD_KEYS = {  # by `source_type`: the key in langchain-core 0.3, and that of today
    "base64": ("data", "base64"),
    "url": ("url", "url"),
    "id": ("id", "file_id"),
    "text": ("text", "text"),
}
_NOUNS = {"IMAGE": "image", "AUDIO": "sound", "VIDEO": "video", "DOCUMENT": "PDF"}


def as_content(value: object, *, vertexai: bool = False) -> str | Parts:
    """Return a content in the form in which it is sent; a text stays a `str`.

    Args:
        value: A `Content`. A `Medium` may stand for a block.
        vertexai: Whether it is for Vertex AI, which embeds more types of images.

    Returns:
        A text; or texts that are not blank and media in order, at least one of them a medium.

    Raises:
        InvalidInputError: It cannot be embedded; the message lacks its index.
    """
    if isinstance(value, str):
        return _text(value)
    values: Sequence[object] = value if is_sequence(value) else [value]
    if not values:
        raise InvalidInputError("a content is empty: it needs a text or a medium")
    parts = [_part(each) for each in values]
    parts = [part for part in parts if isinstance(part, Medium) or part.strip()]
    media = [part for part in parts if isinstance(part, Medium)]
    if not media:
        return text_of(tuple(parts))
    _check_limits(media, vertexai=vertexai)
    return tuple(parts)


def text_of(content: str | Parts) -> str:
    """Return the text of a content, `""` of media alone."""
    if isinstance(content, str):
        return content
    return "\n".join([part for part in content if isinstance(part, str)])


def is_sequence(value: object) -> TypeIs[Sequence[object]]:
    """Return whether a content is a sequence, and not a text or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | _BYTES)


def _text(text: str) -> str:
    if text[:5].lower() == "data:" and _TEXT_OF_DATA_URI.fullmatch(text):
        raise InvalidInputError(
            "a text is a data: URI, which would be embedded letter by letter: pass a Blob, or the "
            "content block {'type': 'image', 'base64': ..., 'mime_type': ...}"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            "a text contains half of a surrogate pair, which UTF-8 cannot encode: it was cut "
            "inside a character"
        ) from None
    return text


def _part(value: object) -> str | Medium:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Medium):
        return value
    if isinstance(value, Blob):
        return _of_blob(value)
    if isinstance(value, Mapping):
        return _of_block(value)
    raise InvalidInputError(
        "a content must be a string, a Blob or a content block, or a sequence of these, got "
        f"{type(value).__name__}{_hint(value)}"
    )


def _hint(value: object) -> str:
    """Return what to pass in place of a value."""
    if isinstance(value, _BYTES):
        return ": pass Blob.from_data(data, mime_type=...)"
    if isinstance(value, os.PathLike):
        return ": pass Blob.from_path(path)"
    if isinstance(value, Document):
        return ": pass its page_content, or add it to a store"
    if is_sequence(value):
        return ": a content is one flat sequence, so put the inner values into the outer one"
    if type(value).__module__.partition(".")[0] in {"PIL", "numpy", "torch"}:
        return ": pass Blob.from_data with the bytes of a PNG or JPEG file"
    return ""


def _of_blob(blob: Blob) -> str | Medium:
    source = None if blob.source is None else str(blob.source)
    if blob.data is None and blob.path is not None:
        path, page = split_page(os.fspath(blob.path))
        return medium_of_file(path, mime_type=blob.mimetype, source=source, page=page)
    if isinstance(blob.data, str):
        if (blob.mimetype or "text/").startswith("text/"):
            return _text(blob.data)
        raise InvalidInputError(
            f"{source or 'a Blob'} is {blob.mimetype} and has its data as a string: pass bytes"
        )
    try:
        data = blob.as_bytes()
    except ValueError as error:
        raise InvalidInputError(f"{source or 'a Blob'} has no bytes: {error}") from error
    return medium_of_bytes(data, mime_type=blob.mimetype, source=source)


def _of_block(block: Mapping[str, Any]) -> str | Medium:
    """Return the text or medium of a content block, also of one in the form of older programs."""
    block = _today(block)
    kind = str(block.get("type"))
    if kind in TEXT_BLOCKS and isinstance(block.get("text"), str):
        return _text(block["text"])
    if kind not in _BLOCKS:
        raise InvalidInputError(
            f"a content block of type {kind!r} cannot be embedded: the types are text, "
            f"{', '.join(_BLOCKS)}"
        )
    given = [key for key in ("base64", "url", "file_id") if block.get(key) is not None]
    if len(given) != 1:
        raise InvalidInputError(
            f"a content block of type {kind!r} needs one of base64, url and file_id, got "
            f"{' and '.join(given) or 'none of them'}"
        )
    value, mime_type = block[given[0]], block.get("mime_type")
    if not isinstance(value, str) or not isinstance(mime_type, str | None):
        raise InvalidInputError(
            f"{given[0]} and mime_type of a content block must be strings, got "
            f"{type(value).__name__} and {type(mime_type).__name__}"
        )
    medium = (
        medium_of_bytes(from_base64(value), mime_type=mime_type)
        if given == ["base64"]
        else _of_url(value, mime_type)
    )
    if _BLOCKS[kind] not in {None, medium.modality}:
        raise InvalidInputError(f"a content block of type {kind!r} is {medium.mime_type}")
    return medium


def _today(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a content block in LangChain's form of today."""
    kind, mime_type = str(block.get("type")), block.get("mime_type")
    if kind in {"image_url", "input_image"}:  # OpenAI's
        url = block.get("image_url")
        return {"type": "image", "url": url.get("url") if isinstance(url, Mapping) else url}
    if kind == "input_audio" and isinstance(block.get("input_audio"), Mapping):  # OpenAI's
        return {"type": "audio", "base64": block["input_audio"].get("data")}
    if kind == "media":  # langchain-google-genai's
        value, url = block.get("data"), block.get("file_uri")
        data = base64.b64encode(value).decode() if isinstance(value, bytes) else value
        return {"type": "file", "base64": data, "url": url, "mime_type": mime_type}
    if "source_type" in block:  # those of langchain-core 0.3
        old, new = _OLD_KEYS.get(str(block["source_type"]), ("", ""))
        return {"type": kind, "mime_type": mime_type, new: block.get(old)}
    return block


def from_base64(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet, with or without line ends and padding.

    Raises:
        InvalidInputError: It is not base64.
    """
    compact = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInputError(f"the base64 of a medium is not valid: {error}") from None


def _of_url(url: str, mime_type: str | None) -> Medium:
    if url[:5].lower() == "data:":
        return medium_of_data_uri(url, mime_type)
    if is_address(url):
        return medium_at(url, mime_type)
    raise InvalidInputError(
        f"a content block has the address {short(url)!r}, which the API does not read: pass "
        "base64, or an address that starts with " + " or ".join(ADDRESSES)
    )


def is_address(reference: str) -> bool:
    """Return whether the API reads a reference itself."""
    return _ADDRESS.match(reference) is not None


def medium_at(address: str, mime_type: str | None) -> Medium:
    """Return a medium that the API reads itself; its name tells the type if nothing else does.

    Raises:
        InvalidInputError: Its type is not known, or cannot be embedded, or a page is asked for.
    """
    if split_page(address)[1] is not None:
        raise InvalidInputError(
            f"{short(address)} is a page of an address, which the API reads only as a whole: use "
            "a file"
        )
    given = None if mime_type is None else plain_type(mime_type)
    known = given or mimetypes.guess_type(address)[0]
    if known is None:
        raise InvalidInputError(
            f"{short(address)} needs a mime_type, one of {', '.join(MEDIA_TYPES)}"
        )
    return medium_of_address(address, mime_type=known)


def medium_of_data_uri(uri: str, mime_type: str | None = None) -> Medium:
    """Return the medium whose bytes are in a data: URI.

    Raises:
        InvalidInputError: It is not valid, or has no bytes that can be embedded.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        raise InvalidInputError(f"{short(uri)!r} is not a data: URI: it has no comma")
    payload = uri[head.end() :]
    data = unquote_to_bytes(payload) if not head[3] else from_base64(_unquoted(payload))
    return medium_of_bytes(data, mime_type=mime_type or head[1] or None)


def _unquoted(payload: str) -> str:
    return unquote_to_bytes(payload).decode("ascii", "replace") if "%" in payload else payload


def _check_limits(media: Sequence[Medium], *, vertexai: bool) -> None:
    for medium in media:
        if not vertexai and medium.mime_type not in MEDIA_TYPES:
            raise InvalidInputError(
                f"{medium.name} is {medium.mime_type}, which only Vertex AI embeds: "
                f"{advice(medium.mime_type)}"
            )
        _check_length(medium)
    for modality, number in Counter([medium.modality for medium in media]).items():
        if number > LIMITS[modality].most:
            raise InvalidInputError(
                f"a content has {counted(number, _NOUNS[modality])}, and the model takes at most "
                f"{LIMITS[modality].most}: make several contents of them"
            )
    tokens = sum([medium.tokens for medium in media])
    if tokens > MOST_TOKENS:
        raise InvalidInputError(
            f"the media of a content have {tokens:,} tokens, and the model reads at most "
            f"{MOST_TOKENS:,}: make several contents of them"
        )


def _check_length(medium: Medium) -> None:
    limit = LIMITS[medium.modality]
    # Encoders add a fraction of a second, so only whole seconds count.
    if limit.seconds is not None and int(medium.seconds or 0) > limit.seconds:
        raise InvalidInputError(
            f"{medium.name} is {medium.seconds:,.1f} seconds long, and the model takes at most "
            f"{limit.seconds}: cut it into pieces"
        )
    if limit.pages is not None and (medium.pages or 0) > limit.pages:
        raise InvalidInputError(
            f"{medium.name} has {counted(medium.pages or 0, 'page')}, and the model takes at most "
            f"{limit.pages}: embed its pages, each with '#page=1' and so on behind the path"
        )
