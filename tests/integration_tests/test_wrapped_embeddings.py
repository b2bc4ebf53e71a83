"""GeminiEmbeddings in LangChain's own cache: collections remember and check them all the same."""

from __future__ import annotations

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.stores import InMemoryByteStore
from qdrant_client import models

from langchain_gemini_qdrant import (
    GeminiEmbeddings,
    acreate_vector_store,
    aingest,
    areembed,
    create_vector_store,
    ingest,
)
from langchain_gemini_qdrant.errors import (
    CollectionMismatchError,
    ConfigurationError,
    IngestError,
    PartialWriteError,
)

TEXTS = [f"passage {i}." for i in range(50)]
DOCUMENTS = [Document(text, id=str(i)) for i, text in enumerate(TEXTS)]


@pytest.fixture
async def wrapped(emulator):
    """Make GeminiEmbeddings in LangChain's cache."""
    made = []

    def wrapped(*, queries=False, **options):
        options = {"output_dimensionality": 128, **options}
        made.append(
            GeminiEmbeddings(api_key=emulator.api_key, base_url=emulator.base_url, **options)
        )
        return CacheBackedEmbeddings.from_bytes_store(
            made[-1],
            InMemoryByteStore(),
            namespace=made[-1].model,
            query_embedding_cache=queries,
            key_encoder="sha256",
        )

    yield wrapped
    for embeddings in made:
        embeddings.close()
        await embeddings.aclose()


def remembered(store):
    info = store.client.get_collection("notes")
    return info.config.metadata["langchain_gemini_qdrant"]["embeddings"]


async def test_collection_remembers_what_a_wrapper_wraps(wrapped, client, emulator):
    with create_vector_store(wrapped(), "notes", client=client) as store:
        assert emulator.requests == []  # the size is known
        assert remembered(store) == {
            "": {
                "model": "gemini-embedding-2",
                "size": 128,
                "task": "RETRIEVAL_DOCUMENT",
                "normalized": True,
                "conditioning": "prefix",
            }
        }


@pytest.mark.parametrize(
    "other",
    [
        {"model": "gemini-embedding-001"},
        {"task_type": "CLUSTERING"},
        {"output_dimensionality": 256},
    ],
)
async def test_collection_refuses_other_embeddings_in_a_wrapper(wrapped, client, other):
    create_vector_store(wrapped(), "notes", client=client)
    plain = wrapped(**other).underlying_embeddings
    for embedding in (wrapped(**other), plain):
        with pytest.raises(CollectionMismatchError):
            create_vector_store(embedding, "notes", client=client)
    create_vector_store(wrapped().underlying_embeddings, "notes", client=client)
    with pytest.raises(ConfigurationError, match="uint8"):
        create_vector_store(
            wrapped(),
            "others",
            client=client,
            vector_params={"datatype": models.Datatype.UINT8},
        )


async def test_wrapper_keeps_the_sides_apart(wrapped, client, twin, emulator):
    with create_vector_store(wrapped(), "notes", client=client) as store:
        await twin(store, "add_texts", TEXTS)
        await twin(store, "add_texts", TEXTS)
        assert len(emulator.requests) == 1  # the second time from the cache
        for _ in range(2):
            assert len(await twin(store, "similarity_search", "passage 7.", k=3)) == 3
        queries = [request.texts[0].text for request in emulator.requests[1:]]
        assert queries == ["task: search result | query: passage 7."] * 2


async def test_wrapper_that_mixes_the_sides_is_warned_of(wrapped, client):
    create_vector_store(wrapped(queries=InMemoryByteStore()), "notes", client=client)
    with pytest.warns(UserWarning, match="documents and queries in one cache") as caught:
        create_vector_store(wrapped(queries=True), "notes", client=client)
    assert caught[0].filename == __file__


async def test_embedding_that_says_nothing_is_warned_of(wrapped, client):
    unknown = DeterministicFakeEmbedding(size=128)
    create_vector_store(unknown, "others", client=client)
    create_vector_store(unknown, "others", client=client)  # which remembers nothing
    create_vector_store(wrapped(), "notes", client=client)
    with pytest.warns(UserWarning, match="made with 'gemini-embedding-2'.*cache="):
        create_vector_store(unknown, "notes", client=client)
    with pytest.warns(UserWarning, match="made with 'gemini-embedding-2'.*cache="):
        await acreate_vector_store(unknown, "notes", client=client)


async def test_wrapper_reads_no_titles(wrapped):
    with pytest.raises(ConfigurationError, match="a cache of their own, cache="):
        create_vector_store(wrapped(), "notes", location=":memory:", title_key="title")


async def test_ingest_counts_and_keeps_what_a_wrapper_sends(wrapped, client, emulator):
    embedding = wrapped()
    embedding.embed_documents(["not of the run"])
    with create_vector_store(embedding, "notes", client=client) as store:
        report = ingest(store, [*DOCUMENTS, Document(" ", id="blank")], on_error="report")
        assert report.added == 50
        assert report.failed == {"blank": "the text is blank"}
        assert (report.requests, report.texts) == (1, 50)
        assert report.tokens > 50
        assert report.usd > 0

        emulator.fail_next(status=413, times=None, containing="passage 999.")
        more = [Document(f"passage {i}.", id=str(i)) for i in range(990, 1010)]
        with pytest.raises(IngestError) as caught:
            await aingest(store, more)
        assert list(caught.value.report.failed) == ["999"]
        with pytest.raises(PartialWriteError) as caught:
            store.add_texts([f"{document.page_content} " for document in more])
        assert len(caught.value.missing) == 1
        assert store.count() == 50 + 19 + 19


async def test_wrapper_that_had_some_of_the_texts_mixes_up_none(wrapped, client, emulator):
    """The error of the call that it makes is of fewer texts than those that it was given."""
    with create_vector_store(wrapped(), "notes", client=client) as store:
        store.add_texts(TEXTS[:10])
        emulator.fail_next(status=413, times=None, containing="passage 15.")
        with pytest.raises(Exception, match="1 of 10 texts"):
            store.add_texts(TEXTS[:20])
        assert store.count() == 10
        report = ingest(store, [Document(text) for text in TEXTS[:20]], on_error="report")
        assert len(report.failed) == 20


async def test_new_collection_has_the_name_of_the_wrapped_model(wrapped, client):
    with create_vector_store(wrapped(), "notes", client=client) as store:
        await store.aadd_texts(TEXTS)
        report = await areembed(store, wrapped(output_dimensionality=256))
        assert report.collection_name == "notes-gemini-embedding-2-256"


def test_embeddings_that_say_they_wrap_themselves_are_no_wrapper_of_ours():
    class Endless(Embeddings):
        underlying_embeddings = property(lambda self: self)

        def embed_documents(self, texts):
            return [[1.0, 0.0] for _ in texts]

        def embed_query(self, text):  # noqa: ARG002
            return [1.0, 0.0]

    store = create_vector_store(Endless(), "notes", location=":memory:")
    store.add_texts(["a"])
    assert store.count() == 1
