"""Stored vectors become shorter ones of the same model, without a request to Gemini."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from google import genai
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.stores import InMemoryByteStore
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeBm25,
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    IngestError,
    create_vector_store,
    reembed,
)
from langchain_gemini_qdrant.errors import ConfigurationError
from tests.integration_tests.reembedding import Reembedding

TEXTS = [f"passage number {i} is about {'cats' if i % 2 else 'dogs'}" for i in range(25)]
FULL, SHORT = 3072, 768


@pytest.fixture
def again(call):
    """Call `reembed`, or `areembed` in an event loop of its own."""
    return lambda store, *args, **options: call(Reembedding(store), "reembed", *args, **options)


def open_store(client, embeddings, **options):
    return create_vector_store(embeddings, "old", client=client, **options)


@pytest.fixture
def full(developer):
    return developer(output_dimensionality=FULL)


@pytest.fixture
def short(developer):
    return developer(output_dimensionality=SHORT)


@pytest.fixture
def store(client, full, emulator):
    """25 texts with titles in full size; what was sent for them is forgotten."""
    store = open_store(client, full, title_key="title")
    titles = [{"title": f"title {i % 3}", "page": i} for i in range(len(TEXTS))]
    store.add_texts(TEXTS, titles, ids=range(len(TEXTS)))
    emulator.clear()
    return store


def contents(client, name):
    records, _ = client.scroll(name, limit=1_000, with_vectors=True)
    return {record.id: record for record in records}


def dense(record, name=""):
    return record.vector[name] if isinstance(record.vector, dict) else record.vector


def largest_difference(report, embeddings, name=""):
    """Compare the new vectors with what the API sends for the same texts and titles."""
    records = contents(report.store.client, report.collection_name).values()
    title = report.store.collection.layout.title
    texts = [record.payload["page_content"] for record in records]
    titles = [title(record.payload["metadata"]) for record in records]
    wanted = np.array(embeddings.embed_documents(texts, titles=titles))
    found = np.array([dense(record, name) for record in records], np.float64)
    found /= np.linalg.norm(found, axis=1)[:, None]  # a metric may have scaled them
    return np.abs(found - wanted).max()


# The vectors


@pytest.mark.parametrize("model", ["gemini-embedding-2", "gemini-embedding-001"])
@pytest.mark.parametrize("size", [SHORT, 128, FULL])
def test_the_vectors_are_those_that_the_api_sends(client, make, model, again, emulator, size):
    store = open_store(client, make(model=model, output_dimensionality=FULL))
    store.add_texts(TEXTS, ids=range(len(TEXTS)))
    emulator.clear()
    new = make(model=model, output_dimensionality=size)
    report = again(store, new, batch_size=10)
    assert emulator.requests == []
    assert (report.vectors_reused, report.not_reused) == (len(TEXTS), None)
    ingest = report.ingest
    assert (ingest.added, ingest.requests, ingest.texts, ingest.usd) == (len(TEXTS), 0, 0, 0.0)
    vectors = [dense(each) for each in contents(client, report.collection_name).values()]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    assert largest_difference(report, new) < 1e-6


@pytest.mark.parametrize("model", ["gemini-embedding-2", "gemini-embedding-001"])
def test_the_api_cuts_its_vectors(emulator, model):
    """The property that everything here rests on, in the numbers as they are sent."""
    options = {"api_key": emulator.api_key, "http_options": {"base_url": emulator.base_url}}
    with genai.Client(**options) as client:
        whole, cut = (
            client.models.embed_content(
                model=model, contents=TEXTS[0], config={"output_dimensionality": size}
            )
            for size in (FULL, SHORT)
        )
    start = np.array(whole.embeddings[0].values[:SHORT])
    scale = np.linalg.norm(start) if model == "gemini-embedding-2" else 1.0
    assert start / scale == pytest.approx(np.array(cut.embeddings[0].values), abs=1e-8)


@pytest.mark.parametrize("distance", models.Distance)
@pytest.mark.parametrize("kind", ["edge", pytest.param("grpc", marks=pytest.mark.slow)])
def test_every_distance_and_quantization_gives_the_same_vectors(
    engine, kind, full, short, distance, emulator
):
    store = open_store(engine(kind), full, distance=distance, quantization="binary")
    store.add_texts(TEXTS)
    emulator.clear()
    report = reembed(store, short)
    assert emulator.requests == []
    assert largest_difference(report, short) < 1e-6
    assert report.store.similarity_search(TEXTS[3], k=1)[0].page_content == TEXTS[3]


def test_half_precision_stays_half_precision(tmp_path, full, short, emulator):
    client = EdgeClient(tmp_path / "index")
    store = open_store(client, full, vector_params={"datatype": models.Datatype.FLOAT16})
    store.add_texts(TEXTS)
    emulator.clear()
    report = reembed(store, short)
    assert (report.vectors_reused, emulator.requests) == (len(TEXTS), [])
    assert largest_difference(report, short) < 1e-4  # numbers of 0.1 have steps of 0.00006
    client.close()


def test_other_vectors_ids_and_payloads_stay(client, full, short, again, emulator):
    client.create_collection(
        "old",
        {
            "text": models.VectorParams(size=FULL, distance=models.Distance.COSINE),
            "image": models.VectorParams(size=3, distance=models.Distance.DOT),
        },
        sparse_vectors_config={"words": models.SparseVectorParams()},
    )
    options = {"sparse_embedding": EdgeBm25(), "sparse_vector_name": "words"}
    store = open_store(client, full, vector_name="text", **options)
    store.add_texts(["a cat", "a dog"], [{"n": 1}, {"n": 2}], ids=["1", "dog"])
    client.update_vectors("old", [models.PointVectors(id=1, vector={"image": [1.0, 2.0, 3.0]})])
    emulator.clear()
    report = again(store, short, collection_name="new")
    assert emulator.requests == []
    old, new = contents(client, "old"), contents(client, "new")
    assert {key: each.payload for key, each in new.items()} == {
        key: each.payload for key, each in old.items()
    }
    for key, record in new.items():
        kept = {name: each for name, each in record.vector.items() if name != "text"}
        assert kept == {name: each for name, each in old[key].vector.items() if name != "text"}
    assert new[1].vector["image"] == [1.0, 2.0, 3.0]
    assert largest_difference(report, short, "text") < 1e-6


def test_a_wrong_key_is_no_hindrance(store, emulator):
    unknown = GeminiEmbeddings(
        api_key="unknown", base_url=emulator.base_url, output_dimensionality=SHORT
    )
    assert reembed(store, unknown, alias="live", delete_old=False).aliases == ("live",)
    assert emulator.requests == []


def test_embeddings_in_a_cache_are_of_the_same_model(client, full, short, again, emulator):
    def cached(embeddings):
        return CacheBackedEmbeddings.from_bytes_store(
            embeddings, InMemoryByteStore(), key_encoder="sha256"
        )

    store = open_store(client, cached(full))
    store.add_texts(TEXTS)
    emulator.clear()
    report = again(store, cached(short))
    assert emulator.requests == []
    assert largest_difference(report, short) < 1e-6


# What is not possible


def grow(make):
    return make(output_dimensionality=1024)


def other_model(make):
    return make(model="gemini-embedding-001", output_dimensionality=256)


def other_task(make):
    return make(task_type="CLUSTERING", output_dimensionality=256)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (grow, "the new size is 1024, and only the first 768 numbers of each vector are stored"),
        (other_model, "model is 'gemini-embedding-2', that of the new ones 'gemini-embedding-001'"),
        (other_task, "task is 'RETRIEVAL_DOCUMENT', that of the new ones 'CLUSTERING'"),
    ],
)
def test_vectors_that_are_not_stored_are_embedded_or_refused(
    client, short, developer, again, emulator, caplog, change, words
):
    store = open_store(client, short)
    store.add_texts(TEXTS[:3])
    new = change(developer)
    emulator.clear()
    with pytest.raises(ConfigurationError, match="cannot be reused: ") as refused:
        again(store, new, reuse_vectors=True, collection_name="new")
    assert words in str(refused.value)
    assert "Pass reuse_vectors=False" in str(refused.value)
    assert emulator.requests == []
    assert not client.collection_exists("new")
    with caplog.at_level(logging.INFO, "langchain_gemini_qdrant"):
        report = again(store, new, collection_name="new")
    assert words in report.not_reused
    assert words in caplog.text
    assert (report.ingest.added, report.vectors_reused) == (3, 0)


def test_embeddings_of_other_classes_are_always_asked_for_vectors(store, again, emulator):
    other = DeterministicFakeEmbedding(size=16)
    plain = create_vector_store(store.embeddings, "old", client=store.client)
    with pytest.raises(ConfigurationError, match="pass GeminiEmbeddings with output_dim"):
        again(plain, other, reuse_vectors=True)
    report = again(plain, other)
    assert report.not_reused.startswith("DeterministicFakeEmbedding does not name its model")
    assert (report.ingest.added, emulator.requests) == (len(TEXTS), [])


def test_rounded_vectors_are_refused(tmp_path, developer):
    client = EdgeClient(tmp_path / "index")
    params = models.VectorParams(
        size=FULL, distance=models.Distance.COSINE, datatype=models.Datatype.UINT8
    )
    client.create_collection("old", {"": params})
    old = developer(output_dimensionality=FULL)
    store = GeminiQdrantVectorStore(client, "old", old, validate_collection_config=False)
    with pytest.raises(ConfigurationError, match="uint8"):
        reembed(store, developer(), reuse_vectors=True)
    client.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"datatype": models.Datatype.UINT8}, "whole numbers from 0 to 255"),
        ({"multivector_config": {"comparator": "max_sim"}}, "Gemini makes one"),
    ],
)
@pytest.mark.parametrize("reuse_vectors", [None, False])
def test_a_new_collection_that_cannot_store_the_vectors_is_refused_before_any_request(
    store, short, again, emulator, settings, words, reuse_vectors
):
    params = models.VectorParams(size=SHORT, distance=models.Distance.COSINE, **settings)
    store.client.create_collection("new", vectors_config=params)
    with pytest.raises(ConfigurationError, match=words):
        again(store, short, reuse_vectors=reuse_vectors, collection_name="new")
    assert emulator.requests == []
    assert store.client.count("new").count == 0


def test_vectors_too_large_for_the_model_are_refused(client, again, emulator, make_unrecorded):
    store = make_unrecorded(client, size=1536)
    with pytest.warns(UserWarning, match="shutdown"):
        new = GeminiEmbeddings(
            api_key="x",
            base_url=emulator.base_url,
            model="text-embedding-004",
            output_dimensionality=256,
        )
    with pytest.raises(ConfigurationError, match="size 1536, and vectors of 'text-embedding-004'"):
        again(store, new, reuse_vectors=True)


def test_false_embeds_all(store, short, again, emulator):
    report = again(store, short, reuse_vectors=False)
    assert len(emulator.texts) == report.ingest.texts == len(TEXTS)
    assert (report.vectors_reused, report.not_reused) == (0, None)


# What only the user knows


@pytest.fixture
def make_unrecorded(full):
    """Fill a collection as another program does: with the model's vectors, but without a record."""

    def make(client, size=FULL):
        params = models.VectorParams(size=size, distance=models.Distance.COSINE)
        client.create_collection("old", params)
        vectors = full.embed_documents(TEXTS)
        payloads = [{"page_content": text, "metadata": {}} for text in TEXTS]
        points = zip(range(len(TEXTS)), vectors, payloads, strict=True)
        client.upsert(
            "old",
            [models.PointStruct(id=i, vector=v[:size], payload=p) for i, v, p in points],
        )
        return open_store(client, full.model_copy(update={"output_dimensionality": size}))

    return make


