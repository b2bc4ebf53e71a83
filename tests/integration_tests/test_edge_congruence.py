"""The embedded engine answers the same calls as qdrant-client's in-memory mode, alike."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.errors import InvalidInputError

COLLECTION = "congruence"
SIZE = 16
COUNT = 120
COLOURS = ["red", "green", "blue", "grün"]


def point_id(number: int) -> int | str:
    return number if number % 3 else str(UUID(int=number))


def payload(number: int, rng: random.Random) -> dict[str, object]:
    fields: dict[str, object] = {
        "number": number,
        "price": number / 8,
        "colour": COLOURS[number % 4],
        "sold": number % 2 == 0,
        "text": f"the {COLOURS[number % 4]} thing number {number}",
        "tags": [f"tag{number % 5}", f"tag{number % 7}"],
        "made": datetime(2024, 1 + number % 12, 1, tzinfo=UTC),
        "place": {"lon": rng.uniform(-10, 10), "lat": rng.uniform(-10, 10)},
        "parts": [{"name": "wheel", "count": number % 6}, {"name": "door", "count": number % 3}],
    }
    if number % 10 == 0:
        fields["note"] = None
    if number % 10 == 1:
        fields["note"] = "noted"
    return fields


def points() -> list[models.PointStruct]:
    rng = random.Random(7)
    return [
        models.PointStruct(
            id=point_id(number),
            vector={
                "dense": [rng.gauss(0, 1) for _ in range(SIZE)],
                "sparse": models.SparseVector(
                    indices=rng.sample(range(30), 5), values=[rng.random() for _ in range(5)]
                ),
            }
            if number % 15
            else {"dense": [rng.gauss(0, 1) for _ in range(SIZE)]},
            payload=payload(number, rng),
        )
        for number in range(COUNT)
    ]


def fill(client: QdrantClient) -> QdrantClient:
    client.create_collection(
        COLLECTION,
        vectors_config={
            "dense": models.VectorParams(size=SIZE, distance=models.Distance.COSINE),
        },
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        metadata={"note": "ours"},
    )
    client.upsert(COLLECTION, points())
    return client


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    edge = fill(EdgeClient(tmp_path_factory.mktemp("edge")))
    memory = fill(QdrantClient(":memory:"))
    yield edge, memory
    edge.close()
    memory.close()


def same(clients, call):
    """Return the answer that both clients give to `call`."""
    edge, memory = clients
    found, expected = call(edge), call(memory)
    assert comparable(found) == comparable(expected, about)
    return found


def about(number: float) -> object:
    return pytest.approx(number, abs=1e-5)


def comparable(value, number=float):
    """Return plain values; `number` turns each float into what the other side's must equal."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return [comparable(item, number) for item in value]
    if isinstance(value, dict):
        return {key: comparable(item, number) for key, item in value.items()}
    for parts in (["id", "score", "payload", "vector"], ["indices", "values"], ["points"]):
        if hasattr(value, parts[0]):
            return comparable([getattr(value, part, None) for part in parts], number)
    return value


VECTOR = [random.Random(1).gauss(0, 1) for _ in range(SIZE)]
SPARSE = models.SparseVector(indices=[3, 9, 1, 27], values=[0.5, 1.0, 0.25, 0.7])


def field(**condition) -> models.Filter:
    return models.Filter(must=models.FieldCondition(**condition))


def match(key: str, value: object) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


