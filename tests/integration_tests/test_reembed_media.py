"""A collection of texts and media, embedded again, and moved, on each engine."""

from __future__ import annotations

import http.server

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_qdrant import RetrievalMode
from qdrant_client import QdrantClient, models

from langchain_gemini_qdrant import (
    EdgeBm25,
    GeminiEmbeddings,
    IngestError,
    create_vector_store,
    migrate,
    reembed,
)
from langchain_gemini_qdrant.errors import ConfigurationError
from langchain_gemini_qdrant.testing import sample_media
from tests.integration_tests.loopback import serving
from tests.integration_tests.reembedding import Reembedding

NEW = "old-gemini-embedding-2-128"


@pytest.fixture
def new_embeddings(emulator):
    return make_embeddings(emulator)


def make_embeddings(emulator, **options):
    reached = {"api_key": emulator.api_key, "base_url": emulator.base_url}
    return GeminiEmbeddings(**reached, **{"output_dimensionality": 128, **options})


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.png").write_bytes(sample_media.png(f"picture {number}"))
    return folder


@pytest.fixture
def store(client, embeddings, folder):
    """Eight pictures, half of them with captions, one document of two, and eight texts."""
    store = open_store(client, embeddings, folder)
    pictures = [
        Document("" if n % 2 else f"caption {n}", id=f"p{n}", metadata={"media": f"{n}.png"})
        for n in range(8)
    ]
    both = Document("both", id="both", metadata={"media": ["0.png", "1.png"]})
    texts = [Document(f"text {n}", id=f"t{n}", metadata={"n": n}) for n in range(8)]
    store.add_documents([*pictures, both, *texts])
    return store


def open_store(client, embeddings, folder, **options):
    return create_vector_store(
        embeddings, "old", client=client, media_key="media", media_root=folder, **options
    )


@pytest.fixture
def again(call):
    """Embed a collection again, also where its vectors could be shortened."""

    def again(store, *args, **options):
        return call(Reembedding(store, reuse_vectors=False), "reembed", *args, **options)

    return again


def points(client, name):
    records, _ = client.scroll(name, limit=1_000, with_vectors=True)
    return {record.id: record for record in records}


def test_media_and_texts_get_new_vectors_and_keep_their_payloads(
    store, again, new_embeddings, folder
):
    report = again(store, new_embeddings)
    assert report.collection_name == NEW
    assert (report.ingest.added, report.ingest.texts, report.ingest.complete) == (17, 17, True)
    assert {*report.ingest.tokens_by_modality} == {"TEXT", "IMAGE"}
    old, new = points(store.client, "old"), points(store.client, NEW)
    assert {key: each.payload for key, each in old.items()} == {
        key: each.payload for key, each in new.items()
    }
    [first] = report.store.similarity_search_by_image(str(folder / "3.png"), k=1)
    assert first.metadata["media"] == "3.png"
    assert report.store.media_key == "media"


def test_a_second_run_reads_no_file_and_sends_nothing(
    store, again, new_embeddings, emulator, folder
):
    again(store, new_embeddings)
    emulator.clear()
    for path in folder.iterdir():
        path.unlink()
    assert again(store, new_embeddings).ingest.texts == 0
    assert emulator.requests == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("reads_media", [True, False])
def test_stored_vectors_of_media_are_shortened_without_their_files(
    again, new_embeddings, emulator, folder, client, embeddings, reads_media
):
    """The vectors are those that the API sends for the same files, captions and texts."""
    options = {"media_key": "media", "media_root": folder} if reads_media else {}
    opened = create_vector_store(embeddings, "old", client=client, **options)
    embedded = again(opened, new_embeddings, collection_name="embedded") if reads_media else None
    emulator.clear()
    for path in folder.iterdir():
        path.unlink()
    report = again(opened, new_embeddings, reuse_vectors=None)
    assert (report.vectors_reused, emulator.requests) == (17, [])
    if embedded is not None:
        one, other = points(client, "embedded"), points(client, NEW)
        assert one.keys() == other.keys()
        for key, record in one.items():
            assert other[key].vector == pytest.approx(record.vector, abs=1e-6)


@pytest.mark.usefixtures("store")
def test_files_that_are_gone_or_changed_are_named_and_nothing_is_switched(
    again, new_embeddings, folder, emulator, client, embeddings
):
    create = models.CreateAlias(collection_name="old", alias_name="live")
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])
    live = create_vector_store(
        embeddings, "live", client=client, media_key="media", media_root=folder
    )
    kept = (folder / "3.png").read_bytes()
    (folder / "3.png").unlink()
    (folder / "5.png").write_bytes(sample_media.png("another"))
    with pytest.raises(IngestError, match="no alias was switched") as raised:
        again(live, new_embeddings)
    report = raised.value.report
    assert {name: why.split()[0].strip("'") for name, why in report.failed.items()} == {
        "p3": "3.png",
        "p5": "5.png",
    }
    assert (report.added, report.stopped) == (15, None)
    aliases = client.get_aliases().aliases
    assert [(each.alias_name, each.collection_name) for each in aliases] == [("live", "old")]
    # The same call resumes it.
    (folder / "3.png").write_bytes(kept)
    live.update_documents(
        ids=["p5"], documents=[Document("", id="p5", metadata={"media": "5.png"})]
    )
    emulator.clear()
    assert again(live, new_embeddings).ingest.texts == 2
    [alias] = client.get_aliases().aliases
    assert (alias.alias_name, alias.collection_name) == ("live", "live-gemini-embedding-2-128")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "gemini-embedding-001"}, "'gemini-embedding-001' embeds texts only"),
        ({"backend": "grpc", "base_url": "127.0.0.1:1"}, "backend='grpc' sends texts only"),
        (None, "DeterministicFakeEmbedding embeds texts only"),
    ],
)
def test_embeddings_of_texts_alone_are_refused_before_anything_is_paid_for(
    store, again, emulator, options, words
):
    new = DeterministicFakeEmbedding(size=8)
    if options is not None:
        reached = {"api_key": emulator.api_key, "base_url": emulator.base_url}
        new = GeminiEmbeddings(**{**reached, "output_dimensionality": 128, **options})
    emulator.clear()
    with pytest.raises(ConfigurationError, match=words) as raised:
        again(store, new)
    assert "has documents with media" in str(raised.value)
    assert emulator.requests == []
    assert [each.name for each in store.client.get_collections().collections] == ["old"]


