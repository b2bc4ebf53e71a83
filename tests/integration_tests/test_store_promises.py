"""What glueing an embedding to a store gets wrong, each point as a promise, on each engine."""

from __future__ import annotations

import asyncio
import math
from uuid import UUID

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import RetrievalMode
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeClient,
    GeminiEmbeddings,
    GeminiQdrantVectorStore,
    create_vector_store,
)
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    InvalidInputError,
    PartialWriteError,
)
from tests.integration_tests.plane import Plane

TEXTS = [f"text number {i}" for i in range(5)]


@pytest.fixture
def store(client, embeddings):
    return create_vector_store(embeddings, "c", client=client)


@pytest.fixture
def plane(client):
    return create_vector_store(Plane(), "plane", client=client)


# Nothing lost


@pytest.mark.parametrize("kind", ["generator", "tuple", "documents"])
def test_any_iterable_is_stored_whole(store, on_store, kind):
    if kind == "documents":
        on_store(store, "add_documents", (Document(text) for text in TEXTS))
    else:
        texts = tuple(TEXTS) if kind == "tuple" else (text for text in TEXTS)
        on_store(store, "add_texts", texts)
    assert sorted(document.page_content for document in store.iter_documents()) == TEXTS


def test_async_iterables_are_stored_whole(store):
    async def texts():
        for text in TEXTS:
            yield text

    async def add():
        ids = await store.aadd_texts(texts(), ids=[f"id {i}" for i in range(5)])
        await store.aclose()
        await store.embeddings.aclose()
        return ids

    assert asyncio.run(add()) == [f"id {i}" for i in range(5)]
    assert store.count() == 5


@pytest.mark.parametrize(
    "wrong", [{"ids": ["a"]}, {"metadatas": [{}]}, {"ids": [*"abcdef"]}, {"metadatas": [{}] * 6}]
)
def test_other_counts_of_ids_or_metadatas_store_nothing(store, on_store, emulator, wrong):
    with pytest.raises(InvalidInputError, match="same count, got 5"):
        on_store(store, "add_texts", TEXTS, **wrong)
    assert store.count() == 0
    assert emulator.requests == []


def test_fewer_vectors_than_texts_store_nothing(client, on_store):
    class Short(DeterministicFakeEmbedding):
        def embed_documents(self, texts):
            return super().embed_documents(texts)[1:]

    with pytest.raises(InvalidInputError, match="one vector for each text, got 0 for 1"):
        create_vector_store(Short(size=8), "c", client=client)
    client.create_collection("c", models.VectorParams(size=8, distance=models.Distance.COSINE))
    store = create_vector_store(Short(size=8), "c", client=client)
    with pytest.raises(InvalidInputError, match="one vector for each text, got 4 for 5"):
        on_store(store, "add_texts", TEXTS)
    assert store.count() == 0


def test_what_is_no_text_stores_nothing(store, on_store, emulator):
    with pytest.raises(InvalidInputError, match="must be strings, got NoneType at index 1"):
        on_store(store, "add_texts", ["a", None])
    assert store.count() == 0
    assert emulator.requests == []


def test_what_is_stored_when_gemini_fails_is_told_and_kept(client, embeddings, emulator, on_store):
    one_at_a_time = embeddings.model_copy(update={"max_concurrency": 1, "batch_size": 2})
    store = create_vector_store(one_at_a_time, "c", client=client)
    emulator.fail_next(status=400, containing="number 2")
    ids = ["a", "b", "c", "d", "e"]
    with pytest.raises(PartialWriteError, match="2 of 5 documents are stored") as caught:
        on_store(store, "add_texts", TEXTS, ids=ids)
    assert (caught.value.written, caught.value.missing) == (["a", "b"], ["c", "d", "e"])
    assert caught.value.__cause__.status_code == 400
    assert [document.id for document in store.get_by_ids(ids)] == ["a", "b"]


def test_misspelt_options_are_refused_before_anything_is_sent(store, on_store, emulator):
    for name in ("similarity_search", "max_marginal_relevance_search"):
        with pytest.raises(TypeError, match="'fliter': did you mean 'filter'"):
            on_store(store, name, "q", fliter={"a": 1})
        with pytest.raises(InvalidInputError, match="nope"):
            on_store(store, name, "q", filter={"a": {"$nope": 1}})
    with pytest.raises(TypeError, match="'wiat': did you mean 'wait'"):
        on_store(store, "add_texts", ["a"], wiat=True)
    with pytest.raises(InvalidInputError, match="batch_size must be 1 or larger, got 0"):
        on_store(store, "add_texts", ["a"], batch_size=0)
    assert emulator.requests == []


