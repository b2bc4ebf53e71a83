"""What some engine could not read again, or would change, is refused by all, before it is paid for.

On the embedded engine, in memory, and on a server over REST and gRPC.
"""

from __future__ import annotations

import json
import shutil
from functools import reduce

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from pydantic_core import to_json
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

from langchain_gemini_qdrant import EdgeClient, create_vector_store, ingest, migrate
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores._points import payloads, points, requests, rows

nan, inf = float("nan"), float("inf")
WAYS = ["edge", *(pytest.param(w, marks=pytest.mark.slow) for w in (":memory:", "rest", "grpc"))]


@pytest.fixture
def connection(way, request):
    """The arguments that reach an engine one way."""
    if way == "edge":
        return {"path": ":temporary:"}
    if way == ":memory:":
        return {"location": way}
    server = request.getfixturevalue("qdrant_server")
    return {"url": server.url, "grpc_port": server.grpc_port, "prefer_grpc": way == "grpc"}


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
async def store(embeddings, connection):
    store = create_vector_store(embeddings, "notes", **connection)
    store.add_texts(["zero", "one", "two"], [{"n": n} for n in range(3)], ids=["0", "1", "2"])
    yield store
    await store.aclose()
    store.close()


@pytest.fixture
def kept(store, emulator):
    """Check that nothing was embedded, stored or deleted."""
    emulator.clear()
    yield
    assert emulator.requests == []
    assert store.count() == 3


def nested(levels, outer=lambda inner: {"a": inner}):
    """A dict with this many levels, of which `outer` makes all but the first."""
    return {"a": reduce(lambda inner, _: outer(inner), range(levels - 1), 1)}


