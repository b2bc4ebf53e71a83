"""Updates at and beyond every bound: what the embedded engine takes, it reads again unchanged.

`EDGE_UPDATES=25000` makes so many, `EDGE_SEED` others. A crash is a copy of the open folder, opened
as another.
"""

from __future__ import annotations

import math
import os
import random
import shutil
from collections import Counter
from functools import reduce

import numpy as np
import pytest
from qdrant_client import models

from langchain_gemini_qdrant.edge import EdgeClient
from langchain_gemini_qdrant.edge._storage._backup import copy_tree
from langchain_gemini_qdrant.errors import InvalidInputError

pytestmark = pytest.mark.slow

UPDATES = int(os.environ.get("EDGE_UPDATES", "1500"))
SEED = int(os.environ.get("EDGE_SEED", "16"))
UPDATES_TO_A_CRASH = 10
CRASHES_TO_A_REOPENING = 5
NAME = "points"
IDS = [*range(8), "00000000-0000-0000-0000-000000000009"]
LEVELS = [1, 2, 31, 32, 60, 100, 109, 110, 111, 127, 200, 400]
FILTERS = [*[1] * 9, 2, 3, 21, 22, 23, 44, 45, 46, 55, 64, 200]
NAMES = ["a", "b", "n", "a b", "ü", "\0", "", "a.b", 'a"b', "a\\b", "[]", "😀", "\ud800", "x" * 300]
NUMBERS = [
    *(0, 1, -1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**70, -(2**63)),
    *(-(2**63) - 1, 0.5, -0.0, 1e22, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf),
    *(np.int64(3), np.float32(0.5), np.float64(0.1), np.bool_(1), np.float32(math.nan)),
]
OTHERS = [None, True, "text", "a\0b", "half \ud83d", "", [], {}, (1, 2), {3}, b"bytes", object()]


def chosen(rng, *makers):
    return rng.choice(makers)()


# What is stored


def value(rng):
    """Any value, of which one in six is beyond a bound."""
    return rng.choice([*NUMBERS, *OTHERS, *[0.1, 2**63 - 1, "text", None] * 8])


def nested(rng):
    kinds = rng.choice(["dict", "list", "both"])

    def outer(inner, level):
        as_dict = kinds == "dict" or (kinds == "both" and level % 2)
        return {rng.choice(NAMES[:5]): inner} if as_dict else [inner]

    levels = rng.choice(LEVELS)
    return {"a": reduce(outer, range(levels - 1), rng.choice([1, None, "x"]))}


def payload(rng):
    """A payload of which most can be stored."""
    fields = {"n": rng.choice([0, 1, 2.5, [1, 2], None, "x"]), "a": {"b": rng.randint(0, 3)}}
    if rng.random() < 0.5:
        fields |= {rng.choice(NAMES): value(rng)}
    return nested(rng) if rng.random() < 0.2 else fields


def vector(rng):
    number = rng.choice([*[0.5, 1.0, -2.0] * 20, 3.4e38, 1e39, math.nan, math.inf])
    words = models.SparseVector(indices=[1, rng.choice([*[2] * 20, 1])], values=[0.5, number])
    return rng.choice([{}, {"dense": [1.0, number]}, {"words": words}, {"dense": [0.5, number]}])


def points(rng, kind=models.PointStruct):
    made = []
    for _ in range(rng.randint(1, 3)):
        fields = {"payload": payload(rng)} if kind is models.PointStruct else {}
        made.append(kind.model_construct(id=rng.choice(IDS), vector=vector(rng), **fields))
    return made


# What is asked


def path(rng):
    names = rng.choice([1, 1, 2, 54, 55, 56, 109, 110, 111, 200])
    joined = ".".join(rng.choice("abn") for _ in range(names))
    odd = [f"{joined}[]", f"{joined}[0]", '"a b".c', "", "a..b", "a[", "\ud800"]
    return rng.choice([*[joined] * 14, *["a.b", "n"] * 7, *odd])


