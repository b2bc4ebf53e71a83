"""Parts that all of the backend shares: the folder, and arguments without effect on one node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models
from qdrant_client.client_base import QdrantBase

from langchain_gemini_qdrant.edge._storage._folder import Folder, open_folder, release_folder
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from langchain_gemini_qdrant.edge._storage._shard import Collection

# for one node, and updates that are applied when the call returns, these have no effect
WITHOUT_MEANING = frozenset({"consistency", "ordering", "timeout", "wait"})


class FolderAccess(QdrantBase):
    """One client's access to a folder, which it shares with the other clients of the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._folder: Folder | None = open_folder(path)

    def close(self, **kwargs: Any) -> None:  # noqa: ARG002
        """Release the folder; the last client flushes and closes it."""
        folder, self._folder = self._folder, None
        if folder is not None:
            release_folder(folder)

    @property
    def _open_folder(self) -> Folder:
        if self._folder is None:
            raise StorageError("This client is closed; create a new EdgeClient")
        self._folder.check_usable()
        return self._folder

    def _collection(self, name: str) -> Collection:
        if self._folder is None:
            raise StorageError("This client is closed; create a new EdgeClient")
        return self._folder.collection(name)  # which checks that it is usable


def check_options(options: Mapping[str, object]) -> None:
    """Accept options that have no effect on a single node; refuse the others."""
    for name, value in options.items():
        if name == "shard_key_selector":
            if value is not None:
                raise NotImplementedError("The embedded engine has no shard keys")
        elif name not in WITHOUT_MEANING:
            raise TypeError(f"unexpected argument {name!r}")


def completed() -> models.UpdateResult:
    """Return the server's answer to an update that has been applied."""
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)
