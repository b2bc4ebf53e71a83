"""A collection copied from engine to engine: whole, once, and verified."""

from __future__ import annotations

import asyncio
import warnings
from contextlib import closing
from uuid import UUID

import numpy as np
import pytest
from click.testing import CliRunner
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from langchain_gemini_qdrant import (
    AsyncEdgeClient,
    EdgeBm25,
    EdgeClient,
    amigrate,
    create_vector_store,
    migrate,
)
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from langchain_gemini_qdrant.migration import MigrationReport
from tests.integration_tests.qdrant_server import QdrantServer

SIZE = 8
# The quick run copies between two of them, and looks at the rest on one.
ENGINES = ["edge", *(pytest.param(each, marks=pytest.mark.slow) for each in (":memory:", "server"))]
PAIRED = [
    "edge",
    "server",
    *(pytest.param(each, marks=pytest.mark.slow) for each in (":memory:", "grpc")),
]
BINARY = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
SCALAR = models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8"))


@pytest.fixture
def edge(engine):
    return engine("edge")


def fill(client, count=60, name="c"):
    """Make a collection of all kinds of vectors, ids and payloads."""
    random = np.random.default_rng(0)
    client.create_collection(
        name,
        {
            "": models.VectorParams(size=SIZE, distance=models.Distance.COSINE),
            "rows": models.VectorParams(
                size=2,
                distance=models.Distance.DOT,
                multivector_config=models.MultiVectorConfig(comparator="max_sim"),
                quantization_config=SCALAR,
            ),
        },
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        quantization_config=BINARY,
        hnsw_config=models.HnswConfigDiff(m=24),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=5_000),
        on_disk_payload=True,
        metadata={"made by": "me", "langchain_gemini_qdrant": {"embeddings": {"": {"model": "m"}}}},
    )
    if not isinstance(client._client, type(QdrantClient(":memory:")._client)):
        client.create_payload_index(name, "kind", models.PayloadSchemaType.KEYWORD)
        client.create_payload_index(
            name, "tenant", models.KeywordIndexParams(type="keyword", is_tenant=True)
        )
    client.upsert(name, [point(i, random) for i in range(count)])


def point(i, random):
    vectors = {
        "": random.normal(size=SIZE).tolist(),
        "rows": random.normal(size=(1 + i % 3, 2)).tolist(),
        "words": models.SparseVector(indices=[i + 1, i], values=random.random(2).tolist()),
    }
    if i % 10 == 3:
        del vectors["words"]
    if i % 25 == 4:
        vectors = {}
    return models.PointStruct(
        id=i if i % 2 else str(UUID(int=i)),
        vector=vectors,
        payload={} if i % 7 == 0 else {"kind": f"k{i % 5}", "deep": {"list": [1, 0.5, None, "ü"]}},
    )


def contents(client, name="c"):
    records, _ = client.scroll(name, limit=10_000, with_vectors=True)
    return {record.id: record for record in records}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key, record in one.items():
        assert record.payload == other[key].payload
        assert record.vector.keys() == other[key].vector.keys()
        for name, vector in record.vector.items():
            copy = other[key].vector[name]
            if isinstance(vector, models.SparseVector):
                assert vector.indices == copy.indices
            ours, theirs = (getattr(each, "values", each) for each in (vector, copy))
            np.testing.assert_allclose(np.array(theirs), np.array(ours), rtol=1e-6, atol=1e-7)


def config(client, name="c"):
    return client.get_collection(name).config.model_dump(mode="json", exclude_none=True)


