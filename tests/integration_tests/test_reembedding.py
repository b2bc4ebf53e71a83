"""A collection embedded anew with another model or size, on each engine."""

from __future__ import annotations

import asyncio
import warnings

import pytest
from click.testing import CliRunner
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import RetrievalMode
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeBm25,
    EdgeClient,
    GeminiEmbeddings,
    IngestError,
    create_vector_store,
    reembed,
)
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.errors import CollectionMismatchError, ConfigurationError
from tests.integration_tests.plane import Plane
from tests.integration_tests.qdrant_server import QdrantServer

COUNT = 30
NEW = "old-gemini-embedding-001-128"


@pytest.fixture
def new_embeddings(emulator):
    return GeminiEmbeddings(
        model="gemini-embedding-001",
        output_dimensionality=128,
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        batch_size=10,
    )


@pytest.fixture
def store(client, embeddings):
    """A hybrid store with titles, filled."""
    store = create_vector_store(
        embeddings, "old", client=client, sparse_embedding=EdgeBm25(), title_key="title"
    )
    texts = [f"passage number {i}" for i in range(COUNT)]
    metadatas = [{"title": f"title {i % 2}", "page": i} for i in range(COUNT)]
    store.add_texts(texts, metadatas, ids=[str(i) if i % 2 else f"id {i}" for i in range(COUNT)])
    client.set_payload("old", {"beside": {"the": "metadata"}}, points=[1])
    return store


@pytest.fixture
def live(store, embeddings):
    """The same collection, opened by an alias."""
    lead(store.client, "live", "old")
    return create_vector_store(
        embeddings,
        "live",
        client=store.client,
        sparse_embedding=EdgeBm25(),
        title_key="title",
    )


def lead(client, alias, name):
    create = models.CreateAlias(collection_name=name, alias_name=alias)
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


def aliases(client):
    return {each.alias_name: each.collection_name for each in client.get_aliases().aliases}


def contents(client, name):
    records, _ = client.scroll(name, limit=1_000, with_vectors=True)
    return {record.id: record for record in records}


# The new collection


def test_ids_payloads_and_sparse_vectors_stay_and_dense_vectors_are_new(
    store, new_embeddings, emulator
):
    emulator.clear()
    report = reembed(store, new_embeddings)
    assert (report.collection_name, report.old_collection_name) == (NEW, "old")
    assert (report.ingest.added, report.ingest.texts) == (COUNT, COUNT)
    assert sorted(each.text for each in emulator.texts) == sorted(
        f"passage number {i}" for i in range(COUNT)
    )
    old, new = contents(store.client, "old"), contents(store.client, NEW)
    assert old.keys() == new.keys()
    for key, record in old.items():
        assert new[key].payload == record.payload
        assert new[key].vector.keys() == record.vector.keys() == {"", "langchain-sparse"}
        assert new[key].vector["langchain-sparse"] == record.vector["langchain-sparse"]
        assert (len(record.vector[""]), len(new[key].vector[""])) == (768, 128)
    assert new[1].payload["beside"] == {"the": "metadata"}
    expected = new_embeddings.embed_documents(["passage number 1"], titles=["title 1"])[0]
    assert new[1].vector[""] == pytest.approx(expected, abs=1e-5)


def test_the_new_store_searches_the_new_collection_as_the_old_one_did(store, new_embeddings):
    report = reembed(store, new_embeddings)
    new = report.store
    assert new.collection_name == NEW
    assert new.retrieval_mode == RetrievalMode.HYBRID
    hits = new.similarity_search("passage number 7", k=3)
    assert ("7", 7) in [(hit.id, hit.metadata["page"]) for hit in hits]
    assert new.add_texts(["more"], ids=["more"]) == ["more"]
    again = create_vector_store(
        new_embeddings, NEW, client=store.client, sparse_embedding=EdgeBm25(), title_key="title"
    )
    assert again.count() == COUNT + 1


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_the_new_collection_remembers_the_new_embedding(store, embeddings, new_embeddings):
    reembed(store, new_embeddings)
    wrong = embeddings.model_copy(update={"output_dimensionality": 128})
    with pytest.raises(CollectionMismatchError, match="gemini-embedding-001"):
        create_vector_store(wrong, NEW, client=store.client, sparse_embedding=EdgeBm25())
    other_words = EdgeBm25(language="german")
    with pytest.raises(CollectionMismatchError, match="german"):
        create_vector_store(new_embeddings, NEW, client=store.client, sparse_embedding=other_words)


