"""Which contents with media an API takes, and their tokens by modality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from langchain_core.documents.base import Blob

from langchain_gemini_qdrant.embeddings.models import find_model, guess_conditioning
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._contents import TEXT_BLOCKS, as_content, is_sequence
from langchain_gemini_qdrant.media._medium import Medium

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import TypeIs

    from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
    from langchain_gemini_qdrant.media._contents import Parts

INLINE_BYTES = 15_000_000
"""Most bytes of media in one request, in base64 the 20 MB that the API has always accepted.

Source: https://ai.google.dev/gemini-api/docs/files
"""

_DATA_URI = ("data:", "DATA:")


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaSupport:
    """Whether media can be sent, and which addresses.

    Attributes:
        refusal: Why media cannot be sent, None if they can.
        is_vertex: Whether addresses are those of Cloud Storage, and not those of the Files API.
    """

    refusal: str | None
    is_vertex: bool

    def check(self) -> None:
        """Refuse media that cannot be sent.

        Raises:
            ConfigurationError: The model or the back end embeds texts only.
        """
        if self.refusal is not None:
            raise ConfigurationError(self.refusal)

    def is_text(self, value: object) -> TypeIs[str]:
        """Return whether a value is a text that is sent as it is.

        A data: URI is not where media can be sent: its letters have no meaning.
        """
        return isinstance(value, str) and (
            self.refusal is not None or not value.startswith(_DATA_URI)
        )

    def read(self, value: object) -> str | Parts:
        """Check a content, read its media once, and return it in the form in which it is sent.

        Raises:
            ConfigurationError: It has media, which cannot be sent; nothing was read.
            InvalidInputError: It cannot be embedded; the message lacks its index.
        """
        if has_media(value):
            self.check()
        content = as_content(value, vertexai=self.is_vertex)
        if not isinstance(content, str):
            for part in content:
                if isinstance(part, Medium) and part.uri is not None:
                    self._check_address(part.uri)
            if self.is_vertex and (large := large_media(content)):
                raise InvalidInputError(
                    f"{large[0].name} has {large[0].size_bytes:,} bytes, and a request takes "
                    f"{INLINE_BYTES:,} of media: copy it to Cloud Storage, and pass its gs:// "
                    "address"
                )
        return content

    def _check_address(self, uri: str) -> None:
        if uri.startswith("gs://") == self.is_vertex:
            return
        if self.is_vertex:
            raise InvalidInputError(
                f"Vertex AI reads media from Cloud Storage, got {uri!r}: pass a gs:// address, or "
                "the bytes"
            )
        raise InvalidInputError(
            f"the Gemini Developer API reads no Cloud Storage, got {uri!r}: pass the bytes or a "
            "file of its Files API, or use Vertex AI"
        )

    def read_until_wrong(
        self, values: Sequence[object], *, first: int = 0
    ) -> tuple[list[str | Parts], InvalidInputError | None]:
        """Read contents up to one that cannot be embedded; return them, and its error.

        Raises:
            ConfigurationError: One has media, which cannot be sent.
        """
        contents: list[str | Parts] = []
        for index, value in enumerate(values, first):
            if self.is_text(value):
                contents.append(value)
                continue
            try:
                contents.append(self.read(value))
            except InvalidInputError as error:
                return contents, at_index(index, error)
        return contents, None


@lru_cache(maxsize=256)
def media_support(model: str, backend: str = "google-genai", *, is_vertex: bool) -> MediaSupport:
    """Return whether a model takes media over an API; unknown models are judged by their name."""
    known = find_model(model)
    refusal = None
    if backend != "google-genai":
        refusal = (
            f"backend={backend!r} sends texts only: use backend='google-genai' for images, sound, "
            "video and PDFs"
        )
    elif not (known.takes_media if known else guess_conditioning(model) == "prefix"):
        refusal = f"{model!r} embeds texts only: use 'gemini-embedding-2' for media"
    return MediaSupport(refusal=refusal, is_vertex=is_vertex)


def media_support_of(options: GeminiEmbeddings) -> MediaSupport:
    """Return whether an instance takes media."""
    is_vertex = options._connection.is_vertex  # noqa: SLF001 - where it sends to
    return media_support(options.model, options.backend, is_vertex=is_vertex)


def has_media(value: object) -> bool:
    """Return whether a content is, or contains, a medium; nothing is read or checked."""
    values = _each(value)
    return any(
        isinstance(each, Medium)
        or (isinstance(each, Blob) and not isinstance(each.data, str))
        or (isinstance(each, Mapping) and each.get("type") not in TEXT_BLOCKS)
        for each in values
    )


def _each(value: object) -> Sequence[object]:
    return value if is_sequence(value) else [value]


def held_bytes(value: object) -> int:
    """Return how many bytes of media a content holds in memory; files hold none."""
    values = _each(value)
    data = [
        each.data
        if isinstance(each, Blob)
        else each.get("base64")
        if isinstance(each, Mapping)
        else None
        for each in values
    ]
    return sum([len(each) for each in data if isinstance(each, bytes | str)])


def at_index(index: int, error: InvalidInputError) -> InvalidInputError:
    """Return the error of a content with its position."""
    placed = InvalidInputError(f"index {index}: {error}", indices=[index])
    placed.__cause__ = error
    return placed


def large_media(parts: Parts) -> list[Medium]:
    """Return the media that are sent as files: the largest, until the others fit in a request."""
    media = {part: 0 for part in parts if isinstance(part, Medium) and part.uri is None}
    left = sum([medium.size_bytes for medium in media])
    large = []
    for medium in sorted(media, key=lambda medium: -medium.size_bytes):
        if left <= INLINE_BYTES:
            break
        large.append(medium)
        left -= medium.size_bytes
    return large


def media_tokens(contents: Iterable[Parts]) -> Counter[str]:
    """Return the tokens of the media of some contents, by modality."""
    tokens: Counter[str] = Counter()
    for parts in contents:
        for part in parts:
            if isinstance(part, Medium):
                tokens[part.modality] += part.tokens
    return tokens


def images_in(contents: Iterable[Parts]) -> int:
    """Return the number of images in some contents."""
    return sum(
        [isinstance(p, Medium) and p.modality == "IMAGE" for parts in contents for p in parts]
    )
