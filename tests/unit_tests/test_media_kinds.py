"""The kind of a file by its first bytes."""

from __future__ import annotations

import pytest

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media import MEDIA_TYPES
from langchain_gemini_qdrant.media._kinds import advice, plain_type, sniff
from langchain_gemini_qdrant.media._medium import medium_of_bytes
from langchain_gemini_qdrant.testing import sample_media
from tests.unit_tests.boxes import box


def ftyp(*brands):
    major, *others = brands
    return box(b"ftyp", major + bytes(4) + b"".join(others))


# MPEG-1, 2 and 2.5 layer III, with and without a checksum
MP3_WORDS = (b"\xff\xfb\x90\x64", b"\xff\xfa\x90\x64", b"\xff\xf3\x40\xc4", b"\xff\xf2\x40\xc4",
             b"\xff\xe3\x40\xc4", b"\xff\xe2\x40\xc4")  # fmt: skip

EMBEDDED = {
    "image/png": [sample_media.png("a")],
    "image/jpeg": [sample_media.jpeg("a"), b"\xff\xd8\xff\xe1" + bytes(20)],
    "audio/mpeg": [sample_media.mp3("a"), *MP3_WORDS, b"ID3\4\0\0\0\0\x7f\x7f" + bytes(20)],
    "audio/wav": [sample_media.wav("a")],
    "video/mp4": [sample_media.mp4("a"), ftyp(b"isom", b"mp41"), ftyp(b"M4V ", b"M4A ")],
    "video/quicktime": [ftyp(b"qt  "), box(b"wide") + box(b"mdat"), box(b"moov", bytes(100))],
    "application/pdf": [sample_media.pdf("a"), b"\xef\xbb\xbf%PDF-1.7\n", bytes(900) + b"%PDF-2.0"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("mime_type", "data"), [(kind, data) for kind, files in EMBEDDED.items() for data in files]
)
def test_each_kind_that_is_embedded_is_told_by_its_bytes(mime_type, data):
    assert set(EMBEDDED) == set(MEDIA_TYPES)
    assert sniff(data) == mime_type


OTHERS = [
    ("image/webp", b"RIFF\x24\0\0\0WEBPVP8 "),
    ("image/gif", b"GIF89a\1\0\1\0"),
    ("image/bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0"),
    ("image/tiff", b"II*\0\x08\0\0\0"),
    ("image/avif", ftyp(b"avif", b"mif1")),
    ("image/avif", ftyp(b"mif1", b"mif1", b"avif")),
    ("image/heic", ftyp(b"heic", b"mif1")),
    ("image/heic", ftyp(b"mif1", b"heic")),
    ("image/heif", ftyp(b"mif1", b"miaf")),
    ("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ("image/svg+xml", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made -->\n<svg width='1'>"),
    ("image/jxl", b"\xff\x0a\x00\x10"),
    ("image/jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
    ("audio/mp4", ftyp(b"M4A ", b"isom")),
    ("audio/aac", b"\xff\xf1\x50\x80\x00\x1f\xfc"),
    ("audio/aac", b"ID3\4\0\0\0\0\0\2\0\0\xff\xf9\x50\x80\x00\x1f\xfc"),
    ("audio/ogg", b"OggS\0\2" + bytes(20)),
    ("audio/flac", b"fLaC\0\0\0\x22"),
    ("audio/x-rf64", b"RF64\xff\xff\xff\xffWAVEds64"),
    ("audio/aiff", b"FORM\0\0\0\0AIFF"),
    ("video/webm", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm"),
    ("video/x-matroska", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska"),
    ("video/x-msvideo", b"RIFF\0\0\0\0AVI LIST"),
    ("video/3gpp", ftyp(b"3gp5", b"isom")),
    ("video/x-flv", b"FLV\x01\x05"),
]


@pytest.mark.parametrize(("mime_type", "data"), OTHERS)
def test_other_kinds_are_named(mime_type, data):
    assert sniff(data) == mime_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(4096),
        b"just text",
        "UTF-16 text".encode("utf-16"),
        "Ā text".encode("utf-16-be"),
        b"RIFF of a song, written down",
        b"ID3 tags are explained here",
        b"The free encyclopedia",
        b"BM is the name of a museum",
        b"<!doctype html><html><body><svg width='1'></svg>",
        b"A PDF starts with %PDF- and a version.",
        b"\xff\xfd\x90\x64",  # layer II
        b"\xff\xfb\xf0\x64",  # no such bitrate
        b"\xff\xfb\x9c\x64",  # no such rate
        b"PK\3\4",
    ],
)
def test_texts_and_other_files_are_no_media(data):
    assert sniff(data) is None


@pytest.mark.parametrize(("mime_type", "data"), OTHERS)
def test_a_kind_that_is_not_embedded_is_refused_with_what_to_convert_it_to(mime_type, data):
    if mime_type in {"image/webp", "image/bmp", "image/avif", "image/heic", "image/heif"}:
        assert medium_of_bytes(data).modality == "IMAGE"  # on Vertex AI
        return
    target = {"image": "PNG or JPEG", "audio": "MP3 or WAV", "video": "MP4"}
    with pytest.raises(InvalidInputError) as caught:
        medium_of_bytes(data, source="a.bin")
    assert str(caught.value) == (
        f"a.bin is {mime_type}, which gemini-embedding-2 does not embed: convert it to "
        f"{target[mime_type.partition('/')[0]]}"
    )
    assert advice("application/zip").startswith("the types are image/png, ")


@pytest.mark.parametrize(
    ("given", "data"),
    [
        (None, sample_media.png("a")),
        ("image/png", sample_media.png("a")),
        ("IMAGE/PNG; q=1", sample_media.png("a")),
        ("application/octet-stream", sample_media.png("a")),
        ("image/jpg", sample_media.jpeg("a")),
        ("audio/mp3", sample_media.mp3("a")),
        ("audio/x-wav", sample_media.wav("a")),
        ("audio/vnd.wave", sample_media.wav("a")),
        ("video/quicktime", sample_media.mp4("a")),  # the same container
    ],
)
def test_a_given_type_may_be_an_alias_or_say_nothing(given, data):
    assert medium_of_bytes(data, mime_type=given).mime_type == sniff(data)
    assert plain_type("application/octet-stream") is None


@pytest.mark.parametrize(
    ("given", "data", "message"),
    [
        ("image/jpeg", sample_media.png("a"), "is image/jpeg by its MIME type, and image/png by"),
        ("audio/wav", sample_media.mp4("a"), "is audio/wav by its MIME type, and video/mp4 by its"),
        ("image/png", b"<html>", "is image/png by its MIME type, and no known medium by its first"),
        (
            None,
            b"words",
            "is no known medium by its first bytes: the types are image/png, image/jpeg",
        ),
        ("image/png", b"", "is empty"),
    ],
)
def test_a_given_type_that_the_bytes_contradict_is_refused_and_both_are_named(given, data, message):
    with pytest.raises(InvalidInputError, match=f"^a.png {message}"):
        medium_of_bytes(data, mime_type=given, source="a.png")
