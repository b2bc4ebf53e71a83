"""Media of contents: which there are, what they cost, and what they say.

Sources: https://ai.google.dev/gemini-api/docs/embeddings,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-multimodal-embeddings,
and a measurement that was published in June 2026 for the tokens.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from langchain_gemini_qdrant.testing._api._containers import Inside, read_inside, sniff
from langchain_gemini_qdrant.testing._api._errors import ApiError
from langchain_gemini_qdrant.testing._api._records import RecordedMedium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from langchain_gemini_qdrant.testing._api._messages import Part

# MIME type -> format and modality.
_TYPES = {
    "image/png": ("PNG", "IMAGE"),
    "image/jpeg": ("JPEG", "IMAGE"),
    "image/jpg": ("JPEG", "IMAGE"),
    "audio/mp3": ("MP3", "AUDIO"),
    "audio/mpeg": ("MP3", "AUDIO"),
    "audio/wav": ("WAV", "AUDIO"),
    "audio/wave": ("WAV", "AUDIO"),
    "audio/x-wav": ("WAV", "AUDIO"),
    "audio/vnd.wave": ("WAV", "AUDIO"),
    "video/mp4": ("MP4", "VIDEO"),
    "video/mov": ("MP4", "VIDEO"),
    "video/quicktime": ("MP4", "VIDEO"),
    "application/pdf": ("PDF", "DOCUMENT"),
}
_TYPES_OF_VERTEX = {
    "image/webp": ("WEBP", "IMAGE"),
    "image/bmp": ("BMP", "IMAGE"),
    "image/heic": ("HEIF", "IMAGE"),
    "image/heif": ("HEIF", "IMAGE"),
    "image/avif": ("HEIF", "IMAGE"),
}
MAX_REQUEST_BYTES = 20 * 1024 * 1024
_MOST_PARTS = {"IMAGE": 6, "VIDEO": 1, "DOCUMENT": 1}  # of one content
_MOST_SECONDS = {"AUDIO": 180, "VIDEO": 120}
_MOST_PAGES = 6
_IMAGE_TOKENS, _SECOND_TOKENS, _FRAME_TOKENS, _PAGE_TOKENS = 258, 25, 66, 258
_MOST_FRAMES = {False: 32, True: 120}  # on the Developer API, on Vertex AI; 1 a second
_FILE_URI = re.compile(r"(?:https?://[^/]+/(?:v1|v1beta|v1alpha)/)?(files/[^/?#]+)")


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaRules:
    """Rules for media that tests can change.

    Attributes:
        request_bytes: Size of a request's body, in bytes.
        request_images: Images in all contents of a request; None for no limit.
        refuses_wrong_types: Whether a medium of a wrong or unknown type is 400; otherwise its
            content has an embedding without values.
    """

    request_bytes: int = MAX_REQUEST_BYTES
    request_images: int | None = None
    refuses_wrong_types: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Medium:
    """A medium, without its bytes.

    Attributes:
        mime_type: As sent.
        modality: `IMAGE`, `AUDIO`, `VIDEO` or `DOCUMENT`; `""` for a type that the API does not
            have.
        readable: Whether its bytes are of this type.
        form: The format of its bytes.
        sha256: SHA-256 of its bytes, in hexadecimal digits; `""` for an address.
        uri: Its address, None for bytes in the request.
        inside: What the file says of itself.
    """

    mime_type: str
    modality: str
    readable: bool
    form: str
    size_bytes: int
    sha256: str
    uri: str | None
    inside: Inside

    def word(self) -> str:
        """A word that only this medium has."""
        return f"media:{self.sha256 or hashlib.sha256((self.uri or '').encode()).hexdigest()}"

    def tokens(self, *, vertex: bool) -> int:
        if not self.readable:
            return 0
        if self.modality == "IMAGE":
            return _IMAGE_TOKENS
        if self.modality == "DOCUMENT":
            return _PAGE_TOKENS * max(self.inside.pages, 1)
        if self.modality == "AUDIO":
            return max(round(_SECOND_TOKENS * self.inside.seconds), 1)
        frames = max(math.ceil(self.inside.seconds - 1e-9), 1)
        return _FRAME_TOKENS * min(frames, _MOST_FRAMES[vertex])

    def recorded(self) -> RecordedMedium:
        return RecordedMedium(
            mime_type=self.mime_type,
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            uri=self.uri,
            text=self.inside.text,
        )


def read_medium(
    data: bytes, mime_type: str, *, uri: str | None = None, with_text: bool, vertex: bool = False
) -> Medium:
    """Read the bytes of a medium; `with_text` also looks for its text."""
    form = sniff(data)
    return typed(
        Medium(
            mime_type=mime_type,
            modality="",
            readable=False,
            form=form,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            uri=uri,
            inside=read_inside(data, form, with_text=with_text),
        ),
        mime_type,
        vertex=vertex,
    )


def typed(medium: Medium, mime_type: str, *, vertex: bool) -> Medium:
    """Return a medium as one of this type."""
    form, modality = _type(mime_type, vertex=vertex)
    return replace(
        medium, mime_type=mime_type, modality=modality, readable=bool(form) and form == medium.form
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaReader:
    """Reads the media of one request.

    Attributes:
        rules: The rules that tests can change.
        vertex: Whether the request came to Vertex AI.
        with_text: Whether to look for the text in a medium.
        find_file: Returns a stored file of the request's key by its name.
    """

    rules: MediaRules
    vertex: bool
    with_text: bool
    find_file: Callable[[str], Medium]

    def read(self, part: Part) -> Medium | None:
        """Return the medium of a part, None for a text.

        Raises:
            ApiError: It is refused.
        """
        if "inline_data" in part:
            blob = part["inline_data"]
            data, mime_type = blob.get("data", b""), blob.get("mime_type", "")
            medium = read_medium(data, mime_type, with_text=self.with_text, vertex=self.vertex)
        elif "file_data" in part:
            file = part["file_data"]
            medium = self._at(file.get("file_uri", ""), file.get("mime_type", ""))
        else:
            return None
        if self.rules.refuses_wrong_types and not medium.readable:
            raise _wrong_type(medium)
        return medium

    def _at(self, uri: str, mime_type: str) -> Medium:
        found = _FILE_URI.fullmatch(uri)
        if found and not self.vertex:
            file = self.find_file(found[1])
            return typed(file, mime_type or file.mime_type, vertex=False)
        if found or ":" not in uri:
            raise ApiError(400, f"Unsupported file URI: {uri!r}.")
        return _stand_in(uri, mime_type, vertex=self.vertex)

    def check_images(self, media: Iterable[Medium]) -> None:
        """Check the images of a whole request.

        Raises:
            ApiError: 400, they are too many.
        """
        limit = self.rules.request_images
        count = sum(medium.modality == "IMAGE" for medium in media)
        if limit is not None and count > limit:
            raise ApiError(400, f"A request supports at most {limit} images, but it has {count}.")


def check_media(media: Sequence[Medium], model: str) -> None:
    """Check the media of one content.

    Raises:
        ApiError: 400, they are too many or too long.
    """
    counts = Counter(medium.modality for medium in media)
    for modality, limit in _MOST_PARTS.items():
        if counts[modality] > limit:
            parts = f"{modality.lower()} part{'s' * (limit > 1)}"
            raise ApiError(
                400, f"{model} supports at most {limit} {parts}, but {counts[modality]} were given."
            )
    for modality, longest in _MOST_SECONDS.items():
        seconds = sum(each.inside.seconds for each in media if each.modality == modality)
        if seconds > longest + 0.5:  # a frame more is not refused
            raise ApiError(
                400,
                f"{model} supports at most {longest} seconds of {modality.lower()}, but "
                f"{seconds:.1f} were given.",
            )
    pages = sum(medium.inside.pages for medium in media if medium.modality == "DOCUMENT")
    if pages > _MOST_PAGES:
        raise ApiError(
            400, f"{model} supports at most {_MOST_PAGES} pages of a document, but it has {pages}."
        )


def _type(mime_type: str, *, vertex: bool) -> tuple[str, str]:
    """Return format and modality of a MIME type, which may have parameters."""
    name = mime_type.lower().partition(";")[0].strip()
    return _TYPES.get(name) or (_TYPES_OF_VERTEX.get(name) if vertex else None) or ("", "")


def _stand_in(uri: str, mime_type: str, *, vertex: bool) -> Medium:
    """Return a medium for an address outside the emulator: its text is the name at the end."""
    form, modality = _type(mime_type, vertex=vertex)
    name = unquote(uri.partition("?")[0].rpartition("/")[2]).rpartition(".")[0]
    return Medium(
        mime_type=mime_type,
        modality=modality,
        readable=bool(form),
        form=form,
        size_bytes=0,
        sha256="",
        uri=uri,
        inside=Inside(re.sub(r"[-_.]+", " ", name), seconds=1.0, pages=1),
    )


def _wrong_type(medium: Medium) -> ApiError:
    if not medium.modality:
        return ApiError(400, f"Unsupported MIME type: {medium.mime_type}")
    kind = medium.modality.lower()
    return ApiError(
        400,
        f"Unable to process input {kind}. Please retry or report in "
        "https://developers.generativeai.google/guide/troubleshooting",
    )
