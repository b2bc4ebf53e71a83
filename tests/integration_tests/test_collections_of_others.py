"""Collections that other programs filled: what is opened, and what is said where options are due.

The payloads are laid out as these programs write them with their own defaults.
"""

from __future__ import annotations

import json
import uuid
import warnings

import pytest
from langchain_core.documents import Document
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import GeminiQdrantVectorStore, create_vector_store, ingest
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from tests.integration_tests.plane import Plane

POINT = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"
TEXT = "Vacation is 30 days a year."
# https://github.com/langchain-ai/langchainjs-community, libs/langchain-qdrant/src/vectorstores.ts;
# n8n and Flowise store through it
LANGCHAIN_JS = {
    "content": TEXT,
    "metadata": {"source": "rules.md", "loc": {"lines": {"from": 1, "to": 4}}},
    "customPayload": {"tenant": "a"},
}
# https://github.com/run-llama/llama_index, llama_index/core/vector_stores/utils.py
NODE = {"id_": POINT, "embedding": None, "metadata": {"file_name": "rules.md"}, "text": TEXT}
LLAMA_INDEX = {
    "file_name": "rules.md",
    "page": 3,
    "_node_content": json.dumps(NODE),
    "_node_type": "TextNode",
    "document_id": "doc-42",
    "doc_id": "doc-42",
    "ref_doc_id": "doc-42",
}
# https://github.com/deepset-ai/haystack-core-integrations, integrations/qdrant: converters.py
HAYSTACK = {
    "id": "9f86d081884c7d65",
    "content": TEXT,
    "blob": None,
    "meta": {"source": "rules.md"},
    "score": None,
}
# https://github.com/mem0ai/mem0, mem0/memory/main.py, stored by mem0/vector_stores/qdrant.py
MEM0 = {
    "data": TEXT,
    "text_lemmatized": "vacation be 30 day a year",
    "hash": "0cc175b9c0f1b6a831c399e269772661",
    "created_at": "2026-11-02T09:30:00.120000+00:00",
    "user_id": "alice",
    "agent_id": None,
}
PROGRAMS = {
    "langchain.js": (LANGCHAIN_JS, "", {"content_payload_key": "content"}, {"source": "rules.md"}),
    "n8n": (LANGCHAIN_JS, "", {"content_payload_key": "content"}, {"loc.lines.to": {"$lte": 4}}),
    "Flowise": (LANGCHAIN_JS, "", {"content_payload_key": "content"}, {"source": "rules.md"}),
    # https://github.com/qdrant/mcp-server-qdrant, src/mcp_server_qdrant/qdrant.py
    "mcp-server-qdrant": (
        {"document": TEXT, "metadata": {"source": "rules.md"}},
        "fast-all-minilm-l6-v2",
        {"content_payload_key": "document"},
        {"source": "rules.md"},
    ),
    "LlamaIndex": (
        LLAMA_INDEX,
        "text-dense",
        {"content_payload_key": "_node_content", "metadata_payload_key": ""},
        {"document_id": "doc-42", "page": {"$gt": 2}},
    ),
    "Haystack": (
        HAYSTACK,
        "text-dense",
        {"content_payload_key": "content", "metadata_payload_key": "meta"},
        {"source": "rules.md"},
    ),
    "mem0": (
        MEM0,
        "",
        {"content_payload_key": "data", "metadata_payload_key": ""},
        {"user_id": "alice", "created_at": {"$gte": "2026-11-01"}, "agent_id": None},
    ),
}


def fill(client, *payloads, vector_name=""):
    """Store payloads as another program would, the first of them under `POINT`."""
    params = models.VectorParams(size=2, distance=models.Distance.COSINE)
    client.create_collection("c", {vector_name: params} if vector_name else params)
    ids = [POINT, *range(1, len(payloads))]
    vector = {vector_name: [1.0, 0.0]} if vector_name else [1.0, 0.0]
    client.upsert(
        "c",
        [
            models.PointStruct(id=key, vector=vector, payload=payload)
            for key, payload in zip(ids, payloads, strict=True)
        ],
    )


