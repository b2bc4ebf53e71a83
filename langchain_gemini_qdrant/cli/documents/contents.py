"""The kind of a file by its content, whatever its name says."""

from __future__ import annotations

import codecs
import re
import zipfile
from typing import TYPE_CHECKING

from langchain_gemini_qdrant.cli.documents.kinds import (
    MEDIA_KINDS,
    MISSING,
    Kind,
    is_missing,
    needs_extra,
)
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._kinds import HEAD_BYTES, MEDIA_TYPES, advice, sniff

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_gemini_qdrant.cli.documents.reading import Reading

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "is encrypted: save a copy without the password"
# Bytes of text and markup: a tree takes 30 times as much; sheets of Excel are read row by row.
_LARGEST, _LARGEST_SHEETS = 100_000_000, 1_000_000_000

# Kinds that are read as text, in any encoding.
_TEXTS: set[Kind] = {
    "text", "markdown", "rst", "html", "subtitles", "json", "jsonl", "csv", "config", "code",
    "notebook",
}  # fmt: skip

# The first part of a MIME type, and the kind.
_MEDIA: dict[str, Kind] = {"image": "image", "audio": "sound", "video": "video"}
_A_MEDIUM: dict[Kind, str] = {"image": "an image", "sound": "a sound", "video": "a video"}

# A file inside, and the kind of an archive that has it.
_INSIDE: dict[str, Kind] = {
    "word/document.xml": "word",
    "ppt/presentation.xml": "slides",
    "xl/workbook.xml": "workbook",
    "META-INF/container.xml": "epub",
}
_MIME_TYPES: dict[str, Kind] = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "workbook",
    "application/epub+zip": "epub",
}

# A stream inside, and the kind of an older Office file that has it; a text says what to do.
_STREAMS: dict[str, tuple[Kind | None, str]] = {
    "EncryptedPackage": (None, ENCRYPTED),
    "__properties_version1.0": ("outlook", ""),
    "WordDocument": (None, "is of Word 97 to 2003: save it as .docx"),
    "PowerPoint Document": (None, "is of PowerPoint 97 to 2003: save it as .pptx"),
    "Workbook": ("workbook", ""),
    "Book": ("workbook", ""),
}

# Files that begin like this are not text. Source:
# https://en.wikipedia.org/wiki/List_of_file_signatures
_BINARIES = (
    (rb"\x00\x00\x01\x00", "an icon"),
    (rb"\x1f\x8b", "compressed (gzip): unpack it first"),
    (rb"BZh[1-9]1AY&SY", "compressed (bzip2): unpack it first"),
    (rb"\xfd7zXZ\x00", "compressed (xz): unpack it first"),
    (rb"\x28\xb5\x2f\xfd", "compressed (zstd): unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "an archive (7z): unpack it first"),
    (rb"Rar!\x1a\x07", "an archive (RAR): unpack it first"),
    (rb"\x7fELF", "a program"),
    (rb"MZ(?=.*\x00)", "a program"),
    (rb"\xca\xfe\xba\xbe|\xcf\xfa\xed\xfe", "a program"),
    (rb"SQLite format 3\x00", "a database (SQLite)"),
    (rb"PAR1[\x00-\x1f]", "a table in Parquet's format"),
    (rb"wOF[F2]\x00|\x00\x01\x00\x00\x00|OTTO\x00", "a font"),
)
_PAGE = re.compile(
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|table)\b", re.I | re.S
)
_SHEET_XML = re.compile(rb"\s*<\?xml.*?urn:schemas-microsoft-com:office:spreadsheet", re.S)


def find_kind(reading: Reading) -> Kind:
    """Return how a file is to be read, by its first bytes; its suffix decides between texts.

    Raises:
        InvalidInputError: It cannot be read; the message says what it is, or what it needs.
    """
    path, kind = reading.file.path, reading.file.kind
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    found = _medium(head, is_wanted=reading.media) or _by_signature(path, head, kind)
    if found is None and path.suffix.lower() in MEDIA_KINDS:
        raise InvalidInputError(_no_medium(head, MEDIA_KINDS[path.suffix.lower()]))
    found = found or _by_text(head, kind)
    if found == "pdf" and reading.pages:
        return "pages"
    if kind in _TEXTS and found == kind and not _is_text(head, reading.encoding):
        raise InvalidInputError("is binary data, not text")
    if needs_extra(found):
        raise InvalidInputError(MISSING)
    return found


def _medium(head: bytes, *, is_wanted: bool) -> Kind | None:
    """Return the kind of an image, sound or video with these first bytes; a drawing is text."""
    mime_type = sniff(head)
    kind = _MEDIA.get((mime_type or "").partition("/")[0])
    if mime_type is None or kind is None or mime_type == "image/svg+xml":
        return None
    what = f"is {_A_MEDIUM[kind]} ({mime_type})"
    if mime_type not in MEDIA_TYPES:
        raise InvalidInputError(f"{what}, which --media does not embed: {advice(mime_type)}")
    if not is_wanted:
        raise InvalidInputError(f"{what}, not text: --media embeds it")
    return kind


