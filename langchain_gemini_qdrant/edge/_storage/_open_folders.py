"""The folders that this process has open, and the number of clients that share each."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn, TypeVar

from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path


class Shared:
    """The engine that the clients of one folder share: in this process, or in a worker process."""

    mode: str
    """Where the engine runs, for messages."""

    lock_status: os.stat_result | None
    """Identifies an open folder, wherever its path leads now; None before it is open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock_path = root / ".lock"
        self.users = 0
        self.process_id = os.getpid()
        self.lock_status = None

    @property
    def over(self) -> bool:
        """Whether the folder is closed, so that it can be opened again."""
        raise NotImplementedError

    @property
    def closing(self) -> bool:
        """Whether the folder is being closed."""
        return False

    @property
    def replaced(self) -> bool:
        """Whether the path now leads to another folder, or to none."""
        if self.lock_status is None:
            return False
        try:
            return not os.path.samestat(self.lock_status, self.lock_path.stat())
        except OSError:  # such as a file in place of the folder
            return True

    def start_closing(self) -> None:
        """Flush and close the folder, or start doing so."""
        raise NotImplementedError

    def wait_closed(self) -> None:
        """Wait until the folder is closed; an error of closing it is raised."""

    def leave_to_parent(self) -> None:
        """Release resources that belong to the parent of this forked process."""

    def check_process(self) -> None:
        """Refuse use in a forked child, where the engine would hang.

        Raises:
            StorageError: The folder was opened before the process forked.
        """
        if os.getpid() != self.process_id:
            self.refuse_fork()

    def refuse_fork(self) -> NoReturn:
        """Raise the error for use in a forked child."""
        raise StorageError(
            f"The index in {self.root} was opened in process {self.process_id} and cannot be"
            " used in a process forked from it. Open it in one process only, or use a Qdrant"
            " server (`url=`)."
        )


def replaced_error(folder: Path) -> StorageError:
    """Return the error for a folder that was removed, moved or replaced."""
    return StorageError(
        f"The folder {folder} was removed, moved or replaced while a client of this process"
        " has it open. Close that client, then open the folder again."
    )


S = TypeVar("S", bound=Shared)

_opened: dict[Path, Shared] = {}
_lock = threading.RLock()  # a client may be garbage-collected while another one opens


def share(root: Path, kind: type[S]) -> S:
    """Return the folder's shared engine for one more user; open it if it is not open.

    Raises:
        StorageError: The folder cannot be opened, or is open here in the other mode.
    """
    while True:
        with _lock:
            opened = _opened.get(root)
            if opened is None or opened.over:
                opened = _opened[root] = kind(root)
            if opened.replaced:
                raise replaced_error(root)
            if not opened.closing:
                if not isinstance(opened, kind):
                    raise StorageError(
                        f"The index in {root} is open in this process already, with {opened.mode}, "
                        f"and cannot also be opened with {kind.mode}. Close the other client, or "
                        "open all clients of a folder in the same way: `EdgeClient(path, "
                        "worker=True)` and `AsyncEdgeClient(path)` share an engine, "
                        "`EdgeClient(path)` does not."
                    )
                opened.users += 1
                return opened
        with suppress(StorageError):  # its own user gets the error
            opened.wait_closed()


def check_closed(root: Path) -> None:
    """Refuse an operation on a folder that is open here.

    Raises:
        StorageError: A client of this process has it open.
    """
    with _lock:
        opened = _opened.get(root)
        if opened is not None and not opened.over:
            raise StorageError(f"The index in {root} is open in this process; close its clients")


def release(shared: Shared) -> bool:
    """Remove one user; for the last one, start closing and return True."""
    with _lock:
        if _opened.get(shared.root) is not shared:
            return False  # closed at exit, or opened before this process was forked
        shared.users -= 1
        if shared.users:
            return False
        try:
            shared.start_closing()
        finally:
            if shared.over:
                forget(shared)
        return True


def forget(shared: Shared) -> None:
    """Forget a folder that is closed."""
    with _lock:
        if _opened.get(shared.root) is shared:
            del _opened[shared.root]


@atexit.register
def _close_all() -> None:
    while _opened:
        _, shared = _opened.popitem()
        with suppress(StorageError):  # too late to report; every write is in the log
            shared.start_closing()
            shared.wait_closed()


def _leave_all_to_parent() -> None:
    """Release the parent's folders in a forked child, and give it a free lock."""
    global _lock  # noqa: PLW0603 - another thread may have held it at the fork
    _lock = threading.RLock()
    for shared in _opened.values():
        shared.leave_to_parent()
    _opened.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
