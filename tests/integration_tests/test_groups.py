"""At most a few hits with the same value in a metadata field, on each engine."""

from __future__ import annotations

import asyncio
import random

import pytest
from langchain_core.documents import Document
from qdrant_client import models

from langchain_gemini_qdrant import EdgeBm25, create_vector_store
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.vectorstores import boost
from tests.integration_tests.plane import Plane
from tests.integration_tests.test_scores import ENGINES, WITH_SCORE, angle, opened

SEARCHES = {
    WITH_SCORE: "1 0",
    "similarity_search_with_score_by_vector": [1.0, 0.0],
    "similarity_search_with_relevance_scores": "1 0",
}


@pytest.fixture(params=ENGINES)
def client(request, engine):
    return engine(request.param)


def documents(*sources):
    """Documents with these sources, the nearest first."""
    return [
        Document(angle(80 * i / len(sources)), id=str(i), metadata={"source": source})
        for i, source in enumerate(sources)
    ]


def ids(hits):
    return [hit.id for hit, _ in hits]


def first_of_each(stored, size):
    """The ids that groups must keep, by hand."""
    counts = {}
    kept = []
    for document in stored:
        value = document.metadata["source"]
        if counts.get(value, 0) < size:
            kept.append(document.id)
        counts[value] = counts.get(value, 0) + 1
    return kept


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("search", SEARCHES)
def test_groups_keep_the_best_of_each_value(client, on_store, search, size):
    stored = documents(*random.Random(1).choices("aaaaabcd", k=40))
    store = opened(client, stored)
    query = SEARCHES[search]
    hits = on_store(store, search, query, k=9, group_by="source", group_size=size)
    assert ids(hits) == first_of_each(stored, size)[:9]
    scores = {document.id: score for document, score in getattr(store, search)(query, k=40)}
    assert [score for _, score in hits] == pytest.approx([scores[each] for each in ids(hits)])


@pytest.mark.parametrize("distance", models.Distance)
def test_groups_are_those_of_qdrant(client, on_store, distance):
    store = opened(client, documents(*random.Random(2).choices("abcde", k=40)), distance=distance)
    hits = on_store(store, WITH_SCORE, "1 0", k=4, group_by="source", group_size=2)
    own = client.query_points_groups(
        "c", group_by="metadata.source", query=[1.0, 0.0], limit=4, group_size=2
    )
    sign = 1 if distance in {models.Distance.EUCLID, models.Distance.MANHATTAN} else -1
    points = sorted(
        (hit for group in own.groups for hit in group.hits), key=lambda p: sign * p.score
    )
    texts = [point.payload["page_content"] for point in points]
    assert [hit.page_content for hit, _ in hits] == texts[:4]


def test_a_long_document_hides_no_other(client, on_store):
    stored = documents(*["book"] * 150, *["long"] * 120, *map(str, range(15)))
    store = opened(client, stored)
    hits = on_store(store, WITH_SCORE, "1 0", k=12, group_by="source")
    assert ids(hits) == ["0", "150", *map(str, range(270, 280))]


def test_documents_without_the_field_are_kept(client, on_store):
    stored = documents("a", None, "a", {"object": 1}, "b", {"object": 1})
    stored[1].metadata = {}
    store = opened(client, stored)
    assert ids(on_store(store, WITH_SCORE, "1 0", k=9, group_by="source")) == [
        "0",
        "1",
        "3",
        "4",
        "5",
    ]
    hits = on_store(store, WITH_SCORE, "1 0", k=9, group_by="source", fetch_k=2)
    assert ids(hits) == ["0", "1", "3", "4", "5"]


def test_a_list_belongs_to_each_of_its_values(client, on_store):
    stored = documents(["a", "b"], "a", ["b", "c"], ["c", None], [], "d", ["d", "e"], "e")
    store = opened(client, stored)
    assert ids(on_store(store, WITH_SCORE, "1 0", k=9, group_by="source")) == [
        "0",
        "3",
        "4",
        "5",
        "7",
    ]


