"""The embeddings and the stores that the options of a command describe, open until it ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

from langchain_gemini_qdrant.cli.connecting import (
    DEFAULT_PATH,
    connected,
    find_collection,
    has_index,
    keep_base_url,
    kept_layout,
    removed_if_empty,
    require_collection,
)
from langchain_gemini_qdrant.cli.options import TITLE_KEY
from langchain_gemini_qdrant.embeddings.gemini import GeminiEmbeddings
from langchain_gemini_qdrant.embeddings.models import DEFAULT_MODEL
from langchain_gemini_qdrant.errors import ConfigurationError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from qdrant_client import models

    from langchain_gemini_qdrant.cli.stored import StoredVectors
    from langchain_gemini_qdrant.embeddings.tasks import TaskType
    from langchain_gemini_qdrant.quantization import QuantizationName
    from langchain_gemini_qdrant.vectorstores._connection import Connection
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore

T = TypeVar("T")


def until_the_end(resource: AbstractContextManager[T]) -> T:
    """Open a resource that is closed when the running command ends or fails."""
    return click.get_current_context().with_resource(resource)


def make_embeddings(
    *,
    model: str,
    output_dimensionality: int | None,
    backend: str,
    base_url: str | None,
    api_key: str | None = None,
    task_type: TaskType | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> GeminiEmbeddings:
    """Return the embeddings that the options describe, open until the command ends.

    The key is read from the environment.
    """
    options: dict[str, Any] = {
        "model": model,
        "output_dimensionality": output_dimensionality,
        "backend": backend,
        "task_type": task_type,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
    }
    if base_url is not None:
        options["base_url"] = base_url
    if backend == "google-generativeai":
        options["transport"] = "rest"  # the address of an emulator or proxy is an HTTP one
    if api_key is not None:
        options["api_key"] = api_key
    embeddings = until_the_end(GeminiEmbeddings(**options))
    keep_base_url(embeddings.base_url)
    return embeddings


def embeddings_even_without_key(
    options: Mapping[str, Any],
) -> tuple[GeminiEmbeddings, ConfigurationError | None]:
    """Return the embeddings; if there is no key, also the error to raise before any request.

    Raises:
        ConfigurationError: An option is wrong, whether there is a key or not.
    """
    try:
        return make_embeddings(**options), None
    except ConfigurationError as error:
        return make_embeddings(**options, api_key="no key"), error


def open_store(
    embeddings: GeminiEmbeddings | Mapping[str, Any] | None,
    *,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None = None,
    quantization: QuantizationName | Literal["none"] | None = None,
    media_key: str | None = None,
    create: bool = True,
) -> GeminiQdrantVectorStore:
    """Open the collection that the options name until the command ends; create it if `create`.

    A collection that is created here and stays empty is removed when the command ends.

    Args:
        embeddings: Embeddings, or options of `make_embeddings`, with model and size from an
            existing collection; None for no embeddings and no key.
        collection: Its name, or an alias.
        path: Folder of the embedded engine.
        url: Address of a server.
        qdrant_api_key: The server's key.
        quantization: Required quantization; None accepts that of an existing collection, and is
            binary for a new one.
        media_key: Metadata key of references to media, None if none are stored.
        create: Create the collection if it is missing.

    Raises:
        ConfigurationError: There is no such collection, and `create` is False.
        CollectionMismatchError: The collection has other vectors or codes than the options say.
    """
    connection = until_the_end(connected(path, url, qdrant_api_key, create=create))
    find = find_collection if create else require_collection
    info = find(connection, collection)
    if info is not None:
        return _open_existing(
            connection, collection, info, embeddings, quantization, media_key=media_key
        )
    if isinstance(embeddings, Mapping):
        embeddings = make_embeddings(**with_defaults(embeddings))
    return create_store(connection, collection, embeddings, quantization, media_key=media_key)


def create_store(
    connection: Connection,
    collection: str,
    embeddings: GeminiEmbeddings | None,
    quantization: QuantizationName | Literal["none"] | None = None,
    *,
    media_key: str | None = None,
) -> GeminiQdrantVectorStore:
    """Create a collection; it is removed when the command ends if it is then empty."""
    from langchain_gemini_qdrant.vectorstores.factory import create_vector_store  # noqa: PLC0415

    until_the_end(removed_if_empty(connection, collection))
    return create_vector_store(
        embeddings,
        collection,
        client=connection.client,
        quantization=None if quantization == "none" else quantization or "binary",
        title_key=TITLE_KEY,
        media_key=media_key,
    )


def open_documents(
    *, collection: str, path: str | None, url: str | None, qdrant_api_key: str | None
) -> GeminiQdrantVectorStore:
    """Open a collection of any kind, to read and delete what is stored, without embeddings.

    Raises:
        ConfigurationError: There is no such collection.
    """
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore  # noqa: PLC0415

    connection = until_the_end(connected(path, url, qdrant_api_key))
    require_collection(connection, collection)
    return GeminiQdrantVectorStore(
        connection.client, collection, validate_embeddings=False, **kept_layout()
    )


def open_store_if_any(
    embeddings: Mapping[str, Any],
    *,
    collection: str,
    path: str | None,
    url: str | None,
    qdrant_api_key: str | None = None,
    quantization: QuantizationName | Literal["none"] | None = None,
) -> tuple[GeminiEmbeddings, GeminiQdrantVectorStore | None]:
    """Return the embeddings, and the collection's store if there is one; create nothing.

    The arguments are those of `open_store`.
    """
    if url or has_index(Path(path or DEFAULT_PATH).expanduser()):
        connection = until_the_end(connected(path, url, qdrant_api_key))
        info = find_collection(connection, collection)
        if info is not None:
            store = _open_existing(connection, collection, info, embeddings, quantization)
            return cast("GeminiEmbeddings", store.embeddings), store
    return make_embeddings(**with_defaults(embeddings)), None


def with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of embeddings with the default model in place of None."""
    return {**options, "model": options["model"] or DEFAULT_MODEL}


def _open_existing(
    connection: Connection,
    collection: str,
    info: models.CollectionInfo,
    embeddings: GeminiEmbeddings | Mapping[str, Any] | None,
    quantization: QuantizationName | Literal["none"] | None,
    *,
    media_key: str | None = None,
) -> GeminiQdrantVectorStore:
    from langchain_gemini_qdrant.cli.stored import StoredVectors  # noqa: PLC0415

    vectors = StoredVectors.of(collection, info)
    if quantization is not None:
        vectors.check_quantization(quantization)
    if isinstance(embeddings, Mapping):
        embeddings = make_embeddings(**vectors.embedding_options(embeddings))
    return store_over(connection, collection, vectors, embeddings, media_key=media_key)


def store_over(
    connection: Connection,
    collection: str,
    vectors: StoredVectors,
    embeddings: GeminiEmbeddings | None,
    *,
    media_key: str | None = None,
    layout: Mapping[str, Any] | None = None,
) -> GeminiQdrantVectorStore:
    """Return the store of an existing collection; without `layout`, it is that of the options."""
    from langchain_gemini_qdrant.vectorstores.store import GeminiQdrantVectorStore  # noqa: PLC0415

    return GeminiQdrantVectorStore(
        connection.client,
        collection,
        embeddings,
        vector_name=vectors.name,
        distance=vectors.params.distance,
        title_key=None if embeddings is None else TITLE_KEY,
        media_key=media_key,
        validate_embeddings=embeddings is not None,
        **(kept_layout() if layout is None else layout),
    )
