"""Documents as content blocks of chat models."""

from __future__ import annotations

import base64

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage
from langchain_core.messages.block_translators.openai import convert_to_openai_data_block

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media import acontent_blocks, content_blocks
from langchain_gemini_qdrant.media._contents import as_content
from langchain_gemini_qdrant.testing import sample_media

FILES = {
    "dog.png": sample_media.png("a"),
    "dog.jpg": sample_media.jpeg("a"),
    "song.mp3": sample_media.mp3("a"),
    "talk.wav": sample_media.wav("a"),
    "film.mp4": sample_media.mp4("a"),
    "report.pdf": sample_media.pdf("one", "two"),
}
TYPES = {
    "dog.png": ("image", "image/png"),
    "dog.jpg": ("image", "image/jpeg"),
    "song.mp3": ("audio", "audio/mp3"),  # the name that OpenAI knows
    "talk.wav": ("audio", "audio/wav"),
    "film.mp4": ("video", "video/mp4"),
    "report.pdf": ("file", "application/pdf"),
}


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


async def blocks_of(text, media, *, is_async, **options):
    document = Document(text, metadata={"media": media})
    if is_async:
        return await acontent_blocks(document, **options)
    return content_blocks(document, **options)


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_document_is_its_text_and_its_media_in_order(folder, is_async):
    blocks = await blocks_of("A caption", list(FILES), is_async=is_async, root=folder)
    assert blocks[0] == {"type": "text", "text": "A caption"}
    for name, block in zip(FILES, blocks[1:], strict=True):
        assert (block["type"], block["mime_type"]) == TYPES[name]
        assert base64.b64decode(block["base64"]) == FILES[name]
        assert block.get("extras") == ({"filename": name} if name == "report.pdf" else None)


def test_a_document_without_a_text_or_without_media_has_no_block_of_that_kind(folder):
    assert [block["type"] for block in content_blocks(
        Document(" ", metadata={"picture": "dog.png"}), media_key="picture", root=folder
    )] == ["image"]  # fmt: skip
    for media in ({}, {"media": None}, {"media": []}, {"mime_type": ["text/plain"]}):
        assert content_blocks(Document("a", metadata=media)) == [{"type": "text", "text": "a"}]
    assert content_blocks(Document("")) == []


def test_blocks_can_be_embedded_and_sent(folder):
    blocks = content_blocks(Document("a", metadata={"media": list(FILES)}), root=folder)
    message = HumanMessage(content_blocks=blocks)
    assert message.content_blocks == blocks
    for block in blocks[1:]:
        assert as_content(block)
    others = [block for block in blocks if block["type"] in {"file", "audio"}]
    with_openai = [convert_to_openai_data_block(block) for block in others]
    assert [each[each["type"]].get("format") for each in with_openai] == ["mp3", "wav", None]
    assert with_openai[2]["file"]["filename"] == "report.pdf"


def test_a_page_of_a_pdf_is_a_file_of_one_page(folder):
    [block] = content_blocks(Document("", metadata={"media": "report.pdf#page=2"}), root=folder)
    assert (block["type"], block["extras"]) == ("file", {"filename": "report.pdf"})
    assert base64.b64decode(block["base64"]) != FILES["report.pdf"]


@pytest.mark.parametrize(
    ("reference", "metadata", "block"),
    [
        (
            "gs://b/dog.png",
            {},
            {"type": "image", "url": "gs://b/dog.png", "mime_type": "image/png"},
        ),
        (
            "https://h/report.pdf#page=2",
            {},
            {"type": "file", "url": "https://h/report.pdf#page=2", "mime_type": "application/pdf"},
        ),
        (
            "https://h/picture",
            {"mime_type": "image/jpg"},
            {"type": "image", "url": "https://h/picture", "mime_type": "image/jpeg"},
        ),
        (
            ["files/abc"],
            {"mime_type": ["audio/mpeg"]},
            {"type": "audio", "file_id": "files/abc", "mime_type": "audio/mp3"},
        ),
    ],
)
def test_addresses_are_passed_to_the_model(reference, metadata, block):
    assert content_blocks(Document("", metadata={"media": reference, **metadata})) == [block]


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ("gone.png", "^gone.png cannot be read: No such file"),
        ("../secret.png", "is outside media_root"),
        (
            "https://h/picture",
            "'https://h/picture' needs a mime_type in its metadata, one of",
        ),
        ("gs://b/a.ogg", "'gs://b/a.ogg' needs a mime_type in its metadata.*got 'audio/ogg'"),
        (3, "a reference to a medium must be a string that is not blank, got int"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_medium_that_cannot_be_passed_on_is_named(folder, media, message, is_async):
    with pytest.raises(InvalidInputError, match=message):
        await blocks_of("a", media, is_async=is_async, root=folder)
