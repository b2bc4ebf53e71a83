"""Copies of a whole index, without the space that the engine reserves."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.edge._storage._info import occupied_bytes
from langchain_gemini_qdrant.edge._storage._local_mode import refuse_local_mode
from langchain_gemini_qdrant.edge._storage._lock import locked
from langchain_gemini_qdrant.edge._storage._open_folders import check_closed
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_gemini_qdrant.edge._storage._folder import Folder

_CHUNK_BYTES = 64 * 1024
_HOLE = bytes(_CHUNK_BYTES)
# The log's next segment: the engine makes it in the background and renames it, and makes another
# where it is missing.
_BEING_MADE = "tmp-open-"
_SPARE_DISK_BYTES = 100 * 2**20


def back_up(folder: Folder, target: Path) -> None:
    """Copy an open index; calls of other threads wait.

    Raises:
        StorageError: `target` is inside the index, is not empty or cannot be written, or the disk
            has no room.
    """
    # Not under its lock: a thread that closes this folder holds the list of open folders and waits.
    _check_target(folder.root, target)
    with folder.at_rest():
        _copy_index(folder.root, target)


def restore(backup: Path, target: Path) -> None:
    """Create an index from a backup, or from another index that is closed.

    Raises:
        StorageError: `backup` is not an index or is in use; `target` is inside it, is not empty, is
            open in this process or cannot be written, or the disk has no room.
    """
    check_closed(backup)
    refuse_local_mode(backup)
    if not (backup / "meta.json").is_file():
        raise StorageError(f"{backup} is neither an index nor a backup of one: it has no meta.json")
    _check_target(backup, target)
    if not (backup / ".lock").exists():
        _copy_index(backup, target)
        return
    with locked(backup):
        _copy_index(backup, target)


def _check_target(source: Path, target: Path) -> None:
    """Refuse a folder that cannot take a copy of `source`.

    Raises:
        StorageError: It is inside `source`, is not empty, or is open in this process.
    """
    try:
        if any(parent.exists() and parent.samefile(source) for parent in target.resolve().parents):
            raise StorageError(f"{target} is inside {source}; name a folder outside it")
        if target.exists() and any(target.iterdir()):
            raise StorageError(f"{target} is not empty; name a new folder")
    except OSError as error:
        raise StorageError(f"{source} cannot be copied to {target}: {error}") from error
    check_closed(target)  # a client can still have a removed folder open


def _copy_index(source: Path, target: Path) -> None:
    """Copy everything except the lock; the list comes last, so that half a copy is not an index."""
    try:
        target.mkdir(parents=True, exist_ok=True)
        _require_room(target, occupied_bytes(source.rglob("*")))
        try:
            copy_tree(source / "collections", target / "collections")
            _copy_file(source / "meta.json", target / "meta.json")
        except BaseException:
            shutil.rmtree(target, ignore_errors=True)
            raise
    except OSError as error:
        raise StorageError(f"{source} cannot be copied to {target}: {error}") from error


def _require_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target).free
    if free < needed + _SPARE_DISK_BYTES:
        raise StorageError(
            f"Not enough free disk for {target}: {needed + _SPARE_DISK_BYTES:,} bytes must be "
            f"free, and {free:,} are; nothing was copied"
        )


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder of the engine, without the log segment that it is creating."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.name.startswith(_BEING_MADE):
            continue
        copy = copy_tree if entry.is_dir() else _copy_file
        copy(entry, target / entry.name)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a file and leave holes for blocks of zeros, which reads the same."""
    with source.open("rb", buffering=0) as original, target.open("xb", buffering=0) as copy:
        while chunk := original.read(_CHUNK_BYTES):
            if chunk == _HOLE[: len(chunk)]:
                copy.seek(len(chunk), os.SEEK_CUR)
            else:
                copy.write(chunk)
        copy.truncate(copy.tell())
        os.fsync(copy.fileno())
