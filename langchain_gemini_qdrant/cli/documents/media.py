"""Reads images, sounds, videos and the pages of PDF files, which are embedded as they are."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from langchain_gemini_qdrant.cli.documents.reading import MediumPart
from langchain_gemini_qdrant.cli.options import MEDIA_KEY
from langchain_gemini_qdrant.errors import InvalidInputError
from langchain_gemini_qdrant.media._contents import as_content
from langchain_gemini_qdrant.media._medium import short
from langchain_gemini_qdrant.media._pdfs import pages_of
from langchain_gemini_qdrant.media._references import References

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_gemini_qdrant.cli.documents.reading import Reading
    from langchain_gemini_qdrant.media._medium import Medium

_REFERENCES = References()


def read_medium(reading: Reading) -> Iterator[MediumPart]:
    """Yield an image, a sound or a video."""
    reference = _reference(reading)
    medium = _read(reference)
    facts: dict[str, Any] = {"size_bytes": medium.size_bytes}
    if medium.seconds is not None:
        facts["seconds"] = round(medium.seconds, 1)
    yield _part(medium, reference, facts)


def read_pages(reading: Reading) -> Iterator[MediumPart]:
    """Yield each page of a PDF file; one that cannot be read is recorded."""
    reference = _reference(reading)
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # warnings about repaired files
    with reading.file.path.open("rb") as stream:
        count = pages_of(stream) or 0
    for number in range(1, count + 1):
        reading.position = reading.file.size * number // count
        page = f"{reference}#page={number}"
        try:
            medium = _read(page)
        except InvalidInputError as error:
            reading.fail(str(error), f"page {number}")
        else:
            yield _part(medium, page, {"page": number})


def _reference(reading: Reading) -> str:
    """Return the absolute path of a file, by which its medium is found again.

    Raises:
        InvalidInputError: It cannot be a reference.
    """
    if reading.file.is_stdin:
        raise InvalidInputError("is a medium, which needs a file that can be read again: save it")
    path = os.path.abspath(reading.file.path)  # noqa: PTH100 - `resolve` would follow links
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidInputError("has a name that is not UTF-8: rename it") from None
    return path


def _read(reference: str) -> Medium:
    """Read a medium, and check that the model takes it.

    Raises:
        InvalidInputError: It does not; the message does not name it.
    """
    try:
        [medium] = _REFERENCES.media(reference)
        as_content((medium,))
    except InvalidInputError as error:
        raise InvalidInputError(str(error).removeprefix(f"{short(reference)} ")) from error
    return medium


def _part(medium: Medium, reference: str, facts: dict[str, Any]) -> MediumPart:
    return MediumPart(page_content="", metadata={MEDIA_KEY: reference, **facts}, medium=medium)
