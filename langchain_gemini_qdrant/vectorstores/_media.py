"""Rows whose metadata names media: what is embedded, and what is stored with the reference."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.documents.base import Blob

from langchain_gemini_qdrant._qdrant_values import ID_KEY
from langchain_gemini_qdrant.embeddings import GeminiEmbeddings
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media._contents import as_content
from langchain_gemini_qdrant.media._medium import SHA256_KEY, TYPE_KEY, Medium
from langchain_gemini_qdrant.media._references import References, scheme_of, without_bytes
from langchain_gemini_qdrant.vectorstores._arguments import check_name

if TYPE_CHECKING:
    from collections import abc
    from collections.abc import Callable, Sequence

    from langchain_gemini_qdrant.media._contents import Parts
    from langchain_gemini_qdrant.vectorstores._collection import Collection
    from langchain_gemini_qdrant.vectorstores._points import Row

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaLayout:
    """How a store's documents name their media.

    Attributes:
        key: The metadata key of a reference, or of a list of references.
        references: Reads the media of references.
    """

    key: str
    references: References

    def names_media(self, metadata: Any) -> bool:  # noqa: ANN401 - any payload
        """Return whether a document with this metadata has media."""
        named = metadata.get(self.key) if isinstance(metadata, dict) else None
        return bool(named) if isinstance(named, list | tuple) else named is not None


def media_layout(
    key: str | None,
    root: str | os.PathLike[str] | None,
    *,
    fetch: bool | abc.Collection[str],
    embedding: object,
) -> MediaLayout | None:
    """Check the arguments of a store and return how its documents name media, None if they don't.

    Raises:
        ConfigurationError: An argument is not valid, or the embedding reads no media.
    """
    if key is None:
        if root is not None or fetch:
            raise ConfigurationError(
                "media_root and fetch_media are about the references under media_key: pass "
                "media_key, too, such as media_key='media'"
            )
        return None
    check_name(key, "media_key")
    if key in {SHA256_KEY, TYPE_KEY}:
        raise ConfigurationError(
            f"media_key cannot be {key!r}, which is stored beside each reference: pass a different "
            "name, such as 'media'"
        )
    if not isinstance(embedding, GeminiEmbeddings):
        raise ConfigurationError(
            "media_key needs GeminiEmbeddings, which embed media beside texts, got "
            f"{type(embedding).__name__}; they have a cache of their own, cache="
        )
    return MediaLayout(key=key, references=References(root=_folder(root), fetch=fetch))


def _folder(root: object) -> Path | None:
    if root is None:
        return None
    if not isinstance(root, str | os.PathLike) or not root or not Path(root).is_dir():
        raise ConfigurationError(f"media_root must be a folder that exists, got {root!r}")
    return Path(root).resolve()


def check_media_keys(media: MediaLayout | None, content_key: str, metadata_key: str) -> None:
    """Refuse a media key that is needed for something else, if metadata is next to the text.

    Raises:
        ConfigurationError: The text or the id is stored under one of its keys.
    """
    if media is None or metadata_key:
        return
    if taken := {media.key, SHA256_KEY, TYPE_KEY} & {content_key, ID_KEY}:
        raise ConfigurationError(
            "with metadata_payload_key='' references are stored next to the text and the id, which "
            f"have the keys {content_key!r} and {ID_KEY!r}, got {taken.pop()!r} for both"
        )


async def with_media(collection: Collection, rows: Sequence[Row]) -> list[Row | InvalidInputError]:
    """Read the media that rows name, and return the rows in the form that is embedded and stored.

    Rows without media are returned as they are, without digests. In a row with media, `media` has
    them, `content` is what becomes one vector, and `metadata` is a copy that also has the digests
    of the bytes under `SHA256_KEY` and the MIME types under `TYPE_KEY`; a MIME type that was given
    is kept.

    Each file is read once, for its digest, type and length, in a thread if `collection` is that of
    the async API. It is read again when its content is sent. Only bytes that were given in memory
    (a row with blobs in `media`), or fetched from the network, stay in memory.

    Returns:
        For each row, in order, the row or the reason why its media cannot be embedded.

    Raises:
        ConfigurationError: The store has only sparse vectors, or a package that reads such media is
            not installed.
    """
    layout = collection.layout.media
    if layout is None:
        return list(rows)
    found: list[Row | InvalidInputError] = []
    for row in rows:
        if not row.media and not layout.names_media(row.metadata):
            found.append(_without_digests(row))
            continue
        if collection.layout.embedding is None:
            raise _no_dense_vectors()
        found.append(await _apart(collection, _read, layout, row))
    return found


def _without_digests(row: Row) -> Row:
    """Return a row without media, which may have been read with media from a collection."""
    if SHA256_KEY not in row.metadata:
        return row
    metadata = {key: value for key, value in row.metadata.items() if key != SHA256_KEY}
    return row._replace(metadata=metadata)


def _read(layout: MediaLayout, row: Row) -> Row | InvalidInputError:
    given, types = row.metadata[layout.key], row.metadata.get(TYPE_KEY)
    try:
        media = tuple([_typed(medium, types) for medium in row.media])
        media = media or layout.references.media(given, types)
        # Embedding checks again what the Developer API does not embed.
        content = as_content(row._replace(media=media).content, vertexai=True)
    except InvalidInputError as error:
        return error
    if isinstance(content, str):
        return InvalidInputError(f"{given} is a text, and no medium: add it as a Document")
    read = tuple([part for part in content if isinstance(part, Medium)])
    digests, found = [medium.digest for medium in read], [medium.mime_type for medium in read]
    one = not isinstance(given, list | tuple)
    references = list(map(without_bytes, map(os.fspath, [given] if one else given), read))
    metadata = {
        **row.metadata,
        layout.key: references[0] if one else references,
        SHA256_KEY: digests[0] if one else digests,
        TYPE_KEY: types or (found[0] if one else found),
    }
    return row._replace(metadata=metadata, media=read)


def _typed(medium: Medium | Blob, mime_type: object) -> Medium | Blob:
    """Return a blob with the MIME type of its metadata, which overrides its own."""
    if isinstance(medium, Blob) and isinstance(mime_type, str):
        return medium.model_copy(update={"mimetype": mime_type})
    return medium


async def media_of(collection: Collection, reference: str | os.PathLike[str]) -> tuple[Medium, ...]:
    """Return the medium of a reference, read without blocking an event loop.

    Raises:
        InvalidInputError: It leads to no file, outside `media_root`, or not to a medium.
    """
    layout = collection.layout.media
    references = References() if layout is None else layout.references
    return await _apart(collection, references.media, reference)


async def _apart(collection: Collection, function: Callable[..., T], *args: object) -> T:
    """Call a function that reads files: in a thread, or here if all calls block."""
    if collection.blocking:
        return function(*args)
    return await asyncio.to_thread(function, *args)


async def query_content(collection: Collection, query: object) -> str | Parts:
    """Check the query of a search, and return it in the form in which it is embedded.

    Raises:
        InvalidInputError: It is not a text, a medium or a sequence of these.
        ConfigurationError: It has media, and the store's embedding reads only texts.
    """
    if isinstance(query, str):
        return query
    read = partial(as_content, query, vertexai=True)  # embedding checks again
    content = await _apart(collection, read)
    if isinstance(content, str):
        return content
    embedding = collection.layout.embedding
    if embedding is None:
        raise _no_dense_vectors()
    if not isinstance(embedding, GeminiEmbeddings):
        raise ConfigurationError(
            "a search with media needs GeminiEmbeddings, which embed media beside texts, got "
            f"{type(embedding).__name__}"
        )
    return content


def _no_dense_vectors() -> ConfigurationError:
    return ConfigurationError(
        "media have no sparse vectors, and this store has no others: open it with GeminiEmbeddings "
        "and retrieval_mode DENSE or HYBRID"
    )


def required_media(layout: MediaLayout | None) -> MediaLayout:
    """Return how documents name their media.

    Raises:
        ConfigurationError: The store has no `media_key`.
    """
    if layout is None:
        raise ConfigurationError(
            "this store has no metadata key for references to media: open it with "
            "media_key='media', or a key of your own"
        )
    return layout


def blob_metadata(layout: MediaLayout | None, blob: object) -> dict[str, Any]:
    """Return the metadata of a blob's document, which names the blob by its path or source.

    The row of a blob has this metadata, a blank text, and `media=(blob,)`.

    Raises:
        InvalidInputError: It is not a blob, names no source, or its file is outside `media_root`.
        ConfigurationError: The store has no `media_key`.
    """
    media = required_media(layout)
    if not isinstance(blob, Blob):
        raise InvalidInputError(f"media must be Blobs, got {type(blob).__name__}")
    reference = blob.source if blob.path is None else str(blob.path)
    if not isinstance(reference, str) or not reference or scheme_of(reference) == "data":
        raise InvalidInputError(
            "a Blob names no source, which is stored as the reference to its bytes: use "
            "Blob.from_path(path), or Blob.from_data(data, metadata={'source': ...})"
        )
    root = media.references.root
    if root is not None and blob.data is None:
        path = Path(reference).resolve()
        media.references.check_inside(path, reference)
        reference = path.relative_to(root).as_posix()
    return {**blob.metadata, media.key: reference}