def _no_medium(head: bytes, kind: Kind) -> str:
    if head.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS instead of the file: run git lfs pull"
    return f"has the name of {_A_MEDIUM[kind]}, but not its content"


def _by_signature(path: Path, head: bytes, kind: Kind) -> Kind | None:
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"{\\rtf"):
        return "rtf"
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return _archive(path, kind)
    if head.startswith(_OLE):
        return _office_97(path)
    for signature, name in _BINARIES:
        if re.match(signature, head):
            raise InvalidInputError(f"is {name}" if ":" in name else f"is {name}, not text")
    return None


def _by_text(head: bytes, kind: Kind) -> Kind:
    """Return the kind of a file without a signature: Office opens pages and tables, too."""
    if kind in _TEXTS or kind in {"mail", "mailbox"}:
        return kind
    if _PAGE.match(head):
        return "html"
    if _SHEET_XML.match(head):
        raise InvalidInputError("is of Excel 2003 (XML): save it as .xlsx")
    if head.lower().startswith(b"mime-version:"):  # a web page as Word saves it in one file
        return "mail"
    if kind == "pdf" or not _is_text(head, None):
        return kind  # its reader reports the reason
    return "csv" if kind == "workbook" else "text"


def _is_text(head: bytes, encoding: str | None) -> bool:
    """Return whether there are no NULs, or the encoding has or may have them."""
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
    if encoding is not None or b"\x00" not in head or head.startswith(marks):
        return True
    halves = head[::2], head[1::2]  # UTF-16 without a mark has most NULs in one of them
    return any(half.count(0) > len(half) * 0.7 for half in halves)


def _archive(path: Path, kind: Kind) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            found = _archived_kind(archive)
            texts = [each for each in archive.infolist() if not _is_media(each.filename)]
            if any(each.flag_bits & 1 for each in texts) or _is_encrypted(archive):
                raise InvalidInputError(ENCRYPTED)
            size = sum(each.file_size for each in texts)
            is_excel = found == "workbook" and "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
        raise InvalidInputError(f"is damaged: its archive cannot be opened ({error})") from error
    limit = _LARGEST_SHEETS if is_excel else _LARGEST
    if size > limit:
        raise InvalidInputError(
            f"unpacks to {size / 1e6:,.0f} MB of text, more than {limit / 1e6:,.0f} MB: split it"
        )
    if found is not None:
        return found
    if kind in _TEXTS:
        raise InvalidInputError("is an archive (ZIP): unpack it first")
    raise InvalidInputError("is damaged: its archive does not contain the document")


def _archived_kind(archive: zipfile.ZipFile) -> Kind | None:
    names = {each.lower(): each for each in archive.namelist()}
    if "mimetype" in names and archive.getinfo(names["mimetype"]).file_size < HEAD_BYTES:
        mime = archive.read(names["mimetype"]).decode("ascii", "replace").strip()
        if mime.removesuffix("-template") in _MIME_TYPES:
            return _MIME_TYPES[mime.removesuffix("-template")]
        if "opendocument" in mime:
            raise InvalidInputError(f"is a kind of OpenDocument that is not read ({mime})")
    for name, kind in _INSIDE.items():
        if name.lower() in names:
            return kind
    if "xl/workbook.bin" in names:
        raise InvalidInputError("is a binary workbook: save it as .xlsx")
    return None


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    """Return whether it is an encrypted OpenDocument; a book is detected by its chapters."""
    manifest = "META-INF/manifest.xml"
    return manifest in archive.namelist() and b"encryption-data" in archive.read(manifest)


def _is_media(name: str) -> bool:
    return name.lower().endswith(
        (".png", ".jpg", ".jpeg", ".gif", ".emf", ".wmf", ".tif", ".tiff", ".svg", ".mp4",
         ".mp3", ".m4a", ".wav", ".ttf", ".otf", ".woff", ".woff2", ".bmp", ".webp", ".odttf")
    )  # fmt: skip


def _office_97(path: Path) -> Kind:
    if is_missing("olefile"):
        raise InvalidInputError(MISSING)
    import olefile  # noqa: PLC0415 - of the extra

    try:
        with olefile.OleFileIO(path) as ole:
            for stream, (kind, problem) in _STREAMS.items():
                if ole.exists(stream):
                    if kind is None:
                        raise InvalidInputError(problem)
                    return kind
    except (OSError, ValueError, IndexError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"is damaged: {error}") from error
    raise InvalidInputError("is an older Microsoft file that is not read")