# Ids and metadata


def test_any_id_is_given_back_unchanged(store, on_store):
    uuid = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"
    ids = ["my id", "7", 8, uuid, uuid.upper(), UUID(uuid).hex, "d\u00e9j\u00e0 \u2713", None]
    given = on_store(store, "add_texts", [f"text {i}" for i in range(8)], ids=ids)
    assert given[:7] == ids[:7]
    assert str(UUID(given[7])) == given[7]
    found = on_store(store, "get_by_ids", ["unknown", *given])
    expected = [str(each) for each in given]
    # three spellings of one UUID are one point, which keeps the last one
    expected[3:6] = [ids[5]] * 3
    assert [document.id for document in found] == expected
    on_store(store, "delete", given[:3])
    assert [document.id for document in store.get_by_ids(given[:3])] == []


def test_ids_in_which_python_reads_one_uuid_or_integer_do_not_replace_each_other(store, on_store):
    uuid = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"
    ids = [
        uuid,
        f"urn:uuid:{uuid}",
        f"{{{uuid}}}",
        uuid.replace("-", "", 1),
        "1",
        "01",
        "+1",
        "1_0",
    ]
    texts = [f"text {i}" for i in range(len(ids))]
    on_store(store, "add_texts", texts, ids=ids)
    found = on_store(store, "get_by_ids", ids)
    assert [(each.id, each.page_content) for each in found] == [*zip(ids, texts, strict=True)]
    on_store(store, "delete", ids[1:3])
    kept = [ids[0], *ids[3:]]
    assert [each.id for each in on_store(store, "get_by_ids", ids)] == kept


def test_a_document_id_that_another_program_keeps_is_not_taken_for_the_point_s(client, on_store):
    client.create_collection("c", models.VectorParams(size=2, distance=models.Distance.COSINE))
    payload = {"page_content": "x", "metadata": {}, "document_id": "doc-42"}
    client.upsert("c", [models.PointStruct(id=7, vector=[1.0, 0.0], payload=payload)])
    theirs = create_vector_store(Plane(), "c", client=client)
    [hit] = on_store(theirs, "similarity_search", "1 0", k=1)
    assert on_store(theirs, "get_by_ids", [hit.id]) == [hit]
    on_store(theirs, "delete", [hit.id])
    assert client.count("c").count == 0


def test_metadata_comes_back_as_it_went_in_and_a_hit_added_again_replaces_itself(store, on_store):
    metadata = {"nested": {"list": [1, None, "\u043a\u043b\u044e\u0447"]}, "flag": True, "n": 0.5}
    on_store(store, "add_texts", ["text"], [metadata], ids=["a"])
    [hit] = on_store(store, "similarity_search", "text")
    assert (hit.id, hit.metadata) == ("a", metadata)
    on_store(store, "add_documents", [hit])
    assert store.count() == 1


def test_points_of_others_keep_their_ids(client, on_store):
    client.create_collection("c", models.VectorParams(size=2, distance=models.Distance.COSINE))
    uuid = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"
    payload = {"page_content": "text", "metadata": None}
    points = [models.PointStruct(id=each, vector=[1, 0], payload=payload) for each in (5, uuid)]
    client.upsert("c", points)
    store = GeminiQdrantVectorStore(client, "c", Plane())
    found = on_store(store, "similarity_search", "1 0")
    assert {(document.id, str(document.metadata)) for document in found} == {
        ("5", "{}"),
        (uuid, "{}"),
    }
    assert on_store(store, "delete", [5, uuid]) is True
    assert store.count() == 0


# Requests that nobody asked for


def test_opening_sends_nothing_a_search_one_request_and_250_texts_three(
    client, embeddings, emulator, on_store
):
    store = create_vector_store(embeddings, "c", client=client)
    assert emulator.requests == []
    on_store(store, "add_texts", [f"text {i}" for i in range(250)])
    assert len(emulator.requests) == 3
    for search in (
        "similarity_search",
        "similarity_search_with_score",
        "similarity_search_with_relevance_scores",
        "max_marginal_relevance_search",
    ):
        emulator.clear()
        assert len(on_store(store, search, "text 7")) == 4
        assert len(emulator.requests) == 1


