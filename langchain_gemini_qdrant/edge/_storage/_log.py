"""The engine's write-ahead log, read from its files: the updates that it will apply again.

```
wal/first-index   JSON, `ack_index`: number of the first update that is applied at the next open
wal/closed-<n>    a full segment; its first record has the number n
wal/open-<n>      the segment that is being written; it continues the last closed one
```

A segment is `wal`, a zero byte and 4 bytes of seed, then its records: 8 bytes of length, an
update as CBOR, padding, and a CRC-32C. The CRC continues the 4 bytes before the record, the CRC of
the one before it or the seed. So a segment may be split between any two records: the 4 bytes before
a part become its seed, and its records keep their CRCs.

Source: https://github.com/qdrant/qdrant/blob/master/lib/wal/src/segment.rs
"""

from __future__ import annotations

import itertools
import json
import mmap
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.edge._storage._update_bytes import is_unbounded
from langchain_gemini_qdrant.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGIC = b"wal\0"
_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 8  # of a segment and of a record
_CRC_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One update in the log: its number, and its bytes from `start` to `end` of a file."""

    number: int
    file: Path
    start: int
    end: int
    length: int

    @property
    def body(self) -> bytes:
        """The update as CBOR."""
        with self.file.open("rb") as opened:
            opened.seek(self.start + _HEADER_BYTES)
            return opened.read(self.length)


def pending(log: Path) -> list[Record]:
    """Return the updates that opening the collection will apply again, in their order.

    Raises:
        StorageError: The log is damaged.
    """
    acknowledged = log / "first-index"
    try:
        first = 0
        if acknowledged.exists():
            first = json.loads(acknowledged.read_bytes())["ack_index"]
        return [record for record in records(log) if record.number >= first]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"The log {log} is damaged: {error!r}") from error


_UNREADABLE = "failed to read WAL entry"
_NOT_APPLIED = "recursion limit exceeded"  # on a stored payload that an update has to read


def check_readable(log: Path) -> None:
    """Refuse a log with a bound that the engine would read back as no bound.

    Raises:
        StorageError: There is one in an update that opening the collection will apply again.
    """
    for record in pending(log):
        if is_unbounded(record.body):
            raise StorageError(f"{_UNREADABLE} {record.number}: a bound is not finite")


def is_unreadable(error: StorageError) -> bool:
    """Return whether an update in the log prevents a collection from being opened."""
    return any(words in str(error) for words in (_UNREADABLE, _NOT_APPLIED))


def records(log: Path) -> Iterator[Record]:
    """Yield all updates that the log still has."""
    number = 0
    for kind in ("closed-", "open-"):
        segments = {int(file.name[len(kind) :]): file for file in log.glob(f"{kind}*")}
        for first, file in sorted(segments.items()):
            number = first if kind == "closed-" else number
            for record in _records_of(file, number):
                yield record
                number += 1


def _records_of(file: Path, first: int) -> Iterator[Record]:
    """Yield the records, found by their lengths.

    The last one may be half written; the engine checks the CRCs and ignores it.
    """
    if file.stat().st_size == 0:
        return  # nothing can be mapped; the engine reports the reason
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        start = _HEADER_BYTES
        for number in itertools.count(first):
            if start + _HEADER_BYTES + _CRC_BYTES >= len(content):
                return
            (length,) = _LENGTH.unpack_from(content, start)
            end = start + _HEADER_BYTES + length + -(length + _CRC_BYTES) % 8 + _CRC_BYTES
            if length == 0 or end > len(content):
                return
            yield Record(number=number, file=file, start=start, end=end, length=length)
            start = end


def is_whole(record: Record) -> bool:
    """Return whether a record was written to its end."""
    with record.file.open("rb") as opened:
        opened.seek(record.start - _CRC_BYTES)
        content = opened.read(record.end - record.start + _CRC_BYTES)
    before, crc = content[:_CRC_BYTES], content[-_CRC_BYTES:]
    return _crc32c(before, content[_CRC_BYTES:-_CRC_BYTES]) == crc


def write_segments(log: Path, records: Sequence[Record], *, shift: int = 0) -> None:
    """Write a log of consecutive records, with numbers higher by `shift`."""
    for file, group in itertools.groupby(records, key=lambda record: record.file):
        first, *others = group
        target = log / f"closed-{first.number + shift}"
        target.write_bytes(_segment(file.read_bytes(), first.start, [first, *others][-1].end))


def split(log: Path, number: int, later: Path) -> None:
    """Move the updates from a number on to another log, with numbers higher by one.

    This log then ends before them, and the other log leaves the number free. An update that a point
    already has is applied to it again, if it was the point's last one.
    """
    before: list[Record] = []
    after: list[Record] = []
    for record in records(log):
        (before if record.number < number else after).append(record)
    write_segments(later, after, shift=1)
    with TemporaryDirectory(dir=log.parent) as name:
        write_segments(Path(name), before)
        for file in [*log.glob("closed-*"), *log.glob("open-*")]:
            file.unlink()
        shutil.copytree(name, log, dirs_exist_ok=True)


def replace(record: Record, body: bytes) -> None:
    """Write another update in place of a record."""
    content = record.file.read_bytes()
    of_file = list(_records_of(record.file, 0))
    first = record.number - [each.start for each in of_file].index(record.start)
    padded = _LENGTH.pack(len(body)) + body + bytes(-(len(body) + _CRC_BYTES) % 8)
    crc = _crc32c(content[record.start - _CRC_BYTES : record.start], padded)
    before = _segment(content, _HEADER_BYTES, record.start) + padded + crc
    after = _segment(content, record.end, of_file[-1].end)
    record.file.unlink()
    (record.file.parent / f"closed-{first}").write_bytes(before)
    if record.end < of_file[-1].end:
        is_closed = record.file.name.startswith("closed-")
        name = f"closed-{record.number + 1}" if is_closed else record.file.name
        (record.file.parent / name).write_bytes(after)


def _segment(content: bytes, start: int, end: int) -> bytes:
    """Return a new segment from the records between two offsets of a segment."""
    return _MAGIC + content[start - _CRC_BYTES : end]


def _crc_table() -> Iterator[int]:
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        yield value


_CRC_TABLE = tuple(_crc_table())


def _crc32c(previous: bytes, content: bytes) -> bytes:
    """Return the CRC of a record after another one; the engine reverses that one's bits."""
    state = int(f"{int.from_bytes(previous, 'little'):032b}"[::-1], 2)
    for byte in content:
        state = _CRC_TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return (state ^ 0xFFFFFFFF).to_bytes(_CRC_BYTES, "little")
