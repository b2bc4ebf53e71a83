"""What a Qdrant client may ask, one call after another, with an answer that local mode knows."""

from __future__ import annotations

from qdrant_client import models

SETTINGS = {
    "vectors_config": {
        "": models.VectorParams(
            size=3,
            distance=models.Distance.COSINE,
            on_disk=True,
            datatype=models.Datatype.FLOAT16,
            hnsw_config=models.HnswConfigDiff(m=8),
        ),
        "pages": models.VectorParams(size=2, distance=models.Distance.DOT),
    },
    "sparse_vectors_config": {"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
    "metadata": {"model": "m", "sizes": [1, None]},
}


def points():
    words = models.SparseVector(indices=[1, 7], values=[0.5, 1.5])
    return [
        models.PointStruct(
            id=1,
            vector={"": [1.0, 0.1, 0.2], "pages": [1.0, 2.0], "words": words},
            payload={"page": 1, "tags": ["a", "b"], "deep": {"x": None}, "day": "2024-05-01"},
        ),
        models.PointStruct(id=2, vector={"": [0.1, 1.0, 0.3]}, payload={"page": 2, "tags": ["b"]}),
        models.PointStruct(
            id="0195c1f8-0000-7000-8000-000000000001",
            vector={"": [0.2, 0.3, 1.0], "pages": [0.5, 0.5]},
            payload={"page": 3.5, "tags": []},
        ),
    ]


def where(key, **match):
    return models.Filter(must=[models.FieldCondition(key=key, **match)])


PAGE_2 = where("page", match=models.MatchValue(value=2))
IN_MAY = where("day", range=models.DatetimeRange(gte="2024-05-01T00:00:00Z"))
MMR = models.NearestQuery(nearest=[1.0, 0.5, 0.1], mmr=models.Mmr(diversity=0.4))
HYBRID = {
    "prefetch": [
        models.Prefetch(query=[1.0, 0.5, 0.1], limit=3),
        models.Prefetch(query=models.SparseVector(indices=[7], values=[1.0]), using="words"),
    ],
    "query": models.FusionQuery(fusion=models.Fusion.RRF),
}
# What QdrantClient is asked, in this order.
WALK = [
    ("collection_exists", "c"),
    ("create_collection", "c", SETTINGS),
    ("collection_exists", "c"),
    ("get_collections",),
    ("upsert", "c", {"points": points()}),
    (
        "upsert",
        "c",
        {
            "points": models.Batch(
                ids=[4, 5],
                vectors={"": [[0.5, 0.5, 0.1], [0.9, 0.4, 0.4]]},
                payloads=[{"page": 4}, {}],
            )
        },
    ),
    ("count", "c"),
    ("count", "c", {"count_filter": PAGE_2}),
    ("count", "c", {"count_filter": IN_MAY}),
    ("retrieve", "c", {"ids": [1, points()[2].id, 99], "with_vectors": True}),
    ("retrieve", "c", {"ids": [2], "with_payload": ["page"], "with_vectors": ["pages"]}),
    ("retrieve", "c", {"ids": []}),
    ("scroll", "c", {"limit": 2}),
    ("scroll", "c", {"limit": 2, "offset": 4, "with_payload": False}),
    ("create_payload_index", "c", {"field_name": "page", "field_schema": "float"}),
    ("scroll", "c", {"order_by": models.OrderBy(key="page", direction="desc")}),
    ("query_points", "c", {"query": [1.0, 0.5, 0.1], "limit": 2, "with_vectors": True}),
    ("query_points", "c", {"query": [1.0, 0.5, 0.1], "offset": 1, "score_threshold": 0.5}),
    ("query_points", "c", {"query": 1, "query_filter": PAGE_2}),
    ("query_points", "c", {"query": [2.0, 1.0], "using": "pages", "with_payload": False}),
    ("query_points", "c", {"query": MMR, "limit": 3}),
    ("query_points", "c", HYBRID),
    (
        "query_points",
        "c",
        {"query": [1.0, 0.5, 0.1], "search_params": models.SearchParams(hnsw_ef=9, exact=True)},
    ),
    (
        "query_batch_points",
        "c",
        {
            "requests": [
                models.QueryRequest(query=[1.0, 0.0, 0.1], limit=1),
                models.QueryRequest(query=2, limit=2, with_payload=True, filter=IN_MAY),
            ]
        },
    ),
    (
        "query_points_groups",
        "c",
        {"query": [1.0, 0.5, 0.1], "group_by": "tags", "group_size": 1, "limit": 2},
    ),
    ("create_payload_index", "c", {"field_name": "tags", "field_schema": "keyword"}),
    ("facet", "c", {"key": "tags"}),
    ("set_payload", "c", {"payload": {"seen": True, "n": None}, "points": [1, 2]}),
    ("set_payload", "c", {"payload": {"y": 1}, "points": PAGE_2, "key": "deep"}),
    ("overwrite_payload", "c", {"payload": {"only": {"this": [1]}}, "points": [4]}),
    ("overwrite_payload", "c", {"payload": {}, "points": [5]}),
    ("delete_payload", "c", {"keys": ["seen", "deep.x"], "points": [1]}),
    ("clear_payload", "c", {"points_selector": [points()[2].id]}),
    (
        "update_vectors",
        "c",
        {"points": [models.PointVectors(id=2, vector={"pages": [3.0, 4.0]})]},
    ),
    ("delete_vectors", "c", {"vectors": ["words"], "points": [1]}),
    (
        "batch_update_points",
        "c",
        {
            "update_operations": [
                models.UpsertOperation(upsert=models.PointsList(points=points()[:1])),
                models.SetPayloadOperation(
                    set_payload=models.SetPayload(payload={"late": 1}, filter=PAGE_2)
                ),
                models.DeleteOperation(delete=models.PointIdsList(points=[5])),
            ]
        },
    ),
    ("scroll", "c", {"with_vectors": True, "limit": 10}),
    ("delete", "c", {"points_selector": [4]}),
    ("delete", "c", {"points_selector": models.FilterSelector(filter=PAGE_2)}),
    ("scroll", "c"),
    ("update_collection", "c", {"metadata": {"model": "n", "more": {"a": 1}}}),
    (
        "update_collection_aliases",
        {
            "change_aliases_operations": [
                models.CreateAliasOperation(
                    create_alias=models.CreateAlias(collection_name="c", alias_name=name)
                )
                for name in ("now", "later")
            ]
        },
    ),
    ("get_aliases",),
    ("get_collection_aliases", "c"),
    ("count", "now"),
    ("delete_payload_index", "c", {"field_name": "tags"}),
    ("delete_collection", "c"),
    ("delete_collection", "c"),
    ("get_collections",),
    ("get_aliases",),
]