@pytest.mark.qdrant("1.16", "collections have metadata")
@pytest.mark.parametrize("engine", ["edge", "server"])
def test_settings_and_indexes_are_the_old_ones(engine, tmp_path, embeddings, new_embeddings):
    with QdrantServer() as server:
        client = (
            EdgeClient(tmp_path)
            if engine == "edge"
            else QdrantClient(url=server.url, check_compatibility=False, verify=False)
        )
        store = create_vector_store(
            embeddings,
            "old",
            client=client,
            quantization="binary",
            payload_indexes={"page": "integer", "owner": "tenant"},
            vector_params={"hnsw_config": models.HnswConfigDiff(m=32)},
            collection_create_options={"metadata": {"mine": 1}, "on_disk_payload": True},
        )
        store.add_texts(["text"])
        report = reembed(store, new_embeddings)
        old, new = client.get_collection("old"), client.get_collection(NEW)
        assert new.config.quantization_config == old.config.quantization_config is not None
        assert new.config.params.vectors[""].hnsw_config.m == 32
        assert new.config.params.on_disk_payload is True
        assert new.config.metadata["mine"] == 1
        assert new.payload_schema == old.payload_schema
        assert new.payload_schema["metadata.owner"].params.is_tenant
        assert report.store.search_params == store.search_params
        client.close()


def test_other_named_vectors_stay(client, new_embeddings):
    client.create_collection(
        "old",
        {
            "text": models.VectorParams(size=2, distance=models.Distance.COSINE),
            "image": models.VectorParams(size=3, distance=models.Distance.DOT),
        },
    )
    store = create_vector_store(Plane(), "old", client=client, vector_name="text")
    store.add_texts(["a", "b"], ids=["1", "2"])
    client.update_vectors("old", [models.PointVectors(id=1, vector={"image": [1.0, 2.0, 3.0]})])
    reembed(store, new_embeddings, collection_name="new")
    new = contents(client, "new")
    assert new[1].vector["image"] == [1.0, 2.0, 3.0]
    assert new[2].vector.keys() == {"text"}
    assert len(new[2].vector["text"]) == 128


def test_any_embeddings_of_langchain_take_over(store, client):
    plain = create_vector_store(store.embeddings, store.collection_name, client=client)
    report = reembed(plain, DeterministicFakeEmbedding(size=7))
    assert report.collection_name == "old-DeterministicFakeEmbedding-7"
    assert client.get_collection(report.collection_name).config.params.vectors[""].size == 7
    assert report.store.count() == COUNT
    with pytest.raises(ConfigurationError, match="title_key needs GeminiEmbeddings"):
        reembed(store, DeterministicFakeEmbedding(size=7), collection_name="x")


# Runs that break off, and what changes meanwhile


class KilledError(Exception):
    pass


def test_a_run_that_broke_off_goes_on_and_embeds_only_what_is_missing(
    live, new_embeddings, emulator
):
    def break_off(progress):
        if progress.stored >= 10:
            raise KilledError

    emulator.fail_next(status=503, retry_after=3600, times=None, containing=f"number {COUNT - 1}")
    with pytest.raises(KilledError):
        reembed(live, new_embeddings, collection_name="new", batch_size=10, on_progress=break_off)
    stored = live.client.count("new").count
    assert 10 <= stored < COUNT
    assert aliases(live.client) == {"live": "old"}
    emulator.clear()
    report = reembed(live, new_embeddings, collection_name="new", batch_size=10)
    assert (report.ingest.added, report.ingest.skipped) == (COUNT - stored, stored)
    assert len(emulator.texts) == COUNT - stored
    assert aliases(live.client) == {"live": "new"}


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_a_complete_run_does_nothing_the_second_time(store, new_embeddings, emulator):
    reembed(store, new_embeddings)
    store.client.set_payload(NEW, {"page_content": "changed since"}, points=[1])
    emulator.clear()
    report = reembed(store, new_embeddings, alias="live")
    assert emulator.requests == []
    assert report.ingest.added == report.ingest.updated == 0
    assert contents(store.client, NEW)[1].payload["page_content"] == "changed since"
    assert aliases(store.client) == {"live": NEW}


@pytest.mark.qdrant("1.16", "collections have metadata")
def test_what_changes_while_it_runs_is_found_by_another_pass(live, new_embeddings):
    changes = [
        lambda: live.add_texts(["new"], ids=["new"]),
        lambda: live.add_texts(["other text"], ids=["1"]),
        lambda: live.delete(["id 2", "3"]),
    ]

    def change(progress):
        if progress.stored == COUNT and changes:
            changes.pop()()
            changes.pop()()
            changes.pop()()

    report = reembed(live, new_embeddings, collection_name="new", on_progress=change)
    assert (report.ingest.added, report.ingest.updated, report.ingest.deleted) == (31, 1, 2)
    old, new = contents(live.client, "old"), contents(live.client, "new")
    assert {key: record.payload for key, record in old.items()} == {
        key: record.payload for key, record in new.items()
    }
    assert report.store.get_by_ids(["1"])[0].page_content == "other text"