def test_the_next_texts_are_embedded_while_vectors_are_stored(emulator, embeddings):
    """Storing waits here until the texts after have reached Gemini: it would for ever, in turn."""
    stored = []

    class Waiting(QdrantClient):
        def upsert(self, *args, **kwargs):
            stored.append(args)
            emulator.wait_for_requests(min(len(stored) + 1, 10))
            assert len(emulator.requests) <= len(stored) + 2 * 2  # what is held is bounded
            return super().upsert(*args, **kwargs)

    client = Waiting(":memory:")
    small = embeddings.model_copy(update={"batch_size": 10, "max_concurrency": 2})
    store = create_vector_store(small, "c", client=client)
    store.add_texts([f"text {i}" for i in range(100)], batch_size=10)
    assert len(stored) == len(emulator.requests) == 10
    client.close()


# Search


def test_lambda_mult_1_is_relevance_and_0_diversity(plane, on_store):
    """Two near twins and one other: relevance takes the twins, diversity the other."""
    plane.add_texts(["1 0.1", "1 0.11", "0.8 -0.6"])

    def mmr(lambda_mult):
        found = on_store(
            plane, "max_marginal_relevance_search", "1 0.1", k=2, lambda_mult=lambda_mult
        )
        return [hit.page_content for hit in found]

    assert mmr(1.0) == ["1 0.1", "1 0.11"]
    assert mmr(0.0) == ["1 0.1", "0.8 -0.6"]
    with pytest.raises(InvalidInputError, match="lambda_mult must be a number in 0..1"):
        mmr(1.5)


def test_mmr_by_vector_has_scores_of_the_engine(plane, on_store):
    plane.add_texts(["1 0", "0 1"])
    name = "max_marginal_relevance_search_with_score_by_vector"
    hits = on_store(plane, name, [1.0, 0.0], k=2)
    assert [(hit.page_content, round(score, 5)) for hit, score in hits] == [("1 0", 1), ("0 1", 0)]
    found = on_store(plane, "max_marginal_relevance_search_by_vector", [1.0, 0.0], k=1)
    assert [hit.page_content for hit in found] == ["1 0"]


def test_pages_follow_each_other(plane, on_store):
    plane.add_texts([f"1 {i}" for i in range(10)])
    pages = [
        hit.page_content
        for offset in range(0, 12, 4)
        for hit in on_store(plane, "similarity_search", "1 0", k=4, offset=offset)
    ]
    assert pages == [f"1 {i}" for i in range(10)]


# Scores


@pytest.mark.parametrize("distance", list(models.Distance))
def test_relevance_scores_go_from_0_to_1_for_every_distance(client, on_store, distance):
    store = create_vector_store(Plane(), "c", client=client, distance=distance)
    store.add_texts(["1 0", "0.6 0.8", "-1 0"])
    hits = on_store(store, "similarity_search_with_relevance_scores", "1 0")
    assert [hit.page_content for hit, _ in hits] == ["1 0", "0.6 0.8", "-1 0"]
    expected = {
        models.Distance.COSINE: 0.6,
        models.Distance.DOT: 0.6,
        models.Distance.EUCLID: 1 - math.hypot(0.4, 0.8) / math.sqrt(2),
        models.Distance.MANHATTAN: 1 - (0.4 + 0.8) / 2,
    }
    assert [score for _, score in hits] == pytest.approx([1, expected[distance], 0], abs=1e-6)


def test_score_threshold_is_one_scale_with_cosine(plane, on_store):
    plane.add_texts(["1 0", "0.6 0.8", "0 1"])
    by_score = on_store(plane, "similarity_search", "1 0", score_threshold=0.5)
    by_relevance = on_store(
        plane, "similarity_search_with_relevance_scores", "1 0", score_threshold=0.5
    )
    retriever = plane.as_retriever(
        search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.5}
    )
    expected = ["1 0", "0.6 0.8"]
    assert [hit.page_content for hit in by_score] == expected
    assert [hit.page_content for hit, _ in by_relevance] == expected
    assert [hit.page_content for hit in retriever.invoke("1 0")] == expected


