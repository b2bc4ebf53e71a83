"""Qdrant's own store for LangGraph's memory, langgraph-store-qdrant, over the embedded engine."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta

import pytest
from qdrant_client import models

pytest.importorskip("langgraph.store.qdrant", reason="`make examples` has it")

from langgraph.store.base import GetOp, ListNamespacesOp, MatchCondition, PutOp, SearchOp
from langgraph.store.qdrant import AsyncQdrantStore, QdrantStore

from langchain_gemini_qdrant import AsyncEdgeClient, EdgeClient

pytestmark = [
    pytest.mark.slow,
    # Of google-genai, where aiohttp is installed, as it is with the other examples.
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),
]

ALICE, BOB = ("users", "alice"), ("users", "bob")
VACATION = {
    "text": "Vacation is 30 days a year.",
    "year": 2026,
    "tags": ["rules"],
    "deep": {"n": 0.5},
}
TRAVEL = {"text": "Travel is booked in Lisbon.", "year": 2025, "tags": [], "deep": {"n": 1}}


@pytest.fixture
def index(embeddings):
    return {"dims": 768, "embed": embeddings, "fields": ["text"]}


@pytest.fixture
def client(request, tmp_path):
    worker = getattr(request, "param", False)
    with closing(EdgeClient(tmp_path / "index", worker=worker)) as client:
        yield client


in_process_and_in_a_worker = pytest.mark.parametrize(
    "client", [False, True], indirect=True, ids=["in process", "worker"]
)


def fill(store):
    store.setup()
    store.put(ALICE, "vacation", VACATION)
    store.put(ALICE, "travel", TRAVEL)
    store.put(BOB, "vacation", {"text": "Bob is away."})


def check(store):
    assert store.get(ALICE, "vacation").value == VACATION
    assert store.get(ALICE, "unknown") is None
    assert {item.key for item in store.search(("users",))} == {"vacation", "travel"}
    for condition in ({"year": {"$gt": 2025}}, {"deep": {"n": 0.5}}, {"tags": ["rules"]}):
        assert keys(store.search(ALICE, filter=condition)) == ["vacation"]
    assert store.list_namespaces(prefix=("users",)) == [ALICE, BOB]
    assert store.list_namespaces(max_depth=1) == [("users",)]


def keys(found):
    return [item.key for item in found]


@in_process_and_in_a_worker
def test_memory_is_kept_found_and_listed(client, index, tmp_path):
    store = QdrantStore(client, index=index)
    fill(store)
    check(store)
    found = store.search(ALICE, query="Where is travel booked?", limit=2)
    assert keys(found) == ["travel", "vacation"]
    assert found[0].score > found[1].score
    client.close()
    with closing(EdgeClient(tmp_path / "index")) as again:
        store = QdrantStore(again, index=index)
        store.setup()
        check(store)
        store.delete(ALICE, "travel")
        assert store.get(ALICE, "travel") is None


@in_process_and_in_a_worker
def test_memory_needs_no_embeddings(client, tmp_path):
    fill(QdrantStore(client))
    check(QdrantStore(client))
    client.close()
    with closing(EdgeClient(tmp_path / "index")) as again:
        check(QdrantStore(again))


async def test_memories_are_embedded_as_documents_and_questions_as_queries(
    client, emulator, embeddings, index
):
    store = QdrantStore(client, index=index)
    store.setup()
    store.batch([PutOp(ALICE, str(n), {"text": f"Rule {n}"}) for n in range(150)])
    assert len(emulator.requests) == 2  # of at most 100 texts
    store.put(ALICE, "0", {"text": "Rule 0", "year": 2026}, index=False)
    assert len(emulator.requests) == 2
    store.search(ALICE, query="Which rules?")
    await AsyncQdrantStore(AsyncEdgeClient.over(client), index=index).asearch(ALICE, query="Rules?")
    texts = [each.text for each in emulator.texts]
    assert {*texts[:150]} == {f"title: none | text: Rule {n}" for n in range(150)}
    assert texts[150:] == [
        "task: search result | query: Which rules?",
        "task: search result | query: Rules?",
    ]
    await embeddings.aclose()


def test_each_field_that_is_indexed_can_be_found(client, index):
    store = QdrantStore(client, index=index | {"fields": ["text", "notes[*].body"]})
    store.setup()
    notes = [{"body": "Bicycles are parked in the yard."}, {"body": "Travel is booked in Lisbon."}]
    store.put(ALICE, "notes", {"text": "Vacation is 30 days.", "notes": notes})
    store.put(ALICE, "title", {"title": "The cinema opens at eight."}, index=["title"])
    store.put(ALICE, "hidden", {"text": "Where are bicycles parked?"}, index=False)
    for question, key in (
        ("Where are bicycles parked?", "notes"),
        ("Where is travel booked?", "notes"),
        ("When does the cinema open?", "title"),
    ):
        assert keys(store.search(ALICE, query=question, limit=1)) == [key]
    assert len(store.search(ALICE, query="Where are bicycles parked?")) == 2
    assert len(store.search(ALICE)) == 3


RATES = {
    "low": {"rate": 0.5, "since": "2024-05-01T00:00:00Z", "open": True, "at": {"city": "Lisbon"}},
    "high": {
        "rate": 2,
        "since": "2026-01-01T00:00:00+02:00",
        "open": False,
        "at": {"city": "Oslo"},
    },
    "none": {"rate": None, "since": None, "open": None, "at": {}},
    "list": {"rate": [0.5, 2], "since": [], "open": [True], "at": []},
}


def test_filters_find_what_langgraph_documents(client):
    store = QdrantStore(client)
    store.setup()
    store.batch([PutOp(ALICE, key, value) for key, value in RATES.items()])
    for condition, expected in (
        ({"rate": 0.5}, {"low"}),
        ({"rate": 2.0}, {"high"}),
        ({"rate": [0.5, 2]}, {"list"}),
        ({"rate": None}, {"none"}),
        ({"open": True}, {"low"}),
        ({"open": False, "rate": 2}, {"high"}),
        ({"at": {"city": "Lisbon"}}, {"low"}),
        ({"at": {"$eq": {}}}, {"none"}),
        ({"rate": {"$ne": 2}}, {"low", "none", "list"}),
        ({"rate": {"$gt": 0.5}}, {"high"}),
        ({"rate": {"$gte": 0.5}}, {"low", "high"}),
        ({"rate": {"$lt": 2}}, {"low"}),
        ({"rate": {"$lte": 2, "$gt": 0}}, {"low", "high"}),
        ({"since": {"$gte": "2025-12-31T22:00:00Z"}}, {"high"}),
        ({"unknown": 1}, set()),
    ):
        assert {each.key for each in store.search(ALICE, filter=condition)} == expected, condition


def test_namespaces_are_listed_by_ends_wildcards_and_depth(client):
    store = QdrantStore(client)
    store.setup()
    notes, trips = (*ALICE, "notes"), ("teams", "größe 東京", "notes")
    store.batch([PutOp(each, "k", {"n": 1}) for each in (ALICE, BOB, notes, trips)])
    assert store.list_namespaces() == [trips, ALICE, notes, BOB]
    assert store.list_namespaces(suffix=("notes",)) == [trips, notes]
    assert store.list_namespaces(prefix=("*", "alice")) == [ALICE, notes]
    assert store.list_namespaces(prefix=("users",), max_depth=1) == [("users",)]
    assert store.list_namespaces(limit=2, offset=1) == [ALICE, notes]
    store.delete(notes, "k")
    assert store.list_namespaces(suffix=("notes",)) == [trips]


@in_process_and_in_a_worker
def test_values_come_back_as_they_were(client):
    store = QdrantStore(client)
    store.setup()
    deep = {"n": 0.1}
    for _ in range(30):
        deep = {"größe.東京": deep}
    values = {
        "deep": deep,
        "long": {"text": "é" * 1_000_000},
        "numbers": {"n": [0.1, 1.0, 1, 5e-324, 1e300, 2**63 - 1, -(2**63), None, True]},
        "odd": {'a "quoted" key': "nul \0 and \U0001f600", "": {}},
    }
    store.batch([PutOp(ALICE, key, value) for key, value in values.items()])
    assert {each.key: each.value for each in store.search(ALICE)} == values
    first = store.get(ALICE, "odd")
    store.put(ALICE, "odd", {"n": 2})
    second = store.get(ALICE, "odd")
    assert (second.value, second.created_at) == ({"n": 2}, first.created_at)
    assert second.updated_at > first.updated_at


def age(client, store, **past):
    """Let every memory expire at another time, without waiting."""
    moment = datetime.now(UTC) + timedelta(**past)
    everything = models.Filter()
    client.set_payload(store.collection_name, {"expires_at": moment.isoformat()}, everything)


def expiries(client, store):
    records, _ = client.scroll(store.collection_name)
    return {each.payload["key"]: each.payload["expires_at"] for each in records}


@in_process_and_in_a_worker
def test_memories_expire_and_those_that_are_read_stay(client):
    ttl = {"default_ttl": 60, "refresh_on_read": True, "omit_expired": True}
    store = QdrantStore(client, ttl=ttl)
    store.setup()
    for key, minutes in (("default", {}), ("short", {"ttl": 5}), ("never", {"ttl": None})):
        store.put(ALICE, key, {"key": key}, **minutes)
    written = expiries(client, store)
    assert written["never"] is None
    assert written["short"] < written["default"]
    age(client, store, minutes=1)
    soon = expiries(client, store)["default"]
    assert store.get(ALICE, "default", refresh_ttl=False)
    assert expiries(client, store)["default"] == soon
    assert store.get(ALICE, "default")
    assert keys(store.search(ALICE, filter={"key": "short"})) == ["short"]
    read = expiries(client, store)
    assert soon < read["short"] < read["default"]
    store.put(ALICE, "gone", {"key": "gone"}, ttl=-1)
    assert store.get(ALICE, "gone") is None
    assert store.sweep_ttl() == 1
    age(client, store, minutes=-1)
    assert store.search(ALICE) == []
    assert store.list_namespaces() == []
    assert store.sweep_ttl() == 3
    assert client.count(store.collection_name).count == 0


@in_process_and_in_a_worker
def test_many_memories_go_in_one_batch_and_pages_follow_each_other(client, index):
    store = QdrantStore(client, index=index)
    store.setup()
    store.batch([PutOp(ALICE, f"{i}", {"text": f"Rule {i}", "n": i}) for i in range(1_000)])
    found, one, namespaces = store.batch(
        [
            SearchOp(ALICE, filter={"n": {"$gte": 990}}, limit=20),
            GetOp(ALICE, "7"),
            ListNamespacesOp((MatchCondition("prefix", ("users",)),)),
        ]
    )
    assert {item.key for item in found} == {str(i) for i in range(990, 1_000)}
    assert (one.value["n"], namespaces) == (7, [ALICE])
    for search in ({}, {"query": "Which rule?"}):
        pages = [store.search(ALICE, limit=300, offset=n, **search) for n in range(0, 1_200, 300)]
        assert [len(page) for page in pages] == [300, 300, 300, 100]
        assert len({each.key for page in pages for each in page}) == 1_000


def test_memory_can_be_quantized(client, index):
    search = models.QuantizationSearchParams(rescore=True, oversampling=4.0)
    binary = models.BinaryQuantization(binary=models.BinaryQuantizationConfig())
    options = {
        "quantization_config": binary,
        "search_params": models.SearchParams(quantization=search),
    }
    store = QdrantStore(client, index=index | options)
    fill(store)
    info = client.get_collection(store.collection_name)
    assert info.config.params.vectors["embedding"].quantization_config == binary
    [found] = store.search(ALICE, query="Where is travel booked?", limit=1)
    plain = QdrantStore(client, collection_name="plain", index=index)
    fill(plain)
    [exact] = plain.search(ALICE, query="Where is travel booked?", limit=1)
    assert (found.key, found.score) == ("travel", pytest.approx(exact.score, abs=1e-5))


def test_stores_of_one_client_share_a_collection_or_have_their_own(client, index):
    first, second = QdrantStore(client, index=index), QdrantStore(client, index=index)
    other = QdrantStore(client, collection_name="other")
    for store in (first, second, other):
        store.setup()
        store.setup()
    first.put(ALICE, "travel", TRAVEL)
    assert second.get(ALICE, "travel").value == TRAVEL
    assert other.get(ALICE, "travel") is None
    with pytest.raises(ValueError, match=r"vectors of size 768"):
        QdrantStore(client, index=index | {"dims": 3}).setup()


async def test_async_memory(embeddings, index, tmp_path):
    async with aclosing(AsyncEdgeClient(tmp_path / "index")) as client:
        store = AsyncQdrantStore(client, index=index, ttl={"omit_expired": True})
        await store.setup()
        await asyncio.gather(
            store.aput(ALICE, "vacation", VACATION), store.aput(ALICE, "travel", TRAVEL)
        )
        [found] = await store.asearch(ALICE, query="Where is travel booked?", limit=1)
        assert (found.key, found.value) == ("travel", TRAVEL)
        assert keys(await store.asearch(ALICE, filter={"year": {"$lt": 2026}})) == ["travel"]
        both, namespaces = await store.abatch([SearchOp(ALICE), ListNamespacesOp()])
        assert ({each.key for each in both}, namespaces) == ({"vacation", "travel"}, [ALICE])
        await store.aput(ALICE, "gone", {"n": 1}, ttl=-1)
        assert await store.aget(ALICE, "gone") is None
        assert await store.sweep_ttl() == 1
        await store.adelete(ALICE, "vacation")
        assert await store.aget(ALICE, "vacation") is None
    async with aclosing(AsyncEdgeClient(tmp_path / "index")) as client:
        again = AsyncQdrantStore(client, index=index)
        await again.setup()
        assert keys(await again.asearch(ALICE, query="Where is travel booked?")) == ["travel"]
    await embeddings.aclose()
