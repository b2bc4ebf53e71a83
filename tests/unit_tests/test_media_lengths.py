"""Seconds of sounds and videos, and pages of PDFs."""

from __future__ import annotations

import hashlib
import io
import struct
import sys
import tracemalloc
import wave

import pypdf
import pytest
from pypdf.annotations import Link
from pypdf.generic import Fit

from langchain_gemini_qdrant.errors import ConfigurationError, InvalidInputError
from langchain_gemini_qdrant.media import _pdfs
from langchain_gemini_qdrant.media._medium import medium_of_bytes, medium_of_file
from langchain_gemini_qdrant.testing import sample_media
from tests.unit_tests.boxes import box


def chunk(kind, data, length=None):
    size = len(data) if length is None else length
    return kind + size.to_bytes(4, "little") + data + bytes(len(data) % 2)


def wav(form, *chunks):
    body = b"WAVE" + chunk(b"fmt ", form) + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def pcm(tag=1, bits=16, hertz=8000, channels=2):
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, hertz, hertz * block, block, bits)


def by_stdlib():
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8000 * 3))
    return file.getvalue()


EXTENSIBLE = pcm(0xFFFE) + struct.pack("<HHI16s", 22, 16, 3, b"\1" + bytes(15))
SECOND = bytes(32_000)

WAVS = {
    "stdlib": (by_stdlib(), 3.0),
    "sample": (sample_media.wav("a", 2.5), 2.5),
    "extensible": (wav(EXTENSIBLE, chunk(b"data", SECOND)), 1.0),
    "float": (wav(pcm(3, 32), chunk(b"fact", bytes(4)), chunk(b"data", bytes(64_000))), 1.0),
    "chunks before and after": (
        wav(pcm(), chunk(b"LIST", b"odd"), chunk(b"data", SECOND), chunk(b"id3 ", bytes(9))),
        1.0,
    ),
    "streamed, size 0": (wav(pcm(), chunk(b"data", SECOND * 2, 0)), 2.0),
    "streamed, all ones": (wav(pcm(), chunk(b"data", SECOND * 2, 0xFFFFFFFF)), 2.0),
    "cut off": (wav(pcm(), chunk(b"data", SECOND, 10 * len(SECOND))), 1.0),
    "no rate": (wav(bytes(16), chunk(b"data", SECOND)), None),
}


@pytest.mark.parametrize("name", WAVS)
def test_seconds_of_wav_are_those_of_its_data(name):
    data, seconds = WAVS[name]
    assert medium_of_bytes(data).seconds == seconds


def frames(header, size, count, first=b""):
    """Return MP3 frames of one size; `first` stands in the first frame."""
    frame = header + bytes(size - 4)
    start = (header + bytes(32) + first).ljust(size, b"\0") if first else frame
    return start + frame * (count - 1)


FIRST = b"\xff\xfb\x90\x64"  # 44.1 kHz, 128 kbit/s, 417 bytes
SLOW = b"\xff\xfb\x10\x64"  # 44.1 kHz, 32 kbit/s, 104 bytes
SECOND_VERSION = b"\xff\xf3\x40\xc4"  # 22.05 kHz, 32 kbit/s, 104 bytes, mono
THIRD_VERSION = b"\xff\xe3\x40\xc4"  # 11.025 kHz, 32 kbit/s, 208 bytes, mono
SOUND = frames(FIRST, 417, 100)
LASTS = 100 * 1152 / 44_100


def id3(size, footer=False):
    sync = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0" + (b"\x10" if footer else b"\0") + sync + bytes(size + 10 * footer)


MP3S = {
    "sample": (sample_media.mp3("a", 3), 3.0),
    "constant rate": (SOUND, LASTS),
    "MPEG-2": (frames(SECOND_VERSION, 104, 100), 100 * 576 / 22_050),
    "MPEG-2.5": (frames(THIRD_VERSION, 208, 100), 100 * 576 / 11_025),
    "tags": (id3(100_000) + SOUND + b"TAG".ljust(128), LASTS),
    "two tags, a footer": (id3(300) + id3(5, footer=True) + SOUND, LASTS),
    "bytes between": (id3(10) + b"\xff\xfb\x90\x00" + bytes(2000) + SOUND, LASTS),
    "Xing": (frames(FIRST, 417, 9, b"Xing\0\0\0\1" + (700).to_bytes(4, "big")), 7 * LASTS),
    "Info without frames": (frames(FIRST, 417, 100, b"Info\0\0\0\0"), LASTS),
    "VBRI": (frames(FIRST, 417, 9, b"VBRI" + bytes(10) + (700).to_bytes(4, "big")), 7 * LASTS),
    "variable rate": (frames(SLOW, 104, 50) + frames(FIRST, 417, 50), LASTS),
    "no frame": (id3(10) + b"\xff" * 5000, None),
}  # fmt: skip