# Filters, deletion, iteration


@pytest.fixture
def shelf(plane):
    plane.add_texts(
        [f"1 {i}" for i in range(6)],
        [{"source": "a" if i < 3 else "b", "page": i} for i in range(6)],
        ids=[f"book {i}" for i in range(6)],
    )
    return plane


def test_dict_filters_reach_every_search(shelf, on_store):
    wanted = {"source": "b", "page": {"$gte": 4}}
    expected = {"book 4", "book 5"}
    for name in (
        "similarity_search",
        "max_marginal_relevance_search",
        "similarity_search_with_score",
        "similarity_search_with_relevance_scores",
    ):
        hits = on_store(shelf, name, "1 0", filter=wanted)
        assert {(hit[0] if isinstance(hit, tuple) else hit).id for hit in hits} == expected
    for name in ("similarity_search_by_vector", "max_marginal_relevance_search_by_vector"):
        assert {hit.id for hit in on_store(shelf, name, [1.0, 0.0], filter=wanted)} == expected
    retriever = shelf.as_retriever(search_kwargs={"filter": wanted})
    assert {hit.id for hit in retriever.invoke("1 0")} == expected
    own = models.Filter(must=[models.HasIdCondition(has_id=[1])])
    assert on_store(shelf, "similarity_search", "1 0", filter=own) == []


def test_unknown_operators_are_refused(shelf, on_store):
    with pytest.raises(InvalidInputError, match=r"\$regex"):
        on_store(shelf, "similarity_search", "1 0", filter={"source": {"$regex": "a"}})


def test_filters_count_iterate_and_delete(shelf, on_store):
    assert on_store(shelf, "count") == 6
    assert on_store(shelf, "count", {"source": "a"}) == 3
    pages = shelf.iter_documents({"source": "b"}, batch_size=2)
    assert sorted(document.metadata["page"] for document in pages) == [3, 4, 5]
    assert on_store(shelf, "delete", filter={"page": {"$lt": 2}}) is True
    assert sorted(document.id for document in shelf.iter_documents()) == [
        f"book {i}" for i in range(2, 6)
    ]


async def test_iteration_has_an_async_twin(shelf):
    pages = [document.metadata["page"] async for document in shelf.aiter_documents(batch_size=4)]
    assert sorted(pages) == list(range(6))
    await shelf.aclose()


def test_deleting_nothing_is_no_error_and_an_empty_filter_is_refused(shelf, on_store):
    assert on_store(shelf, "delete", []) is True
    assert on_store(shelf, "delete", ["unknown"]) is True
    for wrong in ({}, {"ids": ["book 1"], "filter": {"page": 1}}):
        with pytest.raises(ValueError, match="ids or a filter, and not both"):
            on_store(shelf, "delete", **wrong)
    with pytest.raises(ValueError, match="would delete every document"):
        on_store(shelf, "delete", filter={})
    assert shelf.count() == 6


# Collections


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_another_model_of_the_same_size_is_a_mismatch_that_says_both(client, embeddings, emulator):
    create_vector_store(embeddings, "c", client=client)
    other = GeminiEmbeddings(
        model="gemini-embedding-001",
        output_dimensionality=768,
        api_key=emulator.api_key,
        base_url=emulator.base_url,
    )
    both = "'gemini-embedding-2'.*, the embedding is 'gemini-embedding-001'"
    with pytest.raises(CollectionMismatchError, match=both):
        create_vector_store(other, "c", client=client)


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_another_document_task_is_a_mismatch_and_another_query_task_is_not(client, embeddings):
    create_vector_store(embeddings, "c", client=client)

    def reopen(task_type):
        own = embeddings.model_copy(update={"task_type": task_type})
        return create_vector_store(own, "c", client=client)

    reopen("QUESTION_ANSWERING")
    with pytest.raises(CollectionMismatchError, match="task RETRIEVAL_DOCUMENT.*task CLUSTERING"):
        reopen("CLUSTERING")


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_an_empty_collection_of_others_learns_what_fills_it(client, embeddings, on_store):
    client.create_collection(
        "c",
        models.VectorParams(size=768, distance=models.Distance.COSINE),
        metadata={"owner": "me"},
    )
    store = create_vector_store(embeddings, "c", client=client)
    assert client.get_collection("c").config.metadata == {"owner": "me"}
    on_store(store, "add_texts", ["a"])
    metadata = client.get_collection("c").config.metadata
    assert metadata["owner"] == "me"
    assert metadata["langchain_gemini_qdrant"]["embeddings"][""]["model"] == "gemini-embedding-2"