UNFIT = {
    "NaN": ({"a": [0.5, nan]}, r"metadata\['a'\]\[1\] \(float\) is NaN or infinity"),
    "infinity": ({"a": {"b": -inf}}, r"metadata\['a'\]\['b'\] \(float\) is NaN or infinity"),
    "NumPy's NaN": ({"a": np.float32(nan)}, r"\['a'\] \(numpy.float32\) is NaN or infinity"),
    "2**63": ({"a": 2**63}, r"metadata\['a'\] \(int\) is an integer outside .* as a string"),
    "-2**63 - 1": ({"a": -(2**63) - 1}, r"is an integer outside"),
    "10**5000": ({"a": 10**5000}, r"metadata\['a'\] \(int\) is an integer outside"),
    "31 dicts": (nested(31), "nested in more than 31 levels"),
    "31 lists": (nested(31, lambda inner: [inner]), "nested in more than 31 levels"),
    "200 dicts": (nested(200), "nested in more than 31 levels"),
    "5000 dicts": (nested(5000), "nested in more than 31 levels"),
    "an array": (
        {"a": np.zeros(2)},
        r"\(numpy.ndarray\) is not a type that JSON supports",
    ),
    "half a pair": ({"a": "\ud83d"}, r"metadata\['a'\] contains half of a surrogate pair"),
    "a key cut": ({"k\ud83d": 1}, r"the key 'k\\ud83d' contains half of a surrogate pair"),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("unfit", UNFIT)
async def test_metadata_that_cannot_be_read_again_is_refused_by_index_id_key_and_type(
    store, twin, unfit
):
    metadata, told = UNFIT[unfit]
    documents = [Document(f"text {i}", id=f"id {i}") for i in range(250)]
    documents[200].metadata = metadata
    with pytest.raises(InvalidInputError, match=rf"index 200 \(id 'id 200'\): .*{told}") as caught:
        await twin(store, "add_documents", documents)
    assert caught.value.indices == (200,)
    report = ingest(store, [documents[200]], on_error="report")
    assert list(report.failed) == ["id 200"]


FIT = {
    "30 dicts": nested(30),
    "30 lists": nested(30, lambda inner: [inner]),
    "integers": {"a": [2**63 - 1, -(2**63), 2**53 + 1]},
    "floats": {"a": [1.7976931348623157e308, 5e-324, -0.0, 0.1]},
    "texts": {"ü 😀": "a\0b", "": None, "a.b": True},
}


def spelled(metadata):
    """Tells `True` from `1` and `-0.0` from `0.0`. Payloads over gRPC are maps without order."""
    return json.dumps(metadata, sort_keys=True)


@pytest.mark.parametrize("fit", FIT)
async def test_metadata_within_the_bounds_comes_back_as_it_was(store, twin, fit):
    metadata = FIT[fit]
    await twin(store, "add_texts", ["text"], [metadata], ids=["x"])
    [read] = await twin(store, "get_by_ids", ["x"])
    assert spelled(read.metadata) == spelled(metadata)
    [found] = await twin(store, "similarity_search", "text", k=1)
    assert spelled(found.metadata) == spelled(metadata)


def test_numbers_of_numpy_are_stored_as_numbers_and_found(store):
    numbers = {"i": np.int64(3), "f": np.float32(0.5), "b": np.bool_(1), "d": np.float64(0.1)}
    store.add_texts(["text"], [numbers], ids=["x"])
    [read] = store.get_by_ids(["x"])
    assert sorted(read.metadata.items()) == [("b", True), ("d", 0.1), ("f", 0.5), ("i", 3)]
    assert {type(value) for value in read.metadata.values()} == {bool, float, int}
    assert store.count({"i": np.int64(3), "b": np.bool_(1)}) == 1


# Filters


def within(depth, clause="should"):
    innermost = models.Filter(must=[models.FieldCondition(key="metadata.n", range={"gte": 0})])
    return reduce(lambda inner, _: models.Filter(**{clause: [inner]}), range(depth - 1), innermost)


def ranged(**bounds):
    return models.FieldCondition(key="metadata.n", range=models.Range(**bounds))


def in_parts(condition):
    part = models.Nested(key="metadata.parts", filter=models.Filter(must=[condition]))
    return models.NestedCondition(nested=part)


UNREAD = {
    "gt infinity": models.Filter(must=[ranged(gt=inf)]),
    "lt -infinity": models.Filter(must_not=ranged(lt=-inf)),
    "gte NaN": models.Filter(should=[ranged(gte=nan)]),
    "NaN in parts": models.Filter(must=[in_parts(ranged(lte=nan))]),
    "NaN in a dict": {"$and": [{"n": 1}, models.Filter(must=[ranged(gt=nan)])]},
    "half a pair": models.Filter(
        must=[models.FieldCondition(key="k", match=models.MatchValue(value="\ud83d"))]
    ),
    "46 filters": within(46),
    "1000 filters": within(1000, "must_not"),
    "64 sources": reduce(lambda f, i: {"$or": [f, {"n": i}]}, range(64), {"n": 99}),
    "1000 times not": reduce(lambda f, _: {"$not": f}, range(1000), {"n": 99}),
}


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("unread", UNREAD)
async def test_a_filter_that_some_engine_would_read_otherwise_is_refused(store, twin, unread):
    """Over REST, a bound that is not finite arrives as none, and deletes all."""
    conditions = UNREAD[unread]
    for name, args in {"delete": [], "count": [], "similarity_search": ["query"]}.items():
        with pytest.raises(InvalidInputError, match="finite|must not nest|surrogate"):
            await twin(store, name, *args, filter=conditions)
    with pytest.raises(InvalidInputError, match="finite|must not nest|surrogate"):
        list(store.iter_documents(filter=conditions))
    if isinstance(conditions, models.Filter):
        with pytest.raises(InvalidInputError, match="finite|must not nest|surrogate"):
            await twin(store, "add_texts", ["text"], ids=["0"], update_filter=conditions)
        prefetch = models.Prefetch(filter=conditions)
        with pytest.raises(InvalidInputError, match="finite|must not nest|surrogate"):
            await twin(store, "similarity_search", "query", prefetch=prefetch)


async def test_a_filter_within_the_bounds_is_served(store, twin):
    for clause in ("must", "should"):
        assert await twin(store, "count", within(45, clause)) == 3
    deepest = reduce(lambda f, i: {"$or": [f, {"n": i}]}, range(40), {"n": 99})
    assert await twin(store, "count", deepest) == 3
    assert await twin(store, "delete", filter=within(45))
    assert store.count() == 0


# Numbers of searches and of vectors


@pytest.mark.usefixtures("kept")
async def test_a_search_with_a_number_that_is_not_finite_is_refused(store, twin):
    params = models.SearchParams(quantization=models.QuantizationSearchParams(oversampling=inf))
    for options in ({"score_threshold": nan}, {"search_params": params}):
        with pytest.raises(InvalidInputError, match="must be a (finite )?number"):
            await twin(store, "similarity_search", "query", **options)
    with pytest.raises(InvalidInputError, match="finite"):
        await twin(store, "similarity_search_by_vector", [nan] * 768)
    with pytest.raises(InvalidInputError, match="oversampling must be a finite number"):
        await twin(store, "remember_search_params", params)


class Broken(Embeddings):
    """Makes a vector that is no number of texts that say so."""

    def embed_documents(self, texts):
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text):
        return [nan if text == "broken" else 0.5, 1.0]


