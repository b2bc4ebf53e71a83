"""What may become one vector, and what is refused, with advice."""

from __future__ import annotations

import base64
import copy
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages.content import create_file_block, create_image_block

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._contents import as_content
from langchain_gemini_qdrant.media._medium import Medium, medium_of_bytes, medium_of_file
from langchain_gemini_qdrant.testing import sample_media

PNG = sample_media.png("a dog")
MP3 = sample_media.mp3("a song")
MP4 = sample_media.mp4("a film")
PDF = sample_media.pdf("one", "two")
PNG64 = base64.b64encode(PNG).decode()
IMAGE = medium_of_bytes(PNG)
# bytes whose base64 has characters of both alphabets
ODD = PNG + b"\xfb\xef\xff\xfe"
ODD64 = base64.b64encode(ODD).decode()


def test_texts_stay_texts_also_those_that_look_like_something_else():
    for text in (
        "",
        "  ",
        "dog.png",
        "/etc/passwd",
        "https://example.com/dog.png",
        "gs://bucket/dog.png",
        "data: the new oil;base64, they say",
        "data:image/png;base64,AAAA is a data: URI",
        "data:text/plain,hello",
        "Ünïcode 🐕",
    ):
        assert as_content(text) is text


@pytest.mark.parametrize(
    "text", [f"data:image/png;base64,{PNG64}", "DATA:a/b;charset=x;base64,%41"]
)
@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: ["a", text]])
def test_a_data_uri_is_not_a_text(text, wrap):
    with pytest.raises(
        InvalidInputError, match=r"^a text is a data: URI.* pass a Blob, or the con"
    ):
        as_content(wrap(text))


@pytest.mark.parametrize(
    "value", ["\ud800", ["\ud83d"], {"type": "text", "text": "a\udfff"}, [IMAGE, "\ud800"]]
)
def test_half_of_a_surrogate_pair_is_refused(value):
    with pytest.raises(InvalidInputError, match="half of a surrogate pair"):
        as_content(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], "a\nb"),
        (("a", " "), "a"),
        (["", "\n"], ""),
        ({"type": "text", "text": "a"}, "a"),
        ({"type": "text-plain", "text": "a", "mime_type": "text/plain"}, "a"),
        ({"type": "text", "source_type": "text", "text": "a"}, "a"),
        (Blob.from_data("words"), "words"),
        (Blob.from_data("words", mime_type="text/markdown"), "words"),
        ([IMAGE], (IMAGE,)),
        (["", IMAGE, " \n", "a dog"], (IMAGE, "a dog")),
        (Blob.from_data(PNG), (IMAGE,)),
        ([Blob.from_data(PNG, mime_type="image/png"), "a dog"], (IMAGE, "a dog")),
    ],
)
def test_a_sequence_is_one_content_without_its_blank_texts(value, expected):
    assert as_content(value) == expected


@pytest.mark.parametrize(
    "block",
    [
        create_image_block(base64=PNG64, mime_type="image/png"),
        {"type": "image", "base64": PNG64},
        {"type": "file", "base64": PNG64, "mime_type": "image/png"},
        {"type": "image", "base64": base64.encodebytes(PNG).decode()},
        {"type": "image", "base64": PNG64.rstrip("=")},
        {"type": "image", "url": f"data:image/png;base64,{PNG64}"},
        {"type": "image", "url": "data:;base64," + PNG64.replace("+", "%2B")},
        {"type": "image", "url": "data:image/png," + "".join(f"%{byte:02x}" for byte in PNG)},
        {"type": "image", "source_type": "base64", "data": PNG64, "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG64}"}},
        {"type": "image_url", "image_url": f"data:image/png;base64,{PNG64}"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PNG64}"},
        {"type": "media", "data": PNG64, "mime_type": "image/png"},
        {"type": "media", "data": PNG, "mime_type": "image/png"},
    ],
)
def test_an_image_may_come_in_each_form_of_langchain(block):
    assert as_content(block) == (IMAGE,)


def test_other_media_may_come_as_blocks():
    song = {"type": "input_audio", "input_audio": {"data": base64.b64encode(MP3).decode()}}
    film = {"type": "video", "base64": base64.b64encode(MP4).decode(), "mime_type": "video/mp4"}
    file = create_file_block(base64=base64.b64encode(PDF).decode(), mime_type="application/pdf")
    assert [medium.modality for medium in as_content([song, film, file])] == [
        "AUDIO",
        "VIDEO",
        "DOCUMENT",
    ]
    safe = base64.urlsafe_b64encode(ODD).decode()
    assert safe != ODD64
    [medium] = as_content({"type": "image", "base64": safe})
    assert medium.read() == ODD


