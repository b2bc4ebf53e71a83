"""Many files as one stream of passages, with notices about the files."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from langchain_core.documents import Document

from langchain_gemini_qdrant._qdrant_values import content_id
from langchain_gemini_qdrant.cli.documents.passages import Outline, Splitter
from langchain_gemini_qdrant.cli.documents.read_before import ReadBefore, Stamp, stamp
from langchain_gemini_qdrant.cli.documents.readers import read
from langchain_gemini_qdrant.cli.documents.reading import (
    CodeText,
    MarkdownText,
    MediumPart,
    Reading,
)
from langchain_gemini_qdrant.cli.options import SOURCE_KEY, TITLE_KEY
from langchain_gemini_qdrant.ingestion._lookups import Given

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from langchain_gemini_qdrant.cli.documents.files import Found, SourceFile
    from langchain_gemini_qdrant.cli.documents.stored_files import StoredFiles
    from langchain_gemini_qdrant.media._medium import Medium

_PLACES = ("page", "slide", "line", "row", "record", "message", "cell")

_FILES_AT_A_TIME = 100


class Corpus:
    """Passages of files, which are read in order, on demand.

    Args:
        found: The files.
        chunk_size: Maximum number of characters of a passage.
        encoding: Encoding of text that is not UTF-8, None for a guess.
        text_field: Text field of JSON records, None for the usual ones.
        media: Whether images, sounds and videos are read.
        pages: Whether pages of PDF files are read as they look, instead of their text.

    Attributes:
        found: The files.
        media: Whether images, sounds and videos are read.
        stored: The files that the collection has, None without a collection; set before reading.
        total_bytes: Size of all files.
        files_read: Files read so far, including those without text and the unchanged ones.
        unchanged: Files that were not read again, as they are stored and have not changed.
        copies: Existing source with the passages of a new file, by source.
        empty: Sizes of files without any text, by source.
        notices: Notices on how a file was read, by source.
        problems: Why a file could not be read, or only in part, by source.
        kept: Number of passages of each file read that the collection has once they are stored, or
            in a dry run those that it has already, by source.
    """

    def __init__(
        self,
        found: Found,
        *,
        chunk_size: int,
        encoding: str | None = None,
        text_field: str | None = None,
        media: bool = False,
        pages: bool = False,
    ) -> None:
        self.found = found
        self.stored: StoredFiles | None = None
        self.total_bytes = sum(file.size for file in found.files)
        self.files_read = 0
        self.unchanged = 0
        self.copies: dict[str, str] = {}
        self.empty: dict[str, str] = {}
        self.notices: dict[str, str] = {}
        self.problems: dict[str, str] = dict(found.problems)
        self.kept: Counter[str] = Counter()
        self._splitter = Splitter(chunk_size)
        self._chunk_size = chunk_size
        self._encoding = encoding
        self._text_field = text_field
        self.media = media
        self._pages = pages
        self._ends: deque[int] = deque()  # bytes read with each passage that is not done yet
        self._ids = array("q")  # hashes of all ids, as the run names failed passages by id
        self._firsts: list[int] = []  # of each file that was begun, in that list
        self._settled = 0
        self._settled_bytes = 0

    def passages(self) -> Iterator[Given]:
        """Yield the passages of all files.

        A file that cannot be read, or only in part, ends with a document without text that has the
        source as its id: the run counts a failure, excludes that source from the cleanup, and
        continues.
        """
        for source in self.found.problems:
            yield self._failure(source, 0)
        before = 0
        files = iter(self.found.files)
        while some := list(islice(files, _FILES_AT_A_TIME)):
            unchanged = {} if self.stored is None else self.stored.unchanged(some)
            for file in some:
                self._firsts.append(len(self._ids))
                if file in unchanged:
                    yield from self._known_passages(file, unchanged[file], before)
                else:
                    yield from self._read(file, before)
                before += file.size
                self.files_read += 1
            if self.stored is not None:
                self.stored.save()

    def _known_passages(self, file: SourceFile, known: ReadBefore, before: int) -> Iterator[Given]:
        self.unchanged += bool(known.ids)
        self._note(file, known.notice, is_empty=not known.ids)
        self.kept[file.source] += len(set(known.names()))
        for name in known.names():
            self._ids.append(hash(name))
            self._ends.append(before + file.size)
            yield Given(Document("", id=name, metadata={SOURCE_KEY: file.source}), is_stored=True)

    def _read(self, file: SourceFile, before: int) -> Iterator[Given]:
        reading = Reading(
            file=file,
            encoding=self._encoding,
            text_field=self._text_field,
            chunk_size=self._chunk_size,
            media=self.media,
            pages=self._pages,
        )
        ids = bytearray()
        copies: list[str] | None = None
        state = _stamp_if_any(file.path)
        for passage, position in self._passages(reading):
            name = passage_id(passage)
            media: tuple[Medium, ...] = ()
            if isinstance(passage, MediumPart):
                passage.id = name  # a failure is told by it, and not by the reference
                media = (passage.medium,)
            ids += UUID(name).bytes
            self._ids.append(hash(name))
            self._ends.append(before + position)
            if copies is None:
                copies = [] if self.stored is None else self._copies_of(passage, self.stored)
            others = [id_under(passage, other) for other in copies]
            yield Given(passage, other_ids=others, media=media)
        if state is not None and state != _stamp_if_any(file.path):
            reading.fail("it changed while it was read: run the command again")
        self._note(file, reading.notice, is_empty=not ids and reading.problem is None)
        if reading.problem is not None:
            self.problems[file.source] = reading.problem
            yield self._failure(file.source, before + file.size)
        elif self.stored is not None:
            now = ReadBefore(bytes(ids), reading.notice)
            self.kept[file.source] += self.stored.count_kept({*now.names()}, file.source)
            if state is not None:
                self.stored.remember(file, state, now)

    def _copies_of(self, passage: Document, stored: StoredFiles) -> list[str]:
        copies = stored.copies_of(passage)
        if copies and stored.is_new(passage.metadata[SOURCE_KEY]):
            self.copies[passage.metadata[SOURCE_KEY]] = copies[0]
        return copies

    def _note(self, file: SourceFile, notice: str | None, *, is_empty: bool) -> None:
        if notice is not None:
            self.notices[file.source] = notice
        if is_empty:
            self.empty[file.source] = f"{file.size:,} bytes"

    def settled_bytes(self, done: int) -> int:
        """Return the number of bytes of the files that are done when `done` passages are done."""
        while self._ends and self._settled < done:
            self._settled += 1
            self._settled_bytes = self._ends.popleft()
        return self._settled_bytes

    def sources_of(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the source of passages, by their ids."""
        wanted = {hash(name): name for name in ids}
        files = self.found.files
        return {
            wanted[each]: files[bisect_right(self._firsts, i) - 1].source
            for i, each in enumerate(self._ids)
            if each in wanted
        }

    def _failure(self, source: str, position: int) -> Given:
        self._ends.append(position)
        return Given(Document("", id=source, metadata={SOURCE_KEY: source}))

    def _passages(self, reading: Reading) -> Iterator[tuple[Document, int]]:
        """Yield passages, each with the bytes of the file up to it."""
        outline: Outline | None = None
        before = 0
        for part in read(reading):
            if outline is None or (isinstance(part, MarkdownText) and not part.continues):
                outline = Outline(part.metadata.get(TITLE_KEY, ""))
            if not _can_be_stored(part):
                reading.fail("half a character (a lone surrogate)", _place(part))
                continue
            passages = list(self._split(reading.file, part, outline))
            step = (reading.position - before) / max(len(passages), 1)
            for i, passage in enumerate(passages, 1):
                yield passage, before + round(step * i)
            before = reading.position

    def _split(self, file: SourceFile, part: Document, outline: Outline) -> Iterator[Document]:
        metadata = {**part.metadata, SOURCE_KEY: file.source}
        if isinstance(part, MediumPart):
            yield MediumPart(page_content="", metadata=metadata, medium=part.medium)
            return
        if isinstance(part, CodeText):
            for text, line in self._splitter.split_code(part.page_content, part.language):
                yield Document(text, metadata={**metadata, "line": part.first_line + line - 1})
            return
        if file.kind not in {"markdown", "html"} and not isinstance(part, MarkdownText):
            for text in self._splitter.split(part.page_content):
                yield Document(text, metadata=metadata)
            return
        for text, heading in self._splitter.split_markdown(part.page_content, outline):
            own = {"heading": heading} if heading else {}
            yield Document(text, metadata={**metadata, **own})


def passage_id(passage: Document) -> str:
    """Return the id that a run gives to a passage."""
    return id_under(passage, passage.metadata[SOURCE_KEY])


def id_under(passage: Document, source: str) -> str:
    """Return the id that a passage has as one of another source."""
    digests = [passage.medium.digest] if isinstance(passage, MediumPart) else ()
    moved = Document(passage.page_content, metadata={SOURCE_KEY: source})
    return content_id(moved, digests=digests)


def _stamp_if_any(path: Path) -> Stamp | None:
    try:
        return stamp(path)
    except OSError:  # reported when it is read
        return None


def _can_be_stored(part: Document) -> bool:
    """Return whether a passage is valid Unicode: JSON and PDF can contain halves of characters."""
    texts = [part.page_content, *part.metadata, *map(str, part.metadata.values())]
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(part: Document) -> str:
    keys = [key for key in _PLACES if key in part.metadata]
    return f"{keys[0]} {part.metadata[keys[0]]:,}" if keys else "its text"
