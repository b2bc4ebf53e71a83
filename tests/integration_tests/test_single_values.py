"""One value where a list is meant is refused, and nothing is embedded, stored or deleted."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiQdrantVectorStore,
    aingest,
    ameasure_recall,
    create_vector_store,
    ingest,
    measure_recall,
)
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.recall import compare_quantizations

DOCUMENT = Document("one", metadata={"source": "a.md"})
CUT = "cut \ud83d"  # half of a surrogate pair


@pytest.fixture
def store(embeddings, client):
    with create_vector_store(embeddings, "notes", client=client, title_key="title") as store:
        store.add_texts(["stored"], [{"a": 1}], ids=["a"])
        yield store


@pytest.fixture
def kept(store, emulator):
    """Check that nothing was embedded, stored or deleted."""
    emulator.clear()
    yield
    assert emulator.requests == []
    assert store.count() == 1


WRITES = {
    "a text": ("add_texts", "abc"),
    "bytes": ("add_texts", b"abc"),
    "a metadata": ("add_texts", ["x"], {"source": "a.md"}),
    "an id": ("add_texts", ["x", "y"], None, "ab"),
    "an integer": ("add_texts", ["x"], None, 7),
    "a document": ("add_documents", DOCUMENT),
    "a text for documents": ("add_documents", "abc"),
    "a document's id": ("add_documents", [DOCUMENT], "a"),
    "an id to update": ("update_documents", "a", [DOCUMENT]),
    "a document to update": ("update_documents", ["a"], DOCUMENT),
    "an id to delete": ("delete", "a"),
    "an integer to delete": ("delete", 7),
    "an id to read": ("get_by_ids", "a"),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("written", WRITES.values(), ids=WRITES)
async def test_store_refuses_one_value_for_a_list(store, twin, written):
    name, *args = written
    with pytest.raises(InvalidInputError, match="must be a list of .* got \\w+: put"):
        await twin(store, name, *args)


@pytest.mark.usefixtures("kept")
async def test_store_refuses_what_is_no_document(store, twin):
    with pytest.raises(InvalidInputError, match="got str at index 1") as caught:
        await twin(store, "add_documents", [DOCUMENT, "two"])
    assert caught.value.indices == (1,)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("fields", ["a", ["a"]])
async def test_payload_indexes_are_named_with_their_kinds(store, twin, fields):
    with pytest.raises(ConfigurationError, match="must be a dict such as"):
        await twin(store, "create_payload_indexes", fields)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("documents", ["abc", DOCUMENT, {"a": 1}], ids=["text", "document", "dict"])
async def test_ingest_refuses_one_document(store, documents):
    with pytest.raises(InvalidInputError, match="documents must be a list"):
        ingest(store, documents)
    with pytest.raises(InvalidInputError, match="documents must be a list"):
        await aingest(store, documents)


@pytest.mark.filterwarnings("ignore:qdrant-client's local mode")
@pytest.mark.usefixtures("kept")
async def test_recall_refuses_one_query_and_one_setting(store):
    for queries in ("abc", b"abc", [0.5] * 768, Blob.from_data(b"abc"), {"type": "text"}):
        with pytest.raises(InvalidInputError, match="queries must be a sequence"):
            measure_recall(store, queries=queries)
        with pytest.raises(InvalidInputError, match="queries must be a sequence"):
            await ameasure_recall(store, queries=queries)
    for name in ("limits", "oversampling", "rescore", "hnsw_ef"):
        with pytest.raises(ConfigurationError, match=f"{name} must be a list, got 1"):
            measure_recall(store, **{name: 1})
    with pytest.raises(ConfigurationError, match="presets must be a list"):
        compare_quantizations(store, presets="binary")


def test_one_text_recreates_no_collection(store, embeddings, emulator):
    emulator.clear()
    for text in ("abc", b"abc"):
        with pytest.raises(InvalidInputError, match="texts must be a list"):
            GeminiQdrantVectorStore.from_texts(
                text, embeddings, path=":temporary:", force_recreate=True
            )
    with pytest.raises(InvalidInputError, match="texts must be a list"):
        EdgeBm25().embed_documents("abc")
    assert emulator.requests == []
    assert store.count() == 1


# What cannot be stored is found before it is paid for

UNFIT = {
    "id": {"ids": ["b", CUT]},
    "metadata": {"metadatas": [{}, {"key": CUT}]},
    "key": {"metadatas": [{}, {CUT: 1}]},
    "title": {"metadatas": [{}, {"title": CUT}]},
    "nan": {"metadatas": [{}, {"score": float("nan")}]},
    "huge": {"metadatas": [{}, {"number": 2**70}]},
    "object": {"metadatas": [{}, {"value": object()}]},
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("unfit", UNFIT.values(), ids=UNFIT)
async def test_what_cannot_be_stored_is_refused_before_it_is_embedded(store, twin, unfit):
    with pytest.raises(InvalidInputError, match="first at index 1.*Nothing is embedded") as caught:
        await twin(store, "add_texts", ["one", "two"], **unfit)
    assert caught.value.indices == (1,)


@pytest.mark.usefixtures("kept")
async def test_filter_cut_inside_a_character_is_refused_before_the_query_is_embedded(store, twin):
    for condition in ({"a": CUT}, {CUT: 1}, {"a": {"$in": ["x", CUT]}}):
        with pytest.raises(InvalidInputError, match="half of a surrogate pair"):
            await twin(store, "similarity_search", "query", filter=condition)


def test_ingest_leaves_out_the_document_whose_id_is_cut_inside_a_character(store):
    documents = [Document("one", id="1"), Document("two", id=CUT), Document("three", id="3")]
    report = ingest(store, documents, on_error="report")
    assert report.added == 2
    assert report.stopped is None
    assert list(report.failed) == [CUT]


@pytest.mark.parametrize("name", ["collection_name", "vector_name"])
def test_names_cut_inside_a_character_are_refused(embeddings, name):
    names = {"collection_name": "notes", name: CUT}
    with pytest.raises(InvalidInputError, match="half (of )?a surrogate pair"):
        create_vector_store(embeddings, path=":temporary:", **names)
