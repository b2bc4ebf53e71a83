"""What a store or a search is given is read when it is given: read right, or refused at once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from langchain_qdrant import RetrievalMode
from qdrant_client import AsyncQdrantClient, QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeBm25,
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    acreate_vector_store,
    create_vector_store,
)
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.recall import compare_quantizations
from tests.integration_tests.qdrant_server import QdrantServer

VECTOR = [0.1] * 768
EUCLID = models.Distance.EUCLID
RRF = models.FusionQuery(fusion=models.Fusion.RRF)
DBSF = models.FusionQuery(fusion=models.Fusion.DBSF)


def weighted(*weights):
    return models.RrfQuery(rrf=models.Rrf(weights=list(weights)))


@pytest.fixture
def store(embeddings, client):
    store = create_vector_store(embeddings, "c", client=client)
    store.add_texts(["red", "green"], [{"color": "r"}, {"color": "g"}], ids=["a", "b"])
    return store


@pytest.fixture
def hybrid(embeddings, client):
    store = create_vector_store(embeddings, "h", client=client, sparse_embedding=EdgeBm25())
    store.add_texts(["red", "green"])
    return store


@pytest.fixture
def unpaid(emulator):
    """Check that Gemini was asked for nothing, once `emulator.clear()` was called."""
    yield
    assert emulator.requests == []


# Enums


@pytest.mark.parametrize("given", ["Euclid", "euclid", "EUCLID", EUCLID])
def test_a_distance_by_its_name_means_the_same_as_the_enum(embeddings, client, given):
    store = create_vector_store(embeddings, "e", client=client, distance=given)
    store.add_texts(["red", "green"])
    assert store.distance is EUCLID
    distances = [score for _, score in store.similarity_search_with_score("red")]
    relevances = [score for _, score in store.similarity_search_with_relevance_scores("red")]
    assert relevances == pytest.approx([1 - each / math.sqrt(2) for each in distances])


@pytest.mark.parametrize("given", ["hybrid", "HYBRID", RetrievalMode.HYBRID])
def test_a_retrieval_mode_by_its_name_means_the_same_as_the_enum(embeddings, client, given):
    options = {"retrieval_mode": given, "sparse_embedding": EdgeBm25(), "client": client}
    assert create_vector_store(embeddings, "m", **options).retrieval_mode is RetrievalMode.HYBRID


@pytest.mark.parametrize(
    ("given", "expected"),
    [("rrf", RRF), ("DBSF", DBSF), (models.Fusion.DBSF, DBSF), (weighted(0, 1), weighted(0, 1))],
)
def test_a_fusion_by_its_name_means_the_same_as_the_query(hybrid, embeddings, given, expected):
    with create_vector_store(
        embeddings, "h", client=hybrid.client, sparse_embedding=EdgeBm25(), hybrid_fusion=given
    ) as other:
        assert other.hybrid_fusion == expected
    search = hybrid.similarity_search_with_relevance_scores
    assert search("red", hybrid_fusion=given) == search("red", hybrid_fusion=expected)


def test_quantizations_are_compared_by_a_distance_with_a_name():
    vectors = np.random.default_rng(0).normal(size=(200, 128))
    options = {"presets": ["scalar"], "query_count": 5, "latency_queries": 0, "limits": (5,)}
    found = compare_quantizations(vectors, distance="euclid", **options)
    assert found.rows == compare_quantizations(vectors, distance=EUCLID, **options).rows
    with pytest.raises(ConfigurationError, match="distance must be one of"):
        compare_quantizations(vectors, distance="cos", **options)


def test_search_params_may_be_a_dict(embeddings, client):
    store = create_vector_store(embeddings, "c", client=client, search_params={"hnsw_ef": 7})
    assert store.search_params == models.SearchParams(hnsw_ef=7)
    store.remember_search_params({"exact": True})
    assert store.search_params == models.SearchParams(exact=True)


# A store

WRONG = {
    "a distance": ({"distance": "cos"}, "distance must be one of 'Cosine'.*'cos'"),
    "a mode": ({"retrieval_mode": "mixed"}, "retrieval_mode must be one of 'dense'"),
    "a fusion": ({"hybrid_fusion": "max"}, "hybrid_fusion must be one of 'rrf', 'dbsf'"),
    "weights of 0": ({"hybrid_fusion": weighted(0, 0)}, "one of them above 0"),
    "three weights": ({"hybrid_fusion": weighted(1, 1, 1)}, "must be two"),
    "a negative weight": ({"hybrid_fusion": weighted(-1, 1)}, "0 or larger"),
    "k of a fusion": (
        {"hybrid_fusion": models.RrfQuery(rrf=models.Rrf(k=0))},
        "k of hybrid_fusion must be 1",
    ),
    "a prefetch": ({"hybrid_fusion": 3}, "hybrid_fusion must be 'rrf'"),
    "search params": ({"search_params": "exact"}, "search_params must be a dict"),
    "a search param": ({"search_params": {"exakt": True}}, "search_params has the fields .*exakt"),
    "a class": ({"embedding": GeminiEmbeddings}, r"call it, GeminiEmbeddings\("),
    "a model's name": ({"embedding": "gemini-embedding-001"}, "embedding must be an object"),
    "a sparse class": ({"sparse_embedding": EdgeBm25}, "sparse_embedding must be an object"),
    "a title key": ({"title_key": 3}, "title_key must be a string"),
    "no name": ({"collection_name": None}, "collection_name must be a string"),
    "an empty name": ({"collection_name": ""}, "collection_name must be a string"),
    "indexes as a list": ({"payload_indexes": ["a"]}, "must be a dict"),
    "a kind of index": ({"payload_indexes": {"a": "string"}}, "payload index must be one of"),
    "no kind of index": ({"payload_indexes": {"a": None}}, "payload index must be one of"),
    "kinds of index": ({"payload_indexes": {"a": ["text"]}}, "payload index must be one of"),
    "a class of index": (
        {"payload_indexes": {"a": models.KeywordIndexParams}},
        "payload index must be one of",
    ),
    "a vector's params": ({"vector_params": "on_disk"}, "vector_params must be a dict"),
    "a vector's param": (
        {"vector_params": {"ondisk": True}},
        "vector_params has .*ondisk",
    ),
    "a sparse param": (
        {"sparse_vector_params": {"x": 1}},
        "sparse_vector_params has .*x",
    ),
    "an option": ({"collection_create_options": {"shards": 3}}, "has the fields .*shards"),
    "an option's value": (
        {"collection_create_options": {"shard_number": "many"}},
        "has the fields .*shard_number",
    ),
}


@pytest.mark.usefixtures("unpaid")
@pytest.mark.parametrize("options", [{}, {"force_recreate": True}], ids=["open", "recreate"])
@pytest.mark.parametrize(("wrong", "said"), WRONG.values(), ids=WRONG)
async def test_a_wrong_option_is_told_before_anything_is_created_or_deleted(
    embeddings, emulator, store, wrong, said, options
):
    emulator.clear()
    given = {"embedding": embeddings, "collection_name": "c", "client": store.client, **options}
    with pytest.raises((ConfigurationError, InvalidInputError), match=said):
        create_vector_store(**{**given, **wrong})
    with pytest.raises((ConfigurationError, InvalidInputError), match=said):
        await acreate_vector_store(**{**given, **wrong})
    assert store.count() == 2


def test_what_no_vector_fits_into_does_not_cost_the_old_collection(embeddings, store):
    options = {"vector_params": {"datatype": "uint8"}, "client": store.client}
    with pytest.raises(ConfigurationError, match="datatype uint8"):
        create_vector_store(embeddings, "c", force_recreate=True, **options)
    assert store.count() == 2


def test_a_server_that_is_too_old_does_not_cost_the_old_collection(embeddings):
    with QdrantServer(version="1.14.0") as server:
        store = create_vector_store(embeddings, "c", url=server.url)
        store.add_texts(["red"])
        with pytest.raises(ConfigurationError, match="needs Qdrant 1.15"):
            create_vector_store(
                embeddings, "c", url=server.url, quantization="binary", force_recreate=True
            )
        assert store.count() == 1
        store.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"client": AsyncQdrantClient(location=":memory:")}, "client must be .*AsyncQdrantClient"),
        ({"async_client": QdrantClient(":memory:")}, "async_client must be an instance of Async"),
        ({"client": "http://localhost"}, "client must be .* got str"),
        ({"client": EdgeClient}, "client must be an instance"),
    ],
)
def test_a_client_of_the_other_kind_is_told(embeddings, options, said):
    with pytest.raises(ConfigurationError, match=said):
        create_vector_store(embeddings, "c", **options)
    if "async_client" not in options:
        with pytest.raises(ConfigurationError, match=said):
            GeminiQdrantVectorStore(options["client"], "c", embeddings)


# A search

NUMBERS = {
    "none": ({"k": 0}, "k must be a whole number"),
    "negative": ({"k": -1}, "k must be a whole number"),
    "a string": ({"k": "3"}, "k must be a whole number"),
    "a float": ({"k": 2.5}, "k must be a whole number"),
    "a bool": ({"k": True}, "k must be a whole number"),
    "an offset": ({"offset": -1}, "offset must be a whole number"),
    "a threshold": ({"score_threshold": "high"}, "score_threshold must be a number"),
    "NaN": ({"score_threshold": float("nan")}, "score_threshold must be a number"),
}
SETTINGS = {
    "search params": ({"search_params": "exact"}, "search_params must be a dict"),
    "a fusion": ({"hybrid_fusion": "max"}, "hybrid_fusion must be one of"),
    "weights": ({"hybrid_fusion": weighted(0, 0)}, "weights of hybrid_fusion"),
    "candidates": ({"fetch_k": -1}, "fetch_k must be a whole number"),
}
MMR = {
    "k": ({"k": 20_000}, r"k must be a whole number, in 1\.\.16384"),
    "fetch_k": ({"fetch_k": 20_000}, r"fetch_k must be a whole number, in 1\.\.16384"),
    "no fetch_k": ({"fetch_k": 0}, "fetch_k must be a whole number"),
    "offset": ({"k": 10, "offset": 16_375}, "k and offset together must be a whole number"),
    "lambda_mult": ({"lambda_mult": "x"}, "lambda_mult must be a number"),
}


@pytest.mark.usefixtures("unpaid")
@pytest.mark.parametrize(("wrong", "said"), {**NUMBERS, **SETTINGS}.values())
async def test_a_wrong_option_of_a_search_is_told_before_gemini_is_asked(
    store, hybrid, emulator, twin, wrong, said
):
    emulator.clear()
    for target in (store, hybrid):
        for name in ("similarity_search", "similarity_search_with_score"):
            with pytest.raises((ConfigurationError, InvalidInputError), match=said):
                await twin(target, name, "red", **wrong)


@pytest.mark.usefixtures("unpaid")
@pytest.mark.parametrize(("wrong", "said"), {**NUMBERS, **MMR}.values())
async def test_a_wrong_option_of_mmr_is_told_before_gemini_is_asked(
    store, emulator, twin, wrong, said
):
    emulator.clear()
    for suffix, query in {"": "red", "_by_vector": VECTOR}.items():
        with pytest.raises(InvalidInputError, match=said):
            await twin(store, f"max_marginal_relevance_search{suffix}", query, **wrong)


@pytest.mark.usefixtures("unpaid")
@pytest.mark.parametrize(
    "wrong", [None, "red", ["x"] * 768, {"a": 1}, [VECTOR], 3.0, [*VECTOR[1:], float("nan")]]
)
async def test_what_is_no_vector_is_told(store, emulator, twin, wrong):
    emulator.clear()
    for name in ("similarity_search_by_vector", "max_marginal_relevance_search_by_vector"):
        with pytest.raises(InvalidInputError, match="needs a list of finite numbers"):
            await twin(store, name, wrong)


@pytest.mark.parametrize("kind", [tuple, np.array, np.float32])
async def test_a_vector_may_be_any_sequence_of_numbers(store, twin, kind):
    for name in ("similarity_search_by_vector", "max_marginal_relevance_search_by_vector"):
        expected = await twin(store, name, VECTOR, k=np.int64(1))
        assert await twin(store, name, kind(VECTOR), k=1) == expected


def test_a_page_of_no_documents_is_told(store):
    with pytest.raises(InvalidInputError, match="batch_size must be a whole number"):
        list(store.iter_documents(batch_size=0))


# A retriever


@pytest.mark.parametrize("beside", [{"filter": {"color": "r"}}, {"k": 1}, {"search_params": None}])
def test_a_retriever_refuses_options_that_langchain_would_drop(store, beside):
    [name] = beside
    said = rf"search_kwargs, as_retriever\(search_kwargs={{'{name}': ...}}\)"
    with pytest.raises(ConfigurationError, match=said):
        store.as_retriever(search_kwargs={"k": 2}, **beside)


@pytest.mark.parametrize(
    ("misspelt", "near"),
    [("search_kwarg", "search_kwargs"), ("searchtype", "search_type"), ("metdata", "metadata")],
)
def test_a_retriever_names_the_option_that_is_misspelt(store, misspelt, near):
    with pytest.raises(ConfigurationError, match=f"{misspelt}: did you mean {near!r}"):
        store.as_retriever(**{misspelt: {"k": 1}})


@pytest.mark.parametrize("search_type", ["MMR", "similarity_score", None])
def test_a_retriever_names_the_types_of_search(store, search_type):
    with pytest.raises(ConfigurationError, match="search_type must be one of 'similarity'"):
        store.as_retriever(search_type=search_type)


def test_a_retriever_takes_its_own_fields(store):
    retriever = store.as_retriever(
        search_type="mmr",
        search_kwargs={"k": 1, "filter": {"color": "r"}},
        tags=["colors"],
        metadata={"tenant": 1},
        name="Colors",
    )
    assert (retriever.tags, retriever.metadata, retriever.name) == (
        ["colors"],
        {"tenant": 1},
        "Colors",
    )
    assert [found.page_content for found in retriever.invoke("green")] == ["red"]
