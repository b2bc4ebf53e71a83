"""The backend's methods for the folder itself, which qdrant-client does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_gemini_qdrant.edge._backend._base import FolderAccess
from langchain_gemini_qdrant.edge._storage import _backup

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_gemini_qdrant.edge._storage._info import StorageInfo


class StorageApi(FolderAccess):
    """Durability, sizes and backups."""

    def check_folder(self) -> None:
        """Refuse a folder that was moved, removed or replaced."""
        _ = self._open_folder

    def require_power_safety(self) -> None:
        """Flush after every update from here on."""
        self._open_folder.require_power_safety()

    def remove_on_close(self) -> None:
        """Delete the folder when its last client closes."""
        self._open_folder.temporary = True

    def storage_info(self, collection_name: str) -> StorageInfo:
        """Measure a collection's use of disk and memory."""
        return self._collection(collection_name).storage_info()

    def backup(self, target: Path) -> None:
        """Copy the index to an empty folder."""
        _backup.back_up(self._open_folder, target)