def test_unrecorded_vectors_are_reused_on_the_users_word(
    client, make_unrecorded, short, again, emulator
):
    store = make_unrecorded(client)
    emulator.clear()
    report = again(store, short, reuse_vectors=True)
    assert (report.vectors_reused, emulator.requests) == (len(TEXTS), [])
    assert largest_difference(report, short) < 1e-6
    asked = again(store, short, collection_name="asked")
    assert asked.ingest.texts == len(TEXTS)
    assert asked.not_reused == (
        "the collection does not record that 'gemini-embedding-2' made them with the task "
        "RETRIEVAL_DOCUMENT; if it did, pass reuse_vectors=True"
    )


def test_a_subclass_with_its_own_way_is_asked_about(store, short, emulator):
    class Own(GeminiEmbeddings):
        def embed_documents(self, texts, **options):
            return super().embed_documents([f"our {text}" for text in texts], **options)

    own = Own(api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=SHORT)
    asked = reembed(store, own, collection_name="asked")
    assert "`embed_documents` of Own made them; if so, pass" in asked.not_reused
    emulator.clear()
    assert reembed(store, own, reuse_vectors=True).vectors_reused == len(TEXTS)
    assert emulator.requests == []
    assert largest_difference(reembed(store, own, reuse_vectors=True), short) < 1e-6