def messages(caught):
    return [str(each.message) for each in caught if each.category is UserWarning]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_collection_of_another_program_gives_texts_metadata_and_filters(
    client, on_store, program
):
    payload, vector_name, options, condition = PROGRAMS[program]
    fill(client, payload, vector_name=vector_name)
    content_key = options["content_payload_key"]
    metadata_key = options.get("metadata_payload_key", "metadata")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        store = create_vector_store(Plane(), "c", client=client, vector_name=vector_name, **options)
        [hit] = on_store(store, "similarity_search", "1 0", filter=condition)
    metadata = {**payload, content_key: None} if metadata_key == "" else payload[metadata_key]
    assert hit.id == POINT
    assert hit.page_content == payload[content_key]
    assert hit.metadata == {k: v for k, v in metadata.items() if k != content_key}
    assert on_store(store, "count", {"source": "other"}) == 0
    assert on_store(store, "get_by_ids", [hit.id]) == [hit]
    assert TEXT in (hit.page_content, json.loads(LLAMA_INDEX["_node_content"])["text"])
    on_store(store, "delete", filter=condition)
    assert on_store(store, "count") == 0


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_document_that_goes_back_is_laid_out_as_it_was(client, on_store, program):
    payload, vector_name, options, condition = PROGRAMS[program]
    fill(client, payload, vector_name=vector_name)
    store = create_vector_store(Plane(), "c", client=client, vector_name=vector_name, **options)
    [hit] = on_store(store, "similarity_search", "1 0")
    if hit.page_content.startswith("{"):
        hit.page_content = TEXT
    on_store(store, "add_documents", [hit])
    assert on_store(store, "count", condition) == 1
    assert on_store(store, "similarity_search", "1 0") == [hit]


@pytest.mark.parametrize("program", PROGRAMS)
def test_one_warning_names_the_keys_that_there_are(client, on_store, program):
    payload, vector_name, _, _ = PROGRAMS[program]
    fill(client, payload, payload, vector_name=vector_name)
    store = create_vector_store(Plane(), "c", client=client, vector_name=vector_name)
    with pytest.warns(UserWarning, match="no text under 'page_content'") as caught:
        found = on_store(store, "similarity_search", "1 0")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        on_store(store, "similarity_search", "1 0")
        on_store(store, "get_by_ids", [POINT])
        list(store.iter_documents())
    assert [hit.page_content for hit in found] == ["", ""]
    [message] = messages(caught)
    assert "of collection 'c' has no text under 'page_content'" in message
    assert all(repr(key) in message for key in payload)
    assert "content_payload_key=" in message
    assert "metadata_payload_key=" in message
    assert TEXT not in message
    assert "tests" in caught[0].filename


def test_metadata_under_another_key_are_said_too(client, on_store):
    fill(client, HAYSTACK)
    store = create_vector_store(Plane(), "c", client=client, content_payload_key="content")
    with pytest.warns(UserWarning, match="has no metadata under 'metadata'.*'meta'") as caught:
        [hit] = on_store(store, "similarity_search", "1 0")
    assert len(messages(caught)) == 1
    assert (hit.page_content, hit.metadata) == (TEXT, {})


@pytest.mark.parametrize(
    ("payload", "options"),
    [
        ({"page_content": TEXT}, {}),
        ({"page_content": "", "metadata": {}}, {}),
        ({"page_content": None, "metadata": None, "more": 1}, {}),
        ({}, {}),
        ({"content": TEXT}, {"with_payload": ["other"]}),
        ({"content": TEXT}, {"with_payload": False}),
    ],
)
def test_nothing_is_said_where_nothing_is_missed(client, on_store, payload, options):
    fill(client, payload)
    store = create_vector_store(Plane(), "c", client=client)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        [hit] = on_store(store, "similarity_search", "1 0", **options)
    assert hit.page_content == (payload.get("page_content") or "")


@pytest.mark.parametrize(
    ("odd", "text", "metadata", "said"),
    [
        ({"page_content": 7, "metadata": {"n": 1}}, "7", {"n": 1}, "int under 'page_content'"),
        (
            {"page_content": ["ä", {"b": True}], "metadata": {}},
            '["ä", {"b": true}]',
            {},
            "list under 'page_content', where others have a str",
        ),
        (
            {"page_content": "x", "metadata": "a.pdf"},
            "x",
            {"metadata": "a.pdf"},
            "str under 'metadata', where others have a dict",
        ),
        ({"page_content": "x", "metadata": [1]}, "x", {"metadata": [1]}, "list under 'metadata'"),
    ],
)
def test_an_odd_point_is_shown_and_the_search_goes_on(client, on_store, odd, text, metadata, said):
    fill(client, odd, {"page_content": "as usual", "metadata": {"n": 2}})
    store = create_vector_store(Plane(), "c", client=client)
    with pytest.warns(
        UserWarning, match=f"point '{POINT}' of collection 'c' has one {said}"
    ) as seen:
        found = on_store(store, "similarity_search_with_score", "1 0", score_key="score")
    shown = {hit.id: (hit.page_content, hit.metadata) for hit, _ in found}
    assert shown[POINT] == (text, {**metadata, "score": pytest.approx(1.0)})
    assert shown["1"] == ("as usual", {"n": 2, "score": pytest.approx(1.0)})
    assert len(messages(seen)) == 1
    assert sorted(each.id for each in on_store(store, "get_by_ids", [POINT, 1])) == ["1", POINT]