def condition(rng):
    key = rng.choice(["n", "n", "a.b", "a[].b", path(rng)])
    number = rng.choice([*[0, 1, 2] * 10, *NUMBERS[:20]])
    field = models.FieldCondition.model_construct
    place = models.GeoPoint.model_construct(lat=rng.choice([*[0.0] * 8, 91.0, math.nan]), lon=1.0)
    return chosen(
        rng,
        lambda: field(key=key, match=models.MatchValue.model_construct(value=number)),
        lambda: field(key=key, match=models.MatchAny.model_construct(any=[number, 1])),
        lambda: field(key=key, match=models.MatchText(text=rng.choice([*["x", ""] * 5, "\ud800"]))),
        lambda: field(key=key, range=models.Range.model_construct(gt=number)),
        lambda: field(key=key, range=models.Range.model_construct(gte=0, lte=number)),
        lambda: field(key=key, values_count=models.ValuesCount.model_construct(gt=number)),
        lambda: field(key=key, geo_radius=models.GeoRadius(center=place, radius=abs(number))),
        lambda: models.IsEmptyCondition(is_empty=models.PayloadField(key=key)),
        lambda: models.HasIdCondition.model_construct(has_id=[1, rng.choice([*IDS, 2**64, -1])]),
        lambda: models.HasIdCondition(has_id=rng.sample(IDS, 4)),
        lambda: models.HasVectorCondition(has_vector=rng.choice(["dense", "words", "none"])),
    )


def filter_(rng):
    """Filters inside each other, by one way or by all of them."""
    way = rng.choice(["must", "should", "must_not", "min_should", "nested", "any"])

    def outer(inner, _):
        kind = rng.choice(["must", "should", "must_not", "min_should"]) if way == "any" else way
        if kind == "min_should":
            clause = models.MinShould(conditions=[inner, condition(rng)], min_count=1)
        elif kind == "nested":
            kind, clause = "must", models.NestedCondition(nested={"key": "a", "filter": inner})
        else:
            clause = rng.choice([inner, [inner], [inner, condition(rng)]])
        return models.Filter.model_construct(**{kind: clause})

    innermost = models.Filter.model_construct(must=condition(rng))
    return reduce(outer, range(rng.choice(FILTERS) - 1), innermost)


def selector(rng):
    return chosen(
        rng,
        lambda: {"filter": filter_(rng)},
        lambda: {"points": rng.sample(IDS, rng.randint(1, 4))},
    )


def operation(rng):
    """Any operation of a batch of updates."""
    where, made = selector(rng), payload(rng)
    maybe = rng.choice([None, None, filter_(rng)])
    mode = rng.choice([None, None, *models.UpdateMode])
    listed = models.PointIdsList.model_construct(**where)
    if "filter" in where:
        listed = models.FilterSelector.model_construct(**where)
    kinds = [
        ("upsert", models.UpsertOperation, models.PointsList, {"points": points(rng)}),
        ("set_payload", models.SetPayloadOperation, models.SetPayload, {"payload": made, **where}),
        ("overwrite_payload", models.OverwritePayloadOperation, models.SetPayload, {}),
        ("delete_payload", models.DeletePayloadOperation, models.DeletePayload, where),
        ("update_vectors", models.UpdateVectorsOperation, models.UpdateVectors, {}),
        ("delete_vectors", models.DeleteVectorsOperation, models.DeleteVectors, where),
        ("delete", models.DeleteOperation, None, {}),
        ("clear_payload", models.ClearPayloadOperation, None, {}),
    ]
    name, outer, inner, fields = rng.choices(kinds, [6, 5, 3, 2, 3, 1, 1, 1])[0]
    if name == "upsert":
        fields |= {"update_filter": maybe, "update_mode": mode}
    elif name == "set_payload":
        fields |= {"key": rng.choice([None, path(rng)])}
    elif name == "overwrite_payload":
        fields = {"payload": made, **where}
    elif name == "delete_payload":
        fields = {"keys": [path(rng) for _ in range(rng.randint(1, 2))], **where}
    elif name == "update_vectors":
        fields = {"points": points(rng, models.PointVectors), "update_filter": maybe}
    elif name == "delete_vectors":
        fields = {"vector": [rng.choice(["dense", "words", "none"])], **where}
    content = listed if inner is None else constructed(inner, fields)
    return name, outer.model_construct(**{name: content})