FILTERS = {
    "match_str": field(key="colour", match=models.MatchValue(value="red")),
    "match_unicode": field(key="colour", match=models.MatchValue(value="grün")),
    "match_int": field(key="number", match=models.MatchValue(value=7)),
    "match_true": field(key="sold", match=models.MatchValue(value=True)),
    "match_false": field(key="sold", match=models.MatchValue(value=False)),
    "match_any": field(key="colour", match=models.MatchAny(any=["red", "blue"])),
    "match_any_int": field(key="number", match=models.MatchAny(any=[1, 2, 300])),
    "match_except": field(key="colour", match=models.MatchExcept(**{"except": ["red"]})),
    "match_text": field(key="text", match=models.MatchText(text="green thing")),
    "match_text_any": field(key="text", match=models.MatchTextAny(text_any="red blue")),
    "match_phrase": field(key="text", match=models.MatchPhrase(phrase="green thing")),
    "match_in_list": field(key="tags", match=models.MatchValue(value="tag3")),
    "range": field(key="price", range=models.Range(gte=2, lt=7.5)),
    "range_datetime": field(
        key="made",
        range=models.DatetimeRange(gt=datetime(2024, 3, 1, tzinfo=UTC), lte="2024-09-01"),
    ),
    "values_count": field(key="tags", values_count=models.ValuesCount(gte=2)),
    "geo_radius": field(
        key="place",
        geo_radius=models.GeoRadius(center=models.GeoPoint(lon=0, lat=0), radius=500_000),
    ),
    "geo_box": field(
        key="place",
        geo_bounding_box=models.GeoBoundingBox(
            top_left=models.GeoPoint(lon=-5, lat=5), bottom_right=models.GeoPoint(lon=5, lat=-5)
        ),
    ),
    "geo_polygon": field(
        key="place",
        geo_polygon=models.GeoPolygon(
            exterior=models.GeoLineString(
                points=[
                    models.GeoPoint(lon=lon, lat=lat)
                    for lon, lat in ((-6, -6), (6, -6), (0, 8), (-6, -6))
                ]
            )
        ),
    ),
    "nested": models.Filter(
        must=[
            models.NestedCondition(
                nested=models.Nested(
                    key="parts",
                    filter=models.Filter(must=[match("name", "wheel"), match("count", 2)]),
                )
            )
        ]
    ),
    "nested_key": field(key="parts[].count", match=models.MatchValue(value=5)),
    "is_empty": models.Filter(
        must=models.IsEmptyCondition(is_empty=models.PayloadField(key="note"))
    ),
    "is_null": models.Filter(must=models.IsNullCondition(is_null=models.PayloadField(key="note"))),
    "field_is_null": field(key="note", is_null=True),
    "has_id": models.Filter(must=[models.HasIdCondition(has_id=[1, 2, str(UUID(int=3)), 999])]),
    "has_vector": models.Filter(must=models.HasVectorCondition(has_vector="sparse")),
    "should": models.Filter(should=[match("colour", "red"), match("number", 9)]),
    "must_not": models.Filter(must_not=[match("colour", "red"), match("sold", value=True)]),
    "min_should": models.Filter(
        min_should=models.MinShould(
            conditions=[match("colour", "red"), match("sold", value=True), match("number", 8)],
            min_count=2,
        )
    ),
    "inner_filter": models.Filter(
        must=[models.Filter(should=[match("colour", "red"), match("colour", "blue")])],
        must_not=match("sold", value=True),
    ),
    "nothing": field(key="colour", match=models.MatchValue(value="black")),
    "empty": models.Filter(),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_selects_the_same_points_in_count_scroll_and_search(clients, name):
    condition = FILTERS[name]
    counted = same(clients, lambda client: client.count(COLLECTION, condition).count)
    scrolled, _ = same(
        clients, lambda client: client.scroll(COLLECTION, condition, limit=COUNT + 1)
    )
    assert len(scrolled) == counted
    same(
        clients,
        lambda client: client.query_points(
            COLLECTION, VECTOR, using="dense", query_filter=condition, limit=7
        ),
    )


def test_bool_filters_match_booleans(clients):
    """The binding reads a Python bool as an integer, which would match nothing."""
    for value in (True, False):
        answer = same(
            clients,
            lambda client, value=value: client.scroll(
                COLLECTION, models.Filter(must=match("sold", value=value)), limit=COUNT
            ),
        )
        assert {record.payload["sold"] for record in answer[0]} == {value}


QUERIES = {
    "dense": {"query": VECTOR, "using": "dense"},
    "numpy": {"query": np.array(VECTOR), "using": "dense"},
    "nearest": {"query": models.NearestQuery(nearest=VECTOR), "using": "dense"},
    "sparse": {"query": SPARSE, "using": "sparse"},
    "no_query": {},
    "no_query_filtered": {"query_filter": FILTERS["match_str"], "limit": 5},
    "offset": {"query": VECTOR, "using": "dense", "limit": 4, "offset": 6},
    "score_threshold": {"query": VECTOR, "using": "dense", "score_threshold": 0.2},
    "without_payload": {"query": VECTOR, "using": "dense", "with_payload": False},
    "some_payload": {
        "query": VECTOR,
        "using": "dense",
        "with_payload": ["colour", "parts[].count"],
    },
    "no_payload_keys": {"query": VECTOR, "using": "dense", "with_payload": []},
    "included_payload": {
        "query": VECTOR,
        "using": "dense",
        "with_payload": models.PayloadSelectorInclude(include=["number"]),
    },
    "excluded_payload": {
        "query": VECTOR,
        "using": "dense",
        "with_payload": models.PayloadSelectorExclude(exclude=["number", "place"]),
    },
    "with_vectors": {"query": VECTOR, "using": "dense", "with_vectors": True},
    "with_one_vector": {"query": VECTOR, "using": "dense", "with_vectors": ["dense"]},
    "mmr": {
        "query": models.NearestQuery(
            nearest=VECTOR, mmr=models.Mmr(diversity=0.6, candidates_limit=40)
        ),
        "using": "dense",
        "limit": 8,
    },
    "mmr_defaults": {
        "query": models.NearestQuery(nearest=VECTOR, mmr=models.Mmr()),
        "using": "dense",
    },
    "mmr_with_vectors": {
        "query": models.NearestQuery(nearest=VECTOR, mmr=models.Mmr(diversity=0.3)),
        "using": "dense",
        "with_vectors": True,
    },
    "mmr_with_another_vector": {
        "query": models.NearestQuery(nearest=VECTOR, mmr=models.Mmr(diversity=0.3)),
        "using": "dense",
        "with_vectors": ["sparse"],
    },
    "mmr_offset": {
        "query": models.NearestQuery(
            nearest=VECTOR, mmr=models.Mmr(diversity=0.5, candidates_limit=30)
        ),
        "using": "dense",
        "limit": 4,
        "offset": 3,
        "query_filter": FILTERS["must_not"],
    },
    "rescored_prefetch": {
        "prefetch": models.Prefetch(query=SPARSE, using="sparse", limit=30),
        "query": VECTOR,
        "using": "dense",
    },
    "prefetch_filtered": {
        "prefetch": [models.Prefetch(query=SPARSE, using="sparse", filter=FILTERS["must_not"])],
        "query": VECTOR,
        "using": "dense",
        "query_filter": FILTERS["range"],
    },
    "nested_prefetch": {
        "prefetch": models.Prefetch(
            prefetch=models.Prefetch(query=SPARSE, using="sparse", limit=40),
            query=VECTOR,
            using="dense",
            limit=20,
        ),
        "query": SPARSE,
        "using": "sparse",
    },
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_finds_the_same_points_with_the_same_scores(clients, name):
    answer = same(clients, lambda client: client.query_points(COLLECTION, **QUERIES[name]))
    assert answer.points


FUSIONS = {
    "rrf": models.FusionQuery(fusion=models.Fusion.RRF),
    "dbsf": models.FusionQuery(fusion=models.Fusion.DBSF),
    "rrf_with_k": models.RrfQuery(rrf=models.Rrf(k=20)),
    "rrf_weighted": models.RrfQuery(rrf=models.Rrf(k=2, weights=[3.0, 1.0])),
}


@pytest.mark.parametrize("name", FUSIONS)
def test_fusion_gives_each_point_the_same_score(clients, name):
    """Points of equal score come in any order, so the lists are compared as sets of pairs."""
    edge, memory = (
        {
            point.id: point.score
            for point in client.query_points(
                COLLECTION,
                FUSIONS[name],
                prefetch=[
                    models.Prefetch(query=VECTOR, using="dense", limit=25),
                    models.Prefetch(query=SPARSE, using="sparse", limit=25),
                ],
                query_filter=FILTERS["must_not"],
                limit=COUNT,
            ).points
        }
        for client in clients
    )
    assert edge
    assert edge == comparable(memory, about)


def test_a_batch_answers_each_of_its_queries(clients):
    requests = [
        models.QueryRequest(query=VECTOR, using="dense", limit=3, with_payload=True),
        models.QueryRequest(query=SPARSE, using="sparse", filter=FILTERS["match_true"]),
    ]
    answers = same(clients, lambda client: client.query_batch_points(COLLECTION, requests))
    assert len(answers[0].points) == 3


def test_scrolling_page_by_page_reaches_every_point_once(clients):
    def pages(client):
        offset, ids = None, []
        while True:
            records, offset = client.scroll(COLLECTION, limit=17, offset=offset)
            ids += [record.id for record in records]
            if offset is None:
                return ids

    ids = same(clients, pages)
    assert sorted(map(str, ids)) == sorted(str(point_id(n)) for n in range(COUNT))


def test_retrieve_follows_the_order_asked_for_and_leaves_out_what_is_missing(clients):
    wanted = [44, 5000, str(UUID(int=3)), 1, UUID(int=6), 44]
    records = same(clients, lambda client: client.retrieve(COLLECTION, wanted, with_vectors=True))
    assert [record.id for record in records] == [44, str(UUID(int=3)), 1, str(UUID(int=6)), 44]


def test_the_collection_is_described_alike(clients):
    def description(client):
        info = client.get_collection(COLLECTION)
        return (
            info.points_count,
            info.config.params.vectors,
            info.config.params.sparse_vectors,
            info.config.metadata,
        )

    same(clients, description)
    same(clients, lambda client: client.get_collections())
    same(clients, lambda client: client.collection_exists(COLLECTION))
    same(clients, lambda client: client.collection_exists("another"))


def unnamed(client: QdrantClient) -> QdrantClient:
    client.create_collection(
        "unnamed", models.VectorParams(size=2, distance=models.Distance.EUCLID)
    )
    client.upsert(
        "unnamed",
        models.Batch(
            ids=[1, 2, str(UUID(int=5)), 4],
            vectors=[[0, 1], [1, 0], [3, 4], [1, 1]],
            payloads=[{"a": 1}, {}, {"a": 2}, {"a": True}],
        ),
    )
    return client


@pytest.fixture
def unnamed_clients(tmp_path):
    edge, memory = unnamed(EdgeClient(tmp_path)), unnamed(QdrantClient(":memory:"))
    yield edge, memory
    edge.close()
    memory.close()


def everything(client):
    return client.scroll("unnamed", limit=100, with_vectors=True)


def test_updates_leave_the_same_points(unnamed_clients):
    for update in (
        lambda client: client.upsert(
            "unnamed",
            [
                models.PointStruct(id=7, vector=[1, 2], payload={"first": 1}),
                models.PointStruct(id=2, vector=[9, 9]),
                models.PointStruct(id=7, vector=[3, 4], payload={"last": 1}),
            ],
        ),
        lambda client: client.delete("unnamed", [4, 999]),
        lambda client: client.delete("unnamed", models.PointIdsList(points=[UUID(int=5)])),
        lambda client: client.upsert(
            "unnamed",
            [
                models.PointStruct(id=1, vector=[8, 8]),
                models.PointStruct(id=70, vector=[8, 8], payload={"a": 1}),
            ],
            update_mode=models.UpdateMode.INSERT_ONLY,
        ),
        lambda client: client.delete("unnamed", field(key="a", range=models.Range(gt=5))),
        lambda client: client.delete(
            "unnamed",
            models.FilterSelector(filter=field(key="last", match=models.MatchValue(value=1))),
        ),
    ):
        assert same(unnamed_clients, update).status is models.UpdateStatus.COMPLETED
        same(unnamed_clients, everything)
    records, _ = everything(unnamed_clients[0])
    assert [record.id for record in records] == [1, 2, 70]


def test_aliases_name_a_collection_until_it_goes(unnamed_clients):
    def rename(client):
        client.update_collection_aliases(
            [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(collection_name="unnamed", alias_name="a")
                ),
                models.RenameAliasOperation(
                    rename_alias=models.RenameAlias(old_alias_name="a", new_alias_name="b")
                ),
            ]
        )
        return [
            client.collection_exists("a"),
            client.collection_exists("b"),
            client.count("b"),
            client.get_aliases(),
            client.get_collection_aliases("b"),
        ]

    def delete(client):
        client.update_collection_aliases(
            [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="b"))]
        )
        return client.get_aliases()

    same(unnamed_clients, rename)
    same(unnamed_clients, delete)
    same(unnamed_clients, rename)
    same(
        unnamed_clients,
        lambda client: (client.delete_collection("unnamed"), client.get_aliases()),
    )