def test_numbers_booleans_and_nested_fields_are_values(client, on_store):
    values = [1, 1.0, True, True, False, 0, 2.5, 2.5, "1", 2**60, 2**60 + 1, 2**60]
    stored = documents(*({"of": value} for value in values))
    store = opened(client, stored)
    for fetch_k in (100, 3):
        hits = on_store(store, WITH_SCORE, "1 0", k=12, group_by="source.of", fetch_k=fetch_k)
        assert ids(hits) == ["0", "2", "4", "5", "6", "8", "9", "10"]


def test_many_whole_numbers_are_the_values_of_equal_floats(client, on_store):
    stored = documents(*range(20), *[float(i % 20) for i in range(40)], 99)
    store = opened(client, stored)
    hits = on_store(store, WITH_SCORE, "1 0", k=21, group_by="source", fetch_k=5)
    assert ids(hits) == [*map(str, range(20)), "60"]


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("options", [{}, {"fetch_k": 5}], ids=["many", "few"])
def test_pages_of_groups_follow_each_other(client, on_store, size, options):
    stored = documents(*random.Random(3).choices("aaaaaabcdefgh", k=60))
    store = opened(client, stored)
    options |= {"group_by": "source", "group_size": size}
    pages = [
        hit
        for offset in range(0, 20, 3)
        for hit in on_store(store, WITH_SCORE, "1 0", k=3, offset=offset, **options)
    ]
    assert ids(pages) == first_of_each(stored, size)


def test_equal_scores_come_in_one_order(client, on_store):
    stored = [Document("1 0", id=str(i), metadata={"source": f"s{i % 4}"}) for i in range(20)]
    store = opened(client, stored)
    hits = on_store(store, WITH_SCORE, "1 0", k=4, group_by="source")
    records = sorted(client.scroll("c", limit=20)[0], key=lambda record: str(record.id))
    sources = [record.payload["metadata"]["source"] for record in records]
    assert [hit.metadata["source"] for hit, _ in hits] == list(dict.fromkeys(sources))


class Words(Plane):
    def embed_documents(self, texts):
        return [[1.0, len(text) / 1000] for text in texts]


@pytest.mark.one_node("a shard has candidates and word counts of its own")
@pytest.mark.parametrize("fusion", ["rrf", "dbsf"])
def test_hybrid_groups_keep_the_best_of_each_value(client, on_store, fusion):
    stored = [
        Document(" ".join(["word", *["rain"] * i]), id=str(i), metadata={"source": source})
        for i, source in enumerate(["book"] * 130 + ["a", "b", "b", "c"])
    ]
    store = opened(client, stored, Words(), sparse_embedding=EdgeBm25(), hybrid_fusion=fusion)
    for options in ({}, {"score_formula": boost({"source": "book"}, 2.0)}):
        hits = on_store(store, WITH_SCORE, "word", k=4, group_by="source", **options)
        assert ids(hits) == ["0", "130", "131", "133"]
        scores = [score for _, score in hits]
        assert scores == sorted(scores, reverse=True)
        plain = on_store(store, WITH_SCORE, "word", k=1, **options)
        assert scores[0] == pytest.approx(plain[0][1])
        page = on_store(store, WITH_SCORE, "word", k=2, offset=2, group_by="source", **options)
        assert page == hits[2:]


def test_groups_work_with_filters_thresholds_and_formulas(client, on_store):
    stored = documents("a", "a", "b", "b", "c", "c", "d", "d")
    store = opened(client, stored)
    options = {"group_by": "source", "k": 9}
    not_b = on_store(store, WITH_SCORE, "1 0", filter={"source": {"$ne": "b"}}, **options)
    assert ids(not_b) == ["0", "4", "6"]
    assert ids(on_store(store, WITH_SCORE, "1 0", score_threshold=0.7, **options)) == [
        "0",
        "2",
        "4",
    ]
    few = on_store(store, WITH_SCORE, "1 0", filter={"source": {"$ne": "b"}}, fetch_k=1, **options)
    assert ids(few) == ["0", "4", "6"]
    up = boost({"source": "c"}, 3.0)
    assert ids(on_store(store, WITH_SCORE, "1 0", score_formula=up, **options)) == [
        "4",
        "0",
        "2",
        "6",
    ]


