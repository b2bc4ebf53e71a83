"""Dict filters find the same points on every engine, and those that plain Python finds."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime

import pytest
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.vectorstores.filters import metadata_field, to_filter

CASES, RANDOM = "cases", "random"

POINTS = {
    "int": {"n": 2, "by": {"name": "Ada", "born": 1815}},
    "float": {"n": 2.0, "by": {"name": "Alan"}},
    "half": {"n": 2.5, "by": None},
    "true": {"n": True, "draft": True},
    "false": {"n": False, "draft": False},
    "word": {"n": "two", "page label": "iv", "v1.2": 1},
    "both": {"n": [1, 9, "two"], "parts": [{"name": "door", "size": 1}, {"name": "wheel"}]},
    "null": {"n": None},
    "nulls": {"n": [None, 7]},
    "nothing": {"n": []},
    "absent": {},
    "day": {"n": "2024-01-02"},
    "time": {"n": "2024-01-02T03:04:05Z"},
    "zone": {"n": "2024-01-02T05:04:05.000001+02:00"},
    "big": {"n": 2**53 + 1},
}
NUMBERS = "int float half both nulls big"
EVERYTHING = " ".join(POINTS)


def without(names):
    return " ".join(name for name in POINTS if name not in names.split())


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ({"n": 2}, "int float"),
        ({"n": 2.0}, "int float"),
        ({"n": 2.5}, "half"),
        ({"n": 1}, "both"),
        ({"n": True}, "true"),
        ({"n": False}, "false"),
        ({"n": "two"}, "word both"),
        ({"n": 2**53 + 1}, "big"),
        ({"n": 2**53 + 3}, ""),
        ({"n": ["two", 2, True, 2.5]}, "int float half true word both"),
        ({"n": {"$in": [7, None]}}, "null nulls nothing absent"),
        ({"n": {"$in": []}}, ""),
        ({"n": []}, ""),
        ({"n": {"$nin": []}}, EVERYTHING),
        ({"n": {"$nin": [2, "two"]}}, without("int float word both")),
        ({"n": {"$in": list(range(1, 101))}}, "int both nulls"),  # long: whole numbers alone
        ({"n": {"$ne": 2}}, without("int float")),
        ({"n": None}, "null nulls nothing absent"),
        ({"n": {"$ne": None}}, without("null nulls nothing absent")),
        ({"n": {"$exists": True}}, without("nothing absent")),
        ({"n": {"$exists": False}}, "nothing absent"),
        ({"n": {"$gt": 2}}, "half both nulls big"),
        ({"n": {"$gte": -(10**9)}}, NUMBERS),
        ({"n": {"$gt": 1, "$lt": 9}}, "int float half nulls"),
        ({"n": {"$not": {"$gte": 2}}}, without(NUMBERS)),
        ({"n": {"$not": {"$gt": 1, "$lt": 9}}}, without("int float half nulls")),
        ({"n": {"$not": "two"}}, without("word both")),
        ({"n": {"$or": [True, {"$gt": 8}]}}, "true both big"),
        ({"n": {"$gt": 8, "$ne": "two"}}, "big"),
        ({"n": "2024-01-02"}, "day"),
        ({"n": date(2024, 1, 2)}, "day"),
        ({"n": datetime(2024, 1, 2, 3, 4, 5)}, "time"),  # noqa: DTZ001 - without a zone it is UTC
        ({"n": [datetime(2024, 1, 2, 3, 4, 5, 1, UTC)]}, "zone"),
        ({"n": {"$gt": "2024-01-02"}}, "time zone"),
        ({"n": {"$gte": "2024-01-02 03:00", "$lt": "2024-01-02T05:04:05+02:00"}}, ""),
        ({"n": {"$lte": "2024-01-02T05:04:05+02:00"}}, "day time"),
        ({"by.name": "Ada"}, "int"),
        ({"by": {"name": "Ada"}}, "int"),
        ({"by": {"name": {"$in": ["Ada", "Alan"]}, "born": {"$lt": 1900}}}, "int"),
        ({"by": {"born": None, "name": {"$exists": True}}}, "float"),
        ({"by": {"$exists": True}}, "int float half"),
        ({"parts[].name": "wheel"}, "both"),
        ({"parts[0].name": "wheel"}, ""),
        ({"parts[1].name": "wheel"}, "both"),
        ({"page label": "iv"}, "word"),
        ({'"v1.2"': 1}, "word"),
        ({"n": 2, "by": {"name": "Ada"}}, "int"),
        ({"$and": [{"n": 2}, {"by.name": "Alan"}]}, "float"),
        ({"$or": [{"n": 2.5}, {"draft": True}, {"by.name": "Ada"}]}, "int half true"),
        ({"$or": [{"n": 2.5}, {"draft": True}], "n": {"$exists": True}, "draft": None}, "half"),
        ({"$not": {"$or": [{"n": {"$exists": True}}, {"n": []}]}}, "nothing absent"),
        ({"$not": {"n": 2, "by.name": "Ada"}}, without("int")),
        ({"$and": [models.Filter(must=[models.HasIdCondition(has_id=[0, 1])]), {"n": 2}]}, None),
    ],
    ids=str,
)
def test_a_filter_finds(clients, filter, found):
    expected = ["int", "float"] if found is None else found.split()
    for name, client in clients.items():
        ids = point_ids(client, CASES, filter)
        assert [list(POINTS)[each] for each in ids] == expected, name


POOLS = {
    "source": ["a.pdf", "b.pdf", "ü.md", "2024-01-02", "7"],
    "year": [2019, 2020, 2021, 2020.0, 0, -3],  # an integer index does not see fractions
    "price": [0.5, 2, 2.0, 9.75, 1e9],
    "draft": [True, False],
    "made": ["2024-01-02", "2024-01-02T03:04:05Z", "2024-05-01T00:00:00.5+02:00", "2023-12-31"],
    "author.name": ["Ada", "Alan", "Grace"],
    "parts[].size": [1, 2, 2.5],
    "page label": ["iv", "1", 1],
}
ORDERED = {"year", "price", "made", "parts[].size"}


def random_metadata(rng):
    def value(field):
        kind = rng.random()
        if kind < 0.1:
            return None
        if kind < 0.25:
            return rng.choices([*POOLS[field], None], k=rng.randrange(3))
        return rng.choice(POOLS[field])

    flat = ["source", "year", "price", "draft", "made", "page label"]
    metadata = {field: value(field) for field in flat if rng.random() < 0.85}
    if rng.random() < 0.8:
        metadata["author"] = rng.choice([{"name": value("author.name")}, {}, None])
    if rng.random() < 0.8:
        sizes = [value("parts[].size") for _ in range(rng.randrange(3))]
        metadata["parts"] = [{"size": size} if size != 1 else {} for size in sizes]
    return metadata


def random_filter(rng, depth):
    kind = rng.randrange(8) if depth else 7
    if kind < 3:
        nested = [random_filter(rng, depth - 1) for _ in range(rng.randint(1, 3))]
        return {rng.choice(["$and", "$or"]): nested}
    if kind == 3:
        return {"$not": random_filter(rng, depth - 1)}
    fields = rng.sample(list(POOLS), rng.choice([1, 1, 2]))
    return {field: random_condition(rng, field, depth) for field in fields}


def random_condition(rng, field, depth):
    pool = [*POOLS[field], None]
    operators = ["", "", "$eq", "$ne", "$in", "$nin", "$exists", *["$not"] * bool(depth)]
    if field in ORDERED:
        operators += ["bounds"] * 4
    match rng.choice(operators):
        case "":
            return rng.choice([rng.choice(pool), rng.sample(pool, 2)])
        case "bounds":
            names = rng.sample(["$gt", "$gte", "$lt", "$lte"], rng.choice([1, 1, 2]))
            return {name: rng.choice(POOLS[field]) for name in names}
        case "$exists":
            return {"$exists": rng.random() < 0.5}
        case "$not":
            return {"$not": random_condition(rng, field, depth - 1)}
        case "$in" | "$nin" as operator:
            return {operator: rng.sample(pool, rng.randrange(3))}
        case operator:
            return {operator: rng.choice(pool)}


def holds(filter, metadata):
    """Say in plain Python whether metadata matches; knows what `random_filter` makes."""
    return all(
        {
            "$and": lambda nested: all(holds(each, metadata) for each in nested),
            "$or": lambda nested: any(holds(each, metadata) for each in nested),
            "$not": lambda nested: not holds(nested, metadata),
        }[key](value)
        if key.startswith("$")
        else field_holds(value, stored_values(metadata, key))
        for key, value in filter.items()
    )


def stored_values(metadata, field):
    """Return what a path leads to: nothing, one value, or one of each part."""
    if field == "parts[].size":
        return [part["size"] for part in metadata.get("parts", []) if "size" in part]
    if field == "author.name":
        metadata, field = metadata.get("author") or {}, "name"
    return [metadata[field]] if field in metadata else []


def field_holds(condition, stored):
    if not isinstance(condition, dict):
        return is_one_of(condition if isinstance(condition, list) else [condition], stored)
    bounds = {name: value for name, value in condition.items() if name[:3] in ("$gt", "$lt")}
    others = {name: value for name, value in condition.items() if name not in bounds}
    return (not bounds or any(within(bounds, each) for each in elements(stored))) and all(
        {
            "$eq": lambda value: is_one_of([value], stored),
            "$ne": lambda value: not is_one_of([value], stored),
            "$in": lambda values: is_one_of(values, stored),
            "$nin": lambda values: not is_one_of(values, stored),
            "$exists": lambda value: value == any(each != [] for each in stored),
            "$not": lambda value: not field_holds(value, stored),
        }[name](value)
        for name, value in others.items()
    )


def elements(stored):
    return [each for value in stored for each in (value if isinstance(value, list) else [value])]


def is_one_of(wanted, stored):
    found = elements(stored)
    if None in wanted and (not found or None in found):
        return True
    return any(
        type(one) is type(other) or {type(one), type(other)} == {int, float}
        for one in found
        for other in wanted
        if one == other and one is not None
    )


def within(bounds, value):
    if isinstance(value, str):
        value = moment(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return False
    tests = {
        "$gt": lambda bound: value > bound,
        "$gte": lambda bound: value >= bound,
        "$lt": lambda bound: value < bound,
        "$lte": lambda bound: value <= bound,
    }
    return all(
        tests[name](moment(bound) if isinstance(bound, str) else bound)
        for name, bound in bounds.items()
    )


def moment(text):
    # Python 3.10 reads neither "Z" nor one digit of a second
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00").replace(".5", ".500"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


RANDOM_METADATAS = [random_metadata(random.Random(seed)) for seed in range(60)]


def test_random_filters_find_what_plain_python_finds(clients):
    rng = random.Random(5)
    telling = 0
    for _ in range(200):
        made = random_filter(rng, 3)
        expected = [number for number, each in enumerate(RANDOM_METADATAS) if holds(made, each)]
        telling += 0 < len(expected) < len(RANDOM_METADATAS)
        for name, client in clients.items():
            assert point_ids(client, RANDOM, made) == expected, (name, made)
    assert telling > 150


def point_ids(client, collection, filter):
    points, _ = client.scroll(
        collection, scroll_filter=to_filter(filter, "metadata"), limit=1000, with_payload=False
    )
    return sorted(point.id for point in points)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    clients = {
        "memory": QdrantClient(":memory:"),
        "edge": EdgeClient(tmp_path_factory.mktemp("edge")),
        "edge with payload indexes": EdgeClient(tmp_path_factory.mktemp("indexed")),
    }
    for name, client in clients.items():
        for collection, metadatas in ((CASES, POINTS.values()), (RANDOM, RANDOM_METADATAS)):
            client.create_collection(
                collection,
                vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT),
            )
            if "indexes" in name and collection == RANDOM:
                create_indexes(client)
            client.upsert(
                collection,
                [
                    models.PointStruct(
                        id=number,
                        vector=[1.0, 0.0],
                        payload={"page_content": "", "metadata": metadata},
                    )
                    for number, metadata in enumerate(metadatas)
                ],
            )
    yield clients
    for client in clients.values():
        client.close()


INDEXES = {
    "source": "keyword",
    "year": "integer",
    "price": "float",
    "draft": "bool",
    "made": "datetime",
    "author.name": "keyword",
    "parts[].size": "float",
    "page label": "keyword",
}


def create_indexes(client):
    for field, schema in INDEXES.items():
        client.create_payload_index(RANDOM, metadata_field(field, "metadata"), schema)