@pytest.mark.parametrize(
    ("block", "uri", "mime_type"),
    [
        ({"type": "image", "url": "gs://b/dog.png"}, "gs://b/dog.png", "image/png"),
        ({"type": "file", "file_id": "files/x", "mime_type": "audio/mp3"}, "files/x", "audio/mpeg"),
        (
            {"type": "media", "file_uri": "gs://b/x", "mime_type": "video/mp4"},
            "gs://b/x",
            "video/mp4",
        ),
        (
            {"type": "file", "source_type": "id", "id": "files/x", "mime_type": "application/pdf"},
            "files/x",
            "application/pdf",
        ),
    ],
)
def test_addresses_that_the_api_reads_are_passed_on(block, uri, mime_type):
    [medium] = as_content(block)
    assert (medium.uri, medium.mime_type, medium.size_bytes) == (uri, mime_type, 0)
    with pytest.raises(InvalidInputError, match="is an address, whose bytes only the API reads"):
        medium.read()


class Image:
    __module__ = "PIL.Image"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "a content must be a string, a Blob or a content block, or a sequence of"),
        (3, "got int"),
        (PNG, r"got bytes: pass Blob.from_data\(data, mime_type=...\)"),
        ([bytearray(PNG)], "got bytearray: pass Blob.from_data"),
        (memoryview(PNG), "got memoryview: pass Blob.from_data"),
        (Path("dog.png"), r"got PosixPath: pass Blob.from_path\(path\)"),
        (Document("a"), "got Document: pass its page_content, or add it to a store"),
        ([["a"]], "got list: a content is one flat sequence, so put the inner values"),
        (np.zeros((2, 2, 3)), "got ndarray: pass Blob.from_data with the bytes of a PNG or JPEG"),
        (Image(), "got Image: pass Blob.from_data with the bytes of a PNG or JPEG file"),
        ({"a"}, "got set"),
        ([], "a content is empty: it needs a text or a medium"),
        ((), "a content is empty"),
        ({}, "a content block of type 'None' cannot be embedded: the types are text, image, audio"),
        ({"type": "tool_call", "name": "a"}, "a content block of type 'tool_call' cannot be"),
        ({"type": ["image"], "base64": PNG64}, "a content block of type"),
        ({"type": "text", "text": None}, "a content block of type 'text' cannot"),
        ({"type": "image"}, "of type 'image' needs one of base64, url and file_id, got none"),
        ({"type": "image", "base64": PNG64, "url": "gs://a"}, "got base64 and url"),
        ({"type": "image", "base64": PNG}, "must be strings, got bytes and NoneType"),
        ({"type": "image", "base64": PNG64, "mime_type": 3}, "must be strings, got str and int"),
        ({"type": "image", "base64": "*"}, "the base64 of a medium is not valid"),
        ({"type": "image", "base64": "é"}, "the base64 of a medium is not valid"),
        ({"type": "image", "base64": ""}, "a medium is empty"),
        ({"type": "image", "base64": PNG64, "mime_type": "image/jpeg"}, "is image/jpeg by"),
        ({"type": "audio", "base64": PNG64}, "a content block of type 'audio' is image/png"),
        ({"type": "image", "url": "https://example.com/a.png"}, "which the API does not read:"),
        ({"type": "image", "url": "dog.png"}, "has the address 'dog.png', which the API does not"),
        ({"type": "image", "url": "data:image/png;base64"}, "is not a data: URI: it has no comma"),
        ({"type": "file", "url": "gs://bucket/object"}, "gs://bucket/object needs a mime_type"),
        ({"type": "file", "url": "gs://b/a.ogg"}, "gs://b/a.ogg is audio/ogg, which gemini-embed"),
        ({"type": "image_url", "image_url": {}}, "needs one of base64, url and file_id"),
        ({"type": "image", "source_type": "odd", "data": "a"}, "needs one of base64, url and"),
        (Blob.from_data("a", mime_type="image/png"), "is image/png and has its data as a string"),
        (Blob(data=None), "a Blob has no bytes"),
        (Blob.from_data(b"", path="a.png"), "^a.png is empty"),
        (Blob.from_data(b"word", mime_type="text/plain"), "is text/plain by its MIME type, and no"),
        (Blob.from_path("/nowhere/a.png"), "^/nowhere/a.png cannot be read: No such file"),
        (Blob.from_path("/"), "^/ is a folder: name the files in it"),
        (Blob.from_path("/dev/zero"), "^/dev/zero is not a regular file"),
        (Blob(path="a\0b"), "^a\0b is no path of a file: embedded null byte"),
    ],
)  # fmt: skip
def test_what_cannot_be_embedded_is_refused_with_advice(value, message):
    with pytest.raises(InvalidInputError, match=message):
        as_content(value)


