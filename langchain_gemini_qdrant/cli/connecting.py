"""Connections to the engines that options name, and their collections."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import click

from langchain_gemini_qdrant._clock import SYSTEM_CLOCK, BlockingClock
from langchain_gemini_qdrant._runtime import run
from langchain_gemini_qdrant.errors import ConfigurationError, GeminiQdrantError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qdrant_client import AsyncQdrantClient, models

    from langchain_gemini_qdrant.vectorstores._connection import Connection

DEFAULT_PATH = "gemini-qdrant-index"

READ_FILES = "read-files.sqlite"
"""File in the folder of an index in which `ingest` records the files that it has read."""

_FORBIDDEN = 403
_KEPT = f"{__name__}.kept"
_LAYOUT = ("content_payload_key", "metadata_payload_key")
_ADDRESSES = f"{__name__}.addresses"
_BASE_URL = f"{__name__}.base_url"


def keep_option(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep an option for the stores that the running command opens."""
    if value is not None:
        context.meta.setdefault(_KEPT, {})[parameter.name] = value


def kept_layout() -> dict[str, Any]:
    """Return the options of a store for the layout of payloads."""
    kept: dict[str, Any] = click.get_current_context().meta.get(_KEPT, {})
    return {name: kept[name] for name in _LAYOUT if name in kept}


def keep_base_url(address: str | None) -> None:
    """Keep the address that replaces Google's."""
    click.get_current_context().meta[_BASE_URL] = address


def servers(context: click.Context) -> str:
    """Return the addresses of the Qdrant servers that the command has asked."""
    return " or ".join(context.meta.get(_ADDRESSES, []))


def base_url(context: click.Context) -> str | None:
    """Return the address that replaces Google's, None for Google's."""
    address: str | None = context.meta.get(_BASE_URL)
    return address


def has_index(folder: Path) -> bool:
    """Return whether a folder has an index, or the rest of one whose list is lost."""
    collections = folder / "collections"
    has_data = collections.is_dir() and any(collections.iterdir())
    return has_data or (folder / "meta.json").exists()


@contextmanager
def connected(
    path: str | None,
    url: str | None,
    api_key: str | None = None,
    *,
    create: bool = False,
    worker: bool = False,
) -> Iterator[Connection]:
    """Connect to an engine; without `path` and `url`, to the one in `DEFAULT_PATH`.

    Args:
        path: Folder of the embedded engine.
        url: Address of a server.
        api_key: The server's key.
        create: Create the folder if it is missing, with a `.gitignore` for all inside. It is
            removed again if it has no collection at the end.
        worker: Run the embedded engine in a process of its own.

    Raises:
        ConfigurationError: There is no index in the folder, and `create` is False.
        click.UsageError: Both `path` and `url` are given.
    """
    from langchain_gemini_qdrant.vectorstores._connection import connect  # noqa: PLC0415

    if path and url:
        raise click.UsageError("one of --path and --url is needed, not both")
    if url:
        context = click.get_current_context()
        context.meta.setdefault(_ADDRESSES, []).append(url)
        kept: dict[str, Any] = context.meta.get(_KEPT, {})
        options = {name: value for name, value in kept.items() if name not in _LAYOUT}
        connection = connect(url=url, api_key=api_key, **options)
    else:
        folder = Path(path or DEFAULT_PATH).expanduser()
        is_new = not has_index(folder)
        if is_new and not create:
            raise ConfigurationError(
                f"there is no index in {folder}: name its folder with --path, or a server with "
                "--url; gemini-qdrant ingest creates an index"
            )
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        connection = connect(path=folder, worker=worker)
        if missing:
            _keep_out_of_git(folder)
    try:
        yield connection
    finally:
        is_unused = not url and is_new and not _has_collections(connection)
        connection.close()
        if is_unused:
            _remove_index(folder, missing)


def _keep_out_of_git(folder: Path) -> None:
    """Keep the texts and vectors of a new folder out of commits."""
    with suppress(OSError):
        (folder / ".gitignore").write_text("*\n")


def _has_collections(connection: Connection) -> bool:
    try:
        return bool(names(connection))
    except GeminiQdrantError:  # an engine that failed cannot list them
        return True


def _remove_index(folder: Path, missing: list[Path]) -> None:
    """Remove an index without collections, and the folders that were missing before.

    If another process has opened it meanwhile, its collections stay: their folder is not empty.
    """
    with suppress(OSError):
        (folder / "collections").rmdir()
        index = [folder / name for name in ("meta.json", ".lock", READ_FILES)]
        for file in folder.iterdir() if missing else index:
            file.unlink(missing_ok=True)
        for each in missing:
            each.rmdir()


def retrying(connection: Connection) -> AsyncQdrantClient:
    """Return the client of a connection; its calls are done before their `await` returns."""
    from langchain_gemini_qdrant.vectorstores._retry import RetryingClient  # noqa: PLC0415

    waits, random = BlockingClock(SYSTEM_CLOCK), Random()  # noqa: S311 - when to try again
    client = RetryingClient(connection.client, waits, random, blocking=True)
    return cast("AsyncQdrantClient", client)


def names(connection: Connection) -> list[str]:
    """Return the names of all collections."""
    found = run(retrying(connection).get_collections())
    return [each.name for each in found.collections]


def aliases(connection: Connection) -> dict[str, str]:
    """Return the collection behind each alias; none if the server's key does not allow it."""
    from langchain_gemini_qdrant.vectorstores._qdrant_errors import is_forbidden  # noqa: PLC0415

    try:
        found = run(retrying(connection).get_aliases()).aliases
    except Exception as error:
        if not is_forbidden(error):
            raise
        return {}
    return {each.alias_name: each.collection_name for each in found}


def find_collection(connection: Connection, name: str) -> models.CollectionInfo | None:
    """Return the description of a collection, None if there is none of this name.

    Raises:
        ConfigurationError: The name is empty, or the server's key does not allow it.
    """
    from langchain_gemini_qdrant.vectorstores._qdrant_errors import (  # noqa: PLC0415
        read_failure,
        reason,
    )

    if not name:
        raise ConfigurationError("the name of a collection must not be empty: check --collection")
    client = retrying(connection)
    try:
        if not run(client.collection_exists(name)):
            return None
        return run(client.get_collection(name))
    except Exception as error:
        failure = read_failure(error)
        if failure is None or failure.status != _FORBIDDEN:
            raise
        raise ConfigurationError(
            f"{reason(error)}. The key may not read collection {name!r}, or there is no such "
            "collection: check --qdrant-api-key and --collection"
        ) from error


def require_collection(connection: Connection, name: str) -> models.CollectionInfo:
    """Return the description of a collection.

    Raises:
        ConfigurationError: There is none of this name.
    """
    info = find_collection(connection, name)
    if info is None:
        known = ", ".join(map(repr, names(connection))) or "none"
        raise ConfigurationError(
            f"there is no collection {name!r}, found {known}: name one with --collection"
        )
    return info


@contextmanager
def removed_if_empty(connection: Connection, name: str) -> Iterator[None]:
    """Remove a new collection of the embedded engine if it is empty at the end.

    A new collection on a server stays: another process may be about to fill it.
    """
    try:
        yield
    finally:
        if connection.kind == "edge":
            with suppress(GeminiQdrantError):
                if not connection.client.count(name).count:
                    connection.client.delete_collection(name)