@pytest.fixture
def _local_mode_keeps_less():
    """Its warning has a test of its own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have these settings")
        yield


# The whole collection


@pytest.mark.qdrant("1.16", "collections have metadata")
@pytest.mark.usefixtures("_local_mode_keeps_less")
@pytest.mark.parametrize("target", PAIRED)
@pytest.mark.parametrize("source", PAIRED)
def test_a_copy_has_the_same_ids_payloads_vectors_and_memory(engine, source, target):
    source, target = engine(source), engine(target)
    fill(source)
    report = migrate(source, target, "c")
    assert (report.total, report.added, report.updated, report.skipped) == (60, 60, 0, 0)
    assert_same(contents(source), contents(target))
    assert config(source)["metadata"] == config(target)["metadata"]
    assert config(source)["params"]["sparse_vectors"] == config(target)["params"]["sparse_vectors"]


@pytest.mark.usefixtures("_local_mode_keeps_less")
def test_from_edge_to_memory_and_back_nothing_is_lost_but_settings(engine, edge):
    fill(edge)
    memory, back = engine(":memory:"), engine("edge")
    migrate(edge, memory, "c")
    migrate(memory, back, "c")
    assert_same(contents(edge), contents(back))
    vectors = config(back)["params"]["vectors"]
    assert vectors == config(edge)["params"]["vectors"]
    assert vectors["rows"]["quantization_config"]["scalar"]["type"] == "int8"


@pytest.mark.one_node("its shards and replicas are settings, too")
@pytest.mark.qdrant("1.16", "collections have metadata")
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("edge", "edge"),
        ("edge", "server"),
        ("server", "server"),
        ("edge", "grpc"),
        ("grpc", "edge"),
    ],
)
def test_settings_are_kept_by_engines_that_have_them(engine, source, target):
    source, target = engine(source), engine(target)
    fill(source)
    assert migrate(source, target, "c").not_kept == ()
    kept = config(target)
    assert kept["quantization_config"] == {"binary": {"always_ram": True}}
    assert kept["hnsw_config"]["m"] == 24
    assert kept["optimizer_config"]["indexing_threshold"] == 5_000
    assert kept["params"]["on_disk_payload"] is True
    schema = target.get_collection("c").payload_schema
    assert schema.keys() == {"kind", "tenant"}
    assert schema["tenant"].params.is_tenant


def test_between_servers_go_shards_replicas_log_and_strict_mode(engine):
    source, target = engine("server"), engine("server")
    source.create_collection(
        "c",
        models.VectorParams(size=2, distance=models.Distance.DOT),
        shard_number=3,
        replication_factor=2,
        wal_config=models.WalConfigDiff(wal_capacity_mb=64),
        strict_mode_config=models.StrictModeConfig(enabled=True, max_query_limit=100),
    )
    assert migrate(source, target, "c").not_kept == ()
    kept = config(target)
    assert (kept["params"]["shard_number"], kept["params"]["replication_factor"]) == (3, 2)
    assert kept["wal_config"]["wal_capacity_mb"] == 64
    assert kept["strict_mode_config"] == {"enabled": True, "max_query_limit": 100}


def test_what_a_single_node_cannot_keep_is_told(engine, edge):
    source = engine("server")
    source.create_collection(
        "c",
        models.VectorParams(size=2, distance=models.Distance.DOT),
        shard_number=3,
        strict_mode_config=models.StrictModeConfig(enabled=True),
    )
    with pytest.warns(UserWarning, match="'c' of the target does not have .*shard_number"):
        report = migrate(source, edge, "c")
    assert set(report.not_kept) == {"shard_number", "strict_mode_config"}


def test_what_local_mode_does_not_keep_is_told_with_the_caller_s_line(engine, edge):
    fill(edge, 3)
    with pytest.warns(UserWarning, match="quantization_config") as caught:
        report = migrate(edge, engine(":memory:"), "c")
    assert caught[0].filename == __file__
    assert report.not_kept == (
        "on_disk_payload",
        "quantization_config",
        "hnsw_config.m",
        "optimizers_config.indexing_threshold",
        "payload_schema.kind",
        "payload_schema.tenant",
    )


def test_an_old_server_s_missing_memory_is_told(edge):
    fill(edge, 3)
    with QdrantServer(version="1.15.0", keeps_metadata=False) as server:
        target = QdrantClient(url=server.url, check_compatibility=False, verify=False)
        with pytest.warns(UserWarning, match="these settings of the source: metadata"):
            assert migrate(edge, target, "c").not_kept == ("metadata",)
        target.close()


@pytest.mark.usefixtures("_local_mode_keeps_less")
def test_a_store_opens_and_searches_the_copy(engine, edge, embeddings, emulator):
    options = {"sparse_embedding": EdgeBm25(), "quantization": "binary", "client": edge}
    store = create_vector_store(embeddings, "c", **options)
    store.add_texts(["cats sleep", "dogs bark"], ids=["one", "two"])
    emulator.clear()
    copy = engine(":memory:")
    migrate(edge, copy, "c")
    assert emulator.requests == []
    moved = create_vector_store(embeddings, "c", client=copy, sparse_embedding=EdgeBm25())
    [found] = moved.similarity_search("cats sleep", k=1)
    assert (found.id, found.page_content) == ("one", "cats sleep")
    other = embeddings.model_copy(update={"task_type": "CLUSTERING"})
    with pytest.raises(CollectionMismatchError, match="made with"):
        create_vector_store(other, "c", client=copy)


def test_an_alias_is_the_collection_behind_it_and_the_name_may_change(edge, engine):
    fill(edge, 5)
    create = models.CreateAlias(collection_name="c", alias_name="live")
    edge.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    target = engine("edge")
    migrate(edge, target, "live", target_collection_name="d")
    assert_same(contents(edge), contents(target, "d"))
    migrate(edge, edge, "live", target_collection_name="beside")
    assert_same(contents(edge), contents(edge, "beside"))


def test_half_precision_is_compared_as_such(engine, edge):
    params = {"size": SIZE, "distance": models.Distance.COSINE, "datatype": "float16"}
    edge.create_collection("c", models.VectorParams(**params))
    random = np.random.default_rng(1)
    edge.upsert("c", [models.PointStruct(id=i, vector=random.normal(size=SIZE)) for i in range(30)])
    memory, back = engine(":memory:"), engine("edge")
    migrate(edge, memory, "c")
    migrate(memory, back, "c")
    assert migrate(edge, back, "c").skipped == 30


# Runs that break off, and runs again


class KilledError(Exception):
    pass


@pytest.mark.usefixtures("_local_mode_keeps_less")
@pytest.mark.parametrize("target", ENGINES)
def test_a_run_that_broke_off_goes_on_and_sends_only_what_is_missing(engine, edge, target):
    fill(edge)
    target = engine(target)

    def break_off(report):
        if report.done >= 40:
            raise KilledError

    with pytest.raises(KilledError):
        migrate(edge, target, "c", batch_size=20, on_progress=break_off)
    assert target.count("c").count == 40
    report = migrate(edge, target, "c", batch_size=20)
    assert (report.added, report.updated, report.skipped) == (20, 0, 40)
    assert_same(contents(edge), contents(target))
    assert migrate(edge, target, "c").skipped == 60


def test_a_second_run_sends_no_point(engine, edge):
    fill(edge)
    target = engine("server")
    migrate(edge, target, "c")
    target.server.clear()
    migrate(edge, target, "c")
    sent = {(request.method, request.path) for request in target.server.requests}
    assert ("PUT", "/collections/c/points") not in sent


def test_a_run_that_broke_off_before_the_indexes_makes_them(engine, edge):
    fill(edge, 5)
    target = engine("edge")
    migrate(edge, target, "c")
    target.delete_payload_index("c", "tenant")
    assert migrate(edge, target, "c").not_kept == ()
    assert "tenant" in target.get_collection("c").payload_schema


@pytest.mark.usefixtures("_local_mode_keeps_less")
@pytest.mark.parametrize("target", ENGINES)
@pytest.mark.parametrize("changed", ["payload", "vector", "sparse", "rows", "missing vector"])
def test_points_that_differ_are_replaced(engine, edge, target, changed):
    fill(edge, 30)
    target = engine(target)
    migrate(edge, target, "c")
    point = contents(target)[1]
    if changed == "payload":
        point.payload["kind"] = "other"
    elif changed == "vector":
        point.vector[""][0] += 0.01
    elif changed == "sparse":
        point.vector["words"].indices[0] += 7
    elif changed == "rows":
        point.vector["rows"] *= 2
    else:
        del point.vector["words"]
    struct = models.PointStruct(id=1, vector=point.vector, payload=point.payload)
    target.upsert("c", [struct])
    report = migrate(edge, target, "c")
    assert (report.added, report.updated, report.skipped) == (0, 1, 29)
    assert_same(contents(edge), contents(target))


def test_a_lost_connection_is_tried_again(engine, edge, clock):
    fill(edge)
    target = engine("server")
    target.server.fail_next(2, path="/points")
    target.server.fail_next(path="/collections/c", after_effect=True)
    assert migrate(edge, target, "c", clock=clock).added == 60
    assert len(clock.waits) == 3


@pytest.mark.slow
def test_large_payloads_go_in_requests_that_a_server_takes(engine, edge):
    edge.create_collection("c", models.VectorParams(size=2, distance=models.Distance.DOT))
    for i in range(6):
        edge.upsert(
            "c", [models.PointStruct(id=i, vector=[i, 1], payload={"text": "x" * 6_000_000})]
        )
    target = engine("server")
    migrate(edge, target, "c")
    sizes = [len(request.content) for request in target.server.requests]
    assert target.count("c").count == 6
    assert max(sizes) < 32_000_000
    assert sum(size > 6_000_000 for size in sizes) == 3


def test_progress_counts_up_to_the_total(engine, edge):
    fill(edge)
    seen = []
    migrate(edge, engine("edge"), "c", batch_size=25, on_progress=seen.append)
    assert [(report.done, report.total) for report in seen] == [(25, 60), (50, 60), (60, 60)]
    assert all(isinstance(report, MigrationReport) for report in seen)


# What is refused


def test_a_target_with_other_vectors_is_refused_and_left_as_it_is(engine, edge):
    fill(edge, 5)
    target = engine("edge")
    target.create_collection("c", models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(CollectionMismatchError, match="a different target_collection_name"):
        migrate(edge, target, "c")
    assert target.count("c").count == 0


def test_a_target_of_another_embedding_is_refused(engine, edge):
    target = engine("edge")
    for client, model in [(edge, "one"), (target, "two")]:
        client.create_collection(
            "c",
            models.VectorParams(size=4, distance=models.Distance.DOT),
            metadata={"langchain_gemini_qdrant": {"embeddings": {"": {"model": model}}}},
        )
    with pytest.raises(CollectionMismatchError, match="made with .*'one'.*'two'"):
        migrate(edge, target, "c")


def test_a_target_that_remembers_nothing_learns_it(engine, edge):
    fill(edge, 5)
    target = engine("edge")
    params = edge.get_collection("c").config.params
    target.create_collection("c", params.vectors, sparse_vectors_config=params.sparse_vectors)
    with pytest.warns(UserWarning, match="quantization_config"):
        migrate(edge, target, "c")
    assert config(target)["metadata"] == config(edge)["metadata"]


def test_a_target_with_another_quantization_keeps_it(engine, edge):
    fill(edge, 5)
    target = engine("edge")
    params = edge.get_collection("c").config.params
    target.create_collection(
        "c",
        params.vectors,
        sparse_vectors_config=params.sparse_vectors,
        quantization_config=SCALAR,
        hnsw_config=models.HnswConfigDiff(m=24),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=5_000),
        on_disk_payload=True,
    )
    with pytest.warns(UserWarning, match="quantization_config.binary"):
        assert migrate(edge, target, "c").not_kept == ("quantization_config.binary",)
    assert "scalar" in config(target)["quantization_config"]


def test_points_that_only_the_target_has_are_named_before_anything_is_written(engine, edge):
    fill(edge, 20)
    target = engine("edge")
    migrate(edge, target, "c")
    target.delete("c", [1, 3, 5])
    target.upsert("c", [models.PointStruct(id=1_000, vector={})])
    with pytest.raises(CollectionMismatchError, match=r"1 points .* \[1000\].*nothing is written"):
        migrate(edge, target, "c")
    assert target.count("c").count == 18


def damage_at_the_end(target, *points, delete=()):
    def damage(report):
        if report.done == report.total:
            if points:
                target.upsert("c", list(points))
            if delete:
                target.delete("c", list(delete))

    return damage


def test_a_target_that_somebody_damages_meanwhile_does_not_pass(engine, edge):
    fill(edge, 20)
    target = engine("edge")
    wrong = models.PointStruct(id=7, vector={}, payload={"kind": "wrong"})
    with pytest.raises(CollectionMismatchError, match=r"20 random points .* \[7\].*run it again"):
        migrate(edge, target, "c", on_progress=damage_at_the_end(target, wrong))
    with pytest.raises(CollectionMismatchError, match="has 20 points .* 18"):
        migrate(edge, target, "c", on_progress=damage_at_the_end(target, delete=[1, 3]))
    extra = models.PointStruct(id=999, vector={})
    with pytest.raises(CollectionMismatchError, match=r"\[999\].*all points .* are copied"):
        migrate(edge, target, "c", on_progress=damage_at_the_end(target, extra))
    target.delete("c", [999])
    assert migrate(edge, target, "c").skipped == 20
    assert_same(contents(edge), contents(target))


def test_a_collection_that_does_not_exist_and_one_onto_itself_are_refused(engine, edge):
    with pytest.raises(ConfigurationError, match="no collection 'c'"):
        migrate(edge, engine(":memory:"), "c")
    fill(edge, 1)
    with pytest.raises(ConfigurationError, match="source and target are the same collection"):
        migrate(edge, edge, "c")
    again = EdgeClient(**edge.init_options)
    with pytest.raises(ConfigurationError, match="source and target are the same collection"):
        migrate(edge, again, "c")
    again.close()
    with pytest.raises(ConfigurationError, match="batch_size must be 1 or larger, got 0"):
        migrate(edge, engine(":memory:"), "c", batch_size=0)


# Without blocking


@pytest.mark.slow
@pytest.mark.usefixtures("_local_mode_keeps_less")
def test_asynchronous_clients_copy_without_blocking(tmp_path, edge):
    fill(edge)

    async def copy():
        source = AsyncQdrantClient(":memory:")
        params = edge.get_collection("c").config.params
        await source.create_collection(
            "c", params.vectors, sparse_vectors_config=params.sparse_vectors
        )
        structs = [
            models.PointStruct(id=record.id, vector=record.vector, payload=record.payload)
            for record in contents(edge).values()
        ]
        await source.upsert("c", structs)
        target = AsyncEdgeClient(tmp_path / "copy")
        report = await amigrate(source, target, "c")
        again = await amigrate(source, target, "c")
        await source.close()
        await target.close()
        return report.added, again.skipped

    assert asyncio.run(copy()) == (60, 60)
    target = EdgeClient(tmp_path / "copy")
    assert_same(contents(edge), contents(target))
    target.close()


# The command line


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")


def test_the_command_copies_once_and_says_so(run, engine):
    with closing(EdgeClient("from")) as source:
        fill(source)
    copy = ("migrate", "--collection", "c", "--path", "from", "--to-path", "to")
    copied = run(*copy)
    assert copied.exit_code == 0, copied.output
    assert "60 points copied, 0 replaced, 0 already there; verified" in copied.output
    assert "0 points copied, 0 replaced, 60 already there" in run(*copy).output
    server = engine("server")
    url = server.server.url
    again = run("migrate", "--collection", "c", "--path", "to", "--to-url", url)
    assert again.exit_code == 0, again.output
    beside = ("--url", url, "--to-url", url, "--to-collection", "d")
    assert run("migrate", "--collection", "c", *beside).exit_code == 0
    with closing(EdgeClient("from")) as source:
        assert_same(contents(source), contents(server, "d"))


def test_the_command_says_what_is_wrong_and_exits_with_1(run, tmp_path):
    EdgeClient("from").close()
    missing = run("migrate", "--collection", "none", "--path", "from", "--to-path", "to")
    assert missing.exit_code == 1
    assert "Error: there is no index in from" in missing.output
    assert not (tmp_path / "to").exists()
    assert run("migrate").exit_code == 2
    assert "one of --to-path and --to-url" in run("migrate").output


def test_the_command_warns_of_what_is_not_kept(run, engine):
    source = engine("server")
    params = models.VectorParams(size=2, distance=models.Distance.DOT)
    source.create_collection("c", params, shard_number=2)
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside of tests
        copied = run("migrate", "--collection", "c", "--url", source.server.url, "--to-path", "to")
    assert copied.exit_code == 0, copied.output
    assert "Warning: collection 'c' of the target does not have" in copied.output
