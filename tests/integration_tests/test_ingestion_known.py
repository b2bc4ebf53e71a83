"""Documents that a run knows: that they are stored, or under which other ids they are."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.ingestion._lookups import Given
from tests.integration_tests.ingesting import passages, stored

TITLE = {"source": "a", "title": "The ash"}


@pytest.fixture
def store(client, emulator):
    """A store on each engine in turn, which embeds titles."""
    embeddings = GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
    )
    return create_vector_store(embeddings, "c", client=client, title_key="title")


def test_what_is_known_to_be_stored_is_skipped_and_kept_from_the_cleanup(store, run, emulator):
    run(store, passages(6))
    emulator.clear()
    known = [
        Given(Document("", id=each.id, metadata=each.metadata), is_stored=True)
        for each in store.iter_documents()
    ]
    kept = [each for each in known if each.document.metadata["source"] != "file 0"]
    report = run(store, kept[1:], cleanup="source")
    assert (report.skipped, report.deleted, report.complete) == (3, 1, True)
    assert run(store, kept[1:], cleanup="full").deleted == 2
    assert len(stored(store)) == 3
    assert emulator.requests == []


def test_vectors_are_copied_from_the_same_text_and_title(store, run, emulator):
    run(store, [Document("text", id="one", metadata=TITLE)])
    emulator.clear()
    given = Given(
        Document("text", id="two", metadata={**TITLE, "source": "b"}), False, ["no", "one"]
    )
    report = run(store, [given])
    assert (report.added, report.texts) == (1, 0)
    assert emulator.requests == []
    assert {each.metadata["source"] for each in store.similarity_search("text")} == {"a", "b"}
    assert run(store, [given]).skipped == 1


def test_no_vector_is_copied_from_another_text_or_title(store, run, emulator):
    run(store, [Document("text", id="one", metadata=TITLE)])
    emulator.clear()
    others = [
        Given(Document("Text", id="two", metadata=TITLE), other_ids=["one"]),
        Given(Document("text", id="three", metadata={"title": "The oak"}), other_ids=["one"]),
    ]
    assert run(store, others).texts == 2
