from __future__ import annotations

import pytest

from langchain_gemini_qdrant.cli.documents import readers
from langchain_gemini_qdrant.cli.documents.files import find_files
from langchain_gemini_qdrant.cli.documents.reading import Reading


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled):
    """A unit test that opens a socket fails."""


@pytest.fixture
def read(tmp_path):
    """Read one file; return its texts with their metadata, and the reading."""

    def read(name, content, **options):
        (tmp_path / name).write_bytes(content)
        [file] = find_files([str(tmp_path / name)]).files
        reading = Reading(file=file, **options)
        parts = [(part.page_content, part.metadata) for part in readers.read(reading)]
        assert reading.position == len(content)
        return parts, reading

    return read