def test_a_filled_collection_of_others_is_checked_by_size_and_distance_only(client, embeddings):
    client.create_collection("c", models.VectorParams(size=768, distance=models.Distance.COSINE))
    client.upsert("c", [models.PointStruct(id=1, vector=[1.0] * 768)])
    store = create_vector_store(embeddings, "c", client=client)
    store.add_texts(["a"])
    assert client.get_collection("c").config.metadata is None


def test_an_alias_is_a_name_and_is_not_recreated(client, embeddings):
    create_vector_store(embeddings, "c", client=client).add_texts(["a"])
    client.update_collection_aliases(
        [
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name="c", alias_name="current")
            )
        ]
    )
    store = create_vector_store(embeddings, "current", client=client)
    assert store.count() == 1
    with pytest.raises(ValueError, match="'current' is an alias of collection 'c'"):
        create_vector_store(embeddings, "current", client=client, force_recreate=True)
    assert store.count() == 1


def test_stores_of_one_path_share_the_engine_in_a_process(tmp_path, embeddings):
    first = create_vector_store(embeddings, "c", path=tmp_path)
    second = create_vector_store(embeddings, "c", path=tmp_path)
    first.add_texts(["a"], ids=["a"])
    assert [document.id for document in second.get_by_ids(["a"])] == ["a"]
    first.close()
    assert second.count() == 1
    second.close()


def test_a_given_client_stays_open(client, embeddings):
    with create_vector_store(embeddings, "c", client=client) as store:
        store.add_texts(["a"])
    assert client.count("c").count == 1


def test_vector_settings_are_passed_through(client):
    store = create_vector_store(
        Plane(),
        "c",
        client=client,
        vector_name="dense",
        vector_params={
            "on_disk": True,
            "datatype": models.Datatype.FLOAT16,
            "hnsw_config": models.HnswConfigDiff(m=8),
        },
        collection_create_options={
            "shard_number": 1,
            "replication_factor": 1,
            "write_consistency_factor": 1,
            "on_disk_payload": True,
            "hnsw_config": models.HnswConfigDiff(m=24),
        },
    )
    store.add_texts(["1 0"])
    assert store.similarity_search_with_score("1 0")[0][1] == pytest.approx(1, abs=1e-3)
    if isinstance(client, EdgeClient):
        config = client.get_collection("c").config
        assert config.params.vectors["dense"].on_disk is True
        assert config.params.vectors["dense"].datatype == models.Datatype.FLOAT16
        assert config.params.vectors["dense"].hnsw_config.m == 8
        assert config.hnsw_config.m == 24


def test_uint8_would_lose_gemini_s_vectors_and_is_refused(client, embeddings):
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        create_vector_store(embeddings, "c", client=client, vector_params={"datatype": "uint8"})
    assert not client.collection_exists("c")
    uint8 = models.VectorParams(
        size=embeddings.vector_size,
        distance=models.Distance.COSINE,
        datatype=models.Datatype.UINT8,
    )
    client.create_collection("c", vectors_config=uint8)
    with pytest.raises(ValueError, match="whole numbers from 0 to 255"):
        create_vector_store(embeddings, "c", client=client)


def test_payload_indexes_are_made_once(tmp_path):
    indexes = {"source": "keyword", "page": "integer", "user": "tenant", "my key": "text"}
    with create_vector_store(Plane(), "c", path=tmp_path, payload_indexes=indexes) as store:
        store.create_payload_indexes({"page": "integer", "made": "datetime"})
        schema = store.client.get_collection("c").payload_schema
        assert {key: info.data_type.value for key, info in schema.items()} == {
            "metadata.source": "keyword",
            "metadata.page": "integer",
            "metadata.user": "keyword",
            'metadata."my key"': "text",
            "metadata.made": "datetime",
        }
        assert schema["metadata.user"].params.is_tenant is True
        with pytest.raises(CollectionMismatchError, match="indexed as integer, not as float"):
            store.create_payload_indexes({"page": "float"})
        with pytest.raises(ValueError, match="did you mean 'keyword'"):
            store.create_payload_indexes({"other": "keywrd"})


