"""The folder behind a client: its lock, its list of collections, and its users.

```
root/.lock                 held by the one process that has the folder open; its process id
root/meta.json             name -> folder, configuration and payload indexes of each collection
root/collections/<uuid>/   one shard of the engine each
```
"""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from qdrant_client import models  # noqa: TC002 - pydantic reads it at run time

from langchain_gemini_qdrant.edge._convert._config import vector_schema
from langchain_gemini_qdrant.edge._engine import engine
from langchain_gemini_qdrant.edge._storage._local_mode import refuse_local_mode
from langchain_gemini_qdrant.edge._storage._lock import lock, unlock
from langchain_gemini_qdrant.edge._storage._open_folders import (
    Shared,
    release,
    replaced_error,
    share,
)
from langchain_gemini_qdrant.edge._storage._shard import FLUSH_AFTER_UPDATES, Collection
from langchain_gemini_qdrant.errors import InvalidInputError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class CollectionEntry(BaseModel):
    """The entry of one collection in `meta.json`."""

    folder: str
    config: models.CreateCollection
    payload_schema: dict[str, models.PayloadFieldSchema] = {}


class _Meta(BaseModel):
    format: Literal[1]
    collections: dict[str, CollectionEntry]
    aliases: dict[str, str] = {}


class Folder(Shared):
    """A locked folder of collections, shared by all clients of this process that name it."""

    mode = "the engine inside this process"

    def __init__(self, root: Path) -> None:
        """Lock the folder, which is created if missing, and read its list."""
        super().__init__(root)
        self._lock = threading.RLock()
        self._list_path = root / "meta.json"
        self._open: dict[str, Collection] = {}
        self._flush_after_updates = FLUSH_AFTER_UPDATES
        self.temporary = False
        refuse_local_mode(root)
        try:
            (root / "collections").mkdir(parents=True, exist_ok=True)
            self._lock_file = lock(root / ".lock")
        except OSError as error:
            raise StorageError(
                f"{root} cannot be used as the folder of an index: {error}. Name a writable folder."
            ) from error
        self.lock_status = os.fstat(self._lock_file.fileno())
        try:
            # the list as this process left it; two, while it is being replaced
            self._lists: tuple[tuple[int, int] | None, ...] = (_state(self._list_path),)
            self._meta = self._read_meta()
        except BaseException:
            unlock(self._lock_file)
            raise

    def check_usable(self) -> None:
        """Refuse use after closing, in replaced files, and in a forked child, which would hang.

        Raises:
            StorageError: The folder is closed, was moved or replaced, or was opened before the
                process forked.
        """
        if os.getpid() != self.process_id:
            self.refuse_fork()
        if self._lock_file.closed:
            raise StorageError(f"The index in {self.root} is closed; create a new EdgeClient")
        if self.replaced:
            raise replaced_error(self.root)

    @property
    def replaced(self) -> bool:
        """Whether the path now leads to other files, though the lock may be the same."""
        return super().replaced or self._has_other_list

    @property
    def _has_other_list(self) -> bool:
        while True:
            lists = self._lists
            if _state(self._list_path) in lists:
                return False
            if lists is self._lists:  # otherwise another thread has replaced it in the meantime
                return True

    def names(self) -> list[str]:
        """Return the collections' names, oldest first."""
        return list(self._meta.collections)

    def aliases(self) -> dict[str, str]:
        """Return the collection behind each alias."""
        return dict(self._meta.aliases)

    def resolve(self, name: str) -> str:
        """Return the name of the collection behind a name or an alias.

        Raises:
            InvalidInputError: There is none.
        """
        resolved = self._meta.aliases.get(name, name)
        if resolved not in self._meta.collections:
            raise InvalidInputError(
                f"Collection {name} not found in {self.root}; it has {self.names()!r}"
            )
        return resolved

    def entry(self, name: str) -> CollectionEntry:
        """Return the entry of a collection, by its name or an alias."""
        return self._meta.collections[self.resolve(name)]

    def collection_folder(self, name: str) -> Path:
        """Return where a collection's files are."""
        return self._folder_of(self.entry(name))

    def collection(self, name: str) -> Collection:
        """Return a collection by its name or an alias, opened on first use."""
        self.check_usable()  # before the lock: in a forked child nobody may be left to release it
        with self._lock:
            if name not in self._open:  # no alias has the name of a collection
                name = self.resolve(name)
            if name not in self._open:
                self.check_usable()  # another thread may have closed the folder in the meantime
                entry = self._meta.collections[name]
                folder = self._folder_of(entry)
                self._adopt(name, Collection.open(folder, entry.config, self._lock))
                self._open[name].warn_if_outgrown()
            return self._open[name]

    def create(self, name: str, config: models.CreateCollection) -> None:
        """Add an empty collection."""
        with self._lock:
            self.check_usable()
            if name in {*self._meta.collections, *self._meta.aliases}:
                raise InvalidInputError(f"Collection {name} already exists in {self.root}")
            entry = CollectionEntry(folder=str(uuid4()), config=config)
            folder = self._folder_of(entry)
            try:
                self._adopt(name, Collection.create(folder, config, self._lock))
                self._open[name].flush()  # the list must not name what a power cut undoes
                _sync_folder(folder.parent)
                self._write_meta({**self._meta.collections, name: entry})
            except BaseException:
                self._discard(name, folder)
                raise

    def _adopt(self, name: str, collection: Collection) -> None:
        collection.name = name
        collection.flush_after_updates = self._flush_after_updates
        self._open[name] = collection

    def require_power_safety(self) -> None:
        """Make every update from here on, and those before, survive a power cut."""
        with self._lock:
            self.check_usable()
            self._flush_after_updates = 1
            for collection in self._open.values():
                collection.flush_after_updates = 1
                collection.flush()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Flush everything, and keep other threads out."""
        with self._lock:
            self.check_usable()
            for collection in self._open.values():
                collection.flush()
            self._write_meta(self._meta.collections)  # a new index has no list yet
            yield

    def delete(self, name: str) -> bool:
        """Remove a collection with its data; False if there was none."""
        with self._lock:
            self.check_usable()
            entry = self._meta.collections.get(name)
            if entry is None:
                return False
            self._write_meta(
                {n: e for n, e in self._meta.collections.items() if n != name},
                {a: n for a, n in self._meta.aliases.items() if n != name},
            )
            self._discard(name, self._folder_of(entry))
            return True

    def _discard(self, name: str, folder: Path) -> None:
        collection = self._open.pop(name, None)
        if collection is not None:
            with suppress(StorageError):  # its data is going anyway
                collection.close()
        shutil.rmtree(folder, ignore_errors=True)

    def record_index(self, name: str, field: str, schema: models.PayloadFieldSchema | None) -> None:
        """Record a payload index, or drop its record; the engine reports only its own types."""
        with self._lock:
            indexes = {n: s for n, s in self.entry(name).payload_schema.items() if n != field}
            if schema is not None:
                indexes[field] = schema
            self._change_entry(name, payload_schema=indexes)

    def reconfigure(
        self, name: str, change: Callable[[models.CreateCollection], models.CreateCollection]
    ) -> None:
        """Change a collection's settings, in the engine and in the list."""
        with self._lock:
            config = change(self.entry(name).config)
            self.collection(name).reconfigure(config)
            self.change_config(name, config)

    def change_config(self, name: str, config: models.CreateCollection) -> None:
        """Record a collection's settings after the engine has changed them."""
        with self._lock:
            self._change_entry(name, config=config)
            self.collection(name).schema = vector_schema(config)

    def merge_metadata(self, name: str, metadata: dict[str, object]) -> None:
        """Merge into a collection's metadata; a value of None removes its key.

        The first metadata is kept as it is, as on a server.
        """
        with self._lock:
            config = self.entry(name).config
            if config.metadata is not None:
                merged = {**config.metadata, **metadata}
                metadata = {key: value for key, value in merged.items() if value is not None}
            self._change_entry(name, config=config.model_copy(update={"metadata": metadata}))

    def change_aliases(self, change: Callable[[dict[str, str]], None]) -> None:
        """Edit the aliases by `change`; all of its changes are stored, or none."""
        with self._lock:
            self.check_usable()
            aliases = self.aliases()
            change(aliases)
            self._write_meta(self._meta.collections, aliases)

    def _change_entry(self, name: str, **fields: object) -> None:
        changed = self.entry(name).model_copy(update=fields)
        self._write_meta({**self._meta.collections, self.resolve(name): changed})

    @property
    def over(self) -> bool:
        """Whether the folder is closed."""
        return self._lock_file.closed

    def start_closing(self) -> None:
        """Flush and close every collection, and unlock the folder; the first error is raised."""
        with self._lock:
            try:
                for collection in self._drain():
                    collection.close(is_elsewhere=self._has_other_list)
            finally:
                try:
                    for collection in self._drain():  # those after the one that failed
                        with suppress(StorageError):
                            collection.close(is_elsewhere=self._has_other_list)
                finally:
                    unlock(self._lock_file)
                    if self.temporary and not self.replaced:
                        shutil.rmtree(self.root, ignore_errors=True)

    def leave_to_parent(self) -> None:
        """Close this process's copy of the lock, which would otherwise outlive the parent's."""
        self._lock_file.close()
        for collection in self._open.values():
            collection.abandon()

    def _drain(self) -> Iterator[Collection]:
        while self._open:
            yield self._open.popitem()[1]

    def _folder_of(self, entry: CollectionEntry) -> Path:
        return self.root / "collections" / entry.folder

    def _read_meta(self) -> _Meta:
        file = self._list_path
        collections = self.root / "collections"
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            if collections.is_dir() and any(collections.iterdir()):
                raise StorageError(
                    f"{file} is missing although {collections} has data; restore it from a backup,"
                    " or, if a Qdrant server wrote the folder, start the server and pass `url=`"
                ) from None
            return _Meta(format=1, collections={})
        except OSError as error:
            raise StorageError(f"{file} cannot be read: {error}") from error
        try:
            return _Meta.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise StorageError(
                f"{file} is damaged, or was written by another program: {where} {first['msg']}."
                " Restore it from a backup, or name another folder."
            ) from error

    def _write_meta(
        self, collections: dict[str, CollectionEntry], aliases: dict[str, str] | None = None
    ) -> None:
        """Replace the list as a whole, so that a crash leaves the old or the new one."""
        aliases = self._meta.aliases if aliases is None else aliases
        meta = _Meta(format=1, collections=collections, aliases=aliases)
        new = self.root / "meta.json.new"
        try:
            with new.open("wb") as file:
                file.write(meta.model_dump_json(exclude_unset=True, indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            written = _state(new)
            self._lists = (*self._lists, written)
            new.replace(self._list_path)
            self._lists = (written,)
            _sync_folder(self.root)
        except OSError as error:
            raise StorageError(f"{self._list_path} cannot be written: {error}") from error
        self._meta = meta


def _state(file: Path) -> tuple[int, int] | None:
    """Return what identifies a version of a file; an inode may be used again."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_folder(path: Path) -> Folder:
    """Return the folder for one more user; clients of one path share it."""
    engine()
    return share(path, Folder)


def release_folder(folder: Folder) -> None:
    """Remove one user; the last one closes the folder."""
    release(folder)
