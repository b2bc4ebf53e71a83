"""The Qdrant server of the tests answers as local mode does, over REST and gRPC, and records."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest
from pydantic_core import to_jsonable_python
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from tests.integration_tests.qdrant_server import QdrantServer
from tests.integration_tests.qdrant_server_proxy import Upstream, upstream_from, version_of
from tests.integration_tests.qdrant_server_walk import SETTINGS, WALK, points

ONLY_A_SERVER_KEEPS = {
    "quantization_config": models.BinaryQuantization(
        binary=models.BinaryQuantizationConfig(
            always_ram=True, query_encoding=models.BinaryQuantizationQueryEncoding.SCALAR8BITS
        )
    ),
    "hnsw_config": models.HnswConfigDiff(m=32, on_disk=True),
    "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=7),
    "wal_config": models.WalConfigDiff(wal_capacity_mb=64),
    "strict_mode_config": models.StrictModeConfig(enabled=True, max_timeout=9),
    "shard_number": 2,
    "replication_factor": 3,
    "write_consistency_factor": 2,
    "on_disk_payload": False,
}


KINDS = ["rest", "grpc", "async rest", "async grpc"]


class Caller:
    """Calls a client of one of the four kinds by the names of `QdrantClient`."""

    def __init__(self, kind, server, **options):
        cls = AsyncQdrantClient if "async" in kind else QdrantClient
        self.loop = asyncio.new_event_loop() if "async" in kind else None
        self.protocol = kind.removeprefix("async ")
        self.client = cls(
            url=server.url,
            grpc_port=server.grpc_port,
            prefer_grpc=self.protocol == "grpc",
            check_compatibility=False,
            verify=False,  # reading certificates, of no use here, takes 50 ms
            **options,
        )

    def __call__(self, method, *args, **kwargs):
        result = getattr(self.client, method)(*args, **kwargs)
        return self.loop.run_until_complete(result) if inspect.isawaitable(result) else result

    def close(self):
        self("close")
        if self.loop:
            self.loop.close()


@pytest.fixture
def server():
    with QdrantServer(upstream=None) as server:
        yield server


@pytest.fixture
def forwarding(server):
    """A server whose requests another one answers."""
    upstream = Upstream(url=server.url, grpc_target=f"127.0.0.1:{server.grpc_port}")
    with QdrantServer(upstream=upstream) as forwarding:
        yield forwarding


@pytest.fixture(params=KINDS)
def connect(request):
    made = []

    def connect(server, **options):
        made.append(Caller(request.param, server, **options))
        return made[-1]

    yield connect
    for caller in made:
        caller.close()


@pytest.fixture
def call(connect, server):
    return connect(server)


def plain(answer):
    """Models as JSON, floats to five digits, without the empty, which gRPC takes for none."""
    if isinstance(answer, float):
        return round(answer, 5)
    if isinstance(answer, (list, tuple)):
        return [plain(each) for each in answer]
    if isinstance(answer, dict):
        kept = {key: plain(value) for key, value in answer.items()}
        return {key: value for key, value in kept.items() if value not in ({}, None)}
    return plain(to_jsonable_python(answer)) if hasattr(answer, "model_dump") else answer


def refused(call, *request):
    """Return the HTTP status or gRPC code, and the message, with which a call fails."""
    with pytest.raises((UnexpectedResponse, grpc.RpcError)) as caught:
        call(*request)
    error = caught.value
    if isinstance(error, UnexpectedResponse):
        if error.headers["content-type"] == "text/plain":  # as Qdrant says what is wrong with a key
            return error.status_code, error.content.decode()
        return error.status_code, error.structured()["status"]["error"]
    return error.code().name, error.details()


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
@pytest.mark.filterwarnings("ignore:Local mode performs exact")
@pytest.mark.parametrize("way", ["server", "forwarding"])
def test_every_call_gives_what_local_mode_gives(connect, request, way):
    call = connect(request.getfixturevalue(way))
    local = QdrantClient(":memory:")
    for method, *args in WALK:
        kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
        assert plain(call(method, *args, **kwargs)) == plain(
            getattr(local, method)(*args, **kwargs)
        ), (method, args, kwargs)
    local.close()


def test_settings_of_a_collection_are_reported_as_given(call):
    call("create_collection", "c", **SETTINGS, **ONLY_A_SERVER_KEEPS)
    info = call("get_collection", "c")
    config, params = info.config, info.config.params
    given = {**SETTINGS, **ONLY_A_SERVER_KEEPS}
    assert params.vectors == given["vectors_config"]
    assert params.sparse_vectors == given["sparse_vectors_config"]
    for name in (
        "shard_number",
        "replication_factor",
        "write_consistency_factor",
        "on_disk_payload",
    ):
        assert getattr(params, name) == given[name]
    assert config.metadata == given["metadata"]
    assert config.quantization_config == given["quantization_config"]
    assert (config.hnsw_config.m, config.hnsw_config.on_disk) == (32, True)
    assert config.hnsw_config.ef_construct == 100  # not given: the server's default
    assert config.optimizer_config.indexing_threshold == 7
    assert config.wal_config.wal_capacity_mb == 64
    assert (config.strict_mode_config.enabled, config.strict_mode_config.max_timeout) == (True, 9)


def test_updates_of_a_collection_are_reported(call):
    vectors = models.VectorParams(size=3, distance=models.Distance.COSINE)
    call("create_collection", "c", vectors_config=vectors, metadata={"a": 1, "b": 1})
    scalar = models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.5)
    )
    assert call(
        "update_collection",
        "c",
        vectors_config={"": models.VectorParamsDiff(on_disk=True)},
        hnsw_config=models.HnswConfigDiff(m=0),
        quantization_config=scalar,
        collection_params=models.CollectionParamsDiff(replication_factor=2),
        metadata={"b": 2},
    )
    config = call("get_collection", "c").config
    assert config.params.vectors == vectors.model_copy(update={"on_disk": True})
    assert config.hnsw_config.m == 0
    assert config.quantization_config == scalar
    assert config.params.replication_factor == 2
    assert config.metadata == {"a": 1, "b": 2}
    call("update_collection", "c", quantization_config=models.Disabled.DISABLED)
    config = call("get_collection", "c").config
    assert config.quantization_config is None
    assert config.hnsw_config.m == 0


def test_payload_indexes_are_reported_with_the_points_that_have_the_field(call):
    call("create_collection", "c", **SETTINGS)
    call("upsert", "c", points=points())
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    call("create_payload_index", "c", field_name="tags", field_schema=tenant)
    call("create_payload_index", "c", field_name="page", field_schema="integer")
    schema = call("get_collection", "c").payload_schema
    assert {name: (each.data_type.value, each.points) for name, each in schema.items()} == {
        "tags": ("keyword", 2),
        "page": ("integer", 3),
    }
    assert schema["tags"].params == tenant
    call("delete_payload_index", "c", field_name="tags")
    assert list(call("get_collection", "c").payload_schema) == ["page"]


def test_errors_are_those_of_a_server(call):
    rest = call.protocol == "rest"
    missing = "Not found: Collection `c` doesn't exist!"
    not_found = 404 if rest else "NOT_FOUND"
    assert refused(call, "get_collection", "c") == (not_found, missing)
    assert refused(call, "upsert", "c", points()) == (not_found, missing)
    assert refused(call, "create_payload_index", "c", "page", "integer") == (not_found, missing)
    call("create_collection", "c", **SETTINGS)
    assert refused(call, "create_collection", "c", SETTINGS["vectors_config"]) == (
        409 if rest else "ALREADY_EXISTS",
        "Wrong input: Collection `c` already exists!",
    )
    code, message = refused(call, "upsert", "c", [models.PointStruct(id=1, vector={"x": [1.0]})])
    assert code == (400 if rest else "INVALID_ARGUMENT")
    assert message == "Wrong input: Not existing vector name error: x"


def test_requests_are_recorded_in_order_with_headers_and_body(connect, server):
    call = connect(server, headers={"x-tenant": "t"})
    call("create_collection", "a b", vectors_config=SETTINGS["vectors_config"])
    server.clear()
    call("upsert", "a b", points=points()[1:2])
    call("count", "a b", exact=True)
    upsert, count = server.requests
    assert {upsert.protocol, count.protocol} == {call.protocol}
    assert upsert.headers["x-tenant"] == "t"
    if call.protocol == "rest":
        assert (upsert.method, upsert.path) == ("PUT", "/collections/a%20b/points")
        assert upsert.query == {"wait": "true"}
        assert upsert.body["points"][0]["payload"] == {"page": 2, "tags": ["b"]}
        assert (count.method, count.path) == ("POST", "/collections/a%20b/points/count")
        assert count.body == {"exact": True}
    else:
        assert (upsert.method, upsert.path) == ("Upsert", "/qdrant.Points/Upsert")
        assert upsert.body["collection_name"] == "a b"
        assert upsert.body["points"][0]["id"] == {"num": "2"}
        assert count.body == {"collection_name": "a b", "exact": True}


def test_lost_connections_come_as_scripted_and_then_end(call, server):
    server.fail_next(times=2)
    for _ in range(2):
        with pytest.raises((ResponseHandlingException, grpc.RpcError)) as caught:
            call("get_collections")
        if call.protocol == "rest":
            assert isinstance(caught.value.source, httpx.RemoteProtocolError)
        else:
            assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert call("get_collections").collections == []
    assert len(server.requests) == 3


def test_after_effect_loses_only_the_answer(call, server):
    call("create_collection", "c", **SETTINGS)
    server.fail_next(after_effect=True)
    with pytest.raises((ResponseHandlingException, grpc.RpcError)):
        call("upsert", "c", points=points())
    assert call("count", "c").count == 3


@pytest.mark.parametrize(("status", "code"), [(500, "INTERNAL"), (503, "UNAVAILABLE")])
def test_scripted_statuses_reach_both_protocols(call, server, status, code):
    server.fail_next(kind="status", status=status)
    expected = status if call.protocol == "rest" else code
    assert refused(call, "get_collections")[0] == expected
    call("get_collections")


def test_429_says_when_to_come_back(connect, server, forwarding):
    server.fail_next(times=2, kind="status", status=429, retry_after=7)
    for each in (server, forwarding):
        with pytest.raises(ResourceExhaustedResponse) as caught:
            connect(each)("get_collections")
        assert caught.value.retry_after_s == 7


def test_a_fault_with_a_path_meets_only_that(call, server):
    call("create_collection", "c", **SETTINGS)
    server.fail_next(path="/points" if call.protocol == "rest" else "/qdrant.Points/Upsert")
    assert call("collection_exists", "c")
    with pytest.raises((ResponseHandlingException, grpc.RpcError)):
        call("upsert", "c", points=points())
    call("upsert", "c", points=points())


def test_an_unknown_kind_of_fault_is_refused(server):
    with pytest.raises(ValueError, match="kind must be 'reset' or 'status', got 'slow'"):
        server.fail_next(kind="slow")


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_only_the_right_key_opens(connect):
    with QdrantServer(api_key="right", upstream=None) as server:
        for options in ({}, {"api_key": "wrong"}):
            code, message = refused(connect(server, **options), "get_collections")
            assert code in {401, "UNAUTHENTICATED"}
            assert "API key" in message
        call = connect(server, api_key="right")
        assert call("get_collections").collections == []
        assert [each.headers.get("api-key") for each in server.requests] == [
            None,
            "wrong",
            "right",
        ]


def test_a_server_before_metadata_ignores_them(connect):
    with QdrantServer(keeps_metadata=False, upstream=None) as server:
        call = connect(server)
        call("create_collection", "c", **SETTINGS)
        call("update_collection", "c", metadata={"a": 1})
        assert call("get_collection", "c").config.metadata is None
        create = server.requests[0].body
        assert "metadata" in create


def test_the_version_is_the_one_given_and_meets_no_fault(connect):
    with QdrantServer(version="1.15.2", api_key=None, upstream=None) as server:
        server.fail_next()
        info = connect(server)("info")
        assert (info.title, info.version) == ("qdrant - vector search engine", "1.15.2")
        assert version_of(Upstream(url=server.url)) == (1, 15)


def test_many_threads_lose_nothing(server):
    def upsert(number):
        client = QdrantClient(
            url=server.url,
            grpc_port=server.grpc_port,
            prefer_grpc=bool(number % 2),
            check_compatibility=False,
        )
        for each in range(number * 10, number * 10 + 10):
            client.upsert("c", [models.PointStruct(id=each, vector=[1.0, 0.1, 0.2])])
        client.close()

    with ThreadPoolExecutor(8) as pool, httpx.Client() as http:
        http.put(
            f"{server.url}/collections/c", json={"vectors": {"size": 3, "distance": "Dot"}}
        ).raise_for_status()
        list(pool.map(upsert, range(8)))
        count = http.post(f"{server.url}/collections/c/points/count", json={}).json()
    assert count["result"] == {"count": 80}
    assert len(server.requests) == 82


def test_leaving_ends_every_thread_and_idle_connection():
    before = set(threading.enumerate())
    with httpx.Client() as http:
        with QdrantServer(upstream=None) as server:
            assert http.get(server.url).json()["version"] == "1.20.0"
            assert set(threading.enumerate()) - before
        assert set(threading.enumerate()) <= before
        with pytest.raises(httpx.TransportError):
            http.get(server.url)


def test_what_it_cannot_answer_fails_the_test_at_the_end(connect):
    server = QdrantServer(upstream=None)
    server.__enter__()
    code, message = refused(connect(server), "collection_cluster_info", "c")
    assert code in {500, "INTERNAL"}
    with pytest.raises(AssertionError, match=r"unanswered: .*no answer for (GET )?/.*luster"):
        server.__exit__()
    assert "no answer for" in message


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_forwarding_records_here_and_there_and_puts_the_upstream_key_in(connect):
    with QdrantServer(api_key="upstream", upstream=None) as real:
        upstream = Upstream(
            url=real.url, grpc_target=f"127.0.0.1:{real.grpc_port}", api_key="upstream"
        )
        with QdrantServer(api_key="here", upstream=upstream) as server:
            call = connect(server, api_key="here")
            call("create_collection", "c", **SETTINGS)
            assert call("collection_exists", "c")
            code, message = refused(call, "get_collection", "d")
            assert code in {404, "NOT_FOUND"}
            assert message == "Not found: Collection `d` doesn't exist!"
            assert {each.headers["api-key"] for each in server.requests} == {"here"}
            assert {each.headers["api-key"] for each in real.requests} == {"upstream"}
            here, there = (
                [{**(each.body or {}), "collection_name": ""} for each in both.requests]
                for both in (server, real)
            )
            assert here == there


def test_forwarding_deletes_only_the_collections_made_through_it(connect, server):
    connect(server)("create_collection", "mine", **SETTINGS)
    upstream = Upstream(url=server.url, grpc_target=f"127.0.0.1:{server.grpc_port}")
    with QdrantServer(upstream=upstream) as forwarding:
        call = connect(forwarding)
        call("create_collection", "mine", **SETTINGS)
        refused(call, "create_collection", "mine", SETTINGS["vectors_config"])
        call("create_collection", "a b", **SETTINGS)
        assert len(connect(server)("get_collections").collections) == 3
    [left] = connect(server)("get_collections").collections
    assert left.name == "mine"


def test_tests_that_share_a_server_do_not_see_each_other(connect, server):
    alias = models.CreateAlias(collection_name="c", alias_name="now")
    upstream = Upstream(url=server.url, grpc_target=f"127.0.0.1:{server.grpc_port}")
    with QdrantServer(upstream=upstream) as one, QdrantServer(upstream=upstream) as other:
        calls = [connect(one), connect(other)]
        for count, call in enumerate(calls, start=2):
            call("create_collection", "c", **SETTINGS)
            call("upsert", "c", points=points()[:count])
            call("update_collection_aliases", [models.CreateAliasOperation(create_alias=alias)])
        for count, call in enumerate(calls, start=2):
            assert [each.name for each in call("get_collections").collections] == ["c"]
            [found] = call("get_aliases").aliases
            assert (found.collection_name, found.alias_name) == ("c", "now")
            assert call("count", "now").count == count
    assert connect(server)("get_collections").collections == []


def test_the_environment_names_the_real_server():
    assert upstream_from({}) is None
    assert upstream_from(
        {
            "QDRANT_URL": "https://q.example",
            "QDRANT_GRPC_URL": "https://q.example:6334",
            "QDRANT_API_KEY": "k",
        }
    ) == Upstream(url="https://q.example", grpc_target="q.example:6334", api_key="k")
