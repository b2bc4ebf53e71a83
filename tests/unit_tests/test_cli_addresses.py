"""Where nobody answered, in the last line of a command."""

from __future__ import annotations

import click
import pytest

from langchain_gemini_qdrant.cli.connecting import keep_base_url
from langchain_gemini_qdrant.cli.main import _address
from langchain_gemini_qdrant.errors import IngestError, ServiceError, StorageError
from langchain_gemini_qdrant.ingestion import IngestReport


def unanswered(**facts):
    return ServiceError("no answer", model="m", **facts)


def stopped_by(cause):
    error = IngestError("not stored", report=IngestReport())
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (unanswered(), " (http://localhost:1)"),
        (stopped_by(unanswered()), " (http://localhost:1)"),
        (unanswered(status_code=503), ""),
        (stopped_by(None), ""),
        (StorageError("disk"), ""),
    ],
)
def test_the_address_in_place_of_google_s_is_named_where_it_did_not_answer(error, told):
    with click.Context(click.Command("search")) as context:
        keep_base_url("http://localhost:1")
        assert _address(error, context) == told
