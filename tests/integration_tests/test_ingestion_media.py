"""Documents with media into a collection: each once, by the bytes of their files."""

from __future__ import annotations

import base64
import os
import shutil

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.rate_limiters import BaseRateLimiter

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.errors import ConfigurationError, IngestError
from langchain_gemini_qdrant.ingestion._lookups import Given
from langchain_gemini_qdrant.media._medium import medium_of_file
from langchain_gemini_qdrant.testing import GeminiEmulator, sample_media


@pytest.fixture(scope="module")
def _running_emulator():
    """One whose vectors cost no time, and mean nothing."""
    with GeminiEmulator(stand_in_vectors=True) as emulator:
        yield emulator


@pytest.fixture
def embeddings(emulator):
    return GeminiEmbeddings(
        api_key=emulator.api_key, base_url=emulator.base_url, output_dimensionality=128
    )


@pytest.fixture
def folder(tmp_path):
    """A folder with ten pictures."""
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(10):
        (folder / f"{number}.png").write_bytes(sample_media.png(f"picture {number}"))
    return folder


@pytest.fixture
def store(client, embeddings, folder):
    """A store of texts and media on each engine in turn."""
    return open_store(embeddings, client, folder)


def open_store(embeddings, client, folder, **options):
    return create_vector_store(
        embeddings, "c", client=client, media_key="media", media_root=folder, **options
    )


def pictures(numbers, *, own_ids=False, **metadata):
    return [
        Document(
            "" if number % 2 else f"Number {number}",
            metadata={"media": f"{number}.png", "source": f"{number}.png", **metadata},
            id=f"picture {number}" if own_ids else None,
        )
        for number in numbers
    ]


def counts(report):
    return report.added, report.updated, report.skipped, len(report.failed), report.texts


def failed(run, store, documents, **options):
    """Return the report of a run that is not complete."""
    return run(store, documents, on_error="report", **options)


# Each once


@pytest.mark.parametrize("own_ids", [False, True])
def test_unchanged_media_send_nothing_and_one_changed_byte_sends_one(
    store, run, emulator, folder, own_ids
):
    given = pictures(range(10), own_ids=own_ids)
    assert counts(run(store, given)) == (10, 0, 0, 0, 10)
    emulator.clear()
    assert counts(run(store, given)) == (0, 0, 10, 0, 0)
    assert emulator.requests == []
    data = bytearray((folder / "3.png").read_bytes())
    data[-1] ^= 1  # of a checksum
    (folder / "3.png").write_bytes(data)
    report = run(store, given, cleanup="source")
    assert counts(report) == ((0, 1, 9, 0, 1) if own_ids else (1, 0, 9, 0, 1))
    assert report.deleted == (0 if own_ids else 1)
    assert store.count() == 10
    assert counts(run(store, given, cleanup="full")) == (0, 0, 10, 0, 0)


def test_changed_metadata_of_media_is_stored_without_embedding(store, run, emulator):
    run(store, pictures(range(4), own_ids=True))
    emulator.clear()
    given = pictures(range(4), own_ids=True, album="summer")
    assert counts(run(store, given)) == (0, 4, 0, 0, 0)
    assert {each.metadata["album"] for each in store.iter_documents()} == {"summer"}
    assert counts(run(store, given)) == (0, 0, 4, 0, 0)
    assert emulator.requests == []


def test_a_renamed_file_is_not_embedded_again(store, run, folder):
    """Without a source, its id depends on its bytes alone."""
    run(store, [Document("", metadata={"media": "1.png"})])
    (folder / "1.png").rename(folder / "new.png")
    report = run(store, [Document("", metadata={"media": "new.png"})])
    assert counts(report) == (0, 1, 0, 0, 0)
    assert [each.metadata["media"] for each in store.iter_documents()] == ["new.png"]


def test_a_text_of_the_same_words_has_an_id_of_its_own(store, run):
    metadata = {"source": "0.png"}
    given = [Document("Number 0", metadata=metadata), *pictures([0])]
    assert counts(run(store, given)) == (2, 0, 0, 0, 2)
    assert counts(run(store, given)) == (0, 0, 2, 0, 0)


