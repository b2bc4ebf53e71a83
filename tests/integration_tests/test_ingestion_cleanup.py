"""What was stored and is not given any more: kept, or deleted once all the rest is stored."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import IngestError, create_vector_store, ingest
from langchain_gemini_qdrant.errors import ConfigurationError
from tests.integration_tests.ingesting import stored


@pytest.fixture
def store(client):
    """A store on each engine in turn."""
    return create_vector_store(DeterministicFakeEmbedding(size=8), "c", client=client)


@pytest.fixture
def edge(tmp_path):
    fake = DeterministicFakeEmbedding(size=8)
    with create_vector_store(fake, "c", path=tmp_path / "index") as store:
        yield store


def files(**pages):
    """Return the pages of files as documents: `files(a="123")` is a.md's pages 1 to 3."""
    return [
        Document(f"{name}{page}", metadata={"source": f"{name}.md", "page": page})
        for name, texts in pages.items()
        for page in texts
    ]


def test_nothing_is_deleted_unasked(edge, run):
    run(edge, files(a="123", b="12"))
    assert run(edge, files(a="1")).deleted == 0
    assert stored(edge) == ["a1", "a2", "a3", "b1", "b2"]


def test_source_deletes_what_the_given_sources_no_longer_have(store, run):
    run(store, files(a="123", b="12", c="1"))
    report = run(store, files(a="24", b="12"), cleanup="source")
    assert (report.added, report.skipped, report.deleted) == (1, 3, 2)
    assert stored(store) == ["a2", "a4", "b1", "b2", "c1"]
    assert run(store, files(a="24", b="12"), cleanup="source").deleted == 0


def test_full_deletes_all_that_was_not_given(store, run):
    run(store, [*files(a="123", b="12"), Document("no source", id="7")])
    report = run(store, files(a="2", c="1"), cleanup="full")
    assert (report.added, report.skipped, report.deleted) == (1, 1, 5)
    assert stored(store) == ["a2", "c1"]


@pytest.mark.parametrize("cleanup", ["source", "full"])
def test_own_ids_of_any_kind_are_told_apart(store, run, cleanup):
    def documents(ids):
        return [Document(f"text {each}", id=each, metadata={"source": "s"}) for each in ids]

    uuid = "6f0f8c1e-6a0b-4b6e-9c55-0f2f0d6f3c11"
    run(store, documents(["a name", 0, 2**64 - 1, uuid, "other", 5]))
    assert run(store, documents(["a name", 0, 2**64 - 1, uuid]), cleanup=cleanup).deleted == 2
    assert [found.id for found in store.get_by_ids(["a name", 0, 2**64 - 1, uuid, "other", 5])] == [
        "a name",
        "0",
        str(2**64 - 1),
        uuid,
    ]


def test_many_pages_and_many_sources_are_cleaned_up(edge):
    def documents(count):
        for i in range(count):
            yield Document(f"text {i}", metadata={"source": f"file {i % 1200}"})

    ingest(edge, documents(4_800))
    seen = []
    report = ingest(edge, documents(2_400), cleanup="source", on_progress=seen.append)
    assert (report.skipped, report.deleted, edge.count()) == (2_400, 2_400, 2_400)
    assert seen[-1].deleted == 2_400
    report = ingest(edge, documents(10), cleanup="full")
    assert (report.deleted, edge.count()) == (2_390, 10)


def test_another_key_can_hold_the_source(edge, run):
    def documents(*pages):
        return [Document(f"page {page}", metadata={"my file": "x"}) for page in pages]

    options = {"source_key": "my file", "id_keys": ("my file",), "cleanup": "source"}
    run(edge, documents(1, 2, 3), **options)
    assert run(edge, documents(3), **options).deleted == 2
    assert stored(edge) == ["page 3"]


@pytest.mark.parametrize(
    ("source_key", "metadata"),
    [
        ('"file.name"', {"file.name": "x"}),
        ("file.name", {"file": {"name": "x"}}),
        ('meta."my.file".name', {"meta": {"my.file": {"name": "x"}}}),
        ("größe/Datei", {"größe/Datei": "x"}),
    ],
)
def test_the_source_is_found_as_filters_find_it(store, run, source_key, metadata):
    def documents(*pages):
        return [Document(f"page {page}", id=str(page), metadata=metadata) for page in pages]

    options = {"source_key": source_key, "cleanup": "source"}
    run(store, [*documents(1, 2, 3), Document("y", id="9")], on_error="report", **options)
    assert run(store, documents(3), **options).deleted == 2
    assert stored(store) == ["page 3"]


def test_a_dotted_name_that_is_meant_as_one_name_is_told_with_the_way_to_write_it(edge, run):
    documents = [Document("text", id="a", metadata={"file.name": "x"})]
    report = run(edge, documents, cleanup="source", source_key="file.name", on_error="report")
    assert report.failed == {
        "a": "cleanup='source' needs a string in metadata 'file.name', which is nested; put a "
        "name that contains a dot in double quotes"
    }


@pytest.mark.parametrize(
    "source_key", ["", "a.", 'a"b', "a\\b", "tags[]", "parts[0].name", 5, None]
)
def test_a_source_key_that_names_no_field_on_some_engine_is_refused_first(store, run, source_key):
    def documents():
        raise AssertionError("nothing is read")
        yield

    with pytest.raises(ConfigurationError, match="source_key must name one metadata field"):
        run(store, documents(), cleanup="source", source_key=source_key)