def test_a_long_address_is_cut_in_messages():
    with pytest.raises(InvalidInputError) as caught:
        as_content({"type": "image", "url": "data:" + "A" * 100_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([IMAGE] * 7, "a content has 7 images, and the model takes at most 6"),
        ([medium_of_bytes(MP4)] * 2, "a content has 2 videos, and the model takes at most 1"),
        ([medium_of_bytes(PDF)] * 2, "a content has 2 PDFs, and the model takes at most 1"),
        (
            [medium_of_bytes(sample_media.wav("a", 181), source="a.wav")],
            "^a.wav is 181.0 seconds long, and the model takes at most 180: cut it into pieces",
        ),
        (
            [Medium(mime_type="video/mp4", digest="", seconds=121.5, source="a.mp4")],
            "^a.mp4 is 121.5 seconds long, and the model takes at most 120",
        ),
        (
            [medium_of_bytes(sample_media.pdf(*"abcdefg"), source="a.pdf")],
            "^a.pdf has 7 pages, and the model takes at most 6: embed its pages, each with",
        ),
        (
            [Medium(mime_type="audio/wav", digest="", seconds=180.0)]
            + [Medium(mime_type="video/mp4", digest="", seconds=32.0)]
            + [IMAGE] * 6 + [medium_of_bytes(PDF)],
            "the media of a content have 8,676 tokens, and the model reads at most 8,192",
        ),
        (
            [medium_of_bytes(b"RIFF\x24\0\0\0WEBPVP8 ", source="a.webp")],
            "^a.webp is image/webp, which only Vertex AI embeds: convert it to PNG or JPEG",
        ),
    ],
)  # fmt: skip
def test_what_is_too_much_is_refused_with_the_limit_and_the_value(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        as_content(parts)


def test_limits_are_inclusive():
    for part, count in ((IMAGE, 6), (medium_of_bytes(sample_media.wav("a", 180.9)), 1)):
        assert len(as_content([part] * count)) == count
    assert as_content(medium_of_bytes(sample_media.pdf(*"abcdef")))
    assert as_content(medium_of_bytes(b"RIFF\x24\0\0\0WEBPVP8 "), vertexai=True)


def test_a_page_of_a_pdf_may_be_named_behind_its_path(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(PDF)
    [medium] = as_content(Blob.from_path(f"{path}#page=2"))
    assert (medium.page, medium.source) == (2, f"{path}#page=2")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "dog.png"
    path.write_bytes(PNG)
    return path


def test_a_medium_of_a_file_holds_no_bytes_and_reads_it_again(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    medium = medium_of_file("dog.png")
    monkeypatch.chdir("/")
    assert len(pickle.dumps(medium)) < 1000
    pickled = pickle.loads(pickle.dumps(medium))  # noqa: S301
    for each in (medium, pickled, copy.deepcopy(medium)):
        assert each.read() == PNG
        with each.open() as opened:
            assert opened.read() == PNG
        assert each == IMAGE
        assert hash(each) == hash(IMAGE)
        assert each.key == ("image/png", each.digest)
    assert PNG64[:20] not in repr(IMAGE)
    assert b"PNG" not in repr(IMAGE).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.write_bytes(PNG + b"!"), "has changed while it was read"),
        (lambda file: file.write_bytes(PNG[:-1] + b"!"), "has changed while it was read"),
        (lambda file: file.write_bytes(b""), "has changed while it was read"),
        (lambda file: file.unlink(), "cannot be read: No such file or directory"),
        (lambda file: (file.unlink(), file.mkdir()), "is a folder"),
        (lambda file: (file.unlink(), os.mkfifo(file)), "is not a regular file"),
    ],
)
def test_a_file_that_changes_or_vanishes_after_the_look_is_named(file, change, message):
    medium = medium_of_file(file)
    change(file)
    with pytest.raises(InvalidInputError, match=f"^{file} {message}"):
        medium.read()


def test_a_page_of_a_pdf_that_changed_is_named(tmp_path):
    path = tmp_path / "report.pdf"
    path.write_bytes(sample_media.pdf("three", "four"))
    medium = medium_of_file(path, page=1)
    path.write_bytes(PDF)
    assert medium_of_file(path, page=1) != medium
    medium.read()  # of the PDF that was looked at, which is still in memory
    other = Medium(
        **{name: getattr(medium, name) for name in medium.__slots__} | {"_file_digest": "0"}
    )
    with pytest.raises(InvalidInputError, match=f"^{path} has changed while it was read"):
        other.read()


def test_a_file_without_permission_is_named(file):
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(InvalidInputError, match=f"^{file} cannot be read: Permission denied"):
        medium_of_file(file)


def test_tokens_follow_from_seconds_and_pages():
    def tokens(mime_type, **length):
        return Medium(mime_type=mime_type, digest="", **length).tokens

    assert IMAGE.tokens == 258
    assert tokens("audio/wav", seconds=10.0) == 250
    assert tokens("video/mp4", seconds=10.4) == 660
    assert tokens("video/mp4", seconds=100.0) == tokens("video/mp4") == 32 * 66
    assert tokens("video/mp4", seconds=0.1) == 66
    assert tokens("application/pdf", pages=6) == 6 * 258
    assert tokens("application/pdf") == 258


def test_bytes_are_read_once_and_kept_if_there_is_no_file():
    assert isinstance(IMAGE.open(), io.BytesIO)
    assert IMAGE.read() is PNG