def test_a_store_that_a_subclass_fills_is_asked_about(store, short, again, emulator):
    class Own(GeminiEmbeddings):
        async def aembed_documents(self, texts, **options):
            return await super().aembed_documents([f"our {text}" for text in texts], **options)

    own = Own(api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=FULL)
    with create_vector_store(own, "old", client=store.client) as filled:
        report = again(filled, short)
        assert "`embed_documents` of Own, the embedding of the store, may" in report.not_reused
        assert (report.vectors_reused, report.ingest.texts) == (0, len(TEXTS))


# Points that are not like the others


@pytest.fixture
def odd(store):
    """Two points without a usable vector, and one without a text."""
    zeros = [0.0] * SHORT + [1.0] * (FULL - SHORT)
    payload, other = ({"page_content": text, "metadata": {}} for text in ("odd", "zeros"))
    store.client.upsert(
        "old",
        [
            models.PointStruct(id=100, vector={}, payload=payload),
            models.PointStruct(id=101, vector={"": zeros}, payload=other),
            models.PointStruct(id=102, vector={"": [1.0] * FULL}, payload={"other": 1}),
        ],
    )
    return store


def test_points_without_a_usable_vector_are_embedded_alone(odd, short, again, emulator):
    report = again(odd, short)
    assert [each.text for each in emulator.texts] == [
        "title: none | text: odd",
        "title: none | text: zeros",
    ]
    assert (report.ingest.added, report.ingest.texts) == (len(TEXTS) + 3, 2)
    assert report.vectors_reused == len(TEXTS) + 1
    new = contents(odd.client, report.collection_name)
    assert dense(new[101]) == pytest.approx(short.embed_documents(["zeros"])[0], abs=1e-6)
    assert dense(new[102]) == pytest.approx([SHORT**-0.5] * SHORT, abs=1e-6)
    assert new[102].payload == {"other": 1}


