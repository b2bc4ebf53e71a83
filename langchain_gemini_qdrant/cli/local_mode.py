"""Folders of qdrant-client's local mode in the command line."""

from __future__ import annotations

import pickle
import shlex
import sqlite3
import warnings
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.progress import console
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
def open_local_mode(folder: Path) -> Iterator[QdrantClient]:
    """Open a folder of qdrant-client's local mode, which reads all of its points into memory.

    Raises:
        StorageError: Another program has it open, or qdrant-client cannot read it.
    """
    from qdrant_client import QdrantClient  # noqa: PLC0415 - `--help` must not wait for it

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