def constructed(model, fields):
    """A model that pydantic has not checked, as it comes from a program or over a pipe."""
    unset = dict.fromkeys(model.model_fields)
    return model.model_construct(**{**unset, **fields})


def update(rng, client):
    """Ask for one update; return its kind, and what must be stored then, by id."""
    kind = rng.choices(["operation", "batch", "metadata", "index", "upsert"], [12, 2, 2, 1, 4])[0]
    if kind == "upsert":
        made = points(rng)
        client.upsert(NAME, made)
        return kind, {point.id: point.payload for point in made}
    if kind == "metadata":
        client.update_collection(NAME, metadata=payload(rng))
    elif kind == "index":
        schema = rng.choice(["keyword", "integer", "float", "text", "geo", "bool", "datetime"])
        if rng.random() < 0.5:
            client.create_payload_index(NAME, path(rng), schema)
        else:
            client.delete_payload_index(NAME, path(rng))
    else:
        operations = [operation(rng) for _ in range(1 if kind == "operation" else 3)]
        kind = kind if kind == "batch" else operations[0][0]
        client.batch_update_points(NAME, [each for _, each in operations])
    return kind, {}


# What is compared


def state(client):
    records, offset = client.scroll(NAME, limit=100, with_vectors=True)
    assert offset is None
    found = {str(record.id): (record.payload, as_plain(record.vector)) for record in records}
    info = client.get_collection(NAME)
    return found, info.config.metadata, sorted(info.payload_schema)


def as_plain(vectors):
    return {name: getattr(each, "__dict__", each) for name, each in (vectors or {}).items()}


def as_json(value):
    """Return what a payload is as JSON."""
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [as_json(inner) for inner in value]
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value


def alike(one, other):
    """Compare without recursion by Python's `==`, which tells no 1 from True, and last bits."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15) and math.copysign(1, one) == math.copysign(
            1, other
        )
    return type(one) is type(other) and one == other


def made(path):
    client = EdgeClient(path)
    client.create_collection(
        NAME,
        {"dense": models.VectorParams(size=2, distance=models.Distance.DOT)},
        {"words": models.SparseVectorParams()},
    )
    client.upsert(
        NAME,
        [
            models.PointStruct(id=i, vector={"dense": [1.0, 2.0]}, payload={"n": 1, "a": {"b": 1}})
            for i in IDS
        ],
    )
    return client


@pytest.mark.timeout(max(300, UPDATES))
def test_what_is_taken_is_read_again_after_crashes_and_reopenings(tmp_path):
    rng, counts = random.Random(SEED), Counter()
    client = made(tmp_path / "index")
    copy = tmp_path / "copy"
    for number in range(1, UPDATES + 1):
        try:
            kind, expected = update(rng, client)
            counts["taken", kind] += 1
        except InvalidInputError:
            counts["refused, or for a missing id in part"] += 1
            expected = {}
        for record in client.retrieve(NAME, list(expected)):
            assert alike(record.payload, as_json(expected[record.id])), number
        if number % UPDATES_TO_A_CRASH:
            continue
        before = state(client)
        copy_tree(tmp_path / "index", copy)
        crashed = EdgeClient(copy)
        assert alike(state(crashed), before), number
        crashed.close()
        shutil.rmtree(copy)
        counts["crashes"] += 1
        if number % (UPDATES_TO_A_CRASH * CRASHES_TO_A_REOPENING) == 0:
            client.close()
            client = EdgeClient(tmp_path / "index")
            assert alike(state(client), before), number
            counts["reopenings"] += 1
    client.close()
    print(*sorted(map(str, counts.items())), sep="\n")  # noqa: T201 - with -s
    assert all(counts["taken", kind] for kind in ("upsert", "batch", "metadata", "set_payload"))
