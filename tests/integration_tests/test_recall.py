"""Measured recall against numbers worked by hand and an independent reference in numpy."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    create_vector_store,
    measure_recall,
)
from langchain_gemini_qdrant import recall as module
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    InvalidInputError,
)

SIZE, COUNT = 128, 200
LIMITS = (10, 50)


def binary(**settings):
    return models.BinaryQuantization(
        binary=models.BinaryQuantizationConfig(always_ram=True, **settings)
    )


def filled(
    client,
    vectors,
    *,
    quantization=None,
    distance="Cosine",
    payloads=None,
    embedding=None,
    clock=None,
):
    """Return a store over a new collection with these vectors, whose ids count from 0."""
    client.create_collection(
        "c",
        models.VectorParams(size=vectors.shape[1], distance=distance),
        quantization_config=quantization,
    )
    ids = list(range(len(vectors)))
    client.upsert("c", models.Batch(ids=ids, vectors=vectors.tolist(), payloads=payloads))
    return GeminiQdrantVectorStore(client, "c", embedding, validate_embeddings=False, clock=clock)


@pytest.fixture
def edge(tmp_path):
    client = EdgeClient(tmp_path / "index")
    yield client
    client.close()


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    found = rng.normal(size=(COUNT, SIZE)) * np.exp(-np.arange(SIZE) / 60)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def reference(vectors, *, eight_bits, limit, oversampling, rescore):
    """Work out the mean recall of sign bits in one flat segment, each vector as a query.

    Points whose codes are equal come in any order: the mean over some of the orders.
    """
    exact, signs = vectors @ vectors.T, np.where(vectors > 0, 1.0, -1.0)
    np.fill_diagonal(exact, -np.inf)
    wanted = np.argsort(-exact, axis=1)[:, :limit]
    shares = []
    for seed in range(5):
        coded = (vectors if eight_bits else signs) @ signs.T
        coded += np.random.default_rng(seed).uniform(0, 1e-6, coded.shape)
        np.fill_diagonal(coded, -np.inf)
        found = np.argsort(-coded, axis=1)
        if rescore:
            found = found[:, : round(limit * oversampling)]
            best = np.argsort(-np.take_along_axis(exact, found, axis=1), axis=1)
            found = np.take_along_axis(found, best, axis=1)
        shares += [
            len(set(some) & set(others)) / limit
            for some, others in zip(found[:, :limit].tolist(), wanted.tolist(), strict=True)
        ]
    return np.mean(shares)


# --- numbers


@pytest.mark.parametrize("query_encoding", ["default", "scalar8bits"])
@pytest.mark.parametrize("which", ["all", "filtered", "after deletions"])
def test_every_point_is_that_of_an_independent_reference(edge, vectors, query_encoding, which):
    payloads = [{"metadata": {"even": i % 2 == 0}} for i in range(COUNT)]
    quantization = binary(query_encoding=query_encoding)
    store = filled(edge, vectors, quantization=quantization, payloads=payloads)
    condition = {"even": True} if which == "filtered" else None
    if which == "after deletions":
        edge.delete("c", list(range(1, COUNT, 2)))
    kept = vectors if which == "all" else vectors[::2]

    report = measure_recall(
        store, limits=LIMITS, filter=condition, sample_size=COUNT, latency_queries=0, batch_size=100
    )

    assert report.queries == len(kept)
    assert len(report.rows) == 12
    for row in report.rows:
        by_hand = reference(
            kept,
            eight_bits=query_encoding == "scalar8bits",
            limit=row.limit,
            oversampling=row.oversampling,
            rescore=row.rescore,
        )
        assert row.recall == pytest.approx(by_hand, abs=0.015), row
        assert row.low <= by_hand <= row.high


# Scores with the query: 0.35, 2.995, 1.05, -1.05; bits that agree with its bits: 2, 1, 2, 0.
FOUR = np.array([[0.1, 5.0], [3.0, -0.1], [1.0, 1.0], [-1.0, -1.0]])
QUERY = [1.0, 0.05]


@pytest.mark.parametrize(
    ("limit", "oversampling", "rescore", "recall"),
    [
        (1, 1, False, 0.0),  # of the two with most bits, neither is nearest
        (1, 2, True, 0.0),
        (1, 3, True, 1.0),  # the third candidate is
        (2, 1, False, 0.5),
        (2, 1, True, 0.5),
        (2, 1.5, True, 1.0),
        (3, 1, False, 1.0),
        (4, 1, False, 1.0),
        (10, 1, False, 1.0),  # fewer points than the limit
    ],
)
async def test_numbers_worked_by_hand(edge, twin, limit, oversampling, rescore, recall):
    store = filled(edge, FOUR, quantization=binary(), distance="Dot")
    report = await measured(
        twin,
        store,
        [QUERY],
        limits=(limit,),
        oversampling=(oversampling,),
        rescore=(rescore,),
    )
    assert [row.recall for row in report.rows] == [recall]


async def measured(twin, store, *args, **options):
    """Measure, sync or async, and close what an event loop has opened."""
    try:
        return await twin(module, "measure_recall", store, *args, **options)
    finally:
        await store.aclose()
        if isinstance(store.embeddings, GeminiEmbeddings):
            await store.embeddings.aclose()


def test_points_that_tie_at_rank_k_are_no_misses(edge, vectors):
    """Of 60 equal points any ten are the nearest, in whatever order an engine has them."""
    equal = np.repeat(vectors[:1], 60, axis=0)
    store = filled(edge, np.concatenate([equal, vectors[1:]]), quantization=binary())
    report = measure_recall(
        store, [vectors[0].tolist()], limits=(10,), oversampling=(1,), latency_queries=0
    )
    assert [row.recall for row in report.rows] == [1.0, 1.0]


def test_exact_lists_go_on_to_where_a_tie_ends(qdrant_server, vectors):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    equal = np.repeat(vectors[:1], 60, axis=0)
    store = filled(client, np.concatenate([equal, vectors[60:]]))
    asked = [vectors[0].tolist(), vectors[70].tolist()]
    qdrant_server.clear()
    steps = []
    measure_recall(store, asked, limits=(10,), latency_queries=0, on_progress=steps.append)
    exact = [
        search["limit"]
        for request in qdrant_server.requests
        if request.path.endswith("/query/batch")
        for search in request.body["searches"]
        if search["params"].get("exact")
    ]
    assert exact == [11, 11, 44, 176]
    assert steps[-1].done == steps[-1].total == 2 + 2 + 2
    client.close()


# --- queries


def test_a_seed_draws_the_same_sample_again(edge, vectors):
    store = filled(edge, vectors, quantization=binary())

    def rows(**options):
        options = {"sample_size": 20, "latency_queries": 0, "limits": (10,), **options}
        return measure_recall(store, **options).rows

    assert rows(seed=1) == rows(seed=1) != rows(seed=2)
    assert rows() != rows()


async def test_texts_are_embedded_once_and_as_queries(client, embeddings, emulator, twin):
    store = create_vector_store(embeddings, "c", client=client)
    store.add_texts([f"passage {i}" for i in range(30)])
    emulator.clear()
    with pytest.warns(UserWarning, match="local mode") if local(client) else nullcontext():
        report = await measured(
            twin, store, ["which is first?", "and last?"], limits=(5,), latency_queries=1
        )
    assert [text.text for request in emulator.requests for text in request.texts] == [
        "task: search result | query: which is first?",
        "task: search result | query: and last?",
    ]
    assert len(emulator.requests) == 1
    assert (report.queries, report.query_kind) == (2, "texts")
    assert [(row.recall, row.high) for row in report.rows] == [(1.0, 1.0)]


async def test_other_embeddings_embed_one_query_after_the_other(edge, twin):
    class Embedding(DeterministicFakeEmbedding):
        def embed_query(self, text):
            asked.append(text)
            return super().embed_query(text)

    asked = []
    store = create_vector_store(Embedding(size=8), "c", client=edge)
    store.add_texts(["a", "b", "c"])
    await measured(twin, store, ["x", "y"], limits=(2,), latency_queries=0)
    assert asked == ["x", "y"]


async def test_named_vectors_of_a_sample_are_searched_by_their_name(client, twin, vectors):
    client.create_collection(
        "c",
        {
            "a": models.VectorParams(size=SIZE, distance="Cosine"),
            "b": models.VectorParams(size=2, distance="Dot"),
        },
    )
    points = [
        models.PointStruct(id=i, vector={"a": row.tolist()} if i < 40 else {"b": [1.0, 0.0]})
        for i, row in enumerate(vectors[:50])
    ]
    client.upsert("c", points)
    store = GeminiQdrantVectorStore(client, "c", None, vector_name="a", validate_embeddings=False)
    with pytest.warns(UserWarning, match="local mode") if local(client) else nullcontext():
        report = await measured(twin, store, limits=(5,), seed=1, latency_queries=2)
    assert (report.queries, report.vector_size) == (40, SIZE)
    assert report.rows[0].recall == 1.0


# --- engines


def local(client):
    return client.init_options.get("location") == ":memory:" and not isinstance(client, EdgeClient)


async def test_the_report_says_what_was_measured(client, vectors, twin):
    store = filled(client, vectors, quantization=binary())
    with pytest.warns(UserWarning, match="local mode") if local(client) else nullcontext():
        report = await measured(twin, store, sample_size=10, latency_queries=4)
    edge, memory = isinstance(client, EdgeClient), local(client)
    assert report.engine == ("edge" if edge else "local" if memory else "server")
    assert (report.collection, report.points, report.vector_size) == ("c", COUNT, SIZE)
    assert (report.queries, report.query_kind) == (10, "stored vectors")
    assert report.index_built is False
    assert (report.quantization is None) is memory
    if edge:
        assert report.segments == 1
    assert all(0 < row.p50_s <= row.p95_s for row in report.rows)
    expected = [(limit, None, None) for limit in (10, 20, 50, 100)]
    if not memory:
        expected = [
            (limit, oversampling, rescore)
            for limit in (10, 20, 50, 100)
            for oversampling in (1.0, 2.0, 3.0)
            for rescore in (False, True)
        ]
    assert [(row.limit, row.oversampling, row.rescore) for row in report.rows] == expected


def test_a_graph_is_told_and_its_beam_measured(edge, vectors):
    edge.create_collection(
        "c",
        models.VectorParams(size=SIZE, distance="Cosine"),
        hnsw_config=models.HnswConfigDiff(m=2, ef_construct=4, full_scan_threshold=10),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
    )
    ids = list(range(COUNT))
    edge.upsert("c", models.Batch(ids=ids, vectors=vectors.tolist()))
    edge.optimize("c")
    store = GeminiQdrantVectorStore(edge, "c", None, validate_embeddings=False)
    report = measure_recall(store, limits=(10,), hnsw_ef=(10, 400), seed=1, latency_queries=0)
    assert report.index_built
    narrow, wide = report.row(limit=10, hnsw_ef=10), report.row(limit=10, hnsw_ef=400)
    assert narrow.recall < wide.recall


@pytest.mark.parametrize("where", ["vector", "collection"])
def test_what_is_optimized_without_a_graph_has_no_index(edge, vectors, where):
    flat = models.HnswConfigDiff(m=0)
    params = models.VectorParams(size=SIZE, distance="Cosine")
    options = {"hnsw_config": flat}
    if where == "vector":
        params, options = params.model_copy(update=options), {}
    edge.create_collection(
        "c",
        params,
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=10),
        quantization_config=models.BinaryQuantization(binary=models.BinaryQuantizationConfig()),
        **options,
    )
    edge.upsert("c", models.Batch(ids=list(range(COUNT)), vectors=vectors.tolist()))
    edge.optimize("c")
    assert edge.get_collection("c").indexed_vectors_count
    store = GeminiQdrantVectorStore(edge, "c", None, validate_embeddings=False)
    report = measure_recall(store, limits=(10,), sample_size=10, latency_queries=0)
    assert not report.index_built
    assert "no index" in str(report)


async def test_what_a_server_is_asked(qdrant_server, vectors, twin):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    store = filled(client, vectors, quantization=binary())
    qdrant_server.clear()
    await measured(
        twin,
        store,
        limits=(7,),
        oversampling=(2,),
        rescore=(True,),
        hnsw_ef=(64,),
        filter=models.Filter(must=[models.HasIdCondition(has_id=list(range(50)))]),
        sample_size=5,
        batch_size=2,
        timeout=33,
        latency_queries=3,
        seed=1,
    )
    batches = [r for r in qdrant_server.requests if r.path.endswith("/query/batch")]
    assert [len(batch.body["searches"]) for batch in batches] == [2, 2, 1] * 2
    assert {batch.query["timeout"] for batch in batches} == {"33"}
    searches = [search for batch in batches for search in batch.body["searches"]]
    assert [search["limit"] for search in searches] == [8] * 5 + [7] * 5
    setting = {"hnsw_ef": 64, "quantization": {"rescore": True, "oversampling": 2.0}}
    assert [search["params"] for search in searches] == [{"exact": True}] * 5 + [setting] * 5
    for search in searches:
        assert len(search["filter"]["must_not"][0]["has_id"]) == 1
        assert search["filter"]["must"][0]["must"][0]["has_id"] == list(range(50))
    timed = [r.body for r in qdrant_server.requests if r.path.endswith("/points/query")]
    assert [(body["params"], body["limit"], body["with_payload"]) for body in timed] == [
        (setting, 7, True)
    ] * 3
    assert all("must_not" not in body["filter"] for body in timed)
    client.close()


async def test_a_lost_connection_is_tried_again(qdrant_server, vectors, clock, twin):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False)
    store = filled(client, vectors, clock=clock)
    qdrant_server.fail_next(path="/query/batch")
    report = await measured(twin, store, limits=(10,), sample_size=5, latency_queries=0)
    assert report.rows[0].recall == 1.0
    client.close()


# --- what cannot be measured


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": ()}, "limits must be numbers from 1"),
        ({"limits": (0,)}, "limits must be numbers from 1"),
        ({"oversampling": (0.5,)}, "oversampling must be numbers from 1"),
        ({"hnsw_ef": (0,)}, "hnsw_ef must be numbers from 1"),
        ({"rescore": ()}, "rescore must be"),
        ({"sample_size": 0}, "sample_size must be 1 or larger, got 0"),
        ({"batch_size": 0}, "batch_size must be 1 or larger, got 0"),
        ({"timeout": 0}, "timeout must be 1 or larger, got 0"),
        ({"latency_queries": -1}, "latency_queries must be 0 or larger, got -1"),
        ({"confidence": 1}, "confidence must be between 0 and 1, got 1"),
    ],
)
def test_settings_out_of_their_range_are_told(edge, vectors, options, message):
    store = filled(edge, vectors[:3])
    with pytest.raises(ConfigurationError, match=message):
        measure_recall(store, **options)


@pytest.mark.parametrize(
    ("queries", "error", "message"),
    [
        ("text", InvalidInputError, "of vectors, got str: put"),
        ([], InvalidInputError, "got 0 of nothing"),
        (["text", [1.0] * SIZE], InvalidInputError, "got 2 of list and str"),
        ([[1.0, 2.0]], CollectionMismatchError, f"vectors of size {SIZE}, a query has 2"),
        (["text"], ConfigurationError, "requires an embedding"),
    ],
)
def test_queries_that_cannot_be_searched_are_told(edge, vectors, queries, error, message):
    store = filled(edge, vectors[:3])
    with pytest.raises(error, match=message):
        measure_recall(store, queries)


def test_nothing_to_find_is_told(edge, vectors):
    store = filled(edge, vectors[:3])
    with pytest.raises(InvalidInputError, match="no vector of collection 'c'"):
        measure_recall(store, filter={"missing": 1})
    with pytest.raises(InvalidInputError, match="can find no points"):
        measure_recall(store, [vectors[0].tolist()], filter={"missing": 1})
    edge.delete("c", [0, 1])
    with pytest.raises(InvalidInputError, match="can find no points"):
        measure_recall(store)


def test_a_collection_of_sparse_vectors_is_told(edge):
    edge.create_collection("c", {}, {"words": models.SparseVectorParams()})
    store = GeminiQdrantVectorStore(
        edge, "c", None, validate_embeddings=False, validate_collection_config=False
    )
    with pytest.raises(ConfigurationError, match="recall is measured for dense vectors"):
        measure_recall(store)
