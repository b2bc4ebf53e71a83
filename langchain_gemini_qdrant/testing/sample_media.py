"""Small valid media files with a text inside, made without any dependency.

They are for tests and demonstrations. Every program that reads the format shows them: images and
videos have a pattern that depends on the text, a WAV file has a tone, an MP3 file is silent, and a
PDF file shows its text. `GeminiEmulator` reads the text and gives the file a vector close to texts
with the same words. The bytes depend only on the arguments.

```python
from langchain_gemini_qdrant.testing import sample_media

Path("dog.png").write_bytes(sample_media.png("a brown dog on the beach"))
```

`padding` makes a file larger by about this many bytes, which readers of the format skip.
"""

from __future__ import annotations

import colorsys
import hashlib
import math
import re
import struct
import textwrap
import zlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["jpeg", "mp3", "mp4", "pdf", "png", "wav"]

_CELLS = 8  # rows and columns of a pattern
_MAX_SEGMENT = 65_533  # bytes in a segment of a JPEG file


def png(
    text: str,
    *,
    size: tuple[int, int] = (256, 256),
    color: tuple[int, int, int] | None = None,
    padding: int = 0,
) -> bytes:
    """Make a PNG image with the text in an `iTXt` chunk named "Description".

    Args:
        text: Any text; different texts have different patterns.
        size: Width and height in pixels.
        color: Red, green and blue of the pattern, each in 0..255; None derives it from the text.
        padding: Bytes of an additional chunk of random content.

    Returns:
        The file, about 1 kB without padding.
    """
    width, height = size
    pattern = _pattern(text, color)
    rows = [
        b"".join(bytes(pattern.colors[cells[x * _CELLS // width]]) for x in range(width))
        for cells in pattern.cells
    ]
    lines = b"".join(b"\0" + rows[y * _CELLS // height] for y in range(height))
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _png_chunk(b"iTXt", b"Description\0\0\0\0\0" + text.encode()),
            _png_chunk(b"paDd", _noise(text, padding)) if padding else b"",
            _png_chunk(b"IDAT", zlib.compress(lines, 9)),
            _png_chunk(b"IEND", b""),
        ]
    )


def jpeg(
    text: str,
    *,
    size: tuple[int, int] = (256, 256),
    color: tuple[int, int, int] | None = None,
    padding: int = 0,
) -> bytes:
    """Make a baseline JPEG image with the text in a comment (COM) segment, as UTF-8.

    Args:
        text: At most 65,533 bytes; different texts have different patterns.
        size: Width and height in pixels.
        color: Red, green and blue of the pattern, each in 0..255; None derives it from the text.
        padding: Bytes of additional segments (APP15) of random content.

    Returns:
        The file, about 2 kB without padding.

    Raises:
        ValueError: The text is too long.
    """
    words = text.encode()
    if len(words) > _MAX_SEGMENT:
        message = f"text must be at most {_MAX_SEGMENT} bytes in a JPEG file, got {len(words)}"
        raise ValueError(message)
    width, height = size
    noise = _noise(text, padding)
    pads = [noise[i : i + _MAX_SEGMENT] for i in range(0, padding, _MAX_SEGMENT)]
    # Three components without subsampling; each has quantization table 0 and Huffman tables 0.
    frame = struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 17, 0, 2, 17, 0, 3, 17, 0])
    scan = bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])
    dc_codes = bytes([0, *[0, 0, 0, 12], *[0] * 12, *range(12)])  # 12 codes of 4 bits
    ac_codes = bytes([0x10, 1, *[0] * 15, 0])  # one code of 1 bit: end of block
    return b"".join(
        [
            b"\xff\xd8",
            _jpeg_segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            _jpeg_segment(0xFE, words),
            *(_jpeg_segment(0xEF, pad) for pad in pads),
            _jpeg_segment(0xDB, bytes([0, *[8] * 64])),
            _jpeg_segment(0xC0, frame),
            _jpeg_segment(0xC4, dc_codes),
            _jpeg_segment(0xC4, ac_codes),
            _jpeg_segment(0xDA, scan),
            _jpeg_blocks(_pattern(text, color), size),
            b"\xff\xd9",
        ]
    )