def test_a_collection_that_keeps_changing_is_not_switched_away_from(live, new_embeddings):
    def change(progress):
        live.client.set_payload("old", {"seen": progress.seconds}, points=[1])

    with pytest.raises(IngestError, match="changed in each of 5 passes.*No alias was switched"):
        reembed(live, new_embeddings, collection_name="new", on_progress=change)
    assert aliases(live.client) == {"live": "old"}


def test_failed_documents_are_told_and_nothing_is_switched(live, new_embeddings, emulator):
    emulator.fail_next(times=None, status=400, containing="number 13")
    with pytest.raises(IngestError, match="no alias was switched.*'13'") as caught:
        reembed(live, new_embeddings, collection_name="new", alias="next", delete_old=True)
    assert list(caught.value.report.failed) == ["13"]
    assert caught.value.report.added == COUNT - 1
    assert aliases(live.client) == {"live": "old"}
    assert live.client.collection_exists("old")
    emulator.clear()
    report = reembed(live, new_embeddings, collection_name="new", alias="next", delete_old=True)
    assert report.ingest.added == 1
    assert aliases(live.client) == {"live": "new", "next": "new"}


def test_points_without_text_are_told(store, new_embeddings):
    store.client.upsert("old", [models.PointStruct(id=99, vector={}, payload={"other": 1})])
    with pytest.raises(IngestError, match="'99': the point has no text under 'page_content'"):
        reembed(store, new_embeddings)
    assert store.client.count(NEW).count == COUNT


# Aliases and the old collection


def test_an_alias_is_switched_in_one_request_and_the_old_collection_stays(
    embeddings, new_embeddings, qdrant_server
):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False, verify=False)
    create_vector_store(embeddings, "old", client=client).add_texts(["a", "b"])
    lead(client, "live", "old")
    store = create_vector_store(embeddings, "live", client=client)
    qdrant_server.clear()
    report = reembed(store, new_embeddings)
    sent = [r for r in qdrant_server.requests if r.path == "/collections/aliases"]
    [actions] = [request.body["actions"] for request in sent]
    assert [next(iter(action)) for action in actions] == ["delete_alias", "create_alias"]
    assert report.aliases == ("live",)
    assert report.store.collection_name == "live"
    assert report.collection_name == "live-gemini-embedding-001-128"
    assert aliases(client) == {"live": report.collection_name}
    assert client.count("old").count == 2
    assert report.store.similarity_search("a", k=1)[0].page_content == "a"
    client.close()


def test_a_switch_whose_answer_is_lost_is_a_switch(
    embeddings, new_embeddings, qdrant_server, clock
):
    client = QdrantClient(url=qdrant_server.url, check_compatibility=False, verify=False)
    store = create_vector_store(embeddings, "old", client=client, clock=clock)
    store.add_texts(["a"])
    qdrant_server.fail_next(path="/collections/aliases", after_effect=True)
    assert reembed(store, new_embeddings, alias="live").aliases == ("live",)
    assert aliases(client) == {"live": NEW}
    client.close()


def test_a_new_alias_is_made_and_the_old_collection_deleted_when_told(store, new_embeddings):
    kept = reembed(store, new_embeddings, alias="live")
    assert not kept.old_deleted
    assert store.client.collection_exists("old")
    report = reembed(store, new_embeddings, alias="live", delete_old=True)
    assert report.old_deleted
    assert not store.client.collection_exists("old")
    assert report.store.count() == COUNT
    again = reembed(report.store, new_embeddings, collection_name=NEW)
    assert (again.ingest.added, again.old_deleted, again.aliases) == (0, False, ("live",))


def test_without_an_alias_the_new_name_is_told(store, new_embeddings):
    report = reembed(store, new_embeddings)
    assert report.aliases == ()
    assert aliases(store.client) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alias": "old"}, "'old' is the name of a collection"),
        ({"alias": "new", "collection_name": "new"}, "'new' is the name of a collection"),
        ({"collection_name": "live"}, "'live' is an alias of collection 'old'"),
        ({"delete_old": True}, "cannot be deleted, as the aliases .'live'. point to it"),
    ],
)
def test_names_that_cannot_be_are_refused_first(
    live, store, new_embeddings, emulator, options, message
):
    emulator.clear()
    with pytest.raises(ConfigurationError, match=message):
        reembed(store, new_embeddings, **options)
    assert emulator.requests == []
    assert len(live.client.get_collections().collections) == 1