def test_vectors_that_are_not_finite_are_neither_stored_nor_searched(connection):
    with create_vector_store(Broken(), "broken", **connection) as store:
        store.add_texts(["whole"])
        with pytest.raises(InvalidInputError, match="finite 32-bit numbers"):
            store.add_texts(["broken"])
        with pytest.raises(InvalidInputError, match="finite 32-bit numbers"):
            store.similarity_search("broken")
        assert store.count() == 1


# What a collection remembers


def test_metadata_of_a_collection_is_checked_before_it_is_made(embeddings, connection):
    for metadata in ({"a": nan}, {"a": 2**63}, nested(40)):
        with pytest.raises(InvalidInputError, match="cannot be stored"):
            create_vector_store(
                embeddings, "c", **connection, collection_create_options={"metadata": metadata}
            )
    options = {"metadata": {"a": [1, None]}}
    with create_vector_store(
        embeddings, "c", **connection, collection_create_options=options
    ) as store:
        metadata = store.client.get_collection("c").config.metadata
        assert metadata["a"] == [1, None]


# Ids


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("wrong", [None, nan, 1.0, True, ["0"], Document("0", id="0")], ids=repr)
async def test_what_is_no_id_is_refused(store, twin, wrong):
    for name in ("get_by_ids", "delete"):
        with pytest.raises(InvalidInputError, match="must be a string, an integer or a UUID"):
            await twin(store, name, [wrong])
    if wrong is not None:  # which asks for a new id
        with pytest.raises(InvalidInputError, match="must be a string, an integer or a UUID"):
            await twin(store, "add_texts", ["text"], ids=[wrong])


@pytest.mark.usefixtures("kept")
async def test_conditions_in_place_of_ids_are_told_where_they_belong(store, twin):
    for conditions in ({"source": "x"}, models.Filter(must=[ranged(gt=0)])):
        with pytest.raises(InvalidInputError, match=r"delete\(filter=\.\.\.\)"):
            await twin(store, "delete", conditions)


# Copies


def test_migrate_names_the_point_that_only_memory_keeps(connection, way):
    if way == ":memory:":
        pytest.skip("keeps it")
    source = QdrantClient(":memory:")
    source.create_collection("c", models.VectorParams(size=2, distance="Dot"))
    source.upsert("c", [models.PointStruct(id=7, vector=[1.0, 2.0], payload={"a": {"b": nan}})])
    with (
        create_vector_store(Broken(), "other", **connection) as target,
        pytest.raises(InvalidInputError, match=r"the point 7 .* a\['b'\] \(float\) is NaN"),
    ):
        migrate(source, target.client, "c")


