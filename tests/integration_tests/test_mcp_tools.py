"""The tools of the MCP server, called by the SDK's own client in this process."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from langchain_core.documents import Document
from mcp import Client
from qdrant_client import QdrantClient

from langchain_gemini_qdrant import GeminiQdrantVectorStore, create_vector_store
from langchain_gemini_qdrant._qdrant_values import content_id
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.mcp import (
    ServedCollection,
    _errors,
    create_mcp_server,
    create_mcp_tools,
)
from langchain_gemini_qdrant.mcp._results import MAX_DOCUMENTS, MAX_METADATA, MAX_TEXT
from tests.integration_tests.plane import Plane

RULES = Document(
    "Vacation is 30 days a year.", metadata={"source": "rules.md", "page": 3}, id="rules"
)
LUNCH = Document("Lunch is at noon.", metadata={"source": "lunch.md", "page": 1}, id="lunch")


@pytest.fixture
def handbook(client, embeddings):
    store = create_vector_store(embeddings, "handbook", client=client)
    store.add_documents([RULES, LUNCH])
    yield store
    store.close()


@pytest.fixture
def call(handbook):
    """Call a tool of a server over one collection, and return what the client gets."""

    async def call(name, server=None, /, **arguments):
        async with Client(server or create_mcp_server({"handbook": handbook})) as client:
            return await client.call_tool(name, arguments)

    return call


def told(result):
    """Return the message of a failed call."""
    assert result.is_error
    assert result.structured_content is None
    return result.content[0].text


async def tools_of(server):
    async with Client(server) as client:
        return {tool.name: tool for tool in (await client.list_tools()).tools}


async def test_a_search_returns_ids_scores_sources_metadata_and_texts(call):
    result = await call("search_documents", query="How many days is the vacation?", k=1)
    [hit] = result.structured_content["hits"]
    assert 0 < hit.pop("score") < 1
    assert hit == {
        "id": "rules",
        "source": "rules.md",
        "text": RULES.page_content,
        "total_chars": len(RULES.page_content),
        "next_start": None,
        "metadata": RULES.metadata,
        "omitted_metadata": [],
    }


async def test_a_client_that_reads_only_text_gets_the_same(call):
    result = await call("search_documents", query="vacation")
    [content] = result.content
    assert json.loads(content.text) == result.structured_content


async def test_a_second_page_follows_the_first(call):
    ids = [
        hit["id"]
        for start in (0, 1)
        for hit in (
            await call("search_documents", query="vacation", k=1, start=start)
        ).structured_content["hits"]
    ]
    assert ids == ["rules", "lunch"]


async def test_with_group_by_a_long_document_does_not_fill_the_page(call, handbook):
    handbook.add_texts(
        [f"Vacation is {days} days a year." for days in range(31, 41)],
        metadatas=[{"source": "rules.md"}] * 10,
    )
    arguments = {"query": RULES.page_content, "k": 2}
    result = await call("search_documents", **arguments)
    assert [hit["source"] for hit in result.structured_content["hits"]] == ["rules.md"] * 2
    result = await call("search_documents", group_by="source", **arguments)
    found = [hit["source"] for hit in result.structured_content["hits"]]
    assert found == ["rules.md", "lunch.md"]
    result = await call("search_documents", group_by="source", start=1, **arguments)
    assert [hit["source"] for hit in result.structured_content["hits"]] == ["lunch.md"]


async def test_without_group_by_the_groups_are_those_of_the_store(call, client, embeddings):
    store = create_vector_store(embeddings, "grouped", client=client, group_by="a", group_size=2)
    store.add_texts(["Lunch is at noon."] * 3, metadatas=[{"a": 1, "b": 1}] * 3)
    server = create_mcp_server({"grouped": store})
    for group_by, count in ((None, 2), ("b", 1)):
        result = await call("search_documents", server, query="lunch", group_by=group_by)
        assert len(result.structured_content["hits"]) == count


@pytest.mark.parametrize(
    "condition",
    [{"page": {"$lt": 3}}, '{"page": {"$lt": 3}}', {"$not": {"source": "rules.md"}}],
)
async def test_a_filter_is_an_object_or_its_json(call, condition):
    result = await call("search_documents", query="vacation", filter=condition)
    assert [hit["id"] for hit in result.structured_content["hits"]] == ["lunch"]


@pytest.mark.parametrize("absent", [None, "", "null"])
async def test_an_absent_option_may_be_null_or_empty(call, absent):
    result = await call(
        "search_documents", query="vacation", k=absent, filter=absent, start=absent, group_by=absent
    )
    assert len(result.structured_content["hits"]) == 2


async def test_a_number_may_be_a_string(call):
    result = await call("search_documents", query="vacation", k="1")
    assert len(result.structured_content["hits"]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": "  "}, "query is blank"),
        ({"query": "a", "k": MAX_DOCUMENTS + 1}, f"less than or equal to {MAX_DOCUMENTS}"),
        ({"query": "a", "start": 10**30}, "start\n  Input should be less than"),
        ({"query": "a", "filter": "page > 3"}, "filter\n  Input should be a valid dictionary"),
        ({"query": "a", "filter": {"page": {"gte": 3}}}, "write '$gte'"),
        ({"query": "a", "group_by": ["source"]}, "group_by\n  Input should be a valid string"),
        ({"query": "a", "group_by": "a..b"}, "group_by must name a metadata field"),
        ({"query": "a", "filter": {"must": [{"key": "page"}]}}, "for the metadata field 'must'"),
        ({"query": "a", "filters": {"page": 3}}, "filters\n  Extra inputs are not permitted"),
        ({"text": "a"}, "query\n  Field required"),
    ],
)
async def test_wrong_arguments_are_told(call, emulator, arguments, words):
    emulator.clear()
    assert words in told(await call("search_documents", **arguments))
    assert not emulator.requests


async def test_a_failure_of_gemini_is_told_without_the_key(call, emulator):
    emulator.fail_next(status=400)
    message = told(await call("search_documents", query="vacation"))
    assert "400" in message
    assert emulator.api_key not in message
    assert "Traceback" not in message


async def test_a_bug_is_logged_and_not_told(call, client, caplog):
    class Broken(Plane):
        def embed_query(self, text):
            raise LookupError("the secret of " + text)

    store = create_vector_store(Broken(), "broken", client=client)
    server = create_mcp_server({"broken": store})
    with caplog.at_level(logging.ERROR):
        message = told(await call("search_documents", server, query="1 0"))
    assert message == "Error executing tool search_documents"
    assert "the secret of 1 0" in caplog.text


async def test_documents_are_read_by_id(call):
    result = await call("get_documents", ids=["lunch", "nothing", "lunch"])
    [document] = result.structured_content["documents"]
    assert (document["id"], document["text"]) == ("lunch", LUNCH.page_content)
    assert result.structured_content["missing_ids"] == ["nothing"]


@pytest.mark.parametrize("ids", ["rules", '["rules"]', ["rules"]])
async def test_one_id_may_be_alone(call, ids):
    result = await call("get_documents", ids=ids)
    assert [each["id"] for each in result.structured_content["documents"]] == ["rules"]


@pytest.mark.parametrize("ids", [7, "7", [7], ["7"]])
async def test_a_number_is_an_id_too(call, handbook, ids):
    handbook.add_texts(["Seven."], ids=[7])
    result = await call("get_documents", ids=ids)
    assert [each["text"] for each in result.structured_content["documents"]] == ["Seven."]


async def test_a_text_is_stored_once_under_the_id_that_ingest_gives_it(call, handbook, emulator):
    text, source = "Shoes are white.", "shoes.md"
    name = content_id(Document(text, metadata={"source": source}))
    first = await call("store_document", text=text, source=source, metadata={"page": 1})
    assert first.structured_content == {"id": name, "status": "added"}
    emulator.clear()
    again = await call("store_document", text=text, source=source, metadata={"page": 2})
    assert again.structured_content == {"id": name, "status": "already_stored"}
    assert not emulator.requests
    [document] = handbook.get_by_ids([name])
    assert document.metadata == {"page": 1, "source": source}
    assert handbook.count() == 3


async def test_calls_at_once_store_the_same_text_once(handbook):
    async with Client(create_mcp_server({"handbook": handbook})) as client:
        results = await asyncio.gather(
            *(client.call_tool("store_document", {"text": "Twice."}) for _ in range(4)),
            client.call_tool("search_documents", {"query": "vacation"}),
        )
    assert not any(result.is_error for result in results)
    assert len({result.structured_content["id"] for result in results[:4]}) == 1
    assert handbook.count() == 3


async def test_what_cannot_be_stored_is_told(call, handbook, emulator):
    assert "the text is blank" in told(await call("store_document", text=" \n"))
    assert "at most 32000 char" in told(await call("store_document", text="a" * 32_001))
    long = {"notes": "a" * MAX_METADATA}
    message = told(await call("store_document", text="Shoes.", metadata=long))
    assert f"at most {MAX_METADATA} characters as JSON, got {MAX_METADATA + 13}" in message
    emulator.fail_next(status=400)
    assert "400" in told(await call("store_document", text="Shoes."))
    assert handbook.count() == 2


async def test_a_model_cannot_name_files_to_read(call, client, embeddings, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"")
    store = create_vector_store(embeddings, "media", client=client, media_key="media")
    server = create_mcp_server({"media": store})
    path = str(tmp_path / "secret.png")
    result = await call("store_document", server, text="a", metadata={"media": path})
    assert "'media', which names files to read" in told(result)


async def test_sources_are_listed_with_their_counts(call, handbook):
    handbook.add_texts(["x", "y", "z"], metadatas=[{"source": "lunch.md"}, {}, {"url": "http://a"}])
    result = await call("list_sources")
    assert result.structured_content == {
        "sources": [
            {"source": "http://a", "documents": 1},
            {"source": "lunch.md", "documents": 2},
            {"source": "rules.md", "documents": 1},
        ],
        "total_sources": 3,
        "documents_without_source": 1,
        "next_start": None,
    }


async def test_sources_come_in_pages(call, client):
    store = create_vector_store(Plane(), "many", client=client)
    names = [f"{number:03}.md" for number in range(450)] + ["d" * 5_000]
    store.add_texts(["1 0"] * len(names), metadatas=[{"source": name} for name in names])
    server = create_mcp_server({"many": store})
    found, start = [], 0
    while start is not None:
        page = (await call("list_sources", server, start=start)).structured_content
        assert len(page["sources"]) <= 200
        found += [each["source"] for each in page["sources"]]
        start = page["next_start"]
    assert found[:-1] == names[:-1]
    assert found[-1] == "d" * 999 + "…"


async def test_a_result_stays_within_its_bounds_and_the_rest_can_be_read(call, client):
    store = create_vector_store(Plane(), "long", client=client)
    text = " ".join(f"word{number}" for number in range(12_000))
    metadata = {"short": 1, "long": "x" * MAX_METADATA, "source": "s"}
    store.add_texts([text] * MAX_DOCUMENTS, metadatas=[metadata] * MAX_DOCUMENTS)
    server = create_mcp_server({"long": store})
    result = await call("search_documents", server, query="1 0", k=MAX_DOCUMENTS)
    hits = result.structured_content["hits"]
    assert len(hits) == MAX_DOCUMENTS
    assert sum(len(hit["text"]) for hit in hits) <= MAX_TEXT
    assert len(result.content[0].text) < MAX_TEXT + MAX_METADATA
    for hit in hits:
        assert hit["total_chars"] == len(text)
        assert hit["metadata"] == {"short": 1, "source": "s"}
        assert hit["omitted_metadata"] == ["long"]
    whole, start = hits[0]["text"], hits[0]["next_start"]
    while start is not None:
        part = await call("get_documents", server, ids=[hits[0]["id"]], start=start)
        [document] = part.structured_content["documents"]
        whole, start = whole + document["text"], document["next_start"]
    assert whole == text


async def test_what_a_model_wrote_is_quoted_within_bounds(call):
    for name, arguments in (
        ("search_documents", {"query": "a", "filter": {"page": {"$gte": "x" * 50_000}}}),
        ("search_documents", {"query": "a", "group_by": "a.." + "x" * 50_000}),
        ("get_documents", {"ids": ["x" * 50_000]}),
    ):
        result = await call(name, **arguments)
        assert len(result.content[0].text) < 5_000


async def test_odd_metadata_of_other_programs_are_json(call):
    client = QdrantClient(":memory:")  # keeps what it is given
    store = create_vector_store(Plane(), "odd", client=client)
    store.add_texts(["1 0"], metadatas=[{"nan": 1.0}])
    [point], _ = client.scroll("odd")
    client.set_payload("odd", {"metadata": {"nan": float("nan"), "half": "\ud800"}}, [point.id])
    result = await call("search_documents", create_mcp_server({"odd": store}), query="1 0")
    [hit] = result.structured_content["hits"]
    assert hit["metadata"] == {"nan": None, "half": "?"}
    client.close()


async def test_collections_are_listed_with_what_is_known(call, handbook, client):
    without = GeminiQdrantVectorStore(client, "handbook", validate_embeddings=False)
    server = create_mcp_server(
        {
            "handbook": ServedCollection(store=handbook, description="Rules"),
            "closed": without,
            "other": ServedCollection(store=without, not_searchable="made by others"),
        }
    )
    result = await call("list_collections", server, random_string="a client's placeholder")
    one, two, three = result.structured_content["collections"]
    assert one == {
        "name": "handbook",
        "description": "Rules",
        "documents": 2,
        "model": "gemini-embedding-2",
        "vector_size": 768,
        "searchable": True,
        "problem": None,
    }
    assert two["problem"] == "collection 'handbook' was opened without an embedding"
    assert (three["searchable"], three["problem"]) == (False, "made by others")
    message = told(await call("search_documents", server, query="a", collection="other"))
    assert message.endswith(": made by others")
    assert "made by others" in told(
        await call("store_document", server, text="a", collection="other")
    )


async def test_a_collection_that_is_gone_does_not_hide_the_others(call, handbook, client):
    gone = create_vector_store(Plane(), "gone", client=client)
    server = create_mcp_server({"gone": gone, "handbook": handbook})
    client.delete_collection("gone")
    result = await call("list_collections", server)
    one, two = result.structured_content["collections"]
    assert (one["documents"], one["searchable"]) == (None, False)
    assert "gone" in one["problem"]
    assert (two["documents"], two["searchable"]) == (2, True)


async def test_with_several_collections_the_model_chooses_from_a_list(call, handbook, client):
    notes = create_vector_store(Plane(), "notes", client=client)
    server = create_mcp_server(
        {"handbook": handbook, "notes": ServedCollection(store=notes, description="Of meetings")}
    )
    tools = await tools_of(server)
    for name in ("search_documents", "get_documents", "store_document", "list_sources"):
        schema = tools[name].input_schema
        assert schema["properties"]["collection"]["enum"] == ["handbook", "notes"]
        assert "notes: Of meetings" in schema["properties"]["collection"]["description"]
        assert "collection" in schema["required"]
    await call("store_document", server, text="1 0", collection="notes")
    assert (notes.count(), handbook.count()) == (1, 2)
    assert "'handbook' or 'notes'" in told(await call("list_sources", server, collection="x"))
    assert "collection\n  Field required" in told(await call("list_sources", server))


async def test_read_only_offers_no_tool_that_stores(call, handbook):
    server = create_mcp_server({"handbook": handbook}, read_only=True)
    tools = await tools_of(server)
    assert all(tool.annotations.read_only_hint for tool in tools.values())
    assert "Unknown tool" in told(await call("store_document", server, text="a"))
    assert handbook.count() == 2


async def test_schemas_are_what_clients_rely_on(handbook):
    tools = await tools_of(create_mcp_server({"handbook": handbook}))
    assert {name: list(tool.input_schema["properties"]) for name, tool in tools.items()} == {
        "search_documents": ["query", "k", "filter", "group_by", "start"],
        "get_documents": ["ids", "start"],
        "list_sources": ["start"],
        "list_collections": [],
        "store_document": ["text", "source", "metadata"],
    }
    search = tools["search_documents"].input_schema
    assert search["required"] == ["query"]
    assert search["additionalProperties"] is False
    k = search["properties"]["k"]
    assert (k["type"], k["minimum"], k["maximum"], k["default"]) == ("integer", 1, 20, 5)
    assert search["properties"]["filter"]["type"] == "object"
    assert {name: list(tool.output_schema["properties"]) for name, tool in tools.items()} == {
        "search_documents": ["hits"],
        "get_documents": ["documents", "missing_ids"],
        "list_sources": [
            *("sources", "total_sources", "documents_without_source", "next_start"),
        ],
        "list_collections": ["collections"],
        "store_document": ["id", "status"],
    }
    stores = tools["store_document"].annotations
    assert (stores.read_only_hint, stores.destructive_hint, stores.idempotent_hint) == (
        *(False, False, True),
    )
    assert all(tool.title and tool.description for tool in tools.values())


async def test_an_application_adds_tools_of_its_own(handbook):
    server = create_mcp_server({"handbook": handbook}, name="ours", instructions="Ask us.")

    @server.tool()
    def add(a: int, b: int) -> int:
        return a + b

    async with Client(server) as client:
        assert client.instructions == "Ask us."
        assert client.server_info.name == "ours"
        assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
        assert len((await client.list_tools()).tools) == 6


async def test_instructions_name_the_collections(handbook):
    served = ServedCollection(store=handbook, description="Rules of the house")
    async with Client(create_mcp_server({"handbook": served})) as client:
        assert "handbook (Rules of the house)" in client.instructions


@pytest.mark.parametrize(
    ("stores", "words"),
    [({}, "one store at least"), ({"a": "handbook"}, r"stores\['a'\] must be .* got str")],
)
def test_what_is_no_store_is_refused(stores, words):
    for create in (create_mcp_server, create_mcp_tools):
        with pytest.raises(ConfigurationError, match=words):
            create(stores)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("search_documents", {"query": "vacation"}), ("store_document", {"text": "Shoes."})],
)
async def test_a_call_ends_before_clients_give_up_if_gemini_keeps_it_waiting(
    call, handbook, emulator, monkeypatch, tool, arguments
):
    monkeypatch.setattr(_errors, "PATIENCE", 0.5)
    emulator.fail_next(status=429, retry_after=3_600)
    message = told(await call(tool, **arguments))
    assert "no answer within 0.5 seconds. Gemini's quota may be used up" in message
    assert handbook.count() == 2


async def test_a_call_that_the_client_gives_up_leaves_the_server_at_work(handbook, emulator):
    async with Client(create_mcp_server({"handbook": handbook})) as client:
        emulator.clear()
        emulator.answer_next("hang")
        given_up = asyncio.create_task(client.call_tool("store_document", {"text": "Given up."}))
        await asyncio.to_thread(emulator.wait_for_requests, 1)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        result = await client.call_tool("search_documents", {"query": "vacation", "k": 1})
    assert [hit["id"] for hit in result.structured_content["hits"]] == ["rules"]
    assert {document.page_content for document in handbook.iter_documents()} <= {
        *(RULES.page_content, LUNCH.page_content, "Given up."),
    }