def test_the_store_has_groups_and_a_call_overrides_them(client, on_store):
    stored = documents("a", "a", "b", "b")
    store = opened(client, stored, group_by="source")
    search = "similarity_search"
    assert [hit.id for hit in on_store(store, search, "1 0")] == ["0", "2"]
    assert len(on_store(store, search, "1 0", group_by=None)) == 4
    assert len(on_store(store, search, "1 0", group_size=2)) == 4
    retriever = store.as_retriever(search_kwargs={"score_key": "score"})
    assert [hit.metadata["score"] for hit in retriever.invoke("1 0")] == pytest.approx(
        [score for _, score in on_store(store, WITH_SCORE, "1 0")]
    )
    diverse = "max_marginal_relevance_search"
    with pytest.raises(InvalidInputError, match="group_by=None"):
        on_store(store, diverse, "1 0")
    assert len(on_store(store, diverse, "1 0", group_by=None)) == 4


@pytest.mark.one_node("the nodes learn of a changed setting one after the other")
def test_groups_respect_a_servers_limit_of_points(engine, on_store):
    client = engine("server")
    store = opened(client, documents(*["a"] * 30, *"bcdefghij"))
    client.update_collection(
        "c", strict_mode_config=models.StrictModeConfig(enabled=True, max_query_limit=8)
    )
    limited = create_vector_store(Plane(), "c", client=client)
    hits = on_store(limited, WITH_SCORE, "1 0", k=10, group_by="source")
    assert ids(hits) == ["0", *map(str, range(30, 39))]
    up = boost({"source": "b"}, 1.5)
    assert len(on_store(limited, WITH_SCORE, "1 0", k=8, score_formula=up)) == 8
    assert store.count() == 39


def limited(client, **limits):
    """A store whose administrator has set limits."""
    strict = models.StrictModeConfig(enabled=True, **limits)
    client.update_collection("c", strict_mode_config=strict)
    return create_vector_store(Plane(), "c", client=client)


@pytest.mark.parametrize("kind", ["server", pytest.param("grpc", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sources", [[i // 15 for i in range(90)], [i // 2 for i in range(90)]])
def test_groups_respect_a_servers_limit_of_a_condition(engine, on_store, kind, sources):
    client = engine(kind)
    stored = documents(*map(str, sources))
    opened(client, stored)
    store = limited(client, condition_max_size=5)
    options = {"group_by": "source", "group_size": 2, "fetch_k": 12}
    hits = on_store(store, WITH_SCORE, "1 0", k=60, **options)
    assert ids(hits) == first_of_each(stored, 2)[:60]


@pytest.mark.parametrize("kind", ["server", pytest.param("grpc", marks=pytest.mark.slow)])
def test_a_limit_of_conditions_says_how_to_search_instead(engine, on_store, kind):
    client = engine(kind)
    opened(client, documents(*"aaabbbcccd"))
    store = limited(client, condition_max_size=1, filter_max_conditions=1)
    with pytest.raises(InvalidInputError, match="found 3 documents among 4 candidates.*fetch_k"):
        on_store(store, WITH_SCORE, "1 0", k=5, group_by="source", group_size=2, fetch_k=4)
    hits = on_store(store, WITH_SCORE, "1 0", k=5, group_by="source", group_size=2, fetch_k=10)
    assert ids(hits) == ["0", "1", "3", "4", "6"]


def test_concurrent_searches_keep_their_own_groups(engine):
    store = opened(engine("edge"), documents(*"aabbccdd"))

    async def searches():
        sizes = (1, 2, 1, 2)
        return await asyncio.gather(
            *(store.asimilarity_search("1 0", 8, group_by="source", group_size=n) for n in sizes)
        )

    assert [len(found) for found in asyncio.run(searches())] == [4, 8, 4, 8]


def test_a_group_named_by_its_payload_key_is_warned_of(engine):
    store = opened(engine("edge"), documents("a", "a"))
    with pytest.warns(UserWarning, match="named without the payload key, 'source'"):
        store.similarity_search("1 0", group_by="metadata.source")
