"""The lock of a folder, which one process at a time can hold."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, TYPE_CHECKING

from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def lock(path: Path) -> IO[str]:
    """Lock a folder by this file, which names the process that holds it.

    Raises:
        OSError: The file cannot be written.
        StorageError: Another process has the folder open.
    """
    # imported here: on a read-only system the import itself fails
    import portalocker  # noqa: PLC0415

    with ExitStack() as unless_locked:
        file = path.open("a+", encoding="ascii", errors="replace")
        unless_locked.callback(file.close)
        try:
            portalocker.lock(
                file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING
            )
        except portalocker.LockException as error:
            holder = ""
            with suppress(OSError):  # on Windows a locked file cannot be read
                file.seek(0)
                holder = file.read().strip()
            raise StorageError(
                f"The index in {path.parent} is open in another process"
                f"{f' ({holder})' if holder else ''}, and one process at a time can use it. Close"
                " it there, or use a Qdrant server (`url=`) for several processes."
            ) from error
        unless_locked.callback(portalocker.unlock, file)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        unless_locked.pop_all()
    return file


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Lock an index that is not open here, so that nobody opens it.

    Raises:
        StorageError: It is open.
    """
    try:
        file = lock(root / ".lock")
    except OSError as error:
        raise StorageError(f"{root} cannot be used: {error}") from error
    try:
        yield
    finally:
        unlock(file)


def unlock(file: IO[str]) -> None:
    """Unlock a folder, which may be done already."""
    import portalocker  # noqa: PLC0415

    if not file.closed:
        with file:
            portalocker.unlock(file)  # closing it would leave the lock to forked children