def test_metadata_is_merged_and_none_takes_a_key_away(unnamed_clients):
    def merge(client):
        client.update_collection("unnamed", metadata={"a": 1, "b": {"c": 2}})
        client.update_collection("unnamed", metadata={"a": None, "d": "3"})
        return client.get_collection("unnamed").config.metadata

    same(unnamed_clients, merge)


REFUSED = {
    "unknown collection": lambda c: c.query_points("nowhere", [1.0, 0.0]),
    "unknown collection in get_collection": lambda c: c.get_collection("nowhere"),
    "collection exists": lambda c: c.create_collection(
        "unnamed", models.VectorParams(size=2, distance="Dot")
    ),
    "slash in a name": lambda c: c.create_collection(
        "a/b", models.VectorParams(size=2, distance="Dot")
    ),
    "size 0": lambda c: c.create_collection("zero", models.VectorParams(size=0, distance="Dot")),
    "limit 0": lambda c: c.query_points("unnamed", [1.0, 0.0], limit=0),
    "negative offset": lambda c: c.query_points("unnamed", [1.0, 0.0], offset=-1),
    "scroll limit 0": lambda c: c.scroll("unnamed", limit=0),
    "no points": lambda c: c.upsert("unnamed", []),
    "no ids": lambda c: c.delete("unnamed", []),
    "prefetch without a query": lambda c: c.query_points(
        "unnamed", prefetch=models.Prefetch(query=[1.0, 0.0])
    ),
    "threshold without a query": lambda c: c.query_points("unnamed", score_threshold=1.0),
    "fusion of nothing": lambda c: c.query_points("unnamed", models.FusionQuery(fusion="rrf")),
    "wrong size": lambda c: c.upsert("unnamed", [models.PointStruct(id=1, vector=[1.0])]),
    "unknown vector": lambda c: c.upsert(
        "unnamed", [models.PointStruct(id=1, vector={"x": [1.0, 2.0]})]
    ),
    "NaN": lambda c: c.upsert("unnamed", [models.PointStruct(id=1, vector=[float("nan"), 1.0])]),
    "alias of nothing": lambda c: c.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name="nowhere", alias_name="a")
            )
        ]
    ),
    "alias that is a collection": lambda c: c.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name="unnamed", alias_name="unnamed")
            )
        ]
    ),
    "id that is no UUID": lambda c: c.upsert(
        "unnamed", [models.PointStruct(id="a", vector=[1.0, 1.0])]
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_one_refuses_with_value_error_the_other_does_too(unnamed_clients, name):
    for client in unnamed_clients:
        with pytest.raises(ValueError, match="."):
            REFUSED[name](client)
    same(unnamed_clients, everything)


SMALL = models.VectorParams(size=2, distance=models.Distance.DOT)


def small(client):
    client.create_collection(
        "small", {"": SMALL}, {"words": models.SparseVectorParams()}, metadata={"kept": True}
    )
    client.upsert(
        "small",
        [
            models.PointStruct(
                id=number,
                vector={
                    "": [float(number), 1.0],
                    "words": models.SparseVector(indices=[number], values=[1.0]),
                },
                payload={"number": number, "even": number % 2 == 0, "text": f"the {number}th one"},
            )
            for number in range(1, 6)
        ],
    )
    return client


@pytest.fixture
def small_clients(tmp_path):
    edge, memory = small(EdgeClient(tmp_path)), small(QdrantClient(":memory:"))
    yield edge, memory
    edge.close()
    memory.close()


def outcome(call):
    """Return what a call gives, or the name of the error that it raises."""
    try:
        return call()
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        return "NotImplementedError" if isinstance(error, NotImplementedError) else "error"


# --- the rest of the interface


def hits(answer):
    return [(point.id, about(point.score)) for point in answer.points]


def test_points_are_uploaded_in_batches_and_by_columns(small_clients):
    def upload(client):
        client.upload_points(
            "small",
            (
                models.PointStruct(id=number, vector=[1.0, float(number)])
                for number in range(10, 31)
            ),
            batch_size=8,
        )
        client.upload_points("small", [])
        client.upload_collection(
            "small", np.ones((3, 2)), payload=[{"a": 1}, {"a": 2}, {"a": 3}], ids=[40, 41, 42]
        )
        client.upload_collection("small", {"": np.eye(2)}, ids=iter([50, 51, 52]))
        client.upload_collection("small", [[1.0, 1.0]])
        records, _ = client.scroll("small", limit=100, with_vectors=True)
        return [(r.payload, r.vector) for r in records], [r.id for r in records[:-1]]

    same(small_clients, upload)
    with pytest.raises(ValueError, match="same number of vectors"):
        small_clients[0]._client.upload_collection("small", {"": np.eye(2), "b": np.eye(3)})


def test_a_query_by_a_point_of_another_collection_may_find_the_point_of_that_id(small_clients):
    def look_up(client):
        client.create_collection("other", {"named": SMALL})
        client.upsert("other", [models.PointStruct(id=3, vector={"named": [0.0, 1.0]})])
        place = models.LookupLocation(collection="other", vector="named")
        return hits(client.query_points("small", 3, lookup_from=place, limit=5)), [
            point.id for point in client.query_points("small", 3, limit=5).points
        ]

    elsewhere, here = look_up(small_clients[0])
    assert (sorted(elsewhere), sorted(here)) == tuple(map(sorted, look_up(small_clients[1])))
    assert here == [5, 4, 2, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.query_points("small", 99),
        lambda c: c.query_points(
            "small", 1, lookup_from=models.LookupLocation(collection="small", vector="nowhere")
        ),
        lambda c: c.query_points("small", 7),
        lambda c: c.query_points(
            "small", models.FormulaQuery(formula="missing"), prefetch=models.Prefetch()
        ),
        lambda c: c.query_points("small", models.TextQuery(text="one"), using="text"),
        lambda c: c.query_points(
            "small",
            [1.0, 1.0],
            query_filter=models.Filter(
                min_should=models.MinShould(conditions=[match("even", value=True)], min_count=0)
            ),
        ),
        lambda c: c.scroll("small", order_by="number", offset=3),
        lambda c: c.scroll("small", with_vectors="words"),
        lambda c: c.facet("small", "even", limit=0),
        lambda c: c.query_points_groups("small", "number", group_size=0),
        lambda c: c.search_matrix_pairs("small", sample=1),
        lambda c: c.delete_vectors("small", [], [1]),
        lambda c: c.delete_vectors("small", ["nowhere"], [1]),
        lambda c: c.update_vectors("small", []),
        lambda c: c.batch_update_points("small", ["delete"]),
        lambda c: c.set_payload("small", {"a": 1}, [1], key="a["),
        lambda c: c.delete_vector_name("unnamed", ""),
        lambda c: c.update_collection(
            "small", vectors_config={"nowhere": models.VectorParamsDiff()}
        ),
        lambda c: c.update_collection("nowhere", metadata={"a": 1}),
        lambda c: c.create_vector_name(
            "small",
            "words",
            models.DenseVectorNameConfig(dense=models.DenseVectorConfig(size=2, distance="Dot")),
        ),
    ],
)
def test_a_call_that_cannot_be_served_right_is_refused_and_changes_nothing(small_clients, call):
    for client in small_clients:
        client.create_collection("unnamed", SMALL)
        client.upsert("small", [models.PointStruct(id=7, vector={})])
        before = client.scroll("small", limit=100, with_vectors=True)
        assert outcome(lambda client=client: call(client)) == "error"
        assert client.scroll("small", limit=100, with_vectors=True) == before