def test_half_a_character_in_another_s_document_id_ends_no_search(on_store):
    """Only local mode keeps it."""
    client = QdrantClient(":memory:")
    fill(client, {"page_content": "x", "metadata": {}, "document_id": "\ud83d"})
    store = create_vector_store(Plane(), "c", client=client)
    assert [hit.id for hit in on_store(store, "similarity_search", "1 0")] == [POINT]


@pytest.mark.parametrize(
    "keys",
    [
        {"content_payload_key": "document_id"},
        {"metadata_payload_key": "document_id"},
        {"content_payload_key": "x", "metadata_payload_key": "x"},
        {"content_payload_key": "metadata"},
        {"metadata_payload_key": "page_content"},
        {"content_payload_key": ""},
    ],
)
def test_keys_that_hide_one_another_are_refused_before_anything_is_created(client, keys):
    for make in (
        lambda: create_vector_store(Plane(), "c", client=client, **keys),
        lambda: GeminiQdrantVectorStore.from_texts(
            ["a"], Plane(), collection_name="c", client=client, **keys
        ),
        lambda: GeminiQdrantVectorStore(client, "c", Plane(), **keys),
    ):
        with pytest.raises(ConfigurationError, match="must be two names other than 'document_id'"):
            make()
    assert not client.collection_exists("c")


@pytest.fixture
def flat(client):
    """A store whose metadata stand beside the text."""
    return create_vector_store(
        Plane(), "c", client=client, content_payload_key="data", metadata_payload_key=""
    )


def test_metadata_beside_the_text_go_in_come_back_and_are_found(flat, on_store):
    metadata = {"user": {"name": "alice"}, "a.b": 1, "n": 0.5}
    on_store(flat, "add_texts", [TEXT, "1 0", "1 0"], [metadata, {"n": 1}, None], ids=["a", 7, 8])
    [stored] = flat.client.retrieve("c", [7])
    assert stored.payload == {"data": "1 0", "n": 1}
    for condition in (
        {"user.name": "alice"},
        {'"a.b"': 1},
        {"n": {"$lt": 1}},
        {"user": {"name": "alice"}},
    ):
        [hit] = on_store(flat, "similarity_search", "1 0", filter=condition)
        assert (hit.id, hit.page_content, hit.metadata) == ("a", TEXT, metadata)
    [empty] = on_store(flat, "get_by_ids", [8])
    assert (empty.id, empty.metadata) == ("8", {})
    on_store(flat, "add_documents", [hit])
    assert on_store(flat, "count") == 3
    on_store(flat, "create_payload_indexes", {"n": "float", "user.name": "keyword"})
    assert on_store(flat, "count", {"n": 0.5, "user.name": "alice"}) == 1


def test_metadata_beside_the_text_cannot_take_its_key_or_that_of_the_id(flat, on_store):
    with pytest.raises(InvalidInputError, match=r"index 1 .*cannot have the keys \['data'\]"):
        on_store(flat, "add_texts", ["a", "b"], [{}, {"data": 1}])
    with pytest.raises(InvalidInputError, match=r"cannot have the keys \['document_id'\]"):
        on_store(flat, "add_texts", ["a"], [{"document_id": "doc-42"}], ids=["mine"])
    assert on_store(flat, "count") == 0
    ids = on_store(
        flat, "add_texts", ["a"], [{"document_id": "doc-42"}], ids=[str(uuid.UUID(int=1))]
    )
    [found] = on_store(flat, "get_by_ids", ids)
    assert (found.id, found.metadata) == (ids[0], {"document_id": "doc-42"})


def test_ingest_skips_and_updates_metadata_beside_the_text(flat):
    first = [Document("a", id="1", metadata={"n": 1, "m": 1}), Document("b", metadata={"n": 2})]
    assert ingest(flat, first).added == 2
    assert ingest(flat, first).skipped == 2
    report = ingest(flat, [Document("a", id="1", metadata={"n": 2})])
    assert (report.updated, report.added) == (1, 0)
    assert flat.get_by_ids(["1"])[0].metadata == {"n": 2}
    assert ingest(flat, [Document("a", id="1", metadata={})]).updated == 1
    assert flat.get_by_ids(["1"])[0].metadata == {}
