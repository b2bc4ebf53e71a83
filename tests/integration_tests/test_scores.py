"""Scores that know more than similarity: dates, boosts and Qdrant's formulas, on each engine."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from langchain_core.documents import Document
from langchain_qdrant import RetrievalMode
from qdrant_client import models

from langchain_gemini_qdrant import EdgeBm25, create_vector_store
from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.vectorstores import boost, newer_first
from tests.integration_tests.plane import Plane

ENGINES = [
    "edge",
    *(pytest.param(each, marks=pytest.mark.slow) for each in (":memory:", "server", "grpc")),
]
NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WITH_SCORE = "similarity_search_with_score"
RELEVANCE = "similarity_search_with_relevance_scores"


@pytest.fixture(params=ENGINES)
def client(request, engine):
    return engine(request.param)


def angle(degrees):
    """A text whose vector has this angle to that of "1 0"."""
    return f"{math.cos(math.radians(degrees))} {math.sin(math.radians(degrees))}"


def dated(days, degrees, **metadata):
    date = (NOW - days * DAY).isoformat()
    return Document(angle(degrees), id=f"{days}d{degrees}", metadata={"date": date, **metadata})


AGES = [dated(age, degrees) for age, degrees in ((0, 70), (10, 50), (30, 30), (400, 5), (60, 120))]


def opened(client, documents=AGES, embedding=None, **options):
    store = create_vector_store(embedding or Plane(), "c", client=client, **options)
    store.add_documents(documents)
    return store


def scores(hits):
    return {hit.id: score for hit, score in hits}


def by_hand(factor):
    """The scores that AGES must have with this function of their age in days."""
    expected = {}
    for document in AGES:
        days, degrees = map(int, document.id.split("d"))
        cosine = math.cos(math.radians(degrees))
        expected[document.id] = cosine * factor(days) if cosine > 0 else cosine
    return expected


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_a_half_life_multiplies_scores_as_documented(client, on_store, weight):
    store = opened(client)
    factor = newer_first("date", 30 * DAY, weight=weight, now=NOW)
    hits = on_store(store, WITH_SCORE, "1 0", k=10, score_formula=factor)
    expected = by_hand(lambda days: 1 - weight + weight * 0.5 ** (days / 30))
    assert scores(hits) == pytest.approx(expected, abs=1e-6)
    assert [hit.id for hit, _ in hits] == sorted(expected, key=lambda each: -expected[each])


def test_factors_multiply_and_never_raise_unrelated_documents(client, on_store):
    store = opened(client)
    both = [
        newer_first("date", (30 * DAY).total_seconds(), now=NOW),
        boost({"date": {"$lt": NOW - 300 * DAY}}, 3.0),
    ]
    hits = on_store(store, WITH_SCORE, "1 0", k=10, score_formula=both)
    expected = by_hand(lambda days: 0.5 ** (days / 30) * (3.0 if days > 300 else 1.0))
    assert scores(hits) == pytest.approx(expected, abs=1e-6)
    assert hits[-1][1] == pytest.approx(math.cos(math.radians(120)), abs=1e-6)


def test_a_value_that_is_no_date_harms_no_search(client, on_store):
    values = {
        "day": "2026-06-30",
        "zone": "2026-06-30T02:00:00+02:00",
        "naive": "2026-06-30 00:00:00",
        "list of one": ["2026-06-30"],
        "future": "2040-01-01",
        "several": ["2026-06-30", "2020-01-01"],
        "mixed": ["2026-06-30", "x"],
        "none": None,
        "word": "soon",
        "number": 5,
        "true": True,
        "object": {"a": 1},
        "": [],
    }
    documents = [Document("1 0", id=name, metadata={"d": each}) for name, each in values.items()]
    store = opened(client, [*documents, Document("1 0", id="no field")])
    factor = newer_first("d", DAY, now=NOW, undated=0.25)
    hits = scores(on_store(store, WITH_SCORE, "1 0", k=50, score_formula=factor))
    store.create_payload_indexes({"d": "datetime"})
    assert scores(store.similarity_search_with_score("1 0", k=50, score_formula=factor)) == hits
    dates = {"day", "zone", "naive", "list of one"}
    expected = {name: 0.5 if name in dates else 0.25 for name in [*values, "no field"]}
    assert hits == pytest.approx(expected | {"future": 1.0})


def test_unix_time_is_a_date(client, on_store):
    stamps = {"old": (NOW - DAY).timestamp(), "new": int(NOW.timestamp()), "future": 9e9}
    others = {"text": "2026-06-30", "true": True, "two": [1.0, 2.0]}
    documents = [
        Document("1 0", id=name, metadata={"at": each}) for name, each in (stamps | others).items()
    ]
    store = opened(client, documents)
    factor = newer_first("at", DAY, now=NOW, unix_time=True, undated=0.1)
    hits = scores(on_store(store, WITH_SCORE, "1 0", k=9, score_formula=factor))
    assert hits == pytest.approx({"old": 0.5, "new": 1, "future": 1, **dict.fromkeys(others, 0.1)})


def test_unix_time_is_exact_to_the_second(client, on_store):
    now = datetime(2026, 7, 1, 11, 22, 33, tzinfo=UTC)  # its nearest 32-bit float is 31 s off
    stored = [
        Document("1 0", id=f"{age}", metadata={"at": now.timestamp() - age}) for age in (0, 9)
    ]
    factor = newer_first("at", 9, now=now, unix_time=True)
    hits = on_store(opened(client, stored), WITH_SCORE, "1 0", score_formula=factor)
    assert scores(hits) == pytest.approx({"0": 1, "9": 0.5})


def test_now_is_the_time_of_each_search_unless_given(engine):
    fresh = Document("1 0", id="now", metadata={"date": datetime.now(UTC).isoformat()})
    store = opened(engine("edge"), [fresh])
    ((_, score),) = store.similarity_search_with_score(
        "1 0", score_formula=newer_first("date", DAY)
    )
    assert 0.99 < score <= 1
    zone = timezone(timedelta(hours=5))
    same = newer_first("date", DAY, now=NOW.astimezone(zone))
    assert same == newer_first("date", DAY, now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("distance", models.Distance)
def test_nearer_and_newer_come_first_with_every_distance(client, on_store, distance):
    store = opened(client, distance=distance)
    factor = newer_first("date", 30 * DAY, now=NOW)
    hits = on_store(store, WITH_SCORE, "1 0", k=10, score_formula=factor)
    relevance = scores(store.similarity_search_with_relevance_scores("1 0", k=10))
    expected = {
        name: each * 0.5 ** (int(name.split("d")[0]) / 30) for name, each in relevance.items()
    }
    assert {name: max(each, 0) for name, each in scores(hits).items()} == pytest.approx(
        expected, abs=1e-6
    )
    values = [score for _, score in hits]
    assert values == sorted(values, reverse=True)
    relevant = on_store(store, RELEVANCE, "1 0", k=10, score_formula=factor)
    assert scores(relevant) == pytest.approx(expected, abs=1e-6)
    assert [hit.id for hit, _ in relevant] == [hit.id for hit, _ in hits]
    above = on_store(
        store, WITH_SCORE, "1 0", k=10, score_formula=factor, score_threshold=values[1]
    )
    assert scores(above) == pytest.approx(dict(list(scores(hits).items())[:2]))


def test_a_boost_is_clamped_only_as_relevance(client, on_store):
    store = opened(client)
    up = boost({"date": {"$exists": True}}, 2.0)
    raw = on_store(store, WITH_SCORE, "1 0", k=1, score_formula=up)
    relevance = on_store(store, RELEVANCE, "1 0", k=1, score_formula=up)
    assert raw[0][1] == pytest.approx(2 * math.cos(math.radians(5)), abs=1e-6)
    assert relevance[0][1] == 1


BY_HAND = models.FormulaQuery(
    formula=models.SumExpression(
        sum=["$score", models.MultExpression(mult=[0.25, "metadata.stars"])]
    ),
    defaults={"metadata.stars": 1},
)


def test_qdrants_own_formula_gives_qdrants_own_answer(client, on_store):
    documents = [
        Document(angle(7 * i), metadata={"stars": i % 4} if i % 5 else {}) for i in range(12)
    ]
    store = opened(client, documents)
    hits = on_store(store, WITH_SCORE, "1 0", k=5, offset=1, score_formula=BY_HAND)
    own = client.query_points(
        "c",
        query=BY_HAND,
        prefetch=models.Prefetch(query=[1.0, 0.0], limit=100),
        limit=5,
        offset=1,
    )
    assert [score for _, score in hits] == pytest.approx([each.score for each in own.points])
    assert [hit.page_content for hit, _ in hits] == [
        each.payload["page_content"] for each in own.points
    ]


def test_filters_vectors_and_flat_payloads_work_with_factors(client, on_store):
    store = opened(client, metadata_payload_key="")
    factor = newer_first("date", 30 * DAY, now=NOW)
    old = {"date": {"$lt": NOW - 20 * DAY}}
    search = "similarity_search_with_score_by_vector"
    hits = on_store(store, search, [1.0, 0.0], k=10, filter=old, score_formula=factor)
    expected = by_hand(lambda days: 0.5 ** (days / 30))
    assert scores(hits) == pytest.approx(
        {name: expected[name] for name in ("30d30", "60d120", "400d5")}, abs=1e-6
    )


@pytest.mark.one_node("a shard has candidates of its own")
def test_candidates_are_the_nearest_and_fetch_k_is_their_number(client, on_store):
    store = opened(client)
    factor = newer_first("date", 30 * DAY, now=NOW)
    for fetch_k in (1, 3):
        hits = on_store(store, WITH_SCORE, "1 0", k=4, score_formula=factor, fetch_k=fetch_k)
        nearest = store.similarity_search("1 0", k=fetch_k)
        assert {hit.id for hit, _ in hits} == {hit.id for hit in nearest}


def test_pages_follow_each_other(client, on_store):
    documents = [dated(i * 37 % 61, 1 + i) for i in range(60)]
    store = opened(client, documents)
    options = {"score_formula": newer_first("date", 30 * DAY, now=NOW), "fetch_k": 60}
    whole = on_store(store, WITH_SCORE, "1 0", k=60, **options)
    pages = [
        hit
        for offset in range(0, 60, 7)
        for hit in on_store(store, WITH_SCORE, "1 0", k=7, offset=offset, **options)
    ]
    assert len(scores(whole)) == 60
    assert pages == whole


class Lengths(Plane):
    """Puts a text by its length, so that no two are equally near."""

    def embed_documents(self, texts):
        return [[1.0, len(text) / 20] for text in texts]


@pytest.mark.one_node("a shard has candidates and word counts of its own")
@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
def test_hybrid_scores_are_fused_then_multiplied(client, on_store, fusion):
    texts = [Document(f"word{' rain' * i}", id=str(i), metadata={"n": i}) for i in range(6)]

    store = opened(client, texts, Lengths(), sparse_embedding=EdgeBm25(), hybrid_fusion=fusion)
    plain = on_store(store, WITH_SCORE, "word", k=6)
    hits = on_store(store, WITH_SCORE, "word", k=6, score_formula=boost({"n": {"$gte": 3}}, 5.0))
    expected = {
        name: score * (5.0 if int(name) >= 3 and score > 0 else 1.0)
        for name, score in scores(plain).items()
    }
    assert scores(hits) == pytest.approx(expected, abs=1e-6)
    factor = boost({"n": {"$gte": 3}}, 5.0)
    relevant = on_store(store, RELEVANCE, "word", k=6, score_formula=factor)
    assert [hit.id for hit, _ in relevant] == [hit.id for hit, _ in hits]
    assert all(0 <= each <= 1 for _, each in relevant)


@pytest.mark.one_node("a shard has candidates and word counts of its own")
@pytest.mark.parametrize("fusion", [models.Fusion.RRF, models.Fusion.DBSF])
def test_qdrants_own_formula_over_fused_hits_gives_qdrants_own_answer(client, on_store, fusion):
    texts = [
        Document(f"cat{' dog' * i}", metadata={"stars": i * i % 7} if i % 3 else {})
        for i in range(9)
    ]
    store = opened(client, texts, Lengths(), sparse_embedding=EdgeBm25(), hybrid_fusion=fusion)
    hits = on_store(store, WITH_SCORE, "cat dog", k=4, score_formula=BY_HAND)
    words = EdgeBm25().embed_query("cat dog")
    sparse = models.SparseVector(indices=words.indices, values=words.values)
    queries = {"": Lengths().embed_query("cat dog"), "langchain-sparse": sparse}
    merged = models.Prefetch(
        query=models.FusionQuery(fusion=fusion),
        prefetch=[models.Prefetch(query=q, using=name, limit=100) for name, q in queries.items()],
        limit=100,
    )
    own = client.query_points("c", query=BY_HAND, prefetch=merged, limit=4)
    assert [score for _, score in hits] == pytest.approx([each.score for each in own.points])


@pytest.mark.one_node("a shard has candidates and word counts of its own")
def test_sparse_scores_are_multiplied(client, on_store):
    store = create_vector_store(
        None, "c", client=client, retrieval_mode=RetrievalMode.SPARSE, sparse_embedding=EdgeBm25()
    )
    store.add_texts(["a cat", "cat cat"], [{"n": 1}, {}], ids=["cat", "cats"])
    plain = scores(store.similarity_search_with_score("cat"))
    hits = on_store(store, WITH_SCORE, "cat", score_formula=boost({"n": 1}, 4.0))
    assert scores(hits) == pytest.approx({"cat": 4 * plain["cat"], "cats": plain["cats"]})
    relevance = on_store(store, RELEVANCE, "cat", score_formula=boost({"n": 1}, 4.0))
    assert [hit.id for hit, _ in relevance] == [hit.id for hit, _ in hits] == ["cat", "cats"]


def test_the_store_has_a_formula_and_a_call_overrides_it(client, on_store):
    store = opened(client, score_formula=newer_first("date", 30 * DAY, now=NOW))
    assert on_store(store, "similarity_search", "1 0", k=1)[0].id == "10d50"
    assert on_store(store, "similarity_search", "1 0", k=1, score_formula=None)[0].id == "400d5"
    retriever = store.as_retriever(search_kwargs={"k": 1, "score_formula": None})
    assert retriever.invoke("1 0")[0].id == "400d5"
    retriever = store.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"k": 9, "score_threshold": 0.4}
    )
    assert [hit.id for hit in retriever.invoke("1 0")] == ["10d50", "30d30"]


@pytest.mark.parametrize("method", [RELEVANCE, "max_marginal_relevance_search"])
def test_what_a_formula_cannot_do_is_refused_before_gemini_is_asked(
    embeddings, emulator, call, method
):
    with create_vector_store(embeddings, "c", location=":memory:", score_formula=BY_HAND) as store:
        with pytest.raises(InvalidInputError, match="score_formula=None"):
            call(store, method, "a")
        assert not emulator.requests


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"score_formula": "newer"}, ConfigurationError, "score_formula must be newer_first"),
        ({"score_formula": []}, ConfigurationError, "score_formula must be newer_first"),
        ({"score_formula": [boost({"a": 1}, 2.0), 3]}, ConfigurationError, "score_formula must"),
        ({"score_formula": models.FormulaQuery(formula=float("nan"))}, InvalidInputError, "finite"),
        ({"group_by": ""}, ConfigurationError, "group_by must name a metadata field"),
        ({"group_by": "tags[]"}, ConfigurationError, "group_by must name a metadata field"),
        ({"group_by": 3}, ConfigurationError, "group_by must name a metadata field"),
        ({"group_by": "a", "group_size": 0}, InvalidInputError, "group_size must be a whole"),
    ],
)
@pytest.mark.parametrize("place", ["store", "call"])
def test_wrong_settings_are_refused_by_store_and_call(options, error, message, place):
    given = options if place == "store" else {}
    with (
        pytest.raises(error, match=message),
        create_vector_store(Plane(), "c", location=":memory:", **given) as store,
    ):
        store.similarity_search("1 0", **options)


def test_wrong_options_are_refused_before_gemini_is_asked(embeddings, emulator, call):
    with create_vector_store(embeddings, "c", location=":memory:") as store:
        for options, error in (
            ({"score_formula": 3}, ConfigurationError),
            ({"group_by": "a[]"}, ConfigurationError),
            ({"group_size": 2}, InvalidInputError),
            ({"group_size": 0, "group_by": "a"}, InvalidInputError),
            ({"group_by": "a", "with_payload": False}, InvalidInputError),
            ({"fetch_k": 0}, InvalidInputError),
            ({"prefetch": {"limit": 3}}, InvalidInputError),
        ):
            with pytest.raises(error, match=next(iter(options))):
                call(store, "similarity_search", "a", **options)
        assert not emulator.requests