def test_the_old_collection_is_not_deleted_where_nothing_leads_to_the_new_one(
    store, new_embeddings
):
    with pytest.raises(ConfigurationError, match="no alias points to the new one: pass alias="):
        reembed(store, new_embeddings, delete_old=True)


def test_collections_of_somebody_else_are_left_alone(store, new_embeddings):
    other = create_vector_store(
        new_embeddings, "other", client=store.client, sparse_embedding=EdgeBm25()
    )
    other.add_texts(["mine"], ids=["mine"])
    with pytest.raises(CollectionMismatchError, match="not created by a run of reembed from 'old'"):
        reembed(store, new_embeddings, collection_name="other")
    assert other.count() == 1


def test_an_empty_collection_with_other_settings_is_filled(store, new_embeddings):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*local mode")
        create_vector_store(
            new_embeddings,
            "new",
            client=store.client,
            sparse_embedding=EdgeBm25(),
            quantization="binary",
        )
    report = reembed(store, new_embeddings, collection_name="new")
    assert report.ingest.added == report.store.count() == COUNT


def test_a_store_of_sparse_vectors_alone_is_refused(client, new_embeddings):
    store = create_vector_store(
        None,
        "old",
        client=client,
        sparse_embedding=EdgeBm25(),
        retrieval_mode=RetrievalMode.SPARSE,
    )
    with pytest.raises(ConfigurationError, match="open it as DENSE or HYBRID"):
        reembed(store, new_embeddings)


def test_a_server_that_keeps_no_metadata_goes_on_and_deletes_nothing(embeddings, new_embeddings):
    with QdrantServer(version="1.15.0", keeps_metadata=False) as server:
        client = QdrantClient(url=server.url, check_compatibility=False, verify=False)
        store = create_vector_store(embeddings, "old", client=client)
        store.add_texts(["a", "b"], ids=["1", "2"])
        reembed(store, new_embeddings)
        store.delete(["1"])
        with pytest.raises(CollectionMismatchError, match="was not created"):
            reembed(store, new_embeddings)
        assert client.count(NEW).count == 2
        client.close()


def test_the_async_twin_does_the_same(live, new_embeddings):
    async def run():
        from langchain_gemini_qdrant import areembed  # noqa: PLC0415 - beside its use

        report = await areembed(live, new_embeddings, collection_name="new", batch_size=10)
        await live.async_client.close()
        await new_embeddings.aclose()
        return report

    report = asyncio.run(run())
    assert (report.ingest.added, report.aliases) == (COUNT, ("live",))
    assert contents(live.client, "new").keys() == contents(live.client, "old").keys()


# The command line


@pytest.fixture
def run(monkeypatch, emulator, tmp_path):
    """Run a command in an empty folder, with the emulator as the API."""
    monkeypatch.setenv("GOOGLE_API_KEY", emulator.api_key)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", emulator.base_url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(cli, arguments, prog_name="gemini-qdrant")


@pytest.fixture
def _an_index(embeddings, tmp_path):
    with create_vector_store(
        embeddings, "old", path=tmp_path / "index", title_key="title"
    ) as store:
        store.add_texts(["one", "two"], [{"title": "numbers"}, {}], ids=["1", "2"])
        lead(store.client, "live", "old")


REEMBED = ("reembed", "--collection", "live", "--path", "index", "--output-dimensionality", "128")


@pytest.mark.usefixtures("_an_index")
def test_the_command_reembeds_switches_and_deletes_when_told(run):
    done = run(*REEMBED, "--to-collection", "new")
    assert done.exit_code == 0, done.output
    assert "2 vectors reused, 0 documents embedded, 0 already there" in done.output
    assert "New collection 'new', 'live' points to it; 'old' is kept" in done.output
    again = run("reembed", "--collection", "old", *REEMBED[3:], "--to-collection", "new")
    assert "0 documents embedded" in again.output
    told = run(
        *("reembed", "--collection", "old", *REEMBED[3:], "--to-collection", "new"),
        *("--alias", "live", "--delete-old"),
    )
    assert told.exit_code == 0, told.output
    assert "'old' is deleted" in told.output
    client = EdgeClient("index")
    assert [each.name for each in client.get_collections().collections] == ["new"]
    assert client.count("live").count == 2
    client.close()


@pytest.mark.usefixtures("_an_index")
def test_the_command_exits_with_1_where_a_document_fails(run, emulator):
    emulator.fail_next(times=None, status=400, containing="two")
    again = (*REEMBED, "--no-reuse-vectors")
    failed = run(*again)
    assert failed.exit_code == 1
    assert "Error: the new collection" in failed.output
    assert "no alias was switched" in failed.output
    emulator.clear()
    assert "1 document embedded, 0 updated, 1 already there" in run(*again).output
