"""Pytest plugin: langchain-qdrant's tests meet `GeminiQdrantVectorStore` as `QdrantVectorStore`.

As they stand, the tests listed in `differences.py` must fail. With `--put-back`, only those run,
against the store with the differences taken out, and must pass.
"""

from __future__ import annotations

import json
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

import langchain_qdrant
import pytest
from differences import DIFFERENCES, LEFT_OUT, PutBack

from langchain_gemini_qdrant import GeminiQdrantError, GeminiQdrantVectorStore

TALLY = {
    "outcomes": Counter(),
    "differences": [0] * len(DIFFERENCES),
    "left_out": Counter(),
}


def pytest_addoption(parser):
    parser.addoption("--put-back", action="store_true")
    parser.addoption("--tally", type=Path, required=True)


def pytest_configure(config):
    from tests.integration_tests import fixtures  # noqa: PLC0415 - langchain-qdrant's

    # Their clean-up deletes every collection of a server that they happen to find.
    fixtures.qdrant_running_locally = lambda: False
    store = GeminiQdrantVectorStore
    if config.getoption("put_back"):
        store = PutBack
        langchain_qdrant.qdrant.QdrantVectorStoreError = GeminiQdrantError
    for module in (langchain_qdrant, langchain_qdrant.qdrant):
        module.QdrantVectorStore = store


def pytest_ignore_collect(collection_path):
    for pattern, reason in LEFT_OUT.items():
        if fnmatch(collection_path.as_posix(), f"*/tests/{pattern}"):
            TALLY["left_out"][reason] += 1
            return True
    return None


def pytest_collection_modifyitems(config, items):
    listed = []
    unused = {pattern for difference in DIFFERENCES for pattern in difference.tests}
    for item in items:
        name = f"{item.path.name}::{item.originalname}"
        found = [
            number
            for number, difference in enumerate(DIFFERENCES)
            if any(fnmatch(name, pattern) for pattern in difference.tests)
        ]
        if not found:
            continue
        listed.append(item)
        unused -= {pattern for pattern in unused if fnmatch(name, pattern)}
        if not config.getoption("put_back"):
            reason = "; ".join(DIFFERENCES[number].ours for number in found)
            raises = tuple(DIFFERENCES[number].raises for number in found)
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason, raises=raises))
        if "NOTSET" not in item.nodeid:  # what pytest calls a test that waits for a server
            for number in found:
                TALLY["differences"][number] += 1
    if unused:
        raise pytest.UsageError(f"differences.py lists tests that do not exist: {sorted(unused)}")
    if config.getoption("put_back"):
        items[:] = listed


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        explained = report.skipped and hasattr(report, "wasxfail")
        TALLY["outcomes"]["explained" if explained else report.outcome] += 1


def pytest_sessionfinish(session):
    session.config.getoption("tally").write_text(json.dumps(TALLY), encoding="utf-8")