# What other code hands in or changes


def test_vectors_may_be_one_array_or_tuples(client, on_store):
    class Other(Plane):
        def embed_documents(self, texts):
            return np.array(super().embed_documents(texts))

        def embed_query(self, text):
            return tuple(super().embed_documents([text])[0])

    store = create_vector_store(Other(), "c", client=client)
    on_store(store, "add_texts", ["1 0", "0 1"])
    assert on_store(store, "similarity_search", "0 1", k=1)[0].page_content == "0 1"
    by_vector = on_store(store, "similarity_search_by_vector", (0.0, 1.0), k=1)
    assert by_vector[0].page_content == "0 1"
    name = "max_marginal_relevance_search"
    assert on_store(store, name, "0 1", k=1)[0].page_content == "0 1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("collection_name", "other"),
        ("content_payload_key", "text"),
        ("distance", models.Distance.DOT),
        ("metadata_payload_key", "about"),
        ("retrieval_mode", RetrievalMode.SPARSE),
        ("sparse_vector_name", "words"),
        ("vector_name", "other"),
    ],
)
def test_what_an_open_store_works_on_cannot_be_set_and_is_not_ignored(plane, name, value):
    before = getattr(plane, name)
    with pytest.raises(AttributeError, match=f"{name} of an open store.*open a new store"):
        setattr(plane, name, value)
    assert getattr(plane, name) == before
    plane.note = "of a user's own"  # anything else can


@pytest.mark.parametrize("kind", [np.array, tuple])
def test_a_subclass_of_gemini_embeddings_may_make_vectors_of_another_kind(
    client, embeddings, on_store, kind
):
    class Other(GeminiEmbeddings):
        def embed_documents(self, texts, **options):
            return [kind(vector) for vector in super().embed_documents(texts, **options)]

        async def aembed_documents(self, texts, **options):
            return [kind(vector) for vector in await super().aembed_documents(texts, **options)]

    other = Other(api_key=embeddings.api_key, base_url=embeddings.base_url)
    store = create_vector_store(other, "c", client=client)
    on_store(store, "add_texts", TEXTS)
    assert on_store(store, "similarity_search", TEXTS[3], k=1)[0].page_content == TEXTS[3]


class Marked(GeminiQdrantVectorStore):
    """Overrides what langchain-qdrant's class lets one override."""

    @classmethod
    def _document_from_point(cls, point, collection, content, metadata):
        return Document(f"{collection}: {point.payload[content]}", metadata=point.payload[metadata])

    def similarity_search_with_score(self, *args, **kwargs):
        return super().similarity_search_with_score(*args, **kwargs)[::-1]

    async def asimilarity_search_with_score(self, *args, **kwargs):
        return (await super().asimilarity_search_with_score(*args, **kwargs))[::-1]

    def similarity_search_with_score_by_vector(self, *args, **kwargs):
        return super().similarity_search_with_score_by_vector(*args, **kwargs)[::-1]

    async def asimilarity_search_with_score_by_vector(self, *args, **kwargs):
        return (await super().asimilarity_search_with_score_by_vector(*args, **kwargs))[::-1]

    def max_marginal_relevance_search_with_score_by_vector(self, *args, **kwargs):
        return super().max_marginal_relevance_search_with_score_by_vector(*args, **kwargs)[::-1]

    async def amax_marginal_relevance_search_with_score_by_vector(self, *args, **kwargs):
        found = await super().amax_marginal_relevance_search_with_score_by_vector(*args, **kwargs)
        return found[::-1]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("similarity_search", "1 0"),
        ("similarity_search_by_vector", [1.0, 0.0]),
        ("max_marginal_relevance_search_by_vector", [1.0, 0.0]),
    ],
)
def test_langchain_qdrant_s_extension_points_are_called_as_it_calls_them(
    plane, on_store, name, query
):
    plane.add_texts(["1 0", "0 1"])
    store = Marked(plane.client, "plane", Plane())
    found = on_store(store, name, query, k=2)
    assert [document.page_content for document in found] == ["plane: 0 1", "plane: 1 0"]