def test_a_missing_point_is_an_error_after_the_others_were_changed(small_clients):
    for call in (
        lambda c: c.set_payload("small", {"new": 1}, [1, 99]),
        lambda c: c.overwrite_payload("small", {"new": 2}, [99, 2]),
        lambda c: c.delete_payload("small", ["number"], [3, 99]),
        lambda c: c.clear_payload("small", [99, 4]),
        lambda c: c.update_vectors(
            "small",
            [models.PointVectors(id=i, vector={"": [9.0, 9.0]}) for i in (99, 5)],
        ),
        lambda c: c.delete_vectors("small", ["words"], models.PointIdsList(points=[1, 99])),
    ):
        for client in small_clients:
            assert outcome(lambda client=client, call=call: call(client)) == "error"
        same(small_clients, lambda client: client.scroll("small", limit=100, with_vectors=True))
    with pytest.raises(InvalidInputError, match="No point with id 98, 99;"):
        small_clients[0].set_payload("small", {"a": 1}, [99, 1, 98])


def test_vectors_are_added_to_a_collection_and_taken_off(small_clients):
    def change(client):
        dense = models.DenseVectorConfig(size=3, distance=models.Distance.EUCLID)
        sparse = models.SparseVectorConfig(modifier=models.Modifier.IDF)
        for name, config in {
            "more": models.DenseVectorNameConfig(dense=dense),
            "rare": models.SparseVectorNameConfig(sparse=sparse),
        }.items():
            client.create_vector_name("small", name, config)
            client.create_vector_name("small", name, config)  # once more is no error
        client.delete_vector_name("small", "words")
        client.delete_vector_name("small", "words")
        client.update_vectors(
            "small", [models.PointVectors(id=1, vector={"more": [1.0, 2.0, 2.0]})]
        )
        info = client.get_collection("small").config.params
        return (
            sorted(info.vectors),
            sorted(info.sparse_vectors),
            client.query_points("small", [0.0, 0.0, 0.0], using="more", with_vectors=True),
            client.scroll("small", limit=100, with_vectors=True),
        )

    same(small_clients, change)

    def take_off(client):
        client.delete_vector_name("small", "more")
        left = sorted(client.get_collection("small").config.params.vectors)
        refused = outcome(lambda: client.query_points("small", [0.0, 0.0, 0.0], using="more"))
        return left, refused, client.scroll("small", limit=100, with_vectors=True)

    same(small_clients, take_off)
    with pytest.raises(TypeError, match="unexpected arguments \\['colour'\\]"):
        small_clients[0]._client.update_collection("small", colour=1)


