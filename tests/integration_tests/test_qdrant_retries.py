"""Lost connections to a Qdrant server: every request of every operation is sent again."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

import langchain_gemini_qdrant
from langchain_gemini_qdrant import GeminiEmbeddings, GeminiQdrantVectorStore, vectorstores
from tests.integration_tests.qdrant_server import QdrantServer
from tests.integration_tests.qdrant_server_exchange import Exchange, Fault


class EveryOtherLost(Exchange):
    """Loses every other request, from the first one on, or its answer."""

    def __init__(self, *, after_effect):
        super().__init__()
        self._fault = Fault(
            kind="reset", status=503, retry_after=None, after_effect=after_effect, path=""
        )

    def _record(self, request):
        with self._lock:
            self._requests.append(request)
            return self._fault if len(self._requests) % 2 else None


@pytest.fixture(params=[False, True], ids=["rest", "grpc"])
def prefer_grpc(request):
    return request.param


def engine(server, prefer_grpc):
    return {"url": server.url, "grpc_port": server.grpc_port, "prefer_grpc": prefer_grpc}


@pytest.fixture(params=[False, True], ids=["request lost", "answer lost"])
def shaky_server(request, clock):
    """A server to which each request goes twice, as the first one is lost."""
    server = QdrantServer(upstream=None)
    server._exchange = EveryOtherLost(after_effect=request.param)
    with server:
        yield server
    requests = server.requests
    assert len(requests) == 2 * len(clock.waits)
    for first, second in zip(requests[::2], requests[1::2], strict=True):
        assert (first.path, first.content) == (second.path, second.content)


@pytest.fixture
async def shaky_store(twin, prefer_grpc, shaky_server, embeddings, clock):
    """A store with six documents over that server."""
    options = engine(shaky_server, prefer_grpc)
    store = await twin(vectorstores, "create_vector_store", embeddings, "c", **options, clock=clock)
    await twin(store, "add_documents", [text(number) for number in range(6)])
    yield store
    await store.aclose()
    await embeddings.aclose()
    embeddings.close()


def text(number, **metadata):
    return Document(
        f"text {number}", id=f"{number}", metadata={"source": f"{number % 2}", **metadata}
    )


def assert_sent(server, *methods):
    """Check that requests of these gRPC methods came, or what REST has in their place."""
    if server.requests[0].protocol == "grpc":
        assert {*methods} <= {request.method for request in server.requests}


async def test_opening_lives_through_a_connection_lost_at_each_request(
    twin, prefer_grpc, shaky_server, embeddings, clock
):
    options = {**engine(shaky_server, prefer_grpc), "clock": clock}
    options |= {"quantization": "turbo-4bit", "payload_indexes": {"source": "keyword"}}
    for force_recreate in (False, False, True):
        store = await twin(
            *(vectorstores, "create_vector_store", embeddings, "c"),
            force_recreate=force_recreate,
            **options,
        )
        assert await twin(store, "count") == 0
        info = await store.async_collection.client.get_collection("c")
        assert info.config.quantization_config is not None
        assert list(info.payload_schema) == ["metadata.source"]
        await store.aclose()
    assert_sent(shaky_server, "HealthCheck", "CollectionExists", "Create", "CreateFieldIndex")
    assert_sent(shaky_server, "ListAliases", "Delete", "Get", "Count")


async def test_writing_and_reading_live_through_a_connection_lost_at_each_request(
    twin, shaky_server, shaky_store
):
    class Listing:
        def all(self):
            return list(shaky_store.iter_documents(batch_size=4))

        async def aall(self):
            return [document async for document in shaky_store.aiter_documents(batch_size=4)]

    await twin(shaky_store, "update_documents", ["0"], [Document("new", metadata={"source": "0"})])
    assert await twin(shaky_store, "count", {"source": "0"}) == 3
    found = await twin(shaky_store, "get_by_ids", ["0", "1"])
    assert [document.page_content for document in found] == ["new", "text 1"]
    assert len(await twin(Listing(), "all")) == 6
    [(hit, _)] = await twin(shaky_store, "similarity_search_with_score", "text 3", k=1)
    assert hit.id == "3"
    assert len(await twin(shaky_store, "max_marginal_relevance_search", "text 3", k=2)) == 2
    assert await twin(shaky_store, "delete", ["0"])
    assert await twin(shaky_store, "delete", filter={"source": "1"})
    assert await twin(shaky_store, "count") == 2
    assert_sent(shaky_server, "Upsert", "Count", "Get", "Scroll", "Query", "Delete")


async def test_settings_live_through_a_connection_lost_at_each_request(
    twin, shaky_server, shaky_store
):
    await twin(shaky_store, "create_payload_indexes", {"page": "integer"})
    await twin(shaky_store, "set_quantization", "scalar")
    await twin(shaky_store, "remember_search_params", models.SearchParams(hnsw_ef=77))
    info = await shaky_store.async_collection.client.get_collection("c")
    assert list(info.payload_schema) == ["metadata.page"]
    assert info.config.quantization_config.scalar
    assert info.config.metadata["langchain_gemini_qdrant"]["search_params"] == {"hnsw_ef": 77}
    assert_sent(shaky_server, "HealthCheck", "Update", "CreateFieldIndex")


async def test_a_run_of_ingestion_lives_through_a_connection_lost_at_each_request(
    twin, shaky_server, shaky_store
):
    given = [text(2, page=1), text(4), text(8)]  # changed, stored, new
    report = await twin(langchain_gemini_qdrant, "ingest", shaky_store, given, cleanup="source")
    assert (report.updated, report.skipped, report.added, report.deleted) == (1, 1, 1, 1)
    assert await twin(shaky_store, "count") == 6
    assert_sent(shaky_server, "UpdateBatch", "CreateFieldIndex", "Scroll", "Delete")


async def test_a_measurement_lives_through_a_connection_lost_at_each_request(
    twin, shaky_server, shaky_store
):
    recall = await twin(
        langchain_gemini_qdrant, "measure_recall", shaky_store, limits=[1], latency_queries=2
    )
    assert recall.rows
    assert_sent(shaky_server, "QueryBatch", "Query")


async def test_re_embedding_lives_through_a_connection_lost_at_each_request(
    twin, prefer_grpc, shaky_server, shaky_store, embeddings, emulator, clock
):
    new = GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
    )
    report = await twin(
        *(langchain_gemini_qdrant, "reembed", shaky_store, new),
        collection_name="new",
        alias="live",
        delete_old=True,
    )
    assert (report.ingest.added, report.aliases, report.old_deleted) == (6, ("live",), True)
    options = {**engine(shaky_server, prefer_grpc), "clock": clock}
    live = await twin(GeminiQdrantVectorStore, "from_existing_collection", "live", new, **options)
    report = await twin(
        *(langchain_gemini_qdrant, "reembed", live, embeddings),
        collection_name="c",
        delete_old=True,
    )
    assert (report.ingest.added, report.aliases, report.old_deleted) == (6, ("live",), True)
    assert_sent(shaky_server, "UpdateAliases", "ListAliases", "Delete", "Update", "Create")
    await live.aclose()
    await new.aclose()
    new.close()


@pytest.mark.usefixtures("shaky_store")
async def test_a_copy_lives_through_a_connection_lost_at_each_request(
    twin, prefer_grpc, shaky_server, clock, request
):
    is_async = request.node.callspec.params["twin"] == "async"
    client_class = AsyncQdrantClient if is_async else QdrantClient
    client = client_class(**engine(shaky_server, prefer_grpc), check_compatibility=False)
    for done in ("added", "skipped"):
        report = await twin(
            *(langchain_gemini_qdrant, "migrate", client, client, "c"),
            target_collection_name="copy",
            clock=clock,
        )
        assert (getattr(report, done), report.total) == (6, 6)
    assert_sent(shaky_server, "Create", "Scroll", "Upsert", "Query", "Get")
    closing = client.close()
    if is_async:
        await closing


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("create_payload_indexes", ({"page": "integer"},)),
        ("set_quantization", (None,)),
        ("count", ()),
        ("delete", (["a"],)),
        ("similarity_search", ("a",)),
    ],
)
async def test_a_connection_that_stays_lost_is_told_after_three_retries(
    twin, prefer_grpc, qdrant_server, embeddings, clock, name, args
):
    options = engine(qdrant_server, prefer_grpc)
    store = vectorstores.create_vector_store(embeddings, "c", **options, clock=clock)
    qdrant_server.clear()
    qdrant_server.fail_next(100)
    error = Exception if prefer_grpc else ResponseHandlingException
    with pytest.raises(error):
        await twin(store, name, *args)
    assert len(clock.waits) == 3
    assert len(qdrant_server.requests) == 4
    assert [wait <= most for wait, most in zip(clock.waits, (0.5, 1, 2), strict=True)] == [True] * 3
    await store.aclose()
    await embeddings.aclose()


async def test_what_a_server_refuses_is_not_sent_again(
    twin, prefer_grpc, qdrant_server, embeddings, clock
):
    store = vectorstores.create_vector_store(
        embeddings, "c", **engine(qdrant_server, prefer_grpc), clock=clock
    )
    qdrant_server.clear()
    qdrant_server.fail_next(kind="status", status=400)
    error = Exception if prefer_grpc else UnexpectedResponse
    with pytest.raises(error, match="scripted failure"):
        await twin(store, "create_payload_indexes", {"page": "integer"})
    assert (clock.waits, len(qdrant_server.requests)) == ([], 1)
    await store.aclose()


async def test_a_server_that_asks_to_wait_is_waited_for_with_a_word(
    twin, prefer_grpc, qdrant_server, embeddings, clock, caplog
):
    store = vectorstores.create_vector_store(
        embeddings, "c", **engine(qdrant_server, prefer_grpc), clock=clock
    )
    qdrant_server.fail_next(kind="status", status=429, retry_after=7)
    with caplog.at_level("INFO", "langchain_gemini_qdrant"):
        assert await twin(store, "count") == 0
    [wait] = clock.waits
    assert 8 <= wait <= 8.8  # a Retry-After has no fractions, so a second may be cut
    assert f"Qdrant: waiting {wait:.1f} s for a retry, after: " in caplog.text
    await store.aclose()


async def test_retry_after_of_a_503_is_waited_for(twin, qdrant_server, embeddings, clock):
    store = vectorstores.create_vector_store(
        embeddings, "c", **engine(qdrant_server, prefer_grpc=False), clock=clock
    )
    qdrant_server.fail_next(kind="status", status=503, retry_after=7)
    assert await twin(store, "count") == 0
    [wait] = clock.waits
    assert 8 <= wait <= 8.8
    await store.aclose()
