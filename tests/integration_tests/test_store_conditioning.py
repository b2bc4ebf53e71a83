"""Texts with the prefix of a task, or as they are: a collection remembers which it has."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from langchain_gemini_qdrant import GeminiEmbeddings, create_vector_store
from langchain_gemini_qdrant.cli import cli
from langchain_gemini_qdrant.errors import CollectionMismatchError
from langchain_gemini_qdrant.testing import sample_media

RAW = "TASK_TYPE_UNSPECIFIED"


@pytest.fixture
def opened(client, emulator):
    def opened(**options):
        embeddings = GeminiEmbeddings(
            api_key=emulator.api_key,
            base_url=emulator.base_url,
            output_dimensionality=768,
            **options,
        )
        return create_vector_store(embeddings, "c", client=client, media_key="media")

    return opened


def entry(store):
    metadata = store.client.get_collection("c").config.metadata
    return metadata["langchain_gemini_qdrant"]["embeddings"][""]


@pytest.mark.parametrize(
    ("options", "conditioning"),
    [
        ({}, "prefix"),
        ({"task_type": "QUESTION_ANSWERING"}, "prefix"),
        ({"task_type": "CLUSTERING"}, "prefix"),
        ({"task_type": RAW}, "raw"),
        ({"model": "gemini-embedding-001"}, None),
    ],
)
def test_a_collection_remembers_how_its_texts_are_sent(opened, options, conditioning):
    store = opened(**options)
    assert entry(store).get("conditioning") == conditioning
    assert opened(**options).count() == 0


@pytest.mark.parametrize(
    ("first", "second", "advice"),
    [
        ({}, {"task_type": RAW}, "task_type=None"),
        ({"task_type": RAW}, {}, f"task_type='{RAW}'"),
        ({"task_type": "CLUSTERING"}, {"task_type": RAW}, "task_type='CLUSTERING'"),
    ],
)
def test_the_other_way_is_refused_with_both_and_the_way_out(opened, first, second, advice):
    opened(**first)
    with pytest.raises(CollectionMismatchError) as raised:
        opened(**second)
    message = str(raised.value)
    assert "conditioning raw" in message
    assert "conditioning prefix" in message
    assert "with the prefix of a task" in message
    assert "as they are" in message
    assert advice in message


@pytest.mark.parametrize("task", [None, RAW])
def test_a_collection_of_an_older_version_is_opened(opened, task):
    store = opened(task_type=task)
    older = {name: value for name, value in entry(store).items() if name != "conditioning"}
    metadata = {"langchain_gemini_qdrant": {"embeddings": {"": older}}}
    store.client.delete_collection("c")
    options = create_vector_store(store.embeddings, "c", client=store.client)
    options.client.update_collection("c", metadata=metadata)
    assert "conditioning" not in entry(store)
    assert opened(task_type=task).count() == 0
    with pytest.raises(CollectionMismatchError, match="pass GeminiEmbeddings"):
        opened(task_type=RAW if task is None else None)


@pytest.mark.parametrize(
    ("task", "sent"), [(None, "task: search result | query: a dog"), (RAW, "a dog")]
)
async def test_raw_queries_are_sent_as_they_are(opened, emulator, tmp_path, twin, task, sent):
    (tmp_path / "dog.png").write_bytes(sample_media.png("a brown dog"))
    store = opened(task_type=task)
    await twin(store, "add_images", [tmp_path / "dog.png"])
    emulator.clear()
    await twin(store, "similarity_search", "a dog")
    assert [text.text for text in emulator.texts] == [sent]
    await store.embeddings.aclose()


def test_it_is_displayed(opened, tmp_path, embeddings):
    assert "conditioning" not in repr(opened())
    assert "media_key='media'" in repr(opened())
    raw = embeddings.model_copy(update={"task_type": RAW})
    with create_vector_store(raw, "c", path=tmp_path / "raw") as store:
        assert "conditioning='raw'" in repr(store)
    place = ["--path", str(tmp_path / "raw"), "--collection", "c"]
    found = CliRunner().invoke(cli, ["info", *place, "--json"])
    assert '"conditioning": "raw"' in found.stdout
