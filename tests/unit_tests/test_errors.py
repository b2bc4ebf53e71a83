"""Errors are values: they pass through pickle, between processes and into copies, whole."""

from __future__ import annotations

import copy
import pickle

import pytest

from langchain_gemini_qdrant import errors
from langchain_gemini_qdrant.ingestion import IngestReport

FAILURE = errors.RateLimitError("429", model="m", retry_after=7.0, limit=100, unit="texts")
REPORT = IngestReport(added=3, failed={"a": "blank"})
OPTIONS = {
    "InvalidInputError": {"indices": [1, 2]},
    "TextTooLongError": {"indices": [3], "max_input_tokens": 2048},
    "EmbeddingError": {"model": "m", "status_code": 418, "attempts": 2},
    "RateLimitError": {"model": "m", "retry_after": 7.0, "limit": 100, "unit": "tokens"},
    "DailyQuotaError": {"model": "m", "attempts": 3},
    "BillingError": {"model": "m", "limits": {"texts": 0, "tokens": None}},
    "ServiceError": {"model": "m", "status_code": 503, "retry_after": 21.0},
    "RequestRejectedError": {"model": "m", "status_code": 400, "refuses_all": True},
    "ResponseMismatchError": {"model": "m"},
    "PartialEmbeddingError": {"model": "m", "vectors": [[1.0], None], "failures": {1: FAILURE}},
    "PartialWriteError": {"written": ["a"], "missing": [7]},
    "IngestError": {"report": REPORT},
}
COPIES = {
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def parts(error):
    """What an error holds, and of errors in it what these hold."""
    held = dict(vars(error))
    if "failures" in held:
        held["failures"] = {index: parts(inner) for index, inner in held["failures"].items()}
    return type(error), str(error), held


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", errors.__all__)
def test_a_copy_of_an_error_has_its_message_and_all_it_holds(name, copied):
    error = getattr(errors, name)("what happened", **OPTIONS.get(name, {}))
    assert parts(copied(error)) == parts(error)