@pytest.mark.parametrize("name", MP3S)
def test_seconds_of_mp3_are_counted_or_follow_from_the_bitrate(name):
    data, seconds = MP3S[name]
    found = medium_of_bytes(data).seconds
    assert found == (seconds if seconds is None else pytest.approx(seconds, rel=0.03))


def mvhd(duration, scale=1000, version=0):
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, scale, duration)
    return box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))


def track(handler):
    return box(b"trak", box(b"tkhd", bytes(84)), box(b"mdia", box(b"hdlr", bytes(8), handler)))


def movie(*parts, brand=b"isom", mdat=None):
    data = box(b"mdat", b"mvhd and moov are words") if mdat is None else mdat
    return box(b"ftyp", brand, bytes(4)) + data + box(b"moov", *parts)


VIDEO = track(b"vide")
MOVIES = {
    "index at the end": (movie(mvhd(2500), VIDEO), 2.5),
    "64-bit times": (movie(mvhd(7 << 33, 1 << 31, 1), VIDEO), 28.0),
    "64-bit boxes": (movie(mvhd(1500), VIDEO, mdat=box(b"mdat", bytes(9), wide=True)), 1.5),
    "MOV": (movie(mvhd(600, 600), VIDEO, track(b"soun"), brand=b"qt  "), 1.0),
    "fragments": (
        movie(mvhd(0), box(b"mvex", box(b"mehd", bytes(4), (9000).to_bytes(4, "big"))), VIDEO),
        9.0,
    ),
    "live": (movie(mvhd(0xFFFFFFFF), box(b"mvex"), VIDEO), None),
    "no time scale": (movie(mvhd(5, 0), VIDEO), None),
    "no header": (movie(VIDEO), None),
    "cut off in the index": (movie(VIDEO, mvhd(2500))[:-90], None),
}


@pytest.mark.parametrize("name", MOVIES)
def test_seconds_of_mp4_and_mov_are_those_of_their_header(name):
    data, seconds = MOVIES[name]
    assert medium_of_bytes(data).seconds == seconds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (movie(mvhd(1000), track(b"soun")), "has sound without pictures: convert it to MP3 or WAV"),
        (movie(mvhd(1000), VIDEO)[:50], "without an index (the box 'moov'): it is cut off"),
        (b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\3moov", "without an index"),  # a box of 3 bytes
        (wav(pcm()), "is a WAV file without sound: it is cut off"),
        (b"RIFF\0\0\0\0WAVE", "is a WAV file without sound"),
    ],
)
def test_what_cannot_be_played_is_refused(data, message):
    with pytest.raises(InvalidInputError) as caught:
        medium_of_bytes(data, source="a.bin")
    assert str(caught.value).startswith("a.bin ")
    assert message in str(caught.value)


def test_a_file_is_not_held_in_memory(tmp_path):
    """Zeros behind a WAV header, which take no room on the disk."""
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(wav(pcm(), chunk(b"data", b"", 0x7FFFFF00)))
        file.truncate(64 * 1024**2)
    tracemalloc.start()
    medium = medium_of_file(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (medium.size_bytes, medium.seconds) == (64 * 1024**2, pytest.approx(2097, abs=1))
    assert peak < 4 * 1024**2
    with path.open("r+b") as file:
        file.truncate(2 * 1024**3 + 1)
    with pytest.raises(InvalidInputError, match=r"long.wav has 2,147,483,649 bytes, and the API"):
        medium_of_file(path)


def written(writer):
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def encrypted(password):
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(sample_media.pdf("a", "b")))
    writer.encrypt(password, "owner", algorithm="RC4-128")
    return written(writer)


