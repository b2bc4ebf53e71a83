"""`index()` and `aindex()` of langchain-core keep the store to what a source holds."""

from __future__ import annotations

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, aindex, index
from qdrant_client import models

from langchain_gemini_qdrant import create_vector_store
from langchain_gemini_qdrant.errors import RequestRejectedError

# The default encoder says so once in a process.
pytestmark = pytest.mark.filterwarnings("ignore:Using SHA-1")

BEFORE = [
    Document("Cats sleep by day", metadata={"source": "cats", "page": 1}),
    Document("Cats hunt by night", metadata={"source": "cats", "page": 2}),
    Document("Dogs bark", metadata={"source": "dogs"}),
]
AFTER = [BEFORE[0], Document("Cats purr", metadata={"source": "cats", "page": 2})]


class Records(InMemoryRecordManager):
    """Its time counts, so that one run is always later than the other."""

    _time = 1000.0

    def get_time(self):
        self._time += 1
        return self._time


class Loader(BaseLoader):
    def lazy_load(self):
        yield from BEFORE


class EagerLoader(BaseLoader):
    def load(self):
        return BEFORE


async def stream():
    for document in BEFORE:
        yield document


def own_key(document):
    return f"{document.metadata['source']}/{document.page_content} ✓"


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def store(client, embeddings):
    return create_vector_store(embeddings, "c", client=client)


@pytest.fixture(params=["index", "aindex"])
def run(request, store):
    """Index documents with one record manager; return what changed, without the zeros."""
    records = Records("c")

    async def run(documents, *, key_encoder="sha256", **options):
        options = {"source_id_key": "source", "key_encoder": key_encoder, **options}
        if request.param == "index":
            result = index(documents, records, store, **options)
        else:
            result = await aindex(documents, records, store, **options)
        return {key.removeprefix("num_"): count for key, count in result.items() if count}

    run.records = records
    return run


def contents(store):
    points, _ = store.client.scroll(store.collection_name, limit=100)
    return sorted(point.payload["page_content"] for point in points)


def page_contents(documents):
    return sorted(document.page_content for document in documents)


@pytest.mark.parametrize("key_encoder", ["sha1", "blake2b", "sha256", "sha512", own_key])
async def test_keys_of_every_encoder_are_ids_that_are_found_again(
    store, run, emulator, key_encoder
):
    assert await run(BEFORE, key_encoder=key_encoder) == {"added": 3}
    keys = run.records.list_keys()
    assert [document.id for document in store.get_by_ids(keys)] == keys
    assert [document.id for document in await store.aget_by_ids(keys)] == keys
    if key_encoder is own_key:
        assert keys == [own_key(document) for document in BEFORE]
    emulator.clear()
    assert await run(BEFORE, key_encoder=key_encoder) == {"skipped": 3}
    assert emulator.requests == []
    assert await run([], cleanup="full", key_encoder=key_encoder) == {"deleted": 3}
    assert contents(store) == []


@pytest.mark.parametrize(
    ("cleanup", "deleted", "left"),
    [
        (None, 0, [*BEFORE, AFTER[1]]),
        ("incremental", 1, [*AFTER, BEFORE[2]]),
        ("scoped_full", 1, [*AFTER, BEFORE[2]]),
        ("full", 2, AFTER),
    ],
)
async def test_each_cleanup_leaves_what_it_should(store, run, cleanup, deleted, left):
    await run(BEFORE, cleanup=cleanup)
    changes = {"added": 1, "skipped": 1, **({"deleted": deleted} if deleted else {})}
    assert await run(AFTER, cleanup=cleanup) == changes
    assert contents(store) == page_contents(left)
    [nearest] = store.similarity_search("Do cats purr?", k=1)
    assert (nearest.page_content, nearest.metadata) == (AFTER[1].page_content, AFTER[1].metadata)


@pytest.mark.parametrize(
    ("cleanup", "changes"),
    [
        # Between two batches of one source it takes the second's documents for gone.
        ("incremental", {"added": 1, "skipped": 2, "deleted": 1}),
        ("scoped_full", {"skipped": 3}),
        ("full", {"skipped": 3}),
    ],
)
async def test_batches_of_one_end_in_the_same_store(store, run, cleanup, changes):
    options = {"cleanup": cleanup, "batch_size": 1, "cleanup_batch_size": 1}
    await run(BEFORE, **options)
    assert await run(BEFORE, **options) == changes
    assert contents(store) == page_contents(BEFORE)


async def test_deleted_documents_come_back_when_the_source_has_them_again(store, run):
    await run(BEFORE, cleanup="full")
    assert await run(AFTER, cleanup="full") == {"added": 1, "skipped": 1, "deleted": 2}
    assert await run(BEFORE, cleanup="full") == {"added": 2, "skipped": 1, "deleted": 1}
    assert contents(store) == page_contents(BEFORE)


async def test_force_update_embeds_again_and_replaces(store, run, emulator):
    await run(BEFORE)
    emulator.clear()
    assert await run(BEFORE, force_update=True) == {"updated": 3}
    assert len(emulator.texts) == 3
    assert contents(store) == page_contents(BEFORE)


@pytest.mark.parametrize(
    "source", [lambda: iter(BEFORE), Loader, EagerLoader], ids=["iterator", "loader", "eager"]
)
async def test_documents_come_from_any_source(store, run, source):
    assert await run(source(), cleanup="incremental") == {"added": 3}
    assert await run(source(), cleanup="incremental") == {"skipped": 3}
    assert contents(store) == page_contents(BEFORE)


async def test_documents_come_from_an_async_iterator(store):
    options = {"cleanup": "full", "key_encoder": "blake2b", "batch_size": 2}
    records = Records("c")
    assert (await aindex(stream(), records, store, **options))["num_added"] == 3
    assert (await aindex(stream(), records, store, **options))["num_skipped"] == 3
    assert contents(store) == page_contents(BEFORE)


async def test_twice_the_same_document_is_stored_once(store, run):
    assert await run([BEFORE[0], BEFORE[2], BEFORE[0]]) == {"added": 2, "skipped": 1}
    assert contents(store) == page_contents([BEFORE[0], BEFORE[2]])


async def test_upsert_kwargs_reach_the_client(store, run):
    def key(document):
        return document.metadata["source"]

    await run(BEFORE[2:], key_encoder=key)
    changed = [Document("Dogs howl", metadata=BEFORE[2].metadata)]
    insert_only = {"update_mode": models.UpdateMode.INSERT_ONLY}
    for upsert_kwargs, expected in ((insert_only, "Dogs bark"), (None, "Dogs howl")):
        await run(changed, key_encoder=key, force_update=True, upsert_kwargs=upsert_kwargs)
        assert contents(store) == [expected]


async def test_documents_deleted_behind_its_back_are_no_error(store, run):
    await run(BEFORE, cleanup="full")
    store.delete(run.records.list_keys()[:2])
    assert await run([], cleanup="full") == {"deleted": 3}


async def test_a_refused_text_is_not_recorded_as_stored(store, run, emulator):
    emulator.fail_next(status=400)
    with pytest.raises(RequestRejectedError):
        await run(BEFORE, cleanup="incremental")
    assert run.records.list_keys() == []
    assert await run(BEFORE, cleanup="incremental") == {"added": 3}
    assert contents(store) == page_contents(BEFORE)
