"""What a store promises of its answers, kept on each engine and over each protocol."""

from __future__ import annotations

import math

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import InvalidInputError, create_vector_store

WAYS = [
    "edge",
    "rest",
    *(pytest.param(each, marks=pytest.mark.slow) for each in ("memory", "grpc")),
]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(params=WAYS)
def open_store(request, tmp_path):
    opened = []

    def open_store(embeddings=None, **options):
        if request.param == "edge":
            options["path"] = tmp_path
        elif request.param == "memory":
            options["location"] = ":memory:"
        else:
            server = request.getfixturevalue("qdrant_server")
            client_options = {"check_compatibility": False, "verify": False}
            if request.param == "grpc":
                client_options |= {"grpc_port": server.grpc_port, "prefer_grpc": True}
            options |= {"url": server.url, "client_options": client_options}
        embeddings = embeddings or DeterministicFakeEmbedding(size=32)
        opened.append(create_vector_store(embeddings, "c", **options))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


class NoQueries(DeterministicFakeEmbedding):
    """Embeds documents only."""

    def embed_query(self, text):
        raise AssertionError(text)


def filled(store, metadatas):
    store.add_texts(
        [f"text {number}" for number in range(len(metadatas))],
        metadatas,
        ids=[str(number) for number in range(len(metadatas))],
    )
    return store


def ids(documents):
    return sorted(int(document.id) for document in documents)


@pytest.mark.parametrize("offset", [0, 2, 4])
def test_a_page_of_unlike_hits_is_full(open_store, on_store, offset):
    store = filled(open_store(), [{}] * 12)
    name, query = "max_marginal_relevance_search", "text 1"
    page = on_store(store, name, query, k=4, fetch_k=10, offset=offset)
    whole = on_store(store, name, query, k=4 + offset, fetch_k=10)
    assert [document.id for document in page] == [document.id for document in whole[offset:]]
    assert len(page) == 4


@pytest.mark.parametrize("indexes", [None, {"a": "keyword"}])
def test_none_finds_a_null_in_a_list_with_an_index_or_without(open_store, indexes):
    metadatas = [{}, {"a": None}, {"a": []}, {"a": [None]}, {"a": [None, "x"]}, {"a": "x"}]
    store = filled(open_store(payload_indexes=indexes), metadatas)
    for found in ({"a": None}, {"a": {"$in": [None, "y"]}}, {"$or": [{"a": None}, {"a": "y"}]}):
        assert ids(store.iter_documents(filter=found)) == [0, 1, 2, 3, 4]
    assert ids(store.iter_documents(filter={"a": {"$ne": None}})) == [5]
    assert ids(store.iter_documents(filter={"a": {"$exists": True}})) == [1, 3, 4, 5]


@pytest.mark.parametrize("index", ["text", models.TextIndexParams(type="text", lowercase=True)])
def test_a_text_index_finds_phrases(open_store, index):
    metadatas = [{"body": "the quick brown fox"}, {"body": "brown and quick"}]
    store = filled(open_store(payload_indexes={"body": index}), metadatas)
    phrase = models.MatchPhrase(phrase="quick brown")
    condition = models.FieldCondition(key="metadata.body", match=phrase)
    assert ids(store.iter_documents(filter=models.Filter(must=[condition]))) == [0]


TIMES = [1732693200.0 + number / 7 for number in range(40)]


def test_a_float_finds_itself_and_no_other(open_store):
    store = filled(open_store(), [{"time": time} for time in TIMES])
    for number, time in enumerate(TIMES):
        assert store.count({"time": time}) == store.count({"time": {"$in": [time, "x"]}}) == 1
        assert store.count({"time": {"$ne": time}}) == store.count({"time": {"$nin": [time]}}) == 39
        assert store.count({"time": {"$lt": time}}) == number
        assert store.count({"time": {"$lte": time}}) == number + 1
        assert store.count({"time": {"$gt": time}}) == 39 - number
        assert store.count({"time": {"$gte": time}}) == 40 - number


def test_time_stamps_of_a_microsecond_apart_are_told_apart(open_store):
    stamps = [1732693200 + number / 1_000_000 for number in range(40)]
    store = filled(open_store(), [{"time": stamp} for stamp in stamps])
    for number, stamp in enumerate(stamps):
        assert store.count({"time": stamp}) == store.count({"time": {"$in": [stamp, "x"]}}) == 1
        assert store.count({"time": {"$gt": stamp}}) == 39 - number
    store.delete(filter={"time": stamps[7]})
    assert store.count() == 39