@pytest.mark.parametrize("media", [["0.png", "2.png"], "2.png", None])
def test_other_media_of_the_same_id_are_embedded_again(store, run, media):
    first = Document("Numbers", id="one", metadata={"media": ["0.png", "1.png"]})
    run(store, [first])
    changed = Document("Numbers", id="one", metadata={"media": media})
    assert counts(run(store, [changed])) == (0, 1, 0, 0, 1)
    assert counts(run(store, [changed])) == (0, 0, 1, 0, 0)


def test_a_stored_document_that_names_its_media_no_longer_becomes_a_text(store, run):
    run(store, pictures([2], own_ids=True))
    [document] = store.iter_documents()
    del document.metadata["media"]
    assert counts(run(store, [document])) == (0, 1, 0, 0, 1)
    [document] = store.iter_documents()
    assert "media_sha256" not in document.metadata
    assert counts(run(store, [document])) == (0, 0, 1, 0, 0)


def test_media_of_documents_stored_as_texts_are_embedded(client, embeddings, folder, run):
    """Before, the store took the reference for any other metadata."""
    given = [Document(f"text {n}", id=f"{n}", metadata={"media": f"{n}.png"}) for n in range(3)]
    run(create_vector_store(embeddings, "c", client=client), given)
    with_media = open_store(embeddings, client, folder)
    assert counts(run(with_media, given)) == (0, 3, 0, 0, 3)
    assert counts(run(with_media, given)) == (0, 0, 3, 0, 0)


def test_a_changed_title_of_media_is_embedded_again(client, embeddings, folder, run):
    store = open_store(embeddings, client, folder, title_key="title")
    run(store, pictures(range(3), own_ids=True, title="Old"))
    assert counts(run(store, pictures(range(3), own_ids=True, title="New"))) == (0, 3, 0, 0, 3)


# What is known


def test_files_of_documents_known_to_be_stored_are_not_read(store, run, folder, emulator):
    run(store, pictures(range(6)))
    known = [Given(each, is_stored=True) for each in store.iter_documents()]
    emulator.clear()
    shutil.rmtree(folder)
    report = run(store, known[:4], cleanup="full")
    assert (report.skipped, report.deleted) == (4, 2)
    assert emulator.requests == []


def test_media_that_were_looked_at_already_are_read_only_to_be_sent(store, run, folder, emulator):
    medium = medium_of_file(folder / "1.png")
    shown = Document("", metadata={"media": "moved/1.png"})
    assert run(store, [Given(shown, media=(medium,))]).added == 1
    assert emulator.requests[-1].texts[0].media[0].sha256 == medium.digest


def test_vectors_are_copied_from_the_same_text_and_media_alone(store, run):
    run(store, [Document("x", id="one", metadata={"media": "1.png"})])
    same = Given(Document("x", id="two", metadata={"media": "1.png", "n": 2}), other_ids=["one"])
    other = Given(Document("x", id="three", metadata={"media": "2.png"}), other_ids=["one"])
    text = Given(Document("x", id="four"), other_ids=["one"])
    assert counts(run(store, [same, other, text])) == (3, 0, 0, 0, 2)


# Cleanup


def test_stale_media_are_deleted_and_those_of_failed_files_are_kept(store, run, folder):
    run(store, [*pictures(range(6)), Document("a text", metadata={"source": "t"})])
    (folder / "2.png").unlink()
    report = failed(run, store, pictures([1, 2]), cleanup="source")
    assert (report.skipped, report.deleted, [*report.failed]) == (1, 0, ["2.png"])
    assert failed(run, store, pictures([1, 2]), cleanup="full").deleted == 0
    assert run(store, pictures([1, 3]), cleanup="full").deleted == 5
    assert store.count() == 2


