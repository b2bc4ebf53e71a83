"""Sample files are valid, and the text inside files of other programs is read, too."""

from __future__ import annotations

import io
import random
import struct
import sys
import wave
import zlib

import pytest
from pypdf import PdfReader

from langchain_gemini_qdrant.testing import sample_media
from langchain_gemini_qdrant.testing._api._containers import read_inside, sniff
from langchain_gemini_qdrant.testing._api._pdf import read_pdf

TEXT = "ein brauner Hund, 犬"
SAMPLES = {
    "PNG": sample_media.png(TEXT),
    "JPEG": sample_media.jpeg(TEXT),
    "WAV": sample_media.wav(TEXT, 2.5),
    "MP3": sample_media.mp3(TEXT, 1.8),
    "MP4": sample_media.mp4(TEXT, 2.5),
    "PDF": sample_media.pdf("Ein (Löwe) — \\5 €", "zwei"),
}


def inside(data):
    return read_inside(data, sniff(data), with_text=True)


@pytest.mark.parametrize("form", SAMPLES)
def test_the_text_of_a_sample_is_read(form):
    assert sniff(SAMPLES[form]) == form
    found = inside(SAMPLES[form])
    if form == "PDF":
        assert found.text.split() == ["Ein", "(Löwe)", "—", "\\5", "€", "zwei"]
        assert found.pages == 2
    else:
        assert found.text == TEXT


@pytest.mark.parametrize(("form", "seconds"), [("WAV", 2.5), ("MP3", 1.8), ("MP4", 2.5)])
def test_the_length_of_a_sample_is_read(form, seconds):
    assert inside(SAMPLES[form]).seconds == pytest.approx(seconds)


@pytest.mark.parametrize("make", [sample_media.png, sample_media.jpeg, sample_media.mp4])
def test_bytes_depend_on_text_color_and_size_alone(make):
    assert make("a") == make("a") != make("b")
    assert make("a", color=(9, 9, 9)) != make("a") != make("a", size=(32, 32))


@pytest.mark.parametrize("name", sample_media.__all__)
def test_padding_makes_a_sample_larger_and_changes_nothing_inside(name):
    make = getattr(sample_media, name)
    plain, padded = make("a dog"), make("a dog", padding=200_000)
    assert 200_000 <= len(padded) - len(plain) < 200_100
    assert inside(padded) == inside(plain)


def test_a_png_has_the_colors_of_its_pattern():
    width, height = size = (20, 11)
    data = sample_media.png("a", size=size, color=(200, 10, 30))
    at, pixels = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", data, at + 8 + length)
        assert check == zlib.crc32(kind + body)
        if kind == b"IHDR":
            assert struct.unpack_from(">II", body) == size
        elif kind == b"IDAT":
            pixels += body
        at += length + 12
    lines = zlib.decompress(pixels)
    assert len(lines) == height * (1 + 3 * width)
    assert {lines[i : i + 3] for i in range(1, 1 + 3 * width, 3)} <= {
        bytes([200, 10, 30]),
        bytes([244, 206, 210]),
    }


def test_a_wav_is_read_by_the_standard_library():
    with wave.open(io.BytesIO(sample_media.wav("a", 0.5, padding=7))) as sound:
        assert (sound.getnframes(), sound.getframerate(), sound.getnchannels()) == (4000, 8000, 1)
        assert len(set(sound.readframes(4000))) > 10  # a tone, no silence


def test_a_pdf_is_read_by_pypdf_without_complaint():
    with io.BytesIO(sample_media.pdf("one", "two", padding=50)) as file:
        pages = PdfReader(file, strict=True).pages
        assert [page.extract_text().strip() for page in pages] == ["one", "two"]


def test_what_cannot_be_made_is_refused():
    with pytest.raises(ValueError, match="Windows-1252, got '犬'"):
        sample_media.pdf("犬")
    with pytest.raises(ValueError, match="at least one page"):
        sample_media.pdf()
    with pytest.raises(ValueError, match=r"multiples of 16, got \(20, 16\)"):
        sample_media.mp4("a", size=(20, 16))
    with pytest.raises(ValueError, match="at most 65533 bytes"):
        sample_media.jpeg("a" * 65_534)