def test_points_without_a_usable_vector_fail_if_nothing_may_be_sent(odd, short, again, emulator):
    with pytest.raises(IngestError, match="No alias|no alias was switched") as raised:
        again(odd, short, reuse_vectors=True, alias="live")
    assert raised.value.report.failed == {
        "100": "the point has no vector, and nothing is embedded",
        "101": "the first 768 numbers of its vector are 0, and nothing is embedded",
    }
    assert raised.value.report.added == len(TEXTS) + 1
    assert emulator.requests == []
    assert odd.client.get_aliases().aliases == []


def test_numbers_that_are_not_finite_are_never_copied(full, short, emulator):
    client = QdrantClient(":memory:")
    store = open_store(client, full, distance=models.Distance.DOT)
    store.add_texts(TEXTS[:2], ids=[1, 2])
    vector = [float("inf"), *[0.0] * (FULL - 1)]  # which the engine accepts
    client.update_vectors("old", [models.PointVectors(id=1, vector=vector)])
    emulator.clear()
    report = reembed(store, short)
    assert (len(emulator.texts), report.vectors_reused) == (1, 1)
    assert largest_difference(report, short) < 1e-6


# Runs that end early, and what changes meanwhile


class KilledError(Exception):
    pass


@pytest.mark.parametrize("reuse_vectors", [False, None])
def test_an_interrupted_run_is_resumed_by_shortening(store, short, again, emulator, reuse_vectors):
    def break_off(progress):
        if progress.stored >= 10:
            raise KilledError

    options = {"collection_name": "new", "batch_size": 2}
    emulator.fail_next(status=503, retry_after=3600, times=None, containing="number 24")
    with pytest.raises(KilledError):
        again(store, short, reuse_vectors=reuse_vectors, on_progress=break_off, **options)
    stored = store.client.count("new").count
    assert 10 <= stored < len(TEXTS)
    emulator.clear()
    report = again(store, short, **options)
    assert emulator.requests == []
    assert (report.ingest.skipped, report.vectors_reused) == (stored, len(TEXTS) - stored)
    assert largest_difference(report, short) < 1e-6
    finished = again(store, short, **options)
    assert (finished.ingest.added, finished.vectors_reused) == (0, 0)


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_changes_meanwhile_are_found_with_their_vectors(store, full, short):
    [turned] = full.embed_documents(["a vector of its own"])
    changes = [
        lambda: store.add_texts(["new"], ids=["50"]),
        lambda: store.add_texts(["other text"], ids=["1"]),
        lambda: store.delete(["2", "3"]),
        lambda: store.client.update_vectors(
            "old", [models.PointVectors(id=4, vector={"": turned})]
        ),
        lambda: store.client.set_payload("old", {"beside": 1}, points=[5]),
    ]

    def change(progress):
        if progress.stored == len(TEXTS):
            while changes:
                changes.pop()()

    report = reembed(store, short, collection_name="new", on_progress=change)
    done = report.ingest
    assert (done.added, done.updated, done.deleted, done.texts) == (26, 3, 2, 0)
    assert report.vectors_reused == 28  # the payload of the last one was stored alone
    old, new = contents(store.client, "old"), contents(store.client, "new")
    assert {key: record.payload for key, record in old.items()} == {
        key: record.payload for key, record in new.items()
    }
    cut = np.array(turned[:SHORT]) / np.linalg.norm(turned[:SHORT])
    assert dense(new[4]) == pytest.approx(cut, abs=1e-6)
    assert dense(new[1]) == pytest.approx(short.embed_documents(["other text"])[0], abs=1e-6)


def test_a_vector_that_was_changed_in_the_new_collection_is_corrected(store, short, again):
    """Until the run is complete, the new collection is the copy of the old one."""

    def break_off(progress):
        if progress.stored >= 10:
            raise KilledError

    with pytest.raises(KilledError):
        again(store, short, collection_name="new", batch_size=2, on_progress=break_off)
    wrong = models.PointVectors(id=0, vector={"": [1.0] * SHORT})
    store.client.update_vectors("new", [wrong])
    report = again(store, short, collection_name="new")
    assert report.ingest.updated == 1
    assert largest_difference(report, short) < 1e-6