def test_groups_carry_the_points_of_another_collection(small_clients):
    def groups(client):
        client.create_collection("numbers", SMALL)
        client.upsert(
            "numbers",
            [models.PointStruct(id=i, vector=[1.0, float(i)], payload={"a": i}) for i in (1, 5)],
        )
        client.set_payload("small", {"number": "no id"}, [4])
        found = client.query_points_groups(
            "small",
            "number",
            [1.0, 0.0],
            with_lookup=models.WithLookup(collection="numbers", with_vectors=True),
            with_vectors=["words"],
            with_payload=False,
        ).groups
        plain = client.query_points_groups("small", "number", with_lookup="numbers").groups
        return [
            (g.id, g.lookup and (g.lookup.payload, g.lookup.vector), g.hits) for g in found
        ], sorted((str(g.id), g.lookup and g.lookup.payload) for g in plain)

    same(small_clients, groups)


def test_groups_are_filled_by_searching_wider(tmp_path):
    """The second group is far behind the first, which has many points."""
    client = EdgeClient(tmp_path)
    client.create_collection("far", SMALL)
    client.upload_points(
        "far",
        [
            models.PointStruct(
                id=n, vector=[100.0 - n, 0.0], payload={"group": "a" if n < 90 else "b"}
            )
            for n in range(95)
        ],
    )
    groups = client.query_points_groups("far", "group", [1.0, 0.0], limit=2, group_size=3).groups
    assert [(g.id, [hit.id for hit in g.hits]) for g in groups] == [
        ("a", [0, 1, 2]),
        ("b", [90, 91, 92]),
    ]
    client.close()


