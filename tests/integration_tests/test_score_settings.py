"""How stores get their formula and groups, and what they do with quantized and limited ones."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiQdrantVectorStore,
    acreate_vector_store,
    create_vector_store,
    reembed,
)
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.vectorstores import boost, newer_first
from tests.integration_tests.plane import Plane
from tests.integration_tests.test_quantization import PRESETS
from tests.integration_tests.test_scores import DAY, ENGINES, NOW, WITH_SCORE

SETTINGS = {"score_formula": boost({"n": 2}, 9.0), "group_by": "source", "group_size": 2}
METADATAS = [{"n": i, "source": "a" if i else "b"} for i in range(4)]


@pytest.fixture(params=ENGINES)
def client(request, engine):
    return engine(request.param)


WAYS = {
    "the factory": lambda client: create_vector_store(Plane(), "c", client=client, **SETTINGS),
    "the class": lambda client: GeminiQdrantVectorStore(client, "c", Plane(), **SETTINGS),
    "construct_instance": lambda client: GeminiQdrantVectorStore.construct_instance(
        Plane(), client_options={"client": client, **SETTINGS}, collection_name="c"
    ),
    "from_texts": lambda client: GeminiQdrantVectorStore.from_texts(
        [], Plane(), collection_name="c", client=client, **SETTINGS
    ),
    "from_documents": lambda client: GeminiQdrantVectorStore.from_documents(
        [], Plane(), collection_name="c", client=client, **SETTINGS
    ),
    "from_existing_collection": lambda client: GeminiQdrantVectorStore.from_existing_collection(
        "c", Plane(), client=client, **SETTINGS
    ),
    "a copy": lambda client: copy.deepcopy(
        create_vector_store(Plane(), "c", client=client, **SETTINGS)
    ),
}
ASYNC_WAYS = {
    "the factory": lambda client: acreate_vector_store(Plane(), "c", client=client, **SETTINGS),
    "construct_instance": lambda client: GeminiQdrantVectorStore.aconstruct_instance(
        Plane(), client_options={"client": client, **SETTINGS}, collection_name="c"
    ),
    "from_texts": lambda client: GeminiQdrantVectorStore.afrom_texts(
        [], Plane(), collection_name="c", client=client, **SETTINGS
    ),
    "from_existing_collection": lambda client: GeminiQdrantVectorStore.afrom_existing_collection(
        "c", Plane(), client=client, **SETTINGS
    ),
}


@pytest.fixture
def filled(engine):
    client = engine("edge")
    store = create_vector_store(Plane(), "c", client=client)
    store.add_texts(["1 0", "1 0.1", "1 0.2", "1 0.3"], METADATAS, ids=list("0123"))
    return client


def check(store):
    assert [hit.id for hit in store.similarity_search("1 0", k=9)] == ["2", "0", "1"]
    assert store.score_formula == (SETTINGS["score_formula"],)
    assert (store.group_by, store.group_size) == ("source", 2)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_open_a_store_takes_a_formula_and_groups(filled, way):
    check(WAYS[way](filled))


@pytest.mark.parametrize("way", ASYNC_WAYS)
async def test_every_async_way_takes_them_too(filled, way):
    check(await ASYNC_WAYS[way](filled))


def test_reembed_returns_a_store_with_the_same_settings(engine, embeddings):
    store = create_vector_store(embeddings, "c", client=engine("edge"), **SETTINGS)
    store.add_texts(list("abcd"), METADATAS)
    smaller = embeddings.model_copy(update={"output_dimensionality": 128})
    new = reembed(store, smaller).store
    assert (new.score_formula, new.group_by, new.group_size) == (store.score_formula, "source", 2)
    assert len(new.similarity_search("a", k=9)) == 3


@pytest.mark.parametrize("quantization", PRESETS)
@pytest.mark.parametrize("kind", ["edge", pytest.param("server", marks=pytest.mark.slow)])
def test_codes_are_rescored_before_a_formula_and_groups(engine, on_store, kind, quantization):
    fake = DeterministicFakeEmbedding(size=64)
    store = create_vector_store(fake, "c", client=engine(kind), quantization=quantization)
    store.add_texts([f"text {i}" for i in range(300)], [{"n": i} for i in range(300)])
    if kind == "edge":
        store.optimize()
    query = np.array(fake.embed_query("text 7"))
    options = {"score_formula": boost({"n": {"$lt": 150}}, 2.0), "group_by": "n"}
    hits = on_store(store, WITH_SCORE, "text 7", k=5, **options)
    assert len(hits) == 5
    for hit, score in hits:
        vector = np.array(fake.embed_query(hit.page_content))
        cosine = query @ vector / np.linalg.norm(query) / np.linalg.norm(vector)
        assert score == pytest.approx(cosine * (2 if hit.metadata["n"] < 150 else 1), abs=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"score_formula": boost({"n": 1}, 1.0)}, {"group_by": "n"}]
)
@pytest.mark.parametrize("is_hybrid", [False, True])
def test_a_prefetch_of_ones_own_chooses_the_candidates(client, on_store, options, is_hybrid):
    sparse = EdgeBm25() if is_hybrid else None
    store = create_vector_store(Plane(), "c", client=client, sparse_embedding=sparse)
    store.add_texts(["cat", "cat cat", "cat dog"], METADATAS[:3], ids=list("012"))
    with_n = models.FieldCondition(key="metadata.n", range=models.Range(gte=1))
    prefetch = models.Prefetch(filter=models.Filter(must=[with_n]), limit=100)
    hits = on_store(store, "similarity_search", "cat", k=9, prefetch=prefetch, **options)
    assert {hit.id for hit in hits} == {"1", "2"}


def test_indexed_fields_work_in_strict_mode(engine, on_store):
    client = engine("server")
    store = create_vector_store(Plane(), "c", client=client)
    stored = [
        Document("1 0", id=f"{i}", metadata={"s": f"{i % 2}", "d": f"202{i}-01-01", "at": i * 9e8})
        for i in range(4)
    ]
    store.add_documents(stored)
    store.create_payload_indexes({"s": "keyword", "d": "datetime", "at": "float"})
    strict = models.StrictModeConfig(enabled=True, unindexed_filtering_retrieve=False)
    client.update_collection("c", strict_mode_config=strict)
    options = {"group_by": "s", "fetch_k": 1, "k": 4}
    for factor in (
        newer_first("d", 365 * DAY, now=NOW),
        newer_first("at", 365 * DAY, now=NOW, unix_time=True),
        boost({"s": "1"}, 2.0),
    ):
        assert len(on_store(store, WITH_SCORE, "1 0", score_formula=factor, **options)) == 2


UNFIT = [
    *((index, False) for index in ("integer", "float", "bool", "uuid", "geo")),
    *((index, True) for index in ("keyword", "datetime", "bool", "uuid", "geo")),
]


@pytest.mark.parametrize(("index", "unix_time"), UNFIT)
def test_an_index_that_hides_the_dates_is_named_before_gemini_is_asked(
    engine, embeddings, emulator, on_store, index, unix_time
):
    client = engine("edge")
    store = create_vector_store(embeddings, "c", client=client)
    store.add_texts(["a"], [{"at": NOW.timestamp() if unix_time else NOW.isoformat()}])
    options = {"score_formula": newer_first("at", DAY, now=NOW, unix_time=unix_time)}
    store.create_payload_indexes({"at": index})
    emulator.clear()
    for opened in (store, create_vector_store(embeddings, "c", client=client)):
        with pytest.raises(CollectionMismatchError, match=f"metadata.at.*type {index}"):
            on_store(opened, WITH_SCORE, "a", **options)
    assert not emulator.requests
    client.delete_payload_index("c", "metadata.at")
    ((_, score),) = on_store(store, WITH_SCORE, "a", **options)
    ((_, plain),) = store.similarity_search_with_score("a")
    assert score == pytest.approx(plain, abs=1e-5)


@pytest.mark.parametrize("index", ["bool", "uuid"])
def test_an_index_that_another_program_makes_is_named_too(engine, on_store, index):
    client = engine("edge")
    store = create_vector_store(Plane(), "c", client=client)
    store.add_texts(["1 0"], [{"at": NOW.isoformat()}])
    client.create_payload_index("c", "metadata.at", index)
    with pytest.raises(CollectionMismatchError, match=f"metadata.at.*type {index}"):
        on_store(store, WITH_SCORE, "1 0", score_formula=newer_first("at", DAY, now=NOW))
