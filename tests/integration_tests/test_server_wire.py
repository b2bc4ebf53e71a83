"""What a Qdrant server is sent, over REST and gRPC, sync and async, and what becomes of faults."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from langchain_core.documents import Document
from pydantic import SecretStr
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    acreate_vector_store,
    create_vector_store,
)
from langchain_gemini_qdrant.errors import CollectionMismatchError, PartialWriteError
from tests.integration_tests.plane import Plane
from tests.integration_tests.qdrant_server import QdrantServer

pytestmark = pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")

KEY = "qdrant-key"


@pytest.fixture(params=["rest", "grpc"])
def protocol(request):
    return request.param


@pytest.fixture
def server():
    with QdrantServer(api_key=KEY) as server:
        yield server


@pytest.fixture
def options(server, protocol):
    return {
        "url": server.url,
        "grpc_port": server.grpc_port,
        "prefer_grpc": protocol == "grpc",
        "api_key": SecretStr(KEY),
        "timeout": 7,
        "client_options": {"verify": False},  # reading certificates takes long
    }


@pytest.fixture
def store(options, embeddings):
    with create_vector_store(embeddings, "c", quantization="binary", **options) as store:
        yield store


@pytest.fixture
def plane(options, clock):
    with create_vector_store(Plane(), "c", **options, clock=clock) as store:
        yield store


def sent(server, name):
    """Return the bodies of the requests of one kind, REST or gRPC."""
    kinds = {
        "create": [("PUT", "/collections/c"), ("Create", None)],
        "query": [("POST", "/collections/c/points/query"), ("Query", None)],
        "upsert": [("PUT", "/collections/c/points"), ("Upsert", None)],
    }[name]
    return [
        request.body
        for request in server.requests
        for method, path in kinds
        if request.method == method and path in {None, request.path}
    ]


# What goes out


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_opening_creates_once_with_size_distance_quantization_and_memory(store, server, protocol):
    [created] = sent(server, "create")
    config = store.client.get_collection("c").config
    assert config.params.vectors[""].size == 768
    assert config.params.vectors[""].distance == models.Distance.COSINE
    assert config.quantization_config.binary.query_encoding == "scalar8bits"
    assert config.metadata["langchain_gemini_qdrant"]["embeddings"][""] == {
        "model": "gemini-embedding-2",
        "size": 768,
        "task": "RETRIEVAL_DOCUMENT",
        "normalized": True,
        "conditioning": "prefix",
    }
    if protocol == "rest":
        assert created["vectors"] == {"": {"size": 768, "distance": "Cosine"}}
        assert created["quantization_config"] == {
            "binary": {"always_ram": True, "query_encoding": "scalar8bits"}
        }
    server.clear()
    again = create_vector_store(store.embeddings, "c", client=store.client, quantization="binary")
    assert again.search_params == store.search_params
    assert len(server.requests) == 2  # does it exist, and what is it


def test_settings_of_a_cluster_are_passed_through(options, server):
    create_vector_store(
        Plane(),
        "c",
        vector_params={"on_disk": True, "datatype": "float16"},
        collection_create_options={
            "shard_number": 6,
            "replication_factor": 2,
            "write_consistency_factor": 2,
            "on_disk_payload": True,
            "hnsw_config": models.HnswConfigDiff(m=32),
        },
        **options,
    )
    config = (
        QdrantClient(url=server.url, api_key=KEY, check_compatibility=False, verify=False)
        .get_collection("c")
        .config
    )
    params = config.params
    assert (params.shard_number, params.replication_factor) == (6, 2)
    assert (params.write_consistency_factor, params.on_disk_payload) == (2, True)
    assert config.hnsw_config.m == 32
    assert (params.vectors[""].on_disk, params.vectors[""].datatype) == (True, "float16")


def test_payload_indexes_are_made_once(options, server):
    indexes = {"source": "keyword", "user": "tenant"}
    for _ in range(2):
        store = create_vector_store(Plane(), "c", payload_indexes=indexes, **options)
    schema = store.client.get_collection("c").payload_schema
    assert set(schema) == {"metadata.source", "metadata.user"}
    made = [request for request in server.requests if "ndex" in request.path + request.method]
    assert len(made) == 2


def test_every_request_carries_the_key_and_nothing_shows_it(store, server, on_store):
    on_store(store, "add_texts", ["a"])
    on_store(store, "similarity_search", "a")
    assert {request.headers["api-key"] for request in server.requests} == {KEY}
    assert KEY not in repr(store) + repr(store.client) + repr(vars(store))


def test_points_carry_text_metadata_and_the_id_as_given(store, on_store):
    on_store(store, "add_texts", ["a"], [{"page": 1}], ids=["my id"])
    [point], _ = store.client.scroll("c", with_vectors=True)
    assert point.payload == {
        "page_content": "a",
        "metadata": {"page": 1},
        "document_id": "my id",
    }
    vector = point.vector[""] if isinstance(point.vector, dict) else point.vector
    assert len(vector) == 768


@pytest.mark.parametrize(
    ("search_type", "kwargs"),
    [
        ("similarity", {}),
        ("mmr", {"fetch_k": 9, "lambda_mult": 0.25}),
        ("similarity_score_threshold", {"score_threshold": 0.0}),
    ],
)
def test_every_retriever_is_one_request_with_oversampling_and_rescore(
    store, server, protocol, search_type, kwargs
):
    store.add_texts(["a"], [{"a": 1}], ids=["7"])
    server.clear()
    retriever = store.as_retriever(search_type=search_type, search_kwargs={"k": 3, **kwargs})
    [hit] = retriever.invoke("a")
    assert (hit.id, hit.page_content, hit.metadata) == ("7", "a", {"a": 1})
    assert len(server.requests) == 1
    [body] = sent(server, "query")
    quantization = body["params"]["quantization"]
    assert (quantization["rescore"], quantization["oversampling"]) == (True, 3.0)
    assert int(body["limit"]) == 3
    if search_type == "mmr" and protocol == "rest":
        assert body["query"]["mmr"] == {"diversity": 0.75, "candidates_limit": 9}


def test_search_params_of_a_call_win_field_by_field(store, server, on_store):
    quantization = models.QuantizationSearchParams(rescore=False)
    on_store(
        store,
        "similarity_search",
        "q",
        search_params=models.SearchParams(quantization=quantization),
    )
    [body] = sent(server, "query")
    sent_quantization = body["params"]["quantization"]
    assert (sent_quantization["rescore"], sent_quantization["oversampling"]) == (False, 3.0)


def test_hybrid_search_is_one_request_with_enough_candidates(options, server):
    store = create_vector_store(Plane(), "c", sparse_embedding=EdgeBm25(), **options)
    server.clear()
    store.similarity_search("cats", k=5, offset=10)
    assert len(server.requests) == 1
    [body] = sent(server, "query")
    assert [int(prefetch["limit"]) for prefetch in body["prefetch"]] == [100, 100]


@pytest.mark.parametrize("is_hybrid", [False, True])
def test_a_formula_is_computed_over_the_search_with_its_filter_and_rescoring(
    options, server, is_hybrid
):
    sparse = EdgeBm25() if is_hybrid else None
    store = create_vector_store(
        Plane(), "c", quantization="binary", sparse_embedding=sparse, **options
    )
    server.clear()
    formula = models.FormulaQuery(formula="$score")
    store.similarity_search("cats", k=60, filter={"n": 1}, score_formula=formula)
    [body] = sent(server, "query")
    [scored] = body["prefetch"]
    assert "filter" not in body
    assert "params" not in body
    assert (int(body["limit"]), int(scored["limit"])) == (60, 200)
    for leaf in scored["prefetch"] if is_hybrid else [scored]:
        assert leaf["params"]["quantization"]["oversampling"] == 3
        assert leaf["params"]["quantization"]["rescore"] is True
        assert leaf["filter"]["must"]
        assert int(leaf["limit"]) == 200


def test_further_client_options_reach_the_server(options, server):
    headers = {"x-tenant": "me"}
    options["client_options"]["headers"] = headers
    create_vector_store(Plane(), "c", **options)
    assert {request.headers["x-tenant"] for request in server.requests} == {"me"}


# Asynchronously


class NoThreads(ThreadPoolExecutor):
    def submit(self, *_args, **_kwargs):
        raise AssertionError("a thread was asked for")


def test_async_use_of_a_server_needs_no_thread_and_works_in_any_number_of_loops(
    options, embeddings, server
):
    async def work(round_number):
        await embeddings.aembed_query("text")  # the client of a loop is made in a thread
        asyncio.get_running_loop().set_default_executor(NoThreads(1))
        threads = threading.active_count()
        async with await acreate_vector_store(embeddings, "c", **options) as store:
            texts = [f"text {round_number} {i}" for i in range(3)]
            ids = await store.aadd_texts(texts, [{"n": i} for i in range(3)])
            await store.aadd_documents([Document("more", metadata={"n": 9})])
            documents = [Document("own", id="own")]
            await store.aadd_documents(documents)
            await store.acreate_payload_indexes({"n": "integer"})
            assert await store.acount({"n": {"$gte": 9}}) == round_number
            assert len(await store.aget_by_ids(ids)) == 3
            assert len([document async for document in store.aiter_documents()]) > 3
            vector = await embeddings.aembed_query("text")
            for search in (
                store.asimilarity_search("text"),
                store.asimilarity_search_with_score("text"),
                store.asimilarity_search_with_relevance_scores("text"),
                store.asimilarity_search_by_vector(vector),
                store.asimilarity_search_with_score_by_vector(vector),
                store.amax_marginal_relevance_search("text"),
                store.amax_marginal_relevance_search_by_vector(vector),
                store.amax_marginal_relevance_search_with_score_by_vector(vector),
                store.asearch("text", "mmr"),
                store.as_retriever().ainvoke("text"),
            ):
                assert len(await search) == 4
            assert await store.adelete(ids) is True
            other = await GeminiQdrantVectorStore.afrom_existing_collection(
                "c", embeddings, client=store.client
            )
            assert await other.acount() == round_number + 1
            await other.aclose()
            # those of the server and the emulator answer this test
            assert threading.active_count() <= threads + 2 * len(server.requests)
        await embeddings.aclose()

    asyncio.run(work(1))
    asyncio.run(work(2))


async def test_async_class_methods_take_langchain_qdrant_s_arguments(options):
    engine = {**options, **options["client_options"]}
    del engine["client_options"]
    store = await GeminiQdrantVectorStore.afrom_documents(
        [Document("1 0", id="a")], Plane(), collection_name="c", vector_name="v", **engine
    )
    assert await store.acount() == 1
    await store.aclose()
    store = await GeminiQdrantVectorStore.afrom_texts(
        ["0 1"], Plane(), collection_name="c", vector_name="v", ids=["b"], **engine
    )
    assert await store.acount() == 2
    await store.aclose()


async def test_an_async_client_of_the_user_s_is_used_and_left_open(server, protocol):
    own = AsyncQdrantClient(
        url=server.url,
        grpc_port=server.grpc_port,
        prefer_grpc=protocol == "grpc",
        api_key=KEY,
        check_compatibility=False,
        verify=False,
        headers={"x-mine": "yes"},
    )
    async with await acreate_vector_store(Plane(), "c", async_client=own) as store:
        await store.aadd_texts(["1 0"])
        assert store.async_client is own
        assert {request.headers["x-mine"] for request in server.requests} == {"yes"}
        assert store.count() == 1  # over a sync client with the same options
    assert (await own.count("c")).count == 1
    await own.close()


async def test_an_async_engine_of_its_own_serves_async_use_only():
    own = AsyncQdrantClient(":memory:")
    store = await acreate_vector_store(Plane(), "c", async_client=own)
    await store.aadd_texts(["1 0"])
    assert len(await store.asimilarity_search("1 0")) == 1
    with pytest.raises(ValueError, match="pass client= with the QdrantClient of that engine"):
        store.count()
    await own.close()


# Faults


@pytest.mark.parametrize("fault", ["reset", "503"])
def test_a_lost_connection_is_tried_again(plane, server, clock, on_store, fault):
    kind = {"kind": "reset"} if fault == "reset" else {"kind": "status", "status": 503}
    server.fail_next(times=3, **kind)
    on_store(plane, "add_texts", ["1 0"], ids=["a"])
    assert len(clock.waits) == 3
    server.fail_next(times=1, **kind)
    assert [hit.id for hit in on_store(plane, "similarity_search", "1 0")] == ["a"]
    assert len(clock.waits) == 4


def test_an_upsert_whose_answer_was_lost_is_stored_once(plane, server, clock, on_store):
    server.fail_next(kind="reset", after_effect=True)
    on_store(plane, "add_texts", ["1 0"])
    assert plane.count() == 1
    assert len(clock.waits) == 1


def test_a_server_that_asks_to_wait_is_waited_for(plane, server, clock, on_store):
    server.fail_next(kind="status", status=429, retry_after=3)
    on_store(plane, "add_texts", ["1 0"])
    [wait] = clock.waits
    assert 4 <= wait <= 4.4  # of whole seconds, one may be cut


def test_what_is_stored_when_qdrant_stays_away_is_told(plane, server, clock, on_store):
    on_store(plane, "add_texts", ["1 0"], ids=["zero"])
    server.clear()

    class Halfway(Plane):
        """The server goes away when the second batch has been embedded."""

        def __init__(self):
            self.batches = 0

        def embed_documents(self, texts):
            self.batches += 1
            if self.batches == 2:
                server.fail_next(times=17, kind="reset")
            return super().embed_documents(texts)

        async def aembed_documents(self, texts):
            return self.embed_documents(texts)

    store = GeminiQdrantVectorStore(plane.client, "c", Halfway(), clock=clock)
    ids = ["a", "b", "c"]
    with pytest.raises(PartialWriteError, match="2 of 3 documents are stored") as caught:
        on_store(store, "add_texts", ["1 0", "1 1", "0 1"], ids=ids, batch_size=2)
    assert (caught.value.written, caught.value.missing) == (["a", "b"], ["c"])
    assert len(clock.waits) == 16  # more than one batch is a long run
    assert [document.id for document in plane.get_by_ids(ids)] == ["a", "b"]


LOST = {"rest": ResponseHandlingException, "grpc": grpc.RpcError}
REFUSED = {"rest": UnexpectedResponse, "grpc": grpc.RpcError}


def test_a_failure_before_anything_is_stored_is_raised_itself(plane, server, clock, protocol):
    server.fail_next(times=4, kind="reset")
    with pytest.raises(LOST[protocol]):
        plane.add_texts(["1 0"])
    assert len(clock.waits) == 3


def test_a_refused_request_is_not_sent_again(plane, server, clock, protocol):
    server.clear()
    server.fail_next(kind="status", status=400)
    with pytest.raises(REFUSED[protocol]):
        plane.add_texts(["1 0"])
    assert (len(server.requests), clock.waits) == (1, [])


# Servers without collection metadata


def test_a_server_that_keeps_no_metadata_is_checked_by_size_and_distance(embeddings, emulator):
    with QdrantServer(keeps_metadata=False) as server:
        client = QdrantClient(url=server.url, check_compatibility=False, verify=False)
        create_vector_store(embeddings, "c", client=client).add_texts(["a"])
        assert client.get_collection("c").config.metadata is None
        create_vector_store(embeddings, "c", client=client).add_texts(["b"])
        large = GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url)
        with pytest.raises(CollectionMismatchError, match="of size 768.*makes 3072"):
            create_vector_store(large, "c", client=client)
        client.close()