def test_the_matrix_of_a_whole_collection_is_the_same(small_clients):
    def matrix(client):
        some = models.Filter(must_not=models.HasIdCondition(has_id=[2]))
        pairs = client.search_matrix_pairs("small", some, sample=10, limit=2).pairs
        offsets = client.search_matrix_offsets("small", sample=10, limit=3)
        none = client.search_matrix_pairs("small", field(key="number", range=models.Range(lt=2)))
        return (
            [(pair.a, pair.b, pair.score) for pair in pairs],
            (offsets.ids, offsets.offsets_row, offsets.offsets_col, offsets.scores),
            none.pairs,
        )

    same(small_clients, matrix)


def test_a_sample_has_every_point_that_matches_when_it_is_large_enough(small_clients):
    some = models.Filter(must=match("even", value=False))
    query = models.SampleQuery(sample=models.Sample.RANDOM)
    found = same(
        small_clients,
        lambda c: sorted(p.id for p in c.query_points("small", query, query_filter=some).points),
    )
    assert found == [1, 3, 5]


def test_a_text_query_ranks_by_bm25_until_its_index_goes(small_clients):
    def search(client):
        client.create_payload_index(
            "small", "text", models.TextIndexParams(type="text", scoring=True)
        )
        parameters = models.TextQueryInput(
            query="one 3th 5th", scoring=models.TextQueryScoring(bm25=models.Bm25Params(k=2, b=0.5))
        )
        found = [
            sorted(
                (p.id, round(p.score, 5))
                for p in client.query_points(
                    "small", models.TextQuery(text=text), using="text"
                ).points
            )
            for text in ("the 4th", parameters)
        ]
        client.delete_payload_index("small", "text")
        return [
            *found,
            outcome(
                lambda: client.query_points("small", models.TextQuery(text="one"), using="text")
            ),
        ]

    found = search(small_clients[0])
    assert found == [
        [(i, about(score)) for i, score in row] if isinstance(row, list) else row
        for row in search(small_clients[1])
    ]
    assert found[2] == "error"


