"""Which folder is open, and when it is free again: more than its path tells."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import shutil
import threading

import pytest
from qdrant_client import models

from langchain_gemini_qdrant import acreate_vector_store, create_vector_store
from langchain_gemini_qdrant.edge import AsyncEdgeClient, EdgeClient
from langchain_gemini_qdrant.errors import StorageError
from tests.integration_tests.folders import is_free
from tests.integration_tests.plane import Plane

NAME = "points"
VECTORS = models.VectorParams(size=2, distance=models.Distance.DOT)
WORKER = [False, pytest.param(True, marks=pytest.mark.slow)]
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="an open folder cannot be removed")


def point(point_id: int) -> models.PointStruct:
    return models.PointStruct(id=point_id, vector=[1.0, 2.0])


def files_of(index):
    return {
        file.relative_to(index): file.read_bytes() for file in index.rglob("*") if file.is_file()
    }


def names_in(index):
    # In an open index the engine's log makes its next file in the background: `tmp-open-2` becomes
    # `open-2` when the disk says so.
    return {name for name in index.rglob("*") if name.parent.name != "wal"}


# --- a folder is known by more than its path


USES = {
    "count": lambda client: client.count(NAME),
    "upsert": lambda client: client.upsert(NAME, [point(9)]),
    "create": lambda client: client.create_collection("other", VECTORS),
    "delete": lambda client: client.delete_collection(NAME),
    "metadata": lambda client: client.update_collection(NAME, metadata={"a": 1}),
    "optimize": lambda client: client.optimize(NAME),
    "backup": lambda client: client.backup("nowhere"),
}


@POSIX_ONLY
@pytest.mark.parametrize("worker", WORKER)
def test_a_client_of_a_folder_that_was_replaced_says_so_and_never_writes_there(tmp_path, worker):
    index, other = tmp_path / "index", tmp_path / "other"
    old = EdgeClient(index, worker=worker)
    old.create_collection(NAME, VECTORS)
    old.backup(other)
    old.upsert(NAME, [point(1)])
    old.upsert(NAME, [point(2)])
    shutil.rmtree(index)
    other.rename(index)
    before = files_of(index)
    for use in USES.values():
        with pytest.raises(StorageError, match="removed, moved or replaced.*Close that client"):
            use(old)
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        EdgeClient(index, worker=worker)
    (index / ".lock").touch()  # as another process has it that opened the folder meanwhile
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        EdgeClient(index, worker=worker)
    with pytest.raises(StorageError, match="removed, moved or replaced.*2 updates"):
        old.close()
    assert files_of(index).items() >= before.items()
    new = EdgeClient(index, worker=worker)
    new.upsert(NAME, [point(3)])
    assert [record.id for record in new.scroll(NAME)[0]] == [3]
    new.close()


@POSIX_ONLY
@pytest.mark.parametrize("worker", WORKER)
@pytest.mark.parametrize("move", [shutil.rmtree, lambda index: index.rename(f"{index}.moved")])
def test_a_client_of_a_folder_that_is_gone_says_so_and_leaves_its_path_free(tmp_path, worker, move):
    index = tmp_path / "index"
    old = EdgeClient(index, worker=worker)
    old.create_collection(NAME, VECTORS)
    old.upsert(NAME, [point(1)])
    move(index)
    for use in USES.values():
        with pytest.raises(StorageError, match="removed, moved or replaced"):
            use(old)
    with pytest.raises(StorageError, match="removed, moved or replaced.*1 updates"):
        old.close()
    assert not index.exists()
    if (tmp_path / "index.moved").exists():
        moved = EdgeClient(tmp_path / "index.moved")
        assert moved.count(NAME).count == 1
        moved.close()


def remove_all_but_the_lock(index, _):
    for entry in index.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != ".lock":
            entry.unlink()


def restore_all_but_the_lock(index, backup):
    remove_all_but_the_lock(index, backup)
    shutil.copytree(backup, index, dirs_exist_ok=True)


def restore_files_only(index, backup):
    for file in index.rglob("*"):
        if file.is_file() and file.name != ".lock":
            file.unlink()
    shutil.copytree(backup, index, dirs_exist_ok=True)


CHANGES = [remove_all_but_the_lock, restore_all_but_the_lock, restore_files_only]


@POSIX_ONLY
@pytest.mark.parametrize("worker", WORKER)
@pytest.mark.parametrize("is_used", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_files_that_were_changed_around_the_lock_are_another_folder(
    tmp_path, change, is_used, worker
):
    index, backup = tmp_path / "index", tmp_path / "backup"
    old = EdgeClient(index, worker=worker)
    old.create_collection(NAME, VECTORS)
    old.upsert(NAME, [point(1)])
    old.backup(backup)
    if is_used:
        old.upsert(NAME, [point(2)])
    else:
        old.close()
        old = EdgeClient(index, worker=worker)
    change(index, backup)
    before = files_of(index)
    for use in USES.values():
        with pytest.raises(StorageError, match="removed, moved or replaced.*Close that client"):
            use(old)
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        EdgeClient(index, worker=worker)
    if is_used:
        with pytest.raises(StorageError, match="removed, moved or replaced.*1 updates"):
            old.close()
    old.close()
    assert files_of(index).items() >= before.items()
    if change is remove_all_but_the_lock:
        EdgeClient.restore(backup, tmp_path / "again")
        return
    new = EdgeClient(index)
    new.upsert(NAME, [point(3)])
    assert [record.id for record in new.scroll(NAME)[0]] == [1, 3]
    new.close()


@POSIX_ONLY
@pytest.mark.parametrize("use", ["count", "upsert", "optimize", "settings"])
def test_a_collection_whose_files_alone_were_replaced_is_not_written_to(tmp_path, use):
    index, backup = tmp_path / "index", tmp_path / "backup"
    old = EdgeClient(index)
    old.create_collection(NAME, VECTORS)
    old.upsert(NAME, [point(1)])
    old.backup(backup)
    old.upsert(NAME, [point(2)])
    shutil.rmtree(index / "collections")
    shutil.copytree(backup / "collections", index / "collections")
    before = files_of(index)
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        {**USES, "settings": change_settings}[use](old)
    with pytest.raises(StorageError, match="removed, moved or replaced.*1 updates"):
        old.close()
    assert files_of(index) == before
    new = EdgeClient(index)
    assert [record.id for record in new.scroll(NAME)[0]] == [1]
    new.close()


def change_settings(client):
    client.update_collection(NAME, hnsw_config=models.HnswConfigDiff(m=8))


@POSIX_ONLY
@pytest.mark.parametrize("worker", WORKER)
def test_a_file_in_place_of_an_open_folder_does_not_block_the_path(tmp_path, worker):
    index, backup = tmp_path / "index", tmp_path / "backup"
    old = EdgeClient(index, worker=worker)
    old.create_collection(NAME, VECTORS)
    old.backup(backup)
    old.upsert(NAME, [point(1)])
    shutil.rmtree(index)
    index.touch()
    for use in USES.values():
        with pytest.raises(StorageError, match="removed, moved or replaced"):
            use(old)
    with pytest.raises(StorageError, match="removed, moved or replaced"):
        old.close()
    index.unlink()
    EdgeClient.restore(backup, index)
    new = EdgeClient(index, worker=worker)
    assert new.count(NAME).count == 0
    new.close()


@POSIX_ONLY
def test_a_folder_that_was_moved_and_replaced_can_be_opened_where_it_is_now(tmp_path):
    index, moved = tmp_path / "index", tmp_path / "moved"
    old = EdgeClient(index)
    old.create_collection(NAME, VECTORS)
    old.backup(tmp_path / "backup")
    old.upsert(NAME, [point(1)])
    index.rename(moved)
    EdgeClient.restore(tmp_path / "backup", tmp_path / "new")
    (tmp_path / "new").rename(index)
    with pytest.raises(StorageError, match="in the log of the original folder"):
        old.close()
    for path, count in ((moved, 1), (index, 0)):
        client = EdgeClient(path)
        assert client.count(NAME).count == count
        client.close()


def test_a_list_that_another_thread_is_writing_is_no_other_folder(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.create_collection(NAME, VECTORS)

    def write():
        for number in range(100):
            client.update_collection(NAME, metadata={"number": number})

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        assert client.count(NAME).count == 0
    client.close()


@POSIX_ONLY
def test_a_backup_is_not_restored_through_a_link_to_an_open_index(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.backup(tmp_path / "backup")
    (tmp_path / "link").symlink_to(tmp_path / "index")
    shutil.rmtree(tmp_path / "index")
    with pytest.raises(StorageError, match="open in this process"):
        EdgeClient.restore(tmp_path / "backup", tmp_path / "link")
    client.close()


@pytest.mark.parametrize("inside", ["backup", "collections/backup", "a/b/c"])
@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_no_copy_of_an_index_is_made_inside_of_it(tmp_path, inside, worker):
    index = tmp_path / "index"
    client = EdgeClient(index, worker=worker)
    client.create_collection(NAME, VECTORS)
    before = names_in(index)
    with pytest.raises(StorageError, match="is inside .*; name a folder outside it"):
        client.backup(index / inside)
    client.close()
    for copy_of in (EdgeClient.restore, EdgeClient.repair):
        with pytest.raises(StorageError, match="is inside .*; name a folder outside it"):
            copy_of(index, index / inside)
        with pytest.raises(StorageError, match="is not empty"):
            copy_of(index, tmp_path)
    assert names_in(index) == before


@POSIX_ONLY
def test_no_copy_of_an_index_is_made_inside_of_it_through_a_link(tmp_path):
    client = EdgeClient(tmp_path / "index")
    client.create_collection(NAME, VECTORS)
    (tmp_path / "link").symlink_to(tmp_path / "index" / "collections")
    with pytest.raises(StorageError, match="is inside"):
        client.backup(tmp_path / "link" / "backup")
    client.close()
    (tmp_path / "other").symlink_to(tmp_path / "index")
    with pytest.raises(StorageError, match="is inside"):
        EdgeClient.restore(tmp_path / "other", tmp_path / "index" / "copy")
    assert len([*(tmp_path / "index" / "collections").iterdir()]) == 1


# --- closing frees the folder


def one_run(path, worker):
    store = create_vector_store(Plane(), "c", path=path, worker=worker)
    asyncio.run(store.aadd_texts(["1 0"]))
    return store


def opened_in_a_loop(path, worker):
    async def run():
        store = await acreate_vector_store(Plane(), "c", path=path, worker=worker)
        await store.aadd_texts(["1 0"])
        return store

    return asyncio.run(run())


def a_loop_that_is_just_closed(path, worker):
    store = create_vector_store(Plane(), "c", path=path, worker=worker)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(store.aadd_texts(["1 0"]))
    loop.close()
    return store


def many_loops(path, worker):
    store = one_run(path, worker)
    for _ in range(3):
        asyncio.run(store.acount())
    return store


def a_loop_of_another_thread(path, worker):
    store = create_vector_store(Plane(), "c", path=path, worker=worker)
    thread = threading.Thread(target=lambda: asyncio.run(store.aadd_texts(["1 0"])))
    thread.start()
    thread.join()
    return store


def sync_only(path, worker):
    store = create_vector_store(Plane(), "c", path=path, worker=worker)
    store.add_texts(["1 0"])
    return store


HISTORIES = [
    one_run,
    opened_in_a_loop,
    a_loop_that_is_just_closed,
    many_loops,
    a_loop_of_another_thread,
    sync_only,
]
CLOSINGS = {
    "close": lambda store: store.close(),
    "aclose in another loop": lambda store: asyncio.run(store.aclose()),
}


@pytest.mark.parametrize("worker", WORKER)
@pytest.mark.parametrize("closing", CLOSINGS)
@pytest.mark.parametrize("history", HISTORIES)
def test_closing_frees_the_folder_and_no_call_opens_it_again(tmp_path, history, closing, worker):
    path = tmp_path / "index"
    store = history(path, worker)
    CLOSINGS[closing](store)
    assert is_free(path)
    with pytest.raises(StorageError, match="closed"):
        store.count()
    with pytest.raises(StorageError, match="closed"):
        asyncio.run(store.acount())
    assert is_free(path)


@pytest.mark.parametrize("worker", WORKER)
@pytest.mark.parametrize("is_given", [False, True])
async def test_closing_in_a_running_event_loop_frees_the_folder(tmp_path, worker, is_given):
    path = tmp_path / "index"
    client = EdgeClient(path, worker=worker) if is_given else None
    engine = {"client": client} if is_given else {"path": path, "worker": worker}
    store = await acreate_vector_store(Plane(), "c", **engine)
    await store.aadd_texts(["1 0"])
    store.close()
    if client is not None:
        assert client.count("c").count == 1
        client.close()
    assert is_free(path)
    with pytest.raises(StorageError, match="closed"):
        await store.acount()
    assert is_free(path)


@pytest.mark.slow
async def test_a_loop_that_waits_gives_the_folder_free_too(tmp_path):
    store = create_vector_store(Plane(), "c", path=tmp_path / "index", worker=True)
    waiting = asyncio.new_event_loop()
    await asyncio.to_thread(waiting.run_until_complete, store.aadd_texts(["1 0"]))
    store.close()
    assert is_free(tmp_path / "index")
    waiting.close()


@pytest.mark.slow
async def test_a_sync_client_of_a_closed_async_one_is_not_made(tmp_path):
    client = AsyncEdgeClient(tmp_path / "index")
    store = await acreate_vector_store(Plane(), "c", async_client=client)
    await client.close()
    with pytest.raises(StorageError, match="closed"):
        store.count()
    assert is_free(tmp_path / "index")


# --- copies of a store


def test_a_copied_store_shares_the_folder_and_pickling_says_what_to_do(tmp_path):
    store = create_vector_store(Plane(), "c", path=tmp_path / "index")
    store.add_texts(["1 0"])
    for made in (copy.copy(store), copy.deepcopy(store)):
        assert made.count() == 1
        assert made.client is store.client
    retriever = copy.deepcopy(store.as_retriever())
    assert [document.page_content for document in retriever.invoke("1 0")] == ["1 0"]
    for each in (store, store.as_retriever()):
        with pytest.raises(TypeError, match="create_vector_store"):
            pickle.dumps(each)
    store.close()
