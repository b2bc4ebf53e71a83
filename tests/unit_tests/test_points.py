"""Rows and the requests that they go out in."""

from __future__ import annotations

import numpy as np
import pytest
from langchain_core.documents import Document
from qdrant_client import models

from langchain_gemini_qdrant.errors import InvalidInputError, RateLimitError
from langchain_gemini_qdrant.vectorstores._points import (
    Row,
    document_rows,
    partial_write,
    payloads,
    points,
    requests,
    rows,
)


def test_rows_bring_texts_metadatas_and_ids_together():
    found = rows((text for text in "ab"), [{"n": 1}, None], iter(["x", 7]))
    assert found == [Row("x", "a", {"n": 1}), Row(7, "b", {})]


def test_metadata_is_copied():
    metadata = {"n": 1}
    [row] = rows(["a"], [metadata], None)
    row.metadata["n"] = 2
    assert metadata == {"n": 1}


def test_ids_given_win_over_the_documents_own():
    documents = [Document("a", id="own"), Document("b")]
    assert [row.id for row in document_rows(documents, ["x", "y"])] == ["x", "y"]
    first, second = (row.id for row in document_rows(documents))
    assert first == "own"
    assert len(second) == 36


def test_texts_are_strings():
    with pytest.raises(InvalidInputError, match="got int at index 1") as caught:
        rows(["a", 1], None, None)
    assert caught.value.indices == (1,)


def sizes(some, vectors, **options):
    made = points(payloads(some, "page_content", "metadata"), vectors, **options)
    return [len(batch) for batch in requests(made)]


def test_metadatas_are_dicts_or_none():
    with pytest.raises(InvalidInputError, match="dicts or None, got str at index 1") as caught:
        rows(["a", "b"], [None, "x"], None)
    assert caught.value.indices == (1,)


def test_a_request_has_at_most_16_mib():
    some = rows(["x" * 2**20] * 40, None, None)
    assert sizes(some, [{"": [0.5]}] * 40) == [15, 15, 10]
    some = rows(["x"] * 500, None, None)
    assert sizes(some, [{"": [0.5] * 3072}] * 500) == [248, 248, 4]
    assert sizes(some, [{"": np.full(3072, 0.5, np.float32)}] * 500, is_checked=True) == [
        248,
        248,
        4,
    ]
    sparse = models.SparseVector(indices=[1], values=[0.5])
    assert sizes(some, [{"words": sparse}] * 500) == [500]


def test_a_row_beyond_that_goes_alone():
    some = rows(["a", "x" * 2**25, "b"], None, None)
    assert sizes(some, [{"": [0.5]}] * 3) == [1, 1, 1]


def test_partial_write_names_ids_and_quotes_only_our_own_errors():
    some = rows(["a", "b"], None, ["x", "y"])
    error = partial_write(some, {0}, RateLimitError("wait", model="m"))
    assert (error.written, error.missing) == (["x"], ["y"])
    assert str(error).endswith("The cause: wait")
    assert str(partial_write(some, {0}, ValueError("a text"))).endswith("The cause: ValueError")