@pytest.mark.parametrize("prefer_grpc", [False, True])
def test_a_key_without_the_right_to_an_index_cleans_up_all_the_same(
    run, qdrant_server, prefer_grpc
):
    options = {
        "url": qdrant_server.url,
        "grpc_port": qdrant_server.grpc_port,
        "prefer_grpc": prefer_grpc,
    }
    with create_vector_store(DeterministicFakeEmbedding(size=8), "c", **options) as store:
        run(store, files(a="123"))
        qdrant_server.allow("prw")
        with pytest.warns(UserWarning, match="'source' of collection 'c' is not indexed"):
            report = run(store, files(a="14"), cleanup="source")
        assert (report.complete, report.deleted) == (True, 2)
        assert stored(store) == ["a1", "a4"]


@pytest.mark.parametrize("cleanup", ["source", "full"])
def test_old_passages_go_after_all_new_ones_have_come(run, qdrant_server, cleanup):
    fake = DeterministicFakeEmbedding(size=8)
    with create_vector_store(fake, "c", url=qdrant_server.url) as store:
        run(store, files(a="12345"))
        qdrant_server.clear()
        run(store, files(a="6789", b="1"), cleanup=cleanup, batch_size=1)
    writes = {
        ("PUT", "/collections/c/points"): "stored",
        ("POST", "/collections/c/points/delete"): "deleted",
    }
    sent = [
        (writes[request.method, request.path], len(request.body["points"]))
        for request in qdrant_server.requests
        if (request.method, request.path) in writes
    ]
    points = [kind for kind, count in sent for _ in range(count)]
    assert points == ["stored"] * 5 + ["deleted"] * 5
    assert [kind for kind, _ in sent].count("deleted") == 1


def test_sources_of_failed_documents_are_kept(edge, run):
    run(edge, files(a="12", b="12"))
    nan = Document("new", id="failed", metadata={"source": "a.md", "x": float("nan")})
    with pytest.raises(IngestError) as caught:
        run(edge, [*files(a="1", b="1"), nan], cleanup="source")
    assert (caught.value.report.deleted, list(caught.value.report.failed)) == (1, ["failed"])
    assert stored(edge) == ["a1", "a2", "b1"]
    report = run(edge, [*files(a="1", b="1"), nan], cleanup="full", on_error="report")
    assert report.deleted == 0


def test_a_document_without_a_source_fails_alone(edge, run):
    documents = [*files(a="1"), Document("x", id="lost"), Document("y", metadata={"source": 5})]
    report = run(edge, documents, cleanup="source", on_error="report")
    assert report.added == 1
    assert len(report.failed) == 2
    assert report.failed["lost"] == "cleanup='source' needs a string in metadata 'source'"


@pytest.mark.parametrize("cleanup", ["source", "full"])
def test_an_input_that_breaks_off_deletes_nothing(edge, run, cleanup):
    run(edge, files(a="123"))

    def documents():
        yield from files(a="1")
        raise OSError

    with pytest.raises(IngestError):
        run(edge, documents(), cleanup=cleanup)
    assert stored(edge) == ["a1", "a2", "a3"]


def test_full_without_documents_is_refused_rather_than_emptying_the_collection(edge, run):
    run(edge, files(a="123"))
    with pytest.raises(IngestError, match="would delete all stored documents") as caught:
        run(edge, [], cleanup="full")
    assert (caught.value.report.deleted, edge.count()) == (0, 3)
    assert run(edge, [], cleanup="source").deleted == 0


def test_a_cleanup_that_breaks_off_is_told_and_the_next_run_does_it(run, qdrant_server, clock):
    fake = DeterministicFakeEmbedding(size=8)
    with create_vector_store(fake, "c", url=qdrant_server.url, clock=clock) as store:
        run(store, files(a="123"))
        qdrant_server.fail_next(100, path="/points/delete")
        with pytest.raises(IngestError) as caught:
            run(store, files(a="14"), cleanup="source")
        report = caught.value.report
        assert (report.added, report.deleted, report.complete) == (1, 0, False)
        assert report.stopped.startswith("no answer from Qdrant, RemoteProtocolError")
        qdrant_server.clear()
        assert run(store, files(a="14"), cleanup="source").deleted == 2
        assert stored(store) == ["a1", "a4"]


def test_the_source_is_indexed_unless_it_is(tmp_path, run):
    fake = DeterministicFakeEmbedding(size=8)
    for name, given, expected in (("a", {}, "keyword"), ("b", {"source": "text"}, "text")):
        with create_vector_store(fake, name, path=tmp_path, payload_indexes=given) as store:
            run(store, files(a="123"))
            assert run(store, files(a="1"), cleanup="source").deleted == 2
            schema = store.client.get_collection(name).payload_schema
            assert schema["metadata.source"].data_type.value == expected


def test_points_of_others_in_the_collection_go_with_full_only(edge, run):
    edge.client.upsert("c", [models.PointStruct(id=1, vector=[1.0] * 8, payload={"mine": 1})])
    run(edge, files(a="12"))
    run(edge, files(a="1"), cleanup="source")
    assert edge.count() == 2
    run(edge, files(a="1"), cleanup="full")
    assert edge.count() == 1