def test_a_collection_is_made_anew_under_its_name(small_clients):
    with pytest.warns(DeprecationWarning, match="recreate_collection"):
        same(
            small_clients,
            lambda c: (
                c.recreate_collection("small", SMALL),
                c.count("small"),
                c.get_collections(),
            ),
        )


@pytest.mark.filterwarnings("ignore:Payload indexes:UserWarning")
@pytest.mark.parametrize(
    ("source", "target"), [("edge", "memory"), ("memory", "edge"), ("edge", "edge")]
)
def test_a_collection_migrates_with_all_its_points(clients, tmp_path, source, target):
    edge, memory = clients
    giver = edge if source == "edge" else memory
    taker = EdgeClient(tmp_path) if target == "edge" else QdrantClient(":memory:")
    giver.migrate(taker, [COLLECTION])
    for client in (giver, taker):
        client.count(COLLECTION)
    same((taker, giver), lambda c: c.scroll(COLLECTION, limit=COUNT, with_vectors=True))
    same((taker, giver), lambda c: c.query_points(COLLECTION, SPARSE, using="sparse"))
    assert taker.get_collection(COLLECTION).config.metadata == {"note": "ours"}
    taker.close()


def test_a_migration_between_folders_keeps_settings_and_indexes(small_clients, tmp_path):
    edge, _ = small_clients
    edge.create_payload_index("small", "text", models.TextIndexParams(type="text", lowercase=False))
    edge.create_payload_index("small", "number", "integer")
    edge.update_collection(
        "small",
        hnsw_config=models.HnswConfigDiff(m=8),
        quantization_config=models.BinaryQuantization(binary=models.BinaryQuantizationConfig()),
    )
    other = EdgeClient(tmp_path / "other")
    edge.migrate(other)
    assert other.get_collection("small").config == edge.get_collection("small").config
    assert (
        other.get_collection("small").payload_schema == edge.get_collection("small").payload_schema
    )
    assert other.scroll("small", with_vectors=True) == edge.scroll("small", with_vectors=True)
    other.close()


TRAPS_OF_INDEXES = {
    "two bounds on one side": field(key="number", range=models.Range(lt=5, lte=2, gte=1, gt=0)),
    "more to match than there is": models.Filter(
        must=match("even", value=True),
        min_should=models.MinShould(conditions=[match("even", value=True)], min_count=2),
    ),
    "phrase": field(key="text", match=models.MatchPhrase(phrase="3th one")),
    "bool": models.Filter(must=match("even", value=True)),
}


@pytest.mark.parametrize("name", TRAPS_OF_INDEXES)
def test_an_index_does_not_change_what_a_filter_selects(small_clients, name):
    edge, _ = small_clients
    for key, schema in {"number": "integer", "even": "bool", "text": "text"}.items():
        edge.create_payload_index("small", key, schema)
    same(small_clients, lambda client: client.scroll("small", TRAPS_OF_INDEXES[name]))
