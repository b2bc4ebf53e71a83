from __future__ import annotations

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant import (
    IngestProgress,
    InvalidInputError,
    RequestRejectedError,
    create_vector_store,
    ingest,
)


def documents(count=250):
    return [Document(f"passage {i}", metadata={"source": f"file {i % 3}"}) for i in range(count)]


@pytest.fixture
def store(client, embeddings):
    return create_vector_store(embeddings, "c", client=client)


def test_second_run_embeds_nothing(store, emulator):
    first = ingest(store, iter(documents()))
    assert (first.added, first.updated, first.skipped) == (250, 0, 0)
    emulator.clear()
    again = ingest(store, iter(documents()))
    assert (again.added, again.updated, again.skipped) == (0, 0, 250)
    assert emulator.requests == []
    assert store.client.count("c").count == 250


def test_run_that_broke_off_goes_on_where_it_stopped(store, emulator):
    emulator.fail_next(status=400, containing="passage 150")
    with pytest.raises(RequestRejectedError):
        ingest(store, documents())
    assert store.client.count("c").count == 100
    report = ingest(store, documents())
    assert (report.added, report.skipped) == (150, 100)
    assert store.client.count("c").count == 250


def test_passages_given_twice_are_stored_once(store, emulator):
    report = ingest(store, documents(5) + documents(5))
    assert (report.added, report.skipped) == (5, 5)
    assert len(emulator.texts) == 5


def test_changed_document_of_the_same_id_is_updated(store):
    ingest(store, [Document("old", id="a"), Document("same", id="b")])
    report = ingest(store, [Document("new", id="a"), Document("same", id="b")])
    assert (report.added, report.updated, report.skipped) == (0, 1, 1)
    assert [document.page_content for document in store.get_by_ids(["a", "b"])] == ["new", "same"]


def test_changed_metadata_is_an_update(store):
    ingest(store, [Document("x", metadata={"source": "s", "title": "old"})])
    report = ingest(store, [Document("x", metadata={"source": "s", "title": "new"})])
    assert (report.added, report.updated) == (0, 1)
    assert store.similarity_search("x")[0].metadata["title"] == "new"


def test_progress_counts_up_to_the_end(store):
    ingest(store, documents(1))
    seen = []
    ingest(store, documents(150), on_progress=seen.append)
    assert seen[-1] == IngestProgress(skipped=1, embedded=149, stored=149)
    assert IngestProgress(skipped=1, embedded=99, stored=0) in seen


def test_blank_document_is_refused_and_the_batches_before_stay(store):
    with pytest.raises(InvalidInputError, match="blank"):
        ingest(store, [*documents(100), Document(" ")])
    assert store.client.count("c").count == 100


def test_vectors_must_be_as_many_as_documents(store):
    vectors = store.embed_documents(documents(2))
    with pytest.raises(InvalidInputError, match="3 documents, 2 vectors"):
        store.upsert_embedded(documents(3), vectors)