def test_the_reference_can_be_the_source(store, run, folder):
    blobs = [Blob.from_path(folder / f"{n}.png") for n in range(4)]
    run(store, blobs, cleanup="source", source_key="media")
    (folder / "0.png").write_bytes(sample_media.png("another"))
    report = run(store, blobs, cleanup="source", source_key="media")
    assert (report.added, report.skipped, report.deleted) == (1, 3, 1)


# Files that cannot be read


def make_gone(path):
    path.unlink()


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def make_empty(path):
    path.write_bytes(b"")


def make_a_text(path):
    path.write_text("no picture at all")


def make_too_long(path):
    path.write_bytes(sample_media.wav("a speech", 200))


def make_outside(path):
    outside = path.parent.parent / "outside.png"
    shutil.move(path, outside)
    path.symlink_to(outside)


@pytest.mark.parametrize(
    "spoil", [make_gone, make_a_folder, make_empty, make_a_text, make_too_long, make_outside]
)
@pytest.mark.parametrize("own_ids", [False, True])
def test_a_file_that_cannot_be_embedded_fails_alone_and_is_named(
    store, run, folder, spoil, own_ids
):
    spoil(folder / "5.png")
    report = failed(run, store, pictures(range(10), own_ids=own_ids))
    assert counts(report) == (9, 0, 0, 1, 9)
    [(name, why)] = report.failed.items()
    assert name == ("picture 5" if own_ids else "5.png")
    assert "5.png" in why
    assert report.stopped is None
    with pytest.raises(IngestError, match=r"'5\.png'|'picture 5'") as raised:
        run(store, pictures(range(10), own_ids=own_ids))
    assert "Run it again" not in str(raised.value)


def test_a_folder_of_vanished_files_does_not_end_the_run(store, run, emulator):
    given = [Document("", metadata={"media": f"gone {n}.png"}) for n in range(1_500)]
    report = failed(run, store, [*given, *pictures([1, 2])])
    assert counts(report) == (2, 0, 0, 1_500, 2)
    assert report.stopped is None
    assert len(emulator.requests) == 1


class Spoiler(BaseRateLimiter):
    """Changes files after they were looked at, before they are sent."""

    def __init__(self, *changes):
        self._changes = list(changes)

    def acquire(self, *, blocking=True):  # noqa: ARG002 - LangChain's
        while self._changes:
            self._changes.pop()()
        return True

    async def aacquire(self, *, blocking=True):  # noqa: ARG002
        return self.acquire()