@pytest.mark.slow
def test_migrate_to_grpc_names_the_point_that_grpc_cannot_carry(qdrant_server):
    source = EdgeClient(":temporary:")
    source.create_collection("c", models.VectorParams(size=2, distance="Dot"))
    deep = models.PointStruct(id=7, vector=[1.0, 2.0], payload=nested(60))
    source.upsert("c", [deep])
    over = {"url": qdrant_server.url, "check_compatibility": False}
    target = QdrantClient(**over, prefer_grpc=True, grpc_port=qdrant_server.grpc_port)
    with pytest.raises(InvalidInputError, match="the point 7 .* nested in more than 31 levels"):
        migrate(source, target, "c")
    assert migrate(source, QdrantClient(**over), "c").added == 1
    target.close()
    source.close()


@pytest.mark.parametrize("nan_or_deep", [nan, nested(200), "\ud83d"], ids=["nan", "deep", "half"])
async def test_what_its_owner_changes_while_texts_are_embedded_is_not_stored(tmp_path, nan_or_deep):
    metadata = {"info": {"tags": ["a"]}}

    class Changing(DeterministicFakeEmbedding):
        async def aembed_documents(self, texts):
            metadata["info"]["tags"][0] = metadata["info"]["new"] = nan_or_deep
            return self.embed_documents(texts)

    with create_vector_store(Changing(size=2), "c", path=tmp_path) as store:
        await store.aadd_documents([Document("text", id="a", metadata=metadata)])
        assert store.get_by_ids(["a"])[0].metadata == {"info": {"tags": ["a"]}}


# Requests


def test_a_request_of_control_characters_is_counted_as_json_writes_it():
    for text in ("\x01" * 5_000_000, '"' * 10_000_000, "\ud55c" * 5_000_000):
        some = payloads(rows([text] * 3, None, None), "page_content", "metadata")
        for request in requests(points(some, [{"": [0.5]}] * 3)):
            assert len(request) == 1 or len(to_json([p.payload for p in request])) < 2**25


# EdgeClient alone


def test_edge_keeps_a_null_of_the_first_metadata_and_takes_a_key_away_by_one(client):
    """As a server does."""
    client.update_collection("c", metadata={"a": None, "b": {"c": None}})
    assert client.get_collection("c").config.metadata == {"a": None, "b": {"c": None}}
    client.update_collection("c", metadata={"b": None, "d": 1})
    assert client.get_collection("c").config.metadata == {"d": 1}


@pytest.fixture
def client(tmp_path):
    client = EdgeClient(tmp_path)
    client.create_collection(
        "c", {name: models.VectorParams(size=2, distance="Dot") for name in ("a", "b")}
    )
    vectors = {"a": [1.0, 0.0], "b": [0.0, 1.0]}
    client.upsert("c", [models.PointStruct(id=1, vector=vectors, payload={"n": 1, "f": 2})])
    yield client
    client.close()


@pytest.mark.parametrize("names", [110, 111, 200])
def test_edge_counts_the_names_of_a_key_as_levels(client, names):
    for payload in ({}, {"n": 1}):
        with pytest.raises(InvalidInputError, match="nested in more than"):
            client.set_payload("c", payload, [1], key=".".join("k" * names))
    assert client.retrieve("c", [1])[0].payload == {"n": 1, "f": 2}


def test_edge_takes_no_name_for_a_list_of_names(client):
    with pytest.raises(InvalidInputError, match="keys must be a list of keys, got str"):
        client.delete_payload("c", "nf", [1])
    with pytest.raises(InvalidInputError, match="vectors must be a list of vectors, got str"):
        client.delete_vectors("c", "ab", [1])
    [record] = client.retrieve("c", [1], with_vectors=True)
    assert (record.payload, sorted(record.vector)) == ({"n": 1, "f": 2}, ["a", "b"])


@pytest.mark.parametrize("diversity", [-0.1, 2.0, nan])
def test_edge_refuses_a_diversity_outside_of_0_to_1(client, diversity):
    mmr = models.Mmr.model_construct(diversity=diversity, candidates_limit=None)
    query = models.NearestQuery.model_construct(nearest=[1.0, 0.0], mmr=mmr)
    with pytest.raises(InvalidInputError, match=r"diversity must be in 0\.\.1"):
        client.query_points("c", query, using="a")