def test_whole_numbers_are_told_apart_where_floats_end(open_store):
    numbers = [2**53 + each for each in (-2, -1, 0, 1, 2)] + [-(2**53), -(2**53) - 1]
    store = filled(open_store(), [{"n": number} for number in numbers])
    for place, number in enumerate(numbers):
        assert ids(store.iter_documents(filter={"n": number})) == [place]
        assert store.count({"n": {"$ne": number}}) == len(numbers) - 1
    store.delete(filter={"n": 2**53})
    assert ids(store.iter_documents()) == [0, 1, 3, 4, 5, 6]


A = models.FieldCondition(key="metadata.a", match=models.MatchValue(value="x"))
N = models.FieldCondition(key="metadata.n", range=models.Range(gt=0, gte=2, lt=9, lte=3))
NULL = models.IsNullCondition(is_null=models.PayloadField(key="metadata.n"))


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        (models.Filter(must=[N]), [2, 3]),
        (models.Filter(must=[A], must_not=[A]), []),
        (models.Filter(should=[A], must_not=[A]), []),
        (models.Filter(must=[A], min_should=models.MinShould(conditions=[A], min_count=2)), []),
        (models.Filter(min_should=models.MinShould(conditions=[A, N], min_count=2)), [2]),
        (models.Filter(must=[NULL]), [4, 5]),
    ],
    ids=str,
)
@pytest.mark.parametrize("indexes", [None, {"a": "keyword", "n": "integer"}])
def test_qdrants_own_filter_means_what_it_says_with_indexes_or_without(
    open_store, indexes, filter, found
):
    metadatas = [
        *({"a": "x" if number % 2 == 0 else "y", "n": number} for number in range(4)),
        {"n": [None, 5]},
        {"n": None},
    ]
    store = filled(open_store(payload_indexes=indexes), metadatas)
    assert ids(store.iter_documents(filter=filter)) == found
    assert ids(store.similarity_search("text 1", k=10, filter=filter)) == found


@pytest.mark.parametrize("distance", models.Distance)
def test_a_threshold_that_a_hit_meets_exactly_lets_it_through(open_store, on_store, distance):
    store = filled(open_store(distance=distance), [{}] * 8)
    for number in range(2):
        query = f"text {number}"
        hits = on_store(store, "similarity_search_with_score", query, k=8)
        for place, (_, score) in enumerate(hits):
            met = on_store(store, "similarity_search", query, k=8, score_threshold=score)
            assert len(met) == place + 1
        by_relevance = "similarity_search_with_relevance_scores"
        for place, (_, least) in enumerate(on_store(store, by_relevance, query, k=8)):
            met = on_store(store, by_relevance, query, k=8, score_threshold=least)
            assert len(met) > place
        if distance is not models.Distance.DOT:  # these vectors are longer than 1
            [(same, _)] = on_store(store, by_relevance, query, k=8, score_threshold=1.0)
            assert same.id == str(number)


CODES = {"rescore": False}
REAL = [{"rescore": True}, {"rescore": False, "ignore": True}]


def params(quantization, **options):
    codes = models.QuantizationSearchParams(**quantization)
    return models.SearchParams(quantization=codes, **options)


def test_a_threshold_of_binary_codes_is_refused_before_anything_is_embedded(open_store, on_store):
    store = filled(open_store(NoQueries(size=32), quantization="binary"), [{}] * 3)
    if store.collection.connection.kind == "local":
        pytest.skip("local mode has no codes")
    vector = [0.1] * 32
    options = {"search_params": params(CODES), "score_threshold": 0.5}
    for name, query in (
        ("similarity_search", "text 1"),
        ("similarity_search_with_score_by_vector", vector),
        ("max_marginal_relevance_search", "text 1"),
        ("max_marginal_relevance_search_by_vector", vector),
        ("similarity_search_with_relevance_scores", "text 1"),
    ):
        with pytest.raises(InvalidInputError, match="rescore=True, or without a threshold"):
            on_store(store, name, query, **options)


def test_scores_that_are_similarities_have_thresholds(open_store):
    store = filled(open_store(quantization="binary"), [{}] * 3)
    searches = [params(each) for each in REAL] + [params(CODES, exact=True)]
    for search_params in searches:
        hits = store.similarity_search_with_relevance_scores("text 1", search_params=search_params)
        assert math.isclose(hits[0][1], 1.0, rel_tol=1e-6)
        options = {"search_params": search_params, "score_threshold": 0.99}
        assert ids(store.similarity_search("text 1", **options)) == [1]
    assert len(store.similarity_search("text 1", search_params=params(CODES))) == 3