def wav(text: str, seconds: float = 1.0, *, padding: int = 0) -> bytes:
    """Make a WAV file: a tone, with the text as its title (`INAM` of `LIST INFO`).

    Args:
        text: Any text; the pitch of the tone depends on it.
        seconds: Its length; 8 kB a second (8 bits, mono, 8 kHz).
        padding: Bytes of an additional chunk of random content.
    """
    rate = 8000
    period = rate // (200 + 40 * (_digest(text)[0] % 10))
    wave = bytes(128 + round(60 * math.sin(2 * math.pi * i / period)) for i in range(period))
    count = round(seconds * rate)
    chunks = [
        _wav_chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)),
        _wav_chunk(b"LIST", b"INFO" + _wav_chunk(b"INAM", text.encode() + b"\0")),
        _wav_chunk(b"JUNK", _noise(text, padding)) if padding else b"",
        _wav_chunk(b"data", (wave * (count // period + 1))[:count]),
    ]
    return _wav_chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def mp3(text: str, seconds: float = 1.0, *, padding: int = 0) -> bytes:
    """Make an MP3 file: silence, with the text as its title (`TIT2` of ID3v2.4).

    Args:
        text: Any text.
        seconds: Its length, rounded up to a frame of 0.036 s; 4 kB a second (MPEG-1 layer III,
            mono, 32 kHz, 32 kbit/s).
        padding: Zero bytes in the tag.
    """
    title = b"\3" + text.encode()  # 3: UTF-8
    frame = b"TIT2" + _sync_safe(len(title)) + b"\0\0" + title
    tag = b"ID3\4\0\0" + _sync_safe(len(frame) + padding) + frame + bytes(padding)
    silence = b"\xff\xfb\x18\xc4".ljust(144, b"\0")
    return tag + silence * math.ceil(seconds * 32000 / 1152 - 1e-9)


def mp4(
    text: str,
    seconds: float = 1.0,
    *,
    size: tuple[int, int] = (64, 64),
    color: tuple[int, int, int] | None = None,
    padding: int = 0,
) -> bytes:
    """Make an MP4 file: a still video (H.264), with the text as its title (`©nam`).

    Args:
        text: Any text; different texts have different patterns.
        seconds: Its length, at 1 frame a second; it has no sound.
        size: Width and height in pixels, multiples of 16.
        color: Red, green and blue of the pattern, each in 0..255; None derives it from the text.
        padding: Bytes of an additional box (`free`) of random content.

    Returns:
        The file, about 7 kB without padding, as small for long videos.

    Raises:
        ValueError: `size` has other numbers than multiples of 16.
    """
    if any(side % 16 or side < 1 for side in size):
        message = f"size must be multiples of 16, got {size}"
        raise ValueError(message)
    width, height = size
    duration = max(round(seconds * 1000), 1)  # of all boxes: in milliseconds
    durations = [1000] * (duration // 1000) + [duration % 1000] * bool(duration % 1000)
    sequence, picture, frames = _h264(_pattern(text, color), size, len(durations))
    samples = [struct.pack(">I", len(frame)) + frame for frame in frames]
    config = b"\1" + sequence[1:4] + b"\xff\xe1" + _sized(sequence) + b"\1" + _sized(picture)
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 72 << 16, 72 << 16, 0, 1, 24, -1)
    matrix = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = _box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
    data = b"".join(samples)
    first = len(start) + 8
    table = [
        _full_box(b"stsd", struct.pack(">I", 1), _box(b"avc1", entry, _box(b"avcC", config))),
        _full_box(b"stts", *_counted(struct.pack(">II", 1, each) for each in durations)),
        _full_box(b"stss", struct.pack(">II", 1, 1)),
        _full_box(b"stsc", struct.pack(">IIII", 1, 1, len(samples), 1)),
        _full_box(b"stsz", bytes(4), *_counted(struct.pack(">I", len(each)) for each in samples)),
        _full_box(b"stco", struct.pack(">II", 1, first)),
    ]
    here = _full_box(b"url ", flags=1)
    media = [
        _full_box(b"mdhd", struct.pack(">8xIIHH", 1000, duration, 0x55C4, 0)),
        _full_box(b"hdlr", struct.pack(">4x4s12x", b"vide"), b"VideoHandler\0"),
        _box(
            b"minf",
            _full_box(b"vmhd", bytes(8), flags=1),
            _box(b"dinf", _full_box(b"dref", struct.pack(">I", 1), here)),
            _box(b"stbl", *table),
        ),
    ]
    shape = struct.pack(">8xI4xI16x36sII", 1, duration, matrix, width << 16, height << 16)
    track = [_full_box(b"tkhd", shape, flags=3), _box(b"mdia", *media)]
    title = _box(b"\xa9nam", _box(b"data", struct.pack(">II", 1, 0), text.encode()))
    named = _full_box(
        b"meta", _full_box(b"hdlr", struct.pack(">4x4s12xx", b"mdir")), _box(b"ilst", title)
    )
    movie = struct.pack(">8xIIIH10x36s24xI", 1000, duration, 1 << 16, 1 << 8, matrix, 2)
    return b"".join(
        [
            start,
            _box(b"mdat", data),
            _box(b"free", _noise(text, padding)) if padding else b"",
            _box(b"moov", _full_box(b"mvhd", movie), _box(b"trak", *track), _box(b"udta", named)),
        ]
    )


def pdf(*pages: str, padding: int = 0) -> bytes:
    """Make a PDF file with a page for each text, which it shows in Helvetica.

    Args:
        pages: Texts of at least one page, with the characters of Windows-1252.
        padding: Bytes of an additional, unused object.

    Returns:
        The file, some 500 bytes for each page. Its streams are not compressed.

    Raises:
        ValueError: There is no page, or a text has other characters.
    """
    if not pages:
        message = "a PDF file must have at least one page"
        raise ValueError(message)
    kids = " ".join(f"{2 * i + 4} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, text in enumerate(pages):
        page = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {2 * i + 5} 0 R >>"
        )
        objects += [page.encode(), _pdf_stream(_page_content(text))]
    if padding:
        objects.append(_pdf_stream(bytes(padding)))
    body = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, each in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    xref = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return bytes(body) + xref + end % (len(objects) + 1, len(body))


class _Pattern(NamedTuple):
    """A symmetric pattern of cells in two colors."""

    cells: list[list[bool]]
    colors: tuple[tuple[int, int, int], tuple[int, int, int]]  # of the background, of the cells

    def at(self, x: int, y: int, size: tuple[int, int]) -> tuple[int, int, int]:
        """Return the color of a pixel."""
        return self.colors[self.cells[y * _CELLS // size[1]][x * _CELLS // size[0]]]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _noise(text: str, size: int) -> bytes:
    return hashlib.shake_128(text.encode()).digest(size)


def _pattern(text: str, color: tuple[int, int, int] | None) -> _Pattern:
    digest = _digest(text)
    halves = [[bool(row >> bit & 1) for bit in range(_CELLS // 2)] for row in digest[:_CELLS]]
    red, green, blue = color or _rgb(digest[-1] / 256, 0.55)
    light = ((red + 4 * 255) // 5, (green + 4 * 255) // 5, (blue + 4 * 255) // 5)
    return _Pattern([half + half[::-1] for half in halves], (light, (red, green, blue)))


def _rgb(hue: float, lightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.6)
    return round(red * 255), round(green * 255), round(blue * 255)


def _ycc(color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return luma and the two chroma values of JFIF."""
    red, green, blue = color
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = (128 + (blue - luma) * 0.564, 128 + (red - luma) * 0.713)
    return round(luma), min(round(chroma[0]), 255), min(round(chroma[1]), 255)


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _jpeg_segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _jpeg_blocks(pattern: _Pattern, size: tuple[int, int]) -> bytes:
    """Return the scan: blocks of 8 x 8 pixels, each of one color."""
    width, height = size
    values = {color: _ycc(color) for color in pattern.colors}
    last, bits = (128, 128, 128), []
    for y in range(0, height, 8):
        for x in range(0, width, 8):
            middle = min(x + 4, width - 1), min(y + 4, height - 1)
            value = values[pattern.at(*middle, size)]
            for before, now in zip(last, value, strict=True):
                change = now - before
                length = abs(change).bit_length()
                ones = change if change > 0 else change + (1 << length) - 1
                bits.append(f"{length:04b}" + (f"{ones:0{length}b}" if length else "") + "0")
            last = value
    return _bits_to_bytes("".join(bits), filler="1").replace(b"\xff", b"\xff\0")


def _wav_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _sync_safe(size: int) -> bytes:
    """Return a size in the format of ID3: seven bits in each of four bytes."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _box(kind: bytes, *parts: bytes) -> bytes:
    data = b"".join(parts)
    return struct.pack(">I", len(data) + 8) + kind + data


def _full_box(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _counted(entries: Iterable[bytes]) -> list[bytes]:
    found = list(entries)
    return [struct.pack(">I", len(found)), *found]


def _sized(data: bytes) -> bytes:
    return struct.pack(">H", len(data)) + data


def _h264(
    pattern: _Pattern, size: tuple[int, int], count: int
) -> tuple[bytes, bytes, Sequence[bytes]]:
    """Return a video's parameter sets and its frames (ITU-T H.264, constrained baseline).

    The first frame has samples that are not compressed, the others repeat it.
    """
    columns, rows = size[0] // 16, size[1] // 16
    sequence = f"{66:08b}{0xC0:08b}{30:08b}" + _golomb(0, 0, 2, 1) + "0"
    sequence += _golomb(columns - 1, rows - 1) + "1100"
    picture = _golomb(0, 0) + "00" + _golomb(0, 0, 0) + "000" + _golomb(0, 0, 0) + "100"
    # Header: first macroblock, slice type, picture set; frame number; picture id, marks, filter.
    slices = [_golomb(0, 7, 0) + "0000" + _golomb(0) + "00" + _golomb(0, 1)]
    # Video has a smaller range of values than JPEG: 16..235 for luma, 16..240 for chroma.
    values = {
        color: (16 + luma * 219 // 255, *(16 + each * 224 // 255 for each in chroma))
        for color in pattern.colors
        for luma, *chroma in [_ycc(color)]
    }
    for row in range(rows):
        for column in range(columns):
            slices[0] += _golomb(25)  # samples
            slices[0] += "0" * (-len(slices[0]) % 8)
            square = [[(column * 16 + x, row * 16 + y) for x in range(16)] for y in range(16)]
            colors = [[values[pattern.at(x, y, size)] for x, y in line] for line in square]
            samples = [color[0] for line in colors for color in line]
            samples += [line[x][i] for i in (1, 2) for line in colors[::2] for x in range(0, 16, 2)]
            slices[0] += "".join(f"{sample:08b}" for sample in samples)
    for number in range(1, count):
        header = _golomb(0, 5, 0) + f"{number % 16:04b}" + "000" + _golomb(0, 1)
        slices.append(header + _golomb(columns * rows))  # all macroblocks skipped
    kinds = [0x65] + [0x41] * (count - 1)
    frames = [_unit(kind, bits) for kind, bits in zip(kinds, slices, strict=True)]
    return _unit(0x67, sequence), _unit(0x68, picture), frames


def _golomb(*numbers: int) -> str:
    """Return numbers as Exp-Golomb codes."""
    codes = [f"{number + 1:b}" for number in numbers]
    return "".join("0" * (len(code) - 1) + code for code in codes)


def _unit(kind: int, bits: str) -> bytes:
    data = _bits_to_bytes(bits + "1", filler="0")
    return bytes([kind]) + re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", data)


def _bits_to_bytes(bits: str, *, filler: str) -> bytes:
    bits += filler * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _pdf_stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


def _page_content(text: str) -> bytes:
    """Return the operators that draw a page: a colored bar, and the text below it."""
    try:
        words = text.encode("cp1252")
    except UnicodeEncodeError as error:
        message = f"a page must have the characters of Windows-1252, got {text[error.start]!r}"
        raise ValueError(message) from None
    color = " ".join(f"{value / 255:.3f}" for value in _pattern(text, None).colors[1])
    lines = textwrap.wrap(words.decode("cp1252"), 40) or [""]
    shown = [re.sub(r"([\\()])", r"\\\1", line).encode("cp1252") for line in lines]
    drawn = b"\n".join(b"(%s) Tj T*" % line for line in shown)
    bar = f"{color} rg 56 740 483 46 re f 0 g\n".encode()
    return bar + b"BT /F1 24 Tf 30 TL 56 690 Td\n" + drawn + b"\nET"