def test_edge_refuses_a_search_with_a_number_that_is_not_finite(client):
    with pytest.raises(InvalidInputError, match="score_threshold must be a finite number"):
        client.query_points("c", [1.0, 0.0], using="a", score_threshold=nan)
    prefetch = models.Prefetch(query=[1.0, 0.0], using="a")
    formula = models.FormulaQuery(formula=models.SumExpression(sum=["$score", inf]))
    with pytest.raises(InvalidInputError, match="formula: sum must be a finite number, got inf"):
        client.query_points("c", formula, prefetch=prefetch)


def test_edge_refuses_vectors_that_the_collection_does_not_have(client):
    calls = [
        lambda: client.query_points("c", [1.0, 0.0], using="a", with_vectors=["x"]),
        lambda: client.scroll("c", with_vectors=["x"]),
        lambda: client.retrieve("c", [1], with_vectors=["x"]),
    ]
    for call in calls:
        with pytest.raises(InvalidInputError, match="Not existing vector name error: 'x'"):
            call()


@pytest.mark.parametrize("worker", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_edge_refuses_any_depth_in_process_and_in_a_worker(tmp_path, worker):
    client = EdgeClient(tmp_path, worker=worker)
    # A worker refuses what is deeper than pickle goes before anybody counts levels.
    deep = "nested in more than|must not nest|recursion depth"
    client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
    for levels in (111, 400, 5000):
        with pytest.raises(InvalidInputError, match=deep):
            client.upsert(
                "c", [models.PointStruct(id=1, vector=[1.0, 0.0], payload=nested(levels))]
            )
        with pytest.raises(InvalidInputError, match=deep):
            client.update_collection("c", metadata=nested(levels))
        with pytest.raises(InvalidInputError, match=deep):
            client.delete("c", within(levels))
    assert client.count("c").count == 0
    client.close()


def test_edge_finds_the_same_points_again_where_an_index_was_removed_after_an_update(tmp_path):
    """An integer index has no 2.5, so the filter finds it without the index alone."""
    client = EdgeClient(tmp_path / "index")
    client.create_collection("c", models.VectorParams(size=2, distance="Dot"))
    client.create_payload_index("c", "n", "integer")
    client.upsert("c", [models.PointStruct(id=1, vector=[1.0, 0.0], payload={"n": 2.5})])
    above = models.FieldCondition(key="n", range=models.Range(gt=2))
    client.clear_payload("c", models.Filter(must=[above]))
    client.close()  # which flushes the update, but the engine replays the last one even so
    client = EdgeClient(tmp_path / "index")
    client.delete_payload_index("c", "n")
    before = client.retrieve("c", [1])[0].payload
    shutil.copytree(tmp_path / "index", tmp_path / "copy")  # as a crash leaves it
    client.close()
    crashed = EdgeClient(tmp_path / "copy")
    assert crashed.retrieve("c", [1])[0].payload == before
    crashed.close()


# The tests' own server


def test_a_server_changes_or_refuses_what_the_store_does_not_send(qdrant_server):
    """Measured on Qdrant 1.19: nothing is told over REST, and gRPC has other errors."""
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    client.create_collection("c", models.VectorParams(size=1, distance="Dot"))

    def written(client, payload):
        client.upsert("c", [models.PointStruct(id=1, vector=[1.0], payload=payload)])
        return client.retrieve("c", [1])[0].payload

    assert written(client, {"a": nan, "b": 2**64}) == {"a": None, "b": float(2**64)}
    with pytest.raises(UnexpectedResponse, match="recursion limit exceeded"):
        written(client, nested(150))
    by_grpc = QdrantClient(
        url=qdrant_server.url,
        grpc_port=qdrant_server.grpc_port,
        prefer_grpc=True,
        check_compatibility=False,
    )
    with pytest.raises(Exception, match="cannot convert to json number"):
        written(by_grpc, {"a": nan})
    with pytest.raises(Exception, match="Error parsing message"):
        written(by_grpc, nested(60))
    by_grpc.close()
    client.close()
