"""Broken and hostile bytes: only our errors, in bounded time, whatever a header claims."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._contents import as_content
from langchain_gemini_qdrant.media._lengths import seconds_of
from langchain_gemini_qdrant.media._medium import medium_of_bytes
from langchain_gemini_qdrant.testing import sample_media
from tests.unit_tests.boxes import box

SAMPLES = (
    sample_media.png("a"),
    sample_media.jpeg("a"),
    sample_media.wav("a", 0.1),
    sample_media.mp3("a", 0.2),
    sample_media.mp4("a"),
    sample_media.pdf("a", "b"),
)
HEADS = (b"RIFF\0\0\0\0WAVE", b"ID3\4\0\0", b"\xff\xfb\x90\x64", b"\0\0\0\x10ftypisom",
         b"%PDF-1.7\n", b"\0\0\0\1moov", b"RIFF\0\0\0\0WAVEfmt ",
         b"\0\0\0\x08ftyp\0\0\0\1moov")  # fmt: skip


def looked_at(data, page=None):
    """Look at bytes; what cannot be embedded is named."""
    try:
        medium = medium_of_bytes(data, source="a.bin", page=page)
        content = as_content(medium)
    except InvalidInputError:
        return
    assert content == (medium,)
    assert medium.tokens > 0
    assert page is not None or medium.read() == data


@given(st.sampled_from(HEADS), st.binary(max_size=300), st.sampled_from([None, 1]))
@example(b"\0\0\0\1ftyp", b"\0\0\0\0\0\0\0\0", None)
@example(b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"", None)
def test_any_bytes_behind_a_header_are_embedded_or_refused(head, rest, page):
    looked_at(head + rest, page)


@given(st.sampled_from(SAMPLES), st.data())
def test_a_garbled_file_is_embedded_or_refused(sample, data):
    end = data.draw(st.integers(0, len(sample)))
    garbled = bytearray(sample[:end])
    for at in data.draw(st.lists(st.integers(0, max(end - 1, 0)), max_size=8)):
        if at < end:
            garbled[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    looked_at(bytes(garbled), data.draw(st.sampled_from([None, 1, 2])))


JSON = st.recursive(
    st.none() | st.integers() | st.binary(max_size=5) | st.text(max_size=9)
    | st.sampled_from(["image", "media", "base64", "gs://a/b.png", "data:,a", "files/a", "url"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "text", "base64", "url", "file_id", "mime_type", "image_url", "data",
             "source_type", "input_audio", "file_uri", "id"]
        ),
        inner | st.sampled_from(["image", "file", "image_url", "input_audio", "media", "text"]),
    ),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_any_block_is_embedded_or_refused(value):
    try:
        content = as_content(value)
    except InvalidInputError:
        return
    assert isinstance(content, str) or content


@dataclass
class Counted(io.BytesIO):
    """A file that counts what is read of it."""

    data: bytes
    reads: int = field(default=0, init=False)
    read_bytes: int = field(default=0, init=False)

    def __post_init__(self):
        super().__init__(self.data)

    def read(self, size=-1):
        piece = super().read(size)
        self.reads += 1
        self.read_bytes += len(piece)
        return piece


EMPTY = b"\0\0\0\x08free"
TRACK = box(b"trak", EMPTY * 2000 + box(b"mdia", EMPTY * 2000))
MANY = {
    "MP4 of empty boxes": ("video/mp4", EMPTY * 100_000),
    "MP4 of many tracks": ("video/mp4", box(b"ftyp", b"isom") + box(b"moov", TRACK * 100)),
    "WAV of empty chunks": ("audio/wav", b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 100_000),
    "MP3 of empty tags": ("audio/mpeg", b"ID3\4\0\0\0\0\0\0" * 100_000),
    "MP3 of sync words": ("audio/mpeg", b"ID3\4\0\0\0\0\0\0" + b"\xff" * 2_000_000),
    "MP3 without another frame": ("audio/mpeg", b"\xff\xfb\x90\x64\0" * 200_000),
}


@pytest.mark.parametrize("name", MANY)
def test_no_file_is_read_far(name):
    mime_type, data = MANY[name]
    file = Counted(data)
    with suppress(InvalidInputError):
        seconds_of(mime_type, file, len(data))
    assert file.reads < 300_000
    assert file.read_bytes < 5_000_000


@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 2**31, 2**63, 2**64 - 1])
@pytest.mark.parametrize("is_wide", [False, True])
def test_a_box_of_any_size_ends(size, is_wide):
    if is_wide:
        head = b"\0\0\0\1moov" + size.to_bytes(8, "big")
    else:
        head = min(size, 2**32 - 1).to_bytes(4, "big") + b"moov"
    for data in (box(b"ftyp", b"isom") + head + EMPTY * 3, head + EMPTY * 3):
        looked_at(data)


@pytest.mark.parametrize("rate", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("size", [0, 1, 2**32 - 1])
def test_a_wav_of_any_rate_and_size_has_a_length_or_none(rate, size):
    form = struct.pack("<HHIIHH", 1, 2, rate, rate, 4, 16)
    body = b"WAVEfmt \x10\0\0\0" + form + b"data" + struct.pack("<I", size) + bytes(400)
    seconds = medium_of_bytes(b"RIFF\0\0\0\0" + body).seconds
    assert seconds is None or 0 <= seconds <= 400
