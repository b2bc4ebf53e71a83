"""Folders of qdrant-client's local mode in the command line."""

from __future__ import annotations

import pickle
import shlex
import sqlite3
import warnings
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pydantic_core import from_json

from langchain_gemini_qdrant.cli.excerpts import printable
from langchain_gemini_qdrant.cli.progress import console, say
from langchain_gemini_qdrant.errors import LocalModeError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qdrant_client import QdrantClient

_UNREADABLE = (
    *(AttributeError, EOFError, ImportError, LookupError, TypeError, ValueError),
    *(pickle.PickleError, sqlite3.Error),
)
"""Exceptions that qdrant-client raises for folders that are damaged or from a later version."""


@contextmanager
def open_local_mode(folder: Path, collection: str) -> Iterator[QdrantClient]:
    """Open a folder of qdrant-client's local mode, which reads all of its points into memory.

    Args:
        folder: The folder.
        collection: The collection to copy, or an alias.

    Raises:
        StorageError: The file of the collection is missing or empty, another program has the folder
            open, or qdrant-client cannot read it.
    """
    from qdrant_client import QdrantClient  # noqa: PLC0415 - `--help` must not wait for it

    _check_files(folder, collection)
    try:
        with console.status(f"Reading {folder}"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # above 20,000 points it recommends a server
            client = QdrantClient(path=str(folder))
    except RuntimeError as error:
        raise StorageError(
            f"{folder} is open in another program, and only one at a time can use it: close it "
            "there, then run the same command again"
        ) from error
    except _UNREADABLE as error:
        raise StorageError(f"qdrant-client cannot read {folder}: {error}") from error
    with closing(client):
        yield client


def _check_files(folder: Path, collection: str) -> None:
    """Refuse a collection without data; qdrant-client would create its file, without points.

    Raises:
        StorageError: The file of the collection is missing or empty.
    """
    meta = from_json((folder / "meta.json").read_bytes())
    name = meta["aliases"].get(collection, collection)
    for each in meta["collections"]:
        file = folder / "collection" / each / "storage.sqlite"
        if file.is_file() and file.stat().st_size:
            continue
        damage = f"is damaged: {file} is {'empty' if file.exists() else 'missing'}"
        if each == name:
            raise StorageError(f"collection {each!r} {damage}. Restore the file from a backup")
        say(printable(f"Warning: collection {each!r}, which is not copied, {damage}"))


def describe_local_mode(error: LocalModeError) -> str:
    """Return the error in the command line's words, with the commands that copy each collection."""
    source, target = shlex.quote(error.path), shlex.quote(f"{error.path}-edge")
    commands = [
        f"\n  gemini-qdrant migrate --path {source} --collection {shlex.quote(name)} "
        f"--to-path {target}"
        for name in error.collections
    ]
    return (
        f"{error.path} is a folder of qdrant-client's local mode. Nothing is wrong with it, but "
        "this command needs the format of Qdrant Edge. "
        + (
            f"Copy its collections into a new folder:{''.join(commands)}"
            if commands
            else "It has no collections: name a different folder"
        )
    )
