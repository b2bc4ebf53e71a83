"""Adding documents with media: what is embedded, what is stored, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import weakref
from collections import Counter

import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.embeddings import DeterministicFakeEmbedding
from qdrant_client import models

from langchain_gemini_qdrant import GeminiEmbeddings, GeminiQdrantVectorStore, create_vector_store
from langchain_gemini_qdrant.errors import (
    ConfigurationError,
    InvalidInputError,
    PartialWriteError,
)
from langchain_gemini_qdrant.media import content_blocks
from langchain_gemini_qdrant.testing import sample_media

DOG, TOWER = sample_media.png("a brown dog"), sample_media.jpeg("a tall tower")
WHALES = sample_media.wav("whales sing")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "media"
    (folder / "sub").mkdir(parents=True)
    for name, data in {"dog.png": DOG, "sub/tower.jpg": TOWER, "whales.wav": WHALES}.items():
        (folder / name).write_bytes(data)
    (tmp_path / "secret.png").write_bytes(DOG)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "text.png").write_text("this is text")
    return folder


@pytest.fixture
async def embeddings(embeddings):
    yield embeddings
    embeddings.close()
    await embeddings.aclose()


@pytest.fixture
def make(client, embeddings, folder):
    def make(name="c", **options):
        options = {"media_key": "media", "media_root": folder, **options}
        return create_vector_store(embeddings, name, client=client, **options)

    return make


@pytest.fixture
def store(make):
    return make()


async def get(store, twin, *ids):
    return await twin(store, "get_by_ids", list(ids))


# What is embedded and stored


async def test_caption_and_image_are_one_vector(store, twin, emulator):
    documents = [Document("A dog.", metadata={"media": "dog.png"}), Document("no medium")]
    await twin(store, "add_documents", documents, ids=["a", "b"])
    [request] = emulator.requests
    assert len(request.texts) == 2
    [dog, text] = await get(store, twin, "a", "b")
    assert dog.page_content == "A dog."
    assert dog.metadata == {
        "media": "dog.png",
        "media_sha256": sha256(DOG),
        "mime_type": "image/png",
    }
    assert text.metadata == {}
    alone = Blob.from_path(store.collection.layout.media.references.root / "dog.png")
    [both] = await twin(store, "similarity_search_with_score", ["A dog.", alone], k=1)
    assert both[1] == pytest.approx(1.0, abs=1e-5)


async def test_a_list_of_media_is_one_vector_with_lists_beside_it(store, twin):
    references = ["dog.png", "sub/tower.jpg"]
    await twin(store, "add_texts", [""], [{"media": references}], ids=[1])
    [document] = await get(store, twin, 1)
    assert document.page_content == ""
    assert document.metadata == {
        "media": references,
        "media_sha256": [sha256(DOG), sha256(TOWER)],
        "mime_type": ["image/png", "image/jpeg"],
    }


async def test_a_path_object_is_a_reference(store, twin, folder):
    documents = [Document("", metadata={"media": folder / "dog.png"})]
    await twin(store, "add_documents", documents, ids=[1])
    [document] = await get(store, twin, 1)
    assert document.metadata["media"] == str(folder / "dog.png")
    assert document.metadata["media_sha256"] == sha256(DOG)


async def test_a_folder_may_be_called_files(store, twin, folder):
    """The names of the Files API also start so."""
    (folder / "files").mkdir()
    (folder / "files" / "dog.png").write_bytes(DOG)
    await twin(store, "add_media", [Blob.from_path(folder / "files" / "dog.png")], ids=["blob"])
    await twin(store, "add_images", ["files/dog.png"], ids=["image"])
    documents = store.get_by_ids(["blob", "image"])
    for document in documents:
        assert document.metadata["media"] == "files/dog.png"
        [block] = content_blocks(document, root=folder)
        assert base64.b64decode(block["base64"]) == DOG
    assert len({document.metadata["media_sha256"] for document in documents}) == 1


async def test_the_caller_s_metadata_is_not_changed_and_its_mime_type_is_kept(store, twin):
    metadata = {"media": "whales.wav", "mime_type": "audio/x-wav"}
    document = Document("", metadata=metadata)
    await twin(store, "add_documents", [document], ids=[1])
    assert metadata == {"media": "whales.wav", "mime_type": "audio/x-wav"}
    assert document.metadata == metadata
    [stored] = await get(store, twin, 1)
    assert stored.metadata["mime_type"] == "audio/x-wav"


async def test_a_stored_document_can_be_added_again(store, twin, folder):
    await twin(store, "add_documents", [Document("x", metadata={"media": "dog.png"})], ids=["a"])
    (folder / "dog.png").write_bytes(sample_media.png("another dog"))
    [document] = await get(store, twin, "a")
    document.page_content = ""
    await twin(store, "update_documents", ["a"], [document])
    [document] = await get(store, twin, "a")
    assert document.metadata["media_sha256"] == sha256(sample_media.png("another dog"))
    assert await twin(store, "count") == 1


async def test_the_title_is_the_first_line_of_a_caption(make, twin, emulator):
    store = make(title_key="title")
    metadata = {"media": "dog.png", "title": "Rex"}
    await twin(store, "add_documents", [Document("A dog.", metadata=metadata)])
    [sent] = emulator.texts
    assert sent.text.startswith("Rex")
    assert "title:" not in sent.text
    assert sent.text.endswith("A dog.")


@pytest.mark.parametrize("nothing", [None, [], ()])
async def test_a_document_may_name_no_medium(store, twin, nothing):
    await twin(store, "add_documents", [Document("a text", metadata={"media": nothing})], ids=[1])
    with pytest.raises(InvalidInputError, match="blank"):
        await twin(store, "add_documents", [Document("", metadata={"media": nothing})])
    [document] = await get(store, twin, 1)
    assert "media_sha256" not in document.metadata


async def test_many_rows_are_streamed(client, emulator, folder, twin):
    with GeminiEmbeddings(
        api_key=emulator.api_key,
        base_url=emulator.base_url,
        output_dimensionality=768,
        batch_size=4,
    ) as embeddings:
        store = create_vector_store(
            embeddings, "c", client=client, media_key="media", media_root=folder
        )
        texts = [f"text {i}" if i % 2 else "" for i in range(20)]
        metadatas = [{} if i % 2 else {"media": "dog.png"} for i in range(20)]
        await twin(store, "add_texts", texts, metadatas, ids=list(range(20)))
        assert await twin(store, "count") == 20
        assert await twin(store, "count", {"mime_type": "image/png"}) == 10
        await embeddings.aclose()


# What is refused


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("../secret.png", "outside media_root"),
        ("link.png", "outside media_root"),
        ("sub/../../secret.png", "outside media_root"),
        ("/etc/hostname", "outside media_root"),
        ("gone.png", "gone.png"),
        ("sub", "sub"),
        ("", "''"),
        ("text.png", "text.png"),
        ("https://example.com/dog.png", "https://example.com/dog.png"),
        (5, "int"),
        ({"path": "dog.png"}, "dict"),
        (["dog.png", None], "NoneType"),
        (["dog.png"] * 7, "7"),
    ],
)
async def test_wrong_references_are_refused_by_index(store, twin, emulator, reference, message):
    documents = [
        Document("a text"),
        Document("x", metadata={"media": "dog.png"}),
        Document("", metadata={"media": reference}),
        Document("y", metadata={"media": "gone as well.png"}),
    ]
    with pytest.raises(InvalidInputError, match="the first at index 2") as raised:
        await twin(store, "add_documents", documents)
    assert message in str(raised.value)
    assert raised.value.indices == (2, 3)
    assert emulator.requests == []
    assert await twin(store, "count") == 0


async def test_a_given_mime_type_must_be_that_of_the_bytes(store, twin):
    metadata = {"media": "dog.png", "mime_type": "audio/wav"}
    with pytest.raises(InvalidInputError, match="image/png"):
        await twin(store, "add_texts", [""], [metadata])


async def test_ids_metadata_and_media_are_checked_together(store, twin):
    documents = [
        Document("", metadata={"media": "gone.png"}),
        Document("x", metadata={"wrong": object()}),
    ]
    with pytest.raises(InvalidInputError, match="2 of 2") as raised:
        await twin(store, "add_documents", documents)
    assert raised.value.indices == (0, 1)


async def test_a_blob_s_mime_type_must_be_that_of_its_bytes(store, twin):
    for options in ({"mime_type": "audio/wav"}, {"metadata": {"mime_type": "audio/wav"}}):
        blob = Blob.from_data(DOG, path="dog.png", **options)
        with pytest.raises(InvalidInputError, match="image/png"):
            await twin(store, "add_media", [blob])


async def test_an_older_model_is_refused_before_anything_is_sent(client, emulator, folder, twin):
    embeddings = GeminiEmbeddings(
        model="gemini-embedding-001", api_key=emulator.api_key, base_url=emulator.base_url
    )
    store = create_vector_store(
        embeddings, "c", client=client, media_key="media", media_root=folder
    )
    with pytest.raises(ConfigurationError, match="gemini-embedding-2"):
        await twin(store, "add_images", ["dog.png"])
    with pytest.raises(ConfigurationError, match="gemini-embedding-2"):
        await twin(store, "similarity_search_by_image", "dog.png")
    assert emulator.requests == []
    await embeddings.aclose()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"media_key": ""}, "media_key"),
        ({"media_key": 3}, "media_key"),
        ({"media_key": "mime_type"}, "mime_type"),
        ({"media_root": "no such folder"}, "media_root must be a folder"),
        ({"media_root": ""}, "media_root must be a folder"),
        ({"media_root": 3}, "media_root must be a folder"),
        ({"fetch_media": "example.com"}, "list of names of hosts"),
        ({"fetch_media": [["example.com"]]}, "list of names of hosts"),
        ({"media_key": None}, "media_key='media'"),
        ({"media_key": None, "media_root": None, "fetch_media": True}, "media_key='media'"),
        ({"metadata_payload_key": "", "content_payload_key": "media"}, "'media'"),
        ({"metadata_payload_key": "", "content_payload_key": "mime_type"}, "'mime_type'"),
    ],
)
def test_wrong_options_are_refused_on_opening(make, client, options, message):
    with pytest.raises(ConfigurationError, match=message):
        make(**options)
    assert not client.collection_exists("c")


def test_media_need_gemini_embeddings(client):
    with pytest.raises(ConfigurationError, match="GeminiEmbeddings"):
        create_vector_store(
            DeterministicFakeEmbedding(size=8), "c", client=client, media_key="media"
        )


def test_every_way_of_opening_takes_the_options(client, embeddings, folder):
    media = {"media_key": "media", "media_root": str(folder), "fetch_media": True}
    dog = Document("", metadata={"media": "dog.png"})
    made = [
        GeminiQdrantVectorStore.from_documents(
            [dog], embeddings, client=client, collection_name="c", **media
        ),
        GeminiQdrantVectorStore.from_existing_collection("c", embeddings, client=client, **media),
        GeminiQdrantVectorStore.construct_instance(
            embeddings, client_options={"client": client, **media}, collection_name="c"
        ),
        GeminiQdrantVectorStore(client, "c", embeddings, **media),
    ]
    for store in made:
        assert store.media_key == "media"
        store.add_images(["dog.png"], ids=["same"])
    assert made[0].count() == 2


# Payloads of others


async def test_metadata_next_to_the_text(make, twin):
    store = make(metadata_payload_key="", content_payload_key="text")
    await twin(store, "add_documents", [Document("x", metadata={"media": "dog.png"})], ids=["a"])
    [record] = store.client.scroll("c")[0]
    assert {"text", "media", "media_sha256", "mime_type"} < record.payload.keys()
    [document] = await get(store, twin, "a")
    assert document.metadata["media_sha256"] == sha256(DOG)
    with pytest.raises(InvalidInputError, match="text"):
        await twin(store, "add_documents", [Document("x", metadata={"text": 1})])


async def test_a_field_that_is_no_reference_is_left_alone_when_read(store, twin):
    payload = {"page_content": "from elsewhere", "metadata": {"media": {"kind": "tv"}}}
    store.client.upsert("c", [models.PointStruct(id=1, vector={"": [1.0] * 768}, payload=payload)])
    [document] = await twin(store, "similarity_search", "x", k=1)
    assert document.metadata == {"media": {"kind": "tv"}}


# Blobs and images


async def test_blobs_are_stored_under_their_paths_within_the_root(store, twin, folder):
    blobs = (Blob.from_path(folder / name) for name in ("dog.png", "sub/tower.jpg"))
    ids = await twin(store, "add_media", blobs)
    found = await get(store, twin, *ids)
    assert [document.metadata["media"] for document in found] == ["dog.png", "sub/tower.jpg"]
    assert [document.metadata["media_sha256"] for document in found] == [sha256(DOG), sha256(TOWER)]
    assert {document.page_content for document in found} == {""}
    again = await twin(store, "similarity_search_by_image", found[0].metadata["media"], k=1)
    assert again[0].id == found[0].id


async def test_bytes_in_memory_are_embedded_and_only_their_source_is_stored(store, twin):
    metadata = {"source": "https://example.com/1.wav", "tags": ["a"]}
    blob = Blob.from_data(WHALES, mime_type="audio/wav", metadata=metadata)
    assert await twin(store, "add_media", [blob], ids=["w"]) == ["w"]
    [document] = await get(store, twin, "w")
    assert document.metadata == {
        **metadata,
        "media": "https://example.com/1.wav",
        "media_sha256": sha256(WHALES),
        "mime_type": "audio/wav",
    }
    [(_, score)] = await twin(store, "similarity_search_with_score", blob, k=1)
    assert score == pytest.approx(1.0, abs=1e-5)


async def test_blobs_may_come_from_an_async_generator(store, folder):
    async def blobs():
        yield Blob.from_path(folder / "dog.png")
        yield Blob.from_path(folder / "whales.wav")

    assert (await store.aadd_media(blobs(), ids=[1, None]))[0] == 1
    assert await store.acount() == 2


@pytest.mark.slow
async def test_media_over_grpc(engine, embeddings, folder, twin):
    store = create_vector_store(
        embeddings, "c", client=engine("grpc"), media_key="media", media_root=folder
    )
    references = [["dog.png", "sub/tower.jpg"], "whales.wav"]
    metadatas = [{"media": each} for each in references]
    await twin(store, "add_texts", ["two", ""], metadatas, ids=[1, 2])
    found = await twin(store, "similarity_search_by_image", "whales.wav", k=2)
    assert [document.metadata["media"] for document in found] == references[::-1]


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (Blob.from_data(DOG), "names no source"),
        (Blob.from_data(DOG, metadata={"source": "data:image/png;base64,AA=="}), "names no source"),
        (
            Blob.from_data("Hello.", metadata={"source": "a.txt"}),
            "a.txt is a text, and no medium: add it as a Document",
        ),
        (Blob.from_data(b"text", metadata={"source": "x"}), "x"),
        (Blob.from_data(b"", metadata={"source": "x"}), "empty"),
        (Blob(path="/etc/hostname"), "outside media_root"),
        ("dog.png", "Blobs"),
        (None, "Blobs"),
    ],
)
async def test_wrong_blobs_are_refused_by_index(store, twin, folder, emulator, blob, message):
    with pytest.raises(InvalidInputError, match=message) as raised:
        await twin(store, "add_media", [Blob.from_path(folder / "dog.png"), blob])
    assert raised.value.indices == (1,)
    assert emulator.requests == []


async def test_a_store_without_a_media_key_says_how_to_open_it(client, embeddings, twin, folder):
    store = create_vector_store(embeddings, "c", client=client)
    with pytest.raises(ConfigurationError, match="media_key='media'"):
        await twin(store, "add_media", [Blob.from_path(folder / "dog.png")])
    with pytest.raises(ConfigurationError, match="media_key='media'"):
        await twin(store, "add_images", ["dog.png"])


async def test_a_single_blob_or_path_is_refused(store, twin, folder):
    with pytest.raises(InvalidInputError, match="list"):
        await twin(store, "add_media", Blob.from_path(folder / "dog.png"))
    with pytest.raises(InvalidInputError, match="list"):
        await twin(store, "add_images", "dog.png")


async def test_images_have_chroma_s_arguments(store, twin, folder):
    uris, metadatas = ["dog.png", folder / "sub" / "tower.jpg"], [{"n": 1}, None]
    assert await twin(store, "add_images", uris, metadatas, ["a", "b"]) == ["a", "b"]
    [dog, tower] = await get(store, twin, "a", "b")
    assert dog.metadata["n"] == 1
    assert tower.metadata["media_sha256"] == sha256(TOWER)
    with pytest.raises(InvalidInputError, match="same count"):
        await twin(store, "add_images", uris, [{}])
    with pytest.raises(InvalidInputError, match="index 1"):
        await twin(store, "add_images", ["dog.png", None])


async def test_ids_must_fit_the_blobs(store, twin, folder):
    blob = Blob.from_path(folder / "dog.png")
    for ids in (["a"], ["a", "b", "c"]):
        with pytest.raises(InvalidInputError, match="ids"):
            await twin(store, "add_media", [blob, blob], ids=ids)
    assert await twin(store, "count") == 0


def images(number, size_bytes):
    for i in range(number):
        data = sample_media.png(f"image {i}", padding=size_bytes)
        yield Blob.from_data(data, metadata={"source": f"{i}.png"})


@pytest.mark.slow
async def test_what_is_stored_before_a_failure_is_told(store, twin):
    def blobs():
        yield from images(70, 2**20)  # the first 64 MB are a batch
        raise OSError("the disk is gone")

    with pytest.raises(PartialWriteError) as raised:
        await twin(store, "add_media", blobs(), ids=[f"{i}" for i in range(99)])
    assert isinstance(raised.value.__cause__, OSError)
    assert 60 <= len(raised.value.written) <= 64
    assert len(raised.value.written) + len(raised.value.missing) == 70
    assert await twin(store, "count") == len(raised.value.written)


@pytest.mark.slow
async def test_only_a_batch_of_a_generator_is_in_memory(store, twin):
    ended, most = Counter(), 0

    def watched():
        nonlocal most
        for number, blob in enumerate(images(150, 2**20), 1):
            weakref.finalize(blob, ended.update, ["blobs"])
            most = max(most, number - ended["blobs"])
            yield blob

    await twin(store, "add_media", watched())
    assert await twin(store, "count") == 150
    assert most <= 66


async def test_bytes_in_a_data_address_are_embedded_and_never_stored(store, twin, emulator):
    address = f"data:image/png;base64,{base64.b64encode(DOG).decode()}"
    await twin(store, "add_texts", ["one"], [{"media": address}], ids=["1"])
    await twin(store, "add_texts", ["both"], [{"media": [address, "sub/tower.jpg"]}], ids=["2"])
    assert [medium.sha256 for medium in emulator.requests[-1].texts[0].media] == [
        sha256(DOG),
        sha256(TOWER),
    ]
    one, both = await twin(store, "get_by_ids", ["1", "2"])
    assert one.metadata["media"] == f"sha256:{sha256(DOG)}"
    assert both.metadata["media"] == [f"sha256:{sha256(DOG)}", "sub/tower.jpg"]
    with pytest.raises(InvalidInputError, match="stands for bytes that were given as a data:"):
        await twin(store, "add_documents", [one])