def test_files_that_vanish_or_change_before_they_are_sent_fail_alone(
    client, embeddings, folder, run
):
    spoiler = Spoiler(
        (folder / "0.png").unlink, lambda: (folder / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n...")
    )
    spoiled = embeddings.model_copy(update={"rate_limiter": spoiler})
    report = failed(run, open_store(spoiled, client, folder), pictures(range(10)))
    assert report.stopped is None
    assert len(report.failed) == 2
    assert all(any(f"{n}.png" in why for n in (0, 1)) for why in report.failed.values())
    assert (report.added, report.texts) == (8, 8)


def test_media_without_a_vector_do_not_look_like_an_outage(store, run, emulator):
    """The API answers so for files that it cannot read: here to 14 requests in a row."""
    emulator.answer_next("no-values", times=None, containing="broken")
    given = [
        Document(f"{'broken' if 6 <= n < 90 else 'fine'} {n}", metadata={"media": f"{n % 10}.png"})
        for n in range(120)
    ]
    report = failed(run, store, given)
    assert counts(report)[:4] == (36, 0, 0, 84)
    assert report.stopped is None
    with pytest.raises(IngestError, match="84 documents failed") as raised:
        run(store, given)
    assert "Run it again" not in str(raised.value)
    emulator.clear()


# Blobs


def test_blobs_of_files_and_of_bytes_are_stored_as_the_store_does(store, run, folder):
    data = sample_media.png("in memory")
    blobs = [
        Blob.from_path(folder / "1.png", metadata={"album": "summer"}),
        Blob.from_data(data, mime_type="image/png", metadata={"source": "memory.png"}),
    ]
    assert counts(run(store, blobs)) == (2, 0, 0, 0, 2)
    assert counts(run(store, blobs)) == (0, 0, 2, 0, 0)
    found = {each.metadata["media"]: each for each in store.iter_documents()}
    assert [*found] == ["1.png", "memory.png"] or [*found] == ["memory.png", "1.png"]
    assert found["1.png"].metadata["album"] == "summer"
    assert all(not each.page_content for each in found.values())
    assert counts(run(store, [Document("", metadata={"media": "1.png", "album": "summer"})])) == (
        (0, 0, 1, 0, 0)
    )


def test_blobs_and_documents_mix_and_wrong_blobs_fail_alone(store, run, folder):
    given = [
        Document("a text"),
        Blob.from_data(b"\x89PNG\r\n\x1a\n...", mime_type="image/png"),
        Blob.from_data("words", metadata={"source": "a.txt"}),
        Blob.from_path(folder / "1.png"),
    ]
    report = failed(run, store, given)
    assert counts(report) == (2, 0, 0, 2, 2)
    assert [*report.failed] == ["document 2", "a.txt"]


def test_blobs_need_a_media_key(client, embeddings, run, folder):
    store = create_vector_store(embeddings, "c", client=client)
    with pytest.raises(IngestError, match="media_key") as raised:
        run(store, [Document("a text"), Blob.from_path(folder / "1.png"), Document("another")])
    assert isinstance(raised.value.__cause__, ConfigurationError)
    assert raised.value.report.added == 1


# Requests and memory


def test_a_thousand_texts_and_pictures_go_in_few_requests_and_once(store, run, emulator, folder):
    for number in range(500):
        (folder / f"{number}.png").write_bytes(sample_media.png(f"p {number}", size=(8, 8)))
    texts = [Document(f"text {n}") for n in range(500)]
    given = [each for pair in zip(texts, pictures(range(500)), strict=True) for each in pair]
    assert counts(run(store, given)) == (1_000, 0, 0, 0, 1_000)
    assert len(emulator.requests) == 84  # 500 pictures, 6 in each
    assert counts(run(store, given)) == (0, 0, 1_000, 0, 0)


def test_requests_with_media_overlap_as_those_of_texts_do(store, run, emulator, folder):
    emulator.latency = 0.05
    for number in range(96):
        (folder / f"{number}.png").write_bytes(sample_media.png(f"p {number}", size=(8, 8)))
    assert run(store, pictures(range(96))).added == 96
    emulator.latency = 0
    assert len(emulator.requests) == 16
    assert max(request.in_flight for request in emulator.requests) == 8


class Counted(Blob):
    """A blob whose living instances are counted."""

    def __init__(self, **fields):
        super().__init__(**fields)
        alive.append(1)

    def __del__(self):
        alive.pop()


alive: list[int] = []


def test_few_blobs_are_held_at_a_time(store, run, emulator):
    """A megabyte each: 64 of them in requests, 16 read ahead, and those in between."""
    emulator.latency = 0.05
    most = 0

    def blobs():
        nonlocal most
        for number in range(200):
            data = b"\x89PNG\r\n\x1a\n" + os.urandom(1_000_000)
            yield Counted(data=data, mimetype="image/png", metadata={"source": f"{number}"})
            most = max(most, len(alive))

    assert run(store, blobs()).added == 200
    emulator.latency = 0
    assert most <= 64 + 16 + 5
    assert not alive


def test_few_data_addresses_are_held_at_a_time(store, run):
    read = 0
    ahead = []

    def documents():
        nonlocal read
        data = base64.b64encode(sample_media.png("a dog", padding=1_000_000)).decode()
        for number in range(60):
            read += 1
            yield Document(f"{number}", metadata={"media": f"data:image/png;base64,{data}"})

    report = run(store, documents(), on_progress=lambda done: ahead.append(read - done.embedded))
    assert report.added == 60
    assert max(ahead) < 40