def png_with(*chunks):
    start, end = SAMPLES["PNG"][:33], SAMPLES["PNG"][-12:]
    return start + b"".join(
        struct.pack(">I", len(body)) + kind + body + bytes(4) for kind, body in chunks
    ) + end  # fmt: skip


def test_the_text_chunks_of_png_are_read_and_others_are_not():
    data = png_with(
        (b"tEXt", b"Title\0caf\xe9"),
        (b"zTXt", b"Description\0\0" + zlib.compress(b"packed")),
        (b"iTXt", b"Comment\0\1\0de\0Kommentar\0" + zlib.compress("犬".encode())),
        (b"tEXt", b"Software\0a program"),
    )
    assert inside(data).text == "café packed 犬"


def test_a_chunk_that_unpacks_to_much_is_cut():
    data = png_with((b"zTXt", b"Title\0\0" + zlib.compress(b"a" * 50_000_000)))
    assert len(inside(data).text) == 100_000


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("text", [b"dog", b"a horse in the fog"])
def test_the_description_in_exif_is_read(order, text):
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = text.ljust(4, b"\0") if len(text) <= 4 else struct.pack(f"{order}I", 38)
    entries = struct.pack(f"{order}HHII", 0x0112, 3, 1, 1) + struct.pack(
        f"{order}HHI4s", 0x010E, 2, len(text), value
    )
    tiff = mark + struct.pack(f"{order}IH", 8, 2) + entries + bytes(4) + text
    segment = b"Exif\0\0" + tiff
    data = b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + b"\xff\xd9"
    assert inside(data).text == text.decode()


@pytest.mark.parametrize(
    ("codec", "number"), [("latin-1", 0), ("utf-16", 1), ("utf-16-be", 2), ("utf-8", 3)]
)
@pytest.mark.parametrize("version", [2, 3, 4])
def test_title_and_comment_of_every_id3_are_read(version, codec, number):
    def frame(name, body):
        if version == 2:
            return name[:3] + len(body).to_bytes(3, "big") + body
        return name + struct.pack(">IH", len(body), 0) + body

    title = bytes([number]) + "Tïtle".encode(codec)
    comment = bytes([number]) + b"eng" + "d\0Cömment".encode(codec)
    artist = bytes([number]) + "nobody".encode(codec)
    names = (b"TT2", b"TP1", b"COM") if version == 2 else (b"TIT2", b"TPE1", b"COMM")
    frames = b"".join(map(frame, names, (title, artist, comment)))
    tag = b"ID3" + bytes([version, 0, 0, 0, 0, 0, len(frames) + 10]) + frames + bytes(10)
    silence = sample_media.mp3("", 1)
    data = tag + silence[silence.index(b"\xff\xfb") :]
    assert inside(data).text.split() == ["Tïtle", "d", "Cömment"]
    assert inside(data).seconds == pytest.approx(1.008)


def test_a_quicktime_title_and_a_long_header_are_read():
    def box(name, body):
        return struct.pack(">I4s", len(body) + 8, name) + body

    title = box(b"\xa9nam", struct.pack(">HH", 4, 0) + b"ship")
    header = box(b"mvhd", b"\1" + bytes(19) + struct.pack(">IQ", 600, 1500))
    movie = box(b"moov", header + box(b"udta", title))
    data = box(b"ftyp", b"qt  ") + struct.pack(">I4sQ", 1, b"mdat", 16) + movie
    assert inside(data)[:2] == ("ship", 2.5)


def test_a_pdf_is_read_without_pypdf(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)
    assert read_pdf(SAMPLES["PDF"], with_text=True) == ("Ein (Löwe) — \\5 € zwei", 2)
    packed = zlib.compress(b"BT (packed) Tj [(wo) -20 (rds)] TJ ET")
    data = b"%PDF-1.5\n<< /Filter /FlateDecode >>\nstream\n" + packed + b"\nendstream"
    assert read_pdf(data, with_text=True) == ("packed wo rds", 1)


@pytest.mark.parametrize("form", SAMPLES)
def test_a_damaged_file_is_read_without_an_error(form):
    chance = random.Random(7)
    for _ in range(300):
        data = bytearray(SAMPLES[form])
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(min(len(data), 2000))] = chance.randrange(256)
        del data[chance.randrange(8, len(data)) :]
        read_inside(bytes(data), form, with_text=True)