def test_without_media_a_store_of_media_takes_any_embeddings(
    client, embeddings, folder, again, emulator
):
    store = open_store(client, embeddings, folder)
    store.add_texts(["one", "two"])
    report = again(store, make_embeddings(emulator, model="gemini-embedding-001"))
    assert report.ingest.added == 2
    assert report.store.media_key is None


@pytest.mark.usefixtures("store")
def test_points_of_media_are_not_embedded_from_their_captions(
    again, new_embeddings, client, embeddings
):
    """A store without a `media_key` cannot read them."""
    with pytest.raises(IngestError, match="media_key") as raised:
        again(create_vector_store(embeddings, "old", client=client), new_embeddings)
    report = raised.value.report
    assert {*report.failed} == {"both", *(f"p{n}" for n in range(8))}
    assert report.added == 8


def test_texts_stored_before_they_named_media_stay_texts(
    client, embeddings, folder, again, new_embeddings
):
    """Their vectors were made from texts, and so are the new ones."""
    plain = create_vector_store(embeddings, "old", client=client)
    plain.add_texts(["a text"], [{"media": "0.png"}])
    report = again(open_store(client, embeddings, folder), new_embeddings)
    assert {*report.ingest.tokens_by_modality} == {"TEXT"}
    assert report.ingest.complete


def test_bytes_that_were_never_in_a_file_are_named(client, embeddings, folder, again, emulator):
    store = open_store(client, embeddings, folder)
    data = sample_media.png("in memory")
    blob = Blob.from_data(data, mime_type="image/png", metadata={"source": "memory.png"})
    [name] = store.add_media([blob])
    with pytest.raises(IngestError, match=r"memory\.png") as raised:
        again(store, make_embeddings(emulator))
    assert [*raised.value.report.failed] == [name]


def test_the_new_collection_remembers_how_texts_are_sent(store, again, emulator, client):
    raw = make_embeddings(emulator, task_type="TASK_TYPE_UNSPECIFIED")
    again(store, raw)
    entry = client.get_collection(NEW).config.metadata["langchain_gemini_qdrant"]["embeddings"][""]
    assert entry["conditioning"] == "raw"


def test_sparse_vectors_of_captions_stay(client, embeddings, folder, again, new_embeddings):
    hybrid = {"sparse_embedding": EdgeBm25(), "retrieval_mode": RetrievalMode.HYBRID}
    store = open_store(client, embeddings, folder, **hybrid)
    store.add_documents(
        [
            Document("a dog", id="1", metadata={"media": "0.png"}),
            Document("", id="2", metadata={"media": "1.png"}),
        ]
    )
    again(store, new_embeddings)
    old, new = points(store.client, "old"), points(store.client, NEW)
    assert new[1].vector["langchain-sparse"] == old[1].vector["langchain-sparse"]
    assert "langchain-sparse" not in new[2].vector


@pytest.mark.filterwarnings("ignore:collection 'old' of the target:UserWarning")
def test_a_migration_copies_media_as_they_are(store, embeddings, folder):
    target = QdrantClient(":memory:")
    report = migrate(store.client, target, "old")
    assert (report.added, report.total) == (17, 17)
    old, new = points(store.client, "old"), points(target, "old")
    assert {key: each.payload for key, each in old.items()} == {
        key: each.payload for key, each in new.items()
    }
    copy = open_store(target, embeddings, folder)
    [found] = copy.similarity_search_by_image(str(folder / "3.png"), k=1)
    assert found.metadata["media"] == "3.png"
    target.close()


class Pictures(http.server.BaseHTTPRequestHandler):
    """Serves a picture for each path."""

    def do_GET(self):
        self.server.asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sample_media.png(self.path, size=(8, 8)))

    def log_message(self, *args):
        pass


def test_few_fetched_media_are_in_memory_at_a_time(emulator):
    """They are fetched as they are sent, and not all that were looked up together."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.asked = 0
    held = []

    def count(_progress):
        sent = sum(len(request.body["requests"]) for request in emulator.requests)
        held.append(server.asked - sent)

    with serving(server):
        old = make_embeddings(emulator, max_concurrency=1)
        options = {"media_key": "media", "fetch_media": ["127.0.0.1"], "location": ":memory:"}
        store = create_vector_store(old, "old", **options)
        address = f"http://127.0.0.1:{server.server_port}"
        store.add_images([f"{address}/{n}.png" for n in range(90)])
        emulator.clear()
        server.asked = 0
        new = make_embeddings(emulator, max_concurrency=1, output_dimensionality=256)
        report = reembed(store, new, on_progress=count)
    assert report.ingest.added == server.asked == 90
    assert max(held) <= 30