def test_pages_of_a_pdf_are_counted():
    assert medium_of_bytes(sample_media.pdf("a")).pages == 1
    assert medium_of_bytes(sample_media.pdf("a", "b", "c")).pages == 3
    assert medium_of_bytes(encrypted("")).pages == 2
    assert medium_of_bytes(sample_media.pdf("a", "b")).tokens == 2 * 258


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encrypted("secret"), "is encrypted: save a copy without the password"),
        (b"%PDF-1.7\n%%EOF", "cannot be read as a PDF ("),
        (sample_media.pdf("a")[:200], "cannot be read as a PDF ("),
    ],
)
@pytest.mark.parametrize("page", [None, 1])
def test_a_pdf_that_cannot_be_read_is_refused(data, message, page):
    with pytest.raises(InvalidInputError) as caught:
        medium_of_bytes(data, source="a.pdf", page=page)
    assert str(caught.value).startswith(f"a.pdf {message}")


def text_of(data):
    [page] = pypdf.PdfReader(io.BytesIO(data)).pages
    return page.extract_text().strip()


@pytest.mark.parametrize("data", [sample_media.pdf("one", "two", "three"), encrypted("")])
def test_a_page_is_a_pdf_of_its_own_with_an_id_of_pdf_and_number(data):
    medium = medium_of_bytes(data, source="a.pdf#page=2", page=2)
    single = medium.read()
    assert text_of(single) in {"two", "b"}
    assert (medium.pages, medium.page, medium.tokens) == (1, 2, 258)
    assert medium.size_bytes == pytest.approx(len(single), abs=100)
    whole = hashlib.sha256(data).hexdigest()
    assert medium.digest == hashlib.sha256(f"{whole}#page=2".encode()).hexdigest()
    assert medium.digest != medium_of_bytes(data, page=1).digest


@pytest.mark.parametrize("page", [0, 4])
def test_a_page_that_is_not_there_is_refused(page):
    with pytest.raises(InvalidInputError, match=rf"^r.pdf has 3 pages, and no page {page}$"):
        medium_of_bytes(sample_media.pdf("a", "b", "c"), source="r.pdf", page=page)
    with pytest.raises(InvalidInputError, match=r"is image/png, which has no pages: only PDFs"):
        medium_of_bytes(sample_media.png("a"), page=page)


def test_a_page_takes_no_other_page_along():
    """Links point to other pages, which are as large as the whole."""
    noise = hashlib.shake_256(b"").digest(200_000)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(sample_media.pdf("first", "second")))
    writer.pages[1][pypdf.generic.NameObject("/Thumb")] = writer._add_object(stream(noise))
    writer.add_annotation(0, Link(rect=(0, 0, 9, 9), target_page_index=1, fit=Fit.fit()))
    data = written(writer)
    assert len(data) > len(noise)
    single = medium_of_bytes(data, page=1).read()
    assert text_of(single) == "first"
    assert len(single) < 5000


def stream(data):
    made = pypdf.generic.DecodedStreamObject()
    made.set_data(data)
    return made


def test_pages_of_one_pdf_parse_it_once(tmp_path, monkeypatch):
    path = tmp_path / "many.pdf"
    writer = pypdf.PdfWriter()
    for _ in range(50):
        writer.add_blank_page(100, 100)
    path.write_bytes(written(writer))
    _pdfs._kept.clear()
    media = [medium_of_file(path, page=page) for page in range(1, 51)]
    [(reader, size)] = _pdfs._kept.values()
    assert [len(medium.read()) > 300 for medium in media] == [True] * 50
    assert list(_pdfs._kept.values()) == [(reader, size)]
    monkeypatch.setattr(_pdfs, "_KEPT_BYTES", size + 10)
    medium_of_bytes(sample_media.pdf("a"), page=1)
    assert [kept for _, kept in _pdfs._kept.values()] == [len(sample_media.pdf("a"))]
    monkeypatch.setattr(_pdfs, "_KEPT_BYTES", 10)
    assert media[0].read()
    assert size not in [kept for _, kept in _pdfs._kept.values()]


def test_without_pypdf_only_pages_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    medium = medium_of_bytes(sample_media.pdf("a", "b"))
    assert (medium.pages, medium.tokens) == (None, 258)
    with pytest.raises(ConfigurationError, match=r"need pypdf: pip install 'langchain-gemini-qdra"):
        medium_of_bytes(sample_media.pdf("a", "c"), page=1)
