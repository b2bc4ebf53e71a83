"""Reads files of each kind as texts with titles, in parts, so that no file must fit in memory.

Parts that cannot be read are recorded with the reason, and the rest is read.
"""

from __future__ import annotations

import errno
from collections import Counter
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, cast

from langchain_gemini_qdrant.cli.documents.contents import find_kind
from langchain_gemini_qdrant.cli.documents.kinds import MISSING, needs_extra
from langchain_gemini_qdrant.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.documents import Document

    from langchain_gemini_qdrant.cli.documents.files import Found
    from langchain_gemini_qdrant.cli.documents.kinds import Kind
    from langchain_gemini_qdrant.cli.documents.reading import Reading

# Module and function of each kind: its library is imported with its first file.
_READERS: dict[Kind, tuple[str, str]] = {
    "text": ("plain_text", "read_text"),
    "markdown": ("plain_text", "read_text"),
    "rst": ("restructured", "read_rst"),
    "html": ("webpages", "read_page"),
    "pdf": ("pdfs", "read_pdf"),
    "word": ("office", "read_word"),
    "slides": ("office", "read_slides"),
    "workbook": ("workbooks", "read_workbook"),
    "odt": ("opendocument", "read_odt"),
    "odp": ("opendocument", "read_odp"),
    "epub": ("ebooks", "read_epub"),
    "rtf": ("office", "read_rtf"),
    "mail": ("mail", "read_mail"),
    "mailbox": ("mail", "read_mailbox"),
    "outlook": ("mail", "read_outlook"),
    "notebook": ("notebooks", "read_notebook"),
    "subtitles": ("subtitles", "read_subtitles"),
    "json": ("json_lines", "read_json"),
    "jsonl": ("json_lines", "read_json_lines"),
    "csv": ("csv_tables", "read_table"),
    "config": ("source_code", "read_settings"),
    "code": ("source_code", "read_code"),
    "image": ("media", "read_medium"),
    "sound": ("media", "read_medium"),
    "video": ("media", "read_medium"),
    "pages": ("media", "read_pages"),
}


def read(reading: Reading) -> Iterator[Document]:
    """Yield a file's texts with their titles; `reading` collects notices and problems.

    A text is a block of a long file, a page, slide or chapter, a record or row; an image, sound,
    video or page as it looks is a `MediumPart`. The kind of `reading.file` is set by the content of
    the file, whatever its name says.
    """
    try:
        if reading.file.size:
            reading.file = replace(reading.file, kind=find_kind(reading))
            yield from _reader(reading.file.kind)(reading)
    except OSError as error:
        # Archives with paths outside the archive.
        is_damaged = error.errno == errno.EINVAL
        reading.fail("is damaged" if is_damaged else error.strerror or type(error).__name__)
    except InvalidInputError as error:
        reading.fail(str(error))
    except RecursionError:
        reading.fail("is nested too deeply to be read")
    except Exception as error:  # noqa: BLE001 - parsers of broken files raise whatever they like
        what = f"{type(error).__name__}: {error}".removesuffix(": ")
        reading.fail(f"is damaged, or not of the kind that its name says ({what})")
    reading.position = reading.file.size


def leave_out_missing(found: Found) -> str | None:
    """Move files that need the extra `files` to the problems if it is missing.

    Returns:
        A notice with their number and kinds, None if there are none.
    """
    missing = [file for file in found.files if needs_extra(file.kind)]
    if not missing:
        return None
    found.files[:] = [file for file in found.files if not needs_extra(file.kind)]
    found.problems.update((file.source, MISSING) for file in missing)
    counts = Counter(file.path.suffix.lower() for file in missing)
    kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common())
    return f"Not read: {kinds}: {MISSING}"


def _reader(kind: Kind) -> Callable[[Reading], Iterator[Document]]:
    module, name = _READERS[kind]
    found = getattr(import_module(f"langchain_gemini_qdrant.cli.documents.{module}"), name)
    return cast("Callable[[Reading], Iterator[Document]]", found)
